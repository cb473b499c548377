# SPDX-License-Identifier: Apache-2.0
"""Bytes of an HTTP request to what is asked, and an answer to bytes. Pure."""

from collections import namedtuple

MOST = 8192  # bytes of a request's head; no check needs more
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 414: "URI Too Long",
           431: "Request Header Fields Too Large", 503: "Service Unavailable"}


class Request(namedtuple("Request", "method path keep_alive")):
    """method: text; path: without the query; keep_alive: the client wants to ask again on this connection."""

    __slots__ = ()


class Bad(namedtuple("Bad", "status")):
    """A request that cannot be answered; status: the HTTP code to say so."""

    __slots__ = ()


def parse(data):
    """(Request or Bad, number of bytes it took), or (None, 0) while it is not complete."""
    end = data.find(b"\r\n\r\n")
    length = 4
    if end < 0:
        end, length = data.find(b"\n\n"), 2
    if end < 0:
        if len(data) > MOST:
            return Bad(414 if b"\n" not in data[:MOST] else 431), len(data)
        return None, 0
    if end > MOST:
        return Bad(431), len(data)
    lines = data[:end].decode("latin-1").replace("\r\n", "\n").lstrip("\n").split("\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith(("/", "*", "http://")):
        return Bad(400), len(data)
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            return Bad(400), len(data)
        headers[name.lower()] = value.strip().lower()
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        return Bad(400), len(data)  # nobody sends a body to a check
    wish = headers.get("connection", "")
    keep = "keep-alive" in wish if words[2] == "HTTP/1.0" else "close" not in wish
    path = words[1]
    if path.startswith("http://"):
        path = "/" + path[7:].partition("/")[2]
    return Request(words[0], path.partition("?")[0], keep), end + length


def answer(status, body, method="GET", keep_alive=False, content_type="text/plain; charset=utf-8", extra=""):
    """The bytes of an answer with its exact length; HEAD gets the head only."""
    payload = body.encode("utf-8")
    head = "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nConnection: %s\r\nContent-Length: %d\r\nCache-Control: no-store\r\n%s\r\n" % (
        status, REASONS[status], content_type, "keep-alive" if keep_alive else "close", len(payload), extra)
    return head.encode("latin-1") + (b"" if method == "HEAD" else payload)
