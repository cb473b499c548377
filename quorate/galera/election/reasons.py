# SPDX-License-Identifier: Apache-2.0
"""Whom the election waits for, what they may hold, and how an operator goes on without them. Pure.

Words of the election's sentences. Pure.
"""

from quorate.galera.election import proof
from quorate.galera.facts import DOWN, WAIT, Decision, short


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


def forced(node):
    """The command that insists."""
    return "quorate bootstrap %s --force %s" % (node, node)


def in_order(snapshot, nodes):
    """The nodes in the order of the configuration, others after them."""
    wanted = set(nodes)
    return tuple([node for node in snapshot.configured if node in wanted]
                 + sorted(wanted.difference(snapshot.configured)))


def names(found, ordered=True):
    """'n1, n2 and n3'."""
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
