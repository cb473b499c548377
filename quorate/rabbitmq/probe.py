# SPDX-License-Identifier: Apache-2.0
"""Host to facts: what this node's broker does at this moment (process and listener; more is to come)."""

from collections import namedtuple

from quorate.rabbitmq import facts, read, server


class Observation(namedtuple("Observation", "state process broker sentence")):
    """state: of facts; process: the broker or None; broker: facts.Broker; sentence: in words."""

    __slots__ = ()


def observe(context, memory, layout):
    """The state of this node's broker, by process first and then by its own word."""
    process = server.find(context, memory, layout.nodename)
    if process is None:
        return Observation(facts.DOWN, None, None, "No broker runs on this node.")
    if process.state in "Tt":
        return Observation(facts.HUNG, process, None, "The broker (pid %d) is stopped by a signal (SIGSTOP)." % process.pid)
    state = _listens(layout.port)
    if state == facts.STARTING and read.waiting(server.new_log(memory, layout.log)):
        state = facts.WAITING
    return Observation(state, process, None, "The broker (pid %d) is %s." % (process.pid, state))


def _listens(port):
    import socket
    try:
        with socket.create_connection(("127.0.0.1", port), 3) as one:
            one.settimeout(3)
            one.sendall(b"AMQP\0\0\x09\x01")
            return facts.RUNNING if one.recv(8) else facts.UNKNOWN
    except ConnectionRefusedError:
        return facts.STARTING
    except OSError:
        return facts.HUNG
