# SPDX-License-Identifier: Apache-2.0
"""How brokers and pages are asked, in how much time, and what an answer means; connections are stand-ins."""

import socket
import ssl

import pytest

from quorate.host.amqp import Handshake
from quorate.openstack.facts import ANSWERED, MISSING, NO_ANSWER, SILENT, Address, Page
from quorate.openstack.service import network


class Clock:
    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(network, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


# -- brokers

def broker(number, **more):
    return Address("n%d" % number, 5670 + number, "u", "p", "/", **more)


@pytest.fixture
def brokers(clock, monkeypatch):
    """brokers.asked: how each was asked; brokers.answers: hosts that answer; each question takes half a second."""
    def handshake(*how):
        clock.asked.append(how)
        clock.now += 0.5
        return Handshake(True, how[0] in clock.answers)

    clock.asked, clock.answers = [], ()
    monkeypatch.setattr("quorate.host.amqp.handshake", handshake)
    return clock


def test_the_brokers_share_the_time(brokers):
    assert network.any_broker_answers((broker(1), broker(2), broker(3)), 3.0) is False
    assert brokers.asked == [("n1", 5671, 1.0, False, None), ("n2", 5672, 1.25, False, None),
                             ("n3", 5673, 2.0, False, None)]
    del brokers.asked[:]
    network.any_broker_answers((broker(1), broker(2)), 0.2)
    assert [how[2] for how in brokers.asked] == [0.2, 0.2]


def test_the_first_that_answers_is_enough(brokers):
    brokers.answers = ("n2",)
    assert network.any_broker_answers((broker(1), broker(2), broker(3)), 3.0) is True and len(brokers.asked) == 2
    assert network.any_broker_answers((), 3.0) is None


@pytest.mark.parametrize("certificates, given", [
    ((), None), ((("ca", "/a"),), None), ((("cert", "/c"), ("key", "/k")), ("/c", "/k")),
    ((("cert", "/c"),), ("/c", None))])
def test_with_the_service_s_certificate(brokers, certificates, given):
    network.any_broker_answers((broker(1, tls=True, certificates=certificates),), 1.0)
    assert brokers.asked == [("n1", 5671, 1.0, True, given)]


# -- pages

class Connection:
    """A connection that gives these pieces, then its end; an exception is raised. A piece takes a second."""

    def __init__(self, clock, *pieces):
        self.clock, self.pieces, self.sent, self.limits, self.closed = clock, list(pieces), b"", [], False

    def settimeout(self, seconds):
        self.limits.append(round(seconds, 3))

    def sendall(self, data):
        self.sent += data

    def recv(self, most):
        assert most >= 1000
        self.clock.now += 1.0
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self):
        self.closed = True


@pytest.fixture
def web(clock, monkeypatch):
    """web(*pieces): what the next connection gives, or why there is none; web.reached: how it was made; web.secured:
    contexts of TLS."""
    made, reached, secured = [], [], []

    def connect(*how):
        reached.append(how)
        one = made.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    class Context:
        check_hostname, verify_mode = True, ssl.CERT_REQUIRED

        def wrap_socket(self, one):
            secured.append((self.check_hostname, self.verify_mode))
            return one

    def add(*pieces, refused=None):
        one = refused or Connection(clock, *pieces)
        made.append(one)
        return one

    monkeypatch.setattr(network, "connect", connect)
    monkeypatch.setattr(ssl, "create_default_context", Context)
    add.reached, add.secured = reached, secured
    return add


@pytest.mark.parametrize("pieces, page", [
    ([b"HTTP/1.1 200 OK\r\n"], Page(ANSWERED, 200)), ([b"HT", b"TP/1.0 ", b"404\r\nx"], Page(ANSWERED, 404)),
    ([b"HTTP/1.1 503"], Page(ANSWERED, 503)), ([b"HTTP/1.1 x\r\n"], Page(SILENT, None, network.NO_HTTP)),
    ([b"HTTP/1.1\r\n"], Page(SILENT, None, network.NO_HTTP)), ([b""], Page(SILENT, None, network.NO_HTTP)),
    ([b"RFB 003.008\n", b"HTTP/1.1 200 OK\r\n"], Page(SILENT, None, network.NO_HTTP)),
    ([b"x 200\r\n"], Page(SILENT, None, network.NO_HTTP)),
    ([b"HTTP/" + b"x" * 995, b" 200 OK\r\n"], Page(SILENT, None, network.NO_HTTP)),
    ([b"HTTP/" + b"x" * 994, b" 200 OK\r\n"], Page(ANSWERED, 200)),
    ([socket.timeout()], Page(SILENT, None, NO_ANSWER + " 9 s")),
    ([OSError(104, "Connection reset by peer")], Page(SILENT, None, "Connection reset by peer")),
    ([OSError("no number")], Page(SILENT, None, "no number"))])
def test_what_an_answer_means(web, pieces, page):
    one = web(*pieces)
    web(b"")
    assert network.page("n1", 80, "/p", 9.0) == page and one.closed
    assert one.sent == b"GET /p HTTP/1.0\r\nHost: n1:80\r\nUser-Agent: quorate\r\n\r\n"
    assert one.limits[0] == 9.0 and one.limits[1:3] in ([9.0], [9.0, 8.0])


@pytest.mark.parametrize("error, page", [
    (ConnectionRefusedError(111, "refused"), Page(MISSING, None, "nothing listens there")),
    (socket.timeout(), Page(SILENT, None, NO_ANSWER + " 0.5 s")),
    (OSError(113, "No route to host"), Page(SILENT, None, "No route to host"))])
def test_a_place_that_cannot_be_reached(web, error, page):
    web(refused=error)
    web(refused=error)
    assert network.page("n1", 80, "/p", 0.5) == page
    assert len(web.reached) == (2 if page.reason == "No route to host" else 1)


@pytest.mark.parametrize("host, asked", [
    ("", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("*", "127.0.0.1"), ("::", "::1"), ("192.0.2.1", "192.0.2.1")])
def test_where_a_service_listens_at_all_addresses(web, host, asked):
    one = web(b"HTTP/1.0 200 OK\r\n")
    network.page(host, 6080, "/", 2.0)
    assert web.reached == [(asked, 6080, 2.0)] and b"Host: %s:6080" % asked.encode() in one.sent


def test_the_time_of_a_whole_answer(web):
    one = web(b"H", b"T", b"T", b"P/1.1 200 OK\r\n")
    assert network.page("n1", 80, "/", 2.5) == Page(SILENT, None, NO_ANSWER + " 2.5 s"), "it sends a byte now and then"
    assert one.limits == [2.5, 2.5, 1.5, 0.5]
    one = web(b"H", b"T", b"TP/1.1 200 OK\r\n")
    assert network.page("n1", 80, "/", 2.5) == Page(ANSWERED, 200) and one.limits == [2.5, 2.5, 1.5, 0.5]


def test_what_answers_no_http_is_asked_in_tls(web):
    web(b"\x15\x03\x01")
    one = web(b"HTTP/1.1 200 OK\r\n")
    assert network.page("n1", 80, "/p", 3.0) == Page(ANSWERED, 200)
    assert web.secured == [(False, ssl.CERT_NONE)] and web.reached == [("n1", 80, 3.0), ("n1", 80, 2.0)]
    assert one.sent.startswith(b"GET /p ")


def test_where_tls_helps_nothing_the_first_answer_counts(web):
    web(OSError(104, "reset"))
    web(refused=OSError(1, "wrong version"))
    assert network.page("n1", 80, "/", 3.0).reason == "reset"


@pytest.mark.parametrize("seconds, pieces, tls", [
    (3.0, [b"HTTP/1.1 200 OK\r\n"], False), (3.0, [socket.timeout()], False), (1.0, [b"x"], False),
    (3.0, [b"x"], True)])
def test_where_it_is_not_asked_again(web, seconds, pieces, tls):
    web(*pieces)
    network.page("n1", 80, "/", seconds, tls)
    assert len(web.reached) == 1 and len(web.secured) == (1 if tls else 0)
