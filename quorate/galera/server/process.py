# SPDX-License-Identifier: Apache-2.0
"""The server's processes: find them, launch one, stop them with proof, read what it logged.

A pid file proves nothing: it is missing during recovery and state transfer, and its pid is reused. mysqld changes into
its data directory first (sql/mysqld.cc, my_setwd), so a server is recognised by its working directory being *that*
directory (device and inode: a container's /var/lib/mysql is another one).
"""

import os

from quorate.host import daemon
from quorate.host.process import same_root
from quorate.ocf import codes
from quorate.ocf.codes import Failed

NAMES = ("mariadbd", "mysqld", "mysqld-debug")
TRANSFER = ("wsrep_sst_", "rsync", "mariabackup", "mariadb-backup", "xtrabackup", "mbstream", "xbstream", "socat")
OPEN_FILES = 32768  # LimitNOFILE of mariadb.service; with Pacemaker's 1024 its table cache shrinks from 2000 to 421
LOG_MOST = 262144   # bytes of the error log that are read


def same_directory(pid, datadir):
    """Whether the process works in the data directory; also False when that cannot be found out."""
    try:
        mine, theirs = os.stat(datadir), os.stat("/proc/%d/cwd" % pid)
    except OSError:
        return False
    return (mine.st_dev, mine.st_ino) == (theirs.st_dev, theirs.st_ino)


def is_server(process, datadir):
    """Whether this is a server on that data directory: by its working directory, else (early in its start) by its
    options."""
    if not process.argv or os.path.basename(process.argv[0]) not in NAMES:
        return False
    return same_directory(process.pid, datadir) or ("--datadir=" + datadir in process.argv and same_root(process.pid))


def is_orphan(process, datadir, sessions):
    """Whether this is left over from a state transfer on that data directory. sessions: ids of the server's
    sessions."""
    if not any(os.path.basename(word).startswith(TRANSFER) for word in process.argv[:3]):
        return False
    return ((mentions(process.argv, datadir) and same_root(process.pid)) or same_directory(process.pid, datadir)
            or daemon.session(process.pid) in sessions)


def mentions(argv, directory):
    """Whether a command line contains this directory, or a path in it; /var/lib/mysql2 is not in /var/lib/mysql."""
    text, at = " ".join(argv), -1
    while True:
        at = text.find(directory, at + 1)
        if at < 0:
            return False
        before, after = text[at - 1:at], text[at + len(directory):][:1]
        if not any(one.isalnum() or one in "_-.~+" for one in (before, after) if one) and before != "/":
            return True


def find(context, state_files, datadir):
    """The server on this data directory, whoever started it. Process or None."""
    return daemon.find(context, state_files, lambda process: is_server(process, datadir))


def all_processes(context, state_files, datadir):
    """Every process that works on the data directory: servers, their children, orphans of a state transfer."""
    return daemon.find_all(context, state_files, lambda process: is_server(process, datadir),
                           lambda process, sessions: is_orphan(process, datadir, sessions))


def launch(context, state_files, layout, options):
    """Start the server; options: that belong to this start. Returns its Process. Raises Failed."""
    from quorate.galera.server import command_line
    prepare_run_directories(layout)
    argv = command_line.start(layout, options)
    context.log.say("Starting %s" % " ".join(argv))
    daemon.allow_open_files(OPEN_FILES)
    process = daemon.launch(context, state_files, argv, layout.log, {"OCF_ROOT": None}, datadir=layout.datadir,
                            socket=layout.socket)
    if process is None:
        raise Failed(codes.ERR_GENERIC, "%s ended at once: %s" % (layout.server, startup_error(state_files, layout)))
    return process


def prepare_run_directories(layout):
    """Make the directories of socket and pid file in /run, which is empty after a boot."""
    from quorate.galera.server.layout import account
    directories = {os.path.dirname(layout.socket), os.path.dirname(layout.pid)}
    daemon.make_directories(directories, *account(layout.user, layout.group), 0o755)


def stop(context, state_files, datadir, budget, skip_grace=False):
    """Stop everything that works on the data directory, within `budget` seconds. Returns what is still there (empty:
    done).

    skip_grace: the server is unlikely to react to SIGTERM, so SIGKILL comes early. One that waits for a primary
    component does not react to it (57 s observed), one that was frozen is likely to hang again; their data survive a
    kill as they survive a crash.
    """
    def ask(processes):
        for process in processes:
            if is_server(process, datadir):
                daemon.signal(context, process, daemon.SIGTERM)
                # Stopped by SIGSTOP, it could not even receive the SIGTERM.
                daemon.signal(context, process, daemon.SIGCONT)
                context.log.say("Sent SIGTERM to pid %d (%s)." % (process.pid, process.argv[0]))

    return daemon.stop(context, lambda: all_processes(context, state_files, datadir), ask, "The database server",
                       budget, skip_grace)


# What it wrote

def new_log(state_files, log):
    """What the server wrote to its error log since it was launched."""
    return daemon.new_log(state_files, log, LOG_MOST)


def last_error(state_files):
    """The last error that the launched server logged, or a sentence about why there is none."""
    from quorate.galera.server import parse
    error = parse.last_error(new_log(state_files, state_files.read(daemon.PROCESS_FILE).get("log", "")))
    return error or "it left no error, so it was probably killed (SIGKILL, or out of memory: see 'journalctl -k')"


def never_ready(state_files, log, socket):
    """Whether its own log proves that the launched server, which is gone, never was ready for clients; False where the
    log does not tell.

    Before the server accepts its first connection it logs its version and its socket in quotes, also with
    silent-startup and in every language of lc_messages (ER_STARTUP in sql/share/errmsg-utf8.txt, sql/mysqld.cc).
    """
    if not log or not socket:
        return False
    sign, kept, found = ("'%s'" % socket).encode(), b"", False
    try:
        offset = int(state_files.read("log-offset").get("bytes", 0))
        with open(log, "rb") as file:
            if file.seek(0, 2) < offset:
                return False  # rotated meanwhile
            file.seek(offset)
            while True:
                part = file.read(1 << 20)
                if not part:
                    return found
                if sign in kept + part:
                    return False
                kept, found = part[-len(sign):], True
    except (OSError, ValueError):
        return False


def startup_error(state_files, layout):
    """Why a server ended that was launched a moment ago: its last error, else the last line that it printed before it
    had a log."""
    from quorate.galera.server import parse
    printed = daemon.printed_output(state_files)
    error = parse.last_error(new_log(state_files, layout.log)) or parse.last_error(printed)
    if error:
        return error
    lines = printed.strip().splitlines()
    return lines[-1][:160] if lines else "it left no error in %s" % layout.log
