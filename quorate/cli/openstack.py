# SPDX-License-Identifier: Apache-2.0
"""explain for OpenStack services: what this node sees of them, what the nodes told each other, and what will hurt later."""

from quorate.cli.resources import contexts
from quorate.errors import NoSuchResource
from quorate.openstack import explain
from quorate.openstack.catalog import CINDER_VOLUME, HEAT_ENGINE, NOVA_CONSOLEAUTH, NOVA_NOVNCPROXY

SERVICES = {"ocf:quorate:%s" % one.name: one for one in (CINDER_VOLUME, HEAT_ENGINE, NOVA_CONSOLEAUTH, NOVA_NOVNCPROXY)}


def views(resource=None):
    """(name, agent, lines, data) of each such resource, for `quorate explain`, seen from this node."""
    from quorate.openstack.declaration import parameters
    found = []
    for agent, service in SERVICES.items():
        try:
            observed = contexts(agent, parameters(service), resource)
        except NoSuchResource:
            continue
        found += [_view(context, agent, service) for context in observed]
    if not found:
        raise NoSuchResource("There is no resource of an OpenStack service%s in this cluster." % (
            " named " + resource if resource else ""))
    return found


def _view(context, agent, service):
    from quorate.openstack import validation
    from quorate.openstack.actions import monitor, published
    from quorate.openstack.service import observe
    from quorate.openstack.symptoms import detect, diagnosis
    from quorate.openstack.service.sources import Sources
    from quorate.host.state_files import StateFiles
    from quorate.pacemaker import crm_mon
    cluster, name = crm_mon.status(context.commands, context.deadline), context.instance
    sources, state_files = Sources(context.commands), StateFiles(service.name, name)
    observed = observe.observe(context, service, state_files, sources, 20)
    found = detect.symptoms(service, observed)
    verdict = diagnosis.judge(service, observed, found, monitor.keep(context, state_files, observed, found),
                              monitor.limits(context))
    told = published.values(context)
    runs = {node: instance.role for one in cluster.services if one.name == name for instance in one.instances
            for node in instance.nodes}
    warnings = validation.warnings(context, service, sources)
    return name, agent, explain.lines(cluster, runs, told, verdict, found, observed, warnings), {
        "resource": name, "agent": agent, "here": verdict.state, "sentence": verdict.sentence,
        "symptoms": [one.sentence for one in found], "runs": runs, "names": told, "warnings": warnings,
        "processes": [one.pid for one in observed.tree.all]}
