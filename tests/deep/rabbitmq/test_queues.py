# SPDX-License-Identifier: Apache-2.0
"""Quorum queues that cannot let a member go whose disk is lost: RabbitMQ forgets the node all the same, and the node
that comes back empty would vote in them without what it had acknowledged."""

import pytest

from lab.faults.fault import wait_for
from lab.faults.rabbitmq import ASIDE
from lab.machines import cluster
from lab.services import rabbitmq
from tests.lab.output import eventually
from tests.lab.rabbitmq_cluster import BEAM, LIMIT
from tests.packaged import package

NODES = 5


@pytest.fixture(params=["bookworm", "trixie"])
def whole(request):
    with cluster.Lab("tqueues") as lab:
        lab.up(suite=request.param, count=NODES, deb=package())
        rabbitmq.prepare(lab)
        rabbitmq.create(lab)
        rabbitmq.wait_whole(lab, timeout=2 * LIMIT)
        yield lab


def members(lab, name):
    return rabbitmq.quorum_members(lab, "n5", name)


def test_a_node_with_an_empty_disk_joins_when_no_queue_counts_on_it(whole):
    rabbitmq.declare_quorum(whole, "n3", "held", 1)  # its leader is there: one on n5 could append the change
    for node in ("n4", "n5"):
        assert wait_for(lambda node=node: whole.run("n3", ["rabbitmq-queues", "add_member", "held", "rabbit@" + node],
                                                    60).rc == 0, LIMIT, 1)
    assert wait_for(lambda: members(whole, "held") == 3, LIMIT, 1)
    whole.power_cut("n4", stay_off=True)
    whole.check("n3", "mkdir -p %s; kill -KILL $(pidof %s); sleep 0.3; mv %s/* %s/; rm -rf %s" % (
        ASIDE, BEAM, rabbitmq.BASE, ASIDE, rabbitmq.KEPT))
    eventually(whole, "n1", ["pcs", "status", "--full"],
               "Not joined: its lost data count in quorum queue held of /: start the others, or: rabbitmq-queues "
               "shrink rabbit@n3")
    assert rabbitmq.running(whole, "n1") == ["n1", "n2", "n5"], "n3 does not vote"
    whole.power_on("n4")
    rabbitmq.wait_whole(whole, timeout=2 * LIMIT)
    assert wait_for(lambda: members(whole, "held") == 3, LIMIT, 1), "it is a member again"
