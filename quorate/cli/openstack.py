# SPDX-License-Identifier: Apache-2.0
"""explain for OpenStack services: what this node sees of them, what the nodes told each other, and what will hurt later."""

from quorate.cli.resources import Refused, contexts
from quorate.openstack.catalog import CINDER_VOLUME, HEAT_ENGINE, NOVA_CONSOLEAUTH, NOVA_NOVNCPROXY

SERVICES = {"ocf:quorate:%s" % one.name: one for one in (CINDER_VOLUME, HEAT_ENGINE, NOVA_CONSOLEAUTH, NOVA_NOVNCPROXY)}


def views(resource=None):
    """(name, agent, lines, data) of each such resource, for `quorate explain`, seen from this node."""
    from quorate.openstack.declaration import parameters
    found = []
    for agent, service in SERVICES.items():
        try:
            seen = contexts(agent, parameters(service), resource)
        except Refused as reason:
            if str(reason).startswith("There is no resource"):
                continue
            raise
        found += [_view(context, agent, service) for context in seen]
    if not found:
        raise Refused("There is no resource of an OpenStack service%s in this cluster." % (
            " named " + resource if resource else ""))
    return found


def _view(context, agent, service):
    from quorate.openstack import decide, engine, probe, publish, validation
    from quorate.openstack.eyes import Eyes
    from quorate.openstack.memory import Memory
    from quorate.pacemaker import cluster
    status, name = cluster.status(context.commands, context.deadline), context.instance
    eyes, memory = Eyes(context.commands), Memory(service.name, name)
    seen = probe.look(context, service, memory, eyes, 20)
    found = decide.symptoms(service, seen)
    verdict = decide.judge(service, seen, found, engine.keep(context, memory, seen, found), engine.limits(context))
    told = publish.values(context)
    runs = {node: one.role for one in status.instances if one.resource == name for node in one.nodes}
    warnings = validation.warnings(context, service, eyes)
    return name, agent, lines(status, runs, told, verdict, found, seen, warnings), {
        "resource": name, "agent": agent, "here": verdict.state, "sentence": verdict.sentence,
        "symptoms": [one.sentence for one in found], "runs": runs, "names": told, "warnings": warnings,
        "processes": [one.pid for one in seen.tree.all]}


def lines(status, runs, told, verdict, found, seen, warnings):
    """The screen of one resource. Pure."""
    rows = [("node", "runs", "names of its workers")]
    for node in status.nodes:
        state = "" if node.online else " (offline)"
        rows.append((node.name, runs.get(node.name, "-") + state, told.get(node.name, "-")))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    out = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    out += ["", "here:     %s%s" % (verdict.state, ": " + verdict.sentence if verdict.sentence else "")]
    if seen.tree.all:
        out.append("          %s, for %d s" % (", ".join("pid %d" % one.pid for one in seen.tree.all), seen.age))
    out += ["also:     %s" % one.sentence for one in found if one.sentence not in verdict.sentence]
    return out + ["warning:  %s" % sentence for sentence in warnings]
