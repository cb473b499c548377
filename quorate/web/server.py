# SPDX-License-Identifier: Apache-2.0
"""A small HTTP server that no client can block: one thread, readiness events, prepared answers.

A client that is silent, slow or sends half a request delays nobody else, and its connection is closed after a limit of
time. Every connection is closed gracefully: the answer, then our end of the stream, then the client's. Closing with
unread bytes would send a reset, and HAProxy would lose the answer that it was about to read (haproxy#874).
"""

import errno
import select
import socket
from functools import lru_cache
from itertools import islice
from time import monotonic, sleep

from quorate.web import request

IDLE = 5.0          # seconds that a client may take for its request
KEEP = 30.0         # seconds that a kept connection may stay silent after an answer
LINGER = 1.0        # seconds to wait for the client's end of the stream after ours
SWEEP = 0.25        # seconds between two searches for connections whose time is over
CONNECTIONS = 8192  # the most; above that, those that were silent for longest are closed,
SHED = 64           # so many at once
ACCEPTS = 64        # connections accepted at once, so that those already open get their answers
CHUNK = 4096        # bytes read at once: limits what a client can request before it has read an answer
parse = lru_cache(64)(request.parse)  # a load balancer repeats the same bytes
SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)


class Connection:
    """One client."""

    __slots__ = ("socket", "data", "since", "answered", "ending", "out", "writing")

    def __init__(self, one, now):
        self.socket = one
        self.data = b""        # of a request that is not complete
        self.since = now       # when it was accepted, answered last, or began its next request
        self.answered = False
        self.ending = False    # no further request will be answered
        self.out = b""         # of an answer, not yet sent
        self.writing = False   # waiting until more can be sent


class Server:
    """Answers on listening sockets. respond(Request or BadRequest) -> (bytes, keep the connection?).

    agents: listening sockets for HAProxy's agent-check, which sends nothing and reads one line; agent() -> bytes.
    tick(): called a few times a second, between answers.
    """

    def __init__(self, listeners, respond, agents=(), agent=None, tick=None):
        self._respond, self._agent, self._tick = respond, agent, tick
        self._poll = select.epoll()
        self._listeners = {one.fileno(): one for one in listeners}
        self._agents = {one.fileno(): one for one in agents}
        self._connections = {}  # by descriptor; the one answered longest ago comes first
        self._swept = monotonic()
        self.ended = False
        for one in list(listeners) + list(agents):
            one.setblocking(False)
            self._poll.register(one.fileno(), select.EPOLLIN)

    def run(self):
        """Serve until `ended` is set."""
        while not self.ended:
            self.step(SWEEP)
        for connection in list(self._connections.values()):
            self._close(connection)

    def step(self, seconds):
        """Wait up to so many seconds for something to do, and do it."""
        for number, _ in self._poll.poll(seconds):
            if number in self._listeners:
                self._accept(self._listeners[number], self._serve)
            elif number in self._agents:
                self._accept(self._agents[number], self._answer_agent)
            elif number in self._connections:
                self._serve(self._connections[number])
        now = monotonic()
        if now - self._swept >= SWEEP:
            self._swept = now
            self._sweep(now)
            if self._tick is not None:
                self._tick()

    def _accept(self, listener, serve):
        now = monotonic()
        for _ in range(ACCEPTS):
            try:
                one, _ = listener.accept()
            except OSError as error:
                if error.errno in SCARCE and not self._shed():
                    sleep(0.01)  # nothing can be closed and the listener stays readable: without a pause this loops
                return
            one.setblocking(False)
            connection = Connection(one, now)
            self._connections[one.fileno()] = connection
            self._poll.register(one.fileno(), select.EPOLLIN)
            if len(self._connections) > CONNECTIONS:
                self._shed()
            serve(connection)  # the request has usually arrived already

    def _answer_agent(self, connection):
        connection.out, connection.ending = self._agent(), True
        self._flush(connection)

    def _serve(self, connection):
        if connection.out:
            self._flush(connection)
            return
        try:
            data = connection.socket.recv(65536 if connection.ending else CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._close(connection)
        elif not connection.ending:  # else the bytes are only read, so that closing sends no reset
            if connection.answered and not connection.data:
                connection.since = monotonic()
            connection.data += data
            self._answer(connection)

    def _answer(self, connection):
        """Answer every complete request that has arrived."""
        while connection.data and not connection.ending:
            asked, taken = parse(connection.data)
            if asked is None:
                break
            connection.data = connection.data[taken:]
            out, keep = self._respond(asked)
            connection.out += out
            connection.ending = not keep
        if connection.out:
            connection.answered, connection.since = True, monotonic()
            number = connection.socket.fileno()
            self._connections[number] = self._connections.pop(number)
            self._flush(connection)

    def _flush(self, connection):
        unsent = connection.out
        try:
            # The last bytes and the end of the stream in one segment: the client wakes once, which saves a tenth of the
            # CPU.
            more = socket.MSG_MORE if connection.ending else 0
            connection.out = unsent[connection.socket.send(unsent, more):]
        except BlockingIOError:
            pass
        except OSError:
            self._close(connection)
            return
        if connection.writing != bool(connection.out):
            connection.writing = bool(connection.out)
            self._poll.modify(connection.socket.fileno(), select.EPOLLOUT if connection.writing else select.EPOLLIN)
        if connection.ending and not connection.writing:
            try:
                connection.socket.shutdown(socket.SHUT_WR)
            except OSError:  # the client has closed already
                self._close(connection)

    def _sweep(self, now):
        for connection in list(self._connections.values()):
            kept = connection.answered and not connection.data and not connection.out
            limit = LINGER if connection.ending else KEEP if kept else IDLE
            if now - connection.since > limit:
                self._close(connection)

    def _shed(self):
        """Close the connections that were answered longest ago. Returns how many."""
        oldest = list(islice(self._connections.values(), SHED))
        for connection in oldest:
            self._close(connection)
        return len(oldest)

    def _close(self, connection):
        number = connection.socket.fileno()
        if number >= 0:
            self._connections.pop(number, None)
            connection.socket.close()  # this also removes it from the poll
