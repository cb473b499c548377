# SPDX-License-Identifier: Apache-2.0
"""monitor: the state of the server on this node, and what it means for Pacemaker.

Runs every few seconds as a fresh process. So what only an unhealthy server needs is imported where it is needed.
"""

from quorate.galera import facts
from quorate.galera.server import observe
from quorate.host import daemon
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.ocf.codes import Outcome

TOLERATED_UNKNOWN = 3  # monitors in a row that could not find out the state; the last one of them is degraded


def monitor(context):
    """Observe this node's server. The Outcome of the action."""
    state_files = StateFiles("galera", context.instance, log=context.log)
    observed = observe.observe(context, state_files)
    context.log.say("%s State: %s." % (observed.sentence, observed.state))
    if observed.process is not None and not context.interactive:
        state_files.bound("output")  # what a server prints beside its log
    return outcome_of(context, state_files, observed)


def outcome_of(context, state_files, observed):
    """The Outcome of a monitor for what it observed."""
    if observed.state != facts.UNKNOWN:
        state_files.forget("unknown")
    try:
        if observed.process is None:
            return _without_server(context, state_files)
        return _BY_STATE[observed.state](context, state_files, observed)
    except Exception as error:
        from quorate.galera.actions.participant import unpublished
        return unpublished(context, observed.process, error)


def _without_server(context, state_files):
    """No server: it died, or this instance waits for its promotion, or is stopped."""
    if state_files.has(daemon.PROCESS_FILE):
        from quorate.galera.server.log.ending import died
        if state_files.has("launched-from"):  # it has not served since
            state_files.write("failed", {"at": int(context.clock.now())})
        reason = "The database server died: %s" % died(context, state_files)
        context.log.error(reason)
        return Outcome(codes.NOT_RUNNING, None if context.is_probe else reason)
    if not state_files.has("started"):
        return Outcome(codes.NOT_RUNNING)
    from quorate.galera.actions.participant import Participant
    return Participant(context, state_files).wait()


def _serving(context, state_files, observed):
    """A member of the primary component."""
    from quorate.galera.actions.serving import keep_record
    state_files.forget("outside")
    state_files.forget("complete")
    keep_record(context, state_files, observed)
    return Outcome(codes.RUNNING_PROMOTED)


def _starting(context, state_files, observed):
    """It runs and does not serve yet."""
    from quorate.galera.actions.participant import Participant
    from quorate.galera.actions.startup import monitor_startup
    return monitor_startup(Participant(context, state_files), observed)


def _hung(context, state_files, observed):
    return Outcome(codes.FAILED_PROMOTED, "%s The server is restarted." % observed.sentence)


def _unknown(context, state_files, observed):
    """It runs, and its state cannot be found out. Credentials that are refused or cannot be read, or no connection
    left, are no reason to stop a database."""
    count = int(state_files.read("unknown").get("count", 0)) + 1
    state_files.write("unknown", {"count": count})
    if count < TOLERATED_UNKNOWN and not context.interactive:
        return Outcome(codes.RUNNING_PROMOTED)
    return Outcome(codes.DEGRADED_PROMOTED, observed.sentence)


_BY_STATE = {
    facts.SYNCED: _serving, facts.DONOR: _serving, facts.JOINED: _serving, facts.HUNG: _hung,
    facts.NONPRIMARY: _starting, facts.STARTING: _starting, facts.RECEIVING: _starting, facts.UNKNOWN: _unknown,
}
