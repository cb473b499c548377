# SPDX-License-Identifier: Apache-2.0
"""Who counts in the election, and when the absence of the others is proven harmless. Pure.

The argument, for one generation (the time between two bootstraps). Primary views form one chain: a view can only follow
another with more than half of the other's members that did not leave cleanly. A commit is acknowledged when it is on
the disk of the node that took it, and by then every member of the view has received it; those that go on to the next
view have it in their queue before that view begins. A node writes a primary view to gvwstate.dat before it receives
anything in it, and removes the file when it leaves cleanly. Therefore:

- A view whose members all still show it, or an older one, as their last was the end of the chain: see closing().
- Whatever was acknowledged in it is on the disk of one of its members. What was acknowledged *before* it is on the disk
  of each member that has committed past the change to it (`settled`); without one, an evicted node may hold the only
  copy of something that the others had received and not yet committed when they all lost power.
- All positions are prefixes of one history, so the highest seqno of all that vote holds everything the others hold.
"""

from collections import namedtuple

from quorate.galera.facts import ALIVE, DOWN, HUNG, IN_PRIMARY, NONPRIMARY, STARTING, UNKNOWN, ZERO_UUID


class Electorate(namedtuple("Electorate", "reports voters outdated blank lost generation linked")):
    """The reports by what they are worth in the election.

    reports:    dict node -> Report of the current members
    voters:     tuple of complete reports of the current generation that have a position
    outdated:   the same of older generations: they may join, never vote
    blank:      complete reports without a position: fresh, or a state transfer into them broke off
    lost:       complete reports of nodes that were synced and have no data now: see has_lost()
    generation: the generation that votes
    linked:     member UUIDs of its views: see linked_members()
    """
    __slots__ = ()

    def fully_reported(self, node):
        """Whether the node has reported everything that it has: it is down, its position is known, it lost no data."""
        return any(report.node == node for report in self.voters + self.outdated + self.blank)


def find_electorate(snapshot):
    """The Electorate of a Snapshot."""
    reports = {node: snapshot.reports[node] for node in sorted(snapshot.reports) if node in snapshot.members}
    complete = [report for report in reports.values() if is_complete(report)]
    generation = voting_generation(snapshot, reports, complete)
    linked = linked_members(reports, generation)
    voters, outdated, blank, lost = [], [], [], []
    for report in complete:
        if not has_position(report):
            (lost if has_lost(report, generation) else blank).append(report)
        elif belongs(report, generation, linked):
            voters.append(report)
        else:
            outdated.append(report)
    return Electorate(reports=reports, voters=tuple(voters), outdated=tuple(outdated), blank=tuple(blank),
                      lost=tuple(lost), generation=generation, linked=linked)


def last_view(report):
    """The view that the node's own gvwstate.dat shows, or None. A view that is only remembered proves nothing: the node
    left it, or a later one that was not recorded, and others may have gone on."""
    return report.view if report.recorded else None


def belongs(report, generation, linked):
    """Whether the report is of this generation."""
    return report.generation == generation or report.my_uuid in linked


def is_complete(report):
    """Whether the report holds all that the election needs. What it leaves out is unknown, so it cannot be counted."""
    if report.state != DOWN or None in (report.uuid, report.seqno, report.data, report.generation):
        return False
    return not report.data or report.uuid == ZERO_UUID or report.seqno >= 0


def has_position(report):
    """Whether a complete report stands for data of some history."""
    return report.data and report.uuid != ZERO_UUID


def has_lost(report, generation):
    """Whether a node without a position had one in this generation, or may have had: it is recorded as synced in an older
    one, and was killed before the newer one could be recorded.

    A cluster that was migrated to this agent while it ran has no generation number yet. There, a node that remembers a
    view and does not even have a grastate.dat had its data somewhere else: a broken state transfer leaves that file.
    """
    if generation > 0:
        return 0 < report.generation <= generation
    return report.generation == 0 and report.view is not None and report.safe is None


def voting_generation(snapshot, reports, complete):
    """The current generation, except where its bootstrap was announced and never begun.

    A node that bootstraps announces the generation, enters it itself, and only then starts mysqld. If every configured
    node has reported and none is in the announced generation, the announcing node died between the two: nothing was
    committed in that generation, and the one before votes.
    """
    current = snapshot.generation
    if any(report.generation in (None, current) for report in reports.values()):
        return current
    if {report.node for report in complete}.issuperset(snapshot.configured) and complete:
        return max(report.generation for report in complete)
    return current


def linked_members(reports, generation):
    """Member UUIDs of the views of this generation.

    A node is entered in a generation when it is observed as synced. One that was killed before that is recognised as a
    member by its own UUID in a view that another node holds.
    """
    views = [last_view(report) for report in reports.values() if report.generation == generation]
    return frozenset().union(*(view.members for view in views if view is not None))


def best(reports, configured, failures=True):
    """The report with the highest position; ties: those whose last start did not fail first, then safe_to_bootstrap,
    then the order of the configuration. Where the last start of that one failed: the next one that holds every
    transaction. failures: whether every node regards failed starts: one that runs a version which does not would name
    another node, and then neither of the two would bootstrap."""
    def rank(report):
        index = configured.index(report.node) if report.node in configured else len(configured)
        return (-report.seqno, failures and bool(report.failed), not report.safe, index, report.node)
    if not reports:
        return None
    first = min(reports, key=rank)
    if failures and first.failed and all(report.written is not None for report in reports):
        others = [report for report in reports if not report.failed and holds_every_transaction(report, reports)]
        return min(others, key=rank, default=first)
    return first


def holds_every_transaction(report, reports):
    """Whether this report's position is beyond every transaction that the others hold: what they are ahead by are changes
    of the view."""
    return all(report.seqno >= other.written for other in reports)


def regard_failures(reports):
    """Whether all that reported run a version that says whether their last start failed."""
    return all(report.failed is not None for report in reports.values())


def arbitrators(reports):
    """Masked UUIDs of members without data, as far as any report names them."""
    return frozenset().union(*(report.arbitrators or () for report in reports.values()))


# Proofs: each returns a clause that says why no other node need be waited for, or None.

def proven(snapshot, electorate):
    """Why no absent node can hold a commit that the voters lack, or None."""
    return (last_to_leave(snapshot, electorate) or closed_view(snapshot, electorate)
            or lone_survivor(snapshot, electorate)
            or everybody(snapshot, electorate))


def last_to_leave(snapshot, electorate):
    """One node left a primary view of its own, cleanly, after all others. Counts only if exactly one node of the voting
    generation claims it."""
    safe = [report for report in electorate.voters if report.safe is not False]
    if len(safe) != 1 or safe[0].safe is not True or safe[0].clean is not True:
        return None
    if any(report.seqno > safe[0].seqno for report in electorate.voters):
        return None
    return "it was the last member to stop, and stopped cleanly"


def closed_view(snapshot, electorate):
    """The last view is proven to be the last, all its data members have reported, and one of them is settled in it."""
    for view in closed_views(electorate):
        if any(report.settled and last_view(report) == view for report in electorate.voters):
            return "all members of the last primary view have reported"
    return None


def closed_views(electorate):
    """The views known to the voters that were provably the last of the generation, with all data members reported."""
    without_data = arbitrators(electorate.reports)
    views = sorted({last_view(report) for report in electorate.voters} - {None}, key=_view_order)
    return [view for view in views if closing(view, electorate.voters + electorate.blank, without_data)]


def closing(view, reports, without_data):
    """Whether `view` was the last one, and all that its members hold is reported.

    A data member that shows `view`, or an older one (it died before it wrote this one), received nothing after it.
    Members that left cleanly may have: they went on if they were more than half of the next view, and that was more
    than half of this one. One that shows `view` can have been in the next one, and died before it wrote that: of a view
    of four, two went on by way of a view of three. And none of them may remember a later view.
    """
    by_member = {report.my_uuid: report for report in reports if report.my_uuid is not None}
    may_have_gone_on = 0
    for member in view.members - without_data:
        report = by_member.get(member)
        if report is None:
            return False
        last = last_view(report)
        if last is None:
            if report.view not in (None, view) and not is_older(report.view, view):
                return False
            may_have_gone_on += 1
        elif last != view and not is_older(last, view):
            return False
    if not may_have_gone_on:
        return True
    least_of_next = len(view.members) // 2 + 1
    return 2 * (may_have_gone_on + len(view.members & without_data)) <= least_of_next


def is_older(view, other):
    """Whether `view` came before `other`, of the same generation. Sequence numbers compare only within one chain."""
    return bool(view.members & other.members) and view.seq < other.seq


def lone_survivor(snapshot, electorate):
    """Two nodes: the peer vanished, this one was left without a quorum with all that the group had, and left cleanly.

    Neither can go on alone out of a view of two. The peer must be confirmed off, so that nobody can bootstrap it at the
    same time.
    """
    if not snapshot.two_node or len(snapshot.configured) != 2 or len(electorate.voters) != 1:
        return None
    report = electorate.voters[0]
    peers = [node for node in snapshot.configured if node != report.node]
    if not report.survivor or report.clean is not True or len(peers) != 1:
        return None
    if peers[0] in electorate.reports or peers[0] not in snapshot.lost_confirmed:
        return None
    return "it survived the loss of %s, which the cluster confirmed" % peers[0]


def everybody(snapshot, electorate):
    """All configured nodes have reported everything that they have."""
    if all(electorate.fully_reported(node) for node in snapshot.configured):
        return "all configured nodes have reported"
    return None


# What is alive

def in_primary(snapshot):
    """The reports of the nodes that are in a primary component, in the order of their names.

    Where there is an operator's override, a report that the node's group communication port contradicts does not count:
    of a node that hangs, or whose stop is blocked, the last report stays, and the override would never be obeyed. A node
    that wsrep_cluster_address does not name was not asked, so nothing contradicts it.
    """
    found = [snapshot.reports[node] for node in sorted(snapshot.reports)
             if node in snapshot.members and snapshot.reports[node].state in IN_PRIMARY]
    if snapshot.override is None or snapshot.listening is None:
        return found
    return [report for report in found if report.node in snapshot.listening or report.node not in snapshot.configured]


def without_contradicted(snapshot):
    """The Snapshot in which the nodes that in_primary() leaves out hang."""
    contradicted = {node: report._replace(state=HUNG) for node, report in snapshot.reports.items()
                    if node in snapshot.members and report.state in IN_PRIMARY}
    return snapshot._replace(reports=dict(snapshot.reports, **contradicted)) if contradicted else snapshot


def may_become_primary(report, electorate):
    """Whether this node's mysqld, which is in no primary component, could still get into one without a restart.

    A server that starts recovers its last view only when every member is there; one that lost its quorum needs more
    than half of it. A member that is down and has reported can take part in neither.
    """
    if report.state == UNKNOWN:
        return True
    if report.state not in ALIVE or report.state in IN_PRIMARY:
        return False
    last = last_view(report)
    if last is None:
        return report.state != STARTING
    down = {other.my_uuid for other in electorate.voters + electorate.blank}
    absent = len(last.members & down)
    if report.state == STARTING:
        return absent == 0
    return 2 * (len(last.members) - absent) > len(last.members)


def recoverable(snapshot, electorate):
    """The last view, if Galera's own recovery re-forms it without a loss; else None.

    Every member shows the same view in its gvwstate.dat: one that stopped cleanly has none, and would wait in vain for
    a view that Galera no longer knows. Every member is down, already starting, or alive without a quorum: that one
    waits for the others, and holds what the group delivered to it. None is an arbitrator: a restarted one has a new
    UUID, and the recovery would wait for the old one. And no node outside of the view holds more than they do.

    When Galera re-forms a view (26.4): all of its members are there, by the UUID without its fourth group. Where all of
    them were started again, their gvwstate.dat must show the same view (gcomm pc_proto.cpp, deliver_view). Where one runs
    since, it must know of no member that it may have gone on without it: the end of a primary component in the middle of
    the next one's installation leaves that unknown, for as long as the server runs (handle_trans_install, is_prim: "are
    still in unknown state, unable to rebootstrap new prim"). And of those that run since, one must have been synced, or
    a donor, in the last component that it was in (gcs_state_msg.cpp, state_quorum_remerge: "No re-merged primary
    component found"); those that were started again count only where all were. No node can prove the former before it is
    tried, and the monitor restarts a joiner that was not synced. So what fails is found out: all have met, and there is
    no primary component (actions.startup).
    """
    without_data = arbitrators(electorate.reports)
    candidates = list(electorate.voters) + [
        report for report in electorate.reports.values()
        if report.state in (STARTING, NONPRIMARY) and belongs(report, electorate.generation, electorate.linked)]
    for view in sorted({last_view(report) for report in candidates} - {None}, key=_view_order):
        inside = [report for report in candidates if last_view(report) == view and report.my_uuid in view.members]
        if len(view.members) < 2 or view.members & without_data or any(report.tried for report in inside):
            continue
        if {report.my_uuid for report in inside} == view.members and _holds_all(snapshot, electorate, inside):
            return view
    return None


def _holds_all(snapshot, electorate, inside):
    """Whether the members `inside` of a complete view hold all that was acknowledged."""
    known_positions = [report for report in inside
                       if report.state != NONPRIMARY]  # a running server reports no position
    histories = {report.uuid for report in known_positions}
    if len(histories) != 1 or histories & {None, ZERO_UUID}:
        return False
    highest = max(-1 if report.seqno is None else report.seqno for report in known_positions)
    view = last_view(inside[0])
    # What was delivered before the view, a server that runs since holds in memory; that covers disks of earlier views.
    runs = any(report.state == NONPRIMARY and report.settled for report in inside)
    if any(report.seqno > highest for report in electorate.voters
           if not (runs and last_view(report) and is_older(last_view(report), view))):
        return False
    if any(report.settled for report in inside):
        return True
    nodes = {report.node for report in inside}
    return not beyond(electorate, histories.pop(), highest) and all(
        node in nodes or electorate.fully_reported(node) for node in snapshot.configured)


def beyond(electorate, uuid, seqno):
    """Reports of older generations that are ahead of this position. Their extra transactions were discarded by a
    bootstrap, or were committed since, and the node was killed before its new generation was recorded. Only a settled
    view tells these two cases apart."""
    return [report for report in electorate.outdated if report.uuid == uuid and report.seqno > seqno]


def latest_view(electorate):
    """The latest view of the voting generation that any report shows, or None."""
    views = [report.view for report in electorate.reports.values()
             if report.view is not None and belongs(report, electorate.generation, electorate.linked)]
    return max(views, key=_view_order) if views else None


def _view_order(view):
    return (view.seq, view.uuid, tuple(sorted(view.members)))


def listening(snapshot, node):
    """Configured nodes that listen but have not reported that they are alive, in the configured order."""
    return tuple(other for other in snapshot.configured if other in (snapshot.listening or ()) and other != node
                 and not (other in snapshot.members and other in snapshot.reports
                          and snapshot.reports[other].state in ALIVE))
