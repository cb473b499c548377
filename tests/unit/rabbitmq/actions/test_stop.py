# SPDX-License-Identifier: Apache-2.0
"""A stop succeeds only with proof, and nothing that comes before it keeps it from stopping the broker."""

from quorate.ocf import codes
from quorate.rabbitmq.actions import stop
from tests.unit.rabbitmq.broker.running.launched import Node


def test_a_stop_whose_broker_survives_is_no_success(tmp_path):
    node = Node(tmp_path, state="D", dies_of=())
    node.commands.allow("attrd_updater", ..., rc=102)
    node.commands.allow("crm_attribute", ..., rc=102)
    outcome = stop.stop_instance(node.context, node.state_files)
    assert outcome.code == codes.ERR_GENERIC and "pid 400" in outcome.reason and "still there" in outcome.reason


def test_no_failure_before_the_stop_keeps_it_from_stopping(tmp_path):
    node = Node(tmp_path)  # no tool, no cluster, no layout: every call of it fails
    node.commands.allow("crm_node", ..., rc=1)
    stop.prepare_others(node.context, node.state_files, "rabbit@n1")
    assert node.stop() == []
