# SPDX-License-Identifier: Apache-2.0
"""The processes of a service on this node: launched through its systemd unit where there is one, else as its program,
and stopped with proof: SIGTERM and SIGCONT to all of them, a wait, SIGKILL to what is left, and a last search that
finds nothing.
"""

import os

from quorate.host import daemon
from quorate.ocf import codes
from quorate.ocf.codes import Failed
from quorate.openstack.facts import SERVICE_FILE, SYMPTOMS_FILE
from quorate.openstack.service import observe

NO_UNIT = "none"  # of the parameter unit
PROGRAM_DIRECTORIES = ("/usr/bin", "/usr/local/bin", "/usr/sbin", "/opt/stack/venv/bin", "/var/lib/kolla/venv/bin")
FROZEN_GRACE = 10.0  # seconds in which a process that was stopped by a signal may end gracefully


def unit_for(context, service, sources):
    """The Unit to start it with, or None: its program is started. Raises Failed when the parameter names a missing one.

    A unit starts what the distribution has put into it. Parameters that give a program, options or another
    configuration file ask for something else, so the program is started.
    """
    parameters, wanted = context.parameters, context.parameters.unit
    if wanted == NO_UNIT or not sources.units.managed():
        return None
    if not wanted and (parameters.additional_parameters or (parameters.binary or service.name) != service.name
                       or parameters.config != service.config or getattr(parameters, "web", None)):
        return None
    unit = sources.units.find((wanted,) if wanted else service.units)
    if wanted and unit is None:
        raise Failed(codes.ERR_INSTALLED, "There is no systemd unit %s on this node." % wanted)
    return None if unit is None or (unit.masked and not wanted) else unit


def unit_of(context, service, sources):
    """The Unit that its processes may be in, for a stop: whatever the other parameters say today. None: there is
    none."""
    if not sources.units.managed():
        return None
    wanted = context.parameters.unit
    return sources.units.find((wanted,) if wanted and wanted != NO_UNIT else service.units)


def program(context, service):
    """Path of the program, None when it is not installed."""
    binary = context.parameters.binary or service.name
    if "/" in binary:
        return binary if os.access(binary, os.X_OK) else None
    for directory in PROGRAM_DIRECTORIES:
        if os.access("%s/%s" % (directory, binary), os.X_OK):
            return "%s/%s" % (directory, binary)
    return None


def installation_error(context, service, sources):
    """Why it cannot run on this machine, the first reason; None when it can. Raises Failed as unit_for() does."""
    unit = unit_for(context, service, sources)
    if unit is not None and unit.masked:
        return "The systemd unit %s is masked: systemctl unmask %s" % (unit.name, unit.name)
    if unit is None and program(context, service) is None:
        if service.release:
            version = _installed_version(service.project)
            return "%s is not installed on this node%s: %s." % (
                service.name, " (%s %s is)" % (service.project, version) if version else "", service.release)
        return "%s is not installed on this node: neither a systemd unit (%s) nor the program %s." % (
            service.name, ", ".join(service.units), context.parameters.binary or service.name)
    if not os.path.isfile(context.parameters.config):
        return "The configuration file %s is missing; set config=PATH, or install %s's configuration." % (
            context.parameters.config, service.project)
    if unit is None and context.parameters.user and sources.user(context.parameters.user) is None:
        return "There is no user %s on this node; set user=NAME." % context.parameters.user
    return None


def launch(context, service, state_files, sources):
    """Start it; return when its first process is there. Raises Failed when systemd cannot."""
    unit = unit_for(context, service, sources)
    state_files.forget(SYMPTOMS_FILE)
    if unit is None:
        state_files.write(SERVICE_FILE, {"launched": int(context.clock.monotonic())})
        _spawn(context, service, state_files, sources)
        return
    error = sources.units.adopt(unit, context.deadline.limit(20))
    if error:
        context.log.warning(error)
    warning = enabled_warning(sources, unit)
    if warning:
        context.log.warning(warning)
    context.log.say("Starting the systemd unit %s." % unit.name)
    state_files.write(SERVICE_FILE, {"launched": int(context.clock.monotonic()), "unit": unit.name})
    result = sources.units.start(unit, context.deadline.limit(90))
    if not result.ok:
        from quorate.host.units import last_line
        raise Failed(codes.ERR_GENERIC, "systemctl start %s failed: %s See 'journalctl -u %s'." % (
            unit.name, last_line(result), unit.name))


def enabled_warning(sources, unit):
    """The message when systemd starts the unit at boot, which only the cluster may; None when it does not."""
    if not sources.units.enabled(unit):
        return None
    return "systemd starts %s at boot, and so does the cluster: systemctl disable %s" % (unit.name, unit.name)


def _spawn(context, service, state_files, sources):
    """Start the program in a session of its own, as its user."""
    parameters = context.parameters
    argv = [program(context, service), "--config-file=" + parameters.config]
    argv += (parameters.additional_parameters or "").split()
    if getattr(parameters, "web", None):
        argv += ["--web", parameters.web]
    context.log.say("Starting %s as %s." % (" ".join(argv), parameters.user))
    output = daemon.new_output_file(state_files)
    account = sources.user(parameters.user)
    _make_directories(service, account)
    user = parameters.user if account is not None and account[0] != os.geteuid() else None
    context.commands.spawn(argv, output, env={"OCF_ROOT": None, "HOME": "/var/lib/" + service.project}, user=user)


def _make_directories(service, account):
    """Make what the unit would make in /run (RuntimeDirectory=): state and locks of the project."""
    if account is None or os.geteuid() != 0:
        return
    daemon.make_directories(("/run/" + service.project, "/run/lock/" + service.project), *account, 0o755)


def all_processes(context, service):
    """Every process of the service and its descendants: a copy of a volume, a helper with root's rights."""
    found = {one.pid: one for one in observe.find_processes(context, service)}
    for pid in list(found):
        for child in context.processes.descendants(pid):
            found.setdefault(child.pid, child)
    return list(found.values())


def stop(context, service, state_files, sources, budget):
    """Stop it within `budget` seconds. Returns the processes that are still there (empty: done)."""
    unit = unit_of(context, service, sources)
    left = daemon.stop(context, lambda: all_processes(context, service),
                       lambda first: _terminate(context, service, sources, unit, first), service.name, budget)
    if unit is not None and not left and state_files.read(SERVICE_FILE).get("unit"):
        sources.units.forget_failure(unit, context.deadline.limit(5))
    return left


def _terminate(context, service, sources, unit, first):
    """Ask these processes to end."""
    by_unit = _terminate_by_systemd(context, sources, unit, first)
    services = {one.pid for one in observe.find_processes(context, service)}
    # Parents first, so that they know of the end before their children end, and start no new ones. None of those that
    # systemd has just asked: oslo.service drops its handler at the first SIGTERM, so a second one would end the service
    # at once.
    for one in sorted(first, key=lambda one: one.start):
        if one.pid in services and one.pid not in by_unit:
            daemon.signal(context, one, daemon.SIGTERM)
    for one in first:
        daemon.signal(context, one, daemon.SIGCONT)
    context.log.say("Sent SIGTERM and SIGCONT to pid %s." % ", ".join(str(one.pid) for one in first))
    _end_frozen(context, [one for one in first if one.state in ("T", "t")])


def _end_frozen(context, frozen):
    """Send a second SIGTERM to those that were stopped by a signal and do not end: they have lost their connections. A
    worker of Cinder 21 made its parent, and so the failover, wait for graceful_shutdown_timeout (60 s) here; the other
    workers had ended at once."""
    if frozen and not context.deadline.poll(lambda: all(context.processes.gone(one) for one in frozen),
                                            up_to=FROZEN_GRACE):
        for one in frozen:
            daemon.signal(context, one, daemon.SIGTERM)


def _terminate_by_systemd(context, sources, unit, found):
    """Have systemd stop the unit. The pids that it ends: a frozenset, empty when none is in the unit or systemd
    refuses."""
    if unit is None:
        return frozenset()
    inside = frozenset(one.pid for one in found if sources.units.of(one.pid) == unit.name)
    if not inside:
        return inside
    result = sources.units.stop(unit, context.deadline.limit(10))
    if result.ok:
        return inside
    context.log.warning("systemctl stop %s failed; its processes get SIGTERM directly." % unit.name)
    return frozenset()


def listeners(sources, processes):
    """Inodes of the listening sockets of these processes: a dict of inode to port."""
    connections, found = sources.connections(), {}
    for one in processes:
        for socket in connections.of(one.pid) or ():
            if socket.state == "listen":
                found[socket.inode] = socket.port
    return found


def novnc_chosen(path="/etc/default/nova-consoleproxy"):
    """Whether Debian's unit starts the noVNC proxy; True where the unit is not Debian's."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file]
    except OSError:
        return not os.path.isfile("/etc/init.d/nova-novncproxy")  # only Debian's unit reads it
    values = [line.partition("=")[2].strip("\"' ") for line in lines if line.startswith("NOVA_CONSOLE_PROXY_TYPE=")]
    return bool(values) and values[-1] == "novnc"


def _installed_version(project, places=("/usr/lib/python3/dist-packages", "/usr/lib/python3*/site-packages")):
    """The version of a Python package, from the name of its metadata; None when it is not found."""
    import glob
    for place in places:
        for path in glob.glob("%s/%s-*-info" % (place, project)):
            return os.path.basename(path).split("-")[1].removesuffix(".egg").removesuffix(".dist")
    return None
