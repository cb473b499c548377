# SPDX-License-Identifier: Apache-2.0
"""What an action knows about itself, from the environment that Pacemaker, its tools or an operator give it."""

import pytest

from quorate.ocf.context import action_seconds, check_level, run_interactively
from tests.fakes import context

META = "OCF_RESKEY_CRM_meta_"


def test_a_monitor_without_interval_is_a_probe():
    assert context("monitor").is_probe
    assert context("monitor", environ={META + "interval": "0"}).is_probe
    assert not context("start").is_probe
    recurring = context("monitor", environ={META + "interval": "10000"})
    assert not recurring.is_probe and recurring.interval == 10.0


@pytest.mark.parametrize("text, level", [
    (None, 0), ("", 0), ("0", 0), ("5", 0), ("10", 10), ("15", 10), ("20", 20), ("99", 20), ("deep", 0), ("-1", 0)])
def test_check_level_is_the_next_lower_one_that_exists(text, level):
    assert check_level(text) == level


def test_the_instance_number_of_a_clone_is_dropped():
    assert context(environ={"OCF_RESOURCE_INSTANCE": "galera:2"}).instance == "galera"
    assert context(environ={"OCF_RESOURCE_INSTANCE": ""}).instance == "default"


def test_the_node_is_the_one_that_the_cluster_named():
    assert context(environ={META + "on_node": "n2"}).node == "n2"


def test_in_a_bundle_the_attributes_belong_to_the_host_if_the_operator_said_so():
    bundle = {META + "on_node": "galera-bundle-0", META + "physical_host": "n3"}
    assert context(environ=bundle).node == "galera-bundle-0"
    assert context(environ=dict(bundle, **{META + "container_attribute_target": "host"})).node == "n3"


def test_no_name_in_the_environment_is_none_and_never_the_name_of_the_machine():
    assert context(environ={META + "on_node": ""}).node is None


@pytest.mark.parametrize("environ, terminal, interactive", [
    ({"PCMK_service": "pacemaker-execd"}, False, False),
    ({"PCMK_service": "pacemaker-execd"}, True, False),
    ({"PCMK_service": "pacemaker-remoted"}, False, False),
    ({"PCMK_service": "crm_resource"}, False, True),
    ({}, True, True),
    ({}, False, True),                               # a shell with stderr in a file, crmsh, ocf-tester
    ({META + "on_node": "n1"}, False, False),        # a cluster that does not tell its name
])
def test_who_runs_the_agent(environ, terminal, interactive):
    assert run_interactively(environ, terminal) is interactive


def test_meta_attributes():
    assert context(environ={META + "promoted_max": "3"}).meta("promoted_max") == "3"
    assert context().meta("promoted_max") is None


@pytest.mark.parametrize("text, seconds", [
    ("20000", 18.0), ("300000", 295.0), ("60000", 55.0), ("1000", 0.9), (None, 18.0), ("", 18.0), ("soon", 18.0),
    ("0", 18.0), ("-5", 18.0)])
def test_the_timeout_less_a_reserve(text, seconds):
    assert action_seconds(text) == pytest.approx(seconds)
