# SPDX-License-Identifier: Apache-2.0
"""Configurations of the database as records: what is written on the nodes, and which can be combined."""

import itertools

import pytest

from lab import LabError
from lab.configurations.known import ALL
from lab.configurations.record import Configuration, compatible, configuration_file, merged, names_for
from lab.machines import names

NAMES = names_for("zoo", names.Node("n2", 2, "10.1.2.12"))
NODES = ("n1", "n2", "n3")
BASE = "[mysqld]\nlog_error = /var/log/mysql/error.log\nwsrep_on = ON\n"


def test_settings_take_the_place_of_the_usual_ones():
    one = Configuration("x", "x", settings={"log_error": None, "wsrep_on": "OFF", "silent-startup": "",
                                            "wsrep_node_address": "%(address6)s"}, provider="base_port=5567")
    assert configuration_file(BASE, one, NAMES) == (
        '[mysqld]\nwsrep_on = OFF\nsilent-startup\nwsrep_node_address = fd00::2\n'
        'wsrep_provider_options = "base_port=5567"\n')


def test_merged_has_all_of_both():
    one = Configuration("a", "first", settings={"port": "1"}, provider="a=1", sst="mariabackup", warnings=("w",))
    two = Configuration("b", "second", settings={"socket": "s"}, provider="b=2", before=("true",), writers=0)
    both = merged("both", one, two)
    assert both == Configuration("both", "first; second", settings={"port": "1", "socket": "s"}, provider="a=1;b=2",
                                 sst="mariabackup", before=("true",), warnings=("w",), writers=0, statements="\n")


@pytest.mark.parametrize("one, two", [
    ({"settings": {"port": "1"}}, {"settings": {"port": "2"}}),
    ({"sst": "mariabackup"}, {"sst": "mysqldump"}),
    ({"parameters": {"log": "/a"}}, {"parameters": {"log": "/b"}}),
    ({"waits": ""}, {"waits": "nobody"}),
    ({"statements": "CREATE USER 'a'@'b' IDENTIFIED BY 'c';"}, {"statements": "SET x = 1; CREATE USER 'a'@'b';"}),
])
def test_what_contradicts_is_not_merged(one, two):
    one, two = Configuration("a", "a", **one), Configuration("b", "b", **two)
    assert not compatible(one, two)
    with pytest.raises(LabError):
        merged("both", one, two)


def test_there_are_enough_and_their_texts_can_be_filled_in():
    assert len(ALL) >= 25
    assert len({one.unusual for one in ALL.values() if one.suite == "bookworm"}) >= 25
    for one in ALL.values():
        configuration_file(BASE, one, NAMES)
        for text in itertools.chain(one.before, one.parameters.values(), one.warnings):
            assert text % NAMES
        for content in one.files.values():
            assert (content[0] if isinstance(content, tuple) else content) % NAMES
        assert set(one.data) <= {"n1", "n2", "n3"}
        for trouble in one.troubles:
            assert trouble.node in NODES and trouble.hit in NODES + ("one", "all", "stop", "joiner", "")


def test_every_word_that_is_expected_to_be_shown_is_expected_of_somebody():
    for one in ALL.values():
        assert one.hindrance is None or one.hindrance.words
        for trouble in one.troubles:
            assert trouble.words or trouble.serving or trouble.hit == "joiner", trouble.what
