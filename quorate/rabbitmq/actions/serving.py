# SPDX-License-Identifier: Apache-2.0
"""A broker that serves: what is published while it does, and what is done once after a boot.

The monitor of a healthy broker finds nothing changed: that costs two stat calls and, once a minute, one question to the
cluster whether it still has this node's report.
"""

import os

from quorate.host import daemon
from quorate.host.state_files import StateFiles, stamp
from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.pacemaker.tools import this_node
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions.participant import Participant
from quorate.rabbitmq.broker import observe
from quorate.rabbitmq.broker.layout import decode_layout

VERIFY = 60  # seconds after which the monitor asks whether the cluster still has the report


def handle_serving(participant, observed):
    """Publish that the broker serves, and do what is left to do after a boot. The Outcome of start and monitor."""
    state_files = participant.state_files
    for name in ("waiting", "unknown") + (("cut-off",) if observed.state == facts.RUNNING else ()):
        state_files.forget(name)
    outcome = keep_record(participant, observed)
    if outcome is not None and outcome.code != codes.SUCCESS:
        return outcome
    after_boot(participant)
    problem = state_files.read("complaint").get("text")
    return Outcome(codes.DEGRADED, problem) if problem else Outcome(codes.SUCCESS)


def keep_record(participant, observed):
    """Publish the state and the members when they changed. The Outcome where the broker is not the cluster's, or not in
    one cluster with the others; else None."""
    state_files, layout, now = participant.state_files, participant.layout, int(participant.context.clock.monotonic())
    last = state_files.read("serving")
    fingerprint = "%s %s %s" % (observed.state, stamp(os.path.join(layout.directory, "cluster_nodes.config")),
                                stamp(os.path.join(layout.directory, "nodes_running_at_shutdown")))
    verified = int(last.get("verified", 0))
    fresh = bool(last) and 0 <= now - verified < VERIFY
    if last.get("mark") == fingerprint and fresh and not participant.context.is_probe:
        return None
    if last and last.get("mark") != fingerprint:
        fresh = participant.disk.follow_served() and fresh  # first: what serves is not older than itself
    problem = None
    if not fresh:
        from quorate.rabbitmq.actions import apart
        reports = participant.published.reports()
        outcome = apart.examine(participant, observed, reports, bool(last))
        if outcome is not None:
            return outcome
        participant.disk.keep_served()
        _verify(participant, observed, reports)
        if observed.state == facts.RUNNING:
            problem = apart.lasting_problem(participant, reports)
    if last.get("mark") != fingerprint:
        if not last:
            _first_record(participant)
        participant.report(observed.state)
        participant.published.set_status(serving_status(observed))
    elif not state_files.has("published"):
        participant.report(observed.state)
        participant.published.set_status(serving_status(observed))
    # While the others contradict it, each monitor asks again.
    verified = 0 if problem is not None else verified if fresh else now
    state_files.write("serving", {"mark": fingerprint, "verified": verified, "since": last.get("since", now)})
    return problem


def _verify(participant, observed, reports):
    """Make keep_record publish again where the cluster lost this node's report; learn the members where others
    joined."""
    me = this_node(participant.context)
    if me not in reports:
        participant.state_files.forget("published")
    elif members_changed(reports, me):
        learn_members(participant)
        participant.report(observed.state)


def _first_record(participant):
    """The broker serves for the first time since it was launched: what it has on disk now is true, and the override
    ends."""
    for name in ("crashed", "idle", "quiet", "beside"):
        participant.state_files.forget(name)
    participant.disk.drop_evidence()
    participant.state_files.discard("forcing")
    _end_override(participant)
    participant.published.took_part(participant.published.generation() or 0)


def _end_override(participant):
    """An override to boot ends when a broker serves: otherwise it would be obeyed after the next stop of all, when no
    operator means it any more. One to replace a node ends when that node serves, also where the cluster had forgotten
    it or its data came back: else they would be forgotten the next time that they are not mounted."""
    override = participant.published.override()
    if override is not None and (not override.replace or override.node == this_node(participant.context)):
        participant.context.log.warning("The override by %s (%s %s) was not needed, and ends: a broker runs." % (
            override.by, "replace" if override.replace else "boot", override.node))
        participant.published.set_override(None)


def members_changed(reports, me):
    """Whether, with Khepri, the members may not be those that this node knows: a broker runs that is none of them, or
    one of them runs nowhere and may have been forgotten. With Mnesia a file says so."""
    own = reports[me]
    running = {one.name for one in reports.values() if one.state == facts.RUNNING and one.name}
    return own.store == facts.KHEPRI and running != set(own.members or ())


def learn_members(participant):
    """Ask the broker who the members are, and keep them over a reboot: with Khepri no file of RabbitMQ's says so."""
    from quorate.rabbitmq.broker import parse
    from quorate.rabbitmq.broker.tools.ctl import Tools
    found = parse.cluster_members(Tools(participant.context, participant.layout).cluster_status())
    if found:
        participant.disk.keep_members(found)


def serving_status(observed):
    """The text of the node attribute RESOURCE-status."""
    return "running" if observed.state == facts.RUNNING else observed.sentence


# once after each boot

def after_boot(participant):
    """Extend quorum queues to a node that joined as a new member, and set the policy. What fails is tried again by the
    next monitor."""
    state_files = participant.state_files
    if state_files.read("grow", persistent=True):
        from quorate.rabbitmq.actions import membership
        membership.grow(participant)
    if not state_files.has("policy"):
        apply_policy(participant)


def apply_policy(participant):
    """Set the policy of the parameter, unless it was the last one that was set. One node is enough; setting it twice
    does no harm."""
    from quorate.rabbitmq.broker import parse
    from quorate.rabbitmq.broker.tools import policy
    from quorate.rabbitmq.broker.tools.ctl import Tools
    state_files, text = participant.state_files, participant.context.parameters.set_policy
    if not text:
        state_files.write("policy", {"mark": "-"})
        return
    try:
        wanted = policy.parse(text)
        problem = policy.unsupported(wanted, parse.version_key(participant.layout.version))
    except policy.Unclear as error:
        problem = str(error)
    if not problem:
        fingerprint = _fingerprint("\0".join(wanted.arguments()))
        # A cluster that is founded anew has none, whatever was set in the one before.
        founded = state_files.read("launched-for").get("action") == facts.FOUND
        if founded or participant.published.policy() != fingerprint:
            done, message = Tools(participant.context, participant.layout).set_policy(wanted)
            if not done:
                _show_problem(participant, message)
                return  # the next monitor tries again: the broker may only have been busy
            participant.context.log.info("The policy %s was set." % wanted.name)
            participant.published.set_policy(fingerprint)
        state_files.forget("complaint")
    else:
        _show_problem(participant, problem)
    state_files.write("policy", {"mark": "-"})


def reload_policy(context):
    """What reload-agent does: set the policy of the parameter again, if a broker runs."""
    state_files = StateFiles("rabbitmq", context.instance, log=context.log)
    state_files.forget("policy")
    state_files.forget("complaint")
    layout = decode_layout(state_files.read("layout"))
    if layout is not None and daemon.launched_process(context, state_files) is not None:
        if observe.observe(context, state_files, layout).state == facts.RUNNING:
            apply_policy(Participant(context, state_files, layout=layout))


def _show_problem(participant, problem):
    """Log the problem, and show it as the reason of a degraded monitor."""
    participant.context.log.error(problem)
    participant.state_files.write("complaint", {"text": problem})


def _fingerprint(text):
    from hashlib import sha256
    return sha256(text.encode()).hexdigest()[:16]
