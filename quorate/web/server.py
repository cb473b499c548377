# SPDX-License-Identifier: Apache-2.0
"""A small HTTP server that no client can hold up: one thread, readiness events, prepared answers.

Whoever is silent, slow or sends half a request waits alone, and not for long. Every connection is closed gracefully: the
answer, then our end of the stream, then the client's; closing with unread bytes would send a reset, and HAProxy would lose
the answer it was about to read (haproxy#874).
"""

import errno
import select
import socket
from time import monotonic

from quorate.web import request as requests

BACKLOG = 4096
IDLE = 5.0          # seconds a client may take for its request
KEEP = 30.0         # seconds a kept connection may stay silent
LINGER = 1.0        # seconds to wait for the client's end after ours
SWEEP = 0.25        # seconds between looks for connections whose time is up
CONNECTIONS = 8192  # more than that: the oldest silent ones go
ACCEPTS = 64        # connections taken at once, so that those already here get their answers
AGENT_TEXT = {200: b"up ready\n", 404: b"drain\n", 503: b"down\n"}


class Connection:
    """One client."""

    __slots__ = ("socket", "data", "since", "ending", "out", "agent")

    def __init__(self, one, now):
        self.socket = one
        self.data = b""
        self.since = now
        self.ending = False
        self.out = b""


class Server:
    """Answers on listening sockets. respond(Request or Bad) -> (bytes, keep the connection?).

    agents: listening sockets for HAProxy's agent-check, which sends nothing and reads one line; agent() -> bytes.
    tick(): called a few times a second, between answers.
    """

    def __init__(self, listeners, respond, agents=(), agent=None, tick=None):
        self._respond, self._agent, self._tick = respond, agent, tick
        self._poll = select.epoll()
        self._listeners = {one.fileno(): one for one in listeners}
        self._agents = {one.fileno(): one for one in agents}
        self._connections = {}
        self._swept = monotonic()
        self.ended = False
        for one in list(listeners) + list(agents):
            one.setblocking(False)
            self._poll.register(one.fileno(), select.EPOLLIN)

    def run(self):
        """Serve until `ended` is set."""
        while not self.ended:
            for number, _ in self._poll.poll(SWEEP):
                if number in self._listeners:
                    self._accept(self._listeners[number])
                elif number in self._agents:
                    self._answer_agents(self._agents[number])
                else:
                    connection = self._connections.get(number)
                    if connection is not None:
                        self._serve(connection)
            now = monotonic()
            if now - self._swept >= SWEEP:
                self._swept = now
                self._sweep(now)
                if self._tick is not None:
                    self._tick()
        for connection in list(self._connections.values()):
            self._close(connection)

    def _accept(self, listener):
        now = monotonic()
        for _ in range(ACCEPTS):
            try:
                one, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
                    self._shed(64)  # the listener stays readable, so we come back at once
                return
            one.setblocking(False)
            connection = Connection(one, now)
            self._connections[one.fileno()] = connection
            self._poll.register(one.fileno(), select.EPOLLIN)
            if len(self._connections) > CONNECTIONS:
                self._shed(64)
            self._serve(connection)  # the request is usually there already

    def _answer_agents(self, listener):
        try:
            one, _ = listener.accept()
        except OSError:
            return
        one.settimeout(0)
        try:
            one.send(self._agent())  # one line into an empty buffer: it fits, or nobody is there
            one.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        connection = Connection(one, monotonic())
        connection.ending = True
        self._connections[one.fileno()] = connection
        one.setblocking(False)
        self._poll.register(one.fileno(), select.EPOLLIN)

    def _serve(self, connection):
        if connection.out:
            self._flush(connection)
            return
        try:
            data = connection.socket.recv(65536)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._close(connection)
            return
        if not data:
            self._close(connection)
            return
        if connection.ending:
            return  # drained, so that closing sends no reset
        connection.data += data
        self._answer(connection)

    def _answer(self, connection):
        """Answer every complete request that is there."""
        keep = True
        while keep and connection.data:
            asked, taken = requests.parse(connection.data)
            if asked is None:
                return
            connection.data = connection.data[taken:]
            out, keep = self._respond(asked)
            connection.out += out
            connection.since = monotonic()
            connection.ending = not keep
        self._flush(connection)

    def _flush(self, connection):
        try:
            sent = connection.socket.send(connection.out)
            connection.out = connection.out[sent:]
            if connection.out:
                self._poll.modify(connection.socket.fileno(), select.EPOLLOUT)
            elif connection.ending:
                connection.socket.shutdown(socket.SHUT_WR)
                self._poll.modify(connection.socket.fileno(), select.EPOLLIN)
        except BlockingIOError:
            self._poll.modify(connection.socket.fileno(), select.EPOLLOUT)
        except OSError:
            self._close(connection)

    def _sweep(self, now):
        for connection in list(self._connections.values()):
            limit = LINGER if connection.ending else IDLE if connection.data or connection.out else KEEP
            if now - connection.since > limit:
                self._close(connection)

    def _shed(self, count):
        """Close the oldest of those who have not asked anything yet."""
        for connection in sorted(self._connections.values(), key=lambda one: one.since)[:count]:
            self._close(connection)

    def _close(self, connection):
        number = connection.socket.fileno()
        if number >= 0:
            self._connections.pop(number, None)
            connection.socket.close()  # takes it out of the poll as well
