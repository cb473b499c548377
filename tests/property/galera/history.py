# SPDX-License-Identifier: Apache-2.0
"""A simulated Galera cluster: histories that may really happen, to see whether the election ever loses a commit.

Virtual synchrony as Galera has it: every commit goes to all members of the primary view before the next view begins;
it is acknowledged when it is on the disk of the node that took it; all other disks lag behind by any amount. Views are
written to gvwstate.dat when they begin and the file is removed by a clean stop. More than half of the last primary view
(less those that left cleanly) goes on after a loss, otherwise nobody does. Nodes that start with a complete old view
re-form it by themselves; in some histories also with those that kept running without a quorum, unless one of these
cannot tell whether others went on without it (proof.recoverable). Reports may be missing or stale, and absent nodes
may be alive and out of sight: no port is ever found listening here, because the proof has to hold without that.

World.play() takes steps such as ("commit", 1, 0). Numbers are taken modulo whatever there is to choose from, so every
list of steps is a history. World raises Lost, Split or Diverged when the cluster has come to harm.
"""

import random

from quorate.galera.election import decide
from quorate.galera.facts import (
    BOOTSTRAP, DOWN, GRASTATE, HUNG, JOIN, NONPRIMARY, RECEIVING, RECOVER, RECOVERED, STARTING, SYNCED, UNKNOWN,
    ZERO_UUID, Override, Report, Snapshot, View)
from quorate.galera.server.parse import reported_position, settled
from quorate.pacemaker import crm_mon

HISTORY = "5f0e1f3a-0000-11ee-8000-0242ac120002"
GARBD = "ffffffff-0000-11ee-0000-0242ac120002"
PARTS = 63  # a step's numbers are 0..PARTS


class Harm(AssertionError):
    """The cluster has come to harm."""


class Lost(Harm):
    """An acknowledged commit is gone, and no operator discarded it."""


class Split(Harm):
    """Two primary components at once."""


class Diverged(Harm):
    """A node with other transactions in its past was given an incremental transfer."""


class Node:
    """One machine: what is on its disk, what its mysqld does, what its agent remembers."""

    def __init__(self, name):
        self.name = name
        self.disk = []              # transactions committed, in order; the seqno is its length
        self.data = True            # False: no data directory, or a full transfer has broken off
        self.history = False        # grastate has a UUID
        self.clean = False
        self.safe = False
        self.view = None            # gvwstate.dat
        self.member = None          # own UUID in the last view
        self.generation = 0
        self.remembered = None      # the view that its agent saw last, for the time when gvwstate.dat is gone
        self.settled = None         # the View in which it was seen settled
        self.state = DOWN
        self.delivered = []         # (transactions before it, View) of each change of view that was delivered to it
        self.received = []          # in memory: all that was delivered, committed or not
        self.stale = False          # its agent still says SYNCED
        self.here = True            # its machine is in the Pacemaker partition
        self.on = True              # its machine has power
        self.tried = False
        self.tells = False          # its server's log shows that it was synced in the component that it lost
        self.undecided = False      # non-primary, it cannot tell whether the others went on, and never will
        self.survivor = False
        self.saved = None           # the view and UUID it had before it was started without them
        self.name_on_disk = None    # of its data directory, and that of the one with which it last served
        self.name_known = None
        self.name_before = None     # (the one before,) while its server receives into a directory without a name
        self.var_full = False       # its agent can write down nothing in /var
        self.unmounted = None       # what is on the disk that is not mounted
        self.failed = False         # its last mysqld came to nothing
        self.says_failed = True     # False: its agent is of a version that does not know of that
        self.says_written = True    # False: as above; None: what its server logged is not there
        self.opening = None         # what was before its bootstrap that came to nothing, until that is undone
        self.undone = None          # (seqno before the bootstrap that was undone, most that it can have since)

    def report(self, true_position=False):
        """What its agent publishes. true_position: with what is on the disk, as the agent starts the server with it."""
        failed = self.failed if self.says_failed else None
        if self.stale:
            return Report(self.name, SYNCED, generation=self.generation, my_uuid=self.member, view=self.view, data=True,
                          recorded=True, failed=failed)
        if self.data and is_other_disk(self):
            return Report(self.name, self.state, my_uuid=self.member, view=self.view or self.remembered,
                          generation=self.generation, recorded=self.view is not None, failed=failed)
        uuid, seqno = (HISTORY, len(self.disk)) if self.history and self.data else (ZERO_UUID, -1)
        beyond = False
        if self.undone is not None and not true_position:
            on_disk = seqno
            uuid, seqno = reported_position((uuid, seqno), (HISTORY, self.undone[0]), self.undone[1])
            beyond = seqno != on_disk
        written = None if self.says_written is False else changes_taken_off(self, seqno)
        return Report(
            self.name, self.state, uuid, seqno, GRASTATE if self.clean else RECOVERED, self.clean, self.safe, self.data,
            self.member, self.view or self.remembered, frozenset(), self.generation, 0,
            settled=(self.settled is not None and self.settled == (self.view or self.remembered)
                     or self.state == NONPRIMARY and self.tells),
            tried=self.tried or beyond, survivor=self.survivor, recorded=self.view is not None, failed=failed,
            written=written if seqno >= 0 else None)


def changes_taken_off(node, seqno):
    """The highest seqno that a transaction may have (server.log.views.written)."""
    while node.says_written and 0 < seqno <= len(node.disk) and node.disk[seqno - 1].startswith("change"):
        seqno -= 1
    return seqno


def is_other_disk(node):
    """Whether its data directory is not the one with which it last served (server.data.identity)."""
    return None not in (node.name_on_disk, node.name_known) and node.name_on_disk != node.name_known


def answers_sync_wait(node):
    """Whether a question with wsrep_sync_wait is answered: once all that was delivered is applied."""
    return len(node.disk) >= len(node.received)


class World:
    """size data nodes and, if asked for, one arbitrator. play() steps; .decisions holds the result."""

    def __init__(self, size=3, arbitrator=False, two_node=False, change_has_seqno=False):
        self.nodes = [Node("n%d" % number) for number in range(1, size + 1)]
        self.arbitrators = frozenset([GARBD] if arbitrator else [])
        self.two_node = two_node and size == 2
        self.change_has_seqno = change_has_seqno
        self.fencing = True
        self.meets = False          # servers that run without a quorum re-form their view with those that start
        self.view = None            # of the living primary component
        self.arbitrator_view = None  # the last one that the arbitrator was in; it stays alive
        self.log = []               # its transactions
        self.base = 0               # how many of them came before its view
        self.generation = 0
        self.generation_apart = 0   # by the configuration of a node out of sight
        self.generation_starts = []
        self.acknowledged = set()   # and not discarded by an operator
        self.count = 0
        self.decisions = []         # (Snapshot, Decision) of every election held
        self.known_arbitrator = False  # whether the agents have recognised the arbitrator

    # Helpers

    def _new(self, kind):
        self.count += 1
        return "%s%d" % (kind, self.count)

    def _new_member(self):
        self.count += 1
        return "%08x-0000-11ee-0000-0242ac120002" % self.count

    def _pick(self, number, *states):
        """A node in one of the states, or None."""
        there = [node for node in self.nodes if node.state in states and node.on]
        return there[number % len(there)] if there else None

    def _members(self):
        """Data nodes in the living primary component."""
        if self.view is None:
            return []
        return [node for node in self.nodes if node.state in (SYNCED, RECEIVING) and node.member in self.view.members]

    def _install(self, members, seq, late=()):
        """A new primary view of these data nodes and the arbitrators. late: died before they wrote it."""
        members = list(members)
        if not members:
            self.view, self.arbitrator_view = None, None    # the arbitrator may go on, but nobody gets data from it
            return
        uuids = frozenset(node.member for node in members) | self.arbitrators
        if self.change_has_seqno:
            self.log.append(self._new("change"))
        self.view, self.base = View(min(uuids), seq, uuids), len(self.log)
        self.arbitrator_view = self.view
        for node in members:
            node.survivor = node.tried = False
            if node not in late:
                node.view, node.saved = self.view, None
                node.received = list(self.log) if node.state == SYNCED else node.received
                node.delivered.append((self.base, self.view))
        for node in late:
            self._die(node, 0)

    def _die(self, node, progress):
        """mysqld is gone; `progress`/PARTS of what it had received got on its disk."""
        behind = node.received[len(node.disk):] if node.data else []
        node.disk = node.disk + behind[:len(behind) * progress // PARTS]
        node.stale = node.state == SYNCED and node.on
        if node.name_before is not None and not node.var_full:
            if node.state in (STARTING, RECEIVING):  # it never was ready, by its log
                node.name_known = node.name_before[0]
            node.name_before = None
        if node.state == STARTING and node.saved is not None:
            node.view, node.member = node.saved
        node.state, node.received, node.delivered, node.clean, node.undecided = DOWN, [], [], False, False

    def _receive(self):
        """Members hold in memory what the group has delivered."""
        for node in self._members():
            if node.state == SYNCED:
                node.received = list(self.log)

    def _lose(self, gone, late=()):
        """The group loses the nodes `gone` (dead or out of reach) at once."""
        if self.view is None or not any(node.member in self.view.members for node in gone):
            return
        old = self.view
        rest = [node for node in self._members() if node not in gone]
        left = len(rest) + len(self.arbitrators)
        if rest and 2 * left > len(old.members):
            self._install(rest, old.seq + 1, [node for node in late if node in rest])
            if not self._members():
                self.view = None
            elif late:
                self._lose([node for node in late if node in rest])
            return
        self.view = None
        for node in rest:
            if node.state == RECEIVING:
                self._die(node, 0)
            else:
                node.state = NONPRIMARY
                node.survivor = len(old.members) == 2 and not self.arbitrators

    # Steps: what happens to the cluster

    def commit(self, number, unacknowledged):
        node = self._pick(number, SYNCED)
        if node is None:
            return
        transaction = self._new("t")
        self.log.append(transaction)
        self._receive()
        if unacknowledged % 4 == 3:     # the client never hears of it; it may be on disk or not
            return
        node.disk = list(self.log)
        self.acknowledged.add(transaction)

    def apply(self, number, progress):
        node = self._pick(number, SYNCED, NONPRIMARY)
        if node is not None and node.data:
            behind = node.received[len(node.disk):]
            node.disk = node.disk + behind[:max(1, len(behind) * progress // PARTS)]

    def monitor(self, number, waits):
        """The agent of one node runs its monitor: stale reports go, what it observes of a synced node is recorded.
        waits: its question with wsrep_sync_wait lets the applier finish; a multiple of 4: it runs out of time."""
        node = self.nodes[number % len(self.nodes)]
        node.stale = False
        if node.state == SYNCED and node.on:
            node.generation, node.failed = self.generation, False
            node.name_on_disk = node.name_on_disk or node.name_known or self._new("disk")
            self.known_arbitrator = True
            if node.var_full:
                return
            node.name_known, node.remembered, node.name_before = node.name_on_disk, node.view, None
            if node.settled != node.view and waits % 4:
                node.disk = list(node.received)
            applied = [view for before, view in node.delivered if before <= len(node.disk)]
            if applied and answers_sync_wait(node) and settled(node.view, applied[-1].members):
                node.settled = node.view

    def monitor_all(self, _, settle):
        for number, node in enumerate(self.nodes):
            if node.state == SYNCED and settle % 2:
                node.disk = list(self.log)
            self.monitor(number, 0)

    def crash(self, number, progress):
        node = self._pick(number, SYNCED, RECEIVING, NONPRIMARY, STARTING)
        if node is not None:
            self._die(node, progress)
            self._lose([node])

    def crash_some(self, mask, progress):
        gone = [node for bit, node in enumerate(self.nodes) if mask >> bit & 1 and node.state != DOWN]
        for place, node in enumerate(gone):
            self._die(node, progress * (place + 1) % (PARTS + 1))
        self._lose(gone)

    def crash_in_change(self, number, other):
        """One is lost, and another dies in the view change before it could write the new view."""
        node, second = self._pick(number, SYNCED), self._pick(other, SYNCED)
        if node is not None and node is not second:
            self._die(node, other)
            self._lose([node], [second])

    def evict(self, number, progress):
        """Cut off from the others, alive."""
        node = self._pick(number, SYNCED)
        if node is None or len(self.view.members) == 1:
            return
        # What is on any disk it has received, too: no node takes delivery of a message that not all members have.
        least = max([self.base] + [len(other.disk) for other in self.nodes if other.disk == self.log[:len(other.disk)]])
        behind = node.received[least:]
        node.received = node.received[:least + len(behind) * progress // PARTS]
        node.state = NONPRIMARY
        node.survivor = len(self.view.members) == 2 and not self.arbitrators
        self._lose([node])

    def leave(self, number, forget):
        """A clean stop: all that was received is committed, gvwstate.dat is removed."""
        node = self._pick(number, SYNCED, NONPRIMARY)
        if node is None:
            return
        node.disk, node.clean = list(node.received), True
        node.safe = node.state == SYNCED and self.view.members == frozenset([node.member])
        if node.safe and self.change_has_seqno:
            node.disk.append(self._new("change"))  # the leave of the last member
        node.name_before = None
        in_primary, node.state, node.received, node.delivered = node.state == SYNCED, DOWN, [], []
        node.undecided = False
        node.view, node.stale = None, False
        if in_primary:
            self._install(self._members(), self.view.seq + 1)
        if forget % 3 == 0:
            node.member = node.remembered = None

    def power_off(self, number, progress):
        node = self.nodes[number % len(self.nodes)]
        node.name_before = None         # what was not judged before a boot stands
        if node.state != DOWN:
            self._die(node, progress)
            self._lose([node])
        node.on = node.here = node.stale = False
        self._lose_run(node)

    def power_cut(self, mask, progress):
        """All at once; the nodes of the mask stay off."""
        gone = [node for node in self.nodes if node.state != DOWN]
        for place, node in enumerate(gone):
            node.name_before = None
            self._die(node, progress * (place + 1) % (PARTS + 1))
        self._lose(gone)
        for bit, node in enumerate(self.nodes):
            node.stale = False
            self._lose_run(node)
            node.on = node.here = not mask >> bit & 1

    def _lose_run(self, node):
        """/run is empty after a boot; a bootstrap whose server was not judged before stands."""
        node.tried = node.survivor = node.failed = False
        if node.opening and not node.opening["judged"]:
            if node.opening["ordered"]:
                self.acknowledged.intersection_update(node.disk)
            node.opening = None

    def power_on(self, number, _):
        node = self.nodes[number % len(self.nodes)]
        node.on = node.here = True

    def hide(self, number, _):
        """Out of the Pacemaker partition's sight, whatever it does."""
        self.nodes[number % len(self.nodes)].here = False
        self.generation_apart = self.generation

    def finish(self, number, _):
        """A state transfer ends, the joiner is synced."""
        node = self._pick(number, RECEIVING)
        if node is not None and any(other.state == SYNCED for other in self._members()):
            node.disk, node.data, node.history, node.state = list(self.log), True, True, SYNCED
            node.received = list(self.log)

    def heal(self, _, mask):
        """Some of those that lost their quorum meet again, or meet the living primary component."""
        met = [node for bit, node in enumerate(self.nodes) if mask >> bit & 1 and node.state == NONPRIMARY]
        if not met:
            return
        if self.view is not None:
            for node in met:
                self._rejoin(node)
            return
        for view in {node.view for node in met if node.view is not None}:
            those = [node for node in met if node.view == view and node.member in view.members and not node.undecided]
            if 2 * len(self._with_arbitrator(view, those)) > len(view.members):
                self._reform(view, those)
                return

    def _rejoin(self, node):
        if node.received != self.log[:len(node.received)]:
            raise Diverged("%s has received what the others have not" % node.name)
        node.state, node.undecided = SYNCED, False
        self._install([other for other in self.nodes if other is node or other in self._members()],
                      max(self.view.seq, node.view.seq if node.view else 0) + 1)
        self._receive()

    def stall(self, number, _):
        """The agent stops a mysqld that waits in vain, and puts gvwstate.dat back."""
        node = self._pick(number, STARTING)
        if node is not None:
            self._die(node, 0)
            node.tried = True

    def cannot_tell(self, number, _):
        """A node lost its quorum in the middle of a change of view: whether the others went on is unknown to it."""
        node = self._pick(number, NONPRIMARY)
        if node is not None:
            node.undecided = True

    def give_up(self, number, progress):
        """The agent ends a server without a quorum that has met all members of its view in vain, and puts gvwstate.dat
        back; the other members end as well (startup._why_given_up). Some do not react and are killed: these lose what
        was not on the disk yet."""
        node = self._pick(number, NONPRIMARY)
        if node is None or node.view is None:
            return
        there = [one for one in self.nodes if one.view == node.view and one.member in node.view.members
                 and one.state in (STARTING, NONPRIMARY)]
        if self._with_arbitrator(node.view, there) != node.view.members:
            return
        for one in there:
            clean = one.state == NONPRIMARY and progress % 3 != 0
            if clean:
                one.disk = list(one.received)
            self._die(one, 0 if clean else progress)
            one.clean, one.tried = clean, True

    # Steps: what the agents do

    def snapshot(self, silent=0, override=None, state_of_alive=0):
        reports = {}
        for bit, node in enumerate(self.nodes):
            if node.opening:
                continue                # it is undone, or stands, before the agent reports what is on the disk
            if node.here and node.on and not silent >> bit & 1:
                report = node.report()
                if report.state == NONPRIMARY and state_of_alive % 3:
                    report = report._replace(state=(HUNG, UNKNOWN)[state_of_alive % 3 - 1])
                if self.known_arbitrator:
                    report = report._replace(arbitrators=self.arbitrators)
                reports[node.name] = report
        return Snapshot(
            self.nodes[0].name, tuple(node.name for node in self.nodes), reports,
            frozenset(node.name for node in self.nodes if node.here and node.on), self.generation, {}, self.two_node,
            crm_mon.confirmed_off(self.fencing, [self._seen_by_pacemaker(node) for node in self.nodes]), override,
            frozenset())

    def _seen_by_pacemaker(self, node):
        """A node out of sight waits to be fenced; without fencing Pacemaker takes it for one that was shut down."""
        online = node.on and node.here
        return crm_mon.Node(node.name, "member", online, False, False, self.fencing and node.on and not online, False,
                            False, False, None)

    def act(self, silent, how):
        """An election among those that have reported, and what follows from it."""
        # Mostly everybody who is there has reported.
        self._carry_out(self.snapshot(silent if silent % 4 == 0 else 0, state_of_alive=how), how)

    def full_var(self, number, full):
        """What its agent remembers stays as it is. (Not together with a disk that returns: nothing could show that.)"""
        node = self.nodes[number % len(self.nodes)]
        node.var_full = full % 2 == 0 and node.unmounted is None

    def unmount(self, number, _):
        """The file system of a node's data directory is not mounted: there is an empty directory."""
        node = self.nodes[number % len(self.nodes)]
        if node.state == DOWN and not node.opening and not node.var_full and node.unmounted is None:
            node.unmounted = (node.disk, node.data, node.history, node.clean, node.safe, node.view, node.name_on_disk,
                              node.member)
            node.disk, node.data, node.history, node.clean, node.safe = [], False, False, False, None
            node.view = node.name_on_disk = None
            node.stale = False

    def remount(self, number, _):
        """It is mounted again, whatever the node has done without it."""
        node = self.nodes[number % len(self.nodes)]
        if node.state == DOWN and not node.opening and node.unmounted is not None:
            (node.disk, node.data, node.history, node.clean, node.safe, node.view, node.name_on_disk,
             member) = node.unmounted
            node.member, node.unmounted = member if node.view is not None else node.member, None
            node.stale = False

    def act_and_fail(self, silent, how):
        """The same, but a server that is to bootstrap ends before it is ready for clients."""
        self._carry_out(self.snapshot(silent if silent % 4 == 0 else 0), how, fails=True)

    def order_and_fail(self, number, how):
        self.order(number, how, fails=True)

    def undo(self, number, how):
        """The agent undoes a bootstrap that came to nothing. A multiple of 4: it is killed half-way, and tries again;
        of 8: before it has closed the generation. 7 of 16: the log proves nothing."""
        node = self.nodes[number % len(self.nodes)]
        if not (node.opening and node.state == DOWN and node.on and node.here):
            return
        before = node.opening
        if how % 16 == 7 and not before["judged"]:  # its log proves nothing, so it stands
            if before["ordered"]:
                self.acknowledged.intersection_update(node.disk)
            node.opening = None
            return
        before["judged"] = True         # that is on record before the first effect
        if self.generation == before["generation"] and [other for other in self.nodes if other is not node and (
                other.generation == self.generation or other.state in (SYNCED, RECEIVING))]:
            # Another node is in it (published.is_entered).
            if node.generation == before["own"]:
                node.undone = before["undone"]
            elif before["ordered"]:
                self.acknowledged.intersection_update(node.disk)
            node.opening = None
            return
        node.view, node.member, node.remembered, node.settled, node.safe = before["files"]
        node.generation = before["own"]
        if how % 8 == 0:
            return
        if self.generation == before["generation"]:
            self.generation = before["generation"] - 1
        if self.generation_starts and self.generation_starts[-1][0] == before["generation"]:
            self.generation_starts.pop()
        if how % 8 == 4:
            return
        node.undone, node.opening = before["undone"], None

    def act_apart(self, silent, how):
        """Of two nodes, the one out of sight holds an election of its own: corosync's two_node makes both quorate, each
        with the configuration that it had."""
        if self.two_node and [node for node in self.nodes if node.on and not node.here]:
            self._other_side()
            self.act(silent, how)
            self._other_side()

    def _other_side(self):
        for node in self.nodes:
            node.here = node.on and not node.here
        self.generation, self.generation_apart = self.generation_apart, self.generation

    def order(self, number, how, fails=False):
        """An operator orders a bootstrap, or forces it, after making sure that no mysqld runs out of sight, and that
        none is started there by the election of the other half, which knows nothing of the order (act_apart)."""
        node = self.nodes[number % len(self.nodes)]
        apart = self.two_node and not self.fencing and any(other.on and not other.here for other in self.nodes)
        if all(other.state == DOWN for other in self.nodes) and not apart:
            self._carry_out(self.snapshot(override=Override(node.name, "op", 0, how % 2 == 1)), how, fails)

    def _carry_out(self, snapshot, how, fails=False):
        decision = decide.decide(snapshot)
        self.decisions.append((snapshot, decision))
        if decision.action == BOOTSTRAP:
            self._bootstrap(self._named(decision.nodes[0]), snapshot, how,
                            snapshot.override is not None and decision.nodes == (snapshot.override.node,), fails)
        elif decision.action == RECOVER:
            for node in (decision.nodes[:1] if how % 4 == 3 else decision.nodes):
                self._start(self._named(node))
        elif decision.action == JOIN and decision.nodes:
            node = self._named(decision.nodes[0])
            reachable = frozenset(other.name for other in self.nodes if other.state != DOWN and how % 3)
            self._join(node, decide.keeps_view(snapshot, node.name, decision, reachable))
        self._reform_started()

    def _named(self, name):
        return next(node for node in self.nodes if node.name == name)

    def _bootstrap(self, node, snapshot, how, ordered, fails):
        if self._members():
            raise Split("%s bootstraps beside %s" % (node.name, [other.name for other in self._members()]))
        for other in self.nodes:
            if other.opening and other.opening["ordered"]:  # it was not undone, so what was ordered stands
                self.acknowledged.intersection_update(other.disk)
        if ordered and not fails:
            self.acknowledged.intersection_update(node.disk)
        elif not ordered and not self.acknowledged.issubset(node.disk):
            raise Lost("%s bootstraps without %s" % (node.name, sorted(self.acknowledged.difference(node.disk))))
        start = decide.generation_start(snapshot, node.name)
        self.generation_starts = decide.keep_start(self.generation_starts, start, most=2)
        if how % 16 == 13:              # the agent is killed in between
            return
        before = {"own": node.generation, "generation": start[0], "ordered": ordered, "judged": False,
                  "undone": (node.report().seqno, len(node.disk) + 1) if node.history and node.data else None,
                  "files": (node.view, node.member, node.remembered, node.settled, node.safe)}
        self.generation += 1
        if how % 16 == 15:              # or here
            return
        node.generation, node.safe, node.undone = self.generation, True, None
        if not node.var_full:
            node.name_on_disk = node.name_known = node.name_on_disk or self._new("disk")
        if fails:
            node.failed, node.opening, node.clean = True, None if node.var_full else before, False
            if node.var_full and ordered:  # it cannot be undone
                self.acknowledged.intersection_update(node.disk)
            if how % 2:                 # its view took a seqno before the server ended, and gvwstate.dat is gone
                node.data = True        # one that had no history has begun another one, which nobody has
                node.disk = node.disk + [self._new("change")] if node.history else []
                node.view = node.member = None
            return
        if how % 16 == 14:              # mysqld does not start
            return
        node.data = node.history = True
        self.log, node.safe, node.clean = list(node.disk), False, False
        node.member = node.member if node.view is not None else self._new_member()
        node.state, node.received = SYNCED, list(self.log)
        self._install([node], (node.view.seq if node.view is not None else 0) + 1)
        self._receive()

    def _start(self, node):
        """mysqld starts; it keeps gvwstate.dat and waits."""
        node.state, node.clean, node.safe, node.stale = STARTING, False, False, False
        node.received = list(node.disk)

    def _join(self, node, keeps_view):
        """mysqld starts, to join. decide.py says what the agent does before."""
        full = not node.history or decide.needs_full_transfer(
            node.report(), self.generation_starts, self.generation, node.report(True).seqno)
        node.saved = node.view, node.member
        if not keeps_view:
            node.view = node.member = None
        self._start(node)
        if node.name_on_disk is None and not node.var_full:
            node.name_before, node.name_known = (node.name_known,), self._new("disk")
        if not self._members():
            return                       # the report of the primary component was stale: it waits
        donors = [other for other in self._members() if other.state == SYNCED]
        if full and donors:
            donors[0].disk = list(self.log)     # a donor commits all that came before, then data is replaced
            node.disk, node.history, node.data, node.generation = [], False, False, 0
            node.name_on_disk = None
        if not full and node.disk != self.log[:len(node.disk)]:
            raise Diverged("%s joins with %s" % (node.name, node.disk))
        node.member = node.member if node.view is not None else self._new_member()
        seq = max(self.view.seq, node.view.seq if node.view is not None else 0) + 1
        members = self._members()
        node.state, node.undone = RECEIVING, None
        self._install(members + [node], seq)

    def _reform_started(self):
        """Galera's own recovery: all members of an old view are there again."""
        started = [node for node in self.nodes if node.state == STARTING]
        if started and self._members():
            return
        if started and self.meets:
            started += [node for node in self.nodes if node.state == NONPRIMARY and not node.undecided]
        for view in {node.view for node in started if node.view is not None}:
            those = [node for node in started if node.view == view and node.member in view.members]
            if self._with_arbitrator(view, those) == view.members:
                self._reform(view, those)
                return

    def _with_arbitrator(self, view, those):
        """The members of a view that are there, the arbitrator with them if it was its last as well."""
        return {node.member for node in those} | (self.arbitrators if self.arbitrator_view == view else set())

    def _reform(self, view, those):
        """A primary component forms by itself; the one with the most has it all."""
        if self._members():
            raise Split("%s re-forms beside a living one" % (view,))
        self.log = list(max((node.received for node in those), key=len))
        if not self.acknowledged.issubset(self.log):
            raise Lost("%s re-forms without %s" % (sorted(node.name for node in those),
                                                   sorted(self.acknowledged.difference(self.log))))
        for node in those:
            node.state, node.disk, node.undone = SYNCED, list(self.log), None
            node.data = node.history = True
        self._install(those, view.seq + 1)
        self._receive()

    def play(self, steps):
        for name, first, second in steps:
            getattr(self, name)(first, second)
        return self


#: Steps and how often a random history takes them.
STEPS = {
    "commit": 8, "apply": 2, "monitor": 3, "monitor_all": 3, "crash": 3, "crash_some": 2, "crash_in_change": 2,
    "evict": 2, "leave": 4, "power_off": 2, "power_cut": 2, "power_on": 3, "hide": 1, "finish": 5, "heal": 2,
    "stall": 1, "act": 12, "order": 1}


def formed(size, arbitrator, two_node=False, change_has_seqno=False):
    """A World in which all nodes are up and synced for the first time."""
    world = World(size, arbitrator, two_node, change_has_seqno)
    world.play([("act", 0, 0), ("monitor_all", 0, 1)] + [("act", 0, 0), ("finish", 0, 0)] * (size - 1)
               + [("commit", 0, 0), ("monitor_all", 0, 1)])
    return world


def random_history(seed, length=40):
    """(World, steps) of a seed; the steps are not played yet."""
    chance = random.Random(seed)
    size = chance.choice((2, 3, 3, 3, 4, 5))
    arbitrator = chance.random() < 0.25
    world = formed(size, arbitrator, not arbitrator and chance.random() < 0.5, chance.random() < 0.5)
    names = chance.choices(list(STEPS), list(STEPS.values()), k=length)
    taken = [(name, chance.randint(0, PARTS), chance.randint(0, PARTS)) for name in names]
    # By a chance of its own, so that the seeds that once ended in harm keep their histories.
    chance = random.Random("fencing of %d" % seed)
    world.fencing = chance.random() < 0.7
    if world.two_node and not world.fencing:
        for _ in range(6):
            taken.insert(chance.randrange(len(taken)), ("act_apart", 0, chance.randint(0, PARTS)))
    chance = random.Random("failed starts of %d" % seed)
    if chance.random() < 0.5:
        for name in chance.choices(("act_and_fail", "order_and_fail", "undo"), (3, 1, 6), k=16):
            taken.insert(chance.randrange(len(taken)), (name, chance.randint(0, PARTS), chance.randint(0, PARTS)))
        for node in world.nodes:
            node.says_failed = chance.random() < 0.9
            node.says_written = chance.choices((True, None, False), (16, 2, 1))[0] if node.says_failed else False
    chance = random.Random("meetings of %d" % seed)
    world.meets = chance.random() < 0.5
    if world.meets:
        for node in world.nodes:
            node.tells = chance.random() < 0.7
        for name in chance.choices(("crash_some", "cannot_tell", "give_up", "act"), (1, 2, 4, 2), k=12):
            taken.insert(chance.randrange(len(taken)), (name, chance.randint(0, PARTS), chance.randint(0, PARTS)))
    chance = random.Random("disks of %d" % seed)
    if chance.random() < 0.3:
        for name in chance.choices(("unmount", "remount", "full_var"), k=10):
            taken.insert(chance.randrange(len(taken)), (name, chance.randint(0, PARTS), chance.randint(0, PARTS)))
    return world, taken


def scenarios():
    """(name, World, steps) of histories that a random one seldom becomes; the steps are not played yet."""
    world = formed(2, False, two_node=True)
    world.fencing = False
    yield "a partition of two nodes without fencing", world, [
        ("evict", 0, 0), ("hide", 1, 0), ("leave", 0, 1), ("leave", 0, 1), ("act", 0, 0), ("act_apart", 0, 0)]
    # n3 joins and dies while n1 applies nothing, so the members that n1 has applied are those of its last view again.
    world = formed(3, False)
    world.fencing = True
    yield "a view with the members of an earlier one", world, [
        ("power_off", 2, PARTS), ("act", 0, 0), ("monitor_all", 0, 1),         # views of n1 and n2
        ("commit", 1, 0), ("power_on", 2, 0), ("act", 0, 0), ("finish", 0, 0),  # n3 joins; n1 is behind that change
        ("commit", 2, 0),                                                      # acknowledged: on the disk of n3
        ("power_off", 2, 0), ("monitor", 0, 0),                                # n3 dies; n1 is asked, behind
        ("power_cut", 4, 0), ("act", 0, 0), ("act", 0, 0)]                     # power cut, n3 stays off
    # n3 alone has a commit when an operator goes on without it. It receives everything into a directory of its root
    # file system; then its own one is mounted again, of an older generation than the node.
    world = formed(3, False)
    yield "a disk that returns with what was discarded", world, [
        ("commit", 2, 0), ("power_cut", 4, 0), ("order", 0, 1), ("act", 0, 0), ("finish", 0, 0), ("monitor_all", 0, 1),
        ("commit", 0, 0), ("monitor_all", 0, 1), ("unmount", 2, 0), ("power_on", 2, 0), ("act", 0, 0),
        ("finish", 0, 0), ("monitor_all", 0, 1), ("leave", 2, 1), ("remount", 2, 0), ("act", 0, 0)]
    # n1 was the last to stop; an operator goes on with n2, and n3 alone has a commit since.
    world = formed(3, False)
    yield "a safe_to_bootstrap of an older generation", world, [
        ("leave", 1, 1), ("leave", 1, 1), ("leave", 0, 1), ("power_off", 0, 0), ("order", 1, 1), ("act", 0, 0),
        ("finish", 0, 0), ("monitor_all", 0, 1), ("commit", 1, 0), ("power_cut", 4, 0), ("act", 0, 0)]
    # n1 is lost, and n5 dies before it could write the view without n1; so both show the view before. n2 and n4 go on
    # as two of three, n3 comes back to them, and serves alone in the end, out of sight.
    world = formed(5, False)
    yield "two of a view of four, by way of a view of three", world, [
        ("evict", 2, 0), ("monitor_all", 0, 1), ("crash_in_change", 0, 3), ("commit", 0, 0), ("leave", 2, 1),
        ("heal", 0, 31), ("monitor_all", 0, 1), ("leave", 0, 1), ("hide", 2, 0), ("commit", 0, 0), ("act", 0, 0)]
    # n1 stops last, ahead of n2 by its own leave, and of n3 by that of n2 as well; it cannot start.
    world, steps = last_to_stop_fails(commits=0)
    yield "the last to stop cannot start", world, steps
    world, steps = last_to_stop_fails(commits=1)
    yield "the last to stop has commits of its own and cannot start", world, steps


def last_to_stop_fails(commits):
    """(World, steps): n3, n2 and n1 stop one after the other, n1 after so many commits of its own; then its server fails."""
    world = formed(3, False, change_has_seqno=True)
    return world, [("leave", 2, 1), ("leave", 1, 1)] + [("commit", 0, 0)] * commits + [
        ("leave", 0, 1), ("act_and_fail", 0, 1), ("undo", 0, 1), ("act", 0, 0), ("act", 0, 0)]
