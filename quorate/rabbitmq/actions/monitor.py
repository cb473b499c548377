# SPDX-License-Identifier: Apache-2.0
"""monitor: observe the broker, and turn what it does into an Outcome.

Brokers that boot are handled by actions.boot, partitioned ones by actions.recovery, imported only when needed.
"""

from quorate.host import daemon
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.pacemaker.tools import Unavailable
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions.participant import (
    URGENT_AFTER, NotNow, Participant, report_down, stable_reason, unpublished)
from quorate.rabbitmq.broker import health, observe, process
from quorate.rabbitmq.broker.layout import decode_layout, find_layout

TOLERATED_UNKNOWN = 3  # consecutive monitors that may find out nothing before that is shown


def monitor(context):
    """Whether the broker runs on this node, and what it does."""
    state_files = StateFiles("rabbitmq", context.instance, log=context.log)
    layout = decode_layout(state_files.read("layout"))
    if layout is None or daemon.launched_process(context, state_files) is None:
        return _without_launched(context, state_files)
    return _with_broker(context, state_files, layout)


def _with_broker(context, state_files, layout):
    observed = observe.observe(context, state_files, layout)
    context.log.say("%s State: %s." % (observed.sentence, observed.state))
    if observed.state != facts.DOWN and not context.interactive:
        state_files.bound("output")  # what a broker prints beside its log
    return outcome_of(context, state_files, layout, observed)


def _without_launched(context, state_files):
    """No broker runs that this agent launched: it died, waits until it may start, was never started, or another program
    started one."""
    died = state_files.has(daemon.PROCESS_FILE)
    layout = decode_layout(state_files.read("layout")) or find_layout(context)
    running = process.find(context, state_files, layout.nodename)
    if running is not None:
        from quorate.rabbitmq.actions.start import adopt
        adopt(context, state_files, running, layout)
        return _with_broker(context, state_files, layout)
    context.log.say("No broker %s runs on this node." % layout.nodename)
    if context.is_probe:
        report_down(context, state_files)
    if died:
        from quorate.rabbitmq.broker.log import ending
        why = ending.died(context, state_files, layout)
        context.log.error("The broker died: %s" % why)
        if not context.is_probe and state_files.has("started") and not state_files.has("serving"):
            return _died_booting(Participant(context, state_files, layout=layout))
        report_down(context, state_files)  # others may wait for it, or believe that it runs
        if not context.is_probe:
            return Outcome(codes.NOT_RUNNING, "The broker died: %s" % why)
    if died or not state_files.has("started"):
        return Outcome(codes.NOT_RUNNING)
    return _waiting(context, Participant(context, state_files, layout=layout))


def _waiting(context, participant):
    """The monitor of a started instance whose broker was not launched yet."""
    try:
        return wait(participant)
    except NotNow as error:
        participant.published.set_status(str(error))
        if participant.state_files.elapsed("waiting", participant.context.clock) >= URGENT_AFTER:
            return Outcome(codes.DEGRADED, str(error))
        return Outcome(codes.SUCCESS)
    except Unavailable as error:
        return unpublished(context, error)


def wait(participant):
    """Decide again; launch the broker if the decision allows it. The Outcome."""
    context, state_files = participant.context, participant.state_files
    decision = participant.decide_and_publish()
    if decision.action not in (facts.WAIT, facts.REFUSE):
        from quorate.rabbitmq.actions.launch import launch_as_decided
        from quorate.rabbitmq.actions.start import wait_until_serving
        launched = launch_as_decided(participant, decision)
        return wait_until_serving(participant, launched, decision, most=context.deadline.left() / 2)
    if state_files.elapsed("waiting", context.clock) >= URGENT_AFTER and decision.urgent:
        return Outcome(codes.DEGRADED, stable_reason(decision, context.instance))
    return Outcome(codes.SUCCESS)


def outcome_of(context, state_files, layout, observed):
    """The Outcome of a monitor that observed a broker."""
    if observed.state != facts.UNKNOWN:
        state_files.forget("unknown")
    if observed.state == facts.HUNG:
        from quorate.rabbitmq.actions import silence
        return silence.monitor_silent(context, state_files, layout, observed, lambda later: _shown(
            context, state_files, layout, later))
    state_files.forget("silent")
    return _shown(context, state_files, layout, observed)


def _shown(context, state_files, layout, observed):
    """The Outcome of a monitor whose broker is down, or does not hang."""
    if observed.state == facts.DOWN:
        from quorate.rabbitmq.broker.log import ending
        return Outcome(codes.NOT_RUNNING, "The broker died: %s" % ending.died(context, state_files, layout))
    try:
        return _published_outcome(Participant(context, state_files, layout=layout), observed)
    except Unavailable as error:
        well = observed.state in (facts.RUNNING, facts.STARTING, facts.WAITING)
        outcome = Outcome(codes.SUCCESS) if well else Outcome(codes.DEGRADED, observed.sentence)
        return unpublished(context, error, outcome)


def _published_outcome(participant, observed):
    """The Outcome for a broker that is neither down nor hung. Its state may have to be published."""
    if observed.state in (facts.STARTING, facts.WAITING):
        return _booting(participant, observed)
    if observed.state == facts.UNKNOWN:
        return _unknown(participant.context, participant.state_files, observed)
    from quorate.rabbitmq.actions import recovery
    from quorate.rabbitmq.actions.serving import handle_serving
    observed = recovery.partitioned_by_files(participant, observed)
    if observed.state in (facts.PAUSED, facts.PARTITIONED):
        return recovery.monitor_partitioned(participant, observed)
    outcome = handle_serving(participant, observed)
    if outcome.code == codes.ERR_GENERIC:
        return outcome
    if observed.state != facts.RUNNING:
        return Outcome(codes.DEGRADED, observed.sentence)
    if outcome.code == codes.SUCCESS and observed.code in health.DEGRADED:
        if observed.code not in (health.LEADERLESS, health.CRITICAL) or not recovery.others_boot_too(participant):
            return Outcome(codes.DEGRADED, observed.sentence)
    return outcome


def _booting(participant, observed):
    """The monitor of a broker that boots; where it was replaced by a forced boot, it stays with that one."""
    from quorate.rabbitmq.actions import boot
    from quorate.rabbitmq.actions.start import wait_until_serving
    step = boot.step(participant, observed)
    if step.launched is None:
        return step.outcome
    return wait_until_serving(participant, step.launched, step.decision, participant.context.deadline.left() / 2)


def _died_booting(participant):
    """The monitor of a broker that ended before it served: it is launched again where that may help."""
    from quorate.rabbitmq.actions import boot
    try:
        step = boot.launch_again(participant, participant.context.deadline.left())
    except Unavailable as error:
        return unpublished(participant.context, error)
    return step.outcome if step.outcome.code == codes.SUCCESS else Outcome(codes.NOT_RUNNING, step.outcome.reason)


def _unknown(context, state_files, observed):
    """The broker lives, and nothing more can be found out. That is no reason to stop it."""
    count = int(state_files.read("unknown").get("count", 0)) + 1
    state_files.write("unknown", {"count": count})
    if count < TOLERATED_UNKNOWN and not context.interactive:
        return Outcome(codes.SUCCESS)
    return Outcome(codes.DEGRADED, observed.sentence)
