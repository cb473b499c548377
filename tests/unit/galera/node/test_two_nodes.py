# SPDX-License-Identifier: Apache-2.0
"""Two nodes without an arbitrator (two_node_mode), on in-memory nodes (tests/nodes)."""

import pytest

from tests.nodes.cluster import Cluster


@pytest.fixture
def two(tmp_path, monkeypatch):
    with Cluster.of(tmp_path, monkeypatch, ("n1", "n2"), two_node_mode="true") as cluster:
        assert cluster.run(60, lambda: cluster.synced() == ["n1", "n2"]), cluster.journal
        cluster.commit()
        cluster.run(12)
        yield cluster


def test_of_two_nodes_the_one_that_is_left_goes_on_once_the_other_is_fenced(two):
    two.cut_power("n2")
    began = two.clock.elapsed
    assert two.run(60, lambda: two.synced() == ["n1"]), two.journal
    assert two.clock.elapsed - began >= 20
    assert ["The other node is confirmed off; restarted to go on alone (two_node_mode)."] == two.reasons("n1")
    two.commit("n1")
    two.power_on("n2")
    assert two.run(60, lambda: two.synced() == ["n1", "n2"]), two.journal


@pytest.mark.parametrize("fencing, confirmed, mode", [
    (False, True, "true"), (True, False, "true"), (True, True, "false")])
def test_of_two_nodes_none_goes_on_without_that(tmp_path, monkeypatch, fencing, confirmed, mode):
    with Cluster.of(tmp_path, monkeypatch, ("n1", "n2"), two_node_mode=mode) as two:
        assert two.run(60, lambda: two.synced() == ["n1", "n2"])
        two.run(12)
        two.pacemaker.fencing = fencing
        two.cut_power("n2")
        if not confirmed:
            two.pacemaker.unclean.add("n2")
        two.run(90)
        assert [] == two.synced() and 1 == len(two.database("n1").launches)


def test_what_was_for_one_start_is_gone_after_it(two):
    """Of these `survivor` would let the node go on alone after the next loss, whatever that was."""
    two.cut_power("n2")
    assert two.run(60, lambda: two.synced() == ["n1"]), two.journal
    two.run(12)
    kept = two["n1"].state_files("galera")
    assert not [name for name in ("survivor", "tried", "failed", "waiting", "offered", "position", "launched-from",
                                  "opening") if kept.has(name)]
