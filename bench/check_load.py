# SPDX-License-Identifier: Apache-2.0
"""The load generator for a check: each client sends a request, reads to the end, closes, and begins again, as HAProxy
does."""

import os
import socket
import struct
import time
from array import array
from typing import NamedTuple

REQUEST = b"GET / HTTP/1.0\r\n\r\n"
OK, RESET, REFUSED, EMPTY, NOT_OK, SLOW = range(6)
OUTCOMES = ("ok", "reset", "refused", "empty", "not 200", "timed out")


class Load(NamedTuple):
    """The clients' results. latencies: seconds, sorted; outcomes: counts in the order of OUTCOMES; seconds: wall
    time."""

    latencies: array
    outcomes: tuple
    seconds: float

    @property
    def total(self):
        return sum(self.outcomes)

    @property
    def rate(self):
        return self.total / self.seconds

    def quantile(self, part):
        """Latency in seconds below which `part` of all requests ended."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * part))]


def ask(port, timeout=5):
    """(outcome, seconds) of one request on a connection of its own."""
    begin = time.perf_counter()
    one = socket.socket()
    try:
        # The kernel's timeout: Python's own costs a poll() before each call, and the generator shares the cores with
        # the server.
        for limit in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            one.setsockopt(socket.SOL_SOCKET, limit, struct.pack("ll", int(timeout), 0))
        one.connect(("127.0.0.1", port))
        one.send(REQUEST)
        got = one.recv(4096)
        more = got
        while more:
            more = one.recv(4096)
            got += more
        outcome = OK if got.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")) else NOT_OK if got else EMPTY
    except ConnectionResetError:
        outcome = RESET
    except ConnectionRefusedError:
        outcome = REFUSED
    except BlockingIOError:
        outcome = SLOW
    except OSError:
        outcome = RESET
    finally:
        one.close()
    return outcome, time.perf_counter() - begin


def run(port, clients, requests):
    """Load of `clients` processes that together make `requests` requests."""
    share = [requests // clients + (index < requests % clients) for index in range(clients)]
    gate, readers, pids = os.pipe(), [], []
    for count in share:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            _client(port, count, gate, reader, writer)
        os.close(writer)
        readers.append(reader)
        pids.append(pid)
    os.close(gate[0])
    begin = time.perf_counter()
    os.close(gate[1])  # all begin at once
    latencies, outcomes = array("d"), [0] * len(OUTCOMES)
    for reader in readers:
        with os.fdopen(reader, "rb") as file:
            data = file.read()
        head = struct.calcsize("6q")
        for index, count in enumerate(struct.unpack("6q", data[:head])):
            outcomes[index] += count
        latencies.frombytes(data[head:])
    seconds = time.perf_counter() - begin
    for pid in pids:
        os.waitpid(pid, 0)
    return Load(array("d", sorted(latencies)), tuple(outcomes), seconds)


def _client(port, count, gate, reader, writer):
    """A forked client; never returns."""
    code = 1
    try:
        os.close(reader)
        os.close(gate[1])
        os.read(gate[0], 1)  # until the parent closes its end
        outcomes, latencies = [0] * len(OUTCOMES), array("d")
        for _ in range(count):
            outcome, seconds = ask(port)
            outcomes[outcome] += 1
            latencies.append(seconds)
        with os.fdopen(writer, "wb") as file:
            file.write(struct.pack("6q", *outcomes) + latencies.tobytes())
        code = 0
    finally:
        os._exit(code)
