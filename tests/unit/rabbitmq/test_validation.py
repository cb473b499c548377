# SPDX-License-Identifier: Apache-2.0
"""What validate-all says about partitions, for the number of nodes that there are."""

import pytest

from quorate.rabbitmq.declaration import PARAMETERS
from quorate.rabbitmq.validation import _count, partition_advice
from tests import fakes


@pytest.mark.parametrize("handling, count, advises", [
    ("pause_minority", 2, "autoheal"), ("pause_minority", 3, None), ("pause_minority", None, None),
    ("ignore", 2, "autoheal"), ("ignore", 3, "pause_minority"), ("ignore", None, "pause_minority"),
    ("autoheal", 2, None), ("autoheal", 3, None)])
def test_what_two_nodes_can_have(handling, count, advises):
    """Two nodes with pause_minority, as validation itself demanded: one killed, the other paused, nothing served."""
    found = partition_advice(handling, count, "/etc/rabbitmq/rabbitmq.conf")
    assert (found is None) == (advises is None)
    assert advises is None or found.split("et it to ")[1].startswith(advises)


@pytest.mark.parametrize("nodes, known, count", [
    ("", {"n1": "member", "n2": "member", "c1": "remote"}, 2), ("n1, n2, n3", {"n1": "member"}, 3),
    ("", None, None), ("n1 n2", None, 2)])
def test_which_nodes_count(nodes, known, count):
    context = fakes.context("validate-all", PARAMETERS, **({"nodes": nodes} if nodes else {}))
    assert _count(context, known) == count
