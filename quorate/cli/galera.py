# SPDX-License-Identifier: Apache-2.0
"""explain and bootstrap for Galera. They read and decide as the agent does, from this node."""

import sys

from quorate.cli.resources import contexts, who
from quorate.errors import Refused
from quorate.galera import facts
from quorate.galera.declaration import PARAMETERS

AGENT = "ocf:quorate:galera"


def participants(resource=None):
    """A Participant of this node for each Galera resource, or for the named one."""
    from quorate.galera.actions.participant import Participant
    from quorate.host.state_files import StateFiles
    return [Participant(context, StateFiles("galera", context.instance))
            for context in contexts(AGENT, PARAMETERS, resource)]


def views(resource=None):
    """(name, agent, lines, data) of each Galera resource, for `quorate explain`."""
    from quorate.galera.election.decide import decide
    from quorate.galera.explain import screen
    from quorate.web.check import as_data
    found = []
    for participant in participants(resource):
        snapshot = participant.snapshot(listen=True)
        decision, now, name = decide(snapshot), participant.context.clock.now(), participant.context.instance
        data = {"resource": name, "generation": snapshot.generation, "members": sorted(snapshot.members),
                "configured": list(snapshot.configured), "decision": dict(decision._asdict()), "time": int(now),
                "reports": {node: as_data(report) for node, report in snapshot.reports.items()}}
        found.append((name, AGENT, screen(snapshot, decision, now), data))
    return found


def bootstrap(node, resource, force):
    """quorate bootstrap NODE: set the override on the only resource, or on the named one."""
    if force is not None and force != node:
        raise Refused("--force needs the name of the node again: quorate bootstrap %s --force %s" % (node, node))
    found = participants(resource)
    if len(found) > 1:
        raise Refused("There are several Galera resources; name one with --resource: %s" % ", ".join(
            participant.context.instance for participant in found))
    return set_override(found[0], node, force)


def set_override(participant, node, force):
    """Set the override that `node` bootstraps, and make the cluster act on it. Raises Refused when it would not be
    obeyed."""
    from quorate.galera.election import proof
    from quorate.galera.election.decide import decide
    if node not in participant.configured:
        raise Refused("Not done: %s is not in wsrep_cluster_address; its nodes are %s." % (
            node, ", ".join(participant.configured)))
    override = facts.Override(node, who(), int(participant.context.clock.now()), force is not None)
    snapshot = participant.snapshot(listen=True, override=override)
    report = snapshot.reports.get(node)
    running = report is not None and report.state in (facts.STARTING, facts.NONPRIMARY)
    decision = decide(snapshot)
    if not running and (decision.action != facts.BOOTSTRAP or decision.nodes != (node,)):
        raise Refused("Not done. %s%s" % (decision.reason, " Command: " + decision.command if decision.command else ""))
    if running and proof.in_primary(snapshot):
        raise Refused("Not done: a primary component is running, and a second one would diverge from it.")
    participant.context.log.warning("quorate bootstrap %s, by %s%s"
                                    % (node, override.by, " (forced)" if override.forced else ""))
    participant.published.set_override(override)
    if proof.in_primary(participant.snapshot(listen=True)):
        # It formed meanwhile, and its members may have found no override that they could end.
        participant.published.set_override(None)
        raise Refused("Not done: a primary component runs by now, and %s joins it." % node)
    if running:
        # Its server waits for members that do not come. Without its score the cluster demotes it; it then decides
        # again.
        participant.published.withdraw_of(node)
        sys.stdout.write("%s stops waiting and bootstraps. Follow it with: quorate explain\n" % node)
    else:
        participant.published.apply(decision)
        sys.stdout.write("%s Follow it with: quorate explain\n" % decision.reason)
    return 0
