# SPDX-License-Identifier: Apache-2.0
"""start: launch the broker when the election allows it; what is still to be waited for is the monitor's."""

from quorate.host import daemon
from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import monitor
from quorate.rabbitmq.broker.layout import as_note, find_layout, layout_problems
from quorate.rabbitmq.broker.process import find
from quorate.host.state_files import StateFiles


def start(context):
    """Launch the broker when it is this node's turn. A wait for others ends start, not the wait: RabbitMQ needs them to be
    started, too."""
    from quorate.pacemaker.tools import Unavailable
    from quorate.rabbitmq.actions.participant import RESERVE, Participant
    state_files = StateFiles("rabbitmq", context.instance)
    layout = find_layout(context)
    found = layout_problems(layout)
    if found:
        return Outcome(codes.ERR_INSTALLED, found[0])
    state_files.write("layout", as_note(layout))
    state_files.write("started", {"at": int(context.clock.now())})
    for note in ("policy", "complaint", "waiting", "unknown", "cut-off"):
        state_files.forget(note)
    participant = Participant(context, state_files, layout=layout)
    process = find(context, state_files, layout.nodename)
    try:
        if process is not None:
            adopt(context, state_files, process, layout)
            return participant.accompany(process, facts.Decision(facts.START, "It runs already."), most=RESERVE)
        decision, process = _our_turn(context, participant)
        if process is None:
            return Outcome(codes.SUCCESS)
        return participant.accompany(process, decision, most=max(1.0, context.deadline.left() - RESERVE))
    except Unavailable as trouble:  # a start that failed would keep this node out until somebody cleans up
        return monitor._untold(context, trouble)


def _our_turn(context, participant):
    """(Decision, Process) as soon as this node has something to start; (Decision, None) when that takes too long."""
    from quorate.rabbitmq.actions.participant import NotNow
    from quorate.rabbitmq.actions.participant import START_PATIENCE
    last, began = [None, None], context.clock.monotonic()

    def ready():
        if last[0] is None or last[0].action != facts.WAIT or participant.moved():
            last[0] = participant.turn()
        if last[0].action in (facts.WAIT, facts.REFUSE):
            # Those that are waited for have to be started, too, and that may come after this.
            return last[0].action == facts.REFUSE or (context.clock.monotonic() - began >= START_PATIENCE
                                                      and (last[0].urgent or not participant.comes(last[0].missing)))
        try:
            last[1] = participant.carry_out(last[0])
        except NotNow as other:
            context.log.info(str(other))
            return False
        return True

    context.deadline.poll(ready, every=0.3, up_to=context.deadline.left() * 2 / 3)
    return last


def adopt(context, state_files, process, layout):
    """Take over a broker that runs and that we did not launch: its unit did, or the agent was killed after it had."""
    if daemon.launched_process(context, state_files) is None:
        daemon.note(context, state_files, process, layout.log)
        state_files.write("layout", as_note(layout))
