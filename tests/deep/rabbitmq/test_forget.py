# SPDX-License-Identifier: Apache-2.0
"""`quorate rabbitmq forget` on a real cluster, and what becomes of the node that was forgotten."""

import pytest

from lab.faults.fault import wait_for
from lab.services import rabbitmq
from tests.lab.rabbitmq_cluster import LIMIT, assert_kept, furnished
from tests.lab.output import eventually


@pytest.fixture
def whole():
    with furnished("tforget") as made:
        yield made
        assert_kept(made)


def test_a_node_is_forgotten_by_command_and_comes_back_with_an_empty_disk(whole):
    refused = whole.run("n1", ["quorate", "rabbitmq", "forget", "n3"])
    assert refused.rc == 1 and "Stop it first: pcs resource ban mq-clone n3" in refused.err
    whole.check("n1", ["pcs", "resource", "ban", "mq-clone", "n3", "--wait=100"], 120)
    assert "The cluster forgot rabbit@n3" in whole.check("n1", ["quorate", "rabbitmq", "forget", "n3"])
    assert rabbitmq.quorum_members(whole, "n1") == 2
    whole.check("n1", ["pcs", "resource", "clear", "mq-clone", "n3"])
    eventually(whole, "n1", ["pcs", "status", "--full"], "does not know it",
               "move them away, and it joins as a new member")
    whole.check("n3", "mkdir -p /root/aside/forgotten; mv %s/rabbit@n3 /root/aside/forgotten/" % rabbitmq.BASE)
    rabbitmq.wait_whole(whole, timeout=LIMIT)
    assert rabbitmq.quorum_members(whole, "n1") == 2, "which queues are extended to a new member is up to the operator"
    rabbitmq.ctl(whole, "n1", "rabbitmq-queues", "grow", "rabbit@n3", "all")
    assert wait_for(lambda: rabbitmq.quorum_members(whole, "n1") == 3, LIMIT, 1)
