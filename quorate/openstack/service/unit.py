# SPDX-License-Identifier: Apache-2.0
"""The systemd units of a service on this node: the one to start it with, and all that may hold a process of this
resource or start one by themselves, whoever started them.

A unit that was not started by the agent has the Restart= of its package. In its RestartSec no process is there, and yet
one comes: for a stop and for a probe that is not stopped.
"""

import os

from quorate.host.units import Unit
from quorate.ocf import codes
from quorate.ocf.codes import Failed
from quorate.openstack.facts import SERVICE_FILE

NO_UNIT = "none"  # of the parameter unit
ASK_SECONDS = 5.0  # for a question to systemd


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


def own_units(context, service, state_files, sources, processes=()):
    """Tuple of the Units that may hold a process of this resource, or start one: the one that the parameter names, the
    one that the agent started, the distribution's where they run this very configuration, and those that one of these
    processes is the main process of.

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
        # It may as well be the unit that a shell, cron or Pacemaker runs in.
        unit = Unit(name, "", False)
        state = sources.units.state(unit, context.deadline.limit(ASK_SECONDS))
        if state is not None and state.main in {one.pid for one in processes}:
            found[name] = unit
    return tuple(found.values())


def take_over(context, service, state_files, sources, processes):
    """Make systemd leave restarts of what runs to the cluster. The Units that these processes are in, a tuple."""
    found = tuple(unit for unit in own_units(context, service, state_files, sources, processes)
                  if any(sources.units.of(one.pid) == unit.name for one in processes))
    for unit in found:
        warning = sources.units.adopt(unit, context.deadline.limit(ASK_SECONDS))
        if warning:
            context.log.warning(warning)
    return found


def about_to_start(context, service, state_files, sources):
    """(Unit, UnitState) of the first unit of ours that systemd is about to start by itself, None: there is none. What
    systemd does not say is a warning: no process is there."""
    for unit in own_units(context, service, state_files, sources):
        state = sources.units.state(unit, context.deadline.limit(ASK_SECONDS))
        if state is None:
            context.log.warning("systemd does not say what %s does; see 'systemctl status %s'." % (
                unit.name, unit.name))
        elif state.starting:
            return unit, state
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
