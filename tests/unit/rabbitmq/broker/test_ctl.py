# SPDX-License-Identifier: Apache-2.0
"""The broker's own command line tools."""

import pytest

from quorate.rabbitmq.broker.ctl import Tools
from tests.unit.rabbitmq.actions.nodes import Node


@pytest.mark.parametrize("rc, out, critical", [
    (0, '{"result":"ok"}', False),
    (69, '{"result":"error","message":"Node x reported local queues with minimum online quorum"}', True),
    (69, "Error: unable to perform an operation on node 'rabbit@n1'.", None), (127, "", None)])
def test_a_tool_that_fails_is_no_answer(tmp_path, rc, out, critical):
    node = Node(tmp_path)
    for path in ("rabbitmq-queues", "/usr/sbin/rabbitmq-queues", "/usr/lib/rabbitmq/bin/rabbitmq-queues"):
        node.commands.allow(path, ..., rc=rc, out=out)
    assert Tools(node.context, node.layout).critical() is critical
