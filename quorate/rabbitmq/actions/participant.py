# SPDX-License-Identifier: Apache-2.0
"""What one node does about the cluster: report what is on its disk, look at all reports, decide (decide.py), act, watch."""

from quorate.host import daemon
from quorate.ocf import codes
from quorate.ocf.codes import Failed, Outcome
from quorate.pacemaker.tools import this_node
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import recovery
from quorate.rabbitmq.broker import epmd, layout, observe, parse, process
from quorate.rabbitmq.broker.disk import Disk
from quorate.rabbitmq.broker.layout import find_layout
from quorate.rabbitmq.broker.process import last_words, launch
from quorate.rabbitmq.election.decide import decide, outlast
from quorate.rabbitmq.election.published import PublishedState

URGENT_AFTER = 20     # seconds a wait may last before plain `pcs status` shows that an operator should look
START_PATIENCE = 3    # seconds start stays while others are waited for that have not begun to start: a clone that starts one
#                       node after the other could not go on, and Pacemaker recovers a peer that died only after this
BOOT_PATIENCE = 20    # ... while all of them boot
AGAIN = 20            # seconds that have to be left to launch a broker again that ended while it started
CRASHES = 2           # after which it has a reason to end that another launch does not change
LOOK_AGAIN = 2        # seconds after which everything is looked at again, though no node has said anything new
RESERVE = 6           # seconds of start's time kept for what comes after the boot
RETRIES = 1000000     # of RabbitMQ's peer discovery, half a second each: it must not fall back to a cluster of its own
JOINS_OLDEST = (3, 13)  # from this release on peer discovery joins the node that started first, by the nodes' clocks
CLOCK_PATIENCE = 10   # seconds to wait for this node's clock to pass the start of the other


class Participant:
    """What one node does about the cluster. reaches: see epmd.reaches."""

    def __init__(self, context, state_files, published=None, layout=None, reaches=epmd.reaches):
        self.context = context
        self.state_files = state_files
        self.published = published or PublishedState(context, state_files)
        self._layout = layout
        self._reaches = reaches
        self._looked = None  # (reports, when) of the last turn
        self._crashes = 0

    @property
    def layout(self):
        """The layout, as it was found at the start; looked for again where there is no note of it."""
        if self._layout is None:
            self._layout = layout.from_note(self.state_files.read("layout")) or find_layout(self.context)
        return self._layout

    # reporting

    @property
    def disk(self):
        return Disk(self.state_files, self.layout)

    def from_disk(self):
        """A Report without a state: what the disk says, and what it said before the last launch."""
        from quorate.rabbitmq.broker.layout import cookie_fingerprint
        layout = self.layout
        return facts.Report(
            this_node(self.context), name=layout.nodename, version=layout.version, cookie=cookie_fingerprint(layout, self.context.instance),
            generation=self.published.own_generation(), since=int(self.context.clock.now()), launched=self.state_files.has("started"),
            **self.disk.look())

    def report(self, state):
        """Publish the state with what the disk says. Returns whether it was new."""
        old = self.published.last_published()
        new = self.from_disk()._replace(state=state)
        if old is not None and old.state == state:
            new = new._replace(since=old.since)
        return self.published.publish(new)

    # deciding

    def turn(self):
        """Say what is on the disk, look at all that is known, and decide. The Decision."""
        self.report(facts.DOWN)
        snapshot = self.published.snapshot()
        if snapshot.me not in snapshot.reports:
            # Transient attributes end when the node leaves the cluster; the instance may outlive that.
            self.state_files.forget("published")
            self.report(facts.DOWN)
            snapshot = self.published.snapshot()
        self._looked = (snapshot.reports, self.context.clock.monotonic())
        decision = self.at_home(decide(self.reached(snapshot)))
        self.context.log.say("Decision: %s. %s" % (decision.action, decision.reason))
        self.published.set_status(sentence(decision))
        return decision

    def at_home(self, decision):
        """The Decision with a command that can be typed."""
        return decision if decision.command is None else decision._replace(
            command=decision.command.replace("DATADIR", self.home()))

    def home(self):
        """Where the nodes' data are; the word for it where this node cannot tell."""
        try:
            return self.layout.base
        except Failed:
            return "DATADIR"

    def moved(self):
        """Whether another turn may come out differently. One question to the cluster instead of seven, for those who wait while
        another node boots on the same machine's time."""
        if self._looked is None or self.context.clock.monotonic() - self._looked[1] >= LOOK_AGAIN:
            return True
        known = self._looked[0]
        return any(known.get(node) != one for node, one in self.published.reports().items())

    def reached(self, snapshot):
        """The snapshot with those brokers that this node with its data would start beside and cannot reach."""
        own = snapshot.reports.get(snapshot.me)
        if own is None or not own.data:
            return snapshot
        booted = [one.name for node, one in sorted(snapshot.reports.items())
                  if node != snapshot.me and one.state in facts.BOOTED and one.name]
        port = parse.settings(layout.text_of(layout.ENV)).get("ERL_EPMD_PORT") or ""
        port = int(port) if port.isdigit() else epmd.PORT
        return snapshot._replace(unreachable=frozenset(name for name in booted if self._reaches(name, port) is False))

    def comes(self, nodes):
        """Whether one of these nodes starts its broker at this moment, or runs it."""
        reports = self.published.reports()
        return any(node in reports and reports[node].state in facts.ALIVE for node in nodes)

    def wait(self):
        """The monitor of an instance that runs no broker because it waits for its turn. Its Outcome."""
        decision = self.turn()
        if decision.action not in (facts.WAIT, facts.REFUSE):
            self.state_files.forget("waiting")
            process = self.carry_out(decision)
            return self.accompany(process, decision, most=self.context.deadline.left() / 2)
        if self.state_files.elapsed("waiting", self.context.clock) >= URGENT_AFTER and decision.urgent:
            return Outcome(codes.DEGRADED, frozen(decision, self.context.instance))
        return Outcome(codes.SUCCESS)

    # acting

    def carry_out(self, decision):
        """Launch the broker as decided. Returns its Process. Raises Failed."""
        arguments = ()
        if decision.action == facts.JOIN:
            arguments = self._prepare_join(decision)
        elif decision.action == facts.FOUND:
            self._prepare_found()
        elif decision.action == facts.FORCE:
            self._force(decision)
        self.context.log.info("%s: %s" % (decision.action, decision.reason))
        self.disk.keep_evidence()
        for note in ("waiting", "complaint", "serving"):
            self.state_files.forget(note)
        self.state_files.write("launched-for", {"action": decision.action})
        self.report(facts.STARTING)
        process = launch(self.context, self.state_files, self.layout, arguments)
        self.published.set_status("starts")
        return process

    def _prepare_join(self, decision):
        """The words with which a broker without data joins the cluster before it listens to any client: RabbitMQ's own peer
        discovery, which looks at a node only while it has no data."""
        if decision.forget:
            # It is known there with data that are gone. As a member of quorum queues it would vote on what it once
            # acknowledged and no longer has; so its former self is forgotten first, and it joins as a new one.
            from quorate.rabbitmq.broker.ctl import Tools
            done, words = Tools(self.context, self.layout).forget(self.layout.nodename, decision.peer)
            if not done:
                self.published.set_status(words)  # a node that died a moment ago may still count as active; a failed start would
                raise NotNow(words)  # keep Pacemaker from this node, so it is tried again
            self.context.log.warning("%s Its disk is empty, and it joins as a new member." % words)
        self._be_younger(decision)
        self.state_files.write("grow", {"for": self.layout.nodename}, persistent=True)
        return ("-rabbit", "cluster_nodes", "{['%s'],disc}" % decision.peer,
                "-rabbit", "cluster_formation", "[{discovery_retry_limit,%d}]" % RETRIES)

    def _be_younger(self, decision):
        """Wait until this node's clock is past the start of the node that it is to join. RabbitMQ takes the oldest of two
        single nodes for the cluster, and a clock that is behind would make that this one, which has nothing."""
        peer = [one for one in self.published.reports().values() if one.name == decision.peer]
        if parse.version_key(self.layout.version) < JOINS_OLDEST or not peer or peer[0].since is None:
            return
        since = peer[0].since + 1
        if not self.context.deadline.poll(lambda: self.context.clock.now() > since, every=0.2, up_to=CLOCK_PATIENCE):
            raise Failed(codes.ERR_GENERIC, "The clock of %s is %d s behind that of %s; a new node could not join: set the "
                         "clocks right." % (this_node(self.context), since - self.context.clock.now(), peer[0].node))

    def _prepare_found(self):
        """Be the one that founds: nobody else can from now on."""
        override = self.published.override()
        if override is not None and override.node == this_node(self.context):
            self.published.found_instead()
            self._used(override)
            return
        founder = self.published.claim()
        if founder != this_node(self.context):
            raise NotNow("%s founds the cluster." % founder)

    def _force(self, decision):
        """Let this boot wait for nobody. Everything is on record before it can change anything: once RabbitMQ has the order, any
        later start obeys it, also one that comes after others went on."""
        from quorate.rabbitmq.broker.ctl import Tools
        self.published.open_generation()
        done, words = Tools(self.context, self.layout).force_boot()
        if not done:
            raise Failed(codes.ERR_GENERIC, words)
        override = self.published.override()
        if override is not None and override.node == this_node(self.context):
            self._used(override)

    def _used(self, override):
        self.context.log.warning("The operator's word was carried out on %s, by %s." % (override.node, override.by))
        self.published.set_override(None)

    def accompany(self, process, decision, most):
        """Stay with the launched broker as long as that helps, at most so many seconds; the monitor watches over the rest."""
        clock = self.context.clock
        began = asked = clock.monotonic()
        told = waits = None
        while True:
            if self.context.processes.gone(process):
                process = self._again(most - (clock.monotonic() - began))
                if process is None:
                    return Outcome(codes.ERR_GENERIC, ended(last_words(self.state_files, self.layout.log), self.layout))
                continue
            observed = self._steady(observe.observe(self.context, self.state_files, self.layout), told)
            if observed.state != told:
                told = observed.state
                self.context.log.say("%s State: %s." % (observed.sentence, observed.state))
                if told in facts.BOOTED:
                    return self.served(observed)
                self.report(told if told in (facts.STARTING, facts.WAITING) else facts.STARTING)
            now = clock.monotonic()
            if waits is None and observed.state == facts.WAITING:
                waits = now
            elif waits is None and decision.action == facts.START and now - asked >= START_PATIENCE:
                asked, waits = now, began if self._needs_others() else None  # not at each turn: it asks the cluster
            if now - began >= most or (waits is not None and now - waits >= self._patience(now - waits)):
                self.watch(observed)
                return Outcome(codes.SUCCESS)
            clock.sleep(0.2 if waits is None else 1.0)

    @staticmethod
    def _steady(observed, told):
        """One that waits tries again every 30 s and then looks for a moment as if it went on; it goes on when it serves."""
        return observed._replace(state=told) if told == facts.WAITING and observed.state == facts.STARTING else observed

    def _again(self, left):
        """The broker ended while it started. It is launched again, for a start that failed keeps Pacemaker from this node until
        somebody cleans up. Its new Process; None: it has a reason to end, or there is no time.

        Several that boot at once can end each other: while one only asks (rabbit_mnesia.erl, with_running_or_clean_mnesia) it
        looks like a member that runs, another one merges its schema into it, and it ends with node_not_running (seen in 4.0.5).
        """
        words = process.said(self.state_files, self.layout.log)
        self._crashes += words is not None
        self.state_files.forget(daemon.NOTE)
        decision = self.turn()
        if (left < AGAIN or decision.action in (facts.WAIT, facts.REFUSE)
                or words is not None and (self._crashes > CRASHES or excluded(words))):
            return None
        self.context.log.warning("The broker %s while it started; it is launched again." % (
            "was killed" if words is None else "ended (%s)" % words))
        self.context.clock.sleep(1)  # whatever kills it at once shall not make this a busy loop
        return self.carry_out(decision)

    def _needs_others(self):
        """Whether this boot will wait for members that run no broker: known long before the broker comes to that point, and
        Pacemaker starts them only when this start is over."""
        snapshot = self.published.snapshot()
        own, missing = snapshot.reports.get(snapshot.me), outlast(snapshot).missing
        if own is None or not missing:
            return False
        if own.store == facts.KHEPRI:
            return 2 * len(missing) >= len(own.members or ())
        return bool((own.running or frozenset()) - {own.name})

    def _patience(self, passed):
        """Seconds that start may stay with a broker which has waited for others for so long."""
        if passed < START_PATIENCE:
            return START_PATIENCE
        return START_PATIENCE if outlast(self.published.snapshot()).missing else BOOT_PATIENCE

    def boot_alone_if_proven(self):
        """For a broker that boots and waits: boot it anew without waiting, when that is proven to lose nothing or the
        operator said so. The new Process, None when it is not to be done."""
        decision = outlast(self.published.snapshot())
        if decision.action != facts.FORCE:
            return None
        self.context.log.warning(decision.reason)
        budget = max(5.0, min(20.0, self.context.deadline.left() / 2))
        if process.stop(self.context, self.state_files, self.layout.nodename, budget, skip_grace=True):
            raise Failed(codes.ERR_GENERIC, "The broker that waits did not end, so its boot was not forced.")
        self.state_files.forget(daemon.NOTE)
        return self.carry_out(decision)

    # watching

    def watch(self, observed):
        """The monitor of a broker that is up and does not serve yet. Its Outcome."""
        told = self.published.last_published()
        observed = self._steady(observed, told.state if told is not None else None)
        self.report(facts.WAITING if observed.state == facts.WAITING else facts.STARTING)
        snapshot = self.published.snapshot()
        decision = outlast(snapshot)
        self.published.set_status(sentence(decision) if observed.state == facts.WAITING or decision.missing else "starts")
        beside = [node for node, one in sorted(snapshot.reports.items()) if node != snapshot.me and one.state == facts.RUNNING]
        if beside and observed.process is not None and recovery.stuck(self.context, self.state_files, observed.process, self.layout.log):
            return Outcome(codes.ERR_GENERIC, "Boots while the cluster runs on %s, and has done nothing for %d s: it hangs, and "
                           "is restarted." % (", ".join(beside), recovery.STUCK_AFTER))
        waits = self.state_files.elapsed("waiting", self.context.clock)
        word = snapshot.override is not None and snapshot.override.node == snapshot.me
        if decision.action == facts.FORCE and (word or waits >= self.context.parameters.recovery_wait):
            process = self.boot_alone_if_proven()
            if process is not None:
                return self.accompany(process, decision._replace(action=facts.FORCE), self.context.deadline.left() / 2)
        if decision.urgent and waits >= URGENT_AFTER:
            return Outcome(codes.DEGRADED, frozen(decision, self.context.instance))
        return Outcome(codes.SUCCESS)

    def served(self, observed):
        """It serves: tell everybody, and do once what a boot leaves to be done. Outcome of start and monitor."""
        from quorate.rabbitmq.actions.serving import after_boot, keep_record
        for note in ("waiting", "unknown") + (("cut-off",) if observed.state == facts.RUNNING else ()):
            self.state_files.forget(note)
        keep_record(self, observed)
        after_boot(self)
        complaint = self.state_files.read("complaint").get("text")
        return Outcome(codes.DEGRADED, complaint) if complaint else Outcome(codes.SUCCESS)


class NotNow(Exception):
    """Somebody else was faster. The text says who."""


def sentence(decision):
    """The live text for the node attribute."""
    return decision.reason if not decision.command else "%s (%s)" % (decision.reason, decision.command)


def frozen(decision, instance):
    """The reason of a degraded monitor. Pacemaker shows the first one for ever, so it says what stays true."""
    return "Waits for %s; an operator is needed: quorate explain %s" % (
        ", ".join(decision.missing) or "a decision", instance)


def excluded(words):
    """Whether the last words of a broker are that the cluster does not know this node."""
    return "inconsistent_cluster" in words or "disagrees" in words


def ended(words, layout):
    """A sentence about a broker that ended while it started."""
    if excluded(words):
        return ("The cluster does not know this node any more, although it has data: %s. Nothing is removed; if its data are "
                "not needed, move %s away and run: pcs resource cleanup" % (words, layout.directory))
    if "timeout_waiting_for_tables" in words or "Timeout contacting cluster nodes" in words:
        return "The broker waited for other nodes of its cluster until it gave up; it is started again. %s" % words
    return "The broker ended while it started: %s" % words
