# SPDX-License-Identifier: Apache-2.0
"""The operator's override: whether it can be carried out, what speaks against it, and what is lost by it. Pure."""

from quorate.galera.election import proof
from quorate.galera.election.arbitrator import outlived_by
from quorate.galera.election.reasons import force_command, names, positions, states
from quorate.galera.facts import BOOTSTRAP, DOWN, ZERO_UUID, Decision


def with_override(snapshot, electorate, decision):
    """The Decision with the Snapshot's override taken into account; decision: that without it."""
    override = snapshot.override
    report = electorate.reports.get(override.node)
    if decision.action == BOOTSTRAP and decision.nodes == (override.node,):
        return decision
    obstacle = _obstacle(snapshot, electorate, override.node, report)
    if obstacle:
        return decision._replace(reason="The order to bootstrap %s cannot be carried out: %s. %s" % (
            override.node, obstacle, decision.reason))
    objections = _objections(snapshot, electorate, report)
    if objections and not override.forced:
        return decision._replace(urgent=True, command=force_command(override.node),
                                 reason="The order to bootstrap %s is refused: %s; --force overrides this. %s" % (
                                     override.node, "; ".join(objections), decision.reason))
    missing = [node for node in snapshot.configured if node != override.node and not electorate.fully_reported(node)]
    costs = list(objections)
    if missing:
        costs.append("transactions that only %s may hold are discarded" % names(missing))
    reason = "%s bootstraps as ordered by %s" % (override.node, override.by or "the operator")
    return Decision(BOOTSTRAP, (override.node,), reason + "".join("; " + text for text in costs) + ".",
                    confirmed=snapshot.listening is not None or override.forced)


def _obstacle(snapshot, electorate, node, report):
    """Why not even a forced override can be carried out, or None."""
    if node not in snapshot.configured:
        return "wsrep_cluster_address does not name it"
    if report is None:
        return "it has not reported" if node in snapshot.members else "it is not in the cluster"
    if report.state != DOWN:
        return "its mysqld is not proven to be down (%s)" % report.state
    if report.data is None:
        return "it is unknown whether it has data"
    with_data = [other.node for other in electorate.reports.values() if other.data is not False and other.node != node]
    if not report.data and with_data:
        return "it has no data, and %s may have some" % names(with_data)
    return None


def _objections(snapshot, electorate, report):
    """What speaks against bootstrapping this node: a list of clauses. Only a forced override ignores them."""
    found = []
    others = [other for other in electorate.voters if other.node != report.node]
    position = -1 if report.seqno is None else report.seqno
    ahead = [other for other in others if other.uuid == report.uuid and other.seqno > position]
    if ahead:
        found.append("%s %s a higher position" % (positions(ahead), "has" if len(ahead) == 1 else "have"))
    if others and report not in electorate.voters:
        found.append("%s %s recorded as synced since the last bootstrap, %s was not" % (
            names(other.node for other in others), "was" if len(others) == 1 else "were", report.node))
    elif not others and not proof.is_complete(report):
        found.append("its own position is unknown")
    strangers = [other for other in others if other.uuid != report.uuid]
    if len(strangers) > len(others) - len(strangers) + 1:
        found.append("most nodes have another history (%s)" % positions(strangers))
    if not report.data or report.uuid == ZERO_UUID:
        found.append("it has no position, so a new, empty cluster would be created")
    alive = [node for node in sorted(electorate.reports) if electorate.reports[node].state != DOWN]
    if alive:
        # One whose report says that it serves, which its closed port contradicts, counts as hung (proof.in_primary).
        found.append("mysqld on %s is alive (%s)" % (names(alive), states(snapshot, alive)))
    listening = proof.listening(snapshot, report.node)
    if listening:
        found.append("the group communication port of %s accepts connections" % names(listening))
    outlived = outlived_by(snapshot, electorate)
    if outlived:
        found.append("the arbitrator on %s %s the old primary component (there: systemctl stop garb)" % (
            names(outlived), "keeps" if all(outlived.values()) else "may keep"))
    return found
