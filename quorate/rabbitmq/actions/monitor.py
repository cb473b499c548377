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
from quorate.rabbitmq.memory import Memory

TOLERATED_UNKNOWN = 3  # monitors in a row that may learn nothing before that is shown


def monitor(context):
    """What is true on this node."""
    memory = Memory(context.instance)
    layout = from_note(memory.read("layout"))
    if layout is None or daemon.noted(context, memory) is None:
        return _without_note(context, memory)
    seen = observe.observe(context, memory, layout)
    context.log.say("%s State: %s." % (seen.sentence, seen.state))
    return judge(context, memory, layout, seen)


def _without_note(context, memory):
    """No broker that we launched: it died, waits for its turn, was never started, or somebody else started it."""
    died = memory.has(daemon.NOTE)
    layout = from_note(memory.read("layout")) or find_layout(context)
    process = find(context, memory, layout.nodename)
    if process is not None:
        start.adopt(context, memory, process, layout)
        seen = observe.observe(context, memory, layout)
        context.log.say("%s State: %s." % (seen.sentence, seen.state))
        return judge(context, memory, layout, seen)
    context.log.say("No broker %s runs on this node." % layout.nodename)
    if context.is_probe:
        from quorate.rabbitmq.actions.stop import tell
        tell(context, memory)
    if died:
        words = last_words(memory, layout.log)
        context.log.error("The broker died: %s" % words)
        from quorate.rabbitmq.actions.stop import tell
        tell(context, memory)  # others may wait for it, or believe that it runs
        if not context.is_probe:
            return Outcome(codes.NOT_RUNNING, "The broker died: %s" % words)
    if died or not memory.has("started"):
        return Outcome(codes.NOT_RUNNING)
    from quorate.rabbitmq.actions.participant import Cluster
    return _waits(context, Cluster(context, memory, layout=layout))


def _waits(context, cluster):
    """The monitor of an instance whose broker has not had its turn."""
    from quorate.pacemaker.tools import Unavailable
    from quorate.rabbitmq.actions.participant import NotOurTurn
    try:
        return cluster.wait()
    except NotOurTurn:
        return Outcome(codes.SUCCESS)
    except Unavailable as trouble:
        return _untold(context, trouble)


def _untold(context, trouble, otherwise=Outcome(codes.SUCCESS)):
    """A cluster that cannot be asked or told (its attribute daemon restarts, or waits for a peer that hangs) says nothing of
    the broker: a failure would restart one that is well, on all nodes at once."""
    context.log.warning("%s The next monitor tries again." % trouble.reason)
    return otherwise


def judge(context, memory, layout, seen):
    """The Outcome of a monitor for what was seen of a broker that is there."""
    from quorate.rabbitmq.actions.participant import Cluster
    if seen.state != facts.UNKNOWN:
        memory.forget("unknown")
    if seen.state == facts.DOWN:
        words = process.last_words(memory, layout.log)
        return Outcome(codes.NOT_RUNNING, "The broker died: %s" % words)
    if seen.state == facts.HUNG:
        return Outcome(codes.ERR_GENERIC, "%s The broker is restarted." % seen.sentence)
    from quorate.pacemaker.tools import Unavailable
    try:
        return _judged(context, memory, Cluster(context, memory, layout=layout), seen)
    except Unavailable as trouble:
        well = seen.state in (facts.RUNNING, facts.STARTING, facts.WAITING)
        return _untold(context, trouble, Outcome(codes.SUCCESS) if well else Outcome(codes.DEGRADED, seen.sentence))


def _judged(context, memory, cluster, seen):
    """The Outcome for a broker that does something; what it is may have to be told to the cluster."""
    if seen.state in (facts.STARTING, facts.WAITING):
        return cluster.watch(seen)
    if seen.state == facts.UNKNOWN:
        return _unknown(context, memory, seen)
    from quorate.rabbitmq.actions.recovery import by_its_files, cut_off
    seen = by_its_files(cluster, seen)
    if seen.state in (facts.PAUSED, facts.PARTITIONED):
        return cut_off(cluster, seen)
    outcome = cluster.served(seen)
    if seen.state == facts.RUNNING:
        said = complaint(seen)
        return Outcome(codes.DEGRADED, said) if said and outcome.code == codes.SUCCESS else outcome
    return Outcome(codes.DEGRADED, seen.sentence)


def _unknown(context, memory, seen):
    """It lives and does not say more. That is no reason to stop a broker."""
    count = int(memory.read("unknown").get("count", 0)) + 1
    memory.write("unknown", {"count": count})
    if count < TOLERATED_UNKNOWN and not context.by_hand:
        return Outcome(codes.SUCCESS)
    return Outcome(codes.DEGRADED, seen.sentence)


def complaint(seen):
    """What a broker that serves is in trouble with: a sentence, or None."""
    return seen.sentence if seen.code in health.DEGRADED else None


def reload_policy(context):
    """What reload-agent does: the parameter set_policy is applied anew to a broker that runs."""
    memory = Memory(context.instance)
    memory.forget("policy")
    memory.forget("complaint")
    layout = from_note(memory.read("layout"))
    if layout is not None and daemon.noted(context, memory) is not None:
        seen = observe.observe(context, memory, layout)
        if seen.state == facts.RUNNING:
            from quorate.rabbitmq.actions.participant import Cluster
            from quorate.rabbitmq.actions.serving import apply_policy
            apply_policy(Cluster(context, memory, layout=layout))
