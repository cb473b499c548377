# SPDX-License-Identifier: Apache-2.0
"""The broker's processes: found, launched, stopped with proof.

The process is an Erlang machine (beam.smp) that was told '-s rabbit boot'; its command line does not say which node it is,
so one that the agent launched is known by pid and start time, another one by what it was told in its environment.
epmd, which Erlang starts beside it, belongs to all Erlang programs of the machine and is left alone.
"""

import os

from quorate.ocf import codes
from quorate.ocf.agent import Failed
from quorate.rabbitmq.process import is_broker

NOTE = "server"
HOPELESS_PATIENCE = 3.0  # seconds
OPEN_FILES = 65536       # LimitNOFILE of rabbitmq-server.service
CHILDREN = ("erl_child_setup", "inet_gethost", "cpu_sup", "memsup")
ENDING_PATIENCE = 5


def is_ending(process):
    """Whether the kernel is still taking apart a process that was killed: its memory is gone, its command line with it."""
    return not process.argv


def noted(context, memory):
    """The broker that was launched, if it still runs: cheap, this is what a healthy monitor asks. Process or None."""
    note = memory.read(NOTE)
    try:
        pid, start = int(note["pid"]), int(note["start"])
    except (KeyError, ValueError):
        return None
    process = context.processes.get(pid)
    return process if process and process.start == start else None


def find(context, memory, nodename):
    """The broker of this node, whoever started it. Process or None."""
    process = noted(context, memory)
    if process:
        return process
    found = [process for process in context.processes.all() if is_broker(process, nodename)]
    return min(found, key=lambda process: process.start) if found else None


def remains(context, memory, nodename):
    """Every process of the broker: Erlang machines, their children, what is left of the session that was launched."""
    everything = context.processes.all()
    roots = [process for process in everything if is_broker(process, nodename)]
    known = noted(context, memory)
    if known is not None and known.pid not in {one.pid for one in roots}:
        roots.append(known)
    found = {process.pid: process for process in roots}
    for root in roots:
        for child in context.processes.descendants(root.pid):
            found[child.pid] = child
    session = memory.read(NOTE).get("session", "")
    for process in everything:
        if process.pid not in found and process.pid != os.getpid() and process.argv and session.isdigit():
            named = os.path.basename(process.argv[0]).startswith(CHILDREN + ("beam", "erl", "rabbitmq-server"))
            if named and _session(process.pid) == int(session):
                found[process.pid] = process
    return list(found.values())


def _session(pid):
    try:
        return os.getsid(pid)
    except OSError:
        return None


def launch(context, memory, layout, arguments=()):
    """Start the broker, with these words more for the Erlang machine. Returns its Process. Raises Failed."""
    prepare_directories(layout)
    output = memory.path("output")
    os.makedirs(memory.run, 0o755, exist_ok=True)
    try:
        os.unlink(output)
    except OSError:
        pass
    # The script then replaces itself by the Erlang machine, as under its unit, instead of waiting beside it: no process in
    # between that could live on, and the pid is the broker's. Nothing is notified: that takes a socket.
    env = dict(layout.environment(), RUNNING_UNDER_SYSTEMD="true", OCF_ROOT=None, NOTIFY_SOCKET=None, LC_ALL="C.UTF-8")
    if arguments:
        env["RABBITMQ_SERVER_START_ARGS"] = " ".join(arguments)
    if context.parameters.config:
        env["RABBITMQ_CONFIG_FILE"] = layout.config
    if context.parameters.datadir:
        env["RABBITMQ_MNESIA_BASE"] = layout.base
    context.log.say("Starting %s as %s%s" % (layout.server, layout.nodename, " ".join(("",) + tuple(arguments))))
    allow_open_files()
    memory.write("log-offset", {"bytes": size(layout.log)})
    before = os.umask(0o027)
    try:
        pid = context.commands.spawn([layout.server], output, env=env, user=layout.user)
    finally:
        os.umask(before)
    process = context.processes.get(pid)
    if process is None:
        raise Failed(codes.ERR_GENERIC, "%s ended at once: %s" % (layout.server, last_words(memory, layout.log)))
    # A kill of the agent between the spawn and this note loses nothing: find() recognises the broker.
    memory.write(NOTE, {"pid": pid, "start": process.start, "session": pid, "log": layout.log,
                        "launched": int(context.clock.now())})
    return process


def allow_open_files():
    """Let the broker open as many files as its own systemd unit would."""
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < OPEN_FILES:
        for limits in ((OPEN_FILES, max(hard, OPEN_FILES)), (hard, hard)):  # a container may not go beyond its own limit
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
                return
            except (ValueError, OSError):
                continue


def prepare_directories(layout):
    """Make the directories of data and log where they are missing (a new disk), owned by the broker's user."""
    import pwd
    account = pwd.getpwnam(layout.user)
    for path in (layout.home, layout.base, os.path.dirname(layout.log)):
        if not os.path.isdir(path):
            os.makedirs(path, 0o750)
            os.chown(path, account.pw_uid, account.pw_gid)


def size(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def new_log(memory, log, most=65536):
    """What the broker wrote to its log since it was launched (the end of it, if that is more than `most` bytes)."""
    try:
        offset = int(memory.read("log-offset").get("bytes", 0))
        with open(log, "rb") as file:
            end = file.seek(0, 2)
            start = offset if offset <= end else 0  # it was rotated meanwhile
            file.seek(max(start, end - most))
            return file.read().decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def said(memory, log):
    """The broker's own last error, or what it printed before it had a log; None: it left none, so it was probably killed."""
    from quorate.rabbitmq import read
    return read.last_error(new_log(memory, log, 8192)) or read.last_error(_text(memory.path("output"))[-2048:])


def last_words(memory, log):
    """The same in words, whatever it was."""
    return said(memory, log) or ("it left no error in %s, so it was probably killed (SIGKILL, or out of memory: see "
                                 "'journalctl -k')" % log)


def _text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(65536)
    except OSError:
        return ""


def stop(context, memory, nodename, budget, hopeless=False):
    """Stop the broker and its children, within `budget` seconds. Returns what is still there (empty: done).

    SIGTERM first: RabbitMQ stops in good order on it (rabbit_prelaunch_sighandler.erl), as on `rabbitmqctl stop`, which
    would cost an Erlang machine more. One that was stopped by SIGSTOP gets SIGCONT, or it could not even hear that. After
    two thirds of the time, after a few seconds where SIGTERM is hopeless, SIGKILL, and then wait for the proof.
    """
    import signal
    left = remains(context, memory, nodename)
    if not left:
        return []
    deadline = context.deadline.part(budget)
    for process in left:
        if process.argv and os.path.basename(process.argv[0]).startswith("beam"):
            _signal(context, process, signal.SIGTERM)
            _signal(context, process, signal.SIGCONT)
            context.log.say("Sent SIGTERM to pid %d (%s)." % (process.pid, process.argv[0]))
    patience = min(HOPELESS_PATIENCE, budget / 3) if hopeless else budget * 2 / 3

    def gone():
        return all(context.processes.gone(process) for process in left)

    if not context.deadline.poll(gone, every=0.1, up_to=patience):
        context.log.warning("The broker did not end within %.0f s of SIGTERM; sending SIGKILL." % patience)
    # Again by looking, not by the old list: it may have started children meanwhile.
    deadline.poll(lambda: not _kill(context, memory, nodename), every=0.2)
    return remains(context, memory, nodename)


def _kill(context, memory, nodename):
    import signal
    left = remains(context, memory, nodename)
    for process in left:
        _signal(context, process, signal.SIGKILL)
    return left


def _signal(context, process, number):
    try:
        context.processes.signal(process, number)
    except PermissionError:
        pass
