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

from quorate.galera import proof
from quorate.galera.facts import (ALIVE, BOOTSTRAP, DOWN, IN_PRIMARY, JOIN, RECEIVING, RECOVER, REFUSE, WAIT,
                                  ZERO_UUID, Decision)
from quorate.galera.read import short


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
        return _overruled(snapshot, facts, decision)
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
                        "one whose data you do not want to keep." % _positions(live))
    reason = "A primary component is running (%s)" % _names(report.node for report in live)
    receiving = _receiving(snapshot)
    joiners = order(snapshot)
    if receiving:
        reason += "; the others join when %s has received its state" % _names(receiving)
    elif joiners:
        reason += ", %s %s it" % (_names(joiners), "joins" if len(joiners) == 1 else "join")
    strangers = [node for node in joiners if snapshot.reports[node].uuid not in (None, ZERO_UUID)
                 and histories and snapshot.reports[node].uuid != histories[0]]
    if strangers:
        reason += "; joining replaces the data of %s, which %s of another history" % (
            _names(strangers), "is" if len(strangers) == 1 else "are")
    return Decision(JOIN, joiners, reason + ".")


def _receiving(snapshot):
    return [node for node in sorted(snapshot.reports)
            if node in snapshot.members and snapshot.reports[node].state == RECEIVING]


# No primary component lives

def _elect(snapshot, facts):
    """The Decision without regard to an operator's order."""
    ahead = [report for report in facts.reports.values() if (report.generation or 0) > snapshot.generation]
    if ahead:
        return Decision(WAIT, urgent=True, command=_command(snapshot, facts), reason="%s was synced in bootstrap "
                        "generation %d and the cluster's configuration knows only %d: it was "
                        "changed or put back by hand." % (
                            ahead[0].node, ahead[0].generation, snapshot.generation))
    if len({report.uuid for report in facts.voters}) > 1:
        return Decision(REFUSE, urgent=True, command="quorate bootstrap NODE", reason="The nodes hold different "
                        "histories (%s); name the node whose data the cluster is to keep, the others will get "
                        "a copy of it."
                        % _positions(facts.voters))
    view = proof.recoverable(snapshot, facts)
    if view is not None:
        return _recover(snapshot, view)
    if not facts.voters:
        return _first_ever(snapshot, facts)
    return _bootstrap(snapshot, facts)


def _recover(snapshot, view):
    members = [node for node in snapshot.reports if snapshot.reports[node].my_uuid in view.members
               and snapshot.reports[node].view == view]
    down = _in_order(snapshot, [node for node in members if snapshot.reports[node].state == DOWN])
    if not down:
        return Decision(RECOVER, (), "All members of the last primary view are starting (%s), they re-form it."
                        % _names(members))
    return Decision(RECOVER, down, "All members of the last primary view have reported (%s), they start together and "
                    "Galera re-forms it." % _names(members))


def _bootstrap(snapshot, facts):
    """One of the voters opens a new primary component, if that is proven to lose nothing."""
    best = proof.best(facts.voters, snapshot.configured)
    why = proof.proven(snapshot, facts)
    if why is None:
        return _wait(snapshot, facts)
    if best.node not in snapshot.configured:
        return Decision(REFUSE, urgent=True, command=_command(snapshot, facts), reason="%s holds the highest position "
                        "(%s) and wsrep_cluster_address does not name it; add it there." % (
                            best.node, _positions([best])))
    if why == proof.everybody(snapshot, facts):
        beyond = proof.beyond(facts, best.uuid, best.seqno)
        if beyond:
            return Decision(REFUSE, urgent=True, command=_command(snapshot, facts), reason="%s is ahead of %s (%s), "
                            "but it is not on record as a member of the cluster since the last bootstrap: its surplus "
                            "may be commits, or what was given up then." % (
                                _names(report.node for report in beyond), best.node, _positions([best] + beyond)))
    alive = [node for node in sorted(facts.reports) if proof.may_become_primary(facts.reports[node], facts)]
    return _unless_alive(snapshot, alive, best.node, "%s holds the highest position (%s:%d) and %s: it bootstraps." % (
        best.node, short(best.uuid), best.seqno, why))


def _first_ever(snapshot, facts):
    """Nobody has a position: a new cluster, or all of it is lost."""
    if facts.bystanders or not proof.everybody(snapshot, facts._replace(blank=facts.blank + facts.lost)):
        return _wait(snapshot, facts)
    reports = [facts.reports[node] for node in snapshot.configured]
    if snapshot.generation > 1 or len([report for report in reports if report.generation > 0]) > 1:
        return Decision(REFUSE, urgent=True, command=_forced(reports[0].node), reason="No node has data, and "
                        "this cluster had some; is a file system not mounted? The command starts it anew, empty.")
    first = [report.node for report in reports if report.data] or [report.node for report in reports]
    alive = [node for node in sorted(facts.reports) if proof.may_become_primary(facts.reports[node], facts)]
    return _unless_alive(snapshot, alive, first[0], "No node was ever in a cluster, and all configured nodes have "
                         "reported: %s starts it." % first[0])


def _unless_alive(snapshot, alive, node, reason):
    """BOOTSTRAP of `node`, or WAIT for what is alive beside it."""
    if alive:
        return Decision(WAIT, missing=tuple(alive), reason="%s could bootstrap, but mysqld on %s is alive (%s) and may "
                        "still form a primary component." % (node, _names(alive), _states(snapshot, alive)))
    listening = _listening(snapshot, node)
    if listening:
        absent = [other for other in listening if other not in snapshot.reports or other not in snapshot.members]
        return Decision(WAIT, missing=listening, urgent=True, command=_forced(node),
                        reason="%s could bootstrap, but something answers on the group communication port of %s, which "
                        "reports %s; stop that mysqld, or bring the node back into the cluster." % (
                            node, _names(listening), "nothing" if absent else "that it is down"))
    return Decision(BOOTSTRAP, (node,), reason, confirmed=snapshot.listening is not None)


def _listening(snapshot, node):
    """Configured nodes that listen without having reported to be alive, in the configured order."""
    return tuple(other for other in snapshot.configured if other in (snapshot.listening or ()) and other != node
                 and not (other in snapshot.members and other in snapshot.reports
                          and snapshot.reports[other].state in ALIVE))


# Waiting

def _wait(snapshot, facts):
    """WAIT: for whom, and what they may hold."""
    missing, why = _missing(snapshot, facts)
    lost = [report.node for report in facts.lost]
    clauses = ["%s%s" % (name, _condition(snapshot, facts, name)) for name in missing]
    reason = "Waiting for %s: %s." % (_names(clauses, False), why)
    urgent = any(_needs_operator(snapshot, facts, name) for name in missing)
    if set(lost).intersection(missing):
        reason += " Where data is gone: mount its file system, or go on without what only it held."
    return Decision(WAIT, (), reason, tuple(missing), urgent, _command(snapshot, facts))


def _missing(snapshot, facts):
    """(names, why they matter)."""
    unaccounted = [node for node in snapshot.configured if not facts.accounted(node)]
    view = proof.latest_view(facts)
    if view is not None:
        here = {report.my_uuid for report in facts.voters + facts.blank}
        absent = sorted(view.members - here - proof.arbitrators(facts.reports))
        by_uuid = {report.my_uuid: node for node, report in facts.reports.items() if report.my_uuid is not None}
        names = [by_uuid.get(member) or snapshot.names.get(member) for member in absent]
        names = [name for name in names if name in unaccounted]
        if absent and len(names) == len(absent):
            return _in_order(snapshot, names), "%s in the last primary view and may alone hold acknowledged commits" % (
                "it was" if len(names) == 1 else "they were")
    if not facts.voters and not facts.blank and not facts.lost and not facts.bystanders:
        return tuple(unaccounted), "no node has reported its position yet"
    if not facts.voters and facts.bystanders:
        return tuple(unaccounted), ("those that reported were last synced before the last bootstrap (generation %d) "
                                    "and lack what was committed since" % snapshot.generation)
    if not facts.voters:
        return tuple(unaccounted), "no node that reported has data, and the first start needs all configured nodes"
    return tuple(unaccounted), "nobody who reported can prove that %s no commit that they lack" % (
        "it holds" if len(unaccounted) == 1 else "they hold")


def _condition(snapshot, facts, node):
    """What is known of a node that is waited for, in brackets."""
    if node not in snapshot.members:
        return " (%s)" % ("lost, confirmed" if node in snapshot.lost_confirmed else "not in the cluster")
    report = facts.reports.get(node)
    if report is None:
        return " (has not reported yet)"
    if report in facts.lost:
        return " (its data is gone)"
    if report.state == DOWN:
        return " (down, its position is unknown)"
    return " (%s)" % report.state


def _needs_operator(snapshot, facts, node):
    """Whether waiting for the node may never end by itself."""
    report = facts.reports.get(node)
    return node not in snapshot.members or (report is not None and report.state == DOWN)


# The operator's word

def _overruled(snapshot, facts, decision):
    """The Decision with an operator's order taken into account."""
    override = snapshot.override
    report = facts.reports.get(override.node)
    if decision.action == BOOTSTRAP and decision.nodes == (override.node,):
        return decision
    hindrance = _hindrance(snapshot, facts, override.node, report)
    if hindrance:
        return decision._replace(reason="The order to bootstrap %s cannot be carried out: %s. %s" % (
            override.node, hindrance, decision.reason))
    objections = _objections(snapshot, facts, report)
    if objections and not override.forced:
        return decision._replace(urgent=True, command=_forced(override.node),
                                 reason="The order to bootstrap %s is refused: %s; --force insists. %s" % (
                                     override.node, "; ".join(objections), decision.reason))
    unheard = [node for node in snapshot.configured if node != override.node and not facts.accounted(node)]
    given_up = list(objections)
    if unheard:
        given_up.append("what only %s may hold is given up" % _names(unheard))
    reason = "%s bootstraps by order of %s" % (override.node, override.by or "the operator")
    return Decision(BOOTSTRAP, (override.node,), reason + "".join("; " + text for text in given_up) + ".",
                    confirmed=snapshot.listening is not None or override.forced)


def _hindrance(snapshot, facts, node, report):
    """Why not even a forced order can be carried out, or None."""
    if node not in snapshot.configured:
        return "wsrep_cluster_address does not name it"
    if report is None:
        return "it has not reported" if node in snapshot.members else "it is not in the cluster"
    if report.state != DOWN:
        return "its mysqld is not proven to be down (%s)" % report.state
    if report.data is None:
        return "it is unknown whether it has data"
    with_data = [other.node for other in facts.reports.values() if other.data is not False and other.node != node]
    if not report.data and with_data:
        return "it has no data, and %s may have some" % _names(with_data)
    return None


def _objections(snapshot, facts, report):
    """What speaks against bootstrapping this node although an operator says so: list of clauses."""
    found = []
    others = [other for other in facts.voters if other.node != report.node]
    position = -1 if report.seqno is None else report.seqno
    ahead = [other for other in others if other.uuid == report.uuid and other.seqno > position]
    if ahead:
        found.append("%s has a higher position" % _positions(ahead))
    if others and report not in facts.voters:
        found.append("%s %s on record since the last bootstrap, it is not" % (
            _names(other.node for other in others), "is" if len(others) == 1 else "are"))
    elif not others and not proof.is_complete(report):
        found.append("its own position is unknown")
    strangers = [other for other in others if other.uuid != report.uuid]
    if len(strangers) > len(others) - len(strangers) + 1:
        found.append("most nodes are of another history (%s)" % _positions(strangers))
    if not report.data or report.uuid == ZERO_UUID:
        found.append("it has no position: the cluster would start anew, empty")
    alive = [node for node in sorted(facts.reports) if facts.reports[node].state != DOWN]
    if alive:
        found.append("mysqld on %s is alive (%s)" % (_names(alive), _states(snapshot, alive)))
    listening = _listening(snapshot, report.node)
    if listening:
        found.append("something answers on the group communication port of %s" % _names(listening))
    return found


# Words

def _forced(node):
    """The command that insists."""
    return "quorate bootstrap %s --force %s" % (node, node)


def _command(snapshot, facts):
    """The command that goes on without those who are missing: it names the best of those that reported; or None."""
    known = [report for report in facts.voters if report.node in snapshot.configured]
    if not known:
        old = [report for report in facts.bystanders if report.node in snapshot.configured]
        known = [report for report in old if report.generation == max(one.generation for one in old)]
    return "quorate bootstrap %s" % proof.best(known, snapshot.configured).node if known else None


def _in_order(snapshot, nodes):
    """The nodes in the order of the configuration, others after them."""
    wanted = set(nodes)
    return tuple([node for node in snapshot.configured if node in wanted]
                 + sorted(wanted.difference(snapshot.configured)))


def _names(names, ordered=True):
    names = sorted(names) if ordered else list(names)
    return names[0] if len(names) == 1 else "%s and %s" % (", ".join(names[:-1]), names[-1]) if names else "nobody"


def _positions(reports):
    return ", ".join("%s %s:%s" % (report.node, short(report.uuid) or "?",
                                   "?" if report.seqno is None else report.seqno)
                     for report in sorted(reports, key=lambda report: report.node))


def _states(snapshot, nodes):
    return ", ".join(sorted({snapshot.reports[node].state for node in nodes}))
