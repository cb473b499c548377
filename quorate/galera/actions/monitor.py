# SPDX-License-Identifier: Apache-2.0
"""ocf:quorate:galera: the actions, each of the form probe, decide, carry out."""

from quorate.galera import facts
from quorate.galera.memory import Memory
from quorate.galera.server import observe, process
from quorate.host import daemon
from quorate.ocf import codes
from quorate.ocf.codes import Outcome

TOLERATED_UNKNOWN = 3  # monitors in a row that may learn nothing before that counts as a failure


def monitor(context):
    """What is true on this node."""
    memory = Memory(context.instance)
    seen = observe.observe(context, memory)
    context.log.say("%s State: %s." % (seen.sentence, seen.state))
    return judge(context, memory, seen)


def judge(context, memory, seen):
    """The Outcome of a monitor for what was seen."""
    if seen.state != facts.UNKNOWN:
        memory.forget("unknown")
    try:
        return _without_server(context, memory) if seen.process is None else _JUDGES[seen.state](context, memory, seen)
    except Exception as trouble:
        from quorate.galera.actions.participant import unpublished
        return unpublished(context, seen.process, trouble)


def _without_server(context, memory):
    """No server: waiting for its turn, or down, or died."""
    if memory.has(daemon.NOTE):
        words = process.last_words_of(memory)
        context.log.error("The database server died: %s" % words)
        if context.is_probe:
            return Outcome(codes.NOT_RUNNING)
        return Outcome(codes.NOT_RUNNING, "The database server died: %s" % words)
    if not memory.has("started"):
        return Outcome(codes.NOT_RUNNING)
    from quorate.galera.actions.participant import Election
    return Election(context, memory).wait()


def _serving(context, memory, seen):
    """Member of the primary component."""
    from quorate.galera.actions.serving import keep_record
    memory.forget("outside")
    memory.forget("complete")
    keep_record(context, memory, seen)
    return Outcome(codes.RUNNING_PROMOTED)


def _coming(context, memory, seen):
    """Runs and does not serve yet."""
    from quorate.galera.actions.participant import Election
    from quorate.galera.actions.start import watch
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
