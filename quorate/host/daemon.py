# SPDX-License-Identifier: Apache-2.0
"""A daemon that an agent launched: it is recognised, with every process of it, and its stop is proved.

A pid file proves nothing: it is missing while a daemon starts, and its pid may have been used again. What the agent
launched is known by pid and start time, from a state file; a daemon that the agent did not start is recognised by the
service's own `is_one`, a function of a Process.
"""

import os

PROCESS_FILE = "server"  # the state file of the process that was launched
UNREADABLE = "-"
DIGESTED = 4096    # bytes before the end of a log by which it is recognised later
SHOWN_MOST = 3     # processes that an exit reason names
REASON_MOST = 144  # characters that survive of it in Pacemaker
SHORT_GRACE = 3.0  # seconds until SIGKILL where the process is unlikely to react to SIGTERM
SIGKILL, SIGTERM, SIGCONT = 9, 15, 18  # as on every Linux we know; importing signal costs milliseconds


def launched_process(context, state_files):
    """The Process that was launched, None when it does not run any more. Cheap: a healthy monitor calls it."""
    known = state_files.read(PROCESS_FILE)
    try:
        pid, start = int(known["pid"]), int(known["start"])
    except (KeyError, ValueError):
        return None
    process = context.processes.get(pid)
    return process if process and process.start == start else None


def is_ending(process):
    """Whether the kernel is already ending the process. It releases the memory first (do_exit in kernel/exit.c), with
    the command line, then the files and locks, which takes seconds with a large buffer pool."""
    return not process.argv


def find(context, state_files, is_one):
    """The Process of the daemon, no matter who started it, or None."""
    process = launched_process(context, state_files)
    if process:
        return process
    found = [process for process in context.processes.all() if is_one(process)]
    return min(found, key=lambda process: process.start) if found else None


def find_all(context, state_files, is_one, is_orphan):
    """A list of every Process of the daemon: all that `is_one` recognises, their descendants, and orphans of their
    sessions.

    is_orphan(process, sessions): whether a process that is no descendant belongs to it; sessions: ids as session()
    returns them.
    """
    everything = context.processes.all()
    roots = [process for process in everything if is_one(process)]
    known = launched_process(context, state_files)
    if known is not None and known not in roots:
        roots.append(known)  # it is ending: its command line and working directory are gone, but its files are open
    sessions = {process.pid for process in roots}
    try:
        sessions.add(int(state_files.read(PROCESS_FILE).get("session", "")))
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
    """The session of a process, which is the pid of the process that created it; None when the process is gone."""
    try:
        return os.getsid(pid)
    except OSError:
        return None


# Launching

def launch(context, state_files, argv, log, env, user=None, umask=0o022, **known):
    """Start the daemon in a session of its own and record it. Returns its Process; None: it ended at once. Raises
    quorate.errors.NotLaunched.

    log: path of the daemon's own log. umask: of the daemon only, since our state files are readable by everybody.
    known: further values for the state file. If the agent is killed before that is written, find() recognises the
    daemon by `is_one`.
    """
    output = new_output_file(state_files)
    record_end_of_log(state_files, log)
    before = os.umask(umask)
    try:
        pid = context.commands.spawn(argv, output, env=env, user=user)
    except OSError as error:
        from quorate.errors import NotLaunched
        raise NotLaunched("%s cannot be started: %s." % (argv[0], error.strerror)) from None
    finally:
        os.umask(before)
    process = context.processes.get(pid)
    if process is not None:
        record(context, state_files, process, log, session=pid, **known)
    return process


def record(context, state_files, process, log, **known):
    """Record in the state file that this is the daemon from now on."""
    values = {"pid": process.pid, "start": process.start, "session": "", "log": log,
              "launched": int(context.clock.now())}
    state_files.write(PROCESS_FILE, dict(values, **known))


def new_output_file(state_files):
    """Path of the file for what a daemon prints before it has a log. The output of an earlier one is removed."""
    output = state_files.path("output")
    os.makedirs(state_files.run, 0o755, exist_ok=True)
    try:
        os.unlink(output)
    except OSError:
        pass
    return output


def make_directories(paths, user, group, mode):
    """Create those of these directories that are missing, owned by the daemon's account (numeric user and group).
    Raises quorate.errors.NotLaunched where directories.make() raises OSError."""
    missing = [path for path in paths if not os.path.isdir(path)]
    if missing:
        from quorate.host.system import directories
        for path in missing:
            try:
                directories.make(path, user, group, mode)
            except OSError as error:
                from quorate.errors import NotLaunched
                raise NotLaunched("Not started: the directory %s cannot be made: %s." % (
                    path, error.strerror or error)) from None


def allow_open_files(wanted):
    """Raise the limit of open files for what is launched to that of its systemd unit, or as far as a container
    allows."""
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


# Its output

def record_end_of_log(state_files, log):
    """Write down where a log ends now, and a digest of what is before that: see is_whole()."""
    size, inode = _size_and_inode(log)
    state_files.write("log-offset", {"bytes": size, "inode": inode, "before": _digest_before(log, size)})


def is_whole(known, log):
    """Whether the log still holds all that was written to it since its end was recorded as `known` (a dict): it is the
    same file, and what was before is still there. One that logrotate copied and emptied (copytruncate) may have grown longer
    than it was. Of a log that was empty nothing can be told but that it is the same file."""
    try:
        offset = int(known.get("bytes", 0))
    except ValueError:
        return False
    size, inode = _size_and_inode(log)
    digest = _digest_before(log, offset)
    # Inode "0": there was no log yet. No digest: an agent of an earlier version launched the daemon.
    return (size >= offset and known.get("inode", "0") in ("0", str(inode)) and digest != UNREADABLE
            and known.get("before") == digest)


def _digest_before(log, offset):
    """A digest of the last bytes before that offset; UNREADABLE where they cannot be read."""
    from hashlib import sha256
    try:
        # O_NONBLOCK: it may be a pipe.
        with open(os.open(log, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            file.seek(max(0, offset - DIGESTED))
            return sha256(file.read(min(offset, DIGESTED))).hexdigest()
    except FileNotFoundError:
        return sha256(b"").hexdigest()
    except (OSError, ValueError):
        return UNREADABLE


def new_log(state_files, log, most, head=0):
    """What the daemon wrote to its log since it was launched, the last `most` bytes of it; of a longer one `head` of
    them are those that it wrote first.

    Of a log that was rotated meanwhile the new file counts, behind the end of the old one where that is still beside it
    under its usual name (LOG.1, also the name that the daemon goes on writing to until it opens its log again).
    """
    known = state_files.read("log-offset")
    try:
        offset, inode = int(known.get("bytes", 0)), known.get("inode")
    except ValueError:
        return ""
    rotated = inode not in (None, "0") and str(_size_and_inode(log)[1]) != inode
    old = _part(log + ".1", offset, most, head) if rotated and str(_size_and_inode(log + ".1")[1]) == inode else b""
    return (old + _part(log, 0 if rotated else offset, most, head)).decode("utf-8", "replace")


def _part(path, offset, most, head):
    """The bytes of a file from `offset` on, at most `most` as new_log() says; b"" when it cannot be read: there is none,
    or it is a pipe or a terminal."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            end = file.seek(0, 2)
            start = offset if offset <= end else 0  # it was made empty meanwhile
            if end - start <= most:
                file.seek(start)
                return file.read()
            file.seek(start)
            begin = file.read(head) + b"\n" if head else b""
            file.seek(end - most + head)
            return begin + file.read()
    except (OSError, ValueError):
        return b""


def printed_output(state_files):
    """What the daemon printed, before it had a log or beside it."""
    try:
        with open(state_files.path("output"), encoding="utf-8", errors="replace") as file:
            return file.read(65536)
    except OSError:
        return ""


def _size_and_inode(path):
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_size, status.st_ino


# Stopping

def stop(context, all_processes, ask, name, budget, skip_grace=False):
    """Stop the daemon within `budget` seconds. Returns the processes that are still there (empty: done).

    all_processes()  every Process of it that can be found now
    ask(processes)   asks them to end, in the way of the service
    name             for the log: 'The broker'
    skip_grace       the process is unlikely to react to SIGTERM

    SIGKILL follows after two thirds of the time, which includes what `ask` takes; with skip_grace after a few seconds.
    The rest of the time is for the proof: a killed process is not gone until the kernel says so.
    """
    first = all_processes()
    if not first:
        return []
    deadline = context.deadline.part(budget)
    patience = min(SHORT_GRACE, budget / 3) if skip_grace else budget * 2 / 3
    grace = context.deadline.part(patience)
    ask(first)

    def gone():
        return all(context.processes.gone(process) for process in first)

    if not context.deadline.poll(gone, every=0.1, up_to=grace.left()):
        context.log.warning("%s did not end within %.0f s of SIGTERM; sending SIGKILL." % (name, patience))

    def left():
        # A new search, since the daemon may have started children meanwhile. And the old list, since a process that is
        # ending cannot be recognised, and an orphan is no descendant any more.
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
    """Send a signal. A missing permission is no error here: the process stays, and the result of stop() shows that."""
    try:
        context.processes.signal(process, number)
    except PermissionError:
        pass


def not_stopped(left, name=None):
    """The reason for processes that are still there after stop(). name: for all of them; None: each by its program."""
    for count in range(min(len(left), SHOWN_MOST), 0, -1):  # the command has to survive in an exit reason
        shown = ", ".join("%s (pid %d, state %s)" % (name or os.path.basename(one.argv[0] if one.argv else "?"), one.pid,
                                                     one.state) for one in left[:count])
        more = " and %d more" % (len(left) - count) if len(left) > count else ""
        text = "Not stopped: %s%s still there after SIGKILL; see 'ps -o pid,stat,wchan,cmd -p %s'." % (
            shown, more, ",".join(str(one.pid) for one in left[:count]))
        if len(text) <= REASON_MOST:
            break
    return text
