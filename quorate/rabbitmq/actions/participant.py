# SPDX-License-Identifier: Apache-2.0
"""This node's part in the election: it publishes its report, reads all reports, and decides (election.decide).

A decision to launch the broker is carried out by actions.start.
"""

from quorate.ocf import codes
from quorate.ocf.codes import Failed, Outcome
from quorate.pacemaker.tools import Unavailable, this_node
from quorate.rabbitmq import facts
from quorate.rabbitmq.broker import epmd
from quorate.rabbitmq.broker.disk import Disk
from quorate.rabbitmq.broker.layout import configured_ports, decode_layout, find_layout
from quorate.rabbitmq.election.decide import decide
from quorate.rabbitmq.election.published import PublishedState

URGENT_AFTER = 20  # seconds a wait may last before plain `pcs status` shows that an operator is needed
DECIDE_AGAIN = 2   # seconds after which a node decides again, even when no node has published anything new


class NotNow(Exception):
    """Another node was faster, or the cluster is not ready for this node. The text says which."""


class Participant:
    """This node's part in the election. is_reachable: see epmd.is_reachable; tests replace it."""

    def __init__(self, context, state_files, published=None, layout=None, is_reachable=epmd.is_reachable):
        self.context = context
        self.state_files = state_files
        self.published = published or PublishedState(context, state_files)
        self._layout = layout
        self._is_reachable = is_reachable
        self._decided_on = None  # (reports, monotonic seconds) of the last decision

    @property
    def layout(self):
        """The layout that start wrote into its state file; found anew where there is none."""
        if self._layout is None:
            self._layout = decode_layout(self.state_files.read("layout")) or find_layout(self.context)
        return self._layout

    # reporting

    @property
    def disk(self):
        return Disk(self.state_files, self.layout)

    def from_disk(self):
        """A Report without a state: what the disk says now, and what it said before the last launch."""
        from quorate.rabbitmq.broker.settings import cookie
        layout = self.layout
        return facts.Report(
            this_node(self.context), name=layout.nodename, version=layout.version,
            cookie=cookie.fingerprint(layout, self.context.instance), generation=self.published.own_generation(),
            since=int(self.context.clock.now()), launched=self.state_files.has("started"), **self.disk.report_fields())

    def report(self, state, **known):
        """Publish the state with what the disk says. known: fields that are known otherwise. Returns whether the report
        was new."""
        old = self.published.last_published()
        new = self.from_disk()._replace(state=state, **known)
        if old is not None and old.state == state:
            new = new._replace(since=old.since)
        return self.published.publish(new)

    # deciding

    def decide_and_publish(self):
        """Report what is on the disk, read all reports, decide, and publish the status of one that waits; a launch
        publishes its own, or why it was put off. Returns the Decision."""
        self.report(facts.DOWN)
        snapshot = self.published.snapshot()
        if snapshot.me not in snapshot.reports:
            # Transient attributes end when the node leaves the cluster; the instance may outlive that.
            self.state_files.forget("published")
            self.report(facts.DOWN)
            snapshot = self.published.snapshot()
        self._decided_on = (snapshot.reports, self.context.clock.monotonic())
        decision = self.with_data_root(self._resumed(snapshot, decide(self.with_unreachable(snapshot))))
        self.context.log.say("Decision: %s. %s" % (decision.action, decision.reason))
        if decision.action in (facts.WAIT, facts.REFUSE):
            self.published.set_status(status_text(decision))
        return decision

    def _resumed(self, snapshot, decision):
        """The Decision; FORCE instead of START for the rest of a forced boot whose generation this node has opened,
        while no node has gone on since: the records of the others prove nothing more in that generation."""
        others = [node for node, number in snapshot.generations.items() if node != snapshot.me
                  and number == snapshot.generation]
        if (decision.action == facts.START and not others and self.is_forcing(snapshot.generation)
                and not any(one.state in facts.BOOTED for one in snapshot.reports.values())):
            return decision._replace(action=facts.FORCE, reason="The forced boot that began is carried out.")
        return decision

    def is_forcing(self, generation=None):
        """Whether this node has opened the current generation for a forced boot that RabbitMQ has not done yet."""
        kept = self.state_files.read("forcing", persistent=True).get("generation")
        return kept is not None and kept == str(self.published.generation() if generation is None else generation)

    def keep_forcing(self, generation):
        """Remember that this node opened this generation."""
        self.state_files.write("forcing", {"generation": generation}, persistent=True)

    def with_data_root(self, decision):
        """The Decision with a command that can be typed: DATADIR is replaced by the directory."""
        return decision if decision.command is None else decision._replace(
            command=decision.command.replace("DATADIR", self.data_root()))

    def data_root(self):
        """The directory of all nodes' data; 'DATADIR' where this node cannot find it."""
        try:
            return self.layout.base
        except Failed:
            return "DATADIR"

    def reports_changed(self):
        """Whether deciding again may give another result. It asks the cluster once instead of seven times, which
        matters while another node boots on the same machine."""
        if self._decided_on is None or self.context.clock.monotonic() - self._decided_on[1] >= DECIDE_AGAIN:
            return True
        known = self._decided_on[0]
        return any(known.get(node) != one for node, one in self.published.reports().items())

    def with_unreachable(self, snapshot):
        """The Snapshot with the running brokers that this node cannot connect to; looked for only when this node has
        data, because only then it could start beside them."""
        own = snapshot.reports.get(snapshot.me)
        if own is None or not own.data:
            return snapshot
        booted = [one.name for node, one in sorted(snapshot.reports.items())
                  if node != snapshot.me and one.state in facts.BOOTED and one.name]
        epmd_port, ports = configured_ports(self.context.parameters.config)
        return snapshot._replace(unreachable=frozenset(name for name in booted
                                                       if self._is_reachable(name, epmd_port, ports) is False))

    def any_starting(self, nodes):
        """Whether one of these nodes starts or runs its broker now."""
        reports = self.published.reports()
        return any(node in reports and reports[node].state in facts.ALIVE for node in nodes)


def report_down(context, state_files):
    """Publish what is on the disk of a node that runs no broker. Succeeds also when the cluster is unreachable: then no
    node asks for the report."""
    try:
        participant = Participant(context, state_files)
        participant.report(facts.DOWN)
        if not state_files.has("started"):
            participant.published.withdraw_status()
    except Unavailable as error:
        state_files.forget("published")
        context.log.debug("Not published: %s" % error.reason)
    except Failed as error:
        context.log.debug("Not published: %s" % error.reason)


def unpublished(context, error, outcome=Outcome(codes.SUCCESS)):
    """The Outcome when the cluster cannot be asked, or nothing published (its attribute daemon restarts, or waits for a
    peer that hangs). That says nothing about the broker: a failure would restart healthy brokers on all nodes at once.
    """
    context.log.warning("%s The next monitor tries again." % error.reason)
    return outcome


def status_text(decision):
    """The text of the node attribute RESOURCE-status."""
    return decision.reason if not decision.command else "%s (%s)" % (decision.reason, decision.command)


def stable_reason(decision, instance):
    """The exit reason of a degraded monitor. Pacemaker keeps showing the first one, so it says only what stays true."""
    return "Waits for %s; an operator is needed: quorate explain %s" % (
        ", ".join(decision.missing) or "a decision", instance)
