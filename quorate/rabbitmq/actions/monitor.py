# SPDX-License-Identifier: Apache-2.0
"""ocf:quorate:rabbitmq: the actions, each of the form probe, decide, carry out."""

from quorate.host import daemon
from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import start
from quorate.rabbitmq.broker import health, observe, process
from quorate.rabbitmq.broker.layout import find_layout, from_note
from quorate.rabbitmq.broker.process import find, last_words
from quorate.host.state_files import StateFiles

TOLERATED_UNKNOWN = 3  # monitors in a row that may learn nothing before that is shown


def monitor(context):
    """What is true on this node."""
    state_files = StateFiles("rabbitmq", context.instance)
    layout = from_note(state_files.read("layout"))
    if layout is None or daemon.launched_process(context, state_files) is None:
        return _without_note(context, state_files)
    observed = observe.observe(context, state_files, layout)
    context.log.say("%s State: %s." % (observed.sentence, observed.state))
    return judge(context, state_files, layout, observed)


def _without_note(context, state_files):
    """No broker that we launched: it died, waits for its turn, was never started, or somebody else started it."""
    died = state_files.has(daemon.NOTE)
    layout = from_note(state_files.read("layout")) or find_layout(context)
    process = find(context, state_files, layout.nodename)
    if process is not None:
        start.adopt(context, state_files, process, layout)
        observed = observe.observe(context, state_files, layout)
        context.log.say("%s State: %s." % (observed.sentence, observed.state))
        return judge(context, state_files, layout, observed)
    context.log.say("No broker %s runs on this node." % layout.nodename)
    if context.is_probe:
        from quorate.rabbitmq.actions.stop import tell
        tell(context, state_files)
    if died:
        words = last_words(state_files, layout.log)
        context.log.error("The broker died: %s" % words)
        from quorate.rabbitmq.actions.stop import tell
        tell(context, state_files)  # others may wait for it, or believe that it runs
        if not context.is_probe:
            return Outcome(codes.NOT_RUNNING, "The broker died: %s" % words)
    if died or not state_files.has("started"):
        return Outcome(codes.NOT_RUNNING)
    from quorate.rabbitmq.actions.participant import Participant
    return _waits(context, Participant(context, state_files, layout=layout))


def _waits(context, participant):
    """The monitor of an instance whose broker has not had its turn."""
    from quorate.pacemaker.tools import Unavailable
    from quorate.rabbitmq.actions.participant import NotNow
    try:
        return participant.wait()
    except NotNow:
        return Outcome(codes.SUCCESS)
    except Unavailable as trouble:
        return _untold(context, trouble)


def _untold(context, trouble, otherwise=Outcome(codes.SUCCESS)):
    """A cluster that cannot be asked or told (its attribute daemon restarts, or waits for a peer that hangs) says nothing of
    the broker: a failure would restart one that is well, on all nodes at once."""
    context.log.warning("%s The next monitor tries again." % trouble.reason)
    return otherwise


def judge(context, state_files, layout, observed):
    """The Outcome of a monitor for what was seen of a broker that is there."""
    from quorate.rabbitmq.actions.participant import Participant
    if observed.state != facts.UNKNOWN:
        state_files.forget("unknown")
    if observed.state == facts.DOWN:
        words = process.last_words(state_files, layout.log)
        return Outcome(codes.NOT_RUNNING, "The broker died: %s" % words)
    if observed.state == facts.HUNG:
        return Outcome(codes.ERR_GENERIC, "%s The broker is restarted." % observed.sentence)
    from quorate.pacemaker.tools import Unavailable
    try:
        return _judged(context, state_files, Participant(context, state_files, layout=layout), observed)
    except Unavailable as trouble:
        well = observed.state in (facts.RUNNING, facts.STARTING, facts.WAITING)
        return _untold(context, trouble, Outcome(codes.SUCCESS) if well else Outcome(codes.DEGRADED, observed.sentence))


def _judged(context, state_files, participant, observed):
    """The Outcome for a broker that does something; what it is may have to be told to the cluster."""
    if observed.state in (facts.STARTING, facts.WAITING):
        return participant.watch(observed)
    if observed.state == facts.UNKNOWN:
        return _unknown(context, state_files, observed)
    from quorate.rabbitmq.actions.recovery import by_its_files, cut_off
    observed = by_its_files(participant, observed)
    if observed.state in (facts.PAUSED, facts.PARTITIONED):
        return cut_off(participant, observed)
    outcome = participant.served(observed)
    if observed.state == facts.RUNNING:
        said = complaint(observed)
        return Outcome(codes.DEGRADED, said) if said and outcome.code == codes.SUCCESS else outcome
    return Outcome(codes.DEGRADED, observed.sentence)


def _unknown(context, state_files, observed):
    """It lives and does not say more. That is no reason to stop a broker."""
    count = int(state_files.read("unknown").get("count", 0)) + 1
    state_files.write("unknown", {"count": count})
    if count < TOLERATED_UNKNOWN and not context.interactive:
        return Outcome(codes.SUCCESS)
    return Outcome(codes.DEGRADED, observed.sentence)


def complaint(observed):
    """What a broker that serves is in trouble with: a sentence, or None."""
    return observed.sentence if observed.code in health.DEGRADED else None


def reload_policy(context):
    """What reload-agent does: the parameter set_policy is applied anew to a broker that runs."""
    state_files = StateFiles("rabbitmq", context.instance)
    state_files.forget("policy")
    state_files.forget("complaint")
    layout = from_note(state_files.read("layout"))
    if layout is not None and daemon.launched_process(context, state_files) is not None:
        observed = observe.observe(context, state_files, layout)
        if observed.state == facts.RUNNING:
            from quorate.rabbitmq.actions.participant import Participant
            from quorate.rabbitmq.actions.serving import apply_policy
            apply_policy(Participant(context, state_files, layout=layout))
