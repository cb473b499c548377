#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What stands behind the listeners of the APIs in a lab that is about the front door: answers as OpenStack's APIs do to a
check and to anybody, and says who it is. standin.py ADDRESS PORT ..."""

import http.server
import json
import socket
import sys
import threading

VERSIONS = json.dumps({"versions": [{"id": "v2.1", "status": "CURRENT"}]}) + "\nlatest\n"


class Handler(http.server.BaseHTTPRequestHandler):
    """/healthcheck and everything else; the name of the node in a header."""

    protocol_version = "HTTP/1.1"
    server_version = "stand-in"  # nobody shall take it for the service

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
        """Quiet: HAProxy has a log."""


def main():
    """One server a port, all in one process, so that one signal ends or stops them all."""
    for port in sys.argv[2:]:
        http.server.ThreadingHTTPServer.request_queue_size = 128
        server = http.server.ThreadingHTTPServer((sys.argv[1], int(port)), Handler)
        threading.Thread(target=server.serve_forever).start()


if __name__ == "__main__":
    main()
