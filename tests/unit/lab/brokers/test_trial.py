# SPDX-License-Identifier: Apache-2.0
"""A trial of a broker's configuration notices what must not be: brokers launched twice, messages that are gone,
sentences too many or too few, nodes that do not say that they wait."""

from types import SimpleNamespace

import pytest

from lab import LabError
from lab.brokers import cluster, trial
from lab.brokers.record import Configuration
from lab.machines import names

NODES = [names.Node("n%d" % number, number, "10.0.0.%d" % number) for number in (1, 2, 3)]


class Cluster:
    """A lab whose brokers do what a test says."""

    def __init__(self):
        self.name, self.nodes, self.node_names = "unit", NODES, ["n1", "n2", "n3"]
        self.fit, self.off, self.said, self.asked, self.shown = set(self.node_names), set(), [], [], ""
        self.sees, self.pids = 3, {node: {number} for number, node in enumerate(self.node_names, 1)}
        self.alarms = []

    def run(self, node, argv, _timeout=60):
        if node in self.off:
            raise LabError("node %s is off" % node)
        assert argv == ["rabbitmq-check"]
        return SimpleNamespace(rc=int(node not in self.fit), out="said by %s\n" % node, err="")

    def check(self, node, argv, _timeout=60, **_more):
        self.asked.append((node, argv))
        return ""

    def is_on(self, node):
        return node not in self.off

    def power_cut(self, *nodes, stay_off=False):
        self.off.update(nodes)

    def power_on(self, *nodes):
        self.off -= set(nodes)

    def wait_online(self, nodes=None):
        assert not self.off & set(nodes or self.node_names)


class Client:
    """A client with these figures and losses."""

    def __init__(self, confirmed=5, lost=()):
        self.figures, self.lost = {"confirmed": confirmed}, list(lost)

    def stop(self):
        return self.figures, self.lost


@pytest.fixture
def found(monkeypatch):
    """A Cluster, and the Trial on it of a plain configuration, or of one with these fields."""
    one = Cluster()
    monkeypatch.setattr(cluster, "sees", lambda lab, configuration, node: one.sees)
    monkeypatch.setattr(cluster, "brokers", lambda lab, node: set(one.pids[node]))
    monkeypatch.setattr(cluster, "known", lambda lab, node: {"alarms": one.alarms})
    monkeypatch.setattr(cluster, "warnings", lambda lab, node: one.said)
    monkeypatch.setattr(trial, "shown", lambda lab, node: one.shown)
    monkeypatch.setattr(trial, "wait_for", lambda condition, timeout, every=0.5: any(condition() for _ in range(3)))
    return lambda **fields: (one, trial.Trial(one, Configuration("unit", "unit", **fields)))


def test_nothing_is_wrong_where_all_is_well(found):
    one, tried = found()
    tried._client = Client()
    tried.whole("bootstrap")
    tried.ask()
    tried._account()
    assert tried.mistakes == [] and tried.confirmed == 5 and "bootstrap" in tried.seconds


@pytest.mark.parametrize("spoil", [
    lambda one: one.fit.discard("n2"), lambda one: one.off.add("n2"), lambda one: setattr(one, "sees", 2),
])
def test_a_cluster_that_is_not_whole(found, spoil):
    one, tried = found()
    spoil(one)
    with pytest.raises(LabError, match="bootstrap: not whole"):
        tried.whole("bootstrap")


def test_a_broker_that_is_launched_twice(found):
    one, tried = found()
    launches = cluster.Launches(one)
    one.pids["n2"] = {12}
    launches.look()
    launches.look()
    tried._launched_once("kill of all", launches)
    assert tried.mistakes == []
    one.pids["n2"] = {13}
    launches.look()
    tried._launched_once("kill of all", launches)
    assert tried.mistakes == ["kill of all: brokers were launched more than once: {'n2': [12, 13]}"]


@pytest.mark.parametrize("client, words", [
    (Client(3, [2, 3]), "2 of 3 confirmed messages were never delivered: [2, 3]"), (Client(0), "no message was ever")])
def test_messages_that_are_gone(found, client, words):
    _one, tried = found()
    tried._client = client
    tried._account()
    assert len(tried.mistakes) == 1 and words in tried.mistakes[0]


@pytest.mark.parametrize("said, wanted, words", [
    (["Set it."], (), "validate-all on n3 says: Set it."), ([], ("pcmk",), "does not say 'pcmk'")])
def test_what_validate_all_says(found, said, wanted, words):
    one, tried = found(warnings=wanted)
    one.said = said
    tried.ask()
    assert len(tried.mistakes) == 1 and words in tried.mistakes[0]


def test_a_check_that_does_not_ask_the_api(found):
    one, tried = found()
    one.alarms = None
    tried.ask()
    assert len(tried.mistakes) == 3 and "does not ask the management API" in tried.mistakes[0]


def test_who_is_left_says_that_it_waits_and_does_not_serve(found):
    one, tried = found()
    one.shown, one.fit = "Waits for n3, which. Waits for n3, which.", set()
    tried._waits("cut", ["n1", "n2"], "n3")
    assert tried.mistakes == []
    one.shown, one.fit = "Waits for n3, which.", {"n2"}
    tried._waits("cut", ["n1", "n2"], "n3")
    assert [text.partition(":")[2][:30] for text in tried.mistakes] == [
        " n1 n2 do not say 'Waits for n", " n2 serve without n3"]


def test_brokers_that_run_after_a_stop(found):
    one, tried = found()
    one.pids["n1"], one.pids["n3"] = set(), set()
    tried._stop("stop and start")
    assert tried.mistakes == ["stop and start: brokers still run: {'n2': {2}}"]


def test_a_failure_that_is_shown(found):
    one, tried = found()
    one.shown = "x\nFailed Resource Actions:\n  * mq_monitor on n1 returned 'error'\n"
    tried._failures("watch")
    assert tried.mistakes == ["watch: * mq_monitor on n1 returned 'error'"]
