# SPDX-License-Identifier: Apache-2.0
"""A planned stop: publish it, wait while it would cost a quorum, drain the node, stop the broker, and prove that it is
gone.

Only the last two must succeed: no failure before them keeps the broker from being stopped.
"""

from quorate.host import daemon, drain
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.ocf.codes import Failed, Outcome
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions.participant import Participant, report_down
from quorate.rabbitmq.broker import layout, observe, process
from quorate.rabbitmq.broker.tools.ctl import Tools
from quorate.rabbitmq.election.decide import stop_impact

DRAIN = "/run/quorate/drain-rabbitmq"  # directory of the flags that a check on this node answers 404 for


def stop(context):
    """Drain the node, stop the broker, prove it. Needs no cluster, no credentials, no installed software."""
    return stop_instance(context, StateFiles("rabbitmq", context.instance, log=context.log))


def stop_instance(context, state_files):
    """Stop the broker of the instance that has these state files. The Outcome."""
    nodename = known_nodename(context, state_files)
    state = prepare_others(context, state_files, nodename)
    left = process.stop(context, state_files, nodename, max(2.0, context.deadline.left() - 2),
                        skip_grace=state in (facts.STARTING, facts.WAITING, facts.HUNG))
    drain.clear(context.instance, DRAIN)
    if left:
        return Outcome(codes.ERR_GENERIC, daemon.not_stopped(left))
    for name in (daemon.PROCESS_FILE, "started", "waiting", "unknown", "serving", "complaint", "policy", "launched-for",
                 "cut-off", "idle", "quiet", "forced", "crashed", "beside", "apart", "divided"):
        state_files.forget(name)
    report_down(context, state_files)
    return Outcome(codes.SUCCESS)


def known_nodename(context, state_files):
    """The Erlang name of this node's broker; found also without the software, and with parameters that lead nowhere."""
    known = state_files.read("layout").get("nodename")
    if known:
        return known
    try:
        return layout.find_layout(context).nodename
    except Failed:
        return layout.nodename(context.parameters.nodename or "rabbit", {})


def prepare_others(context, state_files, nodename):
    """Publish the stop of a running broker, wait while it would cost a quorum, and drain the node. Returns the broker's
    state before."""
    state = facts.UNKNOWN
    try:
        running = process.find(context, state_files, nodename)
        if running is None:
            return facts.DOWN
        found = layout.decode_layout(state_files.read("layout")) or layout.find_layout(context)
        state = facts.HUNG if running.state in "Tt" else observe.observe(context, state_files, found).state
        if state == facts.RUNNING and not state_files.has("apart"):
            participant = Participant(context, state_files, layout=found)
            if state_files.has("serving"):
                participant.disk.follow_served()  # the cluster may have forgotten a node since the last monitor
            _prepare_others(context, participant)
    except Exception as error:  # whatever it is: the stop goes on
        context.log.warning("Not drained: %s" % error)
    return state


def _prepare_others(context, participant):
    participant.report(facts.STOPPING)
    critical, alone = stop_impact(participant.published.snapshot())
    if alone:
        return
    tools = Tools(context, participant.layout)
    if critical or tools.critical():
        _wait_for_others(context, participant, tools)
        if stop_impact(participant.published.snapshot())[1]:
            return
    limit = min(context.parameters.drain_timeout, context.deadline.left() / 4)
    if limit >= 1:
        drain.set(context.instance, "planned stop of %s" % context.instance, DRAIN)
        done, message = tools.drain(limit)
        context.log.say("Drained." if done else message)


def _wait_for_others(context, participant, tools):
    """Wait for the other nodes to come back, within limits, and log what the stop costs when they do not."""
    limit = min(context.parameters.quorum_wait, context.deadline.left() / 2)
    participant.published.set_status("delays its stop until others are back: quorum queues would lose their quorum")

    def free():
        critical, alone = stop_impact(participant.published.snapshot())
        return alone or (not critical and tools.critical() is not True)

    if not context.deadline.poll(free, every=1.0, up_to=limit):
        context.log.warning("Stopped although quorum queues lose their quorum: the other nodes did not come back "
                            "within %d s." % limit)
