# SPDX-License-Identifier: Apache-2.0
"""explain and bootstrap for Galera: the agent's own eyes and the agent's own decision, at the prompt."""

import os
import sys

from quorate.galera import facts
from quorate.galera.declaration import PARAMETERS

AGENT = "ocf:quorate:galera"
SECONDS = 30.0  # one limit for all that a command asks the cluster


class Refused(Exception):
    """It was not done; the text says why and what to type."""


def elections(resource=None):
    """An Election for each Galera resource of the cluster (or the named one), seen from this node."""
    from quorate.galera.election import Election
    from quorate.galera.memory import Memory
    from quorate.host.clock import Clock
    from quorate.host.command import Commands
    from quorate.host.process import Processes
    from quorate.ocf.context import Context
    from quorate.ocf.deadline import Deadline
    from quorate.ocf.log import Log
    from quorate.ocf.parameter import read_all
    from quorate.pacemaker import cluster
    clock, commands = Clock(), Commands(dict(os.environ))
    deadline = Deadline(clock, SECONDS)
    found = cluster.find(cluster.resources(commands, deadline), resource, AGENT)
    if not found:
        raise Refused("There is no resource %s%s in this cluster." % (AGENT, " named " + resource if resource else ""))
    result = []
    for one in found:
        environ = dict(os.environ, OCF_RESOURCE_INSTANCE=one.id)
        environ.update(("OCF_RESKEY_" + name, value) for name, value in one.parameters.items())
        values, problems = read_all(PARAMETERS, environ)
        if problems:
            raise Refused("%s: %s" % (one.id, problems[0]))
        # Commands and log as when a person runs the agent itself.
        context = Context(values, "explain", environ, Log("quorate", environ, True, False), commands, Processes(), clock,
                          deadline, True)
        result.append(Election(context, Memory(one.id)))
    return result


def explain(resource, as_json):
    """One screen for each Galera resource."""
    from quorate.galera.decide import decide
    from quorate.galera.explain import table
    seen = []
    for election in elections(resource):
        snapshot = election.snapshot(listen=True)
        decision = decide(snapshot)
        seen.append((election.context.instance, snapshot, decision, election.context.clock.now()))
    if as_json:
        import json
        json.dump([as_data(*one) for one in seen], sys.stdout, indent=2, sort_keys=True)
        sys.stdout.write("\n")
        return 0
    for name, snapshot, decision, now in seen:
        sys.stdout.write("%s (%s)\n\n" % (name, AGENT))
        for line in table(snapshot, decision, now):
            sys.stdout.write(line + "\n")
        sys.stdout.write("\n")
    return 0


def as_data(name, snapshot, decision, now):
    """The same for programs. Stable names; unknown is null."""
    return {
        "resource": name, "generation": snapshot.generation, "members": sorted(snapshot.members),
        "configured": list(snapshot.configured), "decision": dict(decision._asdict()), "time": int(now),
        "reports": {node: _plain(report) for node, report in snapshot.reports.items()},
    }


def _plain(value):
    if isinstance(value, frozenset):
        return sorted(value)
    if hasattr(value, "_asdict"):
        return {key: _plain(item) for key, item in value._asdict().items()}
    return value


def bootstrap(node, resource, force):
    """Leave the operator's word, and have the cluster act on it."""
    from quorate.galera.decide import decide
    if force is not None and force != node:
        raise Refused("--force needs the name of the node once more: quorate bootstrap %s --force %s" % (node, node))
    found = elections(resource)
    if len(found) > 1:
        raise Refused("There are several Galera resources; name one with --resource: %s" % ", ".join(
            election.context.instance for election in found))
    election = found[0]
    if node not in election.configured:
        raise Refused("%s is not in wsrep_cluster_address; its nodes are %s." % (node, ", ".join(election.configured)))
    word = facts.Override(node, _who(), int(election.context.clock.now()), force is not None)
    snapshot = election.snapshot(listen=True)._replace(override=word)
    report = snapshot.reports.get(node)
    running = report is not None and report.state in (facts.STARTING, facts.NONPRIMARY)
    decision = decide(snapshot)
    if not running and (decision.action != facts.BOOTSTRAP or decision.nodes != (node,)):
        raise Refused("Not done. %s%s" % (decision.reason, " Command: " + decision.command if decision.command else ""))
    if running and any(one.state in facts.IN_PRIMARY for one in snapshot.reports.values()):
        raise Refused("Not done: a primary component is alive, and a second one would part the data.")
    election.context.log.warning("quorate bootstrap %s, by %s%s" % (node, word.by, " (forced)" if word.forced else ""))
    election.board.overrule(word)
    if running:
        # Its server waits for members that do not come. Without its score the cluster demotes it; it then decides again.
        election.board.withdraw_of(node)
        sys.stdout.write("%s stops waiting and bootstraps. Follow it with: quorate explain\n" % node)
    else:
        election.board.apply(decision)
        sys.stdout.write("%s bootstraps: %s Follow it with: quorate explain\n" % (node, decision.reason))
    return 0


def _who():
    """Who says it, for the audit: the login behind sudo, else the user."""
    return os.environ.get("SUDO_USER") or os.environ.get("LOGNAME") or os.environ.get("USER") or "root"
