# SPDX-License-Identifier: Apache-2.0
"""Histories in which disks are not mounted, power fails, and somebody starts brokers by hand: systemd, or an
administrator. The real agent on nodes in memory; see tests/nodes/broker_cluster.py for what must never happen."""

import tempfile

import pytest
from hypothesis import example, given, settings, strategies as some

from tests.nodes.broker_cluster import BrokerCluster

ALL = ["n1", "n2", "n3"]
MEMBERS = {"rabbit@n1", "rabbit@n2", "rabbit@n3"}
EVENTS = some.lists(some.tuples(some.sampled_from(("cut", "on", "unmounted", "mount", "by hand", "by hand", "live")),
                                some.sampled_from(ALL)), min_size=1, max_size=8)


class History:
    """What happens to a cluster of three."""

    def __init__(self, cluster):
        self.cluster = cluster

    def happen(self, what, name):
        cluster = self.cluster
        if what == "cut":
            cluster.cut_power(name)
        elif what == "on":
            cluster.power_on(name)
        elif what == "unmounted" and not cluster.is_unmounted(name):
            cluster.unmount(name)
        elif what == "mount":
            self.mount(name)
        elif what == "by hand" and name not in cluster.running:
            cluster[name].start_by_hand()
            cluster.clock.pass_time(3)
        elif what == "live":
            cluster.run(45)
        for machine in ALL:
            self.check(machine)

    def mount(self, name):
        """As the messages say: only where no broker runs."""
        if self.cluster.is_unmounted(name):
            self.cluster[name].stop_by_hand()
            self.cluster.mount(name)

    def check(self, name):
        """What is recorded as having served is the cluster's."""
        served = self.cluster.machines[name].state_files("rabbitmq").read("served", persistent=True)
        assert len(served.get("members", "").split()) == 3, (name, served)
        if self.cluster[name].members() == MEMBERS:
            assert self.cluster[name].cluster in (None, self.cluster.first)


@settings(max_examples=12, deadline=None)
@given(EVENTS)
@example([("unmounted", "n3"), ("by hand", "n3"), ("live", "n3")])
@example([("unmounted", "n3"), ("cut", "n1"), ("cut", "n2"), ("by hand", "n3"), ("live", "n3"), ("on", "n1"),
          ("live", "n1")])
@example([("unmounted", "n1"), ("unmounted", "n2"), ("unmounted", "n3"), ("by hand", "n1"), ("by hand", "n2"),
          ("live", "n1")])
def test_whatever_is_started_by_hand_the_cluster_stays_one_and_keeps_its_members(events):
    with tempfile.TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patch, BrokerCluster.of(
            root, patch) as cluster:
        assert cluster.run(120, lambda: cluster.up() == ALL), cluster.journal
        cluster.run(25)
        cluster.first = cluster["n1"].cluster
        history = History(cluster)
        for what, name in events:
            history.happen(what, name)
        for name in ALL:
            history.mount(name)
        cluster.power_on()
        for _ in range(2):
            cluster.banned.clear()  # pcs resource cleanup: a boot beside such a broker may have failed
            if not cluster.run(250, lambda: cluster.up() == ALL) and not cluster.up():
                cluster.order("n1", forced=True)
        assert cluster.run(250, lambda: cluster.up() == ALL), cluster.journal
        assert cluster.brokers.founded == 1
        assert {cluster[name].cluster for name in ALL} == {cluster.first}
        assert [cluster[name].members() for name in ALL] == [MEMBERS] * 3
