# SPDX-License-Identifier: Apache-2.0
"""One HTTP request to several servers at once, within one limit of time."""

import errno
import select
import socket
from collections import namedtuple
from time import monotonic

MOST = 65536  # bytes of an answer; no check sends more


class Answer(namedtuple("Answer", "status body sent refused")):
    """status: of HTTP; body: bytes after the headers; both None without a complete answer. sent: monotonic seconds when
    the request began. refused: the host lives and nothing listens on the port."""

    __slots__ = ()


def ask(addresses, path, limit):
    """{(host, port): Answer} for each of `addresses`, after `limit` seconds at most. Hosts are given as addresses: a
    name would have to be resolved, which has no limit of time."""
    found, waiting = {}, {}
    poll = select.poll()
    end = monotonic() + limit
    for address in addresses:
        found[address] = Answer(None, None, monotonic(), False)
        one = _connect(address)
        if one is None:
            continue
        waiting[one.fileno()] = [one, address, b""]
        poll.register(one, select.POLLOUT)
    request = b"GET %s HTTP/1.0\r\n\r\n" % path.encode("ascii")
    while waiting and monotonic() < end:
        for number, event in poll.poll(max(1, int((end - monotonic()) * 1000))):
            entry = waiting[number]
            more, answer = _step(entry, event, request, found[entry[1]])
            if more is None:
                found[entry[1]] = answer
                poll.unregister(number)
                waiting.pop(number)[0].close()
            else:
                poll.modify(number, more)
    for one, _, _ in waiting.values():
        one.close()
    return found


def _connect(address):
    host, port = address
    try:
        one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError:
        return None
    one.setblocking(False)
    try:
        if one.connect_ex((host, port)) in (0, errno.EINPROGRESS):
            return one
    except (OSError, ValueError):
        pass
    one.close()
    return None


def _step(entry, event, request, answer):
    """(events to wait for next, None), or (None, the Answer)."""
    one, _, data = entry
    try:
        if event & select.POLLOUT and not data:
            failure = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failure:
                return None, answer._replace(refused=failure == errno.ECONNREFUSED)
            one.send(request)
            return select.POLLIN, None
        if event & (select.POLLERR | select.POLLHUP) and not event & select.POLLIN:
            failure = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            return None, answer._replace(refused=failure == errno.ECONNREFUSED)
        got = one.recv(MOST)
        entry[2] = data + got
        if got and len(entry[2]) < MOST:
            return select.POLLIN, None
        head, blank, body = entry[2].partition(b"\r\n\r\n")
        if not blank or got or not head.startswith(b"HTTP/1.") or not head[9:12].isdigit():
            return None, answer
        return None, answer._replace(status=int(head[9:12]), body=body)
    except OSError:
        return None, answer
