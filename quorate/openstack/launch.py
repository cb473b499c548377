# SPDX-License-Identifier: Apache-2.0
"""Starting a service: through its systemd unit where there is one, else its program, and the wait until it works."""

import os

from quorate.host import daemon
from quorate.ocf import codes
from quorate.ocf.agent import Failed, Outcome
from quorate.openstack import decide, facts, probe
from quorate.openstack.memory import SERVICE, SYMPTOMS

SETTLED = 6.0        # seconds after which a service that lacks its broker or database counts as started all the same
NO_UNIT = "none"
PATIENCE = 30.0      # seconds that a backend without a worker is waited for while others work
INTERPRETER_PATH = ("/usr/bin", "/usr/local/bin", "/usr/sbin", "/opt/stack/venv/bin", "/var/lib/kolla/venv/bin")


def unit_for(context, service, eyes):
    """The Unit to start it with, or None: its program is started. Raises Failed where a named one is missing.

    A unit starts what the distribution has put into it; whoever gives a program, options or another configuration file
    wants those, so the program is started.
    """
    parameters, wanted = context.parameters, context.parameters.unit
    if wanted == NO_UNIT or not eyes.units.managed():
        return None
    if not wanted and (parameters.additional_parameters or (parameters.binary or service.name) != service.name
                       or parameters.config != service.config or getattr(parameters, "web", None)):
        return None
    unit = eyes.units.find((wanted,) if wanted else service.units)
    if wanted and unit is None:
        raise Failed(codes.ERR_INSTALLED, "There is no systemd unit %s on this node." % wanted)
    return None if unit is None or (unit.masked and not wanted) else unit


def unit_of(context, service, eyes):
    """The unit that its processes may be in, for a stop: whatever the parameters say today. None: there is none."""
    if not eyes.units.managed():
        return None
    wanted = context.parameters.unit
    return eyes.units.find((wanted,) if wanted and wanted != NO_UNIT else service.units)


def program(context, service):
    """Path of the program, None when it is not installed."""
    binary = context.parameters.binary or service.name
    if "/" in binary:
        return binary if os.access(binary, os.X_OK) else None
    for directory in INTERPRETER_PATH:
        if os.access("%s/%s" % (directory, binary), os.X_OK):
            return "%s/%s" % (directory, binary)
    return None


def obstacles(context, service, eyes):
    """The first reason why it cannot run on this machine, None when it can."""
    unit = unit_for(context, service, eyes)
    if unit is not None and unit.masked:
        return "The systemd unit %s is masked: systemctl unmask %s" % (unit.name, unit.name)
    if unit is None and program(context, service) is None:
        if service.release:
            version = installed(service.project)
            return "%s is not installed on this node%s: %s." % (
                service.name, " (%s %s is)" % (service.project, version) if version else "", service.release)
        return "%s is not installed on this node: neither a systemd unit (%s) nor the program %s." % (
            service.name, ", ".join(service.units), context.parameters.binary or service.name)
    if not os.path.isfile(context.parameters.config):
        return "The configuration file %s is missing; set config=PATH, or install %s's configuration." % (
            context.parameters.config, service.project)
    if unit is None and context.parameters.user and eyes.user(context.parameters.user) is None:
        return "There is no user %s on this node; set user=NAME." % context.parameters.user
    return None


def installed(project, places=("/usr/lib/python3/dist-packages", "/usr/lib/python3*/site-packages")):
    """The version of a Python package as its metadata's name says it, None when it is not found."""
    import glob
    for place in places:
        for path in glob.glob("%s/%s-*-info" % (place, project)):
            return os.path.basename(path).split("-")[1].removesuffix(".egg").removesuffix(".dist")
    return None


def begin(context, service, memory, eyes):
    """Start it and return the unit or None. Does not wait for more than its first process."""
    unit = unit_for(context, service, eyes)
    memory.forget(SYMPTOMS)
    if unit is None:
        memory.write(SERVICE, {"launched": int(context.clock.monotonic())})
        _spawn(context, service, memory, eyes)
        return None
    trouble = eyes.units.adopt(unit, context.deadline.limit(20))
    if trouble:
        context.log.warning(trouble)
    if eyes.units.enabled(unit):
        context.log.warning("systemd starts %s at boot, and so does the cluster: systemctl disable %s" % (unit.name, unit.name))
    context.log.say("Starting the systemd unit %s." % unit.name)
    memory.write(SERVICE, {"launched": int(context.clock.monotonic()), "unit": unit.name})
    result = eyes.units.start(unit, context.deadline.limit(90))
    if not result.ok:
        from quorate.host.units import last_line
        raise Failed(codes.ERR_GENERIC, "systemctl start %s failed: %s See 'journalctl -u %s'." % (
            unit.name, last_line(result), unit.name))
    return unit


def _spawn(context, service, memory, eyes):
    """The program in a session of its own, as its user."""
    parameters = context.parameters
    argv = [program(context, service), "--config-file=" + parameters.config]
    argv += (parameters.additional_parameters or "").split()
    if getattr(parameters, "web", None):
        argv += ["--web", parameters.web]
    context.log.say("Starting %s as %s." % (" ".join(argv), parameters.user))
    output = daemon.fresh_output(memory)
    _directories(service, eyes.user(parameters.user))
    account = eyes.user(parameters.user)
    user = parameters.user if account is not None and account[0] != os.geteuid() else None
    context.commands.spawn(argv, output, env={"OCF_ROOT": None, "HOME": "/var/lib/" + service.project}, user=user)


def _directories(service, account):
    """What the unit would make in /run (RuntimeDirectory=): state and locks of the project."""
    if account is None or os.geteuid() != 0:
        return
    daemon.own_directories(("/run/" + service.project, "/run/lock/" + service.project), *account, 0o755)


def wait(context, service, memory, eyes, unit):
    """Until every worker is connected. An Outcome."""
    last = []

    def settled():
        since = _since_launch(context, memory)
        if since > SETTLED:
            context.clock.sleep(context.deadline.limit(0.75))  # from now on broker and database are asked each time
        seen = probe.look(context, service, memory, eyes, ask=since > SETTLED)
        found = decide.symptoms(service, seen)
        last[:] = [seen, found]
        return _settled(context, service, memory, seen, found, since)

    outcome = context.deadline.poll(settled, every=0.25)
    if outcome:
        return outcome
    seen, found = last
    if seen.tree.parent is None:
        return Outcome(codes.ERR_GENERIC, died(context, service, memory, unit))
    return Outcome(codes.ERR_GENERIC, "%s runs (pid %d) and is not ready: %s See its log in /var/log/%s." % (
        service.name, seen.tree.parent.pid, found[0].sentence if found else "no worker is connected.", service.project))


def _since_launch(context, memory):
    launched = memory.number(SERVICE, "launched")
    return context.clock.monotonic() - launched if launched is not None else 0.0


def _settled(context, service, memory, seen, found, since):
    """The Outcome once it is decided, else None."""
    if seen.tree.parent is None:
        # systemd has gone through the unit, or the program has ended: nothing comes any more.
        return Outcome(codes.ERR_GENERIC, died(context, service, memory, None)) if since > SETTLED else None
    fatal = next((one for one in found if one.kind == facts.FATAL), None)
    if fatal is not None:  # what a fork explains is over by then
        return Outcome(codes.ERR_GENERIC, "Not started: %s" % fatal.sentence) if since > SETTLED else None
    if not found and connected(service, seen):
        remember(context, service, memory, seen)
        return Outcome(codes.SUCCESS)
    outage = next((one for one in found if one.kind == facts.OUTAGE), None)
    if outage is not None and since > SETTLED and (outage.key == "database" or seen.broker is False):
        # A failed start would ban every node until somebody cleans up, and one that waits would hold up the cluster, which may
        # be about to bring that very database back.
        remember(context, service, memory, seen, early=1)
        context.log.warning("Started, but: %s" % outage.sentence)
        return Outcome(codes.SUCCESS)
    if outage is None and found and since > PATIENCE and probe.connected(service, seen):
        # Some backends came up: they shall serve. The monitor shows which did not, as degraded.
        remember(context, service, memory, seen)
        context.log.warning(found[0].sentence)
        return Outcome(codes.SUCCESS)
    return None


def connected(service, seen):
    """Whether it can be seen to work. What the kernel did not show counts as not yet, and the deadline decides."""
    if service.amqp:
        return all((seen.sockets[one.pid].amqp or 0) > 0 for one in seen.tree.workers if one.pid in seen.sockets)
    return seen.port_owner == "ours" or service.port is None


def remember(context, service, memory, seen, **known):
    """Note which process it is and how many workers came up; write the pid file, if one is wanted. known: what else is to be
    noted."""
    parent = seen.tree.parent
    workers = len([one for one in seen.tree.workers if one != parent]) or 1
    note = memory.read(SERVICE)
    note.update({"pid": parent.pid, "start": parent.start, "workers": workers, "linked": probe.connected(service, seen)}, **known)
    memory.write(SERVICE, note)
    if context.parameters.pid:
        from quorate.host.memory import replace
        try:
            replace(context.parameters.pid, "%d\n" % parent.pid)  # its directory may be the service's: no link is followed
        except OSError as error:
            context.log.warning("The pid file %s cannot be written: %s." % (context.parameters.pid, error.strerror))


def died(context, service, memory, unit):
    """A sentence about a service of which nothing is left after its start."""
    unit = memory.read(SERVICE).get("unit")
    if unit and service.name == "nova-novncproxy" and not novnc_chosen():
        return ("%s ended at once and reports success: Debian starts this proxy only if /etc/default/nova-consoleproxy says "
                "NOVA_CONSOLE_PROXY_TYPE=novnc. Set it on every node." % unit)
    if unit:
        return "%s ended at once; see 'journalctl -u %s' and /var/log/%s." % (service.name, unit, service.project)
    lines = daemon.printed(memory).strip().splitlines()  # before it had a log
    return "%s ended at once%s See /var/log/%s." % (
        service.name, ": " + lines[-1].strip()[:200] if lines else ".", service.project)


def novnc_chosen(path="/etc/default/nova-consoleproxy"):
    """Whether Debian's unit starts the noVNC proxy; True where the unit is not Debian's."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file]
    except OSError:
        return not os.path.isfile("/etc/init.d/nova-novncproxy")  # only Debian's unit reads it
    values = [line.partition("=")[2].strip("\"' ") for line in lines if line.startswith("NOVA_CONSOLE_PROXY_TYPE=")]
    return bool(values) and values[-1] == "novnc"
