# SPDX-License-Identifier: Apache-2.0
"""A viewer of a console: a real WebSocket (RFC 6455) through nova-novncproxy with a real token, up to the name of the
screen.

lab/programs/console_end.py runs on a node and is the screen; connect() is the browser.
"""

import base64
import os
import socket
import struct

from lab import PROGRAMS, LabError


class WebSocket:
    """A client's connection."""

    def __init__(self, host, port, path, timeout=10.0):
        self._socket = socket.create_connection((host, port), timeout)
        self._payload, self._raw = b"", b""
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall((
            "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: binary\r\n\r\n" % (path, host, port, key)).encode())
        while b"\r\n\r\n" not in self._raw:
            self._more()
        head, self._raw = self._raw.split(b"\r\n\r\n", 1)
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise LabError("the proxy answers %r" % head.split(b"\r\n")[0].decode("latin-1"))

    def _more(self):
        got = self._socket.recv(65536)
        if not got:
            raise LabError("the proxy closed the connection")
        self._raw += got

    def send(self, payload):
        """Send one binary frame, masked as a client's must be."""
        mask = os.urandom(4)
        body = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self._socket.sendall(struct.pack(">BB", 0x82, 0x80 | len(payload)) + mask + body)

    def recv(self, size):
        """The next `size` bytes that the server sent."""
        while len(self._payload) < size:
            self._frame()
        found, self._payload = self._payload[:size], self._payload[size:]
        return found

    def _take(self, size):
        while len(self._raw) < size:
            self._more()
        found, self._raw = self._raw[:size], self._raw[size:]
        return found

    def _frame(self):
        first, second = self._take(2)
        length = second & 0x7F
        if length == 126:
            length = struct.unpack(">H", self._take(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self._take(8))[0]
        payload = self._take(length)
        if first & 0x0F == 8:
            raise LabError("the proxy ends the session: %s" % payload[2:].decode("utf-8", "replace"))
        if first & 0x0F in (0, 1, 2):
            self._payload += payload

    def close(self):
        """End it."""
        self._socket.close()


def connect(host, port, token, timeout=10.0):
    """Open a console as noVNC does; (WebSocket, name of the screen). LabError if the proxy refuses."""
    viewer = WebSocket(host, port, "/?token=%s" % token, timeout)
    if not viewer.recv(12).startswith(b"RFB 003."):
        raise LabError("the proxy passed on no RFB greeting")
    viewer.send(b"RFB 003.008\n")
    kinds = viewer.recv(viewer.recv(1)[0])
    if 1 not in kinds:
        raise LabError("the proxy offers security types %r, not none" % list(kinds))
    viewer.send(b"\x01")
    if viewer.recv(4) != b"\0\0\0\0":
        raise LabError("the proxy refuses the viewer")
    viewer.send(b"\x01")
    viewer.recv(20)
    return viewer, viewer.recv(struct.unpack(">I", viewer.recv(4))[0]).decode()


def greet(host, token):
    """Open the console, send bytes and receive them back, close; the name of the screen."""
    from lab.services.openstack import configuration
    viewer, name = connect(host, configuration.CONSOLE_PORT, token)
    try:
        viewer.send(b"hello")
        if viewer.recv(5) != b"hello":
            raise LabError("the console returned other bytes than were sent")
        return name
    finally:
        viewer.close()


class FarEnd:
    """A running console_end.py on the node with the APIs; `token` opens its console."""

    def __init__(self, process, token):
        self._process, self.token = process, token

    def close(self):
        """End it."""
        self._process.kill()
        self._process.wait()


def far_end(lab, port=5900):
    """Start console_end.py; a FarEnd. LabError with its last lines if it prints no token."""
    import subprocess
    from lab.services.openstack import deployment
    node = deployment.api_node(lab)
    with open(os.path.join(PROGRAMS, "console_end.py"), encoding="utf-8") as file:
        lab.check(node, "cat >/var/lib/console_end.py; chmod 644 /var/lib/console_end.py", stdin=file.read())
    process = lab.popen(node, ["setpriv", "--reuid", "nova", "--regid", "nova", "--init-groups", "--pdeathsig", "KILL",
                               "/usr/bin/python3", "-W", "ignore", "/var/lib/console_end.py", str(port), node],
                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    token = process.stdout.readline().strip()
    if not token:
        process.kill()
        raise LabError("console_end.py gave no token: %s"
                       % " / ".join(process.communicate()[1].strip().splitlines()[-3:]))
    return FarEnd(process, token)
