# SPDX-License-Identifier: Apache-2.0
"""A planned stop drains first: the check answers 404, HAProxy keeps the open sessions and sends no new ones."""

from contextlib import contextmanager

from quorate.galera import facts
from quorate.host.state_files import StateFiles
from quorate.galera.server import observe, process
from quorate.galera.server.process import find
from quorate.host import daemon, drain
from quorate.host.daemon import not_stopped
from quorate.ocf import codes
from quorate.ocf.codes import Outcome

HAPROXY_INTERVAL = 1.2  # seconds; `check inter 1s` and a little: by then every HAProxy has asked once


def stop(context):
    """Stop everything that works on the data directory, and prove it. Needs no cluster, no password, no software."""
    state_files = StateFiles("galera", context.instance)
    failed = _halt(context, state_files, reserve=2)
    if failed:
        return failed
    for note in ("started", "position", "untold"):
        state_files.forget(note)
    from quorate.galera.election.published import PublishedState
    from quorate.pacemaker.tools import Unavailable
    try:
        PublishedState(context, state_files).withdraw()
    except Unavailable as trouble:
        context.log.warning("Node attributes of the resource were left behind: %s" % trouble.reason)
        state_files.forget("published")
    return Outcome(codes.SUCCESS)


def _halt(context, state_files, reserve):
    """Drain, then stop the server. Returns an Outcome if it did not stop, None when nothing is left."""
    from quorate.galera.server.disk import remember_view, restore_record, text
    datadir = observe.data_directory(context, state_files)
    with drained(context, state_files, datadir) as state:
        remember_view(state_files, datadir)  # a server that stops cleanly removes its own record
        record = text(datadir, "gvwstate.dat")
        left = process.stop(context, state_files, datadir, max(2.0, context.deadline.left() - reserve),
                           skip_grace=state in (facts.STARTING, facts.RECEIVING, facts.HUNG))
    if left:
        return Outcome(codes.ERR_GENERIC, not_stopped(left))
    if state not in facts.IN_PRIMARY:
        restore_record(datadir, record, context.parameters.user)
    for note in (daemon.NOTE, "progress", "unknown", "outside", "complete", "serving", "launched-from", "offered"):
        state_files.forget(note)
    return None


def demote(context):
    """Stop the server, and report what is on the disk now."""
    from quorate.galera.server.layout import find_layout
    from quorate.galera.actions.participant import Participant
    state_files = StateFiles("galera", context.instance)
    failed = _halt(context, state_files, reserve=min(30.0, context.deadline.left() / 3))
    if failed:
        return failed
    Participant(context, state_files).begin(find_layout(context))
    return Outcome(codes.SUCCESS)


@contextmanager
def drained(context, state_files, datadir):
    """Drain around a stop, if a check is there to say so and the server is well enough to have sessions. Yields the
    server's state.

    The mark is taken away in any case afterwards, also one that was left when an earlier stop was killed: what the check
    says of a stopped server needs no drain, and a node that comes back must not stay drained.
    """
    state = facts.UNKNOWN
    try:
        state = state_before(context, state_files, datadir)
        if state in facts.IN_PRIMARY and context.parameters.drain_timeout and drain.served():
            _begin(context, state_files)
    except Exception as error:  # whatever it is: nothing about draining may keep a stop from stopping
        context.log.warning("Not drained: %s" % error)
    try:
        yield state
    finally:
        drain.clear(context.instance)


def state_before(context, state_files, datadir):
    """The server's state. A frozen one cannot be asked."""
    process = find(context, state_files, datadir)
    if process is None:
        return facts.DOWN
    return facts.HUNG if process.state in "Tt" else observe.ask(context, state_files, process).state


def _begin(context, state_files):
    """Mark the drain, let every HAProxy see it, and give the sessions their time."""
    limit = context.parameters.drain_timeout
    drain.set(context.instance, "planned stop of %s" % context.instance)
    context.log.say("Draining: the check answers 404, sessions have %g s to end." % limit)
    context.clock.sleep(context.deadline.limit(HAPROXY_INTERVAL + drain.NOTICED))
    budget = min(limit, context.deadline.left() / 3)
    context.deadline.poll(lambda: not sessions(context, state_files), every=0.2, up_to=budget)


def sessions(context, state_files):
    """How many clients are connected; 0 when the server does not say (there is nothing to wait for then)."""
    from quorate.galera.server import credentials, sql
    rows = sql.rows(
        credentials.for_agent(context.parameters, observe.socket(context, state_files)),
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND NOT IN ('Daemon', 'Binlog Dump') "
        "AND USER NOT IN ('system user', 'event_scheduler') AND HOST NOT LIKE 'localhost' AND ID <> CONNECTION_ID()",
        context.deadline.limit(2))
    return rows[0][0] if rows else 0
