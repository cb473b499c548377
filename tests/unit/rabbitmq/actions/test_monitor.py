# SPDX-License-Identifier: Apache-2.0
"""The monitor of an instance whose broker was not launched yet."""

import os

import pytest

from quorate.ocf import codes
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import monitor
from quorate.rabbitmq.actions.monitor import wait
from tests.unit.rabbitmq.actions.nodes import Node, other


def test_beside_a_cluster_that_it_cannot_reach_a_node_is_not_launched(tmp_path):
    """It saw the others stop, so it would wait for no node and serve beside them."""
    node = Node(tmp_path, [other("n2", facts.RUNNING), other("n3", facts.RUNNING)]).fill(running="rabbit@n1")
    node.unreachable = {"rabbit@n2", "rabbit@n3"}
    assert wait(node.participant).code == codes.SUCCESS
    node.clock.sleep(30)
    outcome = wait(node.participant)
    assert outcome.code == codes.DEGRADED and node.commands.spawned == []
    assert "would be a cluster of its own" in node.published.statuses[-1]
    node.unreachable.clear()
    assert node.participant.decide_and_publish().action == facts.START


@pytest.mark.parametrize("state, kept", [(facts.RUNNING, 0), (facts.UNKNOWN, 0), (facts.DOWN, 2000000)])
def test_what_a_broker_prints_beside_its_log_is_bounded_while_it_runs(tmp_path, mocker, state, kept):
    """It lies in memory; of a broker that died it may be the only evidence."""
    node = Node(tmp_path)
    mocker.patch.object(monitor.observe, "observe", return_value=mocker.Mock(state=state))
    mocker.patch.object(monitor, "outcome_of")
    output = node.state_files.path("output")
    os.makedirs(os.path.dirname(output), exist_ok=True)
    with open(output, "wb") as file:
        file.truncate(2000000)

    monitor._with_broker(node.participant.context, node.state_files, None)

    assert kept == os.path.getsize(output)
