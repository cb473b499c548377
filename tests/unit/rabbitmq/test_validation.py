# SPDX-License-Identifier: Apache-2.0
"""What validate-all says about partitions, for the number of nodes that there are."""

import pytest

from quorate.pacemaker import fencing
from quorate.rabbitmq.declaration import PARAMETERS
from quorate.rabbitmq.validation import _cluster, _count, _has_khepri, partition_advice
from tests import fakes
from tests.unit.rabbitmq.actions.nodes import Node


@pytest.mark.parametrize("handling, count, advises", [
    ("pause_minority", 2, "autoheal"), ("pause_minority", 3, None), ("pause_minority", None, None),
    ("ignore", 2, "autoheal"), ("ignore", 3, "pause_minority"), ("ignore", None, "pause_minority"),
    ("autoheal", 2, None), ("autoheal", 3, None), ("pause_minority", 5, None), ("pause_minority", 1, None),
    ("ignore", 4, "pause_minority"), ("autoheal", 4, None)])
def test_what_two_nodes_can_have(handling, count, advises):
    """Two nodes with pause_minority, as validation itself demanded: one killed, the other paused, nothing served."""
    found = partition_advice(handling, count, "/etc/rabbitmq/rabbitmq.conf")
    assert (found is None) == (advises is None)
    assert advises is None or found.split("et it to ")[1].startswith(advises)


def test_two_halves_that_lose_each_other():
    assert "there are 4 nodes" in partition_advice("pause_minority", 4, "x")


@pytest.mark.parametrize("handling", ["pause_minority", "autoheal", "ignore"])
def test_two_nodes_with_khepri_need_each_other(handling):
    assert "Add a third node" in partition_advice(handling, 2, "x", khepri=True)
    assert partition_advice(handling, 3, "x", khepri=True) is None
    assert partition_advice(handling, None, "x", khepri=True) is None


@pytest.mark.parametrize("version, flags, khepri", [
    ("4.0.5", "[khepri_db,quorum_queue].", True), ("4.0.5", "[quorum_queue].", False), ("4.0.5", None, False),
    ("3.10.8", None, False), ("4.3.0", None, True), (None, None, False)])
def test_which_store_this_node_has(tmp_path, version, flags, khepri):
    node = Node(tmp_path).fill()
    if flags:
        (tmp_path / "mnesia" / "rabbit@n1-feature_flags").write_text(flags)
    assert _has_khepri(node.layout._replace(version=version)) is khepri
    moved = node.layout._replace(version=version, directory="/nonexistent/x",
                                 flags=str(tmp_path / "mnesia" / "rabbit@n1-feature_flags"))
    assert _has_khepri(moved) is khepri, "with MNESIA_DIR or FEATURE_FLAGS_FILE they are not beside the data"


@pytest.mark.parametrize("nodes, known, count", [
    ("", {"n1": "member", "n2": "member", "c1": "remote"}, 2), ("n1, n2, n3", {"n1": "member"}, 3),
    ("", None, None), ("n1 n2", None, 2)])
def test_which_nodes_count(nodes, known, count):
    context = fakes.context("validate-all", PARAMETERS, **({"nodes": nodes} if nodes else {}))
    assert _count(context, known) == count


def test_what_the_cluster_says_of_fencing_is_said_too(monkeypatch):
    """Two nodes that fence each other at once are both off: it was said of the database's cluster only."""
    monkeypatch.setattr(fencing, "warnings", lambda context, what, danger: ["%s, %s" % (what, danger)])
    assert _cluster(fakes.context("validate-all", PARAMETERS, nodes="n1 n9"), {"n1": "member"}) == [
        "the broker, go on serving beside the cluster",
        "n9 of the parameter nodes is no node of the cluster; the first start would wait for it."]
