# SPDX-License-Identifier: Apache-2.0
"""Who may open a primary component, who joins, and whom everybody waits for. Pure: a Snapshot in, a Decision out.

    decide(snapshot)            what the cluster should do now; the same on every node that has the same reports
    verify(snapshot, me)        the same at the point of no return: what was true at the election may not be true now
    order(snapshot)             who joins next
    keeps_view(...)             whether a node starts with its gvwstate.dat
    needs_full_transfer(...)    whether a node must give up its position before it joins
    opening(...)                what is to be put on record of a bootstrap

The rules are tried in the order of the function decide(). Why they are safe is told in proof.py and
docs/galera-election.md. What the agent has to keep to, so that they are:

- A report is withdrawn or says STARTING before a mysqld is started, and says DOWN only of a mysqld proven gone.
- Opening a primary component: the cluster's generation is raised, then this node's own, then mysqld starts. A mysqld
  that ended without ever having been ready may be undone in the reverse order.
- A node starts with gvwstate.dat only where keeps_view() says so, without a position where needs_full_transfer() does.
- Both files are saved before a start that may end without a primary component, and put back when it does: a mysqld
  that is stopped while it waits removes gvwstate.dat, and the proof is gone with it.
"""

from quorate.galera.election import proof
from quorate.galera.election.override import overruled
from quorate.galera.election.reasons import command, forced, in_order, names, positions, states, wait
from quorate.galera.facts import (
    BOOTSTRAP, DOWN, IN_PRIMARY, JOIN, RECEIVING, RECOVER, REFUSE, WAIT, ZERO_UUID, Decision, short)


def decide(snapshot):
    """The Decision for a Snapshot. It does not depend on snapshot.me."""
    live = [snapshot.reports[node] for node in sorted(snapshot.reports)
            if node in snapshot.members and snapshot.reports[node].state in IN_PRIMARY]
    if live:
        return _join(snapshot, live)
    if snapshot.generation is None:
        return Decision(WAIT, reason="The cluster's bootstrap generation could not be read, so nobody may bootstrap; "
                                     "is Pacemaker well on this node? Ask 'crm_mon -1'.")
    facts = proof.known(snapshot)
    decision = _elect(snapshot, facts)
    if snapshot.override is not None:
        return overruled(snapshot, facts, decision)
    return decision


def verify(snapshot, me):
    """(bool, Decision): whether `me` may carry out the Decision now. Call it with snapshot.listening looked at."""
    decision = decide(snapshot)
    return decision.confirmed and me in decision.nodes, decision


def order(snapshot):
    """The nodes that may join a living primary component now, the first next. () while one of them receives its state.

    A change of the membership breaks off a state transfer that is under way. A node that is only STARTING holds nobody
    back: it may be waiting for exactly the others.
    """
    if _receiving(snapshot):
        return ()
    return tuple(node for node in snapshot.configured if node in snapshot.members
                 and node in snapshot.reports and snapshot.reports[node].state == DOWN)


def keeps_view(snapshot, node, decision, heard=frozenset()):
    """Whether `node` is to start with its gvwstate.dat. heard: nodes whose group communication port answers now.

    With the file, Galera re-forms the old view as soon as its members are there. That is what RECOVER wants. A joiner
    may keep it when one of those that report to be in a primary component is a member of that view: should the report
    be stale, the view cannot come back without that member, and its return is decided upon again. Without such a
    member the old view could come back beside the primary component, or lack what was committed after it: a joiner that
    was alone in its last view while it received its state is the worst case.

    Nor does it need the file where more than half of its last view is heard: that many lost nothing by its death, so there
    is a primary component to join. With the file the server comes as its former self, which the others first have to
    declare dead: killed and launched again within 3 s it was synced after 14 to 23 s (6 kills), without it after 6 to 9 s.
    """
    report = snapshot.reports.get(node)
    if report is None or proof.last_view(report) is None or report.generation is None:
        return False
    if decision.action == RECOVER:
        return True
    if decision.action != JOIN or report.generation != snapshot.generation:
        return False
    there = [name for name, other in snapshot.reports.items() if name in snapshot.members and name != node
             and other.state in IN_PRIMARY and other.my_uuid in report.view.members]
    return bool(there) and 2 * len(heard.intersection(there)) <= len(report.view.members)


def needs_full_transfer(report, openings):
    """Whether a node of an older generation must give up its position (grastate.dat) before it joins.

    openings: the generations opened so far, as opening() gave them. A node that stands beyond the position at which a
    later generation began, or is of one that the later ones do not build upon, holds transactions that were given up
    then; an incremental transfer would put new ones on top of them and nobody would notice. What is not known needs it
    as well. Set the position aside: while the transfer has not begun, the data still counts.
    """
    if report.generation is None or report.uuid is None or report.seqno is None:
        return True
    for generation, uuid, seqno, *parent in openings:   # records without a parent: built upon the one before
        if generation > report.generation and (
                uuid != report.uuid or seqno is None or report.seqno > seqno
                or (parent[0] if parent else generation - 1) < report.generation):
            return True
    return False


def opening(snapshot, node):
    """(generation, uuid, seqno, parent generation) of what `node` is about to open; the agent keeps it."""
    facts = proof.known(snapshot)
    report = facts.reports[node]
    parent = facts.generation if report in facts.voters else report.generation or 0
    return snapshot.generation + 1, report.uuid, report.seqno, parent


# A primary component lives

def _join(snapshot, live):
    histories = sorted({report.uuid for report in live if report.uuid not in (None, ZERO_UUID)})
    if len(histories) > 1:
        return Decision(REFUSE, urgent=True, reason="Two clusters are running, with different histories: %s; stop the "
                        "one whose data you do not want to keep." % positions(live))
    reason = "A primary component is running (%s)" % names(report.node for report in live)
    receiving = _receiving(snapshot)
    joiners = order(snapshot)
    if receiving:
        reason += "; the others join when %s has received its state" % names(receiving)
    elif joiners:
        reason += ", %s %s it" % (names(joiners), "joins" if len(joiners) == 1 else "join")
    strangers = [node for node in joiners if snapshot.reports[node].uuid not in (None, ZERO_UUID)
                 and histories and snapshot.reports[node].uuid != histories[0]]
    if strangers:
        reason += "; joining replaces the data of %s, which %s of another history" % (
            names(strangers), "is" if len(strangers) == 1 else "are")
    return Decision(JOIN, joiners, reason + ".")


def _receiving(snapshot):
    return [node for node in sorted(snapshot.reports)
            if node in snapshot.members and snapshot.reports[node].state == RECEIVING]


# No primary component lives

def _elect(snapshot, facts):
    """The Decision without regard to an operator's order."""
    ahead = [report for report in facts.reports.values() if (report.generation or 0) > snapshot.generation]
    if ahead:
        return Decision(WAIT, urgent=True, command=command(snapshot, facts), reason="%s was synced in bootstrap "
                        "generation %d and the cluster's configuration knows only %d: it was "
                        "changed or put back by hand." % (
                            ahead[0].node, ahead[0].generation, snapshot.generation))
    if len({report.uuid for report in facts.voters}) > 1:
        return Decision(REFUSE, urgent=True, command="quorate bootstrap NODE", reason="The nodes hold different "
                        "histories (%s); name the node whose data the cluster is to keep, the others will get "
                        "a copy of it."
                        % positions(facts.voters))
    view = proof.recoverable(snapshot, facts)
    if view is not None:
        return _recover(snapshot, view)
    if not facts.voters:
        return _first_ever(snapshot, facts)
    return _bootstrap(snapshot, facts)


def _recover(snapshot, view):
    members = [node for node in snapshot.reports if snapshot.reports[node].my_uuid in view.members
               and snapshot.reports[node].view == view]
    down = in_order(snapshot, [node for node in members if snapshot.reports[node].state == DOWN])
    if not down:
        return Decision(RECOVER, (), "All members of the last primary view are starting (%s), they re-form it."
                        % names(members))
    return Decision(RECOVER, down, "All members of the last primary view have reported (%s), they start together and "
                    "Galera re-forms it." % names(members))


def _bootstrap(snapshot, facts):
    """One of the voters opens a new primary component, if that is proven to lose nothing."""
    best = proof.best(facts.voters, snapshot.configured)
    why = proof.proven(snapshot, facts)
    if why is None:
        return wait(snapshot, facts)
    if best.node not in snapshot.configured:
        return Decision(REFUSE, urgent=True, command=command(snapshot, facts), reason="%s holds the highest position "
                        "(%s) and wsrep_cluster_address does not name it; add it there." % (
                            best.node, positions([best])))
    if why == proof.everybody(snapshot, facts):
        beyond = proof.beyond(facts, best.uuid, best.seqno)
        if beyond:
            return Decision(REFUSE, urgent=True, command=command(snapshot, facts), reason="%s is ahead of %s (%s), "
                            "but it is not on record as a member of the cluster since the last bootstrap: its surplus "
                            "may be commits, or what was given up then." % (
                                names(report.node for report in beyond), best.node, positions([best] + beyond)))
    alive = [node for node in sorted(facts.reports) if proof.may_become_primary(facts.reports[node], facts)]
    return _unless_alive(snapshot, alive, best.node, "%s holds the highest position (%s:%d) and %s: it bootstraps." % (
        best.node, short(best.uuid), best.seqno, why))


def _first_ever(snapshot, facts):
    """Nobody has a position: a new cluster, or all of it is lost."""
    if facts.bystanders or not proof.everybody(snapshot, facts._replace(blank=facts.blank + facts.lost)):
        return wait(snapshot, facts)
    reports = [facts.reports[node] for node in snapshot.configured]
    if (snapshot.generation > 1 or len([report for report in reports if report.generation > 0]) > 1
            or any(report.view is not None for report in facts.lost)):
        return Decision(REFUSE, urgent=True, command=forced(reports[0].node), reason="No node has data, and "
                        "this cluster had some; is a file system not mounted? The command starts it anew, empty.")
    first = [report.node for report in reports if report.data] or [report.node for report in reports]
    alive = [node for node in sorted(facts.reports) if proof.may_become_primary(facts.reports[node], facts)]
    return _unless_alive(snapshot, alive, first[0], "No node was ever in a cluster, and all configured nodes have "
                         "reported: %s starts it." % first[0])


def _unless_alive(snapshot, alive, node, reason):
    """BOOTSTRAP of `node`, or WAIT for what is alive beside it."""
    if alive:
        return Decision(WAIT, missing=tuple(alive), reason="%s could bootstrap, but mysqld on %s is alive (%s) and may "
                        "still form a primary component." % (node, names(alive), states(snapshot, alive)))
    listening = proof.listening(snapshot, node)
    if listening:
        absent = [other for other in listening if other not in snapshot.reports or other not in snapshot.members]
        return Decision(WAIT, missing=listening, urgent=True, command=forced(node),
                        reason="%s could bootstrap, but something answers on the group communication port of %s, which "
                        "reports %s; stop that mysqld, or bring the node back into the cluster." % (
                            node, names(listening), "nothing" if absent else "that it is down"))
    return Decision(BOOTSTRAP, (node,), reason, confirmed=snapshot.listening is not None)
