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
RECOVER_OPTION = "--wsrep-recover"
ENDING_MOST = 10    # seconds until such a run, killed, is gone
LOG_MOST = 262144   # bytes of the error log that are read


def same_directory(pid, datadir):
    """Whether the process works in the data directory; also False when that cannot be found out."""
    try:
        mine, theirs = os.stat(datadir), os.stat("/proc/%d/cwd" % pid)
    except OSError:
        return False
    return (mine.st_dev, mine.st_ino) == (theirs.st_dev, theirs.st_ino)


def is_server(process, datadir):
    """Whether this is a server on that data directory, and not a run that only finds out the position."""
    return _works_on(process, datadir) and RECOVER_OPTION not in process.argv


def is_recovery(process, datadir):
    """Whether this is a run of the server on that data directory that only finds out the position."""
    return _works_on(process, datadir) and RECOVER_OPTION in process.argv


def _works_on(process, datadir):
    """By its working directory, else (early in its start) by its options."""
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
    """Every process that works on the data directory: servers, also those that only find out the position, their
    children, orphans of a state transfer."""
    recovery = recorded_recovery(context, state_files)
    recovering = recovery.pid if recovery else None
    return daemon.find_all(context, state_files,
                           lambda process: _works_on(process, datadir) or process.pid == recovering,
                           lambda process, sessions: is_orphan(process, datadir, sessions))


def recoveries(context, state_files, datadir):
    """The runs that find out the position on this data directory, as a list of Process."""
    found = [process for process in context.processes.all() if is_recovery(process, datadir)]
    known = recorded_recovery(context, state_files)
    return found if known is None or any(one.pid == known.pid for one in found) else [known] + found


def recorded_recovery(context, state_files):
    """The Process of the run that an action began, None when it does not run any more. It need not look like a server: the
    parameter binary may name a script."""
    known = state_files.read("recovering")
    try:
        process = context.processes.get(int(known["pid"]))
        return process if process and process.start == int(known["start"]) else None
    except (KeyError, ValueError):
        return None


def end_recovery(context, state_files, datadir):
    """Kill a run that finds out the position, which harms it no more than a crash: the server that is launched applies the
    log itself. Raises Failed when it does not end."""
    running = recoveries(context, state_files, datadir)
    for process in running:
        daemon.signal(context, process, daemon.SIGKILL)
    if not context.deadline.poll(lambda: all(context.processes.gone(one) for one in running), up_to=ENDING_MOST):
        raise Failed(codes.ERR_GENERIC, daemon.not_stopped(running))
    state_files.forget("recovering")


def launch(context, state_files, layout, options):
    """Start the server; options: that belong to this start. Returns its Process. Raises Failed."""
    from quorate.galera.server.settings import command_line
    end_recovery(context, state_files, layout.datadir)
    state_files.forget("recovered")  # its files' stamps would tell as well
    prepare_run_directories(layout)
    argv = command_line.start(layout, options)
    context.log.say("Starting %s" % " ".join(argv))
    daemon.allow_open_files(OPEN_FILES)
    process = daemon.launch(context, state_files, argv, layout.log, {"OCF_ROOT": None}, datadir=layout.datadir,
                            socket=layout.socket)
    if process is None:
        from quorate.galera.server.log.ending import not_started
        raise Failed(codes.ERR_GENERIC, "%s ended at once: %s" % (
            os.path.basename(layout.server), not_started(context, state_files, layout)))
    return process


def prepare_run_directories(layout):
    """Make the directories of socket and pid file in /run, which is empty after a boot. Raises
    quorate.errors.NotLaunched."""
    from quorate.galera.server.settings.layout import account
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
            if _works_on(process, datadir) or process.pid == recovering:
                daemon.signal(context, process, daemon.SIGTERM)
                # Stopped by SIGSTOP, it could not even receive the SIGTERM.
                daemon.signal(context, process, daemon.SIGCONT)
                context.log.say("Sent SIGTERM to pid %d (%s)." % (process.pid, process.argv[0]))

    recovery = recorded_recovery(context, state_files)
    recovering = recovery.pid if recovery else None
    left = daemon.stop(context, lambda: all_processes(context, state_files, datadir), ask, "The database server",
                       budget, skip_grace)
    if not left:
        state_files.forget("recovering")  # what is on the disk may change before the next start
    return left


# What it wrote

def new_log(state_files, log):
    """What the server wrote to its error log since it was launched."""
    return daemon.new_log(state_files, log, LOG_MOST)
