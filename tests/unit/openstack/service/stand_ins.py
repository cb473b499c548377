# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for a service and its broker: a program that forks (forking_service.py), a socket that accepts."""

import os
import socket
import threading

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "forking_service.py")


class Broker:
    """Accepts connections, answers the protocol header as RabbitMQ does (one byte will do), and holds them."""

    def __init__(self):
        self.listener, self.held = socket.socket(), []
        self.listener.bind(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.listener.listen(50)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
                connection.sendall(b"\x01")
                self.held.append(connection)
            except OSError:
                return

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for connection in self.held:
            connection.close()
