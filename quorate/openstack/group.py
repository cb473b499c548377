# SPDX-License-Identifier: Apache-2.0
"""A look at a service that systemd runs: whatever processes its unit has (uwsgi, apache, a launcher with workers), taken
together. For checks; the agents look closer (probe)."""

from quorate.openstack import facts, probe, read


def look(context, service, eyes, level=0):
    """A Seen of the service's processes as one. The page is asked at every level: it is what clients see."""
    settings = eyes.settings(service, context.parameters.config)
    found = processes(context, service, eyes)
    seen = facts.Seen(facts.Tree(), settings=settings)
    if found:
        parent = min(found, key=lambda one: one.start)
        connections = eyes.connections()
        sockets = {parent.pid: together(read.count(connections.of(one.pid), probe.amqp_ports(context, settings), _sql(settings))
                                        for one in found)}
        tree = facts.Tree(parent, (parent,) + tuple(one for one in found if one is not parent))
        seen = seen._replace(tree=tree, sockets=sockets, age=context.processes.age(parent))
        seen = seen._replace(port_owner=probe.port_owner(service, seen, connections))
        if service.amqp and sockets[parent.pid].amqp == 0:
            seen = seen._replace(broker=eyes.broker(settings.brokers, context.deadline.limit(probe.BROKER_SECONDS)))
    if service.page is not None:
        seen = seen._replace(page=probe.page(context, service, eyes, settings))
    return probe.deeper(context, service, eyes, seen, level) if found and level >= 10 else seen


def processes(context, service, eyes):
    """Those of its unit, else those that run its program and are not of another service's unit: the workers of Debian's
    neutron-rpc-server call themselves 'neutron-server: rpc worker'."""
    if not eyes.units.managed():
        return probe.processes(context, service)
    unit = eyes.units.find(service.units)
    found = [context.processes.get(pid) for pid in sorted(eyes.units.processes(unit))] if unit is not None else []
    found = [one for one in found if one is not None]
    if found:
        return found
    from quorate.openstack import catalog
    others = {name + ".service" for one in catalog.ALL.values() if one.name != service.name for name in one.units}
    return [one for one in probe.processes(context, service) if eyes.units.of(one.pid) not in others]


def together(sockets):
    """Sockets of several processes as of one; what could not be seen of any is None."""
    amqp, sql, listening = None, None, None
    for one in sockets:
        if one.amqp is not None:
            amqp, sql = (amqp or 0) + one.amqp, (sql or 0) + one.sql
            listening = (listening or frozenset()) | one.listening
    return facts.Sockets(amqp, sql, listening)


def _sql(settings):
    return settings.database.port if settings.database else read.SQL_PORT
