# SPDX-License-Identifier: Apache-2.0
"""A planned stop: say so, do not cost a quorum while others are away, hand over to them, then stop.

Whatever goes wrong here, the stop goes on: nothing about handing over may keep a broker from being stopped.
"""

from quorate.host import daemon
from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions.participant import Participant
from quorate.rabbitmq.broker import layout, observe, process
from quorate.rabbitmq.broker.layout import find_layout, from_note
from quorate.rabbitmq.broker.process import find
from quorate.rabbitmq.election.decide import stopping
from quorate.host.state_files import StateFiles


def stop(context):
    """Drain, stop the broker, prove it. Needs no cluster, no credentials, no software."""
    return halt(context, StateFiles("rabbitmq", context.instance))


def halt(context, state_files):
    """The stop of the instance that has these notes. Its Outcome."""
    nodename = known_name(context, state_files)
    state = hand_over(context, state_files, nodename)
    left = process.stop(context, state_files, nodename, max(2.0, context.deadline.left() - 2),
                       skip_grace=state in (facts.STARTING, facts.WAITING, facts.HUNG))
    undrain(context)
    if left:
        return Outcome(codes.ERR_GENERIC, daemon.not_stopped(left))
    for note in (daemon.NOTE, "started", "waiting", "unknown", "serving", "complaint", "policy", "launched-for",
                 "cut-off"):
        state_files.forget(note)
    tell(context, state_files)
    return Outcome(codes.SUCCESS)


def known_name(context, state_files):
    """The Erlang name of this node's broker; works without the software, and with parameters that lead nowhere."""
    from quorate.ocf.codes import Failed
    note = state_files.read("layout").get("nodename")
    if note:
        return note
    try:
        return find_layout(context).nodename
    except Failed:
        return layout.nodename(context.parameters.nodename or "rabbit", {})


def hand_over(context, state_files, nodename):
    """Before a stop: the state of the broker, and others took over what they could. Returns that state."""
    state = facts.UNKNOWN
    try:
        process = find(context, state_files, nodename)
        if process is None:
            return facts.DOWN
        layout = from_note(state_files.read("layout")) or find_layout(context)
        state = facts.HUNG if process.state in "Tt" else observe.observe(context, state_files, layout).state
        if state == facts.RUNNING:
            _hand_over(context, Participant(context, state_files, layout=layout))
    except Exception as error:  # whatever it is
        context.log.warning("Not handed over: %s" % error)
    return state


def _hand_over(context, participant):
    from quorate.rabbitmq.broker.ctl import Tools
    participant.report(facts.STOPPING)
    critical, alone = stopping(participant.published.snapshot())
    if alone:
        return
    tools = Tools(context, participant.layout)
    if critical or tools.critical():
        _wait_for_others(context, participant, tools)
        if stopping(participant.published.snapshot())[1]:
            return
    limit = min(context.parameters.drain_timeout, context.deadline.left() / 4)
    if limit >= 1:
        mark_drain(context)
        done, words = tools.drain(limit)
        context.log.say("Drained." if done else words)


def _wait_for_others(context, participant, tools):
    """Wait for the others to come back, within bounds, and say what it costs when they do not."""
    limit = min(context.parameters.quorum_wait, context.deadline.left() / 2)
    participant.published.set_status("stops once the others are back: quorum queues would lose their quorum")

    def free():
        critical, alone = stopping(participant.published.snapshot())
        return alone or (not critical and tools.critical() is not True)

    if not context.deadline.poll(free, every=1.0, up_to=limit):
        context.log.warning("Stopped although quorum queues lose their quorum: the other nodes did not come back within %d s."
                            % limit)


def mark_drain(context):
    """Let a check on this node answer that it drains."""
    from quorate.host import drain
    drain.set(context.instance, "planned stop of %s" % context.instance, DRAIN)


def undrain(context):
    from quorate.host import drain
    drain.clear(context.instance, DRAIN)


DRAIN = "/run/quorate/drain-rabbitmq"


def tell(context, state_files):
    """Say what is on the disk of a node that runs no broker. The cluster may be unreachable: then nobody asks."""
    from quorate.ocf.codes import Failed
    from quorate.pacemaker.tools import Unavailable
    try:
        participant = Participant(context, state_files)
        participant.report(facts.DOWN)
        if not state_files.has("started"):
            participant.published.withdraw_status()
    except Unavailable as trouble:
        state_files.forget("published")
        context.log.debug("Not told to the cluster: %s" % trouble.reason)
    except Failed as trouble:
        context.log.debug("Not told to the cluster: %s" % trouble.reason)
