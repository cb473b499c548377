# SPDX-License-Identifier: Apache-2.0
"""stop and demote: drain the server, then stop everything that works on the data directory.

While a server is drained the check answers 404: HAProxy keeps the open sessions and sends no new ones.
"""

from contextlib import contextmanager

from quorate.galera import facts
from quorate.galera.server import observe, process
from quorate.host import daemon, drain
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.ocf.codes import Outcome

HAPROXY_INTERVAL = 1.2  # seconds; `check inter 1s` and a margin: after that every HAProxy has asked once


def stop(context):
    """Stop everything that works on the data directory, and prove it. Needs no cluster, no password, no software."""
    state_files = StateFiles("galera", context.instance, log=context.log)
    failed = _stop_server(context, state_files, reserve=2)
    if failed:
        return failed
    for name in ("started", "position", "untold"):
        state_files.forget(name)
    from quorate.galera.actions import undo
    from quorate.galera.election.published import PublishedState
    from quorate.pacemaker.tools import Unavailable
    published = PublishedState(context, state_files)
    try:
        published.withdraw()
    except Unavailable as error:
        context.log.warning("The node attributes of the resource were not removed: %s" % error.reason)
        state_files.forget("published")
    try:
        undo.undo(context, state_files, published, observe.data_directory(context, state_files))
    except Unavailable as error:
        context.log.warning("A bootstrap that came to nothing is undone at the next start: %s" % error.reason)
    return Outcome(codes.SUCCESS)


def demote(context):
    """Stop the server, and report what is on the disk now."""
    from quorate.galera.actions.participant import Participant
    from quorate.galera.server.settings.layout import find_layout
    state_files = StateFiles("galera", context.instance, log=context.log)
    failed = _stop_server(context, state_files, reserve=min(30.0, context.deadline.left() / 3))
    if failed:
        return failed
    Participant(context, state_files).report_and_decide(find_layout(context))
    return Outcome(codes.SUCCESS)


def _stop_server(context, state_files, reserve):
    """Drain, then stop the server. None when nothing is left, else the Outcome. reserve: seconds for what follows."""
    from quorate.galera.actions import undo
    from quorate.galera.server.data.disk import remember_view, restore_view, text
    from quorate.galera.server.log import views
    datadir = observe.data_directory(context, state_files)
    with drained(context, state_files, datadir) as state:
        remember_view(state_files, datadir)  # a server that stops cleanly removes gvwstate.dat
        view_file = text(datadir, "gvwstate.dat")
        left = process.stop(context, state_files, datadir, max(2.0, context.deadline.left() - reserve),
                            skip_grace=state in (facts.DOWN, facts.STARTING, facts.RECEIVING, facts.HUNG))
    if left:
        return Outcome(codes.ERR_GENERIC, daemon.not_stopped(left))
    if state not in facts.IN_PRIMARY:
        try:
            restore_view(datadir, view_file, context.parameters.user)
        except (OSError, KeyError) as error:  # KeyError: there is no such user any more
            # The server has stopped, so this is no failed stop; the election asks an operator.
            context.log.warning("gvwstate.dat in %s cannot be restored: %s." % (
                datadir, getattr(error, "strerror", error)))
    # While the record of the launch is there.
    if not undo.judge(state_files, answered=state in facts.IN_PRIMARY or state == facts.NONPRIMARY):
        views.keep(state_files)
    for name in (daemon.PROCESS_FILE, "progress", "unknown", "outside", "complete", "serving", "launched-from",
                 "offered"):
        state_files.forget(name)
    return None


# Draining

@contextmanager
def drained(context, state_files, datadir):
    """Drain around a stop, if a check runs and the server is in a state to have sessions. Yields the server's state.

    The drain flag is always removed afterwards, also one that was left when an earlier stop was killed: a stopped
    server needs no drain, and a node that starts again must not stay drained.
    """
    state = facts.UNKNOWN
    try:
        state = state_before_stop(context, state_files, datadir)
        if state in facts.IN_PRIMARY and context.parameters.drain_timeout and drain.served():
            _drain(context, state_files)
    except Exception as error:  # any error: a failed drain must not prevent the stop
        context.log.warning("Not drained: %s" % error)
    try:
        yield state
    finally:
        drain.clear(context.instance)


def state_before_stop(context, state_files, datadir):
    """The server's state. One that SIGSTOP stopped cannot be asked."""
    server = process.find(context, state_files, datadir)
    if server is None:
        return facts.DOWN
    return facts.HUNG if server.state in "Tt" else observe.observe_process(context, state_files, server).state


def _drain(context, state_files):
    """Set the drain flag, wait until every HAProxy has noticed, and then for the sessions, for a limited time."""
    limit = context.parameters.drain_timeout
    drain.set(context.instance, "planned stop of %s" % context.instance)
    context.log.say("Draining: the check answers 404; open sessions have %g s to end." % limit)
    context.clock.sleep(context.deadline.limit(HAPROXY_INTERVAL + drain.NOTICED))
    budget = min(limit, context.deadline.left() / 3)
    context.deadline.poll(lambda: not sessions(context, state_files), every=0.2, up_to=budget)


def sessions(context, state_files):
    """Number of connected clients; 0 when the server does not answer, as there is nothing to wait for then."""
    from quorate.galera.server import credentials, sql
    rows = sql.rows(
        credentials.for_agent(context.parameters, observe.find_socket(context, state_files)),
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND NOT IN ('Daemon', 'Binlog Dump') "
        "AND USER NOT IN ('system user', 'event_scheduler') AND HOST NOT LIKE 'localhost' AND ID <> CONNECTION_ID()",
        context.deadline.limit(2))
    return rows[0][0] if rows else 0
