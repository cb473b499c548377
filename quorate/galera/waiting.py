# SPDX-License-Identifier: Apache-2.0
"""Whom the election waits for, what they may hold, and how an operator goes on without them. Pure."""

from quorate.galera import proof
from quorate.galera.facts import DOWN, WAIT, Decision
from quorate.galera.words import in_order, names


def wait(snapshot, facts):
    """WAIT: for whom, and what they may hold."""
    missing, why = _missing(snapshot, facts)
    lost = [report.node for report in facts.lost]
    clauses = ["%s%s" % (name, _condition(snapshot, facts, name)) for name in missing]
    reason = "Waiting for %s: %s." % (names(clauses, False), why)
    urgent = any(_needs_operator(snapshot, facts, name) for name in missing)
    if set(lost).intersection(missing):
        reason += " Where data is gone: mount its file system, or go on without what only it held."
    return Decision(WAIT, (), reason, tuple(missing), urgent, command(snapshot, facts))


def _missing(snapshot, facts):
    """(nodes, why they matter)."""
    unaccounted = [node for node in snapshot.configured if not facts.accounted(node)]
    view = proof.latest_view(facts)
    if view is not None:
        here = {report.my_uuid for report in facts.voters + facts.blank}
        absent = sorted(view.members - here - proof.arbitrators(facts.reports))
        by_uuid = {report.my_uuid: node for node, report in facts.reports.items() if report.my_uuid is not None}
        nodes = [by_uuid.get(member) or snapshot.names.get(member) for member in absent]
        nodes = [name for name in nodes if name in unaccounted]
        if absent and len(nodes) == len(absent):
            return in_order(snapshot, nodes), "%s in the last primary view and may alone hold acknowledged commits" % (
                "it was" if len(nodes) == 1 else "they were")
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


def command(snapshot, facts):
    """The command that goes on without those who are missing: it names the best of those that reported; or None."""
    known = [report for report in facts.voters if report.node in snapshot.configured]
    if not known:
        old = [report for report in facts.bystanders if report.node in snapshot.configured]
        known = [report for report in old if report.generation == max(one.generation for one in old)]
    return "quorate bootstrap %s" % proof.best(known, snapshot.configured).node if known else None
