# SPDX-License-Identifier: Apache-2.0
"""What is known of the HAProxy on this node. None is unknown, which is never no."""

from collections import namedtuple

# Why there is no answer: no such socket; nobody listens on it; we may not ask; too many wait to ask; it took the question
# and said nothing; half an answer; an answer of somebody else.
ABSENT, REFUSED, DENIED, BUSY, SILENT, CUT, FOREIGN = "absent", "refused", "denied", "busy", "silent", "cut", "foreign"

# A line of the table of `show stat`; name: FRONTEND, BACKEND, or that of a server. backup: one that serves only for want of others.
Line = namedtuple("Line", "proxy name status backup")
Frontend = namedtuple("Frontend", "name status")
Backend = namedtuple("Backend", "name status up servers")  # up, servers: how many
Process = namedtuple("Process", "pid state")               # state: a letter, see quorate.host.process


class State(namedtuple("State", "error detail pid version uptime stopping sessions frontends backends processes clients_wait",
                       defaults=(None,) * 7 + ((), (), None, None))):
    """What HAProxy said on its stats socket, and what its processes are when it said nothing.

    error: one of the words above, None when it answered. detail: for people. uptime: seconds. sessions: open ones.
    frontends: of all proxies, `listen` sections as well. backends: those that have servers. processes: None when nobody
    looked, since HAProxy answered. clients_wait: whether connections wait to be taken, when it was silent.
    """

    __slots__ = ()
