# SPDX-License-Identifier: Apache-2.0
"""Configurations of OpenStack's services as records: what is written on the nodes, and when a stop did not tell the
truth."""

import configparser

import pytest

from lab import LabError
from lab.controllers.known import ALL
from lab.controllers.record import Configuration, after_stop, edited, merged, names_for
from lab.machines import names
from lab.services.openstack import configuration

NAMES = names_for(names.Node("n2", 2, "10.1.2.12"), "p%w")
BASE = configuration.files(("n1", "n2", "n3"), "n3", "secret", "k" * 32, True)


def test_options_take_the_place_of_the_usual_ones():
    text = "[DEFAULT]\nhost = control\nlog_dir = /var/log\n[database]\nconnection = x\n"

    assert edited(text, {"DEFAULT/host": None, "database/connection": "%(secret)s@%(address6)s", "new/a": "%(node)s"},
                  NAMES) == ("[DEFAULT]\nlog_dir = /var/log\n[database]\nconnection = p%w@fd00::2\n[new]\na = n2\n")


@pytest.mark.parametrize("name", sorted(ALL))
def test_what_a_configuration_writes_is_complete(name):
    one = ALL[name]
    for path, options in one.options.items():
        parser = configparser.RawConfigParser(strict=True)
        parser.read_string(edited(BASE[path][0], options, NAMES))
        assert parser.get("DEFAULT", "state_path", fallback="") in ("", "/var/lib/cinder", "/var/lib/nova")
    for content in one.files.values():
        assert "%(" not in (content if isinstance(content, str) else content[0]) % NAMES
    for command in one.before + one.once + (one.statements,):
        assert "%(" not in command % NAMES
    assert set(one.parameters) <= set(one.services)


def test_merged_has_all_of_both():
    one = Configuration("a", "first", options={"/c": {"x/a": "1"}}, files={"/f": "1"}, warnings=("w",))
    two = Configuration("b", "second", options={"/c": {"x/b": None}}, files={"/g": "2"}, manages=False,
                        before=("true",), services=("heat-engine",))

    assert merged("both", one, two) == Configuration(
        "both", "first; second", ("heat-engine",), {"/c": {"x/a": "1", "x/b": None}}, {"/f": "1", "/g": "2"}, ("true",),
        warnings=("w",), manages=False)
    with pytest.raises(LabError):
        merged("both", one, one._replace(options={"/c": {"x/a": "2"}}))


@pytest.mark.parametrize("changes, found", [
    ([(1.0, {"x": {"n1": 2}}), (9.9, {})], []),
    ([(1.0, {"x": {"n1": 2}}), (10.2, {})], []),                                    # the sample was late
    ([(1.0, {"x": {"n1": 2}}), (11.0, {})], [10.0]),
    ([(1.0, {"x": {"n1": 2}})], [10.0]),
    ([(1.0, {"x": {"n1": 2}}), (9.0, {}), (12.0, {"x": {"n1": 1}})], [10.0]),       # systemd started it again
    ([(1.0, {"x": {"n1": 2}}), (9.0, {}), (21.0, {"x": {"n1": 1}})], []),           # the cluster did
    ([(1.0, {"x": {"n1": 2}}), (9.0, {}), (12.0, {"x": {"n2": 1}})], []),
    ([(1.0, {"y": {"n1": 2}})], []),
    ([(1.0, {"x": {"n1": 2}}), (40.2, {"x": {"n1": 1}})], []),                      # the start came at once
])
def test_a_stop_that_lied_is_found(changes, found):
    stops = [10.0] if changes[-1][0] < 40 else [40.0]
    assert after_stop(stops, [5.0, 20.0, 40.1], changes, "n1", "x") == found
