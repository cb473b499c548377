# SPDX-License-Identifier: Apache-2.0
"""The operator's word, weighed: what it cannot do, what speaks against it, what it gives up. Pure."""

from quorate.galera.election import proof
from quorate.galera.election.reasons import forced, names, positions, states
from quorate.galera.facts import BOOTSTRAP, DOWN, ZERO_UUID, Decision


def overruled(snapshot, facts, decision):
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
        return decision._replace(urgent=True, command=forced(override.node),
                                 reason="The order to bootstrap %s is refused: %s; --force insists. %s" % (
                                     override.node, "; ".join(objections), decision.reason))
    unheard = [node for node in snapshot.configured if node != override.node and not facts.accounted(node)]
    given_up = list(objections)
    if unheard:
        given_up.append("what only %s may hold is given up" % names(unheard))
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
        return "it has no data, and %s may have some" % names(with_data)
    return None


def _objections(snapshot, facts, report):
    """What speaks against bootstrapping this node although an operator says so: list of clauses."""
    found = []
    others = [other for other in facts.voters if other.node != report.node]
    position = -1 if report.seqno is None else report.seqno
    ahead = [other for other in others if other.uuid == report.uuid and other.seqno > position]
    if ahead:
        found.append("%s has a higher position" % positions(ahead))
    if others and report not in facts.voters:
        found.append("%s %s on record since the last bootstrap, it is not" % (
            names(other.node for other in others), "is" if len(others) == 1 else "are"))
    elif not others and not proof.is_complete(report):
        found.append("its own position is unknown")
    strangers = [other for other in others if other.uuid != report.uuid]
    if len(strangers) > len(others) - len(strangers) + 1:
        found.append("most nodes are of another history (%s)" % positions(strangers))
    if not report.data or report.uuid == ZERO_UUID:
        found.append("it has no position: the cluster would start anew, empty")
    alive = [node for node in sorted(facts.reports) if facts.reports[node].state != DOWN]
    if alive:
        found.append("mysqld on %s is alive (%s)" % (names(alive), states(snapshot, alive)))
    listening = proof.listening(snapshot, report.node)
    if listening:
        found.append("something answers on the group communication port of %s" % names(listening))
    return found
