# SPDX-License-Identifier: Apache-2.0
"""Bytes of HTTP in, a request or the right refusal out; never an exception, and never another answer for other
pieces."""

from hypothesis import given, settings, strategies as st
import pytest

from quorate.web.request import MOST, BadRequest, Request, answer, parse

HAPROXY = b"OPTIONS / HTTP/1.0\r\n\r\n"
CURL = b"GET /writer?x=1 HTTP/1.1\r\nHost: n1:9200\r\nUser-Agent: curl/7.88\r\nAccept: */*\r\n\r\n"


@pytest.mark.parametrize("data, expected", [
    (HAPROXY, Request("OPTIONS", "/", False)),
    (CURL, Request("GET", "/writer", True)),
    (b"HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n", Request("HEAD", "/", False)),
    (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", Request("GET", "/", True)),
    (b"GET / HTTP/1.0\n\n", Request("GET", "/", False)),                         # typed by a person
    (b"OPTIONS * HTTP/1.1\r\nHost: n1\r\n\r\n", Request("OPTIONS", "*", True)),
    (b"GET http://n1:9200/ready HTTP/1.1\r\n\r\n", Request("GET", "/ready", True)),
    (b"POST / HTTP/1.0\r\n\r\n", Request("POST", "/", False)),                   # it is not the parser that refuses it
])
def test_requests_of_real_clients(data, expected):
    assert (expected, len(data)) == parse(data)


@pytest.mark.parametrize("data, status", [
    (b"hello\r\n\r\n", 400),
    (b"GET /\r\n\r\n", 400),
    (b"GET / HTTP/2.0\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost : n1\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 400),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),              # somebody speaks TLS
    (b"GET /" + b"a" * MOST, 414),
    (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * MOST, 431),
])
def test_what_is_no_request_is_refused_with_the_right_code(data, status):
    assert (BadRequest(status), len(data)) == parse(data)


@pytest.mark.parametrize("data", [HAPROXY, CURL])
def test_half_a_request_is_waited_for(data):
    assert {(None, 0)} == {parse(data[:length]) for length in range(len(data))}


def test_two_requests_in_one_piece_are_taken_one_after_the_other():
    first, taken = parse(CURL + HAPROXY)

    assert ("/writer", len(CURL)) == (first.path, taken)
    assert Request("OPTIONS", "/", False) == parse((CURL + HAPROXY)[taken:])[0]


def fed(data, cuts):
    """The first result when the bytes come in pieces."""
    edges = sorted({min(cut, len(data)) for cut in cuts}) + [len(data)]
    for edge in edges:
        result = parse(data[:edge])[0]
        if result is not None:
            return result
    return None


LINES = st.lists(st.sampled_from([b"GET / HTTP/1.1", b"HEAD /x HTTP/1.0", b"Host: a", b"Connection: close", b"", b"\r",
                                  b"bad",
                                  b"Content-Length: 3", b"X: " + b"y" * 3000]), max_size=12)
BYTES = st.one_of(st.binary(max_size=200),
                  st.builds(lambda lines, end: end.join(lines) + end + end, LINES, st.sampled_from([b"\r\n", b"\n"])))


@settings(print_blob=True, max_examples=400, deadline=None)
@given(BYTES, st.lists(st.integers(0, 12000), max_size=8))
def test_pieces_do_not_matter(data, cuts):
    assert fed(data, []) == fed(data, cuts)


@settings(print_blob=True, max_examples=400, deadline=None)
@given(BYTES)
def test_whatever_comes_there_is_a_result_and_progress(data):
    result, taken = parse(data)

    assert (result is None) == (taken == 0)
    assert taken <= len(data)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_length_is_that_of_the_body_in_bytes(method):
    head, _, body = answer(503, "Größe\r\n", method).partition(b"\r\n\r\n")

    assert b"HTTP/1.1 503 Service Unavailable" == head.split(b"\r\n")[0]
    assert b"Content-Length: 9" in head.split(b"\r\n")
    assert (b"" if method == "HEAD" else "Größe\r\n".encode()) == body


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
    (b"GET / HTTP/1.1\r\nContent-Length: 20\r\nContent-Length: 0\r\n\r\nGET /live HTTP/1.1\r\n\r\n",
     BadRequest(400)),  # no second request
    (b"GET / HTTP/1.1\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n", Request("GET", "/", False)),
    (b"x" * MOST, BadRequest(414)),
    (b"GET / HTTP/1.0\r\nA: " + b"x" * MOST, BadRequest(431)),
])
def test_a_request_or_its_refusal(data, expected):
    assert (expected, len(data)) == parse(data)


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.0", b"GET / HTTP/1.0\r\n", b"\r\n\r\n", b"x" * (MOST - 1)])
def test_an_incomplete_request_is_waited_for(data):
    assert (None, 0) == parse(data)


def test_what_follows_a_request_stays():
    first = b"GET / HTTP/1.0\n\n"

    assert (Request("GET", "/", False), len(first)) == parse(first + b"GET /live HTTP/1.0\r\n\r\n")


def test_answer_has_its_exact_length_and_head_has_no_body():
    head, _, body = answer(503, "Not fit: \u00fc\r\n").partition(b"\r\n\r\n")

    assert b"Content-Length: %d\r\n" % len(body) in head
    assert head + b"\r\n\r\n" == answer(503, "Not fit: \u00fc\r\n", "HEAD")
