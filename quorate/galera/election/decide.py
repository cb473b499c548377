# SPDX-License-Identifier: Apache-2.0
"""Who may open a primary component, who joins, and whom everybody waits for. Pure: a Snapshot in, a Decision out.

    decide(snapshot)            what the cluster should do now; the same on every node that has the same reports
    joining_order(snapshot)     who joins next
    keeps_view(...)             whether a node starts with its gvwstate.dat
    needs_full_transfer(...)    whether a node must discard its position before it joins
    generation_start(...)       what is recorded of a bootstrap

The rules are tried in the order of the function decide(). proof.py and docs/galera-election.md say why they are safe.
They are safe only because the agent keeps to the following:

- A report is withdrawn or says STARTING before a mysqld is started, and says DOWN only of a mysqld proven gone.
- Opening a primary component: the cluster's generation is raised, then this node's own, then mysqld starts. If that
  ended without ever having been ready for clients, both are set back in the reverse order (actions.undo).
- A node starts with gvwstate.dat only where keeps_view() says so, without a position where needs_full_transfer() does.
- Both files are saved before a start that may end without a primary component, and restored when it does: a mysqld
  that is stopped while it waits removes gvwstate.dat, and the proof with it.
"""

from quorate.galera.election import proof
from quorate.galera.election.arbitrator import outlived_by
from quorate.galera.election.override import with_override
from quorate.galera.election.reasons import force_command, in_order, names, override_command, positions, states, wait
from quorate.galera.facts import (
    BOOTSTRAP, DOWN, IN_PRIMARY, JOIN, RECEIVING, RECOVER, REFUSE, STARTING, UNKNOWN, WAIT, ZERO_UUID, Decision, short)

STARTS_KEPT = 15  # generation starts that are kept on record beside the newest one


def decide(snapshot):
    """The Decision for a Snapshot. It does not depend on snapshot.me."""
    live = proof.in_primary(snapshot)
    if live:
        return _join(snapshot, live)
    snapshot = proof.without_contradicted(snapshot)
    if snapshot.generation is None:
        return Decision(WAIT,
                        reason="The cluster's bootstrap generation cannot be read, so no node may bootstrap. Check "
                                     "Pacemaker on this node with 'crm_mon -1'.")
    electorate = proof.find_electorate(snapshot)
    decision = _elect(snapshot, electorate)
    if snapshot.override is not None:
        return with_override(snapshot, electorate, decision)
    return decision


def joining_order(snapshot):
    """The nodes that may join a live primary component now, the next one first. () during a state transfer.

    A change of the membership aborts a state transfer that is under way. A node that is only STARTING delays nobody:
    it may be waiting for exactly the others. A node whose last start failed joins a single member only where no other
    is about to: if its server dies while it joins, it leaves one of two, which is no quorum.
    """
    if _receiving(snapshot):
        return ()
    reports = [snapshot.reports[node] for node in snapshot.configured
               if node in snapshot.members and node in snapshot.reports]
    down = [report for report in reports if report.state == DOWN]
    alone = len([report for report in reports if report.state in IN_PRIMARY]) == 1
    if alone and any(report.state in (DOWN, STARTING) and not report.failed for report in reports):
        down = [report for report in down if not report.failed]
    return tuple(report.node for report in sorted(down, key=lambda report: bool(report.failed)))


def keeps_view(snapshot, node, decision, reachable=frozenset()):
    """Whether `node` is to start with its gvwstate.dat. reachable: nodes whose group communication port answers now.

    With the file, Galera re-forms the old view as soon as its members are there. That is what RECOVER wants. A joiner
    may keep it when one of those that report to be in a primary component is a member of that view: should the report
    be stale, the view cannot return without that member, and its return is decided upon again. Without such a
    member the old view could return beside the primary component, or lack what was committed after it: a joiner that
    was alone in its last view while it received its state is the worst case.

    Nor does it need the file where more than half of its last view is reachable: that many lost nothing by its death,
    so there is a primary component to join. With the file the server joins under its former UUID, which the others
    first have to declare dead: killed and launched again within 3 s it was synced after 14 to 23 s (6 kills), without
    it after 6 to 9 s.
    """
    report = snapshot.reports.get(node)
    if report is None or proof.last_view(report) is None or report.generation is None:
        return False
    if decision.action == RECOVER:
        return True
    if decision.action != JOIN or report.generation != snapshot.generation:
        return False
    in_primary = [name for name, other in snapshot.reports.items() if name in snapshot.members and name != node
                  and other.state in IN_PRIMARY and other.my_uuid in report.view.members]
    return bool(in_primary) and 2 * len(reachable.intersection(in_primary)) <= len(report.view.members)


def needs_full_transfer(report, starts, generation, on_disk=None):
    """Whether a node must discard its position (grastate.dat) before it joins.

    starts: the generation starts on record, as generation_start() gave them, the oldest of them removed by
    keep_start(); generation: the cluster's. A node that stands beyond the position at which a later generation
    began, or is of one that the later ones do not build upon, holds transactions that were discarded then; an
    incremental transfer would apply new ones on top of them without an error. Unknown facts need a full transfer as
    well, and so does a generation start between the node's generation and the cluster's that is not on record. Set
    the position aside: until the transfer has begun, the data still counts.

    on_disk: the seqno that the disk has, where it is not the reported one: what lies between was written by a server
    that opened a view and never was ready, so no other node has it (parse.reported_position).
    """
    if on_disk not in (None, report.seqno) or None in (report.uuid, report.seqno):
        # Unknown: also in the current generation, which says nothing of a data directory that is another one.
        return True
    if None in (generation, report.generation):
        return True
    if report.generation == generation:
        return False
    if not {start[0] for start in starts}.issuperset(range(report.generation + 1, generation + 1)):
        return True
    for generation, uuid, seqno, *parent in starts:   # records without a parent: built upon the generation before
        if generation > report.generation and (
                uuid != report.uuid or seqno is None or report.seqno > seqno
                or parent and parent[0] < report.generation):
            return True
    return False


def generation_start(snapshot, node):
    """(generation, uuid, seqno, parent generation), which the agent records when `node` is about to bootstrap."""
    electorate = proof.find_electorate(snapshot)
    report = electorate.reports[node]
    parent = electorate.generation if report in electorate.voters else report.generation or 0
    return snapshot.generation + 1, report.uuid, report.seqno, parent


def keep_start(starts, start, most=STARTS_KEPT):
    """The generation starts to keep on record, the new one included: a property of the cluster has a limit."""
    return list(starts)[-most:] + [start]


# With a live primary component

def _join(snapshot, live):
    histories = sorted({report.uuid for report in live if report.uuid not in (None, ZERO_UUID)})
    if len(histories) > 1:
        return Decision(REFUSE, urgent=True, reason="Two clusters with different histories are running: %s. Stop the "
                        "one whose data you do not want to keep." % positions(live))
    reason = "A primary component is running (%s)" % names(report.node for report in live)
    receiving = _receiving(snapshot)
    joiners = joining_order(snapshot)
    if receiving:
        reason += "; the others join after the state transfer to %s" % names(receiving)
    elif joiners:
        reason += ", %s %s it" % (names(joiners), "joins" if len(joiners) == 1 else "join")
    strangers = [node for node in joiners if snapshot.reports[node].uuid not in (None, ZERO_UUID)
                 and histories and snapshot.reports[node].uuid != histories[0]]
    if strangers:
        reason += "; joining replaces the data of %s, which %s to another history" % (
            names(strangers), "belongs" if len(strangers) == 1 else "belong")
    return Decision(JOIN, joiners, reason + ".")


def _receiving(snapshot):
    return [node for node in sorted(snapshot.reports)
            if node in snapshot.members and snapshot.reports[node].state == RECEIVING]


# Without one

def _elect(snapshot, electorate):
    """The Decision without regard to an override."""
    ahead = [report for report in electorate.reports.values() if (report.generation or 0) > snapshot.generation]
    if ahead:
        return Decision(
            WAIT, urgent=True, command=override_command(snapshot, electorate),
            reason="%s was synced in bootstrap generation %d, but the cluster's configuration says %d: the "
                   "configuration was changed or restored by hand." % (
                       ahead[0].node, ahead[0].generation, snapshot.generation))
    if len({report.uuid for report in electorate.voters}) > 1:
        return _refuse("quorate bootstrap NODE",
                       "The nodes hold data of different histories (%s). Name the node whose data the cluster is to "
                       "keep; the others then receive a copy of it." % positions(electorate.voters))
    view = proof.recoverable(snapshot, electorate)
    if view is not None:
        return _recover(snapshot, view)
    if not electorate.voters:
        return _first_ever(snapshot, electorate)
    return _bootstrap(snapshot, electorate)


def _refuse(command, reason):
    return Decision(REFUSE, urgent=True, command=command, reason=reason)


def _recover(snapshot, view):
    members = [node for node in snapshot.reports if snapshot.reports[node].my_uuid in view.members
               and snapshot.reports[node].view == view]
    down = in_order(snapshot, [node for node in members if snapshot.reports[node].state == DOWN])
    if not down:
        return Decision(RECOVER, (), "All members of the last primary view are starting (%s): Galera re-forms it."
                        % names(members))
    return Decision(RECOVER, down, "All members of the last primary view have reported (%s): they start together, and "
                    "Galera re-forms it." % names(members))


def _bootstrap(snapshot, electorate):
    """One of the voters opens a new primary component, if that is proven to lose nothing."""
    best = proof.best(electorate.voters, snapshot.configured, proof.regard_failures(electorate.reports))
    why = proof.proven(snapshot, electorate)
    if why is None:
        return wait(snapshot, electorate)
    if best.node not in snapshot.configured:
        return _refuse(override_command(snapshot, electorate), "%s holds the highest position (%s), but "
                       "wsrep_cluster_address does not name it: add it there." % (best.node, positions([best])))
    if why == proof.everybody(snapshot, electorate):
        beyond = proof.beyond(electorate, best.uuid, best.seqno)
        if beyond:
            return _refuse(override_command(snapshot, electorate), _extra_transactions(best, beyond))
    return _unless_alive(snapshot, electorate, best.node, _why_best(electorate, best, why))


def _why_best(electorate, best, why):
    """Why this voter bootstraps. why: the proof, a clause about the highest position."""
    position = "%s:%d" % (short(best.uuid), best.seqno)
    ahead = [report for report in electorate.voters if report.seqno > best.seqno]
    if not ahead:
        return "%s holds the highest position (%s) and %s: it bootstraps.%s" % (
            best.node, position, why, _failures(electorate, best))
    return "%s holds every transaction (%s), and bootstraps: the last start of %s failed, which %s ahead (%s) by changes of " \
        "the view only." % (best.node, position, names(report.node for report in ahead),
                            "is" if len(ahead) == 1 else "are", positions(ahead))


def _failures(electorate, best):
    """A sentence about failed starts that bear upon the choice of `best`; empty when there are none."""
    equal = [report for report in electorate.voters if report.seqno == best.seqno and report is not best]
    if best.failed:
        return "" if equal else " Its last start failed, but no other node holds as much."
    others = [report.node for report in equal if report.failed]
    return " The last start of %s, which %s the same, failed." % (
        names(others), "holds" if len(others) == 1 else "hold") if others else ""


def _extra_transactions(best, beyond):
    """Why an operator has to choose between the best voter and outdated nodes that are ahead of it."""
    text = ("%s is ahead of %s (%s), but was not recorded as a member since the last bootstrap: its extra transactions "
            "may be valid, or were discarded at that bootstrap." if len(beyond) == 1 else
            "%s are ahead of %s (%s), but were not recorded as members since the last bootstrap: their extra "
            "transactions may be valid, or were discarded at that bootstrap.")
    return text % (names(report.node for report in beyond), best.node, positions([best] + beyond))


def _first_ever(snapshot, electorate):
    """No node has a position: this is a new cluster, or all of its data is lost."""
    without_data = electorate._replace(blank=electorate.blank + electorate.lost)
    if electorate.outdated or not proof.everybody(snapshot, without_data):
        return wait(snapshot, electorate)
    reports = [electorate.reports[node] for node in snapshot.configured]
    if (snapshot.generation > 1 or len([report for report in reports if report.generation > 0]) > 1
            or any(report.view is not None for report in reports)):
        # A view that is remembered is a cluster that was: also where a state transfer broke off since.
        return _refuse(force_command(reports[0].node), "No node has data, but this cluster had some: is a file system "
                       "not mounted? The command creates a new, empty cluster.")
    first = [report.node for report in reports if report.data] or [report.node for report in reports]
    return _unless_alive(snapshot, electorate, first[0], "No node was ever in a cluster, and all configured nodes have "
                         "reported: %s bootstraps it." % first[0])


def _unless_alive(snapshot, electorate, node, reason):
    """BOOTSTRAP of `node`, or WAIT for a mysqld that is alive on another node."""
    alive = [name for name, report in sorted(electorate.reports.items())
             if proof.may_become_primary(report, electorate)]
    unknown = [name for name in alive if electorate.reports[name].state == UNKNOWN]
    if unknown:
        return Decision(
            WAIT, missing=tuple(alive), urgent=True, command="quorate bootstrap " + node,
            reason="%s could bootstrap, but what the mysqld or the disk of %s holds cannot be found out; the log of that "
                   "node says why." % (node, names(unknown)))
    if alive:
        return Decision(WAIT, missing=tuple(alive), reason="%s could bootstrap, but mysqld on %s is alive (%s) and may "
                        "still form a primary component." % (node, names(alive), states(snapshot, alive)))
    listening = proof.listening(snapshot, node)
    if listening:
        silent = [other for other in listening if other not in snapshot.reports or other not in snapshot.members]
        return Decision(
            WAIT, missing=listening, urgent=True, command=force_command(node),
            reason="%s could bootstrap, but the group communication port of %s accepts connections, although that node "
                   "reports %s. Stop that mysqld, or bring the node back into the cluster." % (
                       node, names(listening), "nothing" if silent else "that it is down"))
    return _unless_outlived(snapshot, electorate, node) or Decision(
        BOOTSTRAP, (node,), reason, confirmed=snapshot.listening is not None)


def _unless_outlived(snapshot, electorate, node):
    """WAIT for an arbitrator that keeps the old primary component, or may; None where there is none."""
    hosts = outlived_by(snapshot, electorate)
    if not hosts:
        return None
    at, sure = names(hosts), all(hosts.values())
    return Decision(
        WAIT, missing=tuple(hosts), urgent=True, command="on %s: systemctl %s garb" % (at, "restart" if sure else "stop"),
        reason="%s could bootstrap, but the arbitrator on %s %s, in which a server would abort: %s." % (
            node, at, "alone keeps the old primary component" if sure else
            "may alone keep the old primary component and does not say so (TLS?)",
            "restart garbd there" if sure else "stop garbd there until the database serves"))
