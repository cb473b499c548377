# SPDX-License-Identifier: Apache-2.0
"""validate-all at level 10: what works now and will hurt later, on this node and between the nodes."""

from quorate.openstack.actions import published
from quorate.openstack.service.process import obstacles, unit_of

PAIR = {"nova-consoleauth": "nova-novncproxy", "nova-novncproxy": "nova-consoleauth"}


def warnings(context, service, sources):
    """Sentences."""
    from quorate.ocf.codes import Failed
    found = []
    try:
        obstacle = obstacles(context, service, sources)
    except Failed as failed:
        obstacle = failed.reason
    if obstacle:
        found.append(obstacle)
    unit = unit_of(context, service, sources)
    if unit is not None and sources.units.enabled(unit):
        found.append("systemd starts %s at boot, and so does the cluster: systemctl disable %s" % (unit.name, unit.name))
    settings = sources.settings(service, context.parameters.config)
    if settings.readable:
        found += of_settings(service, settings, context.parameters.config)
    if service.name == "nova-novncproxy" and unit is not None:
        found += _console_type()
    return found + _between_nodes(context, service, settings) + _together(context, service)


def of_settings(service, settings, config):
    """What the configuration says that does not go with an active/passive service. Pure."""
    found = []
    if service.workers == "backends":
        if not settings.backends:
            found.append("%s has no enabled_backends: cinder-volume does not start without (since Ocata)." % config)
        if settings.cluster:
            found.append("%s sets cluster = %s, which means active/active: remove it, or give up the active/passive resource."
                         % (config, settings.cluster))
    if service.amqp and not settings.brokers:
        found.append("%s has no transport_url of RabbitMQ (rabbit://...), so a lost broker cannot be told from a fault of the "
                     "service, and no RPC call can be made." % config)
    if service.row and settings.database is None:
        found.append("%s has no [database] connection to MySQL or MariaDB, so the heartbeat cannot be read." % config)
    return found


def _console_type():
    from quorate.openstack.actions.start import novnc_chosen
    if novnc_chosen():
        return []
    return ["/etc/default/nova-consoleproxy does not say NOVA_CONSOLE_PROXY_TYPE=novnc: Debian's unit then ends with success "
            "and runs nothing."]


def _between_nodes(context, service, settings):
    """Whether all nodes give the workers the same names."""
    if service.workers != "backends":
        return []
    mine, told = published.value(service, settings), published.values(context)
    if mine is not None and told:
        from quorate.pacemaker.attributes import plain
        from quorate.pacemaker.tools import Unavailable, this_node
        try:
            told[this_node(context)] = plain(mine)
        except Unavailable:
            pass
    sentence = published.differing(told)
    return [sentence] if sentence else []


def _together(context, service):
    """Whether the console pair is kept on one node."""
    other = PAIR.get(service.name)
    if other is None:
        return []
    from quorate.pacemaker import cib
    from quorate.pacemaker.tools import Unavailable
    try:
        deadline = context.deadline.part(10)
        resources = cib.resources(context.commands, deadline)
        status = cib.status(context.commands, deadline)
        constraints = cib.colocations(context.commands, deadline)
    except Unavailable:
        return []
    return apart(resources, status, constraints, service.name, other)


def apart(resources, status, constraints, name, other):
    """Sentences about resources of a pair that are not kept together, or are not together now. Pure.

    constraints: frozenset of frozensets of two ids that a colocation of INFINITY joins. Without a nova-consoleauth there is
    no pair: releases since Train have none.
    """
    mine = [one for one in resources if one.agent == "ocf:quorate:%s" % name]
    others = [one for one in resources if one.agent == "ocf:quorate:%s" % other]
    if not mine or not others:
        return []
    found = []
    one, two = mine[0], others[0]
    joined = (one.parent is not None and one.parent == two.parent) or any(
        frozenset((a, b)) in constraints for a in (one.id, one.parent) for b in (two.id, two.parent) if a and b)
    if not joined:
        found.append("%s and %s are not kept on one node: pcs resource group add consoles %s %s" % (
            one.id, two.id, *sorted((one.id, two.id), key=lambda id: id != (one.id if name == "nova-consoleauth" else two.id))))
    where = {}
    for instance in status.instances:
        if instance.active:
            where.setdefault(instance.resource, set()).update(instance.nodes)
    if where.get(one.id) and where.get(two.id) and where[one.id] != where[two.id]:
        found.append("%s runs on %s and %s on %s: tokens of consoles are refused." % (
            one.id, ", ".join(sorted(where[one.id])), two.id, ", ".join(sorted(where[two.id]))))
    return found
