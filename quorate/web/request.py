# SPDX-License-Identifier: Apache-2.0
"""An HTTP request parsed from bytes, and an answer as bytes. Pure."""

from collections import namedtuple

MOST = 8192  # bytes of a request's head; clients of a check need less
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 414: "URI Too Long",
           431: "Request Header Fields Too Large", 503: "Service Unavailable"}


class Request(namedtuple("Request", "method path keep_alive")):
    """method: text; path: without the query; keep_alive: the client wants to send more requests on this connection."""

    __slots__ = ()


class BadRequest(namedtuple("BadRequest", "status")):
    """A malformed request; status: the HTTP status of the answer."""

    __slots__ = ()


def parse(data):
    """(Request or BadRequest, number of bytes it took), or (None, 0) while it is not complete.

    Only the first MOST bytes count, so that the result does not depend on the pieces in which they came.
    """
    start = len(data) - len(data.lstrip(b"\r\n"))  # empty lines before a request are valid (RFC 9112, 2.2)
    ends = [(at, len(end)) for end in (b"\n\r\n", b"\n\n") for at in (data.find(end, start, MOST),) if at >= 0]
    if not ends:
        if len(data) < MOST:
            return None, 0
        return BadRequest(431 if b"\n" in data[start:MOST] else 414), len(data)
    end, length = min(ends)
    lines = [line.rstrip("\r") for line in data[start:end].decode("latin-1").split("\n")]
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith(("/", "*", "http://")):
        return BadRequest(400), len(data)
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            return BadRequest(400), len(data)
        name = name.lower()
        headers[name] = ("%s, %s"
                         % (headers[name], value.strip().lower())) if name in headers else value.strip().lower()
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        return BadRequest(400), len(data)  # a check takes no body
    wish = headers.get("connection", "")
    keep = "keep-alive" in wish if words[2] == "HTTP/1.0" else "close" not in wish
    path = words[1]
    if path.startswith("http://"):
        path = "/" + path[7:].partition("/")[2]
    return Request(words[0], path.partition("?")[0], keep), end + length


def answer(status, body, method="GET", keep_alive=False, content_type="text/plain; charset=utf-8", extra=""):
    """The bytes of an answer with its exact length; for HEAD the head only."""
    payload = body.encode("utf-8")
    head = ("HTTP/1.1 %d %s\r\nContent-Type: %s\r\nConnection: %s\r\nContent-Length: %d\r\n"
            "Cache-Control: no-store\r\n%s\r\n") % (status, REASONS[status], content_type,
                                                  "keep-alive" if keep_alive else "close", len(payload), extra)
    return head.encode("latin-1") + (b"" if method == "HEAD" else payload)
