# SPDX-License-Identifier: Apache-2.0
"""Clusters of in-memory nodes with the real agent."""

import pytest

from tests.nodes.broker_cluster import BrokerCluster

ALL = ["n1", "n2", "n3"]


@pytest.fixture
def new(tmp_path, monkeypatch):
    """Three nodes that were never started."""
    with BrokerCluster.of(tmp_path, monkeypatch) as cluster:
        yield cluster


@pytest.fixture
def cluster(new):
    """Three brokers that serve as one cluster; the monitors have seen it."""
    assert new.run(120, lambda: new.up() == ALL), new.journal
    new.run(25)
    return new
