# SPDX-License-Identifier: Apache-2.0
"""Configurations of RabbitMQ as records: their texts can be filled in, and which can be combined."""

import itertools
import json

import pytest

from lab import LabError
from lab.brokers.known import ALL, COMBINED, named
from lab.brokers.record import PAIR_EVENTS, Configuration, merged, names_for
from lab.machines import names

NAMES = names_for(names.Node("n2", 2, "10.1.2.12"))


def test_there_are_enough_and_their_texts_can_be_filled_in():
    assert len({one.unusual for one in ALL.values() if one.suite == "bookworm"}) >= 22
    assert {"kill of all", "power cut of all, one off", "stop and start"} < set(PAIR_EVENTS)
    for one in ALL.values():
        assert one.env % NAMES is not None and one.conf % NAMES is not None
        for text in itertools.chain(one.before, one.then, one.warnings, (one.waits % {"off": "n3"},)):
            assert isinstance(text % NAMES, str)
        for content in one.files.values():
            text, _mode = content if isinstance(content, tuple) else (content, None)
            assert text % NAMES
        assert one.events or one.troubles, one.name
        assert set(one.client) <= {"port", "tls", "certificate", "six", "queue", "type"}
        for trouble in one.troubles:
            assert trouble.words and trouble.serving and trouble.hit in ("one", "all", "")


def test_a_mistake_in_the_text_of_a_file_is_noticed_here():
    definitions = ALL["definitions"].files["/etc/rabbitmq/definitions.json"] % NAMES
    assert [one["name"] for one in json.loads(definitions)["vhosts"]] == ["/", "/defined"]
    assert "%F %T" in ALL["slow-boot"].files["/usr/local/sbin/slow"][0] % NAMES


def test_each_is_tried_with_others_and_nothing_contradicts():
    tried = [name for together in COMBINED for name in together.split("+")]
    assert sorted(tried) == sorted(ALL)
    for together in COMBINED:
        parts = [ALL[name] for name in together.split("+")]
        assert named(together).troubles == tuple(one for part in parts for one in part.troubles)
    with pytest.raises(LabError, match="no configuration is called x, y; there are: own-address"):
        named("plain+x+y")


def test_merged_has_all_of_both():
    one = Configuration("a", "first", env="A=1\n", client={"port": 1}, slow=3.0, count=2, plugins=("x",))
    two = Configuration("b", "second", env="B=2\n", files={"/f": "x"}, then=("true",), handling="ignore",
                        plugins=("y",))
    assert merged("both", one, two) == Configuration(
        "both", "first; second", env="A=1\nB=2\n", client={"port": 1}, slow=3.0, count=2, files={"/f": "x"},
        then=("true",), handling="ignore", plugins=("x", "y"))


@pytest.mark.parametrize("one, two", [
    ({"files": {"/f": "x"}}, {"files": {"/f": "y"}}), ({"suite": "trixie"}, {"suite": "other"}),
    ({"client": {"port": 1}}, {"client": {"port": 2}}), ({"waits": ""}, {"waits": "nobody"}),
])
def test_what_contradicts_is_not_merged(one, two):
    with pytest.raises(LabError, match="two values of"):
        merged("both", Configuration("a", "a", **one), Configuration("b", "b", **two))
