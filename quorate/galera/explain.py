# SPDX-License-Identifier: Apache-2.0
"""The election as lines of text, for `quorate explain`. Pure: a Snapshot and its Decision in, lines out."""

from quorate.galera.election import proof
from quorate.galera.facts import IN_PRIMARY, JOIN, ZERO_UUID, short
from quorate.text import age, columns

_COLUMNS = ("node", "member", "state", "position", "from", "last view", "generation", "age")


def screen(snapshot, decision, now):
    """The screen of one resource, as lines. now: unix seconds, for the age of the reports."""
    lines = columns([_COLUMNS] + [_row(snapshot, node, now) for node in _nodes(snapshot)])
    lines += ["", "decision: " + _action(snapshot, decision), "because:  " + decision.reason]
    if decision.missing:
        lines.append("missing:  " + " ".join(decision.missing))
    if not decision.confirmed:
        lines.append("          (before that, the group communication ports of absent nodes are tried)")
    if decision.command:
        lines.append("to go on: " + decision.command)
    return lines


def _action(snapshot, decision):
    """The action and its nodes; a complete cluster needs none."""
    if decision.action == JOIN and all(node in snapshot.reports and snapshot.reports[node].state in IN_PRIMARY
                                       for node in snapshot.configured):
        return "none needed, every node is in the primary component"
    return " ".join((decision.action,) + decision.nodes)


def _nodes(snapshot):
    """Configured nodes in their order, then other nodes that report."""
    return list(snapshot.configured) + sorted(set(snapshot.reports).difference(snapshot.configured))


def _row(snapshot, node, now):
    member = "yes" if node in snapshot.members else "no"
    if node in snapshot.lost_confirmed and member == "no":
        member = "no, fenced or down"
    report = snapshot.reports.get(node)
    if report is None:
        return (node, member, "no report", "-", "-", "-", "-", "-")
    if report.state == "down" and report.data is False:
        state = "down, no data"
    else:
        state = report.state
    flags = [name for name in ("clean", "safe", "settled", "tried", "survivor", "failed") if getattr(report, name)]
    source = " ".join([report.source or "?"] + flags)
    generation = "?" if report.generation is None else str(report.generation)
    current = snapshot.generation
    if current is not None and report.generation is not None and report.generation < current:
        generation += " of %d" % current
    return (node, member, state, _position(report), source, _view(snapshot, report), generation,
            age(report.since, now))


def _position(report):
    if report.uuid is None or report.seqno is None:
        return "unknown"
    return "none" if report.uuid == ZERO_UUID else "%s:%d" % (short(report.uuid), report.seqno)


def _view(snapshot, report):
    """The last primary view: its number and its members, by name where the name is known."""
    if report.view is None:
        return "-"
    names = dict(snapshot.names)
    names.update((other.my_uuid, node) for node, other in snapshot.reports.items() if other.my_uuid is not None)
    without_data = proof.arbitrators(snapshot.reports)
    members = ["arbitrator" if member in without_data else names.get(member, short(member))
               for member in report.view.members]
    return "%d: %s" % (report.view.seq, " ".join(sorted(members)))
