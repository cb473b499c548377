# SPDX-License-Identifier: Apache-2.0
"""The actions, the same for every service: probe, decide, carry out. What differs is in the service's declaration."""

import os

from quorate.host.daemon import not_stopped
from quorate.ocf import codes
from quorate.ocf.agent import Outcome
from quorate.openstack import decide, facts, probe
from quorate.openstack.eyes import Eyes
from quorate.openstack.memory import FAILED, SERVICE, SYMPTOMS, Memory

SECOND_LOOK = 0.5  # seconds after which what a fork or a respawn may explain is looked at again


def monitor(context, service, eyes=None, memory=None):
    """What is true on this node."""
    eyes, memory = eyes or Eyes(context.commands), memory or Memory(service.name, context.instance)
    seen = probe.look(context, service, memory, eyes, context.check_level)
    found = decide.symptoms(service, seen)
    if any(one.kind == facts.FATAL or one.key in ("workers", "port") for one in found) and not context.deadline.expired:
        # Between a fork and what follows a child looks like its parent, and a worker that died is replaced within 20 ms.
        context.clock.sleep(context.deadline.limit(SECOND_LOOK))
        seen = probe.look(context, service, memory, eyes, context.check_level)
        found = decide.symptoms(service, seen)
    _say(context, service, seen)
    _learn(context, service, memory, seen)
    lasting = keep(context, memory, seen, found)
    verdict = decide.judge(service, seen, found, lasting, limits(context))
    if not context.by_hand:
        verdict = _agree(context, memory, verdict, found, lasting)
    if context.is_probe and not context.by_hand:
        from quorate.openstack.publish import publish
        publish(context, service, seen.settings)
    for one in found[1:]:
        context.log.say("Also: %s" % one.sentence)
    return outcome(context, memory, verdict)


def _agree(context, memory, verdict, found, lasting):
    """The Verdict in which all depths of the monitor agree, since Pacemaker hears only the last one."""
    one = decide.outlasted(found, lasting, limits(context)) if verdict.state == facts.FAILED else None
    if one is not None:
        memory.write(FAILED, {"key": one.key, "sentence": verdict.sentence})
        return verdict
    failed = memory.read(FAILED)
    if failed and failed.get("key") not in lasting:
        memory.forget(FAILED)
    return decide.still(verdict, failed, lasting)


def _learn(context, service, memory, seen):
    """Note that more workers are there, or connected, than when the start was done: from now on a loss is one."""
    if context.by_hand or seen.linked is None:
        return
    workers = len([one for one in seen.tree.workers if one != seen.tree.parent])
    linked = max(seen.linked, probe.connected(service, seen))
    if workers > (seen.baseline or 0) or linked > seen.linked:
        memory.write(SERVICE, dict(memory.read(SERVICE), linked=linked, workers=max(workers, seen.baseline or 1)))


def outcome(context, memory, verdict):
    """The exit code of a verdict."""
    if verdict.state == facts.HEALTHY:
        return Outcome(codes.SUCCESS)
    if verdict.state == facts.STOPPED:
        context.log.say(verdict.sentence)
        if memory.read(SERVICE).get("pid") and not context.is_probe:
            return Outcome(codes.NOT_RUNNING, "%s It was started as pid %s and has died; see its log and 'journalctl -k'." % (
                verdict.sentence, memory.read(SERVICE)["pid"]))
        return Outcome(codes.NOT_RUNNING)
    return Outcome(codes.DEGRADED if verdict.state == facts.DEGRADED else codes.ERR_GENERIC, verdict.sentence)


def limits(context):
    return facts.Limits(context.parameters.tolerance, getattr(context.parameters, "outage_tolerance", 0.0))


def keep(context, memory, seen, found):
    """Note since when each symptom is there; key to seconds. By hand nothing is noted: the cluster's monitors do."""
    noted = memory.read(SYMPTOMS)
    if not found and not noted:
        return {}
    from quorate.openstack import lasting
    now = context.clock.monotonic()
    notes = lasting.after(lasting.read(noted), seen, found, now, context.interval)
    if not context.by_hand:
        if notes:
            memory.write(SYMPTOMS, lasting.text(notes))
        elif noted:
            memory.forget(SYMPTOMS)
    return lasting.lasted(notes, now)


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


def start(context, service, eyes=None, memory=None):
    """Start it where nothing of it is alive, and wait until every worker is connected."""
    from quorate.openstack import launch
    eyes, memory = eyes or Eyes(context.commands), memory or Memory(service.name, context.instance)
    obstacle = launch.obstacles(context, service, eyes)
    if obstacle:
        return Outcome(codes.ERR_INSTALLED, obstacle)
    seen = probe.look(context, service, memory, eyes)
    if seen.tree.all:
        return _already(context, service, memory, eyes, seen)
    from quorate.openstack.publish import publish
    publish(context, service, seen.settings)
    elsewhere = answers_elsewhere(context, service, eyes, seen.settings)
    if elsewhere:
        return Outcome(codes.ERR_GENERIC, elsewhere)
    unit = launch.begin(context, service, memory, eyes)
    return launch.wait(context, service, memory, eyes, unit)


def _already(context, service, memory, eyes, seen):
    """Something of it is alive: the one copy is taken over, anything else is refused."""
    from quorate.openstack import launch
    tree = seen.tree
    if tree.parent is not None and not tree.orphans and not tree.copies:
        return launch.wait(context, service, memory, eyes, None)
    left = tree.orphans + tree.copies + ((tree.parent,) if tree.parent else ())
    return Outcome(codes.ERR_GENERIC, "Not started, because of an earlier %s there %s still %s. The cluster's stop ends it; by "
                   "hand: kill %s" % (service.name, "are" if len(left) > 1 else "is",
                                         ", ".join("pid %d (state %s)" % (one.pid, one.state) for one in left),
                                         " ".join(str(one.pid) for one in left)))


def answers_elsewhere(context, service, eyes, settings):
    """A sentence when another copy of an active/passive service answers calls; None: none does, or it is not known.

    Pacemaker and fencing are the first witness, this is the second. A broker keeps the consumers of a node that lost its
    power for some minutes, so only an answer proves a copy; the same call also proves that the first one is gone.
    """
    if service.workers != "backends" or not settings.brokers or not settings.backends:
        return None
    targets = tuple("%s.%s" % (service.topic, name) for name in decide.names(service, settings))
    replies = eyes.replies(settings.brokers, settings.exchange, targets,
                           context.deadline.limit(min(3.0, context.parameters.check_timeout)), service.call)
    alive = [reply for reply in replies if reply.outcome == facts.ANSWERED]
    if alive:
        return ("Not started, because another %s answers calls to %s: it runs on another node, without the cluster's knowledge "
                "if the cluster wants this one. Find it (ps -C %s on every node that uses this broker) and stop it." % (
                    service.name, alive[0].target, service.name))
    lingering = [reply for reply in replies if reply.consumers]
    if lingering:
        context.log.warning("Queue %s still has %d consumers and none of them answers: of a node that is gone, RabbitMQ "
                            "will notice." % (lingering[0].target, lingering[0].consumers))
    return None


def stop(context, service, eyes=None, memory=None):
    """End all of it and prove it. Needs no configuration, no software, no cluster."""
    from quorate.openstack import halt
    eyes, memory = eyes or Eyes(context.commands), memory or Memory(service.name, context.instance)
    processes = halt.remains(context, service)
    held = halt.listeners(eyes, processes) if service.port is not None else {}
    left = halt.stop(context, service, memory, eyes, max(3.0, context.deadline.left() - 3.0))
    if left:
        return Outcome(codes.ERR_GENERIC, not_stopped(left, service.name))
    if held:
        still = context.deadline.poll(lambda: not eyes.connections().listening(held), every=0.1, up_to=2.0)
        if not still:
            ports = ", ".join(str(held[inode]) for inode in eyes.connections().listening(held))
            return Outcome(codes.ERR_GENERIC, "Its processes are gone, and somebody who inherited the listening socket still "
                           "holds port %s; see 'ss -ltnp'." % ports)
    for note in (SERVICE, SYMPTOMS, FAILED, "output"):
        memory.forget(note)
    if context.parameters.pid:
        try:
            os.unlink(context.parameters.pid)
        except OSError:
            pass
    return Outcome(codes.SUCCESS)


def reload_agent(context, service):
    """Every action reads its parameters anew, so there is nothing to carry over."""
    return Outcome(codes.SUCCESS)


def validate(context, service, eyes=None):
    """Level 0: the parameters only. Level 10: this machine and the other nodes, and what will hurt later."""
    if context.check_level >= 10:
        from quorate.ocf.advice import warn
        from quorate.openstack.validation import warnings
        warn(context, warnings(context, service, eyes or Eyes(context.commands)))
    return Outcome(codes.SUCCESS)
