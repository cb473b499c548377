# SPDX-License-Identifier: Apache-2.0
"""Whose data are the newest, from what the nodes wrote down when others came and went. Pure.

Each node keeps on its disk who was running when it last knew (Report.running), and rewrites it at each change, so after a
crash of all it tells who saw whom go. A set of nodes is *closed* when none of them saw anybody outside of the set to the
end. If a closed set is more than half of the cluster's members and all of it is here, nobody outside can have made a
change later: two such sets cannot exist, and a minority makes no changes (pause_minority), or makes those that RabbitMQ
throws away when the network heals.

A boot that was forced opens a generation. What a node wrote down in an older one proves nothing: others went on since. And
what was changed on a node of an older one was given up by that boot, so a closed set that holds all nodes of the current
generation is proof, too, even if it is one node.
"""

from quorate.rabbitmq.facts import ALIVE, DOWN, KHEPRI, STARTING, WAITING

_HERE = frozenset((DOWN, STARTING, WAITING))
_MAY_SERVE = ALIVE - _HERE


def witnesses(snapshot):
    """dict Erlang name -> Report of those whose word counts: here, with data that were read, of this generation."""
    if snapshot.generation is None:
        return {}
    return {one.name: one for one in snapshot.reports.values()
            if one.data and one.name and one.members is not None and one.running is not None and one.launched
            and one.state in _HERE and one.store != KHEPRI and one.generation == snapshot.generation}


def closed(found):
    """The names of the greatest closed set among the witnesses."""
    names = set(found)
    while True:
        leaving = {name for name in names if not found[name].running <= names}
        if not leaving:
            return names
        names -= leaving


def survivors(snapshot):
    """Pacemaker's names of a closed set that is more than half of the cluster, or all of the current generation; empty when
    there is none."""
    found = witnesses(snapshot)
    names = closed(found)
    everybody = set()
    for one in snapshot.reports.values():
        if one.data:
            everybody |= one.members or set()
    nodes = frozenset(found[name].node for name in names)
    current = {node for node, number in snapshot.generations.items() if number == snapshot.generation}
    if 2 * len(names) <= len(everybody) and not (snapshot.generation and current and current <= nodes):
        return frozenset()
    return nodes


def designated(snapshot):
    """The node whose forced boot loses nothing, None when there is none (yet): one of the survivors that no other of them
    saw go. It is to be up already, so that all of its tables are the last ones."""
    if any(one.state in _MAY_SERVE or one.data is None for one in snapshot.reports.values()):
        return None
    if (snapshot.members & snapshot.nodes) - set(snapshot.reports):
        return None  # a node that is up and said nothing may run a broker
    there = survivors(snapshot)
    last = [node for node in sorted(there)
            if all(snapshot.reports[node].name in snapshot.reports[other].running for other in there)]
    return last[0] if last else None


def outlived(snapshot, own):
    """Reports of other nodes with data that saw this one go: they know of newer changes. In order of their names."""
    return [one for node, one in sorted(snapshot.reports.items())
            if node != own.node and one.data and one.running is not None and own.name not in one.running
            and one.members is not None and own.name in one.members and (one.generation or 0) >= (own.generation or 0)]


def absent(snapshot, own):
    """Members of the cluster, as this node knows them, that run no broker: Pacemaker's names where they are known, else
    Erlang's. Those that it saw to the end come first: they may know of changes that it does not."""
    here = {one.name for one in snapshot.reports.values() if one.state in ALIVE or one.state == WAITING} | {own.name}
    nodes = {one.name: one.node for one in snapshot.reports.values() if one.name}
    gone = (own.members or frozenset()) - here
    seen = own.running or frozenset()
    return tuple(nodes.get(name, node_of(name, snapshot)) for name in sorted(gone, key=lambda name: (name not in seen, name)))


def node_of(name, snapshot):
    """The cluster's node of that Erlang name, as far as the host part tells."""
    host = name.partition("@")[2]
    for node in snapshot.nodes:
        if node == host or node.partition(".")[0] == host.partition(".")[0]:
            return node
    return name
