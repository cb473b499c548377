# SPDX-License-Identifier: Apache-2.0
"""`quorate explain` for OpenStack services: the diagnosis of this node, what the nodes have published, and warnings."""

from quorate.cli.resources import contexts
from quorate.errors import NoSuchResource
from quorate.openstack import explain
from quorate.openstack.catalog import CINDER_VOLUME, HEAT_ENGINE, NOVA_CONSOLEAUTH, NOVA_NOVNCPROXY

SERVICES = {"ocf:quorate:%s" % one.name: one for one in (CINDER_VOLUME, HEAT_ENGINE, NOVA_CONSOLEAUTH, NOVA_NOVNCPROXY)}


def views(resource=None):
    """(name, agent, lines, data) of each such resource, for `quorate explain`, as this node observes it."""
    from quorate.openstack.declaration import parameters
    found = []
    for agent, service in SERVICES.items():
        try:
            resources = contexts(agent, parameters(service), resource)
        except NoSuchResource:
            continue
        found += [_view(context, agent, service) for context in resources]
    if not found:
        raise NoSuchResource("There is no resource of an OpenStack service%s in this cluster." % (
            " named " + resource if resource else ""))
    return found


def _view(context, agent, service):
    from quorate.host.state_files import StateFiles
    from quorate.openstack import validation
    from quorate.openstack.actions import monitor, published
    from quorate.openstack.service import observe
    from quorate.openstack.service.sources import Sources
    from quorate.openstack.symptoms import detect
    from quorate.openstack.symptoms.diagnosis import diagnose
    from quorate.pacemaker import crm_mon
    cluster, name = crm_mon.status(context.commands, context.deadline), context.instance
    sources, state_files = Sources(context.commands), StateFiles(service.name, name)
    observed = observe.observe(context, service, state_files, sources, 20)
    found = detect.symptoms(service, observed)
    durations = monitor.update_timers(context, state_files, observed, found)
    diagnosis = diagnose(service, observed, found, durations, monitor.limits(context))
    names = published.values(context)
    runs = {node: instance.role for one in cluster.services if one.name == name for instance in one.instances
            for node in instance.nodes}
    warnings = validation.warnings(context, service, sources)
    return name, agent, explain.screen(cluster, runs, names, diagnosis, found, observed, warnings), {
        "resource": name, "agent": agent, "here": diagnosis.state, "sentence": diagnosis.message,
        "symptoms": [one.message for one in found], "runs": runs, "names": names, "warnings": warnings,
        "processes": [one.pid for one in observed.tree.all]}
