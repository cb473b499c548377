# SPDX-License-Identifier: Apache-2.0
"""A daemon that an agent launched: known again, with everything that belongs to it, and stopped with proof.

A pid file proves nothing: it is missing while a daemon starts, and its pid is used again. What the agent launched is known by
pid and start time, from a note; what somebody else started, by what only the service can tell (`is_one`, a function of a
Process).
"""

import os

NOTE = "server"
SHORT_GRACE = 3.0  # seconds for one that is likely not to hear SIGTERM
SIGKILL, SIGTERM, SIGCONT = 9, 15, 18  # as on every Linux we know; importing signal costs milliseconds


def launched_process(context, state_files):
    """The one that was launched, if it still runs: cheap, this is what a healthy monitor asks. Process or None."""
    note = state_files.read(NOTE)
    try:
        pid, start = int(note["pid"]), int(note["start"])
    except (KeyError, ValueError):
        return None
    process = context.processes.get(pid)
    return process if process and process.start == start else None


def is_ending(process):
    """Whether the kernel is already taking the process apart: its memory went first (do_exit in kernel/exit.c), and with it
    its words; its files and locks go after that, which takes seconds with a large buffer pool."""
    return not process.argv


def find(context, state_files, is_one):
    """The daemon, whoever started it. Process or None."""
    process = launched_process(context, state_files)
    if process:
        return process
    found = [process for process in context.processes.all() if is_one(process)]
    return min(found, key=lambda process: process.start) if found else None


def family(context, state_files, is_one, is_orphan):
    """Every process of the daemon: all that are one, what those have started, and what is left of their sessions.

    is_orphan(process, sessions): whether a process that is no descendant belongs to it; sessions: ids as session() gives them.
    """
    everything = context.processes.all()
    roots = [process for process in everything if is_one(process)]
    known = launched_process(context, state_files)
    if known is not None and known not in roots:
        roots.append(known)  # it is ending: no words and no working directory any more, but its files are still open
    sessions = {process.pid for process in roots}
    try:
        sessions.add(int(state_files.read(NOTE).get("session", "")))
    except ValueError:
        pass
    found = {process.pid: process for process in roots}
    for root in roots:
        for child in context.processes.descendants(root.pid):
            found[child.pid] = child
    for process in everything:
        if process.pid not in found and process.argv and process.pid != os.getpid() and is_orphan(process, sessions):
            found[process.pid] = process
    return list(found.values())


def session(pid):
    """The id of its session, which is the pid of whoever began it; None when it is gone."""
    try:
        return os.getsid(pid)
    except OSError:
        return None


# Launching

def launch(context, state_files, argv, log, env, user=None, umask=0o022, **known):
    """Start it in a session of its own and note it. Its Process; None: it ended at once. log: path of its own log.

    umask: of the daemon; our own notes can be read by everybody. known: what else is to be in the note. A kill of the agent before the note is written loses nothing: find() recognises
    the daemon by `is_one`.
    """
    output = fresh_output(state_files)
    state_files.write("log-offset", {"bytes": _size(log)})
    before = os.umask(umask)
    try:
        pid = context.commands.spawn(argv, output, env=env, user=user)
    finally:
        os.umask(before)
    process = context.processes.get(pid)
    if process is not None:
        note(context, state_files, process, log, session=pid, **known)
    return process


def note(context, state_files, process, log, **known):
    """Write down that this is the daemon from now on."""
    state_files.write(NOTE, dict({"pid": process.pid, "start": process.start, "session": "", "log": log,
                             "launched": int(context.clock.now())}, **known))


def fresh_output(state_files):
    """Path of the file for what a daemon prints before it has a log; what an earlier one printed is gone."""
    output = state_files.path("output")
    os.makedirs(state_files.run, 0o755, exist_ok=True)
    try:
        os.unlink(output)
    except OSError:
        pass
    return output


def own_directories(paths, user, group, mode):
    """Make those of these directories that are missing, owned by the daemon's account (numbers)."""
    for path in paths:
        if not os.path.isdir(path):
            os.makedirs(path, mode, exist_ok=True)
            os.chown(path, user, group)


def allow_open_files(wanted):
    """Let what is launched open as many files as its own systemd unit would. In a container, as many as that may."""
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    for limits in ((wanted, max(hard, wanted)), (hard, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            return
        except (ValueError, OSError):
            continue


# What it said

def new_log(state_files, log, most):
    """What it wrote to its log since it was launched (the end of it, if that is more than `most` bytes)."""
    try:
        offset = int(state_files.read("log-offset").get("bytes", 0))
        with open(log, "rb") as file:
            end = file.seek(0, 2)
            start = offset if offset <= end else 0  # it was rotated meanwhile
            file.seek(max(start, end - most))
            return file.read().decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def printed(state_files):
    """What it printed, before it had a log or beside it."""
    try:
        with open(state_files.path("output"), encoding="utf-8", errors="replace") as file:
            return file.read(65536)
    except OSError:
        return ""


def _size(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


# Stopping

def stop(context, all_processes, ask, name, budget, skip_grace=False):
    """End it within `budget` seconds. Returns the processes that are still there (empty: done).

    remains()       every process of it that can be found now
    ask(processes)  tells them to end, in the way of the service
    name            for the log: 'The broker'
    hopeless        it is likely not to hear that

    After two thirds of the time, after a few seconds where it is hopeless, SIGKILL, and then a wait for the proof: a killed
    process is not gone until the kernel says so.
    """
    first = all_processes()
    if not first:
        return []
    deadline = context.deadline.part(budget)
    ask(first)
    patience = min(SHORT_GRACE, budget / 3) if skip_grace else budget * 2 / 3

    def gone():
        return all(context.processes.gone(process) for process in first)

    if not context.deadline.poll(gone, every=0.1, up_to=patience):
        context.log.warning("%s did not end within %.0f s of SIGTERM; sending SIGKILL." % (name, patience))

    def left():
        # By looking anew: it may have started children meanwhile. And by the old list: what is ending cannot be recognised,
        # and what its parent left behind is no longer below it.
        found = {process.pid: process for process in all_processes()}
        for process in first:
            if process.pid not in found and not context.processes.gone(process):
                found[process.pid] = context.processes.get(process.pid) or process
        return list(found.values())

    def killed():
        still = left()
        for process in still:
            signal(context, process, SIGKILL)
        return not still

    deadline.poll(killed, every=0.2)
    return left()


def signal(context, process, number):
    """Send a signal; one that may not be sent is told by the process that stays."""
    try:
        context.processes.signal(process, number)
    except PermissionError:
        pass


def not_stopped(left, name=None):
    """The sentence for processes that are still there after stop(). name: of all of them; None: each by its program."""
    return "Not stopped: %s still there after SIGKILL; see 'ps -o pid,stat,wchan,cmd -p %s'." % (
        ", ".join("%s (pid %d, state %s)" % (name or os.path.basename(one.argv[0] if one.argv else "?"), one.pid, one.state)
                  for one in left), ",".join(str(one.pid) for one in left))
