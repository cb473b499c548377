# SPDX-License-Identifier: Apache-2.0
"""What is known of a Galera node, as values.

*Unknown is never no*: a fact that could not be found out is None, and everything that reads it distinguishes None from
False, 0 and the empty string.

Sources: grastate.dat and gvwstate.dat as galera 26.4 writes them (galerautils saved_state.cpp, gcomm view.cpp),
`mysqld --wsrep-recover`, `SHOW GLOBAL STATUS LIKE 'wsrep_%'`.
"""

from collections import namedtuple

ZERO_UUID = "00000000-0000-0000-0000-000000000000"

# What a node's mysqld does, as far as its own machine shows.
DOWN = "down"                # proven: no mysqld, no state transfer child
STARTING = "starting"        # mysqld runs, answers no SQL, receives nothing (waits for the others, recovers InnoDB)
RECEIVING = "receiving"      # mysqld runs, a state transfer (SST or IST) into it is under way
SYNCED = "synced"            # member of a primary component and serving (wsrep_local_state 4)
DONOR = "donor"              # member of a primary component, donor or desynced (2)
JOINED = "joined"            # member of a primary component, catching up (1, 3)
NONPRIMARY = "non-primary"   # mysqld answers, but is in no primary component
HUNG = "hung"                # mysqld runs and does not answer in time
UNKNOWN = "unknown"          # could not be found out

# States in which a node is part of a live primary component.
IN_PRIMARY = frozenset((SYNCED, DONOR, JOINED))
# States in which a mysqld runs, which a node that wants to bootstrap must not ignore.
ALIVE = frozenset((STARTING, RECEIVING, SYNCED, DONOR, JOINED, NONPRIMARY, HUNG))

# Sources of a position.
GRASTATE = "grastate"        # a clean shutdown wrote it
RECOVERED = "recovered"      # --wsrep-recover read it from InnoDB
NONE = "none"                # there is no position
_HEX = frozenset("0123456789abcdef")


# systemd's units that listen in the server's place: MariaDB's, and those of MySQL and Percona.
SOCKET_UNITS = ("mariadb.socket", "mariadb-extra.socket", "mysql.socket", "mysqld.socket")


class Grastate(namedtuple("Grastate", "uuid seqno safe_to_bootstrap")):
    """grastate.dat: uuid (str), seqno (int, -1: was not left cleanly), safe_to_bootstrap (bool)."""
    __slots__ = ()


class View(namedtuple("View", "uuid seq members")):
    """The last primary view that a node wrote to gvwstate.dat.

    uuid: of the view's representative; seq: grows within one chain of views only; members: frozenset of member UUIDs.
    All UUIDs are *masked*, see mask().
    """
    __slots__ = ()


class Gvwstate(namedtuple("Gvwstate", "my_uuid view")):
    """gvwstate.dat: the node's own (masked) UUID in that view, and the View."""
    __slots__ = ()


class Garbage(namedtuple("Garbage", "reason")):
    """A file that exists and has no valid content. reason: a clause, such as 'is empty'."""
    __slots__ = ()


class Report(namedtuple("Report", (
        "node state uuid seqno source clean safe data my_uuid view arbitrators generation since "
        "settled tried survivor recorded failed written"),
        defaults=(UNKNOWN, None, None, None, None, None, None, None, None, frozenset(), None, None,
                  None, False, False, None, None, None))):
    """What one node can prove by its own disk and its processes.

    node:        Pacemaker's name of it (attribute target)
    state:       one of the states above
    uuid:        state UUID; ZERO_UUID: has none; None: unknown
    seqno:       int; -1: none; None: unknown
    source:      GRASTATE, RECOVERED, NONE; None: unknown
    clean:       True: stopped cleanly (grastate has a seqno); None: unknown
    safe:        grastate's safe_to_bootstrap; None: unknown
    data:        True: there is a data directory with a database that was in a cluster or can be;
                 False: there is none (empty, missing, or a state transfer into it broke off); None: unknown
    my_uuid:     own masked member UUID of the last view it was in, or None. Remembered over a clean stop where possible
    view:        last primary View, or None (never was in one). What it proves depends on `recorded`. A file that
                 exists and cannot be read makes the report's state UNKNOWN
    arbitrators: frozenset of masked member UUIDs known to be garbd (no data)
    generation:  int, the bootstrap generation in which it was last synced (a node that opens one is in it before its
                 mysqld starts); 0: never, or a full state transfer into it has begun and not ended; None: unknown
    since:       unix seconds at which this report's state began (for operators)
    settled:     True: observed while it ran: it had committed all that came before the change to `view`
                 (parse.settled); of a server that runs and is NONPRIMARY: it was synced in the component that it lost,
                 so it holds all of that, in memory at least (observe.left_synced); False, None: not observed
    tried:       True: it was started to recover the last view, or waited for its members, and ended without a primary
                 component, or is about to be ended
    recorded:    True: gvwstate.dat of `view` is on the disk, so that Galera can re-form it; False: the view is only
                 remembered (a clean stop removes the file); None: unknown
    survivor:    True: its mysqld ran and became non-primary when the only other member of a view of two vanished
    failed:      True: the last mysqld that was launched here ended, or came to nothing, before it served; None: the
                 node runs a version that does not say
    written:     int, the highest seqno up to `seqno` that a transaction may have: those after it are changes of the
                 view (server.log.views); None: there is no position, or the node runs a version that does not say
    """
    __slots__ = ()


class Snapshot(namedtuple("Snapshot", (
        "me configured reports members generation names two_node lost_confirmed override listening "
        "arbitrators_alive"), defaults=({}, False, frozenset(), None, None, {}))):
    """All that the election knows at one moment, the same on every node.

    me:             this node's name
    configured:     tuple of the data nodes of wsrep_cluster_address as Pacemaker names, in its order
                    (a host that is not a cluster node stands under its own name)
    reports:        dict node -> Report; only of current cluster members
    members:        frozenset of node names that are members of the Pacemaker partition
    generation:     int, the cluster's current bootstrap generation, 0: none was ever opened; None: could not be read
    names:          dict masked member UUID -> node name, as far as known (for texts only)
    two_node:       bool, parameter two_node_mode
    lost_confirmed: frozenset of configured nodes that Pacemaker confirmed fenced or cleanly down
    override:       None, or an Override
    listening:      frozenset of configured nodes whose group communication port accepts a connection, of those that did
                    not report that they are alive, and with an override of all; None: not tried
    arbitrators_alive: dict host -> masked member UUID of the arbitrator (garbd) whose group communication port accepts a
                    connection there; None as UUID: it did not say. Tried when `listening` is
    """
    __slots__ = ()


class Override(namedtuple("Override", "node by at forced", defaults=(None, None, False))):
    """The operator's order to bootstrap `node`. by: who, at: unix s, forced: against objections."""
    __slots__ = ()


# What the election decides; a Decision's `action`.
JOIN = "join"            # a primary component lives (or is being formed): start and join it
RECOVER = "recover"      # the last primary view is complete: all its members start, Galera re-forms it
BOOTSTRAP = "bootstrap"  # `nodes` (exactly one) opens a new primary component
WAIT = "wait"            # something is missing that may hold commits; `missing` says whom
REFUSE = "refuse"        # only the operator can decide (two histories, no data anywhere, ...)


class Decision(namedtuple("Decision", "action nodes reason missing urgent command confirmed",
                          defaults=((), "", (), False, None, True))):
    """action: see above; nodes: tuple of the nodes that may be promoted now, first is next;
    reason: why, as text; missing: tuple of the nodes that are waited for (names, else UUIDs);
    urgent: an operator should act, because waiting may not help; command: what the operator may type, or None;
    confirmed: False: the action is right by the reports, but whether an absent node listens was not tried
    (Snapshot.listening is None). Try it, and decide again, before it is carried out. Only BOOTSTRAP needs it.
    """
    __slots__ = ()


class ServerStatus(namedtuple("ServerStatus", (
        "answered error errno ready cluster_status local_state local_state_comment local_index cluster_size "
        "desync reject_queries sst_donor_rejects_queries sst_method read_only maint_mode cluster_uuid "
        "last_committed conf_id connected threads_connected addresses at uuid cluster_address"), defaults=(None,) * 23)):
    """One server's answer about itself; None: it did not say.

    answered: False: no answer in time, or an error (error: text without secrets, errno: int or None)
    ready: wsrep_ready (bool); cluster_status: 'Primary' ...; local_state: wsrep_local_state int
    local_index: int, position in the view, the same on all members
    desync, reject_queries ('NONE','ALL','ALL_KILL'), sst_donor_rejects_queries (bool), sst_method: variables
    read_only: bool; maint_mode: pxc_maint_mode, None on MariaDB; last_committed: wsrep_last_committed int
    conf_id: wsrep_cluster_conf_id; connected: wsrep_connected; addresses: wsrep_incoming_addresses, a tuple in
    the order of the view: '' is an arbitrator, 'AUTO' a server that does not know its address
    at: monotonic seconds when it was asked; uuid: of the member (wsrep_gcomm_uuid); cluster_address:
    wsrep_cluster_address, as text
    """
    __slots__ = ()


# UUIDs

def uuid(text):
    """The UUID in lower case, None when the text is none."""
    text = text.strip().lower()
    groups = text.split("-")
    if [len(group) for group in groups] != [8, 4, 4, 4, 12] or not _HEX.issuperset("".join(groups)):
        return None
    return text


def mask(text):
    """A member UUID without its fourth group, which each restart from gvwstate.dat increments. None stays None."""
    groups = (text or "").split("-")
    if len(groups) != 5:
        return None
    return "-".join(groups[:3] + ["0000", groups[4]])


def short(text):
    """The first group of a UUID, for texts and tables."""
    return (text or "").split("-")[0]


def integer(text):
    """int of a decimal text, None when it is none. (int() alone would take '1_000' and blanks.)"""
    text = (text or "").strip()
    digits = text[1:] if text.startswith("-") else text
    return int(text) if digits.isdigit() and digits.isascii() and len(digits) < 40 else None
