# SPDX-License-Identifier: Apache-2.0
"""ocf:quorate:galera: the actions, each of the form probe, decide, carry out."""

import os
import sys

from quorate.galera import facts, probe, server
from quorate.galera.declaration import ACTIONS, LONGDESC, NAME, PARAMETERS, SHORTDESC
from quorate.galera.memory import Memory
from quorate.host.daemon import not_stopped
from quorate.ocf import codes
from quorate.ocf.agent import Agent, Outcome
from quorate.ocf.agent import main as run

TOLERATED_UNKNOWN = 3  # monitors in a row that may learn nothing before that counts as a failure


def start(context):
    """Find out what is on the disk, tell the others, run nothing: promote does that."""
    from quorate.galera import layout as layouts
    from quorate.galera.election import Election
    memory = Memory(context.instance)
    layout = layouts.find(context)
    found = layouts.problems(layout)
    if found:
        return Outcome(codes.ERR_INSTALLED, found[0])
    memory.write("layout", {"datadir": layout.datadir, "socket": layout.socket})
    process = server.find(context, memory, layout.datadir)
    if process is None:
        Election(context, memory).begin(layout)
        memory.write("started", {"at": int(context.clock.now())})
        return Outcome(codes.SUCCESS)
    return Outcome(codes.ERR_GENERIC, "A database server that the cluster did not start runs on %s (pid %d). If systemd "
                   "started it: systemctl disable --now mariadb" % (layout.datadir, process.pid))


def stop(context):
    """Stop everything that works on the data directory, and prove it. Needs no cluster, no password, no software."""
    memory = Memory(context.instance)
    failed = _halt(context, memory, reserve=2)
    if failed:
        return failed
    for note in ("started", "position", "untold"):
        memory.forget(note)
    from quorate.galera.board import Board
    from quorate.pacemaker.attributes import Unavailable
    try:
        Board(context, memory).withdraw()
    except Unavailable as trouble:
        context.log.warning("Node attributes of the resource were left behind: %s" % trouble.reason)
        memory.forget("published")
    return Outcome(codes.SUCCESS)


def _halt(context, memory, reserve):
    """Drain, then stop the server. Returns an Outcome if it did not stop, None when nothing is left."""
    from quorate.galera.drain import drained
    from quorate.galera.position import remember_view, restore_record, text
    datadir = probe.data_directory(context, memory)
    with drained(context, memory, datadir) as state:
        remember_view(memory, datadir)  # a server that stops cleanly removes its own record
        record = text(datadir, "gvwstate.dat")
        left = server.stop(context, memory, datadir, max(2.0, context.deadline.left() - reserve),
                           hopeless=state in (facts.STARTING, facts.RECEIVING, facts.HUNG))
    if left:
        return Outcome(codes.ERR_GENERIC, not_stopped(left))
    if state not in facts.IN_PRIMARY:
        restore_record(datadir, record, context.parameters.user)
    for note in (server.NOTE, "progress", "unknown", "outside", "complete", "serving", "launched-from", "offered"):
        memory.forget(note)
    return None


def promote(context):
    """Decide again with what is known now, then bootstrap, recover or join; or step back when it is not our turn."""
    from quorate.galera import launching, layout as layouts
    from quorate.galera.election import Election
    memory = Memory(context.instance)
    layout = layouts.find(context)
    found = layouts.problems(layout)
    if found:
        return Outcome(codes.ERR_INSTALLED, found[0])
    election = Election(context, memory)
    process = server.find(context, memory, layout.datadir)
    if process is None:
        turn = election.turn(layout)
        if turn is None:
            return Outcome(codes.SUCCESS)  # the score is gone, so the cluster demotes us; a failure it is not
        try:
            process = launching.carry_out(election, *turn, layout)
        except Exception:
            # Nothing runs, so nobody shall wait for us: the report goes back to what is on the disk.
            if server.find(context, memory, layout.datadir) is None:
                election.report_position(layout)
            raise
    try:
        return launching.accompany(election, process, layout)
    except Exception as trouble:
        return _untold(context, None, trouble)  # a promote that succeeded; the monitor watches over the rest


def demote(context):
    """Stop the server, and report what is on the disk now."""
    from quorate.galera import layout as layouts
    from quorate.galera.election import Election
    memory = Memory(context.instance)
    failed = _halt(context, memory, reserve=min(30.0, context.deadline.left() / 3))
    if failed:
        return failed
    Election(context, memory).begin(layouts.find(context))
    return Outcome(codes.SUCCESS)


def monitor(context):
    """What is true on this node."""
    memory = Memory(context.instance)
    seen = probe.observe(context, memory)
    context.log.say("%s State: %s." % (seen.sentence, seen.state))
    return judge(context, memory, seen)


def judge(context, memory, seen):
    """The Outcome of a monitor for what was seen."""
    if seen.state != facts.UNKNOWN:
        memory.forget("unknown")
    try:
        return _without_server(context, memory) if seen.process is None else _JUDGES[seen.state](context, memory, seen)
    except Exception as trouble:
        return _untold(context, seen.process, trouble)


def _untold(context, process, trouble):
    """A cluster that cannot be asked or told (its attribute daemon restarts, or waits for a peer that hangs) says nothing of
    the server: a failure would restart a database that is well, on all nodes at once. Raises what is something else."""
    from quorate.pacemaker.attributes import Unavailable  # not at the top: a healthy monitor asks nobody
    if not isinstance(trouble, Unavailable):
        raise trouble
    context.log.warning("%s The next monitor tries again." % trouble.reason)
    return Outcome(codes.SUCCESS if process is None else codes.RUNNING_PROMOTED)


def _without_server(context, memory):
    """No server: waiting for its turn, or down, or died."""
    if memory.has(server.NOTE):
        words = server.last_words_of(memory)
        context.log.error("The database server died: %s" % words)
        if context.is_probe:
            return Outcome(codes.NOT_RUNNING)
        return Outcome(codes.NOT_RUNNING, "The database server died: %s" % words)
    if not memory.has("started"):
        return Outcome(codes.NOT_RUNNING)
    from quorate.galera.election import Election
    return Election(context, memory).wait()


def _serving(context, memory, seen):
    """Member of the primary component."""
    from quorate.galera.serving import keep_record
    memory.forget("outside")
    memory.forget("complete")
    keep_record(context, memory, seen)
    return Outcome(codes.RUNNING_PROMOTED)


def _coming(context, memory, seen):
    """Runs and does not serve yet."""
    from quorate.galera.election import Election
    from quorate.galera.watch import watch
    return watch(Election(context, memory), seen)


def _hung(context, memory, seen):
    return Outcome(codes.FAILED_PROMOTED, "%s The server is restarted." % seen.sentence)


def _unknown(context, memory, seen):
    """It lives and does not say more: credentials that are refused or cannot be read, or no connection left, are no reason to
    stop a database."""
    count = int(memory.read("unknown").get("count", 0)) + 1
    memory.write("unknown", {"count": count})
    if count < TOLERATED_UNKNOWN and not context.by_hand:
        return Outcome(codes.RUNNING_PROMOTED)
    return Outcome(codes.DEGRADED_PROMOTED, seen.sentence)


_JUDGES = {
    facts.SYNCED: _serving, facts.DONOR: _serving, facts.JOINED: _serving, facts.HUNG: _hung,
    facts.NONPRIMARY: _coming, facts.STARTING: _coming, facts.RECEIVING: _coming, facts.UNKNOWN: _unknown,
}


def reload_agent(context):
    """Every action reads its parameters anew, so there is nothing to carry over."""
    return Outcome(codes.SUCCESS)


def validate(context):
    """Level 0: the parameters only. Level 10: this machine, and what will hurt later."""
    from quorate.galera.validation import errors, warnings
    from quorate.ocf.advice import warn
    found = errors(context)
    if found:
        return Outcome(codes.ERR_CONFIGURED, " ".join(found))
    if context.check_level >= 10:
        warn(context, warnings(context))
    return Outcome(codes.SUCCESS)


AGENT = Agent(NAME, SHORTDESC, LONGDESC, PARAMETERS, ACTIONS, {
    "start": start, "stop": stop, "promote": promote, "demote": demote, "monitor": monitor,
    "reload-agent": reload_agent, "validate-all": validate,
})


def main():
    """Entry of agents/galera."""
    return run(AGENT, sys.argv, os.environ)


__all__ = ["AGENT", "main"]
