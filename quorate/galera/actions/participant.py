# SPDX-License-Identifier: Apache-2.0
"""The election on one node: report, look at all reports, decide (decide.py, pure). To act upon it: launching.py, watch.py.

Two races are closed here. What was true at election may not be true at promotion: turn() decides again, with an ear at
the others' group communication ports. And a node that begins to join says so before it looks who else does.
"""

import os

from quorate.galera import facts

from quorate.galera.election.decide import decide
from quorate.galera.election.published import PublishedState, decode_report, encode_report
from quorate.galera.server import observe, parse
from quorate.galera.server.disk import last_view, position, recorded
from quorate.ocf import codes
from quorate.ocf.codes import Failed, Outcome
from quorate.pacemaker.tools import this_node

URGENT_AFTER = 20    # seconds a wait may last before plain `pcs status` shows that an operator should look
GATE_MOST = 60       # seconds to wait for another joiner's turn


class Participant:
    """What one node does about the election."""

    def __init__(self, context, state_files, published=None):
        self.context = context
        self.state_files = state_files
        self.published = published or PublishedState(context, state_files)
        self.addresses = addresses(context.parameters)
        self.configured = tuple(self.addresses)

    # reporting

    def report_position(self, layout):
        """Report DOWN with what is on the disk. The server must not run."""
        found = position(self.context, self.state_files, layout)
        if found.trouble:
            self.context.log.warning(found.trouble)
        report = facts.Report(
            this_node(self.context), facts.UNKNOWN if found.unreadable_view else facts.DOWN, found.uuid, found.seqno, found.source,
            found.clean, found.safe, found.data, found.my_uuid, found.view, found.arbitrators,
            0 if found.broken else self.published.own_generation(),  # its donor has all that it had: nothing was lost
            int(self.context.clock.now()), settled=found.settled, recorded=found.recorded,
            tried=self.state_files.has("tried"), survivor=self.state_files.has("survivor"))
        self.state_files.write("position", {"report": encode_report(report)})
        self.published.publish(report)

    def begin(self, layout):
        """What start does: report, and decide. Where the cluster cannot be told now, the first monitor that can tells it: a
        failed start would keep this node out, and with it all who wait for its word, until somebody cleans up."""
        from quorate.pacemaker.tools import Unavailable
        try:
            self.report_position(layout)
            self.hold()
        except Unavailable as trouble:
            self.state_files.write("untold", {"at": int(self.context.clock.now())})
            self.context.log.warning("%s The others are told later what is on this node's disk." % trouble.reason)

    def tell_late(self):
        """Report what start could not."""
        if self.state_files.has("untold"):
            from quorate.galera.server.layout import find_layout
            self.report_position(find_layout(self.context))
            self.state_files.forget("untold")

    def own_report(self):
        """The last position that was reported, or None. A server that ran since then made it void (launch forgets it)."""
        text = self.state_files.read("position").get("report")
        return decode_report(this_node(self.context), text) if text else None

    def publish_state(self, state):
        """Report a running server. Its position is not on the disk yet, so the report holds none."""
        old = decode_report(this_node(self.context), self.state_files.read("published").get("report", ""))
        datadir = observe.data_directory(self.context, self.state_files)
        my_uuid, view, arbitrators, _ = last_view(self.state_files, datadir)
        generation = self.published.own_generation()
        if old and (old.state, old.view, old.generation) == (state, view, generation) and not self.context.is_probe:
            return False
        since = old.since if old and old.state == state else int(self.context.clock.now())
        if state == facts.STARTING and self._launched_from() is not None:
            # It was in no primary component since, so what its disk held still holds, and the others may count on it.
            from_disk = self._launched_from()
            return self.published.publish(from_disk._replace(
                state=state, since=since, view=view, my_uuid=my_uuid, recorded=recorded(datadir, view),
                settled=from_disk.settled and from_disk.view == view))  # it may already be in a view that it has not reached
        return self.published.publish(facts.Report(
            this_node(self.context), state, data=True, my_uuid=my_uuid, view=view, arbitrators=arbitrators,
            generation=generation, since=since, recorded=recorded(datadir, view)))

    def _launched_from(self):
        """The position from which the server that now starts was launched, or None."""
        text = self.state_files.read("launched-from").get("report") or self.state_files.read("position").get("report")
        return decode_report(this_node(self.context), text) if text else None

    # deciding

    def snapshot(self, listen=False):
        """All that is known now; listen: also which silent nodes accept group communication."""
        names = last_view(self.state_files, observe.data_directory(self.context, self.state_files))[3]
        snapshot = self.published.snapshot(self.configured, names)
        if not listen:
            return snapshot
        silent = {name: where for name, where in self.addresses.items() if name != this_node(self.context) and not (
            name in snapshot.reports and snapshot.reports[name].state in facts.ALIVE)}
        return snapshot._replace(listening=observe.listening(silent, 1.0))

    def hold(self):
        """Decide, tell, and offer the promotions that the decision allows. Returns the Decision."""
        snapshot = self.snapshot()
        if snapshot.me not in snapshot.reports and self.own_report() is not None:
            # Transient attributes end when the node leaves the cluster; the instance may outlive that.
            self.state_files.forget("published")
            self.published.publish(self.own_report())
            snapshot = self.snapshot()
        decision = decide(snapshot)
        if decision.action == facts.BOOTSTRAP:
            decision = decide(self.snapshot(listen=True))
        self.context.log.say("Decision: %s. %s" % (decision.action, decision.reason))
        self.published.apply(decision)
        self.published.set_status(sentence(decision))
        return decision

    def wait(self):
        """The monitor of an instance that runs no server. Its Outcome."""
        self.tell_late()
        decision = self.hold()
        if decision.action not in (facts.WAIT, facts.REFUSE):
            self.state_files.forget("waiting")
            self._offered(this_node(self.context) in decision.nodes)
            return Outcome(codes.SUCCESS)
        self._offered(False)
        if self.state_files.elapsed("waiting", self.context.clock) >= URGENT_AFTER and decision.urgent:
            return Outcome(codes.DEGRADED, frozen(decision, self.context.instance))
        return Outcome(codes.SUCCESS)

    def _offered(self, offered):
        """Note that this node's promotion is offered. Where it was at the last monitor already, the offer went unseen."""
        if not offered:
            self.state_files.forget("offered")
        elif self.state_files.has("offered"):
            self.published.rewrite()
        else:
            self.state_files.write("offered", {"at": int(self.context.clock.now())})

    def turn(self, layout):
        """The Decision to carry out now and the Snapshot that it was taken on; None when it is not this node's turn."""
        if self.own_report() is None:
            self.report_position(layout)
        snapshot = self.snapshot(listen=True)
        decision = decide(snapshot)
        if decision.action == facts.JOIN and self._gate():
            # A primary component that was lost in the meantime is to be re-formed: who came as a new member would be in its
            # way (two of three killed, and the third one's report was late).
            snapshot = self.snapshot_with_own()
            decision = decide(snapshot)
            if decision.action == facts.JOIN:
                return decision, snapshot
        elif decision.action == facts.BOOTSTRAP and decision.nodes == (this_node(self.context),):
            return decision, snapshot
        if decision.action == facts.RECOVER and this_node(self.context) in decision.nodes:
            return decision, snapshot  # all of them, at once: each one waits for the others
        self.published.publish(self.own_report())  # the gate said that it starts
        self.context.log.info("Not promoted: %s" % decision.reason)
        self.published.set_status(sentence(decision))
        self.published.withdraw_self()
        return None

    def _gate(self):
        """Wait while another node receives a state transfer: a change of membership would abort an IST (Launchpad 2161773).

        A node that holds a view of its own does not wait for one that is merely starting: that one may wait for us.
        """
        has_view = os.path.exists(os.path.join(observe.data_directory(self.context, self.state_files), "gvwstate.dat"))

        def free():
            snapshot = self.snapshot()
            busy = [one for one in snapshot.reports.values() if one.node != snapshot.me and (
                one.state == facts.RECEIVING or (one.state == facts.STARTING and not has_view and self._before(one)))]
            if busy:
                self.published.set_status("waits for its turn: %s joins" % ", ".join(sorted(one.node for one in busy)))
            return not busy
        self.publish_state(facts.STARTING)
        return self.context.deadline.poll(free, every=0.5, up_to=min(GATE_MOST, self.context.deadline.left() / 2))

    def _before(self, other):
        order = self.configured.index
        return other.node in self.configured and this_node(self.context) in self.configured and (
            order(other.node) < order(this_node(self.context)))

    def snapshot_with_own(self):
        """The snapshot in which this node's own report is that of its disk, also after STARTING was published."""
        snapshot = self.snapshot()
        return snapshot._replace(reports=dict(snapshot.reports, **{this_node(self.context): self.own_report()}))

    def bootstraps(self):
        """Whether the server was launched to open a new primary component, and so waits for nobody."""
        return self.state_files.read("launched-from").get("action") == facts.BOOTSTRAP


def sentence(decision):
    """The live text for the node attribute."""
    return decision.reason if not decision.command else "%s (%s)" % (decision.reason, decision.command)


def frozen(decision, instance):
    """The reason of a degraded monitor. Pacemaker shows the first one for ever, so it says what stays true."""
    return "Waits for %s; an operator is needed: quorate explain %s" % (
        ", ".join(decision.missing) or "a decision", instance)


def addresses(parameters):
    """dict of Pacemaker name -> (host, port) of the data nodes, in the order of wsrep_cluster_address. Raises Failed."""
    problem = parse.address_problem(parameters.wsrep_cluster_address)
    if problem:
        raise Failed(codes.ERR_CONFIGURED, problem)
    hosts, names = parse.cluster_address(parameters.wsrep_cluster_address), parse.host_map(parameters.cluster_host_map)
    arbitrators = {name.strip() for name in (parameters.arbitrators or "").split(",")}
    return {names.get(host, host): (host, port) for host, port in hosts if host not in arbitrators}


def unpublished(context, process, trouble):
    """A cluster that cannot be asked or told (its attribute daemon restarts, or waits for a peer that hangs) says nothing of
    the server: a failure would restart a database that is well, on all nodes at once. Raises what is something else."""
    from quorate.pacemaker.tools import Unavailable  # not at the top: a healthy monitor asks nobody
    if not isinstance(trouble, Unavailable):
        raise trouble
    context.log.warning("%s The next monitor tries again." % trouble.reason)
    return Outcome(codes.SUCCESS if process is None else codes.RUNNING_PROMOTED)
