# SPDX-License-Identifier: Apache-2.0
"""This node's part in the election: publish a report, read all reports, decide (election.decide, which is pure).

Two races are closed here. What was true at the election may not be true at the promotion: confirm() decides again,
after it has tried the group communication ports of the others. And of two nodes that join at once each must see the
other: so a node publishes that it starts before it reads who else does.
"""

import os

from quorate.galera import facts
from quorate.galera.actions import undo
from quorate.galera.election.decide import decide
from quorate.galera.election.published import PublishedState, decode_report, encode_report
from quorate.galera.server import observe
from quorate.galera.server.data import disk
from quorate.galera.server.log import views
from quorate.galera.server.settings.address import GCOMM_PORT, Misunderstood, data_nodes
from quorate.ocf import codes
from quorate.ocf.codes import Failed, Outcome
from quorate.pacemaker.tools import Unavailable, this_node

URGENT_AFTER = 20     # seconds of waiting after which plain `pcs status` shows that an operator is needed
READ_AGAIN = 60       # seconds after which a disk that did not yield its position is read again
LONG_WAIT = 600       # seconds after which it shows any wait: it should have ended by itself by then
JOIN_TURN_MOST = 60   # seconds to wait until no other node joins
TURN_BEGINS = 5       # seconds that a promotion waits for another node to begin the bootstrap that is its turn
TURN_MOST = 20        # ... and until that node's server has opened its primary component
JOIN_TOGETHER = 10    # seconds to let a node go first whose server was launched at the same time


class Participant:
    """This node's part in the election of one resource."""

    def __init__(self, context, state_files, published=None):
        self.context = context
        self.state_files = state_files
        self.published = published or PublishedState(context, state_files)
        self.addresses = addresses(context.parameters, observe.base_port(state_files))
        self.configured = tuple(self.addresses)

    # Publishing

    def report_position(self, layout):
        """Publish DOWN with what is on the disk. The server must not run."""
        undo.judge(self.state_files)
        undo.undo(self.context, self.state_files, self.published, layout.datadir)
        last = self.published.last_published()
        if last is not None and last.state in facts.ALIVE and disk.needs_recovery(layout.datadir):
            # InnoDB may take long to tell the position, and until then the last report would be that of a server.
            self.publish_state(facts.STARTING)
        report, problem = disk.read_report(self.context, self.state_files, layout)
        if self.state_files.has("recovering"):  # it ends by itself, so no operator is needed
            report = report._replace(state=facts.STARTING)
        if problem:
            self.context.log.warning(problem)
        if report.generation is None:
            report = report._replace(generation=self.published.own_generation())
        report = report._replace(
            node=this_node(self.context), since=int(self.context.clock.now()),
            tried=report.tried or self.state_files.has("tried"), survivor=self.state_files.has("survivor"),
            failed=self.state_files.has("failed"), written=views.written(self.state_files, report.uuid, report.seqno))
        self.state_files.write("position", {"report": encode_report(report), "problem": problem or ""})
        self.published.publish(report)

    def report_and_decide(self, layout):
        """Publish what is on the disk, and decide. Where that cannot be published now, the first monitor that can
        does it: a failed start would exclude this node, and all that wait for its report, until somebody cleans up.
        """
        try:
            self.report_position(layout)
            self.decide_and_publish()
        except Unavailable as error:
            self.state_files.write("untold", {"at": int(self.context.clock.now())})
            self.context.log.warning("%s A later monitor publishes what is on this node's disk." % error.reason)

    def publish_pending(self):
        """Publish what start or demote could not."""
        if self.state_files.has("untold"):
            from quorate.galera.server.settings.layout import find_layout
            self.report_position(find_layout(self.context))
            self.state_files.forget("untold")

    def own_report(self):
        """The last position that was reported, or None. A server that ran since made it void: the launch removes it."""
        text = self.state_files.read("position").get("report")
        return decode_report(this_node(self.context), text) if text else None

    def publish_state(self, state):
        """Publish the state of a running server. Its position is not on the disk yet, so the report holds none."""
        old = decode_report(this_node(self.context), self.state_files.read("published").get("report", ""))
        datadir = observe.data_directory(self.context, self.state_files)
        my_uuid, view, arbitrators, _ = disk.last_view(self.state_files, datadir)
        generation = self.published.own_generation()
        if state in facts.IN_PRIMARY or state == facts.RECEIVING:
            undo.forget(self.state_files)
            views.forget(self.state_files)
        if old and (old.state, old.view, old.generation) == (state, view, generation) and not self.context.is_probe:
            return False
        since = old.since if old and old.state == state else int(self.context.clock.now())
        if state == facts.STARTING and self._launched_from() is not None:
            # It was in no primary component since, so what its disk held still holds, and the others may count on it.
            from_disk = self._launched_from()
            return self.published.publish(from_disk._replace(
                state=state, since=since, view=view, my_uuid=my_uuid, recorded=disk.recorded(datadir, view),
                # The server may have written a newer view already, which it has not reached yet.
                settled=from_disk.settled and from_disk.view == view))
        return self.published.publish(facts.Report(
            this_node(self.context), state, data=True, my_uuid=my_uuid, view=view, arbitrators=arbitrators,
            generation=generation, since=since, recorded=disk.recorded(datadir, view), failed=False,
            settled=True if state == facts.NONPRIMARY and observe.left_synced(self.state_files) else None))

    def _launched_from(self):
        """The position from which the server that now starts was launched, or None."""
        text = self.state_files.read("launched-from").get("report") or self.state_files.read("position").get("report")
        return decode_report(this_node(self.context), text) if text else None

    def record_failure(self):
        """Record that the server that was launched came to nothing, so that another node of the same position goes
        first."""
        self.state_files.write("failed", {"at": int(self.context.clock.now())})

    def never_synced(self):
        """Whether the server was launched to join, and was not synced since."""
        return self.state_files.read("launched-from").get("action") == facts.JOIN

    def launched_to_bootstrap(self):
        """Whether the server was launched to open a new primary component, and so waits for nobody."""
        return self.state_files.read("launched-from").get("action") == facts.BOOTSTRAP

    # Deciding

    def reachable_primary(self):
        """Names of the nodes that report to be in the primary component and whose server accepts group communication:
        their reports are not those of servers that died since, and a join will not take long."""
        snapshot = self.snapshot()
        in_primary = {name: address for name, address in self.addresses.items() if name != snapshot.me
                      and name in snapshot.reports and snapshot.reports[name].state in facts.IN_PRIMARY}
        return observe.listening(in_primary, 1.0) if in_primary else frozenset()

    def snapshot(self, listen=False, override=None):
        """All that is known now. listen: also which silent nodes accept group communication, with an override all.
        override: one that is about to be set."""
        names = disk.last_view(self.state_files, observe.data_directory(self.context, self.state_files))[3]
        snapshot = self.published.snapshot(self.configured, names)
        if override is not None:
            snapshot = snapshot._replace(override=override)
        if not listen:
            return snapshot
        alive = {name for name, report in snapshot.reports.items() if report.state in facts.ALIVE}
        asked = {name: address for name, address in self.addresses.items() if name != snapshot.me and (
            name not in alive or snapshot.override is not None)}
        return snapshot._replace(listening=observe.listening(asked, 1.0) | alive.intersection((snapshot.me,)),
                                 arbitrators_alive=self._arbitrators_alive())

    def _arbitrators_alive(self):
        """Of facts.Snapshot."""
        if not self.context.parameters.arbitrators:
            return {}
        from quorate.galera.server.greeting import arbitrators
        return arbitrators(self.context.parameters, observe.base_port(self.state_files), 1.0)

    def decide_and_publish(self):
        """Decide, publish the status, and offer the promotions that the decision allows. Returns the Decision."""
        snapshot = self.snapshot()
        if snapshot.me not in snapshot.reports and self.own_report() is not None:
            # Transient attributes end when the node leaves the cluster; the instance may outlive that.
            self.state_files.forget("published")
            self.published.publish(self.own_report())
            snapshot = self.snapshot()
        decision = decide(snapshot)
        if decision.action == facts.BOOTSTRAP or snapshot.override is not None:
            decision = decide(self.snapshot(listen=True))
        self.context.log.say("Decision: %s. %s" % (decision.action, decision.reason))
        self.published.apply(decision)
        self.published.set_status(status_text(decision))
        return decision

    def wait(self):
        """The monitor of an instance that runs no server. Its Outcome."""
        self.publish_pending()
        self._read_again()
        decision = self.decide_and_publish()
        if decision.action not in (facts.WAIT, facts.REFUSE):
            self.state_files.forget("waiting")
            self._record_offer(this_node(self.context) in decision.nodes)
            return Outcome(codes.SUCCESS)
        self._record_offer(False)
        waited = self.state_files.elapsed("waiting", self.context.clock)
        problem = self.state_files.read("position").get("problem")
        if waited >= URGENT_AFTER and problem:
            return Outcome(codes.DEGRADED, problem)
        if waited >= URGENT_AFTER and decision.urgent:
            return Outcome(codes.DEGRADED, stable_reason(decision, self.context.instance))
        if waited >= LONG_WAIT:
            return Outcome(codes.DEGRADED, "Waits for %s for more than %d minutes: quorate explain %s" % (
                ", ".join(decision.missing) or "a decision", LONG_WAIT // 60, self.context.instance))
        return Outcome(codes.SUCCESS)

    def _read_again(self):
        """Read the disk again where the position on it could not be found out: the cause may be gone (the owner of a file,
        a full disk, a damaged gvwstate.dat), and the others wait for this node until its report says so. And where the
        last report is that of a server, which ended in a promote that no demote followed (a cleanup of the failure came
        first): that it receives data, say, would be believed for ever. The result of a recovery that an earlier action
        began is taken as soon as it is there."""
        if self.state_files.has("recovering"):
            from quorate.galera.server.data.recovery import goes_on
            due = not goes_on(self.context, self.state_files, observe.data_directory(self.context, self.state_files))
        else:
            own = self.own_report()
            last = decode_report(this_node(self.context), self.state_files.read("published").get("report", ""))
            unknown = own is not None and (own.data is None or own.state == facts.UNKNOWN)
            due = (own is None and last is not None and last.state in facts.ALIVE) or (
                unknown and self.context.clock.now() - (own.since or 0) >= READ_AGAIN)
        if due:
            from quorate.galera.server.settings.layout import find_layout
            self.report_position(find_layout(self.context))

    def _record_offer(self, offered):
        """Record whether this node's promotion is offered. If it was recorded before, the scheduler did not act on the
        offer."""
        if not offered:
            self.state_files.forget("offered")
        elif self.state_files.has("offered"):
            self.published.rewrite()
        else:
            self.state_files.write("offered", {"at": int(self.context.clock.now())})

    # At the promotion

    def confirm(self, layout):
        """Decide again at the point of no return. (Decision, the Snapshot that it was made on) if this node is to start
        its server now, else None.

        None is no failure of the promotion, although Pacemaker takes the node for promoted until the next monitor says 0
        where it expects 8, and shows "monitor returned 'ok'" then. An error would be shown as well, counted the same, and
        recovered the same way; and it would be wrong, since nothing failed. So what can be waited for is waited for.
        """
        if self.own_report() is None:
            self.report_position(layout)
        snapshot, decision = self._await_turn()
        if decision.action == facts.JOIN and self._may_join():
            # A primary component that was lost in the meantime is to be re-formed: a node that joined as a new member
            # would prevent that (two of three killed, and the third one's report was late).
            snapshot = self.snapshot_with_own_report()
            decision = decide(snapshot)
            if decision.action == facts.JOIN:
                return decision, snapshot
        elif decision.action == facts.BOOTSTRAP and decision.nodes == (this_node(self.context),):
            return decision, snapshot
        if decision.action == facts.RECOVER and this_node(self.context) in decision.nodes:
            return decision, snapshot  # all of them start at once: each one waits for the others
        self.published.publish(self.own_report())  # _may_join() has published STARTING
        self.context.log.info("Not promoted: %s" % decision.reason)
        self.published.set_status(status_text(decision))
        self.published.withdraw_self()
        return None

    def _await_turn(self):
        """(Snapshot, Decision), once no other node goes first, or that takes too long. Pacemaker promotes all nodes at once
        where their scores are left from before (an update of a parameter stops and starts all in one transition)."""
        clock = self.context.clock
        began = clock.monotonic()
        while True:
            snapshot = self.snapshot(listen=True)
            decision = decide(snapshot)
            most = 0
            if decision.action == facts.BOOTSTRAP and decision.nodes != (this_node(self.context),):
                most = TURN_BEGINS
            elif decision.action == facts.WAIT and decision.missing and all(
                    node in snapshot.members and node in snapshot.reports
                    and snapshot.reports[node].state == facts.STARTING for node in decision.missing):
                most = TURN_MOST
            if clock.monotonic() - began >= min(most, self.context.deadline.left() / 2):
                return snapshot, decision
            self.published.set_status(status_text(decision))
            clock.sleep(0.5)

    def _may_join(self):
        """Wait while another node receives a state transfer: a change of membership aborts an IST (Launchpad 2161773).

        A node that holds a view of its own does not wait for one that is merely starting: that one may wait for us.
        """
        has_view = os.path.exists(os.path.join(observe.data_directory(self.context, self.state_files), "gvwstate.dat"))

        def nobody_joins():
            snapshot = self.snapshot()
            # One that is still starting by then recovers InnoDB, or waits for exactly this node.
            together = not has_view and self.context.clock.monotonic() - began < JOIN_TOGETHER
            joining = [one for one in snapshot.reports.values() if one.node != snapshot.me and (
                one.state == facts.RECEIVING or (one.state == facts.STARTING and together and self._precedes(one)))]
            if joining:
                self.published.set_status("waits to join: %s joins first"
                                          % ", ".join(sorted(one.node for one in joining)))
            return not joining
        self.publish_state(facts.STARTING)
        began = self.context.clock.monotonic()
        return self.context.deadline.poll(
            nobody_joins, every=0.5, up_to=min(JOIN_TURN_MOST, self.context.deadline.left() / 2))

    def _precedes(self, other):
        """Whether the other node comes before this one in the configured order."""
        order = self.configured.index
        return other.node in self.configured and this_node(self.context) in self.configured and (
            order(other.node) < order(this_node(self.context)))

    def snapshot_with_own_report(self):
        """The snapshot in which this node's own report is that of its disk, although STARTING was published."""
        snapshot = self.snapshot()
        return snapshot._replace(reports=dict(snapshot.reports, **{this_node(self.context): self.own_report()}))


def status_text(decision):
    """The live text for the attribute RESOURCE-status."""
    return decision.reason if not decision.command else "%s (%s)" % (decision.reason, decision.command)


def stable_reason(decision, instance):
    """The exit reason of a degraded monitor. Pacemaker keeps showing the first one, so it says only what stays true."""
    return "Waits for %s; an operator is needed: quorate explain %s" % (
        ", ".join(decision.missing) or "a decision", instance)


def addresses(parameters, base_port=GCOMM_PORT):
    """dict of Pacemaker name -> (host, port) of the data nodes, in wsrep_cluster_address's order. base_port: of those
    that have none there. Raises Failed: ERR_ARGS, because one node that starts must not stop those that run
    (ERR_CONFIGURED does)."""
    try:
        found = data_nodes(parameters.wsrep_cluster_address, parameters.cluster_host_map, parameters.arbitrators)
    except Misunderstood as error:
        raise Failed(codes.ERR_ARGS, error.reason) from None
    return {name: (host, port or base_port) for name, (host, port) in found.items()}


def unpublished(context, process, error):
    """The Outcome of an action that could not reach the cluster: its attribute daemon restarts, or waits for a peer
    that hangs. That says nothing of the server: a failure would restart a healthy database, on all nodes at once. Nor does
    a parameter that is not understood, which stops no server that runs. Any other error is raised again."""
    if process is not None and isinstance(error, Failed) and error.code == codes.ERR_ARGS:
        return Outcome(codes.DEGRADED_PROMOTED, error.reason)
    if not isinstance(error, Unavailable):
        raise error
    context.log.warning("%s The next monitor tries again." % error.reason)
    return Outcome(codes.SUCCESS if process is None else codes.RUNNING_PROMOTED)
