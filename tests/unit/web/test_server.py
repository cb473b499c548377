# SPDX-License-Identifier: Apache-2.0
"""The server with real sockets: nobody holds it up, and a close is never a reset."""

import socket
import threading

import pytest

from quorate.web import server
from quorate.web.request import Request, answer
from quorate.web.server import Server

GET = b"GET / HTTP/1.0\r\n\r\n"
KEPT = b"GET / HTTP/1.1\r\nHost: n1\r\n\r\n"
BODY = b"Galera cluster node is synced.\r\n"


def respond(asked):
    if not isinstance(asked, Request):
        return answer(asked.status, "What?\r\n"), False
    return answer(200, BODY.decode(), asked.method, asked.keep_alive), asked.keep_alive


class Running:
    """A server in a thread, on two ports of the loopback."""

    def __init__(self):
        self.listener, self.agents = (socket.create_server(("127.0.0.1", 0), backlog=1024) for _ in "ab")
        self.server = Server([self.listener], respond, [self.agents], lambda: b"up ready 100%\n")
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()

    def connect(self, listener=None):
        one = socket.create_connection((listener or self.listener).getsockname(), 10)
        one.settimeout(10)
        return one

    def ask(self, data=GET, listener=None):
        with self.connect(listener) as one:
            one.sendall(data)
            return to_the_end(one)

    def stop(self):
        self.server.ended = True
        self.thread.join(10)
        assert not self.thread.is_alive()
        self.listener.close()
        self.agents.close()


def to_the_end(one):
    """All bytes until the other end closes; a reset is an exception."""
    got = b""
    while True:
        more = one.recv(65536)
        if not more:
            return got
        got += more


def one_answer(one):
    """An answer with a Content-Length, on a connection that stays."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += one.recv(1)
    length = int(next(line.split(b":")[1] for line in got.split(b"\r\n") if line.startswith(b"Content-Length")))
    while length:
        more = one.recv(length)
        got, length = got + more, length - len(more)
    return got


@pytest.fixture
def running():
    one = Running()
    yield one
    one.stop()


def test_answer_and_a_graceful_end(running):
    assert running.ask().endswith(b"\r\n\r\n" + BODY)


def test_a_connection_is_kept_when_the_client_wants_it(running):
    with running.connect() as one:
        for _ in range(3):
            one.sendall(KEPT)
            assert one_answer(one).endswith(BODY)


def test_requests_sent_at_once_are_answered_in_order(running):
    with running.connect() as one:
        one.sendall(KEPT + KEPT + GET)
        assert 3 == to_the_end(one).count(BODY)


def test_a_client_that_closed_its_half_gets_its_answer(running):
    with running.connect() as one:
        one.sendall(GET)
        one.shutdown(socket.SHUT_WR)
        assert to_the_end(one).endswith(BODY)


def test_silent_and_half_requests_delay_nobody(running):
    crowd = [running.connect() for _ in range(200)]
    for one in crowd[::2]:
        one.sendall(b"GET / HT")

    assert running.ask().endswith(BODY)

    crowd[0].sendall(b"TP/1.0\r\n\r\n")  # late, and answered all the same
    assert to_the_end(crowd[0]).endswith(BODY)
    for one in crowd:
        one.close()


def test_a_megabyte_is_refused_with_a_short_answer(running):
    with running.connect() as one:
        try:
            one.sendall(b"GET /" + b"x" * 1000000)
        except OSError:
            pass  # refused before all of it was sent
        try:
            got = to_the_end(one)
        except ConnectionResetError:
            got = b""
    assert not got or got.startswith(b"HTTP/1.1 414 ")
    assert running.ask().endswith(BODY)


def test_nonsense_is_answered_with_400(running):
    assert running.ask(b"\x16\x03\x01 hello\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_clients_that_vanish_harm_nothing(running):
    for data in (b"", b"GET", GET):
        for _ in range(50):
            with running.connect() as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close sends a reset
                one.sendall(data)

    assert running.ask().endswith(BODY)


def test_who_reads_nothing_does_not_fill_the_memory(running):
    with running.connect() as one:
        one.settimeout(0.5)
        try:
            for _ in range(20000):
                one.sendall(KEPT)
        except socket.timeout:
            pass  # the server stopped to read, as it should
        assert running.ask().endswith(BODY)
        assert sum(len(each.out) + len(each.data) for each in list(running.server._connections.values())) < 1000000


def test_too_many_connections_cost_the_silent_ones(running, monkeypatch):
    monkeypatch.setattr(server, "CONNECTIONS", 100)
    crowd = [running.connect() for _ in range(150)]

    assert running.ask().endswith(BODY)
    assert len(running.server._connections) <= 101
    for one in crowd:
        one.close()


def test_time_is_up_for_a_half_request(running, monkeypatch):
    monkeypatch.setattr(server, "IDLE", 0.3)
    with running.connect() as one:
        one.sendall(b"GET / HT")
        assert b"" == to_the_end(one)


def test_agent_check_needs_no_request(running):
    assert b"up ready 100%\n" == running.ask(b"", running.agents)
