# SPDX-License-Identifier: Apache-2.0
"""A database that is late with every packet: each question to it ends in its own time. PyMySQL itself, and a server that
speaks as much of the protocol as it needs."""

import os
import socket
import struct
import subprocess
import threading

import pytest

from quorate.openstack import catalog, facts
from quorate.openstack.facts import Address
from quorate.openstack.service import heartbeat, url
from tests.listening import serve_each
from tests.waiting import ends

GREETING = (b"\x0a5.5.5-10.11.6-MariaDB\0" + struct.pack("<I", 1) + b"a" * 8 + b"\0" + struct.pack("<H", 0xffff) + b"\x2d"
            + struct.pack("<HH", 2, 0x807f) + bytes([21]) + bytes(10) + b"b" * 12 + b"\0mysql_native_password\0")
OK = b"\0\0\0\x02\0\0\0"


class Slow:
    """A server that waits `late` seconds before each packet; drip: before each byte. It answers OK to all, in status
    without autocommit, or lets a statement wait until it is closed (hangs). certificate: of its TLS."""

    def __init__(self, late, drip=False, hangs=False, path=None, certificate=None):
        self.late, self.drip, self.hangs, self.certificate, self.statements = late, drip, hangs, certificate, []
        self.over = threading.Event()
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            self.listener.listen(5)
        else:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
        serve_each(self.listener, self._serve)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        self.listener.close()

    def _send(self, one, number, body):
        data = struct.pack("<I", len(body))[:3] + bytes([number]) + body
        for piece in [data[at:at + 1] for at in range(len(data))] if self.drip else [data]:
            self.over.wait(self.late)
            one.sendall(piece)

    def _serve(self, one):
        try:
            self._send(one, 0, GREETING)
            while True:
                number, body = _packet(one)
                if number == 1 and len(body) == 32 and self.certificate:  # the client wants TLS
                    import ssl
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(*self.certificate)
                    one = context.wrap_socket(one, server_side=True)
                    continue
                if number == 0:
                    self.statements.append(body[1:])
                    if self.hangs:
                        self.over.wait(120)
                self._send(one, number + 1, OK)
        except (OSError, EOFError):
            one.close()


def _packet(one):
    head = _exactly(one, 4)
    return head[3], _exactly(one, int.from_bytes(head[:3], "little"))


def _exactly(one, count):
    """Not more: the first bytes of TLS may come together with the wish for it."""
    data = b""
    while len(data) < count:
        more = one.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def address(server, **more):
    return Address("127.0.0.1", getattr(server, "port", 3306), "cinder", "x", "cinder")._replace(**more)


def read(where, seconds=1.0):
    """What read() says. That the last of all packets comes within `seconds` is impossible, and that each does is sure: an
    answer shows that each had its own time."""
    return ends(60, lambda: heartbeat.read(catalog.CINDER_VOLUME, where, ("ha@a",), seconds))


# Four packets: the greeting, the login, autocommit, the rows.
@pytest.mark.parametrize("late, drip, hangs", [(0.9, False, False), (0.2, True, False), (0.0, False, True)])
def test_a_question_ends_in_its_time(late, drip, hangs):
    with Slow(late, drip, hangs) as server:
        found = read(address(server))
    assert (facts.UNREACHABLE, "127.0.0.1:%d: no answer within 1 s" % server.port) == (found.outcome, found.reason)


def test_through_a_socket_file(tmp_path):
    path = os.path.join(str(tmp_path), "s")
    with Slow(0.9, path=path):
        found = read(Address("localhost", 3306, "cinder", "x", "cinder", False, path))
    assert (facts.UNREACHABLE, path + ": no answer within 1 s") == (found.outcome, found.reason)


def test_in_tls(tmp_path):
    names = [str(tmp_path / name) for name in ("cert", "key")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-out", names[0],
                    "-keyout", names[1]], check=True, stderr=subprocess.DEVNULL)
    with Slow(0.0, hangs=True, certificate=names) as server:
        found = read(address(server, tls=True), 8.0)
    assert server.statements, "TLS is there, and the statement came"
    assert (facts.UNREACHABLE, "127.0.0.1:%d: no answer within 8 s" % server.port) == (found.outcome, found.reason)


def test_where_a_file_of_options_says_where_it_is(tmp_path):
    """read_default_file in the URL: TripleO's, for TLS as a rule."""
    file = tmp_path / "my.cnf"
    with Slow(0.0) as server:
        file.write_text("[tripleo]\nhost = 127.0.0.1\nport = %d\n" % server.port)
        found = url.database("mysql+pymysql://cinder:x@/cinder?read_default_file=%s&read_default_group=tripleo" % file)
        assert facts.ANSWERED == read(found, 60.0).outcome
    with Slow(0.0, path=str(tmp_path / "s")) as server:
        file.write_text("[client]\nsocket = %s/s\n" % tmp_path)
        assert facts.ANSWERED == read(url.database("mysql+pymysql://cinder:x@db.invalid/c?read_default_file=%s" % file), 60.0).outcome


def test_whether_it_takes_writes():
    """Three statements, of which the answers come late: nothing is known of writes."""
    with Slow(0.9) as server:
        assert "" == ends(60, lambda: heartbeat.refuses_writes(catalog.CINDER_VOLUME, address(server), 1.0))
    assert len(server.statements) < 4


def test_one_that_is_in_time_is_not_cut_off():
    with Slow(0.01) as server:
        assert "" == heartbeat.refuses_writes(catalog.CINDER_VOLUME, address(server), 60.0)
    assert b"UPDATE services SET host = host WHERE 1 = 0" in server.statements
