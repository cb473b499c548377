# SPDX-License-Identifier: Apache-2.0
"""The monitor of a server that is up and does not serve: it joins, recovers, bootstraps, or waits in vain."""

from quorate.galera import facts, probe, server
from quorate.galera.election import URGENT_AFTER
from quorate.ocf import codes
from quorate.ocf.agent import Outcome


def progress(election, seen):
    """What a server that does not serve yet is about, in a sentence that changes only when the matter does."""
    if seen.state == facts.RECEIVING:
        return "receives a state transfer; HAProxy does not use it until it is synced"
    if seen.state == facts.STARTING and election.bootstraps():
        return "starts as the first of a new primary component"
    if seen.state == facts.STARTING:
        missing = absent(election.snapshot())
        return "starts, and waits for a primary component" + (": %s not there" % ", ".join(missing) if missing else "")
    if seen.state == facts.NONPRIMARY:
        missing = absent(election.snapshot())
        return "lives, and is not in a primary component" + (": %s not there" % ", ".join(missing) if missing else "")
    return seen.sentence


def watch(election, seen):
    """Report what it is about, and judge whether there is hope. The monitor's Outcome."""
    election.publish_state(seen.state)
    parameters = election.context.parameters
    stalled = probe.stalled_for(election.context, election.memory, seen.process)
    election.board.say(progress(election, seen))
    outside = _lasts(election, "outside", seen)  # of a primary component
    if seen.state == facts.RECEIVING:
        if stalled >= parameters.stall_timeout:
            return Outcome(codes.FAILED_PROMOTED, "The state transfer made no progress for %d s: %s" % (
                stalled, server.last_words_of(election.memory)))
        return Outcome(codes.RUNNING_PROMOTED)
    snapshot = election.snapshot()
    others = [one for one in snapshot.reports.values() if one.node != snapshot.me]
    primary = any(one.state in facts.IN_PRIMARY for one in others)
    if snapshot.override is not None and snapshot.override.node == snapshot.me and not primary:
        return Outcome(codes.FAILED_PROMOTED, "Restarted to bootstrap, by the word of %s." % snapshot.override.by)
    election.board.offer_self()
    if seen.state == facts.STARTING and election.bootstraps():
        # It needs no others; InnoDB may have hours of log to apply. To give up on it would bring nobody a database.
        if stalled >= parameters.stall_timeout:
            return Outcome(codes.FAILED_PROMOTED, "The server that bootstraps made no progress for %d s: %s" % (
                stalled, server.last_words_of(election.memory)))
        return Outcome(codes.RUNNING_PROMOTED)
    if primary:
        limit = parameters.nonprimary_wait if seen.state == facts.NONPRIMARY else parameters.stall_timeout
        if outside >= limit and stalled >= min(limit, parameters.recovery_wait):
            return Outcome(codes.FAILED_PROMOTED, "Not part of the primary component for %d s, although there is one; "
                           "restarted to join it. %s" % (outside, seen.sentence))
        return Outcome(codes.RUNNING_PROMOTED)
    return _without_primary(election, seen, snapshot, outside)


def _without_primary(election, seen, snapshot, outside):
    """No primary component is known to anybody."""
    me = snapshot.me
    if (seen.state == facts.NONPRIMARY and snapshot.two_node and outside >= election.context.parameters.nonprimary_wait
            and len(snapshot.configured) == 2 and snapshot.lost_confirmed):
        election.memory.write("survivor", {"at": int(election.context.clock.now())})
        return Outcome(codes.FAILED_PROMOTED, "The other node is confirmed off; restarted to go on alone (two_node_mode).")
    missing = absent(snapshot)
    if missing:
        election.memory.forget("complete")
    # Not by the time outside: one that waited for hours must not be restarted the moment the other one is back.
    elif _lasts(election, "complete", seen) >= election.context.parameters.recovery_wait:
        election.memory.write("tried", {"at": int(election.context.clock.now())})
        return Outcome(codes.FAILED_PROMOTED, "No primary component formed within %d s although all members of the last "
                       "one are there; the election decides instead." % _lasts(election, "complete", seen))
    if missing and outside >= URGENT_AFTER:
        return Outcome(codes.DEGRADED_PROMOTED, "Waits for %s, which may hold commits that nobody else has. Start it, or "
                       "go on without it: quorate bootstrap %s" % (", ".join(missing), me))
    return Outcome(codes.RUNNING_PROMOTED)


def _lasts(election, what, seen):
    """Seconds since this was first so of this server; keeps a note of that name."""
    return election.memory.lasts(what, election.context.clock, pid=seen.process.pid)


def absent(snapshot):
    """Members of the last view of this node that did not report: names, else the beginning of their UUID."""
    own = snapshot.reports.get(snapshot.me)
    if own is None or own.view is None:
        return [name for name in snapshot.configured if name not in snapshot.reports]
    there = {one.my_uuid for one in snapshot.reports.values()}
    gone = own.view.members - there - own.arbitrators
    return sorted(snapshot.names.get(uuid, uuid[:8]) for uuid in gone)
