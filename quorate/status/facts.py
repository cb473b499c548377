# SPDX-License-Identifier: Apache-2.0
"""What is known of a running control plane at one moment, and what the screen shows. Unknown is None, never False."""

from collections import namedtuple

ADDRESSES = ("ocf:heartbeat:IPaddr2", "ocf:heartbeat:IPaddr", "ocf:heartbeat:IPv6addr")  # agents of virtual addresses

# How well something is. The worst one decides the exit code.
WELL, PAST, PLANNED, MOVES, BAD = "well", "past", "planned", "moves", "bad"
LEVELS = (WELL, PAST, PLANNED, MOVES, BAD)


class Configured(namedtuple("Configured", "name addresses most promoted_most allowed")):
    """What the configuration adds.

    name            of the cluster, or None
    addresses       dict service -> its virtual address
    most            dict service -> the most instances that may run (clone-max), None: not configured
    promoted_most   dict service -> the most instances that may be promoted
    allowed         dict (service, node) -> whether it may run there: True, False, None: not known
    """

    __slots__ = ()


class Server(namedtuple("Server", "name status backup")):
    """A server behind HAProxy. status: HAProxy's own word."""

    __slots__ = ()


class Proxy(namedtuple("Proxy", "name status servers")):
    """A backend of HAProxy. status: HAProxy's own word for the whole of it; servers: tuple."""

    __slots__ = ()


class Explanation(namedtuple("Explanation", "service whole text command level", defaults=(BAD,))):
    """What an agent decided about its service.

    whole: nothing is left to do; command: what to type, or None; level: how bad it is where it is not whole.
    """

    __slots__ = ()


class Observation(namedtuple("Observation", "node cluster configured proxies drained explanations gaps")):
    """Everything that was asked.

    node           this node's name in the cluster, None: not known
    cluster        quorate.pacemaker.crm_mon.Cluster
    configured     Configured, None: could not be read
    proxies        tuple of Proxy, None: HAProxy does not run here or could not be asked
    drained        why this node is drained, None: it is not
    explanations   tuple of Explanation
    gaps           tuple of sentences about what could not be asked
    """

    __slots__ = ()


class Row(namedtuple("Row", "name word level text notes", defaults=((),))):
    """A line of the screen: a node, a service or a backend. notes: more sentences, tuple."""

    __slots__ = ()


class Problem(namedtuple("Problem", "level text command", defaults=(None,))):
    """What is wrong and why, and what to type, or None. The names of the fields are keys of the JSON."""

    __slots__ = ()


class Summary(namedtuple("Summary", "level headline title nodes services proxies problems")):
    """What the screen shows. level: the worst; title: the cluster as a whole; then tuples of Row and of Problem."""

    __slots__ = ()
