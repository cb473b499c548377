# SPDX-License-Identifier: Apache-2.0
"""When the campaign calls the lab well, so that the next fault is the only one."""

import time
from types import SimpleNamespace

import pytest

from lab.campaigns.openstack import Campaign
from lab.faults import openstack
from lab.services import galera, rabbitmq
from lab.services.openstack import deployment
from lab.services.openstack.client import Call

NAMES = ["n1", "n2", "n3"]


@pytest.fixture
def lab(monkeypatch):
    """Three nodes of which `there` have a database and a broker."""
    there = set(NAMES)
    monkeypatch.setattr(galera, "synced", lambda _lab, nodes: set(nodes) <= there)
    monkeypatch.setattr(rabbitmq, "serving", lambda _lab: sorted(there))
    monkeypatch.setattr(deployment, "where", lambda _lab: {"cinder-volume": "n2"})
    return SimpleNamespace(node_names=NAMES, there=there)


def of(lab, standby=()):
    made = Campaign.__new__(Campaign)
    made.lab, made.standby, made.services = lab, standby, ("cinder-volume",)
    made.watch = SimpleNamespace(now=lambda: {"cinder-volume": {"n2": 3}})
    made.callers = SimpleNamespace(calls=lambda _name: [Call(time.time() - 1, 0.1, True)])
    return made


def test_all_databases_and_brokers_are_wanted(lab):
    assert of(lab).well()
    lab.there.remove("n1")
    assert not of(lab).well()


def test_a_node_in_standby_owes_none(lab):
    """Found on the lab: a planned move was waited for until its limit, since the node in standby has no database."""
    lab.there.remove("n1")

    assert of(lab, ("n1",)).well()


def test_a_client_that_was_not_answered_is_not_well(lab):
    one = of(lab)
    one.callers = SimpleNamespace(calls=lambda _name: [Call(time.time() - 1, 0.1, False)])

    assert not one.well()


def test_each_service_is_hit_where_it_is(monkeypatch):
    """Found on the lab: heat-engine was on another node than cinder-volume, and its worker was never stopped."""
    monkeypatch.setattr(deployment, "where", lambda _lab: {"cinder-volume": "n2", "heat-engine": "n1"})
    there = {("n2", "cinder-volume"): {20: 1, 21: 20}, ("n1", "heat-engine"): {10: 1, 11: 10}}
    watch = SimpleNamespace(processes=lambda node, name: there.get((node, name), {}))
    scene = openstack.Scene(None, watch, ("cinder-volume", "heat-engine"))

    assert ({"cinder-volume": 21, "heat-engine": 11}, {"cinder-volume": 20, "heat-engine": 10}) == (scene.children(),
                                                                                                    scene.parents())
