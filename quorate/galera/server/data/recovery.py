# SPDX-License-Identifier: Apache-2.0
"""The position that InnoDB has, which only a run of the server with --wsrep-recover tells.

InnoDB may have hours of log to apply first, and a run that is killed begins anew. So a run goes on by itself when it
outlasts the action that began it; the next action that reads the disk waits for it, or takes what it has logged. No
server is launched beside it: process.launch() ends it first. What it found is kept (kept_position), so that a demote
and the start that follows need one run.
"""

import os

from quorate.galera import facts
from quorate.galera.server import parse
from quorate.galera.server.process import prepare_run_directories, recoveries
from quorate.host.state_files import replace

RECOVER_MOST = 600   # seconds that one action waits for it
RECOVER_SHARE = 0.8  # of the time that is left, at most: the result has to be published as well
SPACE_LEAST = 65536  # bytes: with less it would wait for free space, for which it looks once a minute (mysys/errors.c)
RECOVER_LOG = "recover.log"
RECOVER_LINES = 1000  # of its telling lines, the last ones


def recover(context, state_files, layout):
    """((uuid, seqno), None) by InnoDB, or (None, problem). Runs the server with --wsrep-recover, unless nothing has touched
    the data since the last such run."""
    from quorate.galera.server.data import kept_position
    found = kept_position.position(context, state_files, layout)
    if found is not None:
        context.log.say("Nothing has written to the data since their position was recovered.")
        return found, None
    found, problem = _of_an_earlier_run(context, state_files, layout)
    if found is None and problem is None:
        found, problem = _of_a_new_run(context, state_files, layout)
    if found is not None:
        kept_position.keep(context, state_files, layout, found)
    return found, problem


def goes_on(context, state_files, datadir):
    """Whether a run that an action began has not ended yet: until then nobody need look for its result."""
    return state_files.has("recovering") and bool(recoveries(context, state_files, datadir))


def _of_an_earlier_run(context, state_files, layout):
    """What a run tells that an earlier action began: (position, None), (None, problem) while it goes on, (None, None) when
    there was none, or it ended without a position, or what it logged may not be true any more."""
    from quorate.galera.server.data import kept_position
    known = state_files.read("recovering")
    running = recoveries(context, state_files, layout.datadir)
    if not running and not known:
        return None, None
    path = state_files.path(RECOVER_LOG)
    # What somebody else runs (galera_recovery of systemd's unit) logs elsewhere: our log is that of an earlier run.
    own = [one for one in running if "--log-error=" + path in one.argv or str(one.pid) == known.get("pid")]
    if not _ended(context, running):
        if own:
            _record(context, state_files, own[0])
        return None, _goes_on(running[0].pid, state_files)
    state_files.forget("recovering")
    if not own and (_clock_was_set(context, known) or not kept_position.is_untouched_since(layout, path)):
        return None, None
    return parse.recovered_position(_telling_lines(path)), None


def _of_a_new_run(context, state_files, layout):
    """(position, None), or (None, problem)."""
    from quorate.galera.server.settings.layout import full_file_system
    full = full_file_system(layout.datadir, SPACE_LEAST)
    if full:
        return None, "The position cannot be recovered: %s" % full
    remove_closed_log(layout.datadir)
    log, problem = _run(context, state_files, layout)
    if problem is None and parse.recovered_position(log) is None and parse.prepared_xa(log):
        # These were prepared and not committed by the group: what the group committed is committed here, or Galera
        # replays it from the writesets that this node lacks. MariaDB itself asks for the heuristic rollback.
        context.log.warning("Rolling back %d prepared XA transactions to recover the position."
                            % parse.prepared_xa(log))
        log, problem = _run(context, state_files, layout, "--tc-heuristic-recover=rollback")
        if problem is None:
            log, problem = _run(context, state_files, layout)
    if problem is not None:
        return None, problem
    found = parse.recovered_position(log)
    if found is not None:
        return found, None
    from quorate.galera.server.log import causes
    return None, "The position could not be recovered: %s" % (
        causes.sentence(log, layout) or "the server logged neither it nor an error. Was it killed (journalctl -k)? See %s"
        % state_files.path(RECOVER_LOG))


def _run(context, state_files, layout, *options):
    """(lines of the log that tell something, None) of one run, (None, problem) when it goes on or cannot be begun."""
    from quorate.galera.server.settings import command_line
    _make_ready(state_files, layout)
    path = state_files.path(RECOVER_LOG)
    try:
        pid = context.commands.spawn(command_line.recover(layout, path, options), path, env={"OCF_ROOT": None})
    except OSError as error:
        return None, "InnoDB's recovery cannot be begun: %s: %s." % (layout.server, error.strerror)
    process = context.processes.get(pid)
    if process is not None:
        _record(context, state_files, process)
        if not _ended(context, [process]):
            return None, _goes_on(pid, state_files)
    state_files.forget("recovering")
    return _telling_lines(path), None


def _ended(context, running):
    """Wait until these runs are gone, as long as the action has time. Whether they are."""
    return context.deadline.poll(lambda: all(context.processes.gone(one) for one in running), every=0.1,
                                 up_to=min(RECOVER_MOST, context.deadline.left() * RECOVER_SHARE))


def _record(context, state_files, process):
    """Write down that this run is under way. If the agent is killed before that, its command line shows what it is."""
    state_files.write("recovering", {"pid": process.pid, "start": process.start, "drift": _drift(context)})


def _drift(context):
    """Seconds between the machine's clock, which the times of files are of, and the one that nobody sets."""
    return int(context.clock.now() - context.clock.monotonic())


def _clock_was_set(context, known):
    """Whether the machine's clock may have been set since a run was recorded: then the times of files say nothing."""
    drift = facts.integer(known.get("drift"))
    return drift is None or abs(drift - _drift(context)) > 1


def _goes_on(pid, state_files):
    return "InnoDB still applies its log (pid %d), and the position is not known before: see %s." % (
        pid, state_files.path(RECOVER_LOG))


def _make_ready(state_files, layout):
    """Make the directories and an empty log that the server's user may write to."""
    from quorate.galera.server.settings.layout import account
    prepare_run_directories(layout)
    os.makedirs(state_files.run, 0o755, exist_ok=True)
    replace(state_files.path(RECOVER_LOG), "", account(layout.user, layout.group))


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
