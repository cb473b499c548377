# SPDX-License-Identifier: Apache-2.0
"""The position that InnoDB has, which only a run of the server with --wsrep-recover tells.

InnoDB may have hours of log to apply first, and a run that is killed begins anew. So one that outlasts the action goes on
by itself; the next monitor that reads the disk waits for it, or takes what it has logged. No server is launched beside
it: process.launch() ends it first.
"""

import os

from quorate.galera.server import parse
from quorate.galera.server.process import prepare_run_directories, recoveries
from quorate.host.state_files import replace

RECOVER_MOST = 600   # seconds that one action waits for it
RECOVER_SHARE = 0.8  # of the time that is left, at most: the result has to be published as well
SPACE_LEAST = 65536  # bytes: with less it would wait for free space, for which it looks once a minute (mysys/errors.c)
RECOVER_LOG = "recover.log"
RECOVER_LINES = 1000  # of its telling lines, the last ones


def recover(context, state_files, layout):
    """((uuid, seqno), None) by InnoDB, or (None, problem). Runs the server with --wsrep-recover."""
    found, problem = _of_an_earlier_run(context, state_files, layout)
    if found is not None or problem is not None:
        return found, problem
    from quorate.galera.server.settings.layout import full_file_system
    full = full_file_system(layout.datadir, SPACE_LEAST)
    if full:
        return None, "The position cannot be recovered: %s" % full
    remove_closed_log(layout.datadir)
    log, result = _run(context, state_files, layout)
    found = parse.recovered_position(log)
    if found is None and parse.prepared_xa(log):
        # These were prepared and not committed by the group: what the group committed is committed here, or Galera
        # replays it from the writesets that this node lacks. MariaDB itself asks for the heuristic rollback.
        context.log.warning("Rolling back %d prepared XA transactions to recover the position."
                            % parse.prepared_xa(log))
        _run(context, state_files, layout, "--tc-heuristic-recover=rollback")
        log, result = _run(context, state_files, layout)
        found = parse.recovered_position(log)
    if found is not None:
        return found, None
    if result.timed_out:
        return None, _go_on(context, state_files, layout)
    from quorate.galera.server.log import causes
    return None, "The position could not be recovered: %s" % (
        causes.sentence(log, layout) or "the server logged neither it nor an error (code %s); see %s" % (
            result.rc, state_files.path(RECOVER_LOG)))


def _limit(context):
    return min(RECOVER_MOST, context.deadline.left() * RECOVER_SHARE)


def _of_an_earlier_run(context, state_files, layout):
    """What a run tells that an earlier action began: (position, None), (None, problem) while it goes on, (None, None) when
    there was none, or it ended without a position."""
    running = recoveries(context, layout.datadir)
    if not running and not state_files.has("recovering"):
        return None, None
    if not context.deadline.poll(lambda: all(context.processes.gone(one) for one in running), every=0.5,
                                 up_to=_limit(context)):
        state_files.write("recovering", {"pid": running[0].pid})
        return None, _goes_on(running[0].pid, state_files)
    state_files.forget("recovering")
    return parse.recovered_position(_telling_lines(state_files.path(RECOVER_LOG))), None


def _go_on(context, state_files, layout):
    """Begin a run that nobody waits for. A sentence about it."""
    _make_ready(state_files, layout)
    path = state_files.path(RECOVER_LOG)
    from quorate.galera.server.settings import command_line
    try:
        pid = context.commands.spawn(command_line.recover(layout, path), path, env={"OCF_ROOT": None})
    except OSError as error:
        return "InnoDB's recovery did not end in time, and cannot be begun again: %s." % error.strerror
    state_files.write("recovering", {"pid": pid})
    return _goes_on(pid, state_files)


def _goes_on(pid, state_files):
    return "InnoDB still applies its log (pid %d), and the position is not known before: see %s." % (
        pid, state_files.path(RECOVER_LOG))


def _make_ready(state_files, layout):
    """Make the directories and an empty log that the server's user may write to."""
    from quorate.galera.server.settings.layout import account
    prepare_run_directories(layout)
    os.makedirs(state_files.run, 0o755, exist_ok=True)
    replace(state_files.path(RECOVER_LOG), "", account(layout.user, layout.group))


def _run(context, state_files, layout, *options):
    """(lines of the log that tell something, Result) of one run, which is ended when the time is over."""
    from quorate.galera.server.settings import command_line
    _make_ready(state_files, layout)
    path = state_files.path(RECOVER_LOG)
    result = context.commands.run(command_line.recover(layout, path, options), _limit(context))
    return "%s\n%s\n%s" % (result.err, result.out, _telling_lines(path)), result


def _telling_lines(path):
    """What a log of recovery says of the position, of transactions in its way, and of errors. The log may be of many MiB: a
    server with many tablespaces that cannot be read notes each of them, before and after."""
    from collections import deque
    kept = deque(maxlen=RECOVER_LINES)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in iter(lambda: file.readline(65536), ""):
                if any(sign in line for sign in parse.RECOVERY_SIGNS):
                    kept.append(line)
    except OSError:
        pass
    return "".join(kept)


def remove_closed_log(datadir):
    """Remove a tc.log that holds nothing and on which the server would refuse to start ("Bad magic header in tc log").

    A server that closes it changes the first byte of its magic number to A and deletes it; where it may not delete (the
    directory belonged to another user at that time) the file stays. One that was killed before it wrote the magic
    number leaves zeros (sql/log.cc, TC_LOG_MMAP). Any other content is a real log and stays.
    """
    path = os.path.join(datadir, "tc.log")
    try:
        with open(path, "rb") as file:
            magic = file.read(4)
    except OSError:
        return
    if magic in (b"A\x23\x05\x74", b"\0\0\0\0", b""):
        os.unlink(path)
