# SPDX-License-Identifier: Apache-2.0
"""Clients do not notice planned work on the node that gets the writes. A client writes through the VIP all
the time.

Each way several times, since the moment within the intervals of HAProxy's checks and of the monitors decides most of
it.
"""

from contextlib import contextmanager

import pytest

from lab.services import galera, haproxy
from tests.lab.galera_cluster import LIMIT, assert_whole, serving

CLONE = galera.RESOURCE + "-clone"
TIMES = 3


@pytest.fixture(scope="module")
def world():
    with serving("tplanned") as found:
        haproxy.set_up(found.lab)
        yield found


def ban(lab, by, node):
    """What `pcs resource move` and `ban` do: the instance is demoted and stopped here."""
    lab.check(by, ["pcs", "resource", "ban", CLONE, node, "--wait=60"], 90)
    lab.check(by, ["pcs", "resource", "clear", CLONE, node])


def standby(lab, by, node):
    lab.check(by, ["pcs", "node", "standby", node, "--wait=60"], 90)
    lab.check(by, ["pcs", "node", "unstandby", node])


def cluster_stop(lab, by, node):
    """As before an upgrade of the node; Pacemaker itself stops there."""
    lab.check(node, ["pcs", "cluster", "stop"], 120)
    lab.check(node, ["pcs", "cluster", "start", "--wait=60"], 120)


@contextmanager
def address_elsewhere(lab, node):
    """The virtual address, with the sessions open through it, is not what these tests are about: it stays off that
    node."""
    by = next(one for one in lab.node_names if one != node)
    lab.check(by, ["pcs", "resource", "ban", "vip", node, "--wait=60"], 90)
    yield by
    lab.check(by, ["pcs", "resource", "clear", "vip", node])


@pytest.mark.parametrize("act", [ban, standby, cluster_stop],
                         ids=["moved away", "standby", "cluster stopped on the node"])
def test_no_transaction_fails(world, act, tmp_path):
    felt = []
    with galera.Client(world.lab, str(tmp_path)) as client:
        for _ in range(TIMES):
            writer = world.lab.wait(lambda: galera.writer_node(world.lab), LIMIT, "HAProxy writes nowhere")
            with address_elsewhere(world.lab, writer) as by:
                client.scene()
                world.lab.wait(lambda: client.figures().get("scene", {}).get("acked", 0) > 20, LIMIT,
                               "nothing is written")
                client.scene()
                act(world.lab, by, writer)
                assert_whole(world)
                felt.append(client.scene())
            print(act.__name__, writer, felt[-1])
            assert galera.writer_node(world.lab) != writer
        client.stop()
    assert [(one["failed"], one["unknown"]) for one in felt] == [(0, 0)] * TIMES
    assert all(one["acked"] > 50 for one in felt)
    assert galera.verify(world.lab, client.record) == {node: [] for node in world.nodes}
