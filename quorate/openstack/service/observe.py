# SPDX-License-Identifier: Apache-2.0
"""This machine to an Observation of a service: its processes and connections, and by level its heartbeat, its page and
an RPC call.

observe() knows a service by the command lines of its processes, with parent and workers; the agents use it.
observe_unit() takes all processes of a systemd unit together, whatever they are (uwsgi, apache, a launcher with
workers); checks use it for the services that systemd runs.
"""

import os

from quorate.openstack import facts
from quorate.openstack.facts import HEARTBEATS_FILE, SERVICE_FILE, SYMPTOMS_FILE
from quorate.openstack.service import parse, url
from quorate.openstack.symptoms import detect

BROKER_SECONDS = 2.0  # for the question whether a broker answers at all
PAGE_SECONDS = 3.0    # for a page, at most


def observe(context, service, state_files, sources, level=0, ask=True, reports=None):
    """The Observation of a monitor level. A service that is plainly broken is asked no further. ask: whether to ask
    broker and database when something is missing that their absence would explain; reports: of an earlier Observation;
    None: those of HEARTBEATS_FILE."""
    def remembered():
        return state_files.read(HEARTBEATS_FILE) if reports is None else reports

    running = find_processes(context, service, sources)
    first = min(running, key=lambda one: one.start) if running else None
    settings = settings_of(context, service, sources, first)
    tree = _tree(context, service, state_files, settings, running)
    if not tree.all:
        return facts.Observation(tree, settings=settings)
    observed = facts.Observation(
        tree, {}, settings, age=context.processes.age(tree.parent or tree.all[0]),
        expected=_expected(service, settings),
        baseline=_recorded(state_files, tree.parent, "workers"),
        connected=_recorded(state_files, tree.parent, "linked"),
        early=_recorded(state_files, tree.parent, "early"))
    connections = sources.connections()
    observed = observed._replace(sockets=_sockets(context, service, observed, connections))
    observed = _with_port(context, service, sources, observed, connections, (tree.parent,) if tree.parent else ())
    if ask and tree.parent is not None:
        timed = state_files.read(SYMPTOMS_FILE)
        observed = _ask_what_explains(context, service, sources, observed, timed, level, remembered)
    if level < 10 or any(one.kind == facts.FATAL for one in detect.symptoms(service, observed)):
        return observed
    return _deeper(context, service, sources, observed, level, remembered)


def observe_unit(context, service, sources, level=0, reports=None):
    """The Observation of the service's processes, taken together as one. Its page is asked for at every level: clients
    see it. reports: of an earlier Observation."""
    found = _unit_processes(context, service, sources)
    first = min(found, key=lambda one: one.start) if found else None
    settings = sources.settings(service, context.parameters.config, first)
    observed = facts.Observation(facts.Tree(), settings=settings)
    if found:
        parent = first
        connections, ports = sources.connections(), _amqp_ports(context, settings)
        together = _together(parse.count(connections.of(one.pid), ports, _sql_port(context, settings)) for one in found)
        if not settings.brokers:  # as in _sockets()
            together = together._replace(amqp=together.amqp or None)
        tree = facts.Tree(parent, (parent,) + tuple(one for one in found if one is not parent))
        observed = observed._replace(tree=tree, sockets={parent.pid: together}, age=context.processes.age(parent))
        observed = _with_port(context, service, sources, observed, connections, found)
        if service.amqp and together.amqp == 0:
            observed = _with_broker(context, sources, observed, True)
    if service.page is not None:
        observed = _with_page(context, service, sources, observed, found)
    if not found or level < 10:
        return observed
    return _deeper(context, service, sources, observed, level, lambda: reports or {})


def settings_of(context, service, sources, process=None):
    """The Settings of a process of the service; None: those with which the agent would start it."""
    more = getattr(context.parameters, "additional_parameters", None)
    if process is not None or not more:
        return sources.settings(service, context.parameters.config, process)
    import shlex
    try:
        return sources.settings(service, context.parameters.config, None, shlex.split(more))
    except ValueError:  # start and validate-all refuse it, a probe and a stop do not need it
        return sources.settings(service, context.parameters.config)


def find_processes(context, service, sources):
    """Every process of the service on this machine, whoever started it: by command line, not by a pid file. Where the
    parameter unit names an instance of a template, those of its other instances belong to other resources: their
    command lines may differ by nothing but a file that all of them read."""
    binary = context.parameters.binary
    words = [service.name] + ([binary] if binary and binary != service.name else [])
    found = [one for one in context.processes.mentioning(words)
             if one.pid != os.getpid() and context.processes.here(one) and _is_ours(context, service, one)]
    unit = getattr(context.parameters, "unit", None) or ""
    if "@" in unit:
        from quorate.host.system.units import template
        unit = unit if unit.endswith(".service") else unit + ".service"
        found = [one for one in found if not _of_another_instance(sources.units.of(one.pid), unit, template(unit))]
    return found


def _is_ours(context, service, process):
    """Whether a process runs the service with our configuration. One that has renamed itself is of the instance that
    started it; where that is not to be seen either, it counts as ours."""
    binary, config = context.parameters.binary, context.parameters.config

    def real(path):
        if not path.startswith("/"):
            from quorate.openstack.service.sources import working_directory
            path = "%s/%s" % (working_directory(process.pid), path)
        return os.path.realpath(path)

    answer = parse.is_service(process.argv, service, config, binary, real)
    if answer is not None:
        return answer
    above = context.processes.get(process.ppid) if process.ppid > 1 else None
    return above is None or not parse.is_named(above.argv, service, binary) or _is_ours(context, service, above)


def _of_another_instance(name, unit, template):
    """Whether a unit's name is that of another instance of the template of `unit`."""
    return name is not None and name != unit and name.startswith(template.partition("@")[0] + "@")


def count_connected(service, observed):
    """How many workers have a connection to a broker. A parent counts only where it works alone."""
    alone = detect.works_alone(service, observed.settings)
    workers = [one for one in observed.tree.workers if alone or one != observed.tree.parent]
    return sum(1 for one in workers if (observed.sockets.get(one.pid, facts.Sockets()).amqp or 0) > 0)


def call_targets(service, observed):
    """(queues to call, Call). For Heat the listener of each worker, where its row is known."""
    settings = observed.settings
    if service.row == "heat":
        newest = detect.own_rows(observed)[:len(observed.tree.workers)]
        if newest:
            return tuple("heat-engine-listener.%s" % row.name for row in newest), facts.HEAT_LISTENING
    return tuple("%s.%s" % (service.topic, name) for name in detect.worker_names(service, settings)), service.call


def _tree(context, service, state_files, settings, found):
    """The Tree of these processes."""
    recorded = state_files.read(SERVICE_FILE)
    first = next((one.pid for one in found if _is_recorded(recorded, one)), None)
    leaders = frozenset(one.pid for one in found if context.processes.leads(one))
    return parse.tree(found, first, leaders, detect.works_alone(service, settings))


def _is_recorded(recorded, process):
    """Whether this very process is the one that SERVICE_FILE records."""
    return recorded.get("pid") == str(process.pid) and recorded.get("start") == str(process.start)


def _recorded(state_files, parent, key):
    """A number that SERVICE_FILE records of this very parent: 'workers', 'linked', 'early'; None: it records none."""
    recorded = state_files.read(SERVICE_FILE)
    if parent is None or not _is_recorded(recorded, parent):
        return None
    return int(recorded[key]) if recorded.get(key, "").isdigit() else None


def _expected(service, settings):
    """How many workers the configuration asks for, None where it does not say."""
    if service.workers == "backends":
        return len(settings.backends) or None
    return settings.workers


def _ask_what_explains(context, service, sources, observed, timed, level, remembered):
    """Ask broker and database whether a missing worker or connection is due to them, and when they were away before
    (timed: the lines of SYMPTOMS_FILE) whether they still are. A healthy service costs nothing here."""
    lost = service.amqp and any(one.amqp == 0 for one in observed.sockets.values())
    if lost or service.amqp and "broker" in timed:
        # As many connections as ever: what is missing is no fault of the account.
        same = observed.connected and count_connected(service, observed) >= observed.connected
        observed = _with_broker(context, sources, observed, lost and not same)
    if service.row and (lost or "database" in timed or detect.missing_workers(service, observed)):
        limit = context.parameters.check_timeout
        if level < 10:  # from that level on they would be asked once more, with this limit
            limit = min(BROKER_SECONDS, limit)
        observed = _with_rows(context, service, sources, observed, limit, remembered, True)
    return observed


def _deeper(context, service, sources, observed, level, remembered):
    """With rows and page from level 10 on, with RPC replies at level 20."""
    settings, limit = observed.settings, context.parameters.check_timeout
    if service.row and observed.rows is None:
        observed = _with_rows(context, service, sources, observed, limit, remembered)
    if service.page and observed.page is None:
        processes = (observed.tree.parent,) if observed.tree.parent else ()
        observed = _with_page(context, service, sources, observed, processes)
    if level >= 20 and service.topic and observed.broker is not False and settings.readable:
        targets, call = call_targets(service, observed)
        if targets and settings.brokers:
            observed = observed._replace(replies=sources.replies(
                settings.brokers, settings.exchange, targets, context.deadline.limit(limit), call))
    return observed


def _with_broker(context, sources, observed, lost):
    """With whether a broker answers. lost: connections are missing: then also with why none takes one."""
    brokers = observed.settings.brokers
    answers = sources.broker(brokers, context.deadline.limit(BROKER_SECONDS))
    refused = sources.refusal(brokers, context.deadline.limit(BROKER_SECONDS)) if answers and lost else ""
    return observed._replace(broker=False if refused else answers, refused=refused)


def _with_rows(context, service, sources, observed, limit, remembered, wrong=False):
    """With the heartbeat rows, and what is known of their progress from earlier observations. Where they show that
    something is wrong, or something else does (`wrong`), also with why the database takes no writes."""
    from time import monotonic
    from quorate.openstack.symptoms import progress
    rows, parent = _rows(context, service, sources, observed.settings, limit), observed.tree.parent
    if rows.outcome != facts.ANSWERED or parent is None:
        return observed._replace(rows=rows)
    clock = getattr(context, "clock", None)
    now = clock.monotonic() if clock is not None else monotonic()
    reports, rows = progress.follow(observed.reports or remembered(), rows, "%d-%d" % (parent.pid, parent.start),
                                    observed.age, now)
    observed = observed._replace(rows=rows, reports=reports)
    if wrong or any(detect.heartbeat(service, observed)):
        # Without writes no heartbeat goes on, and no restart brings it back.
        reason = sources.refuses_writes(service, observed.settings.database, context.deadline.limit(limit))
        observed = observed._replace(rows=rows._replace(unwritable=reason))
    return observed


def _rows(context, service, sources, settings, limit):
    """The heartbeat Rows, or why they cannot be read."""
    names = detect.worker_names(service, settings)
    if not settings.readable:
        return facts.Rows(facts.UNKNOWN, (), "%s." % "; ".join(settings.problems))
    if settings.database is None:
        return facts.Rows(facts.UNKNOWN, (), "%s has no MySQL URL as [database] connection%s." % (
            context.parameters.config, "".join("; " + one for one in settings.problems)))
    if settings.interval is None:
        return facts.Rows(facts.UNKNOWN, (), "%s." % "; ".join(settings.problems))
    if not names:
        return facts.Rows(facts.UNKNOWN, (), "%s has no enabled_backends." % context.parameters.config)
    return sources.rows(service, settings.database, names, context.deadline.limit(limit))


def _with_page(context, service, sources, observed, processes):
    """With what it answers to an HTTP request, and in settings.listen the port where it does."""
    parent = observed.tree.parent
    unseen = parent is not None and observed.sockets[parent.pid].listening is None
    if not unseen or getattr(context.parameters, "host", None) is not None:
        return observed._replace(page=_page(context, service, sources, observed, processes))
    page, port = _unseen_page(context, service, sources, observed, processes)
    listen = (observed.settings.listen or ("",))[0], port
    return observed._replace(page=page, settings=observed.settings._replace(listen=listen))


def _unseen_page(context, service, sources, observed, processes):
    """(Page, port) where it is not to be seen which sockets the processes have, since we are not root: what answers
    where their users listen, at its own port first. UNKNOWN where nothing does: it may listen anywhere."""
    settings, owners = observed.settings, {context.processes.owner(one) for one in processes}
    port = (settings.listen or ("", service.port))[1]
    places = sources.connections().of_users(owners - {None})
    own = [place for place in places if place[1] == port]
    # Root has listeners of all kinds.
    others = [] if getattr(context.parameters, "port", None) else [
        place for place in sources.connections().of_users(owners - {None, 0}) if place[1] != port]
    asked = own + others or [((settings.listen or ("",))[0], port)]
    limit = context.deadline.limit(min(PAGE_SECONDS, context.parameters.check_timeout) / len(asked))
    first = None
    for address, number in asked:
        page = sources.page(address, number, service.page, limit, settings.tls)
        if page.outcome == facts.ANSWERED:
            return page, number
        first = first or page
    if own:
        return first, port
    return facts.Page(facts.UNKNOWN, None, "only root sees where it listens; run this as root, or set --host and "
                      "--port"), port


def _page(context, service, sources, observed, processes):
    """What it answers to an HTTP request where these processes listen, else where its configuration says: a Page."""
    settings = observed.settings
    host, port = settings.listen or ("", service.port)
    host = _bound_to(sources.connections(), processes, port) or host
    limit = context.deadline.limit(min(PAGE_SECONDS, context.parameters.check_timeout))
    return sources.page(getattr(context.parameters, "host", None) or host, port, service.page, limit, settings.tls)


def _sockets(context, service, observed, connections):
    ports, sql = _amqp_ports(context, observed.settings), _sql_port(context, observed.settings)
    wanted = observed.tree.workers if service.port is None else (observed.tree.parent,) if observed.tree.parent else ()
    found = {one.pid: parse.count(connections.of(one.pid), ports, sql) for one in wanted}
    if observed.settings.brokers:
        return found
    # Which ports are a broker's is a guess then: none of them is no sign that there is no connection.
    return {pid: one._replace(amqp=one.amqp or None) for pid, one in found.items()}


def _amqp_ports(context, settings):
    """Ports that a connection to RabbitMQ may lead to: those of transport_url, and the parameter's."""
    ports = {broker.port for broker in settings.brokers}
    parameter = getattr(context.parameters, "amqp_server_port", None)
    return ports | ({parameter} if parameter else set()) or {url.AMQP_PORT}


def _sql_port(context, settings):
    """The port that a connection to the database leads to: the parameter's, else that of the configuration."""
    return getattr(context.parameters, "database_server_port", None) or (
        settings.database.port if settings.database else url.SQL_PORT)


def _with_port(context, service, sources, observed, connections, processes):
    """With the owner of its port ('ours', 'other', 'nobody'; None: it has none, or that could not be observed), and in
    settings.listen the port that it really has: a command line or another file may have set that."""
    if service.port is None or observed.tree.parent is None:
        return observed
    port = detect.listen_port(service, observed.settings)
    ours = observed.sockets[observed.tree.parent.pid].listening
    if ours is None:
        return observed
    if port in ours:
        return observed._replace(port_owner="ours")
    if ours and getattr(context.parameters, "port", None) is None:  # an operator's word
        port = _other_port(context, service, sources, ours, connections, processes) or port
        if port in ours:
            listen = (observed.settings.listen or ("",))[0], port
            return observed._replace(port_owner="ours", settings=observed.settings._replace(listen=listen))
    anybody = connections.listeners(observed.tree.parent.pid, port)
    return observed._replace(port_owner=None if anybody is None else "other" if anybody else "nobody")


def _other_port(context, service, sources, ours, connections, processes):
    """The port that it listens on instead of its usual one; of several the first that answers HTTP. None: none does."""
    if len(ours) == 1:
        return next(iter(ours))
    for port in sorted(ours):
        limit = context.deadline.limit(min(PAGE_SECONDS, context.parameters.check_timeout) / len(ours))
        if sources.page(_bound_to(connections, processes, port) or "", port, service.page or "/", limit,
                        False).outcome == facts.ANSWERED:
            return port
    return None


def _bound_to(connections, processes, port):
    """The address at which these processes listen on a port, None: unknown. All addresses before a single one."""
    found = {one.address for process in processes for one in connections.of(process.pid) or ()
             if one.state == "listen" and one.port == port}
    return min(found, key=lambda one: (one not in ("0.0.0.0", "::"), one)) if found else None


def _unit_processes(context, service, sources):
    """Those of its unit, else those that run its program and are in no other service's unit: the workers of Debian's
    neutron-rpc-server call themselves 'neutron-server: rpc worker'."""
    if not sources.units.managed():
        return find_processes(context, service, sources)
    unit = sources.units.find(service.units)
    found = [context.processes.get(pid) for pid in sorted(sources.units.processes(unit))] if unit is not None else []
    found = [one for one in found if one is not None]
    if found:
        return found
    from quorate.openstack import catalog
    others = {name + ".service" for one in catalog.ALL.values() if one.name != service.name for name in one.units}
    return [one for one in find_processes(context, service, sources) if sources.units.of(one.pid) not in others]


def _together(sockets):
    """Sockets of several processes as of one. None: they could not be observed, or none was seen and some processes
    could not be observed."""
    found = list(sockets)
    seen = [one for one in found if one.amqp is not None]
    if not seen:
        return facts.Sockets()
    amqp, sql = sum(one.amqp for one in seen), sum(one.sql for one in seen)
    whole = len(seen) == len(found)
    return facts.Sockets(amqp if amqp or whole else None, sql if sql or whole else None,
                         frozenset().union(*(one.listening for one in seen)))
