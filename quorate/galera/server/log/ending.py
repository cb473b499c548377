# SPDX-License-Identifier: Apache-2.0
"""Why the launched server ended, or does not come up: its log and what it printed, the kernel's log, who has its port.

Only where something is wrong: a healthy monitor does not load this.
"""

import os

from quorate.galera.server.log import causes
from quorate.host import daemon

SERVER_UNITS = ("mariadb.service", "mysql.service", "mysqld.service")
LOG_MOST, LOG_HEAD = 262144, 131072  # bytes of the error log that are read, and how many of them from the launch on


def died(context, state_files):
    """Why the launched server is gone, as a sentence without a full stop; of a monitor, long after the launch."""
    known = state_files.read(daemon.PROCESS_FILE)
    log = known.get("log", "")
    return _killed_by_kernel(known) or _cause(context, state_files, log, known.get("datadir")) or (
        causes.shutdown(_text(state_files, log))
        or "it left no error, so it was probably killed (SIGKILL, or out of memory: see 'journalctl -k')")


def not_started(context, state_files, layout):
    """Why a server ended that was launched a moment ago."""
    found = _cause(context, state_files, layout.log, layout.datadir, layout.user)
    if found is None:
        found = _killed_by_kernel(state_files.read(daemon.PROCESS_FILE))
    if found is None:
        lines = daemon.printed_output(state_files).strip().splitlines()  # it may have printed before it had a log
        found = causes.shown(lines[-1]) if lines else "it left no error in %s" % layout.log
    return found


def stuck(context, state_files):
    """Why a server that runs does not come up."""
    known = state_files.read(daemon.PROCESS_FILE)
    return (_cause(context, state_files, known.get("log", ""), known.get("datadir"))
            or "its log tells no error: %s" % known.get("log", "it has none"))


def gave_up(context, state_files):
    """Why a server that runs has given up its start ("Aborting"), and hangs instead of ending, as it does without the
    index of its binary log; None where it has not."""
    log = state_files.read(daemon.PROCESS_FILE).get("log", "")
    return stuck(context, state_files) if causes.aborted(_text(state_files, log)) else None


def _text(state_files, log):
    """What it printed before it had a log, and beside it; then what it logged."""
    return daemon.printed_output(state_files) + "\n" + daemon.new_log(state_files, log, LOG_MOST, LOG_HEAD)


def _cause(context, state_files, log, datadir, user=None):
    cause = causes.find(_text(state_files, log), datadir, user or context.parameters.user)
    if cause is None:
        return None
    if cause.port is not None:
        own = state_files.read(daemon.PROCESS_FILE).get("pid", "")
        return _taken(context, cause, own) or cause.sentence
    return _forbidden(state_files, cause) or cause.sentence


def _taken(context, cause, own):
    """The sentence with the process that listens on the port; None when it cannot be found, or is the server itself."""
    from quorate.host.connections import listener
    from quorate.host.system.units import Units
    try:
        holder = listener(cause.port, context.processes)
    except OSError:
        return None
    if holder is None or str(holder.pid) == own:
        return None
    if holder.pid == 1:  # systemd holds it for a socket unit
        from quorate.galera.server.settings.layout import listening_units
        return listening_units(Units(context.commands), context.deadline.limit(5)) or (
            "Port %d is taken by systemd: systemctl list-sockets" % cause.port)
    name = os.path.basename(holder.argv[0]) if holder.argv else "?"
    unit = Units(context.commands).of(holder.pid)
    # A server of the cluster's, or of another instance, is not for systemd to end.
    remedy = "systemctl disable --now " + unit if unit in SERVER_UNITS else "ps -fp %d" % holder.pid
    return "Port %d is taken by %s (pid %d): %s" % (cause.port, name[:20], holder.pid, remedy)


def _killed_by_kernel(known):
    """The sentence when the kernel killed it for want of memory, else None."""
    from quorate.host.system import kernel
    try:
        pid, since = int(known["pid"]), int(known["start"]) / os.sysconf("SC_CLK_TCK")
    except (KeyError, ValueError):
        return None
    if kernel.killed_for_memory(kernel.messages(since), pid):
        return "the kernel killed it for want of memory: make innodb_buffer_pool_size smaller; journalctl -k"
    return None


def _forbidden(state_files, cause):
    """The sentence when a security module, and not the file's owner, refused what the server needs; else None."""
    if "cannot" not in cause.sentence and " may not " not in cause.sentence:
        return None
    from quorate.host.system import kernel
    try:
        since = int(state_files.read(daemon.PROCESS_FILE)["start"]) / os.sysconf("SC_CLK_TCK")
    except (KeyError, ValueError):
        return None
    denied = kernel.denied(kernel.messages(since), ("mariadbd", "mysqld"))
    if denied is None:
        return None
    return "%s forbids the server %s: journalctl -k | grep -i denied" % denied
