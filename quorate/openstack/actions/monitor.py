# SPDX-License-Identifier: Apache-2.0
"""The actions, the same for every service: probe, decide, carry out. What differs is in the service's declaration."""

from quorate.host.state_files import Memory
from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.openstack import facts
from quorate.openstack.facts import FAILED_FILE, SERVICE_FILE, SYMPTOMS_FILE
from quorate.openstack.service import observe
from quorate.openstack.service.sources import Eyes
from quorate.openstack.symptoms import detect, diagnosis

SECOND_LOOK = 0.5  # seconds after which what a fork or a respawn may explain is looked at again


def monitor(context, service, eyes=None, memory=None):
    """What is true on this node."""
    eyes, memory = eyes or Eyes(context.commands), memory or Memory(service.name, context.instance)
    seen = observe.observe(context, service, memory, eyes, context.check_level)
    found = detect.symptoms(service, seen)
    if any(one.kind == facts.FATAL or one.key in ("workers", "port") for one in found) and not context.deadline.expired:
        # Between a fork and what follows a child looks like its parent, and a worker that died is replaced within 20 ms.
        context.clock.sleep(context.deadline.limit(SECOND_LOOK))
        seen = observe.observe(context, service, memory, eyes, context.check_level)
        found = detect.symptoms(service, seen)
    _say(context, service, seen)
    _learn(context, service, memory, seen)
    lasting = keep(context, memory, seen, found)
    verdict = diagnosis.judge(service, seen, found, lasting, limits(context))
    if not context.by_hand:
        verdict = _agree(context, memory, verdict, found, lasting)
    if context.is_probe and not context.by_hand:
        from quorate.openstack.actions.published import publish
        publish(context, service, seen.settings)
    for one in found[1:]:
        context.log.say("Also: %s" % one.sentence)
    return outcome(context, memory, verdict)


def _agree(context, memory, verdict, found, lasting):
    """The Verdict in which all depths of the monitor agree, since Pacemaker hears only the last one."""
    one = diagnosis.outlasted(found, lasting, limits(context)) if verdict.state == facts.FAILED else None
    if one is not None:
        memory.write(FAILED_FILE, {"key": one.key, "sentence": verdict.sentence})
        return verdict
    failed = memory.read(FAILED_FILE)
    if failed and failed.get("key") not in lasting:
        memory.forget(FAILED_FILE)
    return diagnosis.still(verdict, failed, lasting)


def _learn(context, service, memory, seen):
    """Note that more workers are there, or connected, than when the start was done: from now on a loss is one."""
    if context.by_hand or seen.linked is None:
        return
    workers = len([one for one in seen.tree.workers if one != seen.tree.parent])
    linked = max(seen.linked, observe.connected(service, seen))
    if workers > (seen.baseline or 0) or linked > seen.linked:
        memory.write(SERVICE_FILE, dict(memory.read(SERVICE_FILE), linked=linked, workers=max(workers, seen.baseline or 1)))


def outcome(context, memory, verdict):
    """The exit code of a verdict."""
    if verdict.state == facts.HEALTHY:
        return Outcome(codes.SUCCESS)
    if verdict.state == facts.STOPPED:
        context.log.say(verdict.sentence)
        if memory.read(SERVICE_FILE).get("pid") and not context.is_probe:
            return Outcome(codes.NOT_RUNNING, "%s It was started as pid %s and has died; see its log and 'journalctl -k'." % (
                verdict.sentence, memory.read(SERVICE_FILE)["pid"]))
        return Outcome(codes.NOT_RUNNING)
    return Outcome(codes.DEGRADED if verdict.state == facts.DEGRADED else codes.ERR_GENERIC, verdict.sentence)


def limits(context):
    return facts.Limits(context.parameters.tolerance, getattr(context.parameters, "outage_tolerance", 0.0))


def keep(context, memory, seen, found):
    """Note since when each symptom is there; key to seconds. By hand nothing is noted: the cluster's monitors do."""
    noted = memory.read(SYMPTOMS_FILE)
    if not found and not noted:
        return {}
    from quorate.openstack.symptoms import timers
    now = context.clock.monotonic()
    notes = timers.after(timers.read(noted), seen, found, now, context.interval)
    if not context.by_hand:
        if notes:
            memory.write(SYMPTOMS_FILE, timers.text(notes))
        elif noted:
            memory.forget(SYMPTOMS_FILE)
    return timers.lasted(notes, now)


def _say(context, service, seen):
    """The narration, for a person."""
    if not context.by_hand:
        return
    for one in seen.tree.all:
        sockets = seen.sockets.get(one.pid)
        role = ("parent" if one == seen.tree.parent else "worker" if one in seen.tree.workers else
                "orphan" if one in seen.tree.orphans else "second copy")
        context.log.say("%s: pid %d, state %s, user id %s%s" % (role, one.pid, one.state, context.processes.owner(one), (
            ", %d connections to RabbitMQ, %d to the database" % (sockets.amqp, sockets.sql)
            if sockets and sockets.amqp is not None else "")))
    if not seen.tree.all:
        context.log.say("Looked for processes that run %s with %s." % (service.name, context.parameters.config))
    for row in seen.rows.rows if seen.rows else ():
        context.log.say("row %s: updated %s s ago" % (row.name, row.age))
    for reply in seen.replies:
        context.log.say("call to %s: %s, %s consumers" % (reply.target, reply.outcome, reply.consumers))
