# SPDX-License-Identifier: Apache-2.0
"""A port that gives one answer."""

import socket
import threading

import pytest


@pytest.fixture
def serve():
    """serve(bytes or None): a port that answers so and ends; None: says nothing."""
    opened = []

    def start(answer):
        listener = socket.create_server(("127.0.0.1", 0))
        opened.append(listener)

        def run():
            try:
                one, _ = listener.accept()
            except OSError:
                return
            opened.append(one)
            if answer is not None:
                one.recv(4096)
                one.sendall(answer)
                one.close()
        threading.Thread(target=run, daemon=True).start()
        return listener.getsockname()[1]
    yield start
    for one in opened:
        one.close()
