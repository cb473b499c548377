# SPDX-License-Identifier: Apache-2.0
"""What is known of the HAProxy on this node. None is unknown, which is never no."""

from collections import namedtuple

# Why there is no answer: no such socket; nothing listens on it; no permission; too many connections wait; it accepted
# the question and did not answer; an incomplete answer; an answer of another program.
ABSENT, REFUSED, DENIED, BUSY, SILENT, CUT, FOREIGN = "absent", "refused", "denied", "busy", "silent", "cut", "foreign"

# A line of the table of `show stat`. name: FRONTEND, BACKEND, or that of a server; backup: it serves only when no other
# can.
Line = namedtuple("Line", "proxy name status backup")
Frontend = namedtuple("Frontend", "name status")
Backend = namedtuple("Backend", "name status up servers")  # up, servers: numbers of servers
Process = namedtuple("Process", "pid state")               # state: a letter, see quorate.host.process


class State(namedtuple("State", "error detail pid version uptime stopping sessions frontends backends processes "
                       "clients_wait",
                       defaults=(None,) * 7 + ((), (), None, None))):
    """What HAProxy answered on its stats socket, and its processes when it did not answer.

    error: one of those above or 'failed', None when it answered. detail: of the error, for an operator. uptime:
    seconds. sessions: number of open ones. frontends: of all proxies, also of `listen` sections. backends: those that
    have servers. processes: None when HAProxy answered, so they were not searched for. clients_wait: whether
    connections wait to be accepted, when it was silent; None: unknown.
    """

    __slots__ = ()
