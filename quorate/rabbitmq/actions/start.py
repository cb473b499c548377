# SPDX-License-Identifier: Apache-2.0
"""start: launch the broker as soon as the election allows it, and wait as long as that helps; the monitor goes on.

Also what the monitor needs of that: take over a running broker, launch one later. How a boot is judged: actions.boot.
"""

from quorate.host import daemon
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.pacemaker.tools import Unavailable
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import boot
from quorate.rabbitmq.actions.launch import launch_as_decided
from quorate.rabbitmq.actions.participant import NotNow, Participant, unpublished
from quorate.rabbitmq.actions.serving import handle_serving
from quorate.rabbitmq.broker import observe, process
from quorate.rabbitmq.broker.layout import encode_layout, find_layout, layout_problems
from quorate.rabbitmq.election.decide import decide_waiting

START_PATIENCE = 3    # seconds start waits for others that have not begun to start: a clone that starts one node after
#                       the other could not go on, and Pacemaker recovers a peer that died only after this
BOOT_PATIENCE = 20    # ... while all of them boot
LAUNCH_AGAIN = 4      # seconds from one launch that was put off to the next, at most
LOOK_AGAIN = 3        # seconds from one whole look at a broker whose state does not change to the next
RESERVE = 6           # seconds of start's time kept for what comes after the boot


def start(context):
    """Launch the broker when the election allows it. Waiting for other nodes does not make start fail: RabbitMQ needs
    them to be started, too, so the monitor goes on waiting."""
    state_files = StateFiles("rabbitmq", context.instance, log=context.log)
    layout = find_layout(context)
    problems = layout_problems(layout)
    if problems:
        return Outcome(codes.ERR_INSTALLED, problems[0])
    try:
        state_files.write("layout", encode_layout(layout), required=True)
        state_files.write("started", {"at": int(context.clock.now())}, required=True)
    except OSError as error:  # the monitor would not know that it is started
        return Outcome(codes.ERR_GENERIC, "Not started: %s cannot be written: %s; see: df %s" % (
            state_files.run, error.strerror, state_files.run))
    for name in ("policy", "complaint", "waiting", "unknown", "cut-off", "silent", "still") + boot.FILES:
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
        state_files.forget("serving")  # what was recorded is of another broker
        daemon.record(context, state_files, running, layout.log or "")
        state_files.write("layout", encode_layout(layout))


# launching

def _decide_and_launch(participant):
    """(Decision, Process) as soon as this node may launch its broker; (Decision, None) when that takes too long."""
    context, last, began = participant.context, [None, None], participant.context.clock.monotonic()
    again = {"at": began, "pause": LAUNCH_AGAIN / 8}

    def ready():
        if context.clock.monotonic() < again["at"]:
            return False
        if last[0] is None or last[0].action != facts.WAIT or participant.reports_changed():
            last[0] = participant.decide_and_publish()
        if last[0].action in (facts.WAIT, facts.REFUSE):
            # The awaited nodes must be started, too, and Pacemaker may start them only after this start has ended.
            return last[0].action == facts.REFUSE or (context.clock.monotonic() - began >= START_PATIENCE and (
                last[0].urgent or not participant.any_starting(last[0].missing)))
        try:
            last[1] = launch_as_decided(participant, last[0])
        except NotNow as error:
            participant.published.set_status(str(error))
            context.log.info(str(error))
            # Each try asks the cluster several times; what ends at once is another node that founds.
            again["at"] = context.clock.monotonic() + again["pause"]
            again["pause"] = min(LAUNCH_AGAIN, 2 * again["pause"])
            return False
        return True

    context.deadline.poll(ready, every=0.3, up_to=context.deadline.left() * 2 / 3)
    return last


# waiting for the broker

def wait_until_serving(participant, running, decision, most):
    """Look at the launched broker as the monitor does, as long as that helps, at most so many seconds; then the monitor
    goes on. The Outcome."""
    context, state_files, clock = participant.context, participant.state_files, participant.context.clock
    began = clock.monotonic()
    last_state = looked = waiting_since = None
    while True:
        whole = False  # whether this round is a whole look
        if context.processes.gone(running):
            step = boot.launch_again(participant, most - (clock.monotonic() - began))
            running = step.launched
        else:
            observed = observe.observe(context, state_files, participant.layout)
            if observed.state in facts.BOOTED:
                context.log.say("%s State: %s." % (observed.sentence, observed.state))
                outcome = handle_serving(participant, observed)
                # A start that fails would keep this node out until an operator cleans up: the next monitor says it.
                return Outcome(codes.SUCCESS) if state_files.has("apart") else outcome
            if observed.state == last_state and clock.monotonic() - looked < LOOK_AGAIN:
                step = boot.Step(Outcome(codes.SUCCESS))
            else:
                # Not in each round: it asks the cluster.
                step, last_state, looked = boot.step(participant, observed), observed.state, clock.monotonic()
                whole = True
                context.log.say("%s State: %s." % (observed.sentence, observed.state))
                running = step.launched or running
        if running is None:
            return step.outcome
        now = clock.monotonic()
        if step.launched is not None:
            last_state = waiting_since = None
        elif waiting_since is None and last_state == facts.WAITING:
            waiting_since = now
        elif waiting_since is None and whole and now - began >= START_PATIENCE and (
                decision.action == facts.START and _needs_others(participant)):
            waiting_since = began
        if now - began >= most or (
                waiting_since is not None and now - waiting_since >= _patience(participant, now - waiting_since)):
            return Outcome(codes.SUCCESS)  # whatever the last look was: a start that fails would keep this node out
        clock.sleep(0.2 if waiting_since is None else 1.0)


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
