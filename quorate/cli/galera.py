# SPDX-License-Identifier: Apache-2.0
"""explain and bootstrap for Galera: the agent's own eyes and the agent's own decision, at the prompt."""

import sys

from quorate.cli.resources import contexts, plain, who
from quorate.errors import Refused
from quorate.galera import facts
from quorate.galera.declaration import PARAMETERS

AGENT = "ocf:quorate:galera"


def elections(resource=None):
    """An Election for each Galera resource of the cluster (or the named one), seen from this node."""
    from quorate.galera.actions.participant import Participant
    from quorate.host.state_files import StateFiles
    return [Participant(context, StateFiles("galera", context.instance)) for context in contexts(AGENT, PARAMETERS, resource)]


def views(resource=None):
    """(name, agent, lines, data) of each Galera resource, for `quorate explain`."""
    from quorate.galera.election.decide import decide
    from quorate.galera.explain import table
    found = []
    for participant in elections(resource):
        snapshot = participant.snapshot(listen=True)
        decision, now, name = decide(snapshot), participant.context.clock.now(), participant.context.instance
        found.append((name, AGENT, table(snapshot, decision, now), as_data(name, snapshot, decision, now)))
    return found


def as_data(name, snapshot, decision, now):
    """The same for programs. Stable names; unknown is null."""
    return {
        "resource": name, "generation": snapshot.generation, "members": sorted(snapshot.members),
        "configured": list(snapshot.configured), "decision": dict(decision._asdict()), "time": int(now),
        "reports": {node: plain(report) for node, report in snapshot.reports.items()},
    }


def bootstrap(node, resource, force):
    """Leave the operator's word on the resource that is meant."""
    if force is not None and force != node:
        raise Refused("--force needs the name of the node once more: quorate bootstrap %s --force %s" % (node, node))
    found = elections(resource)
    if len(found) > 1:
        raise Refused("There are several Galera resources; name one with --resource: %s" % ", ".join(
            participant.context.instance for participant in found))
    return leave_word(found[0], node, force)


def leave_word(participant, node, force):
    """Leave the operator's word, and have the cluster act on it."""
    from quorate.galera.election.decide import decide
    if node not in participant.configured:
        raise Refused("%s is not in wsrep_cluster_address; its nodes are %s." % (node, ", ".join(participant.configured)))
    word = facts.Override(node, who(), int(participant.context.clock.now()), force is not None)
    snapshot = participant.snapshot(listen=True)._replace(override=word)
    report = snapshot.reports.get(node)
    running = report is not None and report.state in (facts.STARTING, facts.NONPRIMARY)
    decision = decide(snapshot)
    if not running and (decision.action != facts.BOOTSTRAP or decision.nodes != (node,)):
        raise Refused("Not done. %s%s" % (decision.reason, " Command: " + decision.command if decision.command else ""))
    if running and any(one.state in facts.IN_PRIMARY for one in snapshot.reports.values()):
        raise Refused("Not done: a primary component is alive, and a second one would part the data.")
    participant.context.log.warning("quorate bootstrap %s, by %s%s" % (node, word.by, " (forced)" if word.forced else ""))
    participant.published.set_override(word)
    if any(one.state in facts.IN_PRIMARY for one in participant.snapshot().reports.values()):
        participant.published.set_override(None)  # it was formed while we looked; those in it may have seen no word that they could end
        raise Refused("Not done: a primary component is alive by now; %s joins it." % node)
    if running:
        # Its server waits for members that do not come. Without its score the cluster demotes it; it then decides again.
        participant.published.withdraw_of(node)
        sys.stdout.write("%s stops waiting and bootstraps. Follow it with: quorate explain\n" % node)
    else:
        participant.published.apply(decision)
        sys.stdout.write("%s bootstraps: %s Follow it with: quorate explain\n" % (node, decision.reason))
    return 0
