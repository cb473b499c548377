# SPDX-License-Identifier: Apache-2.0
"""validate-all at level 10: what works now and will fail later, on this node and between the nodes."""

from quorate.openstack.actions import published
from quorate.openstack.service import observe, process, unit as units
from quorate.openstack.symptoms import detect
from quorate.pacemaker import fencing

SKEW = 30  # seconds that a heartbeat may lie in the future
PAIR = {"nova-consoleauth": "nova-novncproxy", "nova-novncproxy": "nova-consoleauth"}


def warnings(context, service, sources):
    """Warnings for the operator, a list of texts."""
    from quorate.ocf.codes import Failed
    try:
        error = process.installation_error(context, service, sources)
    except Failed as failed:
        error = failed.reason
    unit = units.unit_of(context, service, sources)
    enabled = units.enabled_warning(sources, unit) if unit is not None else None
    found = [text for text in (error, enabled) if text]
    settings = observe.settings_of(context, service, sources)
    found += ["%s: %s." % (context.parameters.config, text) if settings.readable else text + "."
              for text in settings.problems]
    if settings.readable:
        found += of_settings(service, settings, context.parameters.config)
        found += _clocks(context, service, sources, settings)
    if service.name == "nova-novncproxy" and unit is not None and not units.novnc_chosen():
        found.append("/etc/default/nova-consoleproxy does not say NOVA_CONSOLE_PROXY_TYPE=novnc: Debian's unit then "
                     "ends with success and runs nothing.")
    return (found + _between_nodes(context, service, settings) + _together(context, service)
            + fencing.warnings(context, service.name, "go on working beside its successor"))


def of_settings(service, settings, config):
    """Warnings about settings that do not go with an active/passive service. Pure."""
    found = []
    if service.workers == "backends":
        if not settings.backends:
            found.append("%s has no enabled_backends: cinder-volume does not start without (since Ocata)." % config)
        if settings.cluster:
            found.append("%s sets cluster = %s, which means active/active: remove it, or remove the active/passive "
                         "resource." % (config, settings.cluster))
    if service.amqp and not settings.brokers:
        found.append("%s has no transport_url of RabbitMQ (rabbit://...), so a lost broker cannot be distinguished "
                     "from a fault of the service, and no RPC call can be made." % config)
    if any("/" in (broker.user or "") + (broker.password or "") for broker in settings.brokers):
        # impl_rabbit.py, _transport_url of oslo.messaging 14: parse.quote() leaves a slash as it is.
        found.append("The account in transport_url of %s has a '/' in its name or password, also where it is written "
                     "%%2F: oslo.messaging passes it on as a separator, and %s does not connect ('Port could not be "
                     "cast to integer value' in its log). Give it another password." % (config, service.name))
    if service.row and settings.database is None:
        found.append("%s has no [database] connection to MySQL or MariaDB, so the heartbeat cannot be read." % config)
    return found


def _clocks(context, service, sources, settings):
    """The warning when the clock of the node that wrote a heartbeat is ahead of the database's. No monitor goes by it,
    but Cinder's and Nova's schedulers do: for them a service whose clock is behind is down."""
    names = detect.worker_names(service, settings)
    if not service.row or settings.database is None or not names:
        return []
    rows = sources.rows(service, settings.database, names, context.deadline.limit(context.parameters.check_timeout))
    ahead = [row for row in rows.rows if row.age is not None and row.age < -SKEW]
    return ["The heartbeat of %s is %d s in the future: the clocks of its node and of the database differ." % (
        row.name, -row.age) for row in ahead]


def _between_nodes(context, service, settings):
    """The warning when the nodes that may run the service have different names for the workers."""
    if service.workers != "backends":
        return []
    own, names = published.value(service, settings), published.values(context)
    if own is not None and names:
        from quorate.pacemaker.attributes import plain
        from quorate.pacemaker.tools import Unavailable, this_node
        try:
            names[this_node(context)] = plain(own)
        except Unavailable:
            pass
    if published.differing(names) is None:
        return []
    warning = published.differing(_may_run(context, names))
    return [warning] if warning else []


def _may_run(context, names):
    """Those of `names` (node to text) on whose nodes the configuration lets the resource run, all where that cannot be
    told. A constraint that `pcs resource move` left behind goes again, so it does not count."""
    from quorate.pacemaker import cib
    from quorate.pacemaker.tools import Unavailable
    try:
        found = cib.configuration(context.commands, context.deadline.part(10))
    except Unavailable:
        return names
    own = next((one for one in found.resources if one.id == context.instance.partition(":")[0]), None)
    if own is None or found.was_moved(own.top):
        return names
    return {node: text for node, text in names.items()
            if found.placement.allowed((own.id, own.top), node) is not False}


def _together(context, service):
    """The warnings when the console pair is not kept on one node."""
    other = PAIR.get(service.name)
    if other is None:
        return []
    from quorate.pacemaker import cib, crm_mon
    from quorate.pacemaker.tools import Unavailable
    try:
        deadline = context.deadline.part(10)
        resources = cib.resources(context.commands, deadline)
        cluster = crm_mon.status(context.commands, deadline)
        constraints = cib.colocations(context.commands, deadline)
    except Unavailable:
        return []
    return apart(resources, cluster, constraints, service.name, other)


def apart(resources, cluster, constraints, name, other):
    """Warnings about two resources that are not kept on one node, or are not on one node now. Pure.

    resources: quorate.pacemaker.cib.Resources; cluster: crm_mon.Cluster; constraints: frozenset of frozensets of two
    ids that a colocation of INFINITY joins; name, other: of the two agents. Without a nova-consoleauth there is no
    pair: releases since Train have none.
    """
    one = next((each for each in resources if each.agent == "ocf:quorate:%s" % name), None)
    two = next((each for each in resources if each.agent == "ocf:quorate:%s" % other), None)
    if one is None or two is None:
        return []
    found = []
    joined = (one.parent is not None and one.parent == two.parent) or any(
        frozenset((a, b)) in constraints for a in (one.id, one.parent) for b in (two.id, two.parent) if a and b)
    if not joined:
        first, second = (one, two) if name == "nova-consoleauth" else (two, one)
        found.append("%s and %s are not kept on one node: pcs resource group add consoles %s %s" % (
            one.id, two.id, first.id, second.id))
    where = {}
    for service in cluster.services:
        for instance in service.instances:
            if instance.active:
                where.setdefault(service.name, set()).update(instance.nodes)
    if where.get(one.id) and where.get(two.id) and where[one.id] != where[two.id]:
        found.append("%s runs on %s and %s on %s: console tokens are refused." % (
            one.id, ", ".join(sorted(where[one.id])), two.id, ", ".join(sorted(where[two.id]))))
    return found
