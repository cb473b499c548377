# SPDX-License-Identifier: Apache-2.0
"""Stopping a service with proof: TERM and CONT to all of it, a wait, KILL to what is left, and a look that nothing is."""

from quorate.host import daemon
from quorate.openstack import probe
from quorate.openstack.launch import unit_of

THAWED = 10.0  # seconds in which one that was frozen may end gracefully


def remains(context, service):
    """Every process of the service, and what those have started: a copy of a volume, a helper with root's rights."""
    found = {one.pid: one for one in probe.processes(context, service)}
    for pid in list(found):
        for child in context.processes.descendants(pid):
            found.setdefault(child.pid, child)
    return list(found.values())


def stop(context, service, memory, eyes, budget):
    """Stop it within `budget` seconds. Returns the processes that are still there (empty: done)."""
    unit = unit_of(context, service, eyes)
    left = daemon.stop(context, lambda: remains(context, service), lambda first: _ask(context, service, eyes, unit, first),
                       service.name, budget)
    if unit is not None and not left and memory.read("service").get("unit"):
        eyes.units.forget_failure(unit, context.deadline.limit(5))
    return left


def _ask(context, service, eyes, unit, first):
    """Tell these processes to end."""
    by_unit = _ask_systemd(context, eyes, unit, first)
    services = {one.pid for one in probe.processes(context, service)}
    # Parents first, so that they know of the end before their children end and start no new ones. A second SIGTERM would
    # end a service at once that systemd has just asked to end gracefully (oslo.service drops its handler at the first).
    for one in sorted(first, key=lambda one: one.start):
        if one.pid in services and one.pid not in by_unit:
            daemon.signal(context, one, daemon.SIGTERM)
    for one in first:
        daemon.signal(context, one, daemon.SIGCONT)
    context.log.say("Sent SIGTERM and SIGCONT to pid %s." % ", ".join(str(one.pid) for one in first))
    _end_frozen(context, [one for one in first if one.state in ("T", "t")])


def _end_frozen(context, frozen):
    """A second SIGTERM to what was stopped by a signal and does not end: it has none of its connections any more. A worker of
    Cinder 21 kept its parent, and so the failover, waiting for graceful_shutdown_timeout (60 s) here; its neighbours had ended at
    once."""
    if frozen and not context.deadline.poll(lambda: all(context.processes.gone(one) for one in frozen), up_to=THAWED):
        for one in frozen:
            daemon.signal(context, one, daemon.SIGTERM)


def _ask_systemd(context, eyes, unit, found):
    """Pids that systemd was asked to end, an empty set when it was not or did not take it."""
    if unit is None:
        return frozenset()
    inside = frozenset(one.pid for one in found if eyes.units.of(one.pid) == unit.name)
    if not inside:
        return inside
    result = eyes.units.stop(unit, context.deadline.limit(10))
    if result.ok:
        return inside
    context.log.warning("systemctl stop %s failed, so its processes are ended without it." % unit.name)
    return frozenset()


def listeners(eyes, processes):
    """Inodes of the listening sockets of these processes, with the port of each."""
    connections, found = eyes.connections(), {}
    for one in processes:
        for socket in connections.of(one.pid) or ():
            if socket.state == "listen":
                found[socket.inode] = socket.port
    return found
