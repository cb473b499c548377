# SPDX-License-Identifier: Apache-2.0
"""start: launch the broker as soon as the election allows it, and wait as long as that helps; the monitor goes on.

Also what the monitor needs of that: take over a running broker, launch one later, watch one that boots, force its boot.
"""

from quorate.host import daemon
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.ocf.codes import Failed, Outcome
from quorate.pacemaker.tools import Unavailable, this_node
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import recovery
from quorate.rabbitmq.actions.participant import (
    URGENT_AFTER, NotNow, Participant, stable_reason, status_text, unpublished)
from quorate.rabbitmq.actions.serving import handle_serving
from quorate.rabbitmq.broker import observe, parse, process
from quorate.rabbitmq.broker.ctl import Tools
from quorate.rabbitmq.broker.layout import encode_layout, find_layout, layout_problems
from quorate.rabbitmq.election.decide import decide_waiting

START_PATIENCE = 3    # seconds start waits for others that have not begun to start: a clone that starts one node after
#                       the other could not go on, and Pacemaker recovers a peer that died only after this
BOOT_PATIENCE = 20    # ... while all of them boot
RELAUNCH_TIME = 20    # seconds that must be left to launch a broker again that ended while it started
CRASHES = 2           # after more of them the broker has a reason to end that another launch does not change
RESERVE = 6           # seconds of start's time kept for what comes after the boot
RETRIES = 1000000     # of RabbitMQ's peer discovery, half a second each: it must not fall back to a cluster of its own
JOINS_OLDEST = (3, 13)  # from this release on peer discovery joins the node that started first, by the nodes' clocks
CLOCK_PATIENCE = 10   # seconds to wait until this node's clock is past the start of the other broker


def start(context):
    """Launch the broker when the election allows it. Waiting for other nodes does not make start fail: RabbitMQ needs
    them to be started, too, so the monitor goes on waiting."""
    state_files = StateFiles("rabbitmq", context.instance)
    layout = find_layout(context)
    problems = layout_problems(layout)
    if problems:
        return Outcome(codes.ERR_INSTALLED, problems[0])
    state_files.write("layout", encode_layout(layout))
    state_files.write("started", {"at": int(context.clock.now())})
    for name in ("policy", "complaint", "waiting", "unknown", "cut-off"):
        state_files.forget(name)
    participant = Participant(context, state_files, layout=layout)
    running = process.find(context, state_files, layout.nodename)
    try:
        if running is not None:
            adopt(context, state_files, running, layout)
            decision = facts.Decision(facts.START, "It runs already.")
            return wait_until_serving(participant, running, decision, most=RESERVE)
        decision, launched = _decide_and_launch(participant)
        if launched is None:
            return Outcome(codes.SUCCESS)
        return wait_until_serving(participant, launched, decision, most=max(1.0, context.deadline.left() - RESERVE))
    except Unavailable as error:  # a failed start would keep this node out until an operator cleans up
        return unpublished(context, error)


def adopt(context, state_files, running, layout):
    """Take over a running broker that this agent did not launch: its unit did, or the agent was killed just after it
    had."""
    if daemon.launched_process(context, state_files) is None:
        daemon.record(context, state_files, running, layout.log)
        state_files.write("layout", encode_layout(layout))


# launching

def _decide_and_launch(participant):
    """(Decision, Process) as soon as this node may launch its broker; (Decision, None) when that takes too long."""
    context, last, began = participant.context, [None, None], participant.context.clock.monotonic()

    def ready():
        if last[0] is None or last[0].action != facts.WAIT or participant.reports_changed():
            last[0] = participant.decide_and_publish()
        if last[0].action in (facts.WAIT, facts.REFUSE):
            # The awaited nodes must be started, too, and Pacemaker may start them only after this start has ended.
            return last[0].action == facts.REFUSE or (context.clock.monotonic() - began >= START_PATIENCE and (
                last[0].urgent or not participant.any_starting(last[0].missing)))
        try:
            last[1] = launch_as_decided(participant, last[0])
        except NotNow as error:
            context.log.info(str(error))
            return False
        return True

    context.deadline.poll(ready, every=0.3, up_to=context.deadline.left() * 2 / 3)
    return last


def launch_as_decided(participant, decision):
    """Launch the broker as decided. Returns its Process. Raises Failed, NotNow."""
    context, state_files = participant.context, participant.state_files
    try:
        participant.disk.keep_evidence()
    except OSError as error:  # without it a broker that ends early takes with it what its disk proved
        raise NotNow("Not launched: %s cannot be written: %s." % (
            state_files.persistent, error.strerror)) from None
    arguments = ()
    if decision.action == facts.JOIN:
        arguments = _prepare_join(participant, decision)
    elif decision.action == facts.FOUND:
        _claim_founding(participant)
    elif decision.action == facts.FORCE:
        _force_boot(participant)
    context.log.info("%s: %s" % (decision.action, decision.reason))
    for name in ("waiting", "complaint", "serving"):
        state_files.forget(name)
    state_files.write("launched-for", {"action": decision.action})
    participant.report(facts.STARTING)
    launched = process.launch(context, state_files, participant.layout, arguments)
    participant.published.set_status("starts")
    return launched


def _prepare_join(participant, decision):
    """The arguments with which a broker without data joins the cluster before it listens to clients: they configure
    RabbitMQ's own peer discovery, which asks other nodes only while it has no data."""
    nodename = participant.layout.nodename
    if decision.forget:
        # The cluster knows this node with data that are gone. As a member of quorum queues it would vote on what it
        # once acknowledged and no longer has: so the cluster forgets it first, and it joins as a new member.
        done, message = Tools(participant.context, participant.layout).forget(nodename, decision.peer)
        if not done:
            # A node that died a moment ago may still count as active. A failed start would keep Pacemaker from this
            # node, so the join is tried again.
            participant.published.set_status(message)
            raise NotNow(message)
        participant.context.log.warning("%s Its disk is empty, and it joins as a new member." % message)
    _wait_for_clock(participant, decision)
    participant.state_files.write("grow", {"for": nodename}, persistent=True)
    return ("-rabbit", "cluster_nodes", "{['%s'],disc}" % decision.peer,
            "-rabbit", "cluster_formation", "[{discovery_retry_limit,%d}]" % RETRIES)


def _wait_for_clock(participant, decision):
    """Wait until this node's clock is past the start of the broker that it joins. RabbitMQ takes the older of two
    single nodes for the cluster: with a clock that is behind, that would be this node, which has no data. Raises
    Failed."""
    context = participant.context
    peer = [one for one in participant.published.reports().values() if one.name == decision.peer]
    if parse.version_key(participant.layout.version) < JOINS_OLDEST or not peer or peer[0].since is None:
        return
    since = peer[0].since + 1
    if not context.deadline.poll(lambda: context.clock.now() > since, every=0.2, up_to=CLOCK_PATIENCE):
        raise Failed(codes.ERR_GENERIC, "The clock of %s is %d s behind that of %s, so a new node cannot join: "
                     "synchronise the clocks." % (this_node(context), since - context.clock.now(), peer[0].node))


def _claim_founding(participant):
    """Become the founder: no other node can from now on. Raises NotNow."""
    me, override = this_node(participant.context), participant.published.override()
    if override is not None and override.node == me:
        participant.published.found_instead()
        _end_override(participant, override)
        return
    founder = participant.published.claim()
    if founder != me:
        raise NotNow("%s founds the cluster." % founder)


def _force_boot(participant):
    """Let this boot wait for no other node. The new generation is on record first: once RabbitMQ has the order, any
    later start obeys it, also one after other nodes went on. Raises Failed."""
    participant.published.open_generation()
    done, message = Tools(participant.context, participant.layout).force_boot()
    if not done:
        raise Failed(codes.ERR_GENERIC, message)
    override = participant.published.override()
    if override is not None and override.node == this_node(participant.context):
        _end_override(participant, override)


def _end_override(participant, override):
    participant.context.log.warning("The override by %s was carried out: %s boots." % (override.by, override.node))
    participant.published.set_override(None)


# waiting for the broker

def wait_until_serving(participant, running, decision, most):
    """Wait for the launched broker as long as that helps, at most so many seconds; then the monitor goes on. The
    Outcome."""
    context, state_files, clock = participant.context, participant.state_files, participant.context.clock
    began = asked = clock.monotonic()
    last_state = waiting_since = None
    while True:
        if context.processes.gone(running):
            running = _launch_again(participant, most - (clock.monotonic() - began))
            if running is None:
                last_error = process.last_error(state_files, participant.layout.log)
                return Outcome(codes.ERR_GENERIC, boot_error(last_error, participant.layout))
            continue
        observed = _steady(observe.observe(context, state_files, participant.layout), last_state)
        if observed.state != last_state:
            last_state = observed.state
            context.log.say("%s State: %s." % (observed.sentence, observed.state))
            if last_state in facts.BOOTED:
                return handle_serving(participant, observed)
            participant.report(last_state if last_state in (facts.STARTING, facts.WAITING) else facts.STARTING)
        now = clock.monotonic()
        if waiting_since is None and observed.state == facts.WAITING:
            waiting_since = now
        elif waiting_since is None and decision.action == facts.START and now - asked >= START_PATIENCE:
            # Not in each round: it asks the cluster.
            asked, waiting_since = now, began if _needs_others(participant) else None
        if now - began >= most or (
                waiting_since is not None and now - waiting_since >= _patience(participant, now - waiting_since)):
            monitor_startup(participant, observed)
            return Outcome(codes.SUCCESS)
        clock.sleep(0.2 if waiting_since is None else 1.0)


def _steady(observed, last_state):
    """The Observation; STARTING directly after WAITING counts as WAITING. A waiting broker tries again every 30 s, and
    then logs the same lines as one that no longer waits. The wait is over only when it serves."""
    if last_state == facts.WAITING and observed.state == facts.STARTING:
        return observed._replace(state=facts.WAITING)
    return observed


def _launch_again(participant, left):
    """The broker ended while it started: launch it again, because a failed start keeps Pacemaker from this node until
    an operator cleans up. The new Process; None when the broker has a reason to end, or `left` seconds are not enough.

    Several that boot at once can end each other: while one only asks (rabbit_mnesia.erl, with_running_or_clean_mnesia)
    it looks like a running member, another one merges its schema into it, and it ends with node_not_running (seen in
    4.0.5).
    """
    context, state_files = participant.context, participant.state_files
    error = process.logged_error(state_files, participant.layout.log)
    participant.crashes += error is not None
    state_files.forget(daemon.PROCESS_FILE)
    decision = participant.decide_and_publish()
    if (left < RELAUNCH_TIME or decision.action in (facts.WAIT, facts.REFUSE)
            or error is not None and (participant.crashes > CRASHES or is_excluded(error))):
        return None
    context.log.warning("The broker %s while it started; it is launched again." % (
        "was killed" if error is None else "ended (%s)" % error))
    context.clock.sleep(1)  # whatever kills it at once must not make this a busy loop
    return launch_as_decided(participant, decision)


def _needs_others(participant):
    """Whether this boot will wait for members that run no broker. That is known long before the broker waits, and
    Pacemaker starts those members only when this start has ended."""
    snapshot = participant.published.snapshot()
    own, missing = snapshot.reports.get(snapshot.me), decide_waiting(snapshot).missing
    if own is None or not missing:
        return False
    if own.store == facts.KHEPRI:
        return 2 * len(missing) >= len(own.members or ())
    return bool((own.running or frozenset()) - {own.name})


def _patience(participant, waited):
    """Seconds that start stays with a broker that has waited `waited` seconds for others."""
    if waited < START_PATIENCE:
        return START_PATIENCE
    return START_PATIENCE if decide_waiting(participant.published.snapshot()).missing else BOOT_PATIENCE


# the monitor of a broker that boots

def monitor_startup(participant, observed):
    """The monitor of a broker that boots: publish which nodes it waits for; force its boot where that is due. The
    Outcome: failed when the boot is stalled."""
    context, state_files = participant.context, participant.state_files
    last = participant.published.last_published()
    observed = _steady(observed, last.state if last is not None else None)
    participant.report(facts.WAITING if observed.state == facts.WAITING else facts.STARTING)
    snapshot = participant.published.snapshot()
    decision = decide_waiting(snapshot)
    participant.published.set_status(
        status_text(decision) if observed.state == facts.WAITING or decision.missing else "starts")
    serving = [node for node, one in sorted(snapshot.reports.items())
               if node != snapshot.me and one.state == facts.RUNNING]
    if serving and observed.process is not None and recovery.is_stalled(
            context, state_files, observed.process, participant.layout.log):
        return Outcome(codes.ERR_GENERIC, "Its boot is stalled for %d s although the cluster runs on %s; it is "
                       "restarted." % (recovery.STALLED_AFTER, ", ".join(serving)))
    waited = state_files.elapsed("waiting", context.clock)
    ordered = snapshot.override is not None and snapshot.override.node == snapshot.me
    if decision.action == facts.FORCE and (ordered or waited >= context.parameters.recovery_wait):
        launched = force_boot_if_proven(participant)
        if launched is not None:
            return wait_until_serving(participant, launched, decision, context.deadline.left() / 2)
    if decision.urgent and waited >= URGENT_AFTER:
        return Outcome(codes.DEGRADED, stable_reason(decision, context.instance))
    return Outcome(codes.SUCCESS)


def force_boot_if_proven(participant):
    """For a broker that boots and waits: stop it and boot it without waiting, where that is proven to lose nothing or
    the operator ordered it. The new Process; None where the boot must not be forced. Raises Failed."""
    context, state_files = participant.context, participant.state_files
    decision = decide_waiting(participant.published.snapshot())
    if decision.action != facts.FORCE:
        return None
    context.log.warning(decision.reason)
    budget = max(5.0, min(20.0, context.deadline.left() / 2))
    if process.stop(context, state_files, participant.layout.nodename, budget, skip_grace=True):
        raise Failed(codes.ERR_GENERIC, "The broker that waits did not stop, so its boot was not forced.")
    state_files.forget(daemon.PROCESS_FILE)
    return launch_as_decided(participant, decision)


# how a boot ended

def is_excluded(error):
    """Whether a broker's last error is that the cluster does not know this node."""
    return "inconsistent_cluster" in error or "disagrees" in error


def boot_error(error, layout):
    """The exit reason for a broker that ended while it started. error: its last error."""
    if is_excluded(error):
        return ("The cluster does not know this node any more, although it has data: %s. Nothing is removed; if its "
                "data are not needed, move %s away and run: pcs resource cleanup" % (error, layout.directory))
    if "timeout_waiting_for_tables" in error or "Timeout contacting cluster nodes" in error:
        return "The broker waited for other nodes of its cluster until it gave up; it is started again. %s" % error
    return "The broker ended while it started: %s" % error
