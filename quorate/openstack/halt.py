# SPDX-License-Identifier: Apache-2.0
"""Stopping a service with proof: TERM and CONT to all of it, a wait, KILL to what is left, and a look that nothing is."""

from quorate.openstack import probe
from quorate.openstack.launch import unit_of

SIGKILL, SIGTERM, SIGCONT = 9, 15, 18  # as on every Linux we know; importing signal costs milliseconds


def remains(context, service):
    """Every process of the service, and what those have started: a copy of a volume, a helper with root's rights."""
    found = {one.pid: one for one in probe.processes(context, service)}
    for pid in list(found):
        for child in context.processes.descendants(pid):
            found.setdefault(child.pid, child)
    return list(found.values())


def stop(context, service, memory, eyes, budget):
    """Stop it within `budget` seconds. Returns the processes that are still there (empty: done)."""
    first = remains(context, service)
    unit = unit_of(context, service, eyes)
    if not first:
        return []
    deadline = context.deadline.part(budget)
    by_unit = _ask_systemd(context, eyes, unit, first)
    services = {one.pid for one in probe.processes(context, service)}
    # Parents first, so that they know of the end before their children end and start no new ones. A second SIGTERM would
    # end a service at once that systemd has just asked to end gracefully (oslo.service drops its handler at the first).
    for one in sorted(first, key=lambda one: one.start):
        if one.pid in services and one.pid not in by_unit:
            signal(context, one, SIGTERM)
    for one in first:
        signal(context, one, SIGCONT)
    context.log.say("Sent SIGTERM and SIGCONT to pid %s." % ", ".join(str(one.pid) for one in first))

    def gone():
        return not remains(context, service) and all(context.processes.gone(one) for one in first)

    if not deadline.poll(gone, every=0.1, up_to=budget * 2 / 3):
        context.log.warning("%s did not end within %d s of SIGTERM; sending SIGKILL." % (service.name, budget * 2 / 3))

    def killed():
        # By looking anew, not by the old list: a parent may have started a child meanwhile.
        left = _left(context, service, first)
        for one in left:
            signal(context, one, SIGKILL)
        return not left

    deadline.poll(killed, every=0.1)
    left = _left(context, service, first)
    if unit is not None and not left and memory.read("service").get("unit"):
        eyes.units.forget_failure(unit, context.deadline.limit(5))
    return left


def _left(context, service, first):
    left = {one.pid: one for one in remains(context, service)}
    for one in first:  # what its parent left behind is no longer below it
        if one.pid not in left and not context.processes.gone(one):
            left[one.pid] = context.processes.get(one.pid) or one
    return list(left.values())


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


def signal(context, process, number):
    """Send a signal; one that may not be sent is told by the process that stays."""
    try:
        context.processes.signal(process, number)
    except PermissionError:
        pass


def listeners(eyes, processes):
    """Inodes of the listening sockets of these processes, with the port of each."""
    connections, found = eyes.connections(), {}
    for one in processes:
        for socket in connections.of(one.pid) or ():
            if socket.state == "listen":
                found[socket.inode] = socket.port
    return found
