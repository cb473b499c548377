# SPDX-License-Identifier: Apache-2.0
"""The monitor of a server that runs and does not serve yet: it joins, recovers, bootstraps, or waits in vain."""

from quorate.galera import facts
from quorate.galera.actions.participant import URGENT_AFTER
from quorate.galera.election import proof
from quorate.galera.election.decide import decide
from quorate.galera.server import observe
from quorate.ocf import codes
from quorate.ocf.codes import Outcome

HANGS = 10  # seconds without a byte read or written after which a server that logged its end counts as hung
MET = 4  # seconds after which servers that have met and form no primary component are given up: Galera decides at once
GAP = 10  # seconds for which a member may be without a report before it counts as missing


def monitor_startup(participant, observed):
    """Publish what the server does, and decide whether to let it continue. The monitor's Outcome."""
    participant.publish_state(observed.state)
    parameters = participant.context.parameters
    stalled = observe.stalled_for(participant.context, participant.state_files, observed.process)
    participant.published.set_status(progress_text(participant, observed))
    outside = _elapsed(participant, "outside", observed)  # of a primary component
    if stalled >= HANGS and observed.state in (facts.STARTING, facts.RECEIVING):
        from quorate.galera.server.log.ending import gave_up
        reason = gave_up(participant.context, participant.state_files)
        if reason:
            participant.record_failure()
            return Outcome(codes.FAILED_PROMOTED, "The server gave up and hangs: %s" % reason)
    if observed.state == facts.RECEIVING:
        if stalled >= parameters.stall_timeout:
            from quorate.galera.server.log.ending import stuck
            return Outcome(codes.FAILED_PROMOTED, "The transfer made no progress for %d s: %s" % (
                stalled, stuck(participant.context, participant.state_files)))
        return Outcome(codes.RUNNING_PROMOTED)
    snapshot = participant.snapshot()
    if snapshot.override is not None:
        snapshot = participant.snapshot(listen=True)
    primary = [one.node for one in proof.in_primary(snapshot) if one.node != snapshot.me]
    if snapshot.override is not None and snapshot.override.node == snapshot.me and not primary:
        return Outcome(codes.FAILED_PROMOTED, "Restarted to bootstrap, as ordered by %s." % snapshot.override.by)
    participant.published.offer_self()
    if observed.state == facts.STARTING and participant.launched_to_bootstrap():
        # It needs no others; InnoDB may have hours of log to apply. A restart would begin that anew.
        if stalled >= parameters.stall_timeout:
            from quorate.galera.server.log.ending import stuck
            participant.record_failure()
            return Outcome(codes.FAILED_PROMOTED, "The bootstrap made no progress for %d s: %s" % (
                stalled, stuck(participant.context, participant.state_files)))
        return Outcome(codes.RUNNING_PROMOTED)
    if primary:
        limit = parameters.nonprimary_wait if observed.state == facts.NONPRIMARY else parameters.stall_timeout
        if outside >= URGENT_AFTER and not participant.reachable_primary():
            return Outcome(codes.DEGRADED_PROMOTED, "%s %s to be in the primary component, but its group communication "
                           "port is closed. If it hangs: pcs stonith fence %s" % (
                               ", ".join(primary), "report" if len(primary) > 1 else "reports", primary[0]))
        if outside >= limit and stalled >= min(limit, parameters.recovery_wait):
            return Outcome(codes.FAILED_PROMOTED, "Outside of the running primary component for %d s; restarted to "
                                                  "join it. %s" % (outside, observed.sentence))
        return Outcome(codes.RUNNING_PROMOTED)
    return _without_primary(participant, observed, snapshot, outside)


def _without_primary(participant, observed, snapshot, outside):
    """No node reports a primary component. outside: seconds that the server is in none."""
    me = snapshot.me
    parameters = participant.context.parameters
    if (observed.state == facts.NONPRIMARY and snapshot.two_node and outside >= parameters.nonprimary_wait
            and len(snapshot.configured) == 2 and snapshot.lost_confirmed):
        participant.state_files.write("survivor", {"at": int(participant.context.clock.now())})
        return Outcome(codes.FAILED_PROMOTED,
                       "The other node is confirmed off; restarted to go on alone (two_node_mode).")
    missing = missing_members(snapshot)
    if observed.state == facts.NONPRIMARY and participant.never_synced() and not _peers_outside(snapshot):
        return Outcome(codes.FAILED_PROMOTED, "It lost the primary component before it was synced; restarted, because "
                                              "Galera does not re-form one with it.")
    own = snapshot.reports.get(me)
    if (observed.state == facts.STARTING and participant.never_synced() and own is not None and own.recorded is False
            and outside >= (GAP if _waits_for_each_other(snapshot) else parameters.recovery_wait)):
        # It was to join, the component is gone, and all wait for what it holds, which it reports only while it is down.
        return Outcome(codes.FAILED_PROMOTED, "No primary component to join for %d s, and no view to re-form; "
                                              "restarted, so that the election counts what it holds." % outside)
    if missing:
        # A member whose start fails again and again reports nothing between its stop and its start.
        if _elapsed(participant, "missing", observed) >= GAP:
            participant.state_files.forget("complete")
    else:
        participant.state_files.forget("missing")
    if not missing and _is_held_up(participant, observed, snapshot):
        return Outcome(codes.FAILED_PROMOTED, "The election waits for what this node holds, and this server for nodes "
                                              "that are down; restarted so that the election decides.")
    given_up = _why_given_up(participant, observed, snapshot, missing)
    if given_up:
        participant.state_files.write("tried", {"at": int(participant.context.clock.now())})
        if own is not None:
            participant.published.publish(own._replace(tried=True))  # the other members need not find that out as well
        return Outcome(codes.FAILED_PROMOTED, given_up + "; restarted so that the election decides.")
    if missing and outside >= URGENT_AFTER:
        return Outcome(codes.DEGRADED_PROMOTED,
                       "Waits for %s, which may alone hold commits. Start it, or go on without it: quorate bootstrap %s"
                       % (", ".join(missing), me))
    return Outcome(codes.RUNNING_PROMOTED)


def _why_given_up(participant, observed, snapshot, missing):
    """Why Galera will not re-form the last primary view with this server, as a clause; None where it may.

    proof.recoverable says when it does. That a running server cannot tell whether others went on without it
    (pc_proto.cpp: "are still in unknown state, unable to rebootstrap new prim") is in that server's memory only, so it
    cannot be known before; but once all members have met it is decided, and never again.
    """
    others = _gave_up(snapshot)
    if others:
        return "%s %s given up to re-form the last primary view" % (
            " and ".join(others), "have" if len(others) > 1 else "has")
    if _have_met(observed, snapshot) and not missing:
        if _elapsed(participant, "met", observed) >= MET:
            return "All members of the last view run in one group, which does not form a primary component"
    else:
        participant.state_files.forget("met")
    # Not by the time outside: a server that waited for hours must not be restarted the moment the other one is back.
    limit = participant.context.parameters.recovery_wait
    if not missing and _elapsed(participant, "complete", observed) >= limit:
        return "No primary component formed within %d s, although all members of the last one run" % (
            _elapsed(participant, "complete", observed))
    return None


def _gave_up(snapshot):
    """Names of other members of this node's last view that ended, or are about to, because it does not re-form."""
    own = snapshot.reports.get(snapshot.me)
    if own is None or own.view is None or not own.recorded:
        return []
    return [node for node, one in sorted(snapshot.reports.items()) if node in snapshot.members and node != own.node
            and one.tried and one.view == own.view and one.my_uuid in own.view.members]


def _is_held_up(participant, observed, snapshot):
    """Whether it has lasted that the election and this server wait for each other: the election for what the server
    holds, which it reports only while it is down. One that runs without a quorum may hold the most, so it ends last."""
    own = snapshot.reports.get(snapshot.me)
    if own is None or not own.recorded or not _waits_for_each_other(snapshot):
        participant.state_files.forget("held-up")
        return False
    last = observed.state == facts.NONPRIMARY and any(one.state == facts.STARTING for one in snapshot.reports.values())
    return _elapsed(participant, "held-up", observed) >= GAP * (2 if last else 1)


def _waits_for_each_other(snapshot):
    """Whether the election starts none of those without which this server waits in vain: the members of its last view
    that are down; any, where it has no view to re-form."""
    own = snapshot.reports.get(snapshot.me)
    if own is None:
        return False
    if own.recorded and not any(node in snapshot.members and one.state == facts.DOWN and one.my_uuid in own.view.members
                                for node, one in snapshot.reports.items()):
        return False
    decision = decide(snapshot)
    return decision.action == facts.WAIT and (own.state == facts.STARTING or snapshot.me in decision.missing)


def _have_met(observed, snapshot):
    """Whether this server, by its own answer, is in one group with all members of its last view.

    It says how many are in the group, not who: so there must be room for every other server that runs as well."""
    own = snapshot.reports.get(snapshot.me)
    size = observed.status.cluster_size if observed.status is not None else None
    if observed.state != facts.NONPRIMARY or size is None or own is None or own.view is None or not own.recorded:
        return False
    strangers = [node for node, one in snapshot.reports.items()
                 if one.state in facts.ALIVE and one.my_uuid not in own.view.members]
    return size >= len(own.view.members) + len(strangers)


def _peers_outside(snapshot):
    """Other nodes whose servers run and are in no primary component: with them the component may come back by itself."""
    return [node for node, report in snapshot.reports.items() if node != snapshot.me
            and report.state in (facts.NONPRIMARY, facts.HUNG, facts.UNKNOWN)]


def progress_text(participant, observed):
    """The status of a server that does not serve yet. It changes only when what the server does changes."""
    if observed.state == facts.RECEIVING:
        return "receives a state transfer; HAProxy does not use it until it is synced"
    if observed.state == facts.STARTING and participant.launched_to_bootstrap():
        return "starts as the first member of a new primary component"
    if observed.state not in (facts.STARTING, facts.NONPRIMARY):
        return observed.sentence
    missing = missing_members(participant.snapshot())
    return "%s%s" % (
        "starts, and waits for a primary component" if observed.state == facts.STARTING
        else "runs, but is not in a primary component", " (missing: %s)" % ", ".join(missing) if missing else "")


def missing_members(snapshot):
    """Members of the last view of this node that did not report: names, else the beginning of their UUID."""
    own = snapshot.reports.get(snapshot.me)
    if own is None or own.view is None:
        return [name for name in snapshot.configured if name not in snapshot.reports]
    present = {one.my_uuid for one in snapshot.reports.values()}
    absent = own.view.members - present - own.arbitrators
    return sorted(snapshot.names.get(uuid, uuid[:8]) for uuid in absent)


def _elapsed(participant, name, observed):
    """Monotonic seconds since this was first observed of this server; `name`: of the state file that holds it."""
    return participant.state_files.elapsed(name, participant.context.clock, pid=observed.process.pid)
