# SPDX-License-Identifier: Apache-2.0
"""The service manager is notified, and never waited for."""

import socket
import threading

from quorate.web import sockets


def full(path):
    """A service manager's socket that takes no more words."""
    one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.bind(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as writer:
        writer.setblocking(False)
        try:
            while True:
                writer.sendto(b"WATCHDOG=1", path)
        except BlockingIOError:
            return one


def test_a_service_manager_that_is_busy_holds_up_no_answer(tmp_path):
    """The server's only thread stood still in sendto, and HAProxy took every node out."""
    path = str(tmp_path / "notify")
    with full(path) as manager:
        thread = threading.Thread(target=sockets.notify, args=("WATCHDOG=1", {"NOTIFY_SOCKET": path}), daemon=True)
        thread.start()
        thread.join(30)
        assert not thread.is_alive()
        manager.recv(100)
        sockets.notify("READY=1", {"NOTIFY_SOCKET": path})
        manager.setblocking(False)
        words = []
        try:
            while True:
                words.append(manager.recv(100))
        except BlockingIOError:
            pass
        assert b"READY=1" == words[-1]


def test_without_a_service_manager_nothing_is_notified(tmp_path):
    sockets.notify("READY=1", {})
    sockets.notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "nobody")})
