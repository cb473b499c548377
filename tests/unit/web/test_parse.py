# SPDX-License-Identifier: Apache-2.0
"""Bytes to a request, and an answer to bytes."""

import pytest

from quorate.web.request import MOST, BadRequest, Request, answer, parse


@pytest.mark.parametrize("data, expected", [
    (b"GET / HTTP/1.0\r\n\r\n", Request("GET", "/", False)),
    (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", Request("GET", "/", True)),
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Request("GET", "/", True)),
    (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", Request("GET", "/", False)),
    (b"\r\n\r\nGET / HTTP/1.0\n\n", Request("GET", "/", False)),
    (b"HEAD /writer?x=1 HTTP/1.1\n\n", Request("HEAD", "/writer", True)),
    (b"GET http://node/reader HTTP/1.1\r\n\r\n", Request("GET", "/reader", True)),
    (b"OPTIONS * HTTP/1.0\r\n\r\n", Request("OPTIONS", "*", False)),
    (b"GET /\r\n\r\n", BadRequest(400)),
    (b"GET / HTTP/2.0\r\n\r\n", BadRequest(400)),
    (b"GET x HTTP/1.0\r\n\r\n", BadRequest(400)),
    (b"GET / HTTP/1.0\r\nno colon\r\n\r\n", BadRequest(400)),
    (b"GET / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", BadRequest(400)),
    (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", BadRequest(400)),
    (b"GET / HTTP/1.1\r\nContent-Length: 20\r\nContent-Length: 0\r\n\r\nGET /live HTTP/1.1\r\n\r\n", BadRequest(400)),  # no second request
    (b"GET / HTTP/1.1\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n", Request("GET", "/", False)),
    (b"x" * MOST, BadRequest(414)),
    (b"GET / HTTP/1.0\r\nA: " + b"x" * MOST, BadRequest(431)),
])
def test_request(data, expected):
    assert (expected, len(data)) == parse(data)


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.0", b"GET / HTTP/1.0\r\n", b"\r\n\r\n", b"x" * (MOST - 1)])
def test_incomplete(data):
    assert (None, 0) == parse(data)


def test_what_follows_a_request_stays():
    first = b"GET / HTTP/1.0\n\n"

    assert (Request("GET", "/", False), len(first)) == parse(first + b"GET /live HTTP/1.0\r\n\r\n")


def test_answer_has_its_exact_length_and_head_has_no_body():
    head, _, body = answer(503, "Not fit: \u00fc\r\n").partition(b"\r\n\r\n")

    assert b"Content-Length: %d\r\n" % len(body) in head
    assert head + b"\r\n\r\n" == answer(503, "Not fit: \u00fc\r\n", "HEAD")
