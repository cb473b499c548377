# SPDX-License-Identifier: Apache-2.0
"""Which running broker is not the cluster, by the reports of all nodes. Pure.

A broker that starts on an empty directory and is told nothing founds a cluster of its own, under the name that its
node has in the real one (rabbit_mnesia.erl, init/0): that is what systemd makes of a disk that is not mounted. It
serves, and nothing that it says of itself shows that it is another one. What shows it: what this node recorded of the
broker that served here (Report.stale), and the members that the others' brokers count on.
"""

from quorate.rabbitmq.facts import BOOTED, RUNNING


def _others(own, reports, wanted):
    """List of the other nodes' reports that count and for which `wanted` is true, by name."""
    return [one for node, one in sorted(reports.items())
            if node != own.node and not one.stale and one.name and one.members is not None and wanted(one)]


def _is_mutual(own, one):
    """Whether each of two nodes counts the other one as a member."""
    return own.members is not None and one.name in own.members and own.name in one.members


def is_in(own, reports):
    """Whether a running broker of another node has this one in its cluster and sees it running, so that it is the
    cluster's, whatever was recorded of it: it was reset and joined again, for instance."""
    return any(own.name in (one.members if one.running is None else one.running)
               for one in _others(own, reports, lambda one: one.state in BOOTED and _is_mutual(own, one)))


def counted_on_by(own, reports):
    """Other nodes whose data are of a cluster that has this node as a member, whether they run or not."""
    return tuple(one.node for one in _others(own, reports, lambda one: one.data and own.name in one.members))


def founded_beside(own, reports):
    """The reports of brokers that run a cluster which has this node as a member, while this node's broker knows none of
    them: it was founded beside that cluster. [] where that is not so, or not known."""
    if own.members is None:
        return []
    running = _others(own, reports, lambda one: one.state in BOOTED)
    if any(one.name in own.members for one in running):
        return []
    return [one for one in running if own.name in one.members]


def strangers(own, reports):
    """Nodes that run a broker which is not in one cluster with this node's running one: one of the two does not count
    the other. A report may be as old as its node's last monitor: what has just joined looks like that for a while."""
    if own.members is None:
        return ()
    return tuple(one.node for one in _others(
        own, reports, lambda one: one.state in BOOTED and not _is_mutual(own, one)))


def left_behind(own, reports):
    """Nodes whose data are of a cluster with this node, whose running broker does not count them as members."""
    if own.members is None:
        return ()
    return tuple(one.node for one in _others(own, reports, lambda one: (
        one.data and own.name in one.members and one.name not in own.members)))


def unseen(own, reports):
    """Nodes that run a broker of this node's cluster such that neither of the two sees the other one running. With
    cluster_partition_handling=ignore, or between two halves, that stays so and both report that they run."""
    if own.running is None:
        return ()
    return tuple(one.node for one in _others(own, reports, lambda one: (
        one.state == RUNNING and _is_mutual(own, one) and one.running is not None
        and own.name not in one.running and one.name not in own.running)))
