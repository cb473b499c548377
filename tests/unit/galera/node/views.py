# SPDX-License-Identifier: Apache-2.0
"""What a test sees of a cluster of in-memory nodes."""

from quorate.galera.election.published import decode_report
from tests.nodes.cluster import RESOURCE

ALL = ["n1", "n2", "n3"]


def launches(cluster):
    """The Launch of every server so far, in order."""
    return sorted((one for machine in cluster.machines.values() for one in machine.service.launches),
                  key=lambda one: one.at)


def report(cluster, name):
    """The Report that this node has published."""
    return decode_report(name, cluster.pacemaker.transient[RESOURCE + "-report"][name])


def monitor(cluster, name, seconds=5):
    """The Answer of a monitor with this interval."""
    return cluster.act(name, "monitor", interval=seconds)


def comes_back(cluster, seconds=120):
    """Whether all nodes are synced within so many seconds. pytest shows the journal where they are not."""
    if cluster.run(seconds, lambda: cluster.synced() == ALL):
        return True
    print(cluster.journal)
    return False
