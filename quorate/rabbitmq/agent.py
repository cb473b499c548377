# SPDX-License-Identifier: Apache-2.0
"""ocf:quorate:rabbitmq: the actions, each of the form probe, decide, carry out."""

import os
import sys

from quorate.host import daemon
from quorate.ocf import codes
from quorate.ocf.agent import Agent, Outcome
from quorate.ocf.agent import main as run
from quorate.rabbitmq import facts, layout as layouts, probe, server
from quorate.rabbitmq.declaration import ACTIONS, LONGDESC, NAME, PARAMETERS, SHORTDESC
from quorate.rabbitmq.memory import Memory

TOLERATED_UNKNOWN = 3  # monitors in a row that may learn nothing before that is shown


def start(context):
    """Launch the broker when it is this node's turn. A wait for others ends start, not the wait: RabbitMQ needs them to be
    started, too."""
    from quorate.pacemaker.attributes import Unavailable
    from quorate.rabbitmq.cluster import RESERVE, Cluster
    memory = Memory(context.instance)
    layout = layouts.find(context)
    found = layouts.problems(layout)
    if found:
        return Outcome(codes.ERR_INSTALLED, found[0])
    memory.write("layout", layouts.as_note(layout))
    memory.write("started", {"at": int(context.clock.now())})
    for note in ("policy", "complaint", "waiting", "unknown", "cut-off"):
        memory.forget(note)
    cluster = Cluster(context, memory, layout=layout)
    process = server.find(context, memory, layout.nodename)
    try:
        if process is not None:
            adopt(context, memory, process, layout)
            return cluster.accompany(process, facts.Decision(facts.START, "It runs already."), most=RESERVE)
        decision, process = _our_turn(context, cluster)
        if process is None:
            return Outcome(codes.SUCCESS)
        return cluster.accompany(process, decision, most=max(1.0, context.deadline.left() - RESERVE))
    except Unavailable as trouble:  # a start that failed would keep this node out until somebody cleans up
        return _untold(context, trouble)


def _our_turn(context, cluster):
    """(Decision, Process) as soon as this node has something to start; (Decision, None) when that takes too long."""
    from quorate.rabbitmq.cluster import NotOurTurn
    from quorate.rabbitmq.cluster import START_PATIENCE
    last, began = [None, None], context.clock.monotonic()

    def ready():
        if last[0] is None or last[0].action != facts.WAIT or cluster.moved():
            last[0] = cluster.turn()
        if last[0].action in (facts.WAIT, facts.REFUSE):
            # Those that are waited for have to be started, too, and that may come after this.
            return last[0].action == facts.REFUSE or (context.clock.monotonic() - began >= START_PATIENCE
                                                      and (last[0].urgent or not cluster.comes(last[0].missing)))
        try:
            last[1] = cluster.carry_out(last[0])
        except NotOurTurn as other:
            context.log.info(str(other))
            return False
        return True

    context.deadline.poll(ready, every=0.3, up_to=context.deadline.left() * 2 / 3)
    return last


def adopt(context, memory, process, layout):
    """Take over a broker that runs and that we did not launch: its unit did, or the agent was killed after it had."""
    if server.noted(context, memory) is None:
        daemon.note(context, memory, process, layout.log)
        memory.write("layout", layouts.as_note(layout))


def stop(context):
    """Drain, stop the broker, prove it. Needs no cluster, no credentials, no software."""
    return halt(context, Memory(context.instance))


def halt(context, memory):
    """The stop of the instance that has these notes. Its Outcome."""
    from quorate.rabbitmq import stopping
    nodename = stopping.known_name(context, memory)
    state = stopping.hand_over(context, memory, nodename)
    left = server.stop(context, memory, nodename, max(2.0, context.deadline.left() - 2),
                       hopeless=state in (facts.STARTING, facts.WAITING, facts.HUNG))
    stopping.undrain(context)
    if left:
        return Outcome(codes.ERR_GENERIC, daemon.not_stopped(left))
    for note in (server.NOTE, "started", "waiting", "unknown", "serving", "complaint", "policy", "launched-for",
                 "cut-off"):
        memory.forget(note)
    stopping.tell(context, memory)
    return Outcome(codes.SUCCESS)


def monitor(context):
    """What is true on this node."""
    memory = Memory(context.instance)
    layout = layouts.from_note(memory.read("layout"))
    if layout is None or server.noted(context, memory) is None:
        return _without_note(context, memory)
    seen = probe.observe(context, memory, layout)
    context.log.say("%s State: %s." % (seen.sentence, seen.state))
    return judge(context, memory, layout, seen)


def _without_note(context, memory):
    """No broker that we launched: it died, waits for its turn, was never started, or somebody else started it."""
    died = memory.has(server.NOTE)
    layout = layouts.from_note(memory.read("layout")) or layouts.find(context)
    process = server.find(context, memory, layout.nodename)
    if process is not None:
        adopt(context, memory, process, layout)
        seen = probe.observe(context, memory, layout)
        context.log.say("%s State: %s." % (seen.sentence, seen.state))
        return judge(context, memory, layout, seen)
    context.log.say("No broker %s runs on this node." % layout.nodename)
    if context.is_probe:
        from quorate.rabbitmq.stopping import tell
        tell(context, memory)
    if died:
        words = server.last_words(memory, layout.log)
        context.log.error("The broker died: %s" % words)
        from quorate.rabbitmq.stopping import tell
        tell(context, memory)  # others may wait for it, or believe that it runs
        if not context.is_probe:
            return Outcome(codes.NOT_RUNNING, "The broker died: %s" % words)
    if died or not memory.has("started"):
        return Outcome(codes.NOT_RUNNING)
    from quorate.rabbitmq.cluster import Cluster
    return _waits(context, Cluster(context, memory, layout=layout))


def _waits(context, cluster):
    """The monitor of an instance whose broker has not had its turn."""
    from quorate.pacemaker.attributes import Unavailable
    from quorate.rabbitmq.cluster import NotOurTurn
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
    from quorate.rabbitmq.cluster import Cluster
    if seen.state != facts.UNKNOWN:
        memory.forget("unknown")
    if seen.state == facts.DOWN:
        words = server.last_words(memory, layout.log)
        return Outcome(codes.NOT_RUNNING, "The broker died: %s" % words)
    if seen.state == facts.HUNG:
        return Outcome(codes.ERR_GENERIC, "%s The broker is restarted." % seen.sentence)
    from quorate.pacemaker.attributes import Unavailable
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
    from quorate.rabbitmq.parted import by_its_files, cut_off
    seen = by_its_files(cluster, seen)
    if seen.state in (facts.PAUSED, facts.PARTITIONED):
        return cut_off(cluster, seen)
    outcome = cluster.served(seen)
    if seen.state == facts.RUNNING:
        from quorate.rabbitmq.stopping import complaint
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


def reload_agent(context):
    """Every action reads its parameters anew; only the policy has to be carried to the broker."""
    memory = Memory(context.instance)
    memory.forget("policy")
    memory.forget("complaint")
    layout = layouts.from_note(memory.read("layout"))
    if layout is not None and server.noted(context, memory) is not None:
        seen = probe.observe(context, memory, layout)
        if seen.state == facts.RUNNING:
            from quorate.rabbitmq.cluster import Cluster
            from quorate.rabbitmq.serving import apply_policy
            apply_policy(Cluster(context, memory, layout=layout))
    return Outcome(codes.SUCCESS)


def validate(context):
    """Level 0: the parameters only. Level 10: this machine, and what will hurt later."""
    from quorate.ocf.advice import warn
    from quorate.rabbitmq.validation import errors, warnings
    found = errors(context)
    if found:
        return Outcome(codes.ERR_CONFIGURED, " ".join(found))
    if context.check_level >= 10:
        warn(context, warnings(context))
    return Outcome(codes.SUCCESS)


AGENT = Agent(NAME, SHORTDESC, LONGDESC, PARAMETERS, ACTIONS, {
    "start": start, "stop": stop, "monitor": monitor, "reload-agent": reload_agent, "validate-all": validate,
})


def main():
    """Entry of agents/rabbitmq."""
    return run(AGENT, sys.argv, os.environ)


__all__ = ["AGENT", "main"]
