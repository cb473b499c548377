# SPDX-License-Identifier: Apache-2.0
"""A listener whose every connection is served in a thread of its own."""

import threading


def serve_each(listener, serve):
    """Run serve(connection) for each, in the background, until the listener is closed."""
    def accept():
        while True:
            try:
                one = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=serve, args=(one,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
