# SPDX-License-Identifier: Apache-2.0
"""A server that offers no TLS: where the options file asks for it, nothing is sent in the clear."""

import socket
import struct
import threading

import pytest

from quorate.galera.server import credentials, health, sql
from quorate.galera.server.account.tls_options import Tls

SSL, WITHOUT = 0x800, 0xf7ff  # the capability CLIENT_SSL, and all of the lower half but that


def greeting():
    """The first packet of a server without TLS (protocol version 10)."""
    content = (b"\x0a" + b"5.5.5-10.11.18-MariaDB\0" + struct.pack("<I", 7) + b"saltsalt\0" + struct.pack("<H", WITHOUT)
               + b"\x2d" + struct.pack("<HHB", 2, 0x81bf, 21) + b"\0" * 10 + b"saltsaltsalt\0"
               + b"mysql_native_password\0")
    return struct.pack("<I", len(content))[:3] + b"\0" + content


class Plain(threading.Thread):
    """Greets one client and keeps what it sends."""

    def __init__(self, path):
        threading.Thread.__init__(self, daemon=True)
        self.listener, self.received = socket.socket(socket.AF_UNIX), None
        self.listener.bind(path)
        self.listener.listen()
        self.start()

    def run(self):
        one, _ = self.listener.accept()
        with one:
            one.sendall(greeting())
            self.received = one.recv(1000)

    def end(self):
        self.join(10)
        self.listener.close()
        return self.received


@pytest.mark.parametrize("tls, sent", [(Tls(), False), (Tls(cipher="ALL"), False), (False, True)])
def test_no_account_is_sent_without_the_tls_that_was_asked_for(tmp_path, tls, sent):
    assert not WITHOUT & SSL
    path = str(tmp_path / "s")
    server = Plain(path)

    status = sql.ask(credentials.Settings(path, user="check", password="x", tls=tls), 5)

    assert sent == (b"check" in server.end())
    if not sent:
        assert 2026 == status.errno
        assert "offers none" in health.classify(status, health.Policy()).sentence
