# SPDX-License-Identifier: Apache-2.0
"""The server's processes: found, launched, stopped with proof.

A pid file proves nothing: it is missing during recovery and state transfer, and its pid is used again. mysqld changes
into its data directory first thing (sql/mysqld.cc, my_setwd), so a server is recognised by its working directory being
*that* directory (device and inode: a container's /var/lib/mysql is another one).
"""

import os

from quorate.ocf import codes
from quorate.ocf.agent import Failed

NAMES = ("mariadbd", "mysqld", "mysqld-debug")
TRANSFER = ("wsrep_sst_", "rsync", "mariabackup", "mariadb-backup", "xtrabackup", "mbstream", "xbstream", "socat")
NOTE = "server"
HOPELESS_PATIENCE = 3.0  # seconds
OPEN_FILES = 32768  # LimitNOFILE of mariadb.service


def same_directory(pid, datadir):
    """Whether the process works in the data directory; False too when it cannot be seen."""
    try:
        mine, theirs = os.stat(datadir), os.stat("/proc/%d/cwd" % pid)
    except OSError:
        return False
    return (mine.st_dev, mine.st_ino) == (theirs.st_dev, theirs.st_ino)


def same_root(pid):
    """Whether the process sees the file system that we see. A container's server has the same words on its command line
    and another /var/lib/mysql: in the lab, a stop on the host once ended the servers of all nodes."""
    try:
        mine, theirs = os.stat("/"), os.stat("/proc/%d/root/" % pid)
    except OSError:
        return False
    return (mine.st_dev, mine.st_ino) == (theirs.st_dev, theirs.st_ino)


def is_server(process, datadir):
    """Whether this is a server on that data directory: by where it works, else by what it was told (before it got there)."""
    if not process.argv or os.path.basename(process.argv[0]) not in NAMES:
        return False
    return same_directory(process.pid, datadir) or ("--datadir=" + datadir in process.argv and same_root(process.pid))


def noted(context, memory):
    """The server that promote launched, if it still runs: cheap, this is what a healthy monitor asks. Process or None."""
    note = memory.read(NOTE)
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


def find(context, memory, datadir):
    """The server on this data directory, whoever started it. Process or None."""
    process = noted(context, memory)
    if process:
        return process
    found = [process for process in context.processes.all() if is_server(process, datadir)]
    return min(found, key=lambda process: process.start) if found else None


def remains(context, memory, datadir):
    """Every process that works on the data directory: servers, their children, orphans of a state transfer."""
    everything = context.processes.all()
    roots = [process for process in everything if is_server(process, datadir)]
    ours = noted(context, memory)
    if ours and ours not in roots:
        roots.append(ours)  # it is ending: no words and no working directory any more, but its files are still open
    sessions = {process.pid for process in roots}
    try:
        sessions.add(int(memory.read(NOTE).get("session", "")))
    except ValueError:
        pass
    found = {process.pid: process for process in roots}
    for root in roots:
        for child in context.processes.descendants(root.pid):
            found[child.pid] = child
    for process in everything:
        if process.pid in found or not process.argv or process.pid == os.getpid():
            continue
        words = " ".join(process.argv)
        named = any(os.path.basename(word).startswith(TRANSFER) for word in process.argv[:3])
        if named and ((datadir in words and same_root(process.pid)) or same_directory(process.pid, datadir) or _session(process.pid) in sessions):
            found[process.pid] = process
    return list(found.values())


def _session(pid):
    try:
        return os.getsid(pid)
    except OSError:
        return None


def launch(context, memory, layout, options):
    """Start the server with these options more than its base. Returns its Process. Raises Failed."""
    prepare_run_directories(layout)
    output = memory.path("output")
    os.makedirs(memory.run, 0o755, exist_ok=True)
    try:
        os.unlink(output)
    except OSError:
        pass
    argv = layout.base() + ["--socket=" + layout.socket, "--pid-file=" + layout.pid, "--log-error=" + layout.log] + options
    context.log.say("Starting %s" % " ".join(argv))
    allow_open_files()
    memory.write("log-offset", {"bytes": size(layout.log)})
    pid = context.commands.spawn(argv, output, env={"OCF_ROOT": None})
    process = context.processes.get(pid)
    if process is None:
        raise Failed(codes.ERR_GENERIC, "%s ended at once: %s" % (layout.server, last_words(memory, layout)))
    # A kill of the agent between the spawn and this note loses nothing: find() recognises the server by its directory.
    memory.write(NOTE, {"pid": pid, "start": process.start, "session": pid, "datadir": layout.datadir,
                        "socket": layout.socket, "log": layout.log, "launched": int(context.clock.now())})
    return process


def allow_open_files():
    """Let the server open as many files as its own systemd unit would: under Pacemaker's limit of 1024 MariaDB shrinks its
    table cache from 2000 to 421."""
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < OPEN_FILES:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, max(hard, OPEN_FILES)))
        except (ValueError, OSError):
            pass  # a container may not: the server says so in its log


def prepare_run_directories(layout):
    """Make the directories of socket and pid file in /run, which is empty after a boot."""
    import pwd
    account = pwd.getpwnam(layout.user)
    for path in {os.path.dirname(layout.socket), os.path.dirname(layout.pid)}:
        if not os.path.isdir(path):
            os.makedirs(path, 0o755)
            os.chown(path, account.pw_uid, account.pw_gid)


def size(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def new_log(memory, log, most=262144):
    """What the server wrote to its error log since it was launched (the end of it, if that is more than `most` bytes)."""
    try:
        offset = int(memory.read("log-offset").get("bytes", 0))
        with open(log, "rb") as file:
            end = file.seek(0, 2)
            start = offset if offset <= end else 0  # it was rotated meanwhile
            file.seek(max(start, end - most))
            return file.read().decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def last_words(memory, layout):
    """The server's own last error, or what it printed before it had a log."""
    from quorate.galera import read
    for text in (new_log(memory, layout.log), _text(memory.path("output"))):
        words = read.last_error(text)
        if words:
            return words
    lines = _text(memory.path("output")).strip().splitlines()
    return lines[-1][:160] if lines else "it left no error in %s" % layout.log


def _text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(65536)
    except OSError:
        return ""


def stop(context, memory, datadir, budget, hopeless=False):
    """Stop everything that works on the data directory, within `budget` seconds. Returns what is still there (empty: done).

    SIGTERM first. A server that is stopped by SIGSTOP gets SIGCONT, or it could not even hear that. After two thirds of
    the time (after a few seconds where SIGTERM is hopeless), SIGKILL, and then wait for the proof: a killed process is not gone until the kernel says so.
    """
    import signal
    left = remains(context, memory, datadir)
    if not left:
        return []
    deadline = context.deadline.part(budget)
    for process in left:
        if is_server(process, datadir):
            _signal(context, process, signal.SIGTERM)
            _signal(context, process, signal.SIGCONT)
            context.log.say("Sent SIGTERM to pid %d (%s)." % (process.pid, process.argv[0]))
    # One that waits for a primary component does not hear SIGTERM (57 s seen), one that somebody froze is likely to hang
    # again; their data survive a kill as they survive a crash.
    patience = min(HOPELESS_PATIENCE, budget / 3) if hopeless else budget * 2 / 3

    def gone():
        return all(context.processes.gone(process) for process in left)

    if not context.deadline.poll(gone, every=0.1, up_to=patience):
        context.log.warning("The database server did not end within %.0f s of SIGTERM; sending SIGKILL." % patience)
    # Again by looking: it may have started children meanwhile. And by the old list: what is ending cannot be recognised.
    deadline.poll(lambda: not _kill(context, memory, datadir) and gone(), every=0.2)
    return remains(context, memory, datadir) or [process for process in left if not context.processes.gone(process)]


def _kill(context, memory, datadir):
    import signal
    left = remains(context, memory, datadir)
    for process in left:
        _signal(context, process, signal.SIGKILL)
    return left


def _signal(context, process, number):
    try:
        context.processes.signal(process, number)
    except PermissionError:
        pass


def last_words_of(memory):
    """The same for the server of the note, when the layout is not at hand."""
    from quorate.galera import read
    words = read.last_error(new_log(memory, memory.read(NOTE).get("log", "")))
    return words or "it left no error, so it was probably killed (SIGKILL, or out of memory: see 'journalctl -k')"
