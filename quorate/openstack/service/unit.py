# SPDX-License-Identifier: Apache-2.0
"""The systemd units of a service on this node: the one to start it with, and all that may hold a process of this
resource or start one by themselves, whoever started them.

A unit that was not started by the agent has the Restart= of its package. In its RestartSec no process is there, and yet
one comes: for a stop and for a probe that is not stopped.
"""

import os

from quorate.host.system.units import Unit
from quorate.ocf import codes
from quorate.ocf.codes import Failed
from quorate.openstack.facts import SERVICE_FILE, short
from quorate.openstack.service import parse

NO_UNIT = "none"  # of the parameter unit
ASK_SECONDS = 5.0  # for a question to systemd
# Main processes of units that start what somebody asks for, in a session or for a job, and do not start it again.
STARTERS = frozenset(("anacron", "atd", "cron", "crond", "dropbear", "fcron", "in.telnetd", "inetd", "login", "pacemakerd",
                      "pacemaker-remoted", "pacemaker_remoted", "pcsd", "screen", "sshd", "systemd", "tmux", "xinetd"))


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
        raise Failed(codes.ERR_INSTALLED, "There is no systemd unit %s on this node%s." % (
            short(wanted, 50), ", but a template: name an instance of it" if wanted.removesuffix(".service").endswith("@") else ""))
    return None if unit is None or (unit.masked and not wanted) else unit


def unit_of(context, service, sources):
    """The Unit that its processes may be in, for a stop: whatever the other parameters say today. None: there is
    none."""
    if not sources.units.managed():
        return None
    wanted = context.parameters.unit
    return sources.units.find((wanted,) if wanted and wanted != NO_UNIT else service.units)


def own_units(context, service, state_files, sources, processes=()):
    """Tuple of the Units that may hold a process of this resource, or start one: the one that the parameter names, the
    one that the agent started, the distribution's where they run this very configuration, and those that are there for
    these processes.

    A unit of the distribution that runs another configuration is another instance, which is none of ours, unless one of
    these processes is in it.
    """
    if not sources.units.managed():
        return ()
    inside = {sources.units.of(one.pid) for one in processes}
    names = [context.parameters.unit] if context.parameters.unit not in (None, "", NO_UNIT) else []
    names += [state_files.read(SERVICE_FILE).get("unit")]
    same = os.path.realpath(context.parameters.config) == os.path.realpath(service.config)
    names += [name for name in service.units if same or name + ".service" in inside]
    found = {}
    for name in names:
        unit = sources.units.find((name,)) if name else None
        if unit is not None:
            found[unit.name] = unit
    for name in sorted(inside - set(found) - {None}):
        unit = Unit(name, "", False)
        if _is_for(context, service, sources, unit, processes):
            found[name] = unit
    return tuple(found.values())


def _is_for(context, service, sources, unit, processes):
    """Whether a unit is there for these processes, some of which are in it: its main process is one of them, or
    started them and nothing else (a shell, the launcher of a virtual environment), or has ended. It may as well be the
    unit that cron, a login or Pacemaker runs in."""
    main, above = _main(context, sources, unit), _ancestors(context, processes)
    pids = {one.pid for one in processes}
    if main is not None and main.pid in pids:
        return True
    if main is not None and (main.pid not in above or _starts_anything(main)):
        return False
    ours = pids | {one.pid for pid in pids for one in context.processes.descendants(pid)}
    alone = not sources.units.processes(unit) - ours - above
    return alone or main is None and service.project in unit.name


def _main(context, sources, unit):
    """The main Process of a unit, None: it has none. Where systemd does not say, the oldest one."""
    state = sources.units.state(unit, context.deadline.limit(ASK_SECONDS))
    if state is not None:
        return context.processes.get(state.main) if state.main else None
    inside = filter(None, map(context.processes.get, sources.units.processes(unit)))
    return min(inside, key=lambda one: one.start, default=None)


def _starts_anything(main):
    words = (parse.program(main.argv),) + main.argv[:3]  # an interpreter may be the first
    return any(word.rpartition("/")[2] in STARTERS for word in words)


def _ancestors(context, processes):
    """Pids of the parents of these processes, of their parents, and so on."""
    found, waiting = set(), list(processes)
    while waiting:
        above = waiting.pop().ppid
        one = context.processes.get(above) if above > 1 and above not in found else None
        if one is not None:
            found.add(above)
            waiting.append(one)
    return found


def supervisors(context, sources, own, processes):
    """Tuple of (Unit, its main Process) of those, beside our `own`, whose main process started one of these
    processes and may start it again: a supervisor that has other children too."""
    if not sources.units.managed():
        return ()
    above, found = _ancestors(context, processes), []
    for name in sorted({sources.units.of(one.pid) for one in processes} - {unit.name for unit in own} - {None}):
        unit = Unit(name, "", False)
        main = _main(context, sources, unit)
        if main is not None and main.pid in above and not _starts_anything(main):
            found.append((unit, main))
    return tuple(found)


def take_over(context, service, state_files, sources, processes):
    """Make systemd leave restarts of what runs to the cluster. The Units that these processes are in, a tuple."""
    found = tuple(unit for unit in own_units(context, service, state_files, sources, processes)
                  if any(sources.units.of(one.pid) == unit.name for one in processes))
    for unit in found:
        adopt(context, sources, unit)
    return found


def adopt(context, sources, unit, seconds=ASK_SECONDS):
    """Make systemd leave restarts of the unit to the cluster; where it does not, that is logged."""
    warning = (sources.units.adopt(unit, context.deadline.limit(seconds))
               or sources.units.restart_warning(unit, context.deadline.limit(ASK_SECONDS)))
    if warning:
        context.log.warning(warning)


def about_to_start(context, service, state_files, sources):
    """(Unit, UnitState) of the first unit of ours that systemd is about to start by itself, None: there is none. The
    state is None where systemd does not say, and may start it."""
    silent = None
    for unit in own_units(context, service, state_files, sources):
        state = sources.units.state(unit, context.deadline.limit(ASK_SECONDS))
        if state is None:
            context.log.warning("systemd does not say what %s does; see 'systemctl status %s'." % (
                unit.name, unit.name))
            if sources.units.enabled(unit) or not sources.units.adopted(unit):
                silent = silent or (unit, None)
        elif state.starting:
            return unit, state
    return silent


def unrecognised(context, service, state_files, sources):
    """The sentence about a unit of ours that has processes, where none of them is known as the service (another name or
    configuration on its command line, or a chroot); None: there is none."""
    for unit in own_units(context, service, state_files, sources):
        inside = sorted(pid for pid in sources.units.processes(unit) if context.processes.get(pid) is not None)
        if inside:
            return "%s has processes (pid %d) that are not known as %s: set binary, config or unit." % (
                unit.name, inside[0], service.name)
    return None


def enabled_warning(sources, unit):
    """The message when systemd starts the unit at boot, which only the cluster may; None when it does not."""
    if not sources.units.enabled(unit):
        return None
    return "systemd starts %s at boot, and so does the cluster: systemctl disable %s" % (unit.name, unit.name)


def novnc_chosen(path="/etc/default/nova-consoleproxy"):
    """Whether Debian's unit starts the noVNC proxy; True where the unit is not Debian's."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file]
    except OSError:
        return not os.path.isfile("/etc/init.d/nova-novncproxy")  # only Debian's unit reads it
    values = [line.partition("=")[2].strip("\"' ") for line in lines if line.startswith("NOVA_CONSOLE_PROXY_TYPE=")]
    return bool(values) and values[-1] == "novnc"
