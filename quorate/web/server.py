# SPDX-License-Identifier: Apache-2.0
"""A small HTTP server that no client can hold up: one thread, readiness events, prepared answers.

Whoever is silent, slow or sends half a request waits alone, and not for long. Every connection is closed gracefully: the
answer, then our end of the stream, then the client's; closing with unread bytes would send a reset, and HAProxy would lose
the answer it was about to read (haproxy#874).
"""

import errno
import select
import socket
from functools import lru_cache
from itertools import islice
from time import monotonic, sleep

from quorate.web import request

IDLE = 5.0          # seconds a client may take for its request
KEEP = 30.0         # seconds a kept connection may stay silent after an answer
LINGER = 1.0        # seconds to wait for the client's end after ours
SWEEP = 0.25        # seconds between looks for connections whose time is up
CONNECTIONS = 8192  # more than that: those that were silent for longest go
SHED = 64           # so many at once
ACCEPTS = 64        # connections taken at once, so that those already here get their answers
CHUNK = 4096        # bytes read at once: bounds what one client can ask for before it has read an answer
parse = lru_cache(64)(request.parse)  # a load balancer sends the same bytes again and again
SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)


class Connection:
    """One client."""

    __slots__ = ("socket", "data", "since", "answered", "ending", "out", "writing")

    def __init__(self, one, now):
        self.socket = one
        self.data = b""        # of a request that is not complete
        self.since = now       # when it came, was answered last, or began its next request
        self.answered = False
        self.ending = False    # nothing more will be answered
        self.out = b""         # of an answer, not yet taken
        self.writing = False   # we wait until it can be taken


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
        self._connections = {}  # by descriptor; those that were silent for longest first
        self._swept = monotonic()
        self.ended = False
        for one in list(listeners) + list(agents):
            one.setblocking(False)
            self._poll.register(one.fileno(), select.EPOLLIN)

    def run(self):
        """Serve until `ended` is set."""
        while not self.ended:
            self.turn(SWEEP)
        for connection in list(self._connections.values()):
            self._close(connection)

    def turn(self, seconds):
        """Wait so long for something to do, and do it."""
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
                    sleep(0.01)  # the listener stays readable, so we are back at once, and nothing of ours can be given up
                return
            one.setblocking(False)
            connection = Connection(one, now)
            self._connections[one.fileno()] = connection
            self._poll.register(one.fileno(), select.EPOLLIN)
            if len(self._connections) > CONNECTIONS:
                self._shed()
            serve(connection)  # the request is usually there already

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
        elif not connection.ending:  # else it is drained, so that closing sends no reset
            if connection.answered and not connection.data:
                connection.since = monotonic()
            connection.data += data
            self._answer(connection)

    def _answer(self, connection):
        """Answer every complete request that is there."""
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
        waited = connection.out
        try:
            # The last bytes and the end of the stream in one segment: the client wakes once, and a tenth of the CPU is saved.
            more = socket.MSG_MORE if connection.ending else 0
            connection.out = waited[connection.socket.send(waited, more):]
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
            except OSError:  # the client has gone already
                self._close(connection)

    def _sweep(self, now):
        for connection in list(self._connections.values()):
            silent = connection.answered and not connection.data and not connection.out
            limit = LINGER if connection.ending else KEEP if silent else IDLE
            if now - connection.since > limit:
                self._close(connection)

    def _shed(self):
        """Close those that were silent for longest; how many."""
        gone = list(islice(self._connections.values(), SHED))
        for connection in gone:
            self._close(connection)
        return len(gone)

    def _close(self, connection):
        number = connection.socket.fileno()
        if number >= 0:
            self._connections.pop(number, None)
            connection.socket.close()  # takes it out of the poll as well
