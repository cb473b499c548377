# SPDX-License-Identifier: Apache-2.0
"""Nodes with the real agents."""

import pytest

from quorate.openstack import catalog
from tests.unit.openstack.node.machine import Node


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A node of cinder-volume with one backend."""
    return Node(tmp_path, monkeypatch)


@pytest.fixture
def two(tmp_path, monkeypatch):
    """A node of cinder-volume with two backends."""
    return Node(tmp_path, monkeypatch, backends=("a", "b"))


@pytest.fixture
def proxy(tmp_path, monkeypatch):
    """A node of nova-novncproxy."""
    made = Node(tmp_path, monkeypatch, catalog.NOVA_NOVNCPROXY, ())
    made.conf = made.conf._replace(brokers=(), database=None)
    return made


@pytest.fixture
def auth(tmp_path, monkeypatch):
    """A node of nova-consoleauth, which works alone."""
    return Node(tmp_path, monkeypatch, catalog.NOVA_CONSOLEAUTH, ())


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """A node of heat-engine."""
    return Node(tmp_path, monkeypatch, catalog.HEAT_ENGINE, ())
