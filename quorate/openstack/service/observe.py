# SPDX-License-Identifier: Apache-2.0
"""Host to facts: the service's processes, their connections, and at depth its heartbeat, its page and an RPC call.

A look at a service that systemd runs: whatever processes its unit has (uwsgi, apache, a launcher with workers), taken
together. For checks; the agents look closer (probe).
"""

import os

from quorate.openstack import facts
from quorate.openstack.facts import SERVICE_FILE, SYMPTOMS_FILE
from quorate.openstack.service import parse
from quorate.openstack.symptoms import detect

BROKER_SECONDS = 2.0  # for the question whether a broker answers at all


def processes(context, service):
    """Every process of the service on this machine, whoever started it: by command line, not by a pid file."""
    binary, config = context.parameters.binary, os.path.realpath(context.parameters.config)
    words = [service.name] + ([binary] if binary and binary != service.name else [])
    found = []
    for one in context.processes.mentioning(words):
        if one.pid != os.getpid() and context.processes.here(one) and any(
                parse.is_service(one.argv, service, path, binary) for path in (context.parameters.config, config)):
            found.append(one)
    return found


def tree(context, service, state_files, settings):
    """The Tree of now."""
    found = processes(context, service)
    note = state_files.read(SERVICE_FILE)
    first = next((one.pid for one in found if note.get("pid") == str(one.pid) and note.get("start") == str(one.start)), None)
    leaders = frozenset(one.pid for one in found if context.processes.leads(one))
    return parse.tree(found, first, leaders, detect.alone(service, settings))


def observe(context, service, state_files, sources, level=0, ask=True):
    """A Seen: what the level asks for. Deeper questions are not put to a service that is plainly broken. ask: whether broker
    and database are asked when something is missing that they may explain."""
    settings = sources.settings(service, context.parameters.config)
    found = tree(context, service, state_files, settings)
    if not found.all:
        return facts.Observation(found, settings=settings)
    parent = found.parent or found.all[0]
    observed = facts.Observation(
        found, {}, settings, age=context.processes.age(parent), expected=expected(service, settings),
        baseline=noted(state_files, found.parent, "workers"), linked=noted(state_files, found.parent, "linked"),
        early=noted(state_files, found.parent, "early"))
    connections = sources.connections()
    observed = observed._replace(sockets=_sockets(context, service, observed, connections))
    observed = observed._replace(port_owner=port_owner(service, observed, connections))
    if ask and found.parent is not None:
        observed = _excuses(context, service, sources, observed, state_files.read(SYMPTOMS_FILE))
    if level < 10 or any(one.kind == facts.FATAL for one in detect.symptoms(service, observed)):
        return observed
    return deeper(context, service, sources, observed, level)


def _excuses(context, service, sources, observed, noted):
    """Ask broker and database whether a missing worker or connection is theirs to explain, and those that were seen to be away
    (noted) whether they still are; a healthy service costs nothing."""
    lost = service.amqp and any(one.amqp == 0 for one in observed.sockets.values())
    if lost or service.amqp and "broker" in noted:
        observed = observed._replace(broker=sources.broker(observed.settings.brokers, context.deadline.limit(BROKER_SECONDS)))
    if service.row and (lost or "database" in noted or detect.missing_workers(service, observed)):
        limit = min(BROKER_SECONDS, context.parameters.check_timeout)
        observed = observed._replace(rows=_rows(context, service, sources, observed.settings, limit))
    return observed


def expected(service, settings):
    """How many workers there shall be, None where the configuration does not say."""
    if service.workers == "backends":
        return len(settings.backends) or None
    return settings.workers


def noted(state_files, parent, key):
    """A number that was noted of this very parent: 'workers', 'linked', 'early'; None: nothing was."""
    note = state_files.read(SERVICE_FILE)
    if parent is None or note.get("pid") != str(parent.pid) or note.get("start") != str(parent.start):
        return None
    return int(note[key]) if note.get(key, "").isdigit() else None


def connected(service, observed):
    """How many workers have a connection to a broker. A parent is one only where it works alone."""
    alone = detect.alone(service, observed.settings)
    workers = [one for one in observed.tree.workers if alone or one != observed.tree.parent]
    return sum(1 for one in workers if (observed.sockets.get(one.pid, facts.Sockets()).amqp or 0) > 0)


def amqp_ports(context, settings):
    """Ports that a connection to RabbitMQ may lead to: those of transport_url, and the parameter's."""
    ports = {broker.port for broker in settings.brokers}
    asked = getattr(context.parameters, "amqp_server_port", None)
    return ports | ({asked} if asked else set()) or {parse.AMQP_PORT}


def _sockets(context, service, observed, connections):
    ports = amqp_ports(context, observed.settings)
    sql = getattr(context.parameters, "database_server_port", None) or (
        observed.settings.database.port if observed.settings.database else parse.SQL_PORT)
    wanted = observed.tree.workers if service.port is None else (observed.tree.parent,) if observed.tree.parent else ()
    return {one.pid: parse.count(connections.of(one.pid), ports, sql) for one in wanted}


def port_owner(service, observed, connections):
    """'ours', 'other', 'nobody'; None: it has no port, or that cannot be seen."""
    if service.port is None or observed.tree.parent is None:
        return None
    port = observed.settings.listen[1] if observed.settings.listen else service.port
    ours = observed.sockets[observed.tree.parent.pid].listening
    if ours is None:
        return None
    if port in ours:
        return "ours"
    anybody = connections.listeners(observed.tree.parent.pid, port)
    return None if anybody is None else "other" if anybody else "nobody"


def deeper(context, service, sources, observed, level):
    """Rows and page at level 10, RPC at level 20."""
    settings, limit = observed.settings, context.parameters.check_timeout
    if service.row:
        observed = observed._replace(rows=_rows(context, service, sources, settings, limit))
    if service.page and observed.page is None:
        observed = observed._replace(page=page(context, service, sources, settings))
    if level >= 20 and service.topic and observed.broker is not False and settings.readable:
        targets, call = call_targets(service, observed)
        if targets and settings.brokers:
            observed = observed._replace(replies=sources.replies(settings.brokers, settings.exchange, targets,
                                                      context.deadline.limit(limit), call))
    return observed


def page(context, service, sources, settings):
    """What it answers to an HTTP request."""
    host, port = settings.listen or ("", service.port)
    limit = context.deadline.limit(min(3.0, context.parameters.check_timeout))
    return sources.page(getattr(context.parameters, "host", None) or host, port, service.page, limit, settings.tls)


def _rows(context, service, sources, settings, limit):
    names = detect.names(service, settings)
    if not settings.readable:
        return facts.Rows(facts.UNKNOWN, (), "%s cannot be read." % context.parameters.config)
    if settings.database is None:
        return facts.Rows(facts.UNKNOWN, (), "%s has no MySQL URL as [database] connection." % context.parameters.config)
    if not names:
        return facts.Rows(facts.UNKNOWN, (), "%s has no enabled_backends." % context.parameters.config)
    return sources.rows(service, settings.database, names, context.deadline.limit(limit))


def call_targets(service, observed):
    """(queues to call, Call). For Heat the listener of each worker, where its row is known."""
    settings = observed.settings
    if service.row == "heat":
        newest = detect.own_rows(observed)[:len(observed.tree.workers)]
        if newest:
            return tuple("heat-engine-listener.%s" % row.name for row in newest), facts.HEAT_LISTENING
    return tuple("%s.%s" % (service.topic, name) for name in detect.names(service, settings)), service.call


def observe_unit(context, service, sources, level=0):
    """A Seen of the service's processes as one. The page is asked at every level: it is what clients see."""
    settings = sources.settings(service, context.parameters.config)
    found = unit_processes(context, service, sources)
    observed = facts.Observation(facts.Tree(), settings=settings)
    if found:
        parent = min(found, key=lambda one: one.start)
        connections = sources.connections()
        sockets = {parent.pid: together(parse.count(connections.of(one.pid), amqp_ports(context, settings), _sql(settings))
                                        for one in found)}
        tree = facts.Tree(parent, (parent,) + tuple(one for one in found if one is not parent))
        observed = observed._replace(tree=tree, sockets=sockets, age=context.processes.age(parent))
        observed = observed._replace(port_owner=port_owner(service, observed, connections))
        if service.amqp and sockets[parent.pid].amqp == 0:
            observed = observed._replace(broker=sources.broker(settings.brokers, context.deadline.limit(BROKER_SECONDS)))
    if service.page is not None:
        observed = observed._replace(page=page(context, service, sources, settings))
    return deeper(context, service, sources, observed, level) if found and level >= 10 else observed


def unit_processes(context, service, sources):
    """Those of its unit, else those that run its program and are not of another service's unit: the workers of Debian's
    neutron-rpc-server call themselves 'neutron-server: rpc worker'."""
    if not sources.units.managed():
        return processes(context, service)
    unit = sources.units.find(service.units)
    found = [context.processes.get(pid) for pid in sorted(sources.units.processes(unit))] if unit is not None else []
    found = [one for one in found if one is not None]
    if found:
        return found
    from quorate.openstack import catalog
    others = {name + ".service" for one in catalog.ALL.values() if one.name != service.name for name in one.units}
    return [one for one in processes(context, service) if sources.units.of(one.pid) not in others]


def together(sockets):
    """Sockets of several processes as of one; what could not be seen of any is None."""
    amqp, sql, listening = None, None, None
    for one in sockets:
        if one.amqp is not None:
            amqp, sql = (amqp or 0) + one.amqp, (sql or 0) + one.sql
            listening = (listening or frozenset()) | one.listening
    return facts.Sockets(amqp, sql, listening)


def _sql(settings):
    return settings.database.port if settings.database else parse.SQL_PORT
