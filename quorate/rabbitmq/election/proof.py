# SPDX-License-Identifier: Apache-2.0
"""Which nodes have the newest data, by what each recorded when others started and stopped. Pure.

Each node keeps on its disk which nodes it last saw running (Report.running), and rewrites that at each change: so after
a crash of all, the disks tell which node saw which one stop. A set of nodes is *closed* when none of them last saw a
node outside of the set running. If a closed set is more than half of the cluster's members and all of it is here, no
node outside can have made a change later: two such sets cannot exist, and a minority makes no changes (pause_minority),
or makes those that RabbitMQ discards when the network heals.

A forced boot begins a generation. What a node recorded in an older one proves nothing, because others went on since.
And what was changed on a node of an older generation was given up by that boot: so a closed set that holds all nodes of
the current generation is proof as well, even if it is one node.
"""

from quorate.rabbitmq.facts import ALIVE, DOWN, KHEPRI, STARTING, WAITING

_NOT_SERVING = frozenset((DOWN, STARTING, WAITING))
_MAY_SERVE = ALIVE - _NOT_SERVING


def usable_reports(snapshot):
    """dict Erlang name -> Report of those that prove something: present, not serving, with data that were read, of the
    current generation."""
    if snapshot.generation is None:
        return {}
    return {one.name: one for one in snapshot.reports.values()
            if one.data and one.name and one.members is not None and one.running is not None and one.launched
            and one.state in _NOT_SERVING and one.store != KHEPRI and one.generation == snapshot.generation}


def closed_set(reports):
    """The Erlang names of the greatest closed set. reports: as of usable_reports."""
    names = set(reports)
    while True:
        open_ones = {name for name in names if not reports[name].running <= names}
        if not open_ones:
            return names
        names -= open_ones


def last_running(snapshot):
    """frozenset of the nodes (Pacemaker's names) of a closed set that is more than half of the cluster, or all of the
    current generation; empty when there is none."""
    reports = usable_reports(snapshot)
    names = closed_set(reports)
    members = set()
    for one in snapshot.reports.values():
        if one.data:
            members |= one.members or set()
    nodes = frozenset(reports[name].node for name in names)
    current = {node for node, number in snapshot.generations.items() if number == snapshot.generation}
    if 2 * len(names) <= len(members) and not (snapshot.generation and current and current <= nodes):
        return frozenset()
    return nodes


def forced_boot_node(snapshot):
    """The node whose forced boot loses nothing, None when there is none (yet): the first one of last_running that none
    of them saw stop, so that all of its tables are the newest."""
    if any(one.state in _MAY_SERVE or one.data is None for one in snapshot.reports.values()
           if not (one.stale and one.state == DOWN)):  # that node's own data are away, as if it had no power
        return None
    if (snapshot.members & snapshot.nodes) - set(snapshot.reports):
        return None  # a node that is up and reported nothing may run a broker
    last = last_running(snapshot)
    newest = [node for node in sorted(last)
              if all(snapshot.reports[node].name in snapshot.reports[other].running for other in last)]
    return newest[0] if newest else None


def stopped_later(snapshot, own):
    """Reports of other nodes with data that saw this one stop: they know of newer changes. By name."""
    return [one for node, one in sorted(snapshot.reports.items())
            if node != own.node and one.data and one.running is not None and own.name not in one.running
            and one.members is not None and own.name in one.members and (one.generation or 0) >= (own.generation or 0)]


def absent(snapshot, own):
    """Members of the cluster, as this node knows them, that run no broker: Pacemaker's names where they are known, else
    Erlang's. Those that it last saw running come first: they may know of changes that this node does not."""
    here = {one.name for one in snapshot.reports.values()
            if not one.stale and (one.state in ALIVE or one.state == WAITING)} | {own.name}
    nodes = {one.name: one.node for one in snapshot.reports.values() if one.name}
    gone = (own.members or frozenset()) - here
    last_seen = own.running or frozenset()
    gone = sorted(gone, key=lambda name: (name not in last_seen, name))
    return tuple(nodes.get(name, node_of(name, snapshot)) for name in gone)


def node_of(name, snapshot):
    """The cluster's node with that Erlang name, by its host part; the Erlang name itself where none fits."""
    host = name.partition("@")[2]
    for node in snapshot.nodes:
        if node == host or node.partition(".")[0] == host.partition(".")[0]:
            return node
    return name
