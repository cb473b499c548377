# SPDX-License-Identifier: Apache-2.0
"""Clusters of in-memory nodes."""

import pytest

from tests.nodes.cluster import Cluster
from tests.unit.galera.node.views import ALL


@pytest.fixture
def new(tmp_path, monkeypatch):
    """Three nodes that were never started."""
    with Cluster.of(tmp_path, monkeypatch) as cluster:
        yield cluster


@pytest.fixture
def cluster(new):
    """Three nodes that are synced and settled, with three commits; the monitors have seen it."""
    assert new.run(60, lambda: new.synced() == ALL), new.journal
    for _ in range(3):
        new.commit()
    new.run(12)
    new.journal.entries.clear()
    return new
