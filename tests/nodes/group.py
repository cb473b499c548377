# SPDX-License-Identifier: Apache-2.0
"""What goes on between the servers of a Galera cluster: the primary component, its views and its transactions.

A commit is on all members at once, in memory; how much of it is on each disk is another matter. What must never happen
is noted in `harm`.
"""

from quorate.galera import facts


class View:
    """A primary view. seq; members: DatabaseServers; representative: UUID."""

    def __init__(self, seq, members):
        self.seq = seq
        self.members = tuple(members)
        self.uuids = frozenset(facts.mask(one.uuid) for one in members)
        self.representative = min(one.uuid for one in members)


class Group:
    """What goes on between the servers."""

    def __init__(self, clock, journal):
        self.clock = clock
        self.journal = journal
        self.servers = []           # the DatabaseServers of all machines
        self.view = None            # of the living primary component
        self.state_uuid = None
        self.log = []               # its transactions, and the changes of its view where they are counted
        self.counts_changes = False  # a change of the view takes a seqno, as in Galera 4
        self.acknowledged = []      # and not discarded by an operator
        self.discards = False       # an operator ordered a bootstrap: what others hold is discarded
        self.harm = []
        self._count = 0

    def new(self, kind):
        self._count += 1
        return "%08x-%s-11ee-8000-0242ac120002" % (self._count, kind)

    def commit(self, server):
        """A client's commit on this server, acknowledged."""
        assert server in self.members() and server.ready, "no commit on a server that is not ready for clients"
        self._count += 1
        self.log.append("t%d" % self._count)
        for one in self.members():
            one.received = list(self.log)
            one.flush(None if one is server else one.machine.service.behind)
        self.acknowledged.append(self.log[-1])

    def members(self):
        return () if self.view is None else self.view.members

    # Changes of the view

    def bootstrap(self, server):
        if self.members():
            self._harm("%s opens a second primary component" % server.machine.name)
        if self.discards:
            self.acknowledged = [one for one in self.acknowledged if one in server.disk]
            self.discards = False
        self._all_there(server.disk, "%s bootstraps" % server.machine.name)
        if server.position_unknown:
            self._harm("%s bootstraps without its position" % server.machine.name)
        self.log = list(server.disk)
        self.state_uuid = server.state_uuid if server.state_uuid != facts.ZERO_UUID else self.new("cccc")
        self._install([server], (server.view_seq or 0) + 1)
        server.synced()

    def look_around(self):
        """Servers that wait: those of a complete last view re-form it; the others join one at a time."""
        waiting = [one for one in self.servers if one.stage == "waiting" and one.connected]
        if self.members():
            donors = [one for one in self.members() if one.stage == "synced" and one.connected]
            for one in waiting:
                if donors and not any(member.stage == "receiving" for member in self.members()):
                    self._join(one, donors[0])
            return
        for one in waiting:
            if one.saved_members and one.saved_members == {other.old_uuid for other in waiting
                                                           if other.saved_members == one.saved_members}:
                self._re_form([other for other in waiting if other.saved_members == one.saved_members])
                return
        lost = [one for one in self.servers if one.stage == "non-primary" and one.connected]
        for one in lost:
            if self._meet_again(one.last_view, lost, waiting):
                return
        for one in lost:
            together = [other for other in lost if other.last_view is one.last_view and not other.undecided]
            if 2 * len(together) > len(one.last_view.members):
                self._re_form(together)
                return

    def _meet_again(self, view, lost, waiting):
        """Whether servers that lost this view, and those of it that were started again, re-form it: all of them, where
        one that runs can tell that nobody went on without it (gcomm pc_proto.cpp, is_prim)."""
        those = [one for one in lost if one.last_view is view]
        again = [one for one in waiting if one.saved_members == view.uuids]
        present = {facts.mask(one.uuid) for one in those} | {one.old_uuid for one in again}
        if not again or present != view.uuids or any(one.undecided for one in those):
            return False
        self._re_form(those + again)
        return True

    def met(self, server):
        """The servers in its component, which is not primary."""
        return [one for one in self.servers if one is server or (
            one.stage in ("waiting", "non-primary") and one.connected and server.connected)]

    def _re_form(self, those):
        names = ", ".join(one.machine.name for one in those)
        known = [one for one in those if one.state_uuid != facts.ZERO_UUID]
        if not known:
            self._harm("%s re-form without a position" % names)
            return
        best = max(known, key=lambda one: len(one.received))
        if self.discards:
            self.acknowledged = [one for one in self.acknowledged if one in best.received]
        self._all_there(best.received, "%s re-form their view" % names)
        self.log, self.state_uuid = list(best.received), best.state_uuid
        for one in known:
            one.stage = "synced"
        self._install(known, max(one.view_seq or 0 for one in those) + 1)
        for one in known:
            one.synced()

    def _join(self, one, donor):
        full = one.state_uuid != self.state_uuid or one.position_unknown or not one.machine.service.incremental
        if not full and one.received != self.log[:len(one.received)]:
            self._harm("%s gets an incremental transfer on top of other transactions" % one.machine.name)
        self._install(self.members() + (one,), max(self.view.seq, one.view_seq or 0) + 1)
        one.receive(donor, full)

    def lost(self, servers, clean=False):
        """Servers were lost at the same moment, or left the group (clean)."""
        if not set(servers).intersection(self.members()):
            return
        old, rest = self.view, [one for one in self.members() if one not in servers]
        if not rest:
            self.view = None
            return
        if clean or 2 * len(rest) > len(old.members):
            self._install(rest, old.seq + 1)
            return
        self.view = None
        for one in rest:
            one.lose_primary(old)

    def _install(self, members, seq):
        self.view = View(seq, members)
        self.count_change()
        for one in members:
            one.received = list(self.log) if one.stage == "synced" else one.received
            one.write_view(self.view)
        self.journal.add("-", "view", "%d of %s" % (seq, " ".join(sorted(one.machine.name for one in members))))

    def count_change(self):
        """A change of the view takes a seqno."""
        if self.counts_changes:
            self._count += 1
            self.log.append("change%d" % self._count)

    def _all_there(self, disk, what):
        lost = [one for one in self.acknowledged if one not in disk]
        if lost:
            self._harm("%s without %s" % (what, ", ".join(lost)))

    def _harm(self, text):
        self.journal.add("-", "harm", text)
        self.harm.append(text)
