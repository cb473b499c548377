# SPDX-License-Identifier: Apache-2.0
"""What is known of a running control plane at one moment. Unknown is None, never False."""

from collections import namedtuple

MOVING = ("Starting", "Stopping", "Promoting", "Demoting", "Migrating")  # roles on the way to another one
DEGRADED = (190, 191)  # OCF_DEGRADED, OCF_DEGRADED_PROMOTED (OCF 1.1, 'Return codes'; lib/common/results.c of Pacemaker)

# How well something is. The worst one decides the exit code.
WELL, PAST, PLANNED, MOVES, BAD = "well", "past", "planned", "moves", "bad"
LEVELS = (WELL, PAST, PLANNED, MOVES, BAD)


class Node(namedtuple("Node", "name type online standby maintenance unclean pending shutdown dc health")):
    """A node. type: 'member', 'remote' or 'guest'; health: 'green', 'yellow', 'red' or None; the others are bools."""

    __slots__ = ()


class Instance(namedtuple("Instance", "role nodes active failed blocked managed")):
    """One instance of a service. role: the name of OCF 1.1, or one of MOVING; nodes: tuple of names."""

    __slots__ = ()


class Service(namedtuple("Service", "name parent kind agent instances disabled managed orphan")):
    """A primitive with all its instances.

    parent     the clone, group or bundle around it, or None
    kind       'clone', 'promotable', 'group' or ''
    disabled   the configuration says that it shall not run; managed: the cluster acts on it
    orphan     runs, and is not in the configuration any more
    """

    __slots__ = ()


class Failure(namedtuple("Failure", "service node action interval code word reason when")):
    """A failed action as the cluster remembers it. interval: milliseconds; word: the code's name; when: text."""

    __slots__ = ()


class Latest(namedtuple("Latest", "action code")):
    """An action of a service on a node and what it ended with; code 193: it is under way."""

    __slots__ = ()


class Fencing(namedtuple("Fencing", "target action status when")):
    """An attempt to fence a node that failed or is under way. status: 'failed' or 'pending'."""

    __slots__ = ()


class Cluster(namedtuple("Cluster", (
        "nodes services failures attributes latest fencings quorate fencing maintenance stop_all dc version updated"))):
    """What crm_mon sees.

    attributes   dict node -> dict of its attributes
    latest       dict (service, node) -> tuple of Latest: the last action, and every recurring monitor since then
    fencings     tuple of Fencing that did not succeed
    quorate, fencing (is it enabled?), maintenance, stop_all: bools, None: not told
    dc           name of the node that decides, None: there is none
    """

    __slots__ = ()


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


class Seen(namedtuple("Seen", "node cluster configured proxies drained explanations gaps")):
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
