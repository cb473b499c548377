# SPDX-License-Identifier: Apache-2.0
"""Host to facts: the service's processes, their connections, and at depth its heartbeat, its page and an RPC call."""

import os

from quorate.openstack import decide, facts, read
from quorate.openstack.memory import SERVICE, SYMPTOMS

BROKER_SECONDS = 2.0  # for the question whether a broker answers at all


def processes(context, service):
    """Every process of the service on this machine, whoever started it: by command line, not by a pid file."""
    binary, config = context.parameters.binary, os.path.realpath(context.parameters.config)
    words = [service.name] + ([binary] if binary and binary != service.name else [])
    found = []
    for one in context.processes.mentioning(words):
        if one.pid != os.getpid() and context.processes.here(one) and any(
                read.is_service(one.argv, service, path, binary) for path in (context.parameters.config, config)):
            found.append(one)
    return found


def tree(context, service, memory, settings):
    """The Tree of now."""
    found = processes(context, service)
    note = memory.read(SERVICE)
    first = next((one.pid for one in found if note.get("pid") == str(one.pid) and note.get("start") == str(one.start)), None)
    leaders = frozenset(one.pid for one in found if context.processes.leads(one))
    return read.tree(found, first, leaders, decide.alone(service, settings))


def look(context, service, memory, eyes, level=0, ask=True):
    """A Seen: what the level asks for. Deeper questions are not put to a service that is plainly broken. ask: whether broker
    and database are asked when something is missing that they may explain."""
    settings = eyes.settings(service, context.parameters.config)
    found = tree(context, service, memory, settings)
    if not found.all:
        return facts.Seen(found, settings=settings)
    parent = found.parent or found.all[0]
    seen = facts.Seen(
        found, {}, settings, age=context.processes.age(parent), expected=expected(service, settings),
        baseline=noted(memory, found.parent, "workers"), linked=noted(memory, found.parent, "linked"),
        early=noted(memory, found.parent, "early"))
    connections = eyes.connections()
    seen = seen._replace(sockets=_sockets(context, service, seen, connections))
    seen = seen._replace(port_owner=port_owner(service, seen, connections))
    if ask and found.parent is not None:
        seen = _excuses(context, service, eyes, seen, memory.read(SYMPTOMS))
    if level < 10 or any(one.kind == facts.FATAL for one in decide.symptoms(service, seen)):
        return seen
    return deeper(context, service, eyes, seen, level)


def _excuses(context, service, eyes, seen, noted):
    """Ask broker and database whether a missing worker or connection is theirs to explain, and those that were seen to be away
    (noted) whether they still are; a healthy service costs nothing."""
    lost = service.amqp and any(one.amqp == 0 for one in seen.sockets.values())
    if lost or service.amqp and "broker" in noted:
        seen = seen._replace(broker=eyes.broker(seen.settings.brokers, context.deadline.limit(BROKER_SECONDS)))
    if service.row and (lost or "database" in noted or decide.missing_workers(service, seen)):
        limit = min(BROKER_SECONDS, context.parameters.check_timeout)
        seen = seen._replace(rows=_rows(context, service, eyes, seen.settings, limit))
    return seen


def expected(service, settings):
    """How many workers there shall be, None where the configuration does not say."""
    if service.workers == "backends":
        return len(settings.backends) or None
    return settings.workers


def noted(memory, parent, key):
    """A number that was noted of this very parent: 'workers', 'linked', 'early'; None: nothing was."""
    note = memory.read(SERVICE)
    if parent is None or note.get("pid") != str(parent.pid) or note.get("start") != str(parent.start):
        return None
    return int(note[key]) if note.get(key, "").isdigit() else None


def connected(service, seen):
    """How many workers have a connection to a broker. A parent is one only where it works alone."""
    alone = decide.alone(service, seen.settings)
    workers = [one for one in seen.tree.workers if alone or one != seen.tree.parent]
    return sum(1 for one in workers if (seen.sockets.get(one.pid, facts.Sockets()).amqp or 0) > 0)


def amqp_ports(context, settings):
    """Ports that a connection to RabbitMQ may lead to: those of transport_url, and the parameter's."""
    ports = {broker.port for broker in settings.brokers}
    asked = getattr(context.parameters, "amqp_server_port", None)
    return ports | ({asked} if asked else set()) or {read.AMQP_PORT}


def _sockets(context, service, seen, connections):
    ports = amqp_ports(context, seen.settings)
    sql = getattr(context.parameters, "database_server_port", None) or (
        seen.settings.database.port if seen.settings.database else read.SQL_PORT)
    wanted = seen.tree.workers if service.port is None else (seen.tree.parent,) if seen.tree.parent else ()
    return {one.pid: read.count(connections.of(one.pid), ports, sql) for one in wanted}


def port_owner(service, seen, connections):
    """'ours', 'other', 'nobody'; None: it has no port, or that cannot be seen."""
    if service.port is None or seen.tree.parent is None:
        return None
    port = seen.settings.listen[1] if seen.settings.listen else service.port
    ours = seen.sockets[seen.tree.parent.pid].listening
    if ours is None:
        return None
    if port in ours:
        return "ours"
    anybody = connections.listeners(seen.tree.parent.pid, port)
    return None if anybody is None else "other" if anybody else "nobody"


def deeper(context, service, eyes, seen, level):
    """Rows and page at level 10, RPC at level 20."""
    settings, limit = seen.settings, context.parameters.check_timeout
    if service.row:
        seen = seen._replace(rows=_rows(context, service, eyes, settings, limit))
    if service.page and seen.page is None:
        seen = seen._replace(page=page(context, service, eyes, settings))
    if level >= 20 and service.topic and seen.broker is not False and settings.readable:
        targets, call = call_targets(service, seen)
        if targets and settings.brokers:
            seen = seen._replace(replies=eyes.replies(settings.brokers, settings.exchange, targets,
                                                      context.deadline.limit(limit), call))
    return seen


def page(context, service, eyes, settings):
    """What it answers to an HTTP request."""
    host, port = settings.listen or ("", service.port)
    limit = context.deadline.limit(min(3.0, context.parameters.check_timeout))
    return eyes.page(getattr(context.parameters, "host", None) or host, port, service.page, limit, settings.tls)


def _rows(context, service, eyes, settings, limit):
    names = decide.names(service, settings)
    if not settings.readable:
        return facts.Rows(facts.UNKNOWN, (), "%s cannot be read." % context.parameters.config)
    if settings.database is None:
        return facts.Rows(facts.UNKNOWN, (), "%s has no MySQL URL as [database] connection." % context.parameters.config)
    if not names:
        return facts.Rows(facts.UNKNOWN, (), "%s has no enabled_backends." % context.parameters.config)
    return eyes.rows(service, settings.database, names, context.deadline.limit(limit))


def call_targets(service, seen):
    """(queues to call, Call). For Heat the listener of each worker, where its row is known."""
    settings = seen.settings
    if service.row == "heat":
        newest = decide.own_rows(seen)[:len(seen.tree.workers)]
        if newest:
            return tuple("heat-engine-listener.%s" % row.name for row in newest), facts.HEAT_LISTENING
    return tuple("%s.%s" % (service.topic, name) for name in decide.names(service, settings)), service.call
