# SPDX-License-Identifier: Apache-2.0
"""monitor: observe the service, find its symptoms, time them, and answer with the diagnosis."""

from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.openstack import facts
from quorate.openstack.facts import FAILED_FILE, HEARTBEATS_FILE, SERVICE_FILE, SYMPTOMS_FILE
from quorate.openstack.service import observe
from quorate.openstack.service.sources import Sources
from quorate.openstack.symptoms import detect

OBSERVE_AGAIN = 0.5  # seconds after which what a fork or a respawn may explain is observed again


def monitor(context, service, state_files=None, sources=None):
    """The Outcome: what is true on this node."""
    state_files = state_files or StateFiles(service.name, context.instance, log=context.log)
    sources = sources or Sources(context.commands)
    observed = observe.observe(context, service, state_files, sources, context.check_level)
    found = detect.symptoms(service, observed)
    if any(one.kind == facts.FATAL or one.key in ("workers", "port") for one in found) and not context.deadline.expired:
        # Between a fork and an exec a child looks like its parent, and a worker that died is replaced within 20 ms.
        context.clock.sleep(context.deadline.limit(OBSERVE_AGAIN))
        observed = observe.observe(context, service, state_files, sources, context.check_level)
        found = detect.symptoms(service, observed)
    _narrate(context, service, observed)
    _raise_baseline(context, service, state_files, observed)
    if not context.interactive:
        state_files.bound("output")  # of a service that was started directly
        if observed.reports is not None:
            state_files.write(HEARTBEATS_FILE, observed.reports)
    durations = update_timers(context, state_files, observed, found)
    diagnosis = facts.Diagnosis(facts.HEALTHY)
    if found or durations or not observed.tree.all or state_files.has(FAILED_FILE):
        from quorate.openstack.symptoms.diagnosis import diagnose
        diagnosis = diagnose(service, observed, found, durations, limits(context))
        if not context.interactive:
            diagnosis = _agreed(context, state_files, diagnosis, found, durations)
    if context.is_probe and not context.interactive:
        from quorate.openstack.actions import published
        from quorate.openstack.service import unit as units
        published.publish(context, service, observed.settings)
        if observed.tree.parent is not None:
            units.take_over(context, service, state_files, sources, (observed.tree.parent,))
    if not observed.tree.all:
        reason = _not_for_certain(context, service, state_files, sources)
        if reason:
            return Outcome(codes.ERR_GENERIC, reason)
    for one in found[1:]:
        context.log.say("Also: %s" % one.message)
    return outcome_of(context, state_files, diagnosis)


def _not_for_certain(context, service, state_files, sources):
    """Why "not running" would not be true although no process of the service is known; None: it is. It lets Pacemaker
    start the service elsewhere, at once or after a probe, and then systemd runs it here."""
    from quorate.openstack.service import unit as units
    reason = units.unrecognised(context, service, state_files, sources)
    coming = units.about_to_start(context, service, state_files, sources) if context.is_probe and not reason else None
    if coming is None:
        return reason
    unit, state = coming
    if state is None:
        return "Not running for certain: systemd does not say what it does with it: systemctl status %s" % unit.name
    return "No process runs, but systemd starts %s again (%s): a stop ends that." % (unit.name, state.shown)


def limits(context):
    """How long symptoms may last, by the parameters: facts.Limits."""
    return facts.Limits(context.parameters.tolerance, getattr(context.parameters, "outage_tolerance", 0.0))


def update_timers(context, state_files, observed, found):
    """Keep in SYMPTOMS_FILE when each symptom was first observed. Key to seconds since then. Run by an operator it
    writes nothing: the cluster's own monitors do."""
    lines = state_files.read(SYMPTOMS_FILE)
    if not found and not lines:
        return {}
    from quorate.openstack.symptoms import timers
    now = context.clock.monotonic()
    running = timers.update(timers.decode(lines), observed, found, now, context.interval)
    if not context.interactive:
        if running:
            state_files.write(SYMPTOMS_FILE, timers.encode(running))
        elif lines:
            state_files.forget(SYMPTOMS_FILE)
    return timers.durations(running, now)


def outcome_of(context, state_files, diagnosis):
    """The Outcome of a Diagnosis."""
    if diagnosis.state == facts.HEALTHY:
        return Outcome(codes.SUCCESS)
    if diagnosis.state == facts.STOPPED:
        context.log.say(diagnosis.message)
        pid = state_files.read(SERVICE_FILE).get("pid")
        if pid and not context.is_probe:
            return Outcome(codes.NOT_RUNNING, "%s It was started as pid %s and has died; see its log and "
                           "'journalctl -k'." % (diagnosis.message, pid))
        return Outcome(codes.NOT_RUNNING)
    return Outcome(codes.DEGRADED if diagnosis.state == facts.DEGRADED else codes.ERR_GENERIC, diagnosis.message)


def _agreed(context, state_files, diagnosis, found, durations):
    """The Diagnosis on which all levels of the monitor agree, since Pacemaker keeps only the last result."""
    from quorate.openstack.symptoms.diagnosis import expired_symptom, keep_failed
    expired = expired_symptom(found, durations, limits(context)) if diagnosis.state == facts.FAILED else None
    if expired is not None:
        state_files.write(FAILED_FILE, {"key": expired.key, "sentence": diagnosis.message})
        return diagnosis
    failed = state_files.read(FAILED_FILE)
    if failed and failed.get("key") not in durations:
        state_files.forget(FAILED_FILE)
    return keep_failed(diagnosis, failed, durations)


def _raise_baseline(context, service, state_files, observed):
    """Record that more workers are there, or connected, than when the start was done: from now on fewer is a
    symptom."""
    if context.interactive or observed.connected is None:
        return
    workers = len([one for one in observed.tree.workers if one != observed.tree.parent])
    connected = max(observed.connected, observe.count_connected(service, observed))
    if workers > (observed.baseline or 0) or connected > observed.connected:
        state_files.write(SERVICE_FILE, dict(state_files.read(SERVICE_FILE), linked=connected,
                                             workers=max(workers, observed.baseline or 1)))


def _narrate(context, service, observed):
    """Log what was observed, for an operator who runs the agent."""
    if not context.interactive:
        return
    for one in observed.tree.all:
        sockets = observed.sockets.get(one.pid)
        role = ("parent" if one == observed.tree.parent else "worker" if one in observed.tree.workers else
                "orphan" if one in observed.tree.orphans else "second copy")
        connections = ""
        if sockets and sockets.amqp is not None:
            connections = ", %d connections to RabbitMQ, %d to the database" % (sockets.amqp, sockets.sql)
        context.log.say("%s: pid %d, state %s, user id %s%s" % (
            role, one.pid, one.state, context.processes.owner(one), connections))
    if not observed.tree.all:
        context.log.say("Searched for processes that run %s with %s." % (service.name, context.parameters.config))
    for row in observed.rows.rows if observed.rows else ():
        context.log.say("Heartbeat row %s: updated %s s ago by the clock of the database%s" % (
            row.name, row.age, "" if row.unchanged is None else "; the same for %d s" % row.unchanged))
    for reply in observed.replies:
        context.log.say("RPC call to %s: %s, %s consumers" % (reply.target, reply.outcome, reply.consumers))
