# SPDX-License-Identifier: Apache-2.0
"""quorate rabbitmq forget ends when the running brokers report their new members, so that a start directly afterwards
is not too early."""

import pytest

from quorate.cli.rabbitmq import _left_behind, is_forgotten
from quorate.rabbitmq import facts
from tests.unit.rabbitmq.actions.nodes import Node, quorum_queue, tools

ALL, REST = frozenset(("rabbit@n1", "rabbit@n2", "rabbit@n3")), frozenset(("rabbit@n1", "rabbit@n2"))


def report(node, state, members):
    return facts.Report(node, state, True, "rabbit@" + node, members)


@pytest.mark.parametrize("second, expected", [
    (report("n2", facts.RUNNING, ALL), False),    # its monitor has not run yet
    (report("n2", facts.RUNNING, REST), True),
    (report("n2", facts.DOWN, ALL), True),        # the disk of a node that does not run decides nothing
    (report("n2", facts.RUNNING, None), True)])
def test_is_forgotten(second, expected):
    reports = {"n1": report("n1", facts.RUNNING, REST), "n2": second, "n3": report("n3", facts.DOWN, ALL)}

    assert is_forgotten(reports, "rabbit@n3") is expected


@pytest.mark.parametrize("queues, answer, said", [
    ([quorum_queue("a", "n1", "n2"), quorum_queue("alone", "n3")], {}, ""),
    ([quorum_queue("a", "n1", "n3"), quorum_queue("b", "n3", "n2")], {},
     "Still a member of a of /, b of /: they have no majority now. Start their other members, then type: "
     "rabbitmq-queues shrink rabbit@n3\n"),
    ([], {"rc": 69, "err": "Error: x"}, "unknown: rabbit@n1 does not answer eval (Error: x).\n")])
def test_queues_that_could_not_let_the_node_go_are_named(tmp_path, queues, answer, said):
    """RabbitMQ 3.10 ends with 0, and the queue would wait for that member for ever."""
    node = Node(tmp_path)
    tools(node, queues={"/": queues}, **answer)

    found = _left_behind(node.participant, "rabbit@n3", "rabbit@n1")
    assert found.endswith(said) and bool(found) == bool(said)
