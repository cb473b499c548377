# SPDX-License-Identifier: Apache-2.0
"""Carrying the election out on one node: report, look at all reports, decide (decide.py, pure), act.

Two races are closed here. What was true at election may not be true at promotion: turn() decides again, with an ear at
the others' group communication ports. And a node that begins to join says so before it looks who else does.
"""

import os

from quorate.galera import facts, probe, read, report as form, server
from quorate.galera.board import Board
from quorate.galera.decide import decide, keeps_view, needs_full_transfer, opening
from quorate.galera.position import allow_bootstrap, last_view, position, recorded, remove_closed_log, remove_empty_view
from quorate.ocf import codes
from quorate.ocf.agent import Failed, Outcome

URGENT_AFTER = 20    # seconds a wait may last before plain `pcs status` shows that an operator should look
JOIN_PATIENCE = 2    # seconds promote waits for a joiner; longer would keep Pacemaker from starting those it waits for:
#                      under load it promotes one after the other (its throttling), and a death is dealt with after that
PRIMARY_PATIENCE = 30  # ... when the server of a member of the primary component was heard
SYNC_PATIENCE = 30   # ... once something is being received, so that most joins end within promote
GATE_MOST = 60       # seconds to wait for another joiner's turn


class Election:
    """What one node does about the election."""

    def __init__(self, context, memory, board=None):
        self.context = context
        self.memory = memory
        self.board = board or Board(context, memory)
        self.addresses = addresses(context.parameters)
        self.configured = tuple(self.addresses)

    # reporting

    def report_position(self, layout):
        """Report DOWN with what is on the disk. The server must not run."""
        found = position(self.context, self.memory, layout)
        if found.trouble:
            self.context.log.warning(found.trouble)
        report = facts.Report(
            self.context.node, facts.UNKNOWN if found.unreadable_view else facts.DOWN, found.uuid, found.seqno, found.source,
            found.clean, found.safe, found.data, found.my_uuid, found.view, found.arbitrators,
            0 if found.broken else self.board.own_generation(),  # its donor has all that it had: nothing was lost
            int(self.context.clock.now()), settled=found.settled, recorded=found.recorded,
            tried=self.memory.has("tried"), survivor=self.memory.has("survivor"))
        self.memory.write("position", {"report": form.encode_report(report)})
        self.board.publish(report)

    def own_report(self):
        """The last position that was reported, or None. A server that ran since then made it void (launch forgets it)."""
        text = self.memory.read("position").get("report")
        return form.decode_report(self.context.node, text) if text else None

    def publish_state(self, state):
        """Report a running server. Its position is not on the disk yet, so the report holds none."""
        old = form.decode_report(self.context.node, self.memory.read("published").get("report", ""))
        datadir = probe.data_directory(self.context, self.memory)
        my_uuid, view, arbitrators, _ = last_view(self.memory, datadir)
        generation = self.board.own_generation()
        if old and (old.state, old.view, old.generation) == (state, view, generation) and not self.context.is_probe:
            return False
        since = old.since if old and old.state == state else int(self.context.clock.now())
        if state == facts.STARTING and self._launched_from() is not None:
            # It was in no primary component since, so what its disk held still holds, and the others may count on it.
            from_disk = self._launched_from()
            return self.board.publish(from_disk._replace(
                state=state, since=since, view=view, my_uuid=my_uuid, recorded=recorded(datadir, view),
                settled=from_disk.settled and from_disk.view == view))  # it may already be in a view that it has not reached
        return self.board.publish(facts.Report(
            self.context.node, state, data=True, my_uuid=my_uuid, view=view, arbitrators=arbitrators,
            generation=generation, since=since, recorded=recorded(datadir, view)))

    def _launched_from(self):
        """The position from which the server that now starts was launched, or None."""
        text = self.memory.read("launched-from").get("report") or self.memory.read("position").get("report")
        return form.decode_report(self.context.node, text) if text else None

    # deciding

    def snapshot(self, listen=False):
        """All that is known now; listen: also which silent nodes accept group communication."""
        names = last_view(self.memory, probe.data_directory(self.context, self.memory))[3]
        snapshot = self.board.snapshot(self.configured, names)
        if not listen:
            return snapshot
        silent = {name: where for name, where in self.addresses.items() if name != self.context.node and not (
            name in snapshot.reports and snapshot.reports[name].state in facts.ALIVE)}
        return snapshot._replace(listening=probe.listening(silent, 1.0))

    def hold(self):
        """Decide, tell, and offer the promotions that the decision allows. Returns the Decision."""
        snapshot = self.snapshot()
        if snapshot.me not in snapshot.reports and self.own_report() is not None:
            # Transient attributes end when the node leaves the cluster; the instance may outlive that.
            self.memory.forget("published")
            self.board.publish(self.own_report())
            snapshot = self.snapshot()
        decision = decide(snapshot)
        if decision.action == facts.BOOTSTRAP:
            decision = decide(self.snapshot(listen=True))
        self.context.log.say("Decision: %s. %s" % (decision.action, decision.reason))
        self.board.apply(decision)
        self.board.say(sentence(decision))
        return decision

    def wait(self):
        """The monitor of an instance that runs no server. Its Outcome."""
        decision = self.hold()
        if decision.action not in (facts.WAIT, facts.REFUSE):
            self.memory.forget("waiting")
            self._offered(self.context.node in decision.nodes)
            return Outcome(codes.SUCCESS)
        self._offered(False)
        since = int(self.memory.read("waiting").get("since", 0))
        if not since:
            since = int(self.context.clock.now())
            self.memory.write("waiting", {"since": since})
        if decision.urgent and self.context.clock.now() - since >= URGENT_AFTER:
            return Outcome(codes.DEGRADED, frozen(decision, self.context.instance))
        return Outcome(codes.SUCCESS)

    def _offered(self, offered):
        """Note that this node's promotion is offered. Where it was at the last monitor already, the offer went unseen."""
        if not offered:
            self.memory.forget("offered")
        elif self.memory.has("offered"):
            self.board.rewrite()
        else:
            self.memory.write("offered", {"at": int(self.context.clock.now())})

    def turn(self, layout):
        """The Decision to carry out now, or None when it is not this node's turn (any more)."""
        if self.own_report() is None:
            self.report_position(layout)
        decision = decide(self.snapshot(listen=True))
        if decision.action == facts.RECOVER and self.context.node in decision.nodes:
            return decision  # all of them, at once: each one waits for the others
        if decision.action == facts.JOIN:
            if self._gate():
                return decision
        elif decision.action == facts.BOOTSTRAP and decision.nodes == (self.context.node,):
            return decision
        self.context.log.info("Not promoted: %s" % decision.reason)
        self.board.say(sentence(decision))
        self.board.withdraw_self()
        return None

    def _gate(self):
        """Wait while another node receives a state transfer: a change of membership would abort an IST (Launchpad 2161773).

        A node that holds a view of its own does not wait for one that is merely starting: that one may wait for us.
        """
        has_view = os.path.exists(os.path.join(probe.data_directory(self.context, self.memory), "gvwstate.dat"))

        def free():
            snapshot = self.snapshot()
            busy = [one for one in snapshot.reports.values() if one.node != snapshot.me and (
                one.state == facts.RECEIVING or (one.state == facts.STARTING and not has_view and self._before(one)))]
            if busy:
                self.board.say("waits for its turn: %s joins" % ", ".join(sorted(one.node for one in busy)))
            return not busy
        self.publish_state(facts.STARTING)
        if self.context.deadline.poll(free, every=0.5, up_to=min(GATE_MOST, self.context.deadline.left() / 2)):
            return True
        self.board.publish(self.own_report())
        return False

    def _before(self, other):
        order = self.configured.index
        return other.node in self.configured and self.context.node in self.configured and (
            order(other.node) < order(self.context.node))

    # acting

    def carry_out(self, decision, layout):
        """Launch the server as decided. Returns its Process."""
        own = self.own_report()
        remove_empty_view(layout.datadir)
        remove_closed_log(layout.datadir)
        options = ["--wsrep_cluster_address=" + self.context.parameters.wsrep_cluster_address]
        options += (self.context.parameters.additional_parameters or "").split()
        full = False
        if decision.action == facts.BOOTSTRAP:
            options.append("--wsrep-new-cluster")
            self._prepare_bootstrap(decision, layout)
        else:
            full = self._set_aside(own, decision, layout)
        if own.source == facts.RECOVERED and not full:
            # Without it a primary component can form whose state UUID is zero in every grastate.dat.
            options.append("--wsrep_start_position=%s:%d" % (own.uuid, own.seqno))
        self.context.log.info("%s: %s" % (decision.action, decision.reason))
        self.memory.write("launched-from", {"report": form.encode_report(own), "action": decision.action})
        for note in ("position", "waiting", "progress", "survivor", "offered") + (
                ("tried",) if decision.action == facts.BOOTSTRAP else ()):
            self.memory.forget(note)
        self.publish_state(facts.STARTING)
        self.board.say("starts")
        return server.launch(self.context, self.memory, layout, options)

    def _prepare_bootstrap(self, decision, layout):
        """Everything that must be on record before a new primary component can accept its first commit.

        Killed between the two writes, nobody may vote any more and the operator is asked; the other way round a node
        would be ahead of the cluster's own record, which looks like a configuration that was put back.
        """
        from quorate.galera.position import has_database
        if not has_database(layout.datadir):
            create_database(self.context, layout)
        begins = opening(self.snapshot_with_own(), self.context.node)
        self.board.open_generation(begins)
        self.board.synced_in(begins[0])
        override = self.board.override()
        if override is not None:
            self.context.log.warning("The operator's word was carried out: %s, by %s." % (decision.reason, override.by))
            self.board.overrule(None)
        allow_bootstrap(layout)

    def snapshot_with_own(self):
        """The snapshot in which this node's own report is that of its disk, also after STARTING was published."""
        snapshot = self.snapshot()
        return snapshot._replace(reports=dict(snapshot.reports, **{self.context.node: self.own_report()}))

    def _set_aside(self, own, decision, layout):
        """Put away what this node must not start with: an old view that must not be re-formed, and a position beyond that
        at which a later generation began (an incremental transfer would put new commits on top of commits that were
        given up). Returns whether the position went, so that a full transfer follows."""
        full = own.generation != self.board.generation() and needs_full_transfer(own, self.board.openings())
        kept = keeps_view(self.snapshot_with_own(), self.context.node, decision, self._heard_primary())
        for name, goes in (("gvwstate.dat", not kept), ("grastate.dat", full)):
            path = os.path.join(layout.datadir, name)
            if goes and os.path.exists(path):
                self.context.log.info("%s is set aside in %s before this node joins." % (path, self.memory.lasting))
                self.memory.keep(path)
                os.unlink(path)
        return full

    def accompany(self, process, layout):
        """Wait for the launched server as long as that helps; the monitor watches over the rest. promote's Outcome."""
        began = self.context.clock.monotonic()
        told = None
        bootstraps = self._bootstraps()
        starting, asked = PRIMARY_PATIENCE if bootstraps or self._heard_primary() else JOIN_PATIENCE, began
        while True:
            if self.context.processes.gone(process):
                words = server.last_words(self.memory, layout)
                self.memory.forget(server.NOTE)
                return Outcome(codes.ERR_GENERIC, "The database server ended while it started: %s" % words)
            seen = probe.ask(self.context, self.memory, process)
            if seen.state != told:
                self.context.log.say("%s State: %s." % (seen.sentence, seen.state))
                told = seen.state
                if seen.state in facts.IN_PRIMARY or seen.state == facts.RECEIVING:
                    self.publish_state(seen.state)
            if seen.state == facts.SYNCED:
                from quorate.galera.serving import keep_record
                keep_record(self.context, self.memory, seen, self)
                return Outcome(codes.SUCCESS)
            patience = SYNC_PATIENCE if seen.state in facts.IN_PRIMARY or seen.state == facts.RECEIVING else starting
            hoped = seen.state == facts.STARTING and patience > JOIN_PATIENCE and not bootstraps
            if hoped and self.context.clock.monotonic() - asked > JOIN_PATIENCE:
                asked = self.context.clock.monotonic()  # those that it joins may have died since
                starting = patience = PRIMARY_PATIENCE if self._heard_primary() else JOIN_PATIENCE
            if self.context.deadline.expired or self.context.clock.monotonic() - began > patience:
                self.board.say(self.progress_sentence(seen))
                return Outcome(codes.SUCCESS)
            self.context.clock.sleep(0.2)

    def _heard_primary(self):
        """Names of the nodes that report to be in the primary component and whose server accepts group communication: their
        reports are not a dead server's last word, and a join will not take long."""
        snapshot = self.snapshot()
        there = {name: where for name, where in self.addresses.items() if name != snapshot.me
                 and name in snapshot.reports and snapshot.reports[name].state in facts.IN_PRIMARY}
        return probe.listening(there, 1.0) if there else frozenset()

    # watching

    def _bootstraps(self):
        """Whether the server was launched to open a new primary component, and so waits for nobody."""
        return self.memory.read("launched-from").get("action") == facts.BOOTSTRAP

    def progress_sentence(self, seen):
        """What a server that does not serve yet is about, in a sentence that changes only when the matter does."""
        if seen.state == facts.RECEIVING:
            return "receives a state transfer; HAProxy does not use it until it is synced"
        if seen.state == facts.STARTING and self._bootstraps():
            return "starts as the first of a new primary component"
        if seen.state == facts.STARTING:
            missing = absent(self.snapshot())
            return "starts, and waits for a primary component" + (": %s not there" % ", ".join(missing) if missing else "")
        if seen.state == facts.NONPRIMARY:
            missing = absent(self.snapshot())
            return "lives, and is not in a primary component" + (": %s not there" % ", ".join(missing) if missing else "")
        return seen.sentence

    def watch(self, seen):
        """The monitor of a server that is up and does not serve: it joins, recovers, or waits in vain. Its Outcome."""
        self.publish_state(seen.state)
        parameters = self.context.parameters
        stalled = probe.stalled_for(self.context, self.memory, seen.process)
        self.board.say(self.progress_sentence(seen))
        outside = self._lasts("outside", seen)  # of a primary component
        if seen.state == facts.RECEIVING:
            if stalled >= parameters.stall_timeout:
                return Outcome(codes.FAILED_PROMOTED, "The state transfer made no progress for %d s: %s" % (
                    stalled, server.last_words_of(self.memory)))
            return Outcome(codes.RUNNING_PROMOTED)
        snapshot = self.snapshot()
        others = [one for one in snapshot.reports.values() if one.node != snapshot.me]
        if snapshot.override is not None and snapshot.override.node == snapshot.me:
            return Outcome(codes.FAILED_PROMOTED, "Restarted to bootstrap, by the word of %s." % snapshot.override.by)
        self.board.offer_self()
        if seen.state == facts.STARTING and self._bootstraps():
            # It needs no others; InnoDB may have hours of log to apply. To give up on it would bring nobody a database.
            if stalled >= parameters.stall_timeout:
                return Outcome(codes.FAILED_PROMOTED, "The server that bootstraps made no progress for %d s: %s" % (
                    stalled, server.last_words_of(self.memory)))
            return Outcome(codes.RUNNING_PROMOTED)
        if any(one.state in facts.IN_PRIMARY for one in others):
            limit = parameters.nonprimary_wait if seen.state == facts.NONPRIMARY else parameters.stall_timeout
            if outside >= limit and stalled >= min(limit, parameters.recovery_wait):
                return Outcome(codes.FAILED_PROMOTED, "Not part of the primary component for %d s, although there is one; "
                               "restarted to join it. %s" % (outside, seen.sentence))
            return Outcome(codes.RUNNING_PROMOTED)
        return self._without_primary(seen, snapshot, outside)

    def _without_primary(self, seen, snapshot, outside):
        """No primary component is known to anybody."""
        me = snapshot.me
        if (seen.state == facts.NONPRIMARY and snapshot.two_node and outside >= self.context.parameters.nonprimary_wait
                and len(snapshot.configured) == 2 and snapshot.lost_confirmed):
            self.memory.write("survivor", {"at": int(self.context.clock.now())})
            return Outcome(codes.FAILED_PROMOTED, "The other node is confirmed off; restarted to go on alone (two_node_mode).")
        missing = absent(snapshot)
        if missing:
            self.memory.forget("complete")
        # Not by the time outside: one that waited for hours must not be restarted the moment the other one is back.
        elif self._lasts("complete", seen) >= self.context.parameters.recovery_wait:
            self.memory.write("tried", {"at": int(self.context.clock.now())})
            return Outcome(codes.FAILED_PROMOTED, "No primary component formed within %d s although all members of the last "
                           "one are there; the election decides instead." % self._lasts("complete", seen))
        if missing and outside >= URGENT_AFTER:
            return Outcome(codes.DEGRADED_PROMOTED, "Waits for %s, which may hold commits that nobody else has. Start it, or "
                           "go on without it: quorate bootstrap %s" % (", ".join(missing), me))
        return Outcome(codes.RUNNING_PROMOTED)

    def _lasts(self, what, seen):
        """Seconds since this was first so of this server; keeps a note of that name."""
        now, pid = int(self.context.clock.now()), str(seen.process.pid)
        note = self.memory.read(what)
        if note.get("pid") != pid:
            self.memory.write(what, {"pid": pid, "since": now})
            return 0
        return max(0, now - int(note.get("since", now)))


def absent(snapshot):
    """Members of the last view of this node that did not report: names, else the beginning of their UUID."""
    own = snapshot.reports.get(snapshot.me)
    if own is None or own.view is None:
        return [name for name in snapshot.configured if name not in snapshot.reports]
    there = {one.my_uuid for one in snapshot.reports.values()}
    gone = own.view.members - there - own.arbitrators
    return sorted(snapshot.names.get(uuid, uuid[:8]) for uuid in gone)


def sentence(decision):
    """The live text for the node attribute."""
    return decision.reason if not decision.command else "%s (%s)" % (decision.reason, decision.command)


def frozen(decision, instance):
    """The reason of a degraded monitor. Pacemaker shows the first one for ever, so it says what stays true."""
    return "Waits for %s; an operator is needed: quorate explain %s" % (
        ", ".join(decision.missing) or "a decision", instance)


def addresses(parameters):
    """dict of Pacemaker name -> (host, port) of the data nodes, in the order of wsrep_cluster_address. Raises Failed."""
    problem = read.address_problem(parameters.wsrep_cluster_address)
    if problem:
        raise Failed(codes.ERR_CONFIGURED, problem)
    hosts, names = read.cluster_address(parameters.wsrep_cluster_address), read.host_map(parameters.cluster_host_map)
    arbitrators = {name.strip() for name in (parameters.arbitrators or "").split(",")}
    return {names.get(host, host): (host, port) for host, port in hosts if host not in arbitrators}


def create_database(context, layout):
    """Make the system tables for the first cluster ever, if the operator allows it. Raises Failed."""
    if not context.parameters.enable_creation:
        raise Failed(codes.ERR_INSTALLED, "There is no database in %s. Create one there (mariadb-install-db --user=%s "
                     "--datadir=%s), or set enable_creation=true." % (layout.datadir, layout.user, layout.datadir))
    import pwd
    account = pwd.getpwnam(layout.user)
    os.makedirs(layout.datadir, 0o750, exist_ok=True)
    os.chown(layout.datadir, account.pw_uid, account.pw_gid)
    defaults = ["--defaults-file=" + layout.config] if layout.config else []
    result = context.commands.run(
        ["mariadb-install-db"] + defaults + ["--user=" + layout.user, "--datadir=" + layout.datadir, "--skip-test-db",
                                       "--wsrep_on=OFF"],
        context.deadline.limit(120))
    if result.rc == 127:  # MySQL and Percona have no such program; the server does it
        result = context.commands.run(layout.base() + ["--initialize-insecure"], context.deadline.limit(120))
    if not result.ok:
        raise Failed(codes.ERR_GENERIC, "The database could not be created in %s: %s" % (
            layout.datadir, read.last_error(result.err + result.out) or "code %s" % result.rc))


__all__ = ["Election", "absent", "addresses", "frozen", "sentence"]
