# SPDX-License-Identifier: Apache-2.0
"""The actions, the same for every service: probe, decide, carry out. What differs is in the service's declaration."""

from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.openstack import facts
from quorate.openstack.facts import FAILED_FILE, SERVICE_FILE, SYMPTOMS_FILE
from quorate.openstack.service import observe
from quorate.openstack.service.sources import Sources
from quorate.openstack.symptoms import detect, diagnosis

SECOND_LOOK = 0.5  # seconds after which what a fork or a respawn may explain is looked at again


def monitor(context, service, sources=None, state_files=None):
    """What is true on this node."""
    sources, state_files = sources or Sources(context.commands), state_files or StateFiles(service.name, context.instance)
    observed = observe.observe(context, service, state_files, sources, context.check_level)
    found = detect.symptoms(service, observed)
    if any(one.kind == facts.FATAL or one.key in ("workers", "port") for one in found) and not context.deadline.expired:
        # Between a fork and what follows a child looks like its parent, and a worker that died is replaced within 20 ms.
        context.clock.sleep(context.deadline.limit(SECOND_LOOK))
        observed = observe.observe(context, service, state_files, sources, context.check_level)
        found = detect.symptoms(service, observed)
    _say(context, service, observed)
    _learn(context, service, state_files, observed)
    durations = keep(context, state_files, observed, found)
    verdict = diagnosis.judge(service, observed, found, durations, limits(context))
    if not context.interactive:
        verdict = _agree(context, state_files, verdict, found, durations)
    if context.is_probe and not context.interactive:
        from quorate.openstack.actions.published import publish
        publish(context, service, observed.settings)
    for one in found[1:]:
        context.log.say("Also: %s" % one.sentence)
    return outcome(context, state_files, verdict)


def _agree(context, state_files, verdict, found, durations):
    """The Verdict in which all depths of the monitor agree, since Pacemaker hears only the last one."""
    one = diagnosis.outlasted(found, durations, limits(context)) if verdict.state == facts.FAILED else None
    if one is not None:
        state_files.write(FAILED_FILE, {"key": one.key, "sentence": verdict.sentence})
        return verdict
    failed = state_files.read(FAILED_FILE)
    if failed and failed.get("key") not in durations:
        state_files.forget(FAILED_FILE)
    return diagnosis.still(verdict, failed, durations)


def _learn(context, service, state_files, observed):
    """Note that more workers are there, or connected, than when the start was done: from now on a loss is one."""
    if context.interactive or observed.linked is None:
        return
    workers = len([one for one in observed.tree.workers if one != observed.tree.parent])
    linked = max(observed.linked, observe.connected(service, observed))
    if workers > (observed.baseline or 0) or linked > observed.linked:
        state_files.write(SERVICE_FILE, dict(state_files.read(SERVICE_FILE), linked=linked, workers=max(workers, observed.baseline or 1)))


def outcome(context, state_files, verdict):
    """The exit code of a verdict."""
    if verdict.state == facts.HEALTHY:
        return Outcome(codes.SUCCESS)
    if verdict.state == facts.STOPPED:
        context.log.say(verdict.sentence)
        if state_files.read(SERVICE_FILE).get("pid") and not context.is_probe:
            return Outcome(codes.NOT_RUNNING, "%s It was started as pid %s and has died; see its log and 'journalctl -k'." % (
                verdict.sentence, state_files.read(SERVICE_FILE)["pid"]))
        return Outcome(codes.NOT_RUNNING)
    return Outcome(codes.DEGRADED if verdict.state == facts.DEGRADED else codes.ERR_GENERIC, verdict.sentence)


def limits(context):
    return facts.Limits(context.parameters.tolerance, getattr(context.parameters, "outage_tolerance", 0.0))


def keep(context, state_files, observed, found):
    """Note since when each symptom is there; key to seconds. By hand nothing is noted: the cluster's monitors do."""
    noted = state_files.read(SYMPTOMS_FILE)
    if not found and not noted:
        return {}
    from quorate.openstack.symptoms import timers
    now = context.clock.monotonic()
    notes = timers.after(timers.read(noted), observed, found, now, context.interval)
    if not context.interactive:
        if notes:
            state_files.write(SYMPTOMS_FILE, timers.text(notes))
        elif noted:
            state_files.forget(SYMPTOMS_FILE)
    return timers.lasted(notes, now)


def _say(context, service, observed):
    """The narration, for a person."""
    if not context.interactive:
        return
    for one in observed.tree.all:
        sockets = observed.sockets.get(one.pid)
        role = ("parent" if one == observed.tree.parent else "worker" if one in observed.tree.workers else
                "orphan" if one in observed.tree.orphans else "second copy")
        context.log.say("%s: pid %d, state %s, user id %s%s" % (role, one.pid, one.state, context.processes.owner(one), (
            ", %d connections to RabbitMQ, %d to the database" % (sockets.amqp, sockets.sql)
            if sockets and sockets.amqp is not None else "")))
    if not observed.tree.all:
        context.log.say("Looked for processes that run %s with %s." % (service.name, context.parameters.config))
    for row in observed.rows.rows if observed.rows else ():
        context.log.say("row %s: updated %s s ago" % (row.name, row.age))
    for reply in observed.replies:
        context.log.say("call to %s: %s, %s consumers" % (reply.target, reply.outcome, reply.consumers))
