# SPDX-License-Identifier: Apache-2.0
"""What is known of a running control plane at one moment. Unknown is None, never False."""

from collections import namedtuple

MOVING = ("Starting", "Stopping", "Promoting", "Demoting", "Migrating")  # roles on the way to another one
DEGRADED = (190, 191)  # OCF_DEGRADED, OCF_DEGRADED_PROMOTED (OCF 1.1, 'Return codes'; lib/common/results.c of Pacemaker)

# How well something is. The worst one decides the exit code.
WELL, PAST, PLANNED, MOVES, BAD = "well", "past", "planned", "moves", "bad"
LEVELS = (WELL, PAST, PLANNED, MOVES, BAD)


class Configured(namedtuple("Configured", "name addresses most promoted_most allowed")):
    """What the configuration adds.

    name            of the cluster, or None
    addresses       dict service -> its virtual address
    most            dict service -> how many instances at most (clone-max)
    promoted_most   dict service -> how many promoted ones
    allowed         dict (service, node) -> may it run there? True, False, None: not known
    """

    __slots__ = ()


class Server(namedtuple("Server", "name status backup")):
    """A server behind HAProxy. status: HAProxy's own word."""

    __slots__ = ()


class Proxy(namedtuple("Proxy", "name status servers")):
    """A backend of HAProxy. status: HAProxy's own word for the whole of it; servers: tuple."""

    __slots__ = ()


class Explanation(namedtuple("Explanation", "service whole text command level", defaults=(BAD,))):
    """What an agent's own decision says. whole: nothing is left to do; command: what to type, or None; level: how bad it is
    where it is not whole."""

    __slots__ = ()


class Observation(namedtuple("Seen", "node cluster configured proxies drained explanations gaps")):
    """Everything that was asked.

    node           this node's name in the cluster, None: not known
    cluster        Cluster
    configured     Configured, None: could not be read
    proxies        tuple of Proxy, None: HAProxy does not run here or could not be asked
    drained        why this node is drained, None: it is not
    explanations   tuple
    gaps           sentences about what could not be asked
    """

    __slots__ = ()


class Row(namedtuple("Row", "name word level text notes", defaults=((),))):
    """A line of the screen: a node, a service or a backend. notes: more sentences, tuple."""

    __slots__ = ()


class Trouble(namedtuple("Trouble", "level text command", defaults=(None,))):
    """What is wrong and why, and what to type."""

    __slots__ = ()


class Verdict(namedtuple("Verdict", "level headline title nodes services proxies troubles")):
    """What the screen says. level: the worst; title: about the cluster as a whole; then tuples of Row and Trouble."""

    __slots__ = ()
