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
from quorate.rabbitmq.actions import silence
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
    deaf = prepare_others(context, state_files, nodename)
    left = process.stop(context, state_files, nodename, max(2.0, context.deadline.left() - 2), skip_grace=deaf)
    drain.clear(context.instance, DRAIN)
    if left:
        return Outcome(codes.ERR_GENERIC, daemon.not_stopped(left))
    for name in (daemon.PROCESS_FILE, "started", "waiting", "unknown", "serving", "complaint", "policy", "launched-for",
                 "cut-off", "growing", "idle", "quiet", "forced", "crashed", "beside", "apart", "divided", "silent",
                 "still"):
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
    """Publish the stop of a running broker, wait while it would cost a quorum, and drain the node. Returns whether the
    broker is unlikely to react to SIGTERM."""
    deaf = False
    try:
        running = process.find(context, state_files, nodename)
        if running is None or running.state in "Tt":
            return running is not None
        found = layout.decode_layout(state_files.read("layout")) or layout.find_layout(context)
        silence.look(context, state_files, running)
        observed = observe.observe(context, state_files, found)
        deaf = is_deaf(context, state_files, observed)
        if not deaf and may_serve(observed) and not state_files.has("apart"):
            participant = Participant(context, state_files, layout=found)
            if state_files.has("serving"):
                participant.disk.follow_served()  # the cluster may have forgotten a node since the last monitor
            _prepare_others(context, participant)
    except Exception as error:  # whatever it is: the stop goes on
        context.log.warning("Not drained: %s" % error)
    return deaf


def may_serve(observed):
    """Whether a broker that is not deaf may have clients, and members of quorum queues that take part: also one in
    maintenance, without AMQP listeners, or of which nothing is known."""
    if observed.state == facts.STARTING:
        return observed.broker.stage in (facts.RUNNING, None)
    return observed.state in (facts.RUNNING, facts.DRAINING, facts.HUNG, facts.UNKNOWN)


def is_deaf(context, state_files, observed):
    """Whether a broker is unlikely to react to SIGTERM: it boots, or hangs. One that is slow, that serves where it is
    not asked, or whose listeners are closed already ends in good order, for which it may need all of its time."""
    if observed.state == facts.HUNG:
        return silence.stands_still(context, state_files, observed.process)
    if observed.state not in (facts.STARTING, facts.WAITING):
        return False
    stage = observed.broker.stage  # None: its log does not tell
    return stage in (facts.STARTING, facts.WAITING) or stage is None and not state_files.has("serving")


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
