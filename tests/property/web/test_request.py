# SPDX-License-Identifier: Apache-2.0
"""It does not matter in which pieces a request comes."""

import socket

from hypothesis import example, given, settings, strategies as some

from quorate.web.request import MOST, Request, answer, parse
from quorate.web.server import Server

LINES = some.sampled_from([
    b"GET / HTTP/1.0\r\n\r\n", b"GET /writer HTTP/1.1\r\nHost: x\r\n\r\n", b"HEAD / HTTP/1.1\n\n", b"\r\n", b"\n",
    b"\r",
    b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", b"A: b\r\n", b"x" * 3000])


def heads(pieces):
    """What is asked, in order, until one is bad; and the bytes that are left."""
    data, found = b"", []
    for piece in pieces:
        data += piece
        while data:
            asked, taken = parse(data)
            if asked is None:
                break
            found.append(asked)
            if not isinstance(asked, Request):
                return found, b""
            data = data[taken:]
    return found, data


@settings(print_blob=True, deadline=None)
@given(some.lists(LINES | some.binary(max_size=20), max_size=8).map(b"".join),
       some.lists(some.integers(1, MOST), max_size=6))
@example(b"GET / HTTP/1.0\n\nGET / HTTP/1.0\r\n\r\n", [16])
@example(b"x" * 9000 + b"\r\n\r\n", [8192])
def test_any_pieces_are_the_same_requests(data, cuts):
    places = [0] + sorted(cut for cut in cuts if cut < len(data)) + [len(data)]
    pieces = [data[begin:end] for begin, end in zip(places, places[1:])]

    assert heads([data]) == heads(pieces) == heads([data[at:at + 1] for at in range(len(data))] if len(data) < 500
                                                   else pieces)


@settings(print_blob=True, deadline=None, max_examples=50)
@given(some.lists(LINES, max_size=6).map(b"".join), some.integers(1, 5000))
def test_server_gives_the_same_bytes(data, size):
    data += b"\r\n\r\nGET / HTTP/1.0\r\n\r\n"  # so that there is an end

    assert said(data, len(data)) == said(data, size) != b""


def said(data, size):
    """All that a server says to these bytes, sent in pieces of a size."""
    def respond(asked):
        status, keep = (200, asked.keep_alive) if isinstance(asked, Request) else (asked.status, False)
        return answer(status, "x", keep_alive=keep), keep

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(4)
        server, out = Server([listener], respond), b""
        with socket.create_connection(listener.getsockname(), 10) as client:
            for at in range(0, len(data), size):
                client.sendall(data[at:at + size])
                server.step(0.001)
            client.setblocking(False)
            for _ in range(10000):
                server.step(0.001)
                try:
                    got = client.recv(65536)
                except BlockingIOError:
                    continue
                if not got:
                    return out
                out += got
    raise AssertionError("the server did not close the connection: %r" % out)
