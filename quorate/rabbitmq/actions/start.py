# SPDX-License-Identifier: Apache-2.0
"""start: launch the broker when the election allows it; what is still to be waited for is the monitor's."""

from quorate.host import daemon
from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import monitor
from quorate.rabbitmq.broker.layout import as_note, find_layout, layout_problems
from quorate.rabbitmq.broker.process import find
from quorate.rabbitmq.memory import Memory


def start(context):
    """Launch the broker when it is this node's turn. A wait for others ends start, not the wait: RabbitMQ needs them to be
    started, too."""
    from quorate.pacemaker.tools import Unavailable
    from quorate.rabbitmq.actions.participant import RESERVE, Cluster
    memory = Memory(context.instance)
    layout = find_layout(context)
    found = layout_problems(layout)
    if found:
        return Outcome(codes.ERR_INSTALLED, found[0])
    memory.write("layout", as_note(layout))
    memory.write("started", {"at": int(context.clock.now())})
    for note in ("policy", "complaint", "waiting", "unknown", "cut-off"):
        memory.forget(note)
    cluster = Cluster(context, memory, layout=layout)
    process = find(context, memory, layout.nodename)
    try:
        if process is not None:
            adopt(context, memory, process, layout)
            return cluster.accompany(process, facts.Decision(facts.START, "It runs already."), most=RESERVE)
        decision, process = _our_turn(context, cluster)
        if process is None:
            return Outcome(codes.SUCCESS)
        return cluster.accompany(process, decision, most=max(1.0, context.deadline.left() - RESERVE))
    except Unavailable as trouble:  # a start that failed would keep this node out until somebody cleans up
        return monitor._untold(context, trouble)


def _our_turn(context, cluster):
    """(Decision, Process) as soon as this node has something to start; (Decision, None) when that takes too long."""
    from quorate.rabbitmq.actions.participant import NotOurTurn
    from quorate.rabbitmq.actions.participant import START_PATIENCE
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
    if daemon.noted(context, memory) is None:
        daemon.note(context, memory, process, layout.log)
        memory.write("layout", as_note(layout))
