# SPDX-License-Identifier: Apache-2.0
"""A service ended with proof: its units stopped and their restarts disabled, SIGTERM and SIGCONT to all processes, a
wait, SIGKILL to what is left, a last search that finds nothing, and systemd's word that it starts none again."""

from quorate.host import daemon
from quorate.openstack.service import observe, unit as units
from quorate.openstack.service.process import all_processes

FROZEN_GRACE = 10.0  # seconds in which a process that was stopped by a signal may end gracefully, at most


def stop(context, service, state_files, sources, budget):
    """Stop it within `budget` seconds. None, or why it is not stopped, or not for certain."""
    end = context.deadline.part(budget)
    running = all_processes(context, service, sources)
    own = units.own_units(context, service, state_files, sources, running)
    above = units.supervisors(context, sources, own, running)
    stopped = frozenset(unit.name for unit in own if _stop_unit(context, sources, unit, end, budget))

    def everything():
        return _with_units(context, service, sources, own)

    def ask(first):
        _terminate(context, service, sources, stopped, first, budget)

    left = daemon.stop(context, everything, ask, service.name, end.left())
    reason = None if left else _restarts(sources, own, stopped, end)
    if not left:  # a start that was under way when systemd was asked
        left = daemon.stop(context, everything, ask, service.name, max(1.0, end.left()))
    if left:
        return daemon.not_stopped(left, service.name)
    for unit, main in above:
        if not context.processes.gone(main):
            return "Not stopped for certain: %s (pid %d) may start it again: systemctl stop %s" % (
                unit.name, main.pid, unit.name)
    for unit in own:
        if unit.name in stopped:
            sources.units.forget_failure(unit, context.deadline.limit(units.ASK_SECONDS))
    return reason


def listeners(sources, processes):
    """Inodes of the listening sockets of these processes: a dict of inode to port."""
    connections, found = sources.connections(), {}
    for one in processes:
        for socket in connections.of(one.pid) or ():
            if socket.state == "listen":
                found[socket.inode] = socket.port
    return found


def _stop_unit(context, sources, unit, end, budget):
    """Have systemd stop the unit and leave its restarts to the cluster. Whether it does: then its processes have their
    SIGTERM, and it starts no further ones. A unit that has ended is left as it is."""
    limit = min(units.ASK_SECONDS, budget / 5)
    state = sources.units.state(unit, end.limit(limit))
    if state is not None and state.ended:
        return False
    warning = sources.units.adopt(unit, end.limit(limit))
    if warning:
        context.log.warning(warning)
    result = sources.units.stop(unit, end.limit(limit))
    if not result.ok:
        context.log.warning("systemctl stop %s failed; its processes get SIGTERM directly." % unit.name)
    return result.ok


def _with_units(context, service, sources, own):
    """Every process of the service, its descendants, and what else is in its units: a helper that init adopted."""
    found = {one.pid: one for one in all_processes(context, service, sources)}
    for unit in own:
        for pid in sources.units.processes(unit):
            one = context.processes.get(pid) if pid not in found else None
            if one is not None:
                found[pid] = one
    return list(found.values())


def _restarts(sources, own, stopped, end):
    """Why systemd may start it again although no process is left; None: it does not."""
    states = {}

    def over(unit):
        """Whether it has ended, or ends because we asked for that: after that systemd does not restart it."""
        state = states.get(unit.name)
        return state is not None and (state.ended or state.active == "deactivating" and unit.name in stopped)

    def all_over():
        for unit in own:
            if not over(unit):
                limit = max(1.0, end.limit(units.ASK_SECONDS))
                states[unit.name] = sources.units.state(unit, limit)
                if states[unit.name] is not None and states[unit.name].starting:
                    sources.units.stop(unit, limit)  # the first stop failed, or somebody started it meanwhile
        return all(over(unit) for unit in own)

    if end.poll(all_over, every=0.2):
        return None
    for unit in own:
        state = states[unit.name]
        if state is not None and not over(unit):
            return "Not stopped: systemd says that %s is %s; see 'systemctl status'." % (unit.name, state.shown)
        if state is None and not sources.units.adopted(unit):
            return ("Not stopped for certain: systemd does not answer, so it may start %s again; see 'systemctl "
                    "status'." % unit.name)
    return None  # it does not answer, and does not restart what it was told to leave to the cluster


def _terminate(context, service, sources, stopped, first, budget):
    """Ask these processes to end. stopped: names of the units that systemd has asked already."""
    services = {one.pid for one in observe.find_processes(context, service, sources)}
    # Parents first, so that they know of the end before their children end, and start no new ones. None of those that
    # systemd has just asked: oslo.service drops its handler at the first SIGTERM, so a second one would end the service
    # at once.
    for one in sorted(first, key=lambda one: one.start):
        if one.pid in services and sources.units.of(one.pid) not in stopped:
            daemon.signal(context, one, daemon.SIGTERM)
    for one in first:
        daemon.signal(context, one, daemon.SIGCONT)
    context.log.say("Sent SIGTERM and SIGCONT to pid %s." % ", ".join(str(one.pid) for one in first))
    _end_frozen(context, [one for one in first if one.state in ("T", "t")], min(FROZEN_GRACE, budget / 3))


def _end_frozen(context, frozen, grace):
    """Send a second SIGTERM to those that were stopped by a signal and do not end: they have lost their connections. A
    worker of Cinder 21 made its parent, and so the failover, wait for graceful_shutdown_timeout (60 s) here; the other
    workers had ended at once."""
    if frozen and not context.deadline.poll(lambda: all(context.processes.gone(one) for one in frozen), up_to=grace):
        for one in frozen:
            daemon.signal(context, one, daemon.SIGTERM)
