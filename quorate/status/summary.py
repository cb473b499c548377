# SPDX-License-Identifier: Apache-2.0
"""What is well and what is not: an Observation as the Summary that the screen shows. Pure.

A node that is off, a service that runs on fewer nodes than it should, an instance that is degraded: bad. What an
operator ordered (standby, maintenance, disabled, unmanaged, drained): planned. A failed action of a service that is
well again: past.
"""

from collections import namedtuple

from quorate.pacemaker.crm_mon import DEGRADED, MOVING
from quorate.status.facts import ADDRESSES, BAD, LEVELS, MOVES, PAST, PLANNED, WELL, Row, Summary
from quorate.status.problems import find_problems

PROXY_UP, PROXY_ORDERED = ("UP", "OPEN", "no check"), ("MAINT", "DRAIN",
                                                       "NOLB")  # HAProxy's words for a server begin so
_BACKENDS_SHOWN = 3  # with all their servers up
_ROWS_NAMED = 6      # in the headline


def summarise(observed):
    """The Summary of an Observation."""
    nodes = tuple(_node(one, one.name == observed.node) for one in observed.cluster.nodes)
    services = tuple(_service(observed, one) for one in _in_order(observed.cluster.services))
    proxies = _shortened(tuple(_proxy(one, observed) for one in _own_backends(observed.proxies or ())))
    rows = nodes + services + proxies
    problems = tuple(find_problems(observed, {row.name: row for row in services}))
    level = max([one.level for one in rows + problems], key=LEVELS.index, default=WELL)
    return Summary(level, _headline(level, rows, problems), _title(observed), nodes, services, proxies, problems)


def exit_code(summary):
    """0: all is well; 1: something is not."""
    return 0 if summary.level in (WELL, PAST) else 1


def _headline(level, rows, problems):
    if level in (WELL, PAST):
        return "all is well"
    wrong = ["%s %s" % (row.name, row.word) for row in rows if row.level not in (WELL, PAST)]
    if not wrong:
        wrong = [problem.text for problem in problems if problem.level == level][:1]
    head = {BAD: "NOT WELL", MOVES: "changing", PLANNED: "degraded by planned maintenance"}[level]
    more = ", and %d more" % (len(wrong) - _ROWS_NAMED) if len(wrong) > _ROWS_NAMED else ""
    return "%s: %s%s" % (head, ", ".join(wrong[:_ROWS_NAMED]), more)


def _title(observed):
    cluster = observed.cluster
    members = [one for one in cluster.nodes if one.type == "member"] or cluster.nodes
    online = len([one for one in members if one.online])
    parts = ["%d of %d nodes online" % (online, len(members))]
    parts.append({True: "quorate", False: "NO QUORUM", None: "quorum unknown"}[cluster.quorate])
    parts.append({True: "fencing on", False: "FENCING OFF", None: "fencing unknown"}[cluster.fencing])
    if cluster.maintenance:
        parts.append("MAINTENANCE MODE")
    if cluster.version:
        parts.append("Pacemaker " + cluster.version.partition("-")[0])
    name = observed.configured.name if observed.configured is not None and observed.configured.name else None
    return "%s: %s" % ("cluster " + name if name else "cluster", ", ".join(parts))


# -- nodes

def _node(node, here):
    text = ", ".join(word for word, applies in (
        ("this node", here), ("DC", node.dc), (node.type, node.type != "member")) if applies)
    if node.unclean:
        return Row(node.name, "UNCLEAN", BAD, _joined(text, "its state is unknown; it waits to be fenced"))
    if node.pending:
        return Row(node.name, "joining", MOVES, text)
    if not node.online:
        return Row(node.name, "OFF", BAD, _joined(text, "not in the cluster, and known to be down"))
    if node.shutdown:
        return Row(node.name, "leaving", MOVES, text)
    if node.maintenance:
        return Row(node.name, "maintenance", PLANNED, _joined(text, "its services are not monitored"))
    if node.standby:
        return Row(node.name, "standby", PLANNED, text)
    if node.health in ("yellow", "red"):
        return Row(node.name, "online", BAD, _joined(text, "node health is %s" % node.health))
    return Row(node.name, "online", WELL, text)


def _joined(*parts):
    return "; ".join(part for part in parts if part)


# -- services

def _in_order(services):
    """The virtual addresses first, the fence devices last."""
    def place(service):
        return 0 if service.agent in ADDRESSES else 2 if service.agent.startswith("stonith:") else 1
    return sorted(services, key=place)


class _Places(namedtuple("_Places", "promoted started moving failed degraded absent short")):
    """Where a service is: sorted lists of names of nodes, in moving each with the role.

    absent: nodes where an instance should run and does not; short: how many promoted instances are missing beside that.
    """

    __slots__ = ()


def _service(observed, service):
    """One line: the worst of what is true of it, and where it is."""
    places = _places(observed, service)
    word, level = _word(observed, service, places)
    return Row(service.name, word, level, _text(observed, service, places),
               _statuses(observed, service, word == "well"))


def _places(observed, service):
    promoted, started, moving, failed = [], [], [], []
    for one in service.instances:
        for node in one.nodes:
            if one.failed or one.blocked:
                failed.append(node)
            elif one.shown_role in MOVING:
                moving.append((node, one.shown_role))
            elif one.role == "Promoted":
                promoted.append(node)
            elif one.role != "Stopped":
                started.append(node)
    degraded = sorted(node for (name, node), latest in observed.cluster.latest.items()
                      if name == service.name and any(one.code in DEGRADED for one in latest)
                      and node in promoted + started)
    present = set(promoted + started + failed).union(node for node, _role in moving)
    return _Places(sorted(promoted), sorted(started), sorted(moving), sorted(failed), degraded,
                   *_missing(observed, service, len(promoted), present))


def _missing(observed, service, promoted, present):
    """absent and short of _Places. promoted: how many are; present: nodes that have an instance in whatever state."""
    if service.kind not in ("clone", "promotable") or observed.configured is None:
        return [], 0
    may = [node.name for node in observed.cluster.nodes if observed.configured.allowed.get((service.name, node.name))]
    most = observed.configured.most.get(service.name) or len(may)
    absent = [node for node in may if node not in present] if min(most, len(may)) > len(present) else []
    wanted = observed.configured.promoted_most.get(service.name)
    if service.kind != "promotable" or wanted is None:
        return absent, 0
    return absent, max(0, min(wanted, len(present)) - promoted)


def _word(observed, service, places):
    """(word, level) of the worst that is true of it."""
    running = places.promoted + places.started
    unclean = {node.name for node in observed.cluster.nodes if node.unclean}
    if places.failed:
        return "FAILED", BAD
    if service.orphan:
        return "orphan", BAD
    if service.disabled:
        return ("disabled", PLANNED) if not running and not places.moving else ("stopping", MOVES)
    if places.moving:
        return places.moving[0][1].lower(), MOVES
    if unclean and unclean.issuperset(running) and running:
        return "unknown", BAD
    if not running and (places.absent or service.kind not in ("clone", "promotable")):
        return "DOWN", BAD
    if places.degraded:
        return "degraded", BAD
    if unclean.intersection(running):
        return "partly", BAD
    if places.absent or places.short:
        ordered = _ordered_away(observed.cluster)
        return "partly", PLANNED if places.absent and ordered.issuperset(places.absent) else BAD
    if any(not one.managed for one in service.instances) or not service.managed:
        return "unmanaged", PLANNED
    return "well", WELL


def _ordered_away(cluster):
    """Names of the nodes from which an operator moved the services."""
    return {node.name for node in cluster.nodes if node.online and (node.standby or node.maintenance)}


def _text(observed, service, places):
    unclean = {node.name for node in observed.cluster.nodes if node.unclean}

    def named(nodes):
        return " ".join(node + " (UNCLEAN)" if node in unclean else node for node in nodes)

    address = None if observed.configured is None else observed.configured.addresses.get(service.name)
    parts = [address] if address else []
    if places.promoted:
        parts.append("promoted " + named(places.promoted))
    if places.started:
        plain = not places.promoted and service.kind != "promotable"
        parts.append(named(places.started) if plain else "not promoted " + named(places.started))
    elif places.short and not places.promoted:
        parts.append("none is promoted")
    parts += ["%s %s" % (role.lower(), node) for node, role in places.moving]
    if places.failed:
        parts.append("failed on " + named(places.failed))
    if places.absent:
        states = {node.name: _node(node, False).word for node in observed.cluster.nodes}
        parts.append("not on " + " ".join("%s%s" % (
            node, "" if states.get(node, "online") == "online" else " (%s)" % states[node]) for node in places.absent))
    return "; ".join(parts)


def _statuses(observed, service, well):
    """The live texts that the agents publish. Of a service that is well only if they are not all the same."""
    found = {}
    for node in observed.cluster.nodes:
        text = observed.cluster.attributes.get(node.name, {}).get(service.name + "-status")
        if text and text != "-":
            found.setdefault(text, []).append(node.name)
    if well and len(found) < 2:
        return ()
    return tuple("%s: %s" % (" ".join(nodes), text) for text, nodes in found.items())


# -- HAProxy

def _own_backends(proxies):
    """The backends without those that only follow a server of another one (SERVICE.NODE in our haproxy.cfg)."""
    members = {"%s.%s" % (one.name, server.name) for one in proxies for server in one.servers}
    return [one for one in proxies if one.name not in members]


def _proxy(proxy, observed):
    """A backend as HAProxy on this node sees it. In our haproxy.cfg a server has the name of its node."""
    away = _ordered_away(observed.cluster)
    up = [one for one in proxy.servers if one.status.startswith(PROXY_UP)]
    ordered = [one for one in proxy.servers if one.status.startswith(PROXY_ORDERED)
               or one not in up and one.name in away]
    down = [one for one in proxy.servers if one not in up and one not in ordered]
    parts = ["up " + " ".join(one.name for one in up)] if up else []
    parts += ["%s %s" % (one.name, one.status) for one in ordered + down]
    if not proxy.servers:
        word, level = (proxy.status or "?").lower(), WELL if proxy.status.startswith(PROXY_UP) else BAD
    elif not up:
        word, level = "DOWN", BAD
    elif down:
        word, level = "partly", BAD
    elif ordered:
        word, level = "draining", PLANNED
    else:
        word, level = "up", WELL
    return Row(proxy.name, word, level, "; ".join(parts))


def _shortened(rows):
    """Of many backends only those that are not well, and how many are."""
    well = [row for row in rows if row.level == WELL]
    if len(well) <= _BACKENDS_SHOWN:
        return rows
    others = "all %d" % len(well) if len(well) == len(rows) else "%d others" % len(well)
    return tuple(row for row in rows if row.level != WELL) + (Row(others, "up", WELL, ""),)
