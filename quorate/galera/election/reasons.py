# SPDX-License-Identifier: Apache-2.0
"""The reasons of decisions: whom the election waits for, what they may hold, and what an operator can type. Pure."""

from quorate.galera.election import proof
from quorate.galera.facts import DOWN, UNKNOWN, WAIT, Decision, short


def wait(snapshot, electorate):
    """The Decision WAIT: for whom, and what they may hold."""
    missing, why = _missing(snapshot, electorate)
    clauses = ["%s%s" % (name, _condition(snapshot, electorate, name)) for name in missing]
    reason = "Waiting for %s: %s." % (names(clauses, False), why)
    urgent = any(_needs_operator(snapshot, electorate, name) for name in missing)
    if any(report.node in missing for report in electorate.lost):
        reason += " Where data is gone, mount its file system, or go on without what only that node held."
    return Decision(WAIT, (), reason, tuple(missing), urgent, override_command(snapshot, electorate))


def _missing(snapshot, electorate):
    """(nodes that are waited for, why they matter)."""
    awaited = [node for node in snapshot.configured if not electorate.fully_reported(node)]
    view = proof.latest_view(electorate)
    if view is not None:
        here = {report.my_uuid for report in electorate.voters + electorate.blank}
        absent = sorted(view.members - here - proof.arbitrators(electorate.reports))
        by_uuid = {report.my_uuid: node for node, report in electorate.reports.items() if report.my_uuid is not None}
        nodes = [by_uuid.get(member) or snapshot.names.get(member) for member in absent]
        nodes = [name for name in nodes if name in awaited]
        if absent and len(nodes) == len(absent):
            return in_order(snapshot, nodes), "%s in the last primary view and may alone hold acknowledged commits" % (
                "it was" if len(nodes) == 1 else "they were")
    if not electorate.voters and not electorate.blank and not electorate.lost and not electorate.outdated:
        return tuple(awaited), "no node has reported its position yet"
    if not electorate.voters and electorate.outdated:
        return tuple(awaited), ("the nodes that reported were last synced before the last bootstrap (generation %d) "
                                "and may lack what was committed since" % snapshot.generation)
    if not electorate.voters:
        return tuple(awaited), "no node that reported has data, and the first start needs all configured nodes"
    return tuple(awaited), "%s may hold commits that the nodes that reported lack" % ("it" if len(awaited) == 1
                                                                                      else "they")


def _condition(snapshot, electorate, node):
    """What is known of a node that is waited for, in brackets."""
    if node not in snapshot.members:
        return " (%s)" % ("confirmed off" if node in snapshot.lost_confirmed else "not in the cluster")
    report = electorate.reports.get(node)
    if report is None:
        return " (has not reported yet)"
    if report in electorate.lost:
        return " (its data is gone)"
    if report.state == DOWN:
        return " (down, its position is unknown)"
    if report.state == UNKNOWN:
        return " (what its disk or its server says cannot be understood: see its log)"
    return " (%s)" % report.state


def _needs_operator(snapshot, electorate, node):
    """Whether waiting for the node may never end by itself."""
    report = electorate.reports.get(node)
    return node not in snapshot.members or (report is not None and report.state == DOWN)


# Commands

def override_command(snapshot, electorate):
    """The command that goes on without the missing nodes: it names the best of those that reported. Else None."""
    candidates = [report for report in electorate.voters if report.node in snapshot.configured]
    if not candidates:
        old = [report for report in electorate.outdated if report.node in snapshot.configured]
        candidates = [report for report in old if report.generation == max(one.generation for one in old)]
    return "quorate bootstrap %s" % proof.best(candidates, snapshot.configured).node if candidates else None


def force_command(node):
    """The command for an override that ignores objections."""
    return "quorate bootstrap %s --force %s" % (node, node)


# Parts of sentences

def in_order(snapshot, nodes):
    """The nodes in the order of the configuration, others after them."""
    wanted = set(nodes)
    return tuple([node for node in snapshot.configured if node in wanted]
                 + sorted(wanted.difference(snapshot.configured)))


def names(found, ordered=True):
    """'n1, n2 and n3'. ordered: sort them first."""
    found = sorted(found) if ordered else list(found)
    return found[0] if len(found) == 1 else "%s and %s" % (", ".join(found[:-1]), found[-1]) if found else "nobody"


def positions(reports):
    """'n1 1e5a:7, n2 1e5a:9'."""
    return ", ".join("%s %s:%s" % (report.node, short(report.uuid) or "?",
                                   "?" if report.seqno is None else report.seqno)
                     for report in sorted(reports, key=lambda report: report.node))


def states(snapshot, nodes):
    """What these nodes report, each state once."""
    return ", ".join(sorted({snapshot.reports[node].state for node in nodes}))
