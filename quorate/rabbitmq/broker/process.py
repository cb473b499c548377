# SPDX-License-Identifier: Apache-2.0
"""The broker's processes: found, launched, stopped with proof.

The broker is an Erlang machine (beam.smp) with '-s rabbit boot' on its command line, which does not say which node it
is. So one that the agent launched is known by pid and start time, and any other one by its environment. epmd, which
Erlang starts beside it, belongs to all Erlang programs of the machine and is left alone.

The agent and the check find the broker in different ways: `find` is the agent's, `find_by_pid_file` the check's.
"""

import os

from quorate.host import daemon
from quorate.host.process import same_root

OPEN_FILES = 65536       # LimitNOFILE of rabbitmq-server.service
CHILDREN = ("erl_child_setup", "inet_gethost", "cpu_sup", "memsup", "beam", "erl", "rabbitmq-server")
TAIL = 65536             # bytes of the log in which the boot stage is looked for


# finding

def is_broker(process, nodename):
    """Whether this is the broker of that Erlang name, or one whose environment has no name (its unit or an operator
    started it). nodename None: whether it is any broker."""
    return is_any_broker(process) and (nodename is None or is_same_name(environment_nodename(process.pid), nodename))


def is_any_broker(process):
    """Whether this is a broker, of whatever name, that sees our file system."""
    words = process.argv
    if not words or not os.path.basename(words[0]).startswith("beam"):
        return False
    return ("-s", "rabbit", "boot") in zip(words, words[1:], words[2:]) and same_root(process.pid)


def is_same_name(given, nodename):
    """Whether RABBITMQ_NODENAME of a process (None: it is not set) can be this Erlang name. It may lack the host, and
    its host, or ours, the domain: then it is this machine."""
    if given is None or given == nodename:
        return True
    (name, _, host), (wanted, _, wanted_host) = given.partition("@"), nodename.partition("@")
    here = os.uname().nodename.partition(".")[0]
    return name == wanted and wanted_host.partition(".")[0] == here and host.partition(".")[0] in ("", here)


def environment_nodename(pid):
    """RABBITMQ_NODENAME in the environment of a process; None when it has none or it cannot be read."""
    try:
        with open("/proc/%d/environ" % pid, "rb") as file:
            words = file.read(65536).split(b"\0")
    except OSError:
        return None
    found = [word[18:] for word in words if word.startswith(b"RABBITMQ_NODENAME=")]
    return os.fsdecode(found[0]) or None if found else None


def find(context, state_files, nodename):
    """The broker of this node, whoever started it. Process or None."""
    return daemon.find(context, state_files, lambda process: is_broker(process, nodename))


def find_by_pid_file(processes, nodename, pid_file=None):
    """The broker of this node, for the check: by the pid file that the broker writes, else among all processes. Process
    or None."""
    try:
        with open(pid_file or "", encoding="ascii", errors="replace") as file:
            process = processes.get(int(file.read().strip() or 0))
        if process and is_broker(process, nodename):
            return process
    except (OSError, ValueError):
        pass
    return next((one for one in processes.all() if is_broker(one, nodename)), None)


def only_broker(processes):
    """The Process of the only broker that runs on this machine, of whatever name; None: there is none, or several."""
    found = [one for one in processes.all() if is_any_broker(one)]
    return found[0] if len(found) == 1 else None


def all_processes(context, state_files, nodename):
    """Every process of the broker: Erlang machines, their children, and what is left of the session that was
    launched."""
    found = daemon.find_all(context, state_files, lambda process: is_broker(process, nodename), is_orphan)
    return [process for process in found if not process.argv or os.path.basename(process.argv[0]) != "epmd"]


def is_orphan(process, sessions):
    """Whether a broker left this process behind."""
    return os.path.basename(process.argv[0]).startswith(CHILDREN) and daemon.session(process.pid) in sessions


# launching

def launch(context, state_files, layout, arguments=()):
    """Start the broker, with more arguments for the Erlang machine. Returns its Process. Raises Failed."""
    prepare_directories(layout)
    # RUNNING_UNDER_SYSTEMD: the script replaces itself by the Erlang machine, as under its unit, instead of waiting
    # beside it. So no process in between can live on, and the pid is the broker's. Nothing is notified: that takes a
    # socket.
    env = dict(layout.environment(), RUNNING_UNDER_SYSTEMD="true", OCF_ROOT=None, NOTIFY_SOCKET=None, LC_ALL="C.UTF-8")
    if arguments:
        env["RABBITMQ_SERVER_START_ARGS"] = " ".join(arguments)
    if context.parameters.config:
        env["RABBITMQ_CONFIG_FILE"] = layout.config
    context.log.say("Starting %s as %s%s" % (layout.server, layout.nodename, " ".join(("",) + tuple(arguments))))
    daemon.allow_open_files(OPEN_FILES)
    process = daemon.launch(context, state_files, [layout.server], layout.log or "", env, layout.user, 0o027)
    if process is None:
        from quorate.ocf import codes  # not at the top: the check needs nothing of OCF
        from quorate.rabbitmq.broker.log import ending
        raise codes.Failed(codes.ERR_GENERIC, "%s ended at once: %s" % (
            layout.server, ending.died(context, state_files, layout)))
    return process


def prepare_directories(layout):
    """Make the directories of data and log where they are missing (a new disk), owned by the broker's user. Raises
    quorate.errors.NotLaunched."""
    import pwd
    account = pwd.getpwnam(layout.user)
    paths = [layout.home, layout.base] + ([os.path.dirname(layout.log)] if layout.log else [])
    daemon.make_directories(paths, account.pw_uid, account.pw_gid, 0o750)


# what it said

def boot_stage(log, process=None):
    """The boot stage of a broker that does not listen: see parse.boot_stage. None when there is no log, when it cannot
    be read, or when `process` has not written to it yet, so that it is about an earlier one: of its lines count those
    that were written since it started."""
    from time import time
    from quorate.rabbitmq.broker import parse
    if not log:
        return None
    try:
        with open(log, "rb") as file:
            written, size = os.fstat(file.fileno()).st_mtime, file.seek(0, 2)
            began = started_at(process) if process is not None else 0.0
            if written < began:
                return None
            file.seek(max(0, size - TAIL))
            text = written_since(file.read(TAIL).decode("utf-8", "replace"), began)
            return parse.boot_stage(text, time() - written)
    except OSError:
        return None


def written_since(log, began):
    """The lines at the end of a log that were not written before that, Unix seconds: a broker needs seconds until its
    first line, and what an earlier one wrote last (that it paused, that it was in maintenance) is not about it. A line
    without a time that is understood (log.file.formatter.time_format) belongs to the one before it."""
    from datetime import datetime
    from re import finditer
    start = 0
    for found in finditer(r"(?m)^.{0,200}?(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)[.\d]*([+-]\d\d:\d\d).*\n?", log):
        try:
            when = datetime.fromisoformat("%sT%s%s" % found.groups()).timestamp()
        except ValueError:
            continue
        if when + 1 < began:  # a fraction of a second is cut off
            start = found.end()
    return log[start:]


def started_at(process):
    """Unix seconds at which a process started, to within a tick of the kernel's clock."""
    from time import CLOCK_BOOTTIME, clock_gettime, time
    return time() - clock_gettime(CLOCK_BOOTTIME) + process.start / os.sysconf("SC_CLK_TCK")


# stopping

def stop(context, state_files, nodename, budget, skip_grace=False):
    """Stop the broker and its children, within `budget` seconds. Returns the processes that are still there (empty:
    done).

    RabbitMQ stops in good order on SIGTERM (rabbit_prelaunch_sighandler.erl), as it does for `rabbitmqctl stop`, which
    would start another Erlang machine.
    """
    def ask(processes):
        for process in processes:
            if process.argv and os.path.basename(process.argv[0]).startswith("beam"):
                daemon.signal(context, process, daemon.SIGTERM)
                # Stopped by SIGSTOP, it could not even receive the SIGTERM.
                daemon.signal(context, process, daemon.SIGCONT)
                context.log.say("Sent SIGTERM to pid %d (%s)." % (process.pid, process.argv[0]))

    return daemon.stop(context, lambda: all_processes(context, state_files, nodename), ask, "The broker", budget,
                       skip_grace)
