# SPDX-License-Identifier: Apache-2.0
"""Why the launched broker is gone: what it printed, its log, the kernel's log, who has its port.

Only where something is wrong: a healthy monitor does not load this.
"""

import os
import re

from quorate.host import daemon
from quorate.rabbitmq.broker import parse
from quorate.rabbitmq.broker.log import causes

LOG_MOST, LOG_HEAD = 262144, 131072  # bytes of the log that are read, and how many of them from the launch on
LAST_MOST, PRINTED_MOST = 8192, 2048  # bytes of log and output in which a last error is looked for
_ASKED_PORT = re.compile(r"sport = :(\d{1,5})$")
UNIT = "rabbitmq-server.service"
JUDGED = ("alone", "excluded")  # causes that actions.boot knows by the broker's own words
BOOT_FAILED = "BOOT FAILED"


def died(context, state_files, layout):
    """Why the launched broker is gone, as a sentence without a full stop; also one that says that it is not known."""
    text = _text(state_files, layout.log)
    found = _killed_by_kernel(state_files) or causes.sentence(text, layout)
    if found is not None:
        return _taken(context, found) or found
    found = causes.shutdown(text)
    if found is None:
        found = logged_error(state_files, layout.log)
        found = found and causes.shown(found)
    return found or "it left no error in %s, so it was probably killed: see 'journalctl -k'" % (
        layout.shown_log(state_files.path("output")))


def cause(state_files, layout):
    """The cause of a broker's end that its text tells, as a sentence; None: it tells none that is known."""
    return causes.sentence(_text(state_files, layout.log), layout)


def logged_error(state_files, log):
    """The broker's own last error, from its log, or from what it printed before it had a log; None: it left none, so it
    was probably killed. By this the boot is judged; died() is for an operator."""
    error = parse.last_error(daemon.new_log(state_files, log, LAST_MOST)) if log else None
    error = error or parse.last_error(daemon.printed_output(state_files)[-PRINTED_MOST:])
    if error:
        return error
    # The start script and Erlang call nothing an error; and a log may have a format of its own
    # (log.file.formatter.plaintext.format, json.field_map).
    text = _text(state_files, log)
    code, words = causes.said(text) or (None, None)
    if code in JUDGED:
        return words
    return causes.sentence(daemon.printed_output(state_files)) or (BOOT_FAILED if BOOT_FAILED in text else None)


def _text(state_files, log):
    """What it printed before it had a log, and beside it; then what it logged."""
    return daemon.printed_output(state_files) + "\n" + (daemon.new_log(state_files, log, LOG_MOST, LOG_HEAD) if log
                                                        else "")


def _taken(context, sentence):
    """The sentence with the process that listens at the port; None when it is about none, or cannot be found."""
    from quorate.host.connections import listener
    from quorate.host.system.units import Units
    port = _ASKED_PORT.search(sentence)
    if port is None:
        return None
    try:
        holder = listener(int(port.group(1)), context.processes)
    except OSError:
        return None
    if holder is None or holder.pid == 1:
        return None
    name = os.path.basename(holder.argv[0]) if holder.argv else "?"
    unit = Units(context.commands).of(holder.pid)
    # A resource of the cluster's, or another instance, is not for systemd to end.
    return "Port %s is taken by %s (pid %d): %s" % (port.group(1), name[:20], holder.pid, (
        "systemctl disable --now " + unit) if unit == UNIT else "ps -fp %d" % holder.pid)


def _killed_by_kernel(state_files):
    """The sentence when the kernel killed it for want of memory, else None."""
    from quorate.host.system import kernel
    known = state_files.read(daemon.PROCESS_FILE)
    try:
        pid, since = int(known["pid"]), int(known["start"]) / os.sysconf("SC_CLK_TCK")
    except (KeyError, ValueError):
        return None
    if kernel.killed_for_memory(kernel.messages(since), pid):
        return "the kernel killed it for want of memory: free -m; journalctl -k"
    return None
