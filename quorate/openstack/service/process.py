# SPDX-License-Identifier: Apache-2.0
"""The processes of a service on this node, launched through its systemd unit where there is one, else as its program.
How they end: stopping."""

import os

from quorate.host import daemon
from quorate.ocf import codes
from quorate.ocf.codes import Failed
from quorate.openstack.facts import SERVICE_FILE, SYMPTOMS_FILE, short
from quorate.openstack.service import observe, unit as units

PROGRAM_DIRECTORIES = ("/usr/bin", "/usr/local/bin", "/usr/sbin", "/opt/stack/venv/bin", "/var/lib/kolla/venv/bin")


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
    """Why it cannot run on this machine, the first reason; None when it can. Raises Failed as unit.unit_for() does."""
    unit = units.unit_for(context, service, sources)
    if unit is not None and unit.masked:
        return "The systemd unit %s is masked: systemctl unmask %s" % (unit.name, unit.name)
    if unit is None and program(context, service) is None:
        if service.release:
            version = _installed_version(service.project)
            return "%s is not installed on this node%s: %s." % (
                service.name, " (%s %s is)" % (service.project, short(version, 12)) if version else "", service.release)
        return "%s is not installed: there is neither a systemd unit (%s) nor the program %s." % (
            service.name, ", ".join(service.units), short(context.parameters.binary or service.name, 16))
    if not os.path.isfile(context.parameters.config):
        return "%s is missing: set config=PATH, or install %s's configuration." % (
            short(context.parameters.config, 85), service.project)
    if unit is None and context.parameters.user and sources.user(context.parameters.user) is None:
        return "There is no user %s on this node; set user=NAME." % short(context.parameters.user, 90)
    return None


def prevent_second_copy(context, service, state_files, sources):
    """Stop a unit that systemd is about to start by itself while the program is started directly. Raises Failed."""
    if units.unit_for(context, service, sources) is not None:
        return
    found = units.about_to_start(context, service, state_files, sources)
    if found is None:
        return
    unit, state = found
    if state is None:
        raise Failed(codes.ERR_GENERIC, "Not started: systemd does not say whether it starts a second copy: systemctl "
                     "status %s" % unit.name)
    units.adopt(context, sources, unit)
    if not sources.units.stop(unit, context.deadline.limit(units.ASK_SECONDS)).ok:
        raise Failed(codes.ERR_GENERIC, "Not started: systemd is about to start a second copy, and does not stop "
                     "it: systemctl stop %s" % unit.name)


def launch(context, service, state_files, sources):
    """Start it; return when its first process is there. Raises Failed when systemd cannot."""
    unit = units.unit_for(context, service, sources)
    state_files.forget(SYMPTOMS_FILE)
    if unit is None:
        state_files.write(SERVICE_FILE, {"launched": int(context.clock.monotonic())})
        _spawn(context, service, state_files, sources)
        return
    units.adopt(context, sources, unit, 20.0)
    warning = units.enabled_warning(sources, unit)
    if warning:
        context.log.warning(warning)
    context.log.say("Starting the systemd unit %s." % unit.name)
    state_files.write(SERVICE_FILE, {"launched": int(context.clock.monotonic()), "unit": unit.name})
    result = sources.units.start(unit, context.deadline.limit(90))
    if not result.ok:
        from quorate.host.system.units import last_line
        raise Failed(codes.ERR_GENERIC, "systemctl start %s failed: %s See 'journalctl -u %s'." % (
            unit.name, short(last_line(result), 97 - 2 * len(unit.name)), unit.name))


def additional_options(parameters):
    """additional_parameters as words, split as a shell does it. Raises Failed."""
    import shlex
    try:
        return shlex.split(parameters.additional_parameters or "")
    except ValueError as error:  # "No closing quotation"
        raise Failed(codes.ERR_CONFIGURED, "additional_parameters cannot be split into words (%s): %s" % (
            str(error).lower(), short(parameters.additional_parameters, 60))) from None


def _spawn(context, service, state_files, sources):
    """Start the program in a session of its own, as its user."""
    parameters = context.parameters
    argv = [program(context, service), "--config-file=" + parameters.config]
    argv += additional_options(parameters)
    if getattr(parameters, "web", None):
        argv += ["--web", parameters.web]
    account = sources.user(parameters.user)
    argv += _log_options(context, service, sources, account, argv)
    context.log.say("Starting %s as %s." % (" ".join(argv), parameters.user))
    output = daemon.new_output_file(state_files)
    _make_directories(service, account)
    user = parameters.user if account is not None and account[0] != os.geteuid() else None
    context.commands.spawn(argv, output, env={"OCF_ROOT": None, "HOME": "/var/lib/" + service.project}, user=user)


def _log_options(context, service, sources, account, argv, logs="/var/log"):
    """Options with which it logs where its unit has it log, in its project's directory. None where options or
    configuration say where it logs, and where that directory or its log is not its own. Without them a service prints
    its log, and what it prints goes to memory and is not kept."""
    directory = "%s/%s" % (logs, service.project)
    said = any(word.replace("_", "-").startswith(("--log", "--use-")) for word in argv)  # oslo_log/_options.py
    if said or observe.settings_of(context, service, sources).logs:
        return []
    if account is None or not _owned(directory, account[0], True):
        return []
    name = os.path.basename(argv[0])
    file = "%s/%s.log" % (directory, name)
    return ["--log-file=" + file] if not os.path.lexists(file) or _owned(file, account[0]) else []


def _owned(path, user, directory=False):
    """Whether this is a file (or a directory) of that user's, and no link."""
    import stat
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return found.st_uid == user and (stat.S_ISDIR if directory else stat.S_ISREG)(found.st_mode)


def _make_directories(service, account):
    """Make what the unit would make in /run (RuntimeDirectory=): state and locks of the project. Raises
    quorate.errors.NotLaunched."""
    if account is not None and os.geteuid() == 0:
        daemon.make_directories(("/run/" + service.project, "/run/lock/" + service.project), *account, 0o755)


def all_processes(context, service, sources):
    """Every process of the service and its descendants: a copy of a volume, a helper with root's rights."""
    found = {one.pid: one for one in observe.find_processes(context, service, sources)}
    for pid in list(found):
        for child in context.processes.descendants(pid):
            found.setdefault(child.pid, child)
    return list(found.values())


def _installed_version(project, places=("/usr/lib/python3/dist-packages", "/usr/lib/python3*/site-packages")):
    """The version of a Python package, from the name of its metadata; None when it is not found."""
    import glob
    for place in places:
        for path in glob.glob("%s/%s-*-info" % (place, project)):
            return os.path.basename(path).split("-")[1].removesuffix(".egg").removesuffix(".dist")
    return None
