#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the APIs behind the front door of a lab: it answers checks and clients as OpenStack's APIs do, and
names its node.

    standin.py ADDRESS PORT ...
"""

import http.server
import json
import socket
import sys
import threading

VERSIONS = json.dumps({"versions": [{"id": "v2.1", "status": "CURRENT"}]}) + "\nlatest\n"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers /healthcheck and every other path, with the name of the node in a header."""

    protocol_version = "HTTP/1.1"
    server_version = "stand-in"  # it must not be mistaken for the service

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b"OK" if self.path == "/healthcheck" else VERSIONS.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Node", socket.gethostname())
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        """No log: HAProxy has one."""


def main():
    """Serve each port, all in one process, so that one signal kills or stops all of them."""
    for port in sys.argv[2:]:
        http.server.ThreadingHTTPServer.request_queue_size = 128
        server = http.server.ThreadingHTTPServer((sys.argv[1], int(port)), Handler)
        threading.Thread(target=server.serve_forever).start()


if __name__ == "__main__":
    main()
