# SPDX-License-Identifier: Apache-2.0
"""ocf:quorate:galera: the actions, each of the form probe, decide, carry out."""

from quorate.galera import facts
from quorate.host.state_files import StateFiles
from quorate.galera.server import observe, process
from quorate.host import daemon
from quorate.ocf import codes
from quorate.ocf.codes import Outcome

TOLERATED_UNKNOWN = 3  # monitors in a row that may learn nothing before that counts as a failure


def monitor(context):
    """What is true on this node."""
    state_files = StateFiles("galera", context.instance)
    observed = observe.observe(context, state_files)
    context.log.say("%s State: %s." % (observed.sentence, observed.state))
    return judge(context, state_files, observed)


def judge(context, state_files, observed):
    """The Outcome of a monitor for what was seen."""
    if observed.state != facts.UNKNOWN:
        state_files.forget("unknown")
    try:
        return _without_server(context, state_files) if observed.process is None else _JUDGES[observed.state](context,
                                                                                                              state_files, observed)
    except Exception as trouble:
        from quorate.galera.actions.participant import unpublished
        return unpublished(context, observed.process, trouble)


def _without_server(context, state_files):
    """No server: waiting for its turn, or down, or died."""
    if state_files.has(daemon.NOTE):
        words = process.last_words_of(state_files)
        context.log.error("The database server died: %s" % words)
        if context.is_probe:
            return Outcome(codes.NOT_RUNNING)
        return Outcome(codes.NOT_RUNNING, "The database server died: %s" % words)
    if not state_files.has("started"):
        return Outcome(codes.NOT_RUNNING)
    from quorate.galera.actions.participant import Participant
    return Participant(context, state_files).wait()


def _serving(context, state_files, observed):
    """Member of the primary component."""
    from quorate.galera.actions.serving import keep_record
    state_files.forget("outside")
    state_files.forget("complete")
    keep_record(context, state_files, observed)
    return Outcome(codes.RUNNING_PROMOTED)


def _coming(context, state_files, observed):
    """Runs and does not serve yet."""
    from quorate.galera.actions.participant import Participant
    from quorate.galera.actions.start import watch
    return watch(Participant(context, state_files), observed)


def _hung(context, state_files, observed):
    return Outcome(codes.FAILED_PROMOTED, "%s The server is restarted." % observed.sentence)


def _unknown(context, state_files, observed):
    """It lives and does not say more: credentials that are refused or cannot be read, or no connection left, are no reason to
    stop a database."""
    count = int(state_files.read("unknown").get("count", 0)) + 1
    state_files.write("unknown", {"count": count})
    if count < TOLERATED_UNKNOWN and not context.interactive:
        return Outcome(codes.RUNNING_PROMOTED)
    return Outcome(codes.DEGRADED_PROMOTED, observed.sentence)


_JUDGES = {
    facts.SYNCED: _serving, facts.DONOR: _serving, facts.JOINED: _serving, facts.HUNG: _hung,
    facts.NONPRIMARY: _coming, facts.STARTING: _coming, facts.RECEIVING: _coming, facts.UNKNOWN: _unknown,
}
