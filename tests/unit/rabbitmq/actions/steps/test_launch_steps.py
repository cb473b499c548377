# SPDX-License-Identifier: Apache-2.0
"""What a launch does around the launch itself: orders that end, clocks, state files, a full disk; on stand-ins."""

import pytest

from quorate.host.process import Process
from quorate.host.state_files import StateFiles
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import launch, membership
from quorate.rabbitmq.actions.launch import launch_as_decided
from quorate.rabbitmq.actions.participant import NotNow
from tests.unit.rabbitmq.actions.nodes import Node, names, other, tools

LAUNCHED = Process(500, 1, 7, "S", ("beam.smp",))
JOIN = facts.Decision(facts.JOIN, "x", peer="rabbit@n2", forget=True, gone=("rabbit@n1",))
START, FOUND, FORCE = (facts.Decision(action, "x") for action in (facts.START, facts.FOUND, facts.FORCE))


@pytest.fixture
def node(tmp_path, monkeypatch):
    made = Node(tmp_path, [other("n2", facts.RUNNING, members=names("n2"), since=1_700_000_000)])
    made.arguments = []
    monkeypatch.setattr(launch.process, "launch", lambda *how: (made.arguments.append(how), LAUNCHED)[1])
    tools(made)
    return made


@pytest.mark.parametrize("decision, forced", [(START, False), (FORCE, True), (FOUND, False)])
def test_what_a_launch_leaves(node, decision, forced):
    for name in ("waiting", "complaint", "serving", "unknown"):
        node.state_files.write(name, {"x": 1})
    assert launch_as_decided(node.participant, decision) == LAUNCHED
    left = [name for name in ("waiting", "complaint", "serving", "unknown") if node.state_files.has(name)]
    assert left == ["unknown"]
    assert node.state_files.read("launched-for") == {"action": decision.action}
    assert node.state_files.read("forced") == ({"process": "500.7"} if forced else {})
    assert node.published.own.state == facts.STARTING and node.published.statuses == ["starts"]
    assert node.arguments == [(node.context, node.state_files, node.layout, ())]
    assert ("INFO", "%s: x" % decision.action) in node.context.log.lines


@pytest.mark.parametrize("order, action, left", [
    (facts.Override("n1", "root", 1), FOUND, None), (facts.Override("n2", "root", 1), FOUND, "same"),
    (facts.Override("n1", "root", 1), FORCE, None), (facts.Override("n2", "root", 1), FORCE, "same"),
    (facts.Override("n1", "root", 1, False, True), JOIN, None),
    (facts.Override("n2", "root", 1, False, True), JOIN, "same"),
    (facts.Override("n1", "root", 1), JOIN, "same"), (facts.Override("n1", "root", 1), START, "same")])
def test_which_orders_end(node, order, action, left):
    node.published.ordered = order
    launch_as_decided(node.participant, action)
    assert node.published.ordered == (order if left else None)
    said = "The override by root was carried out: n1 %s." % ("is replaced" if order.replace else "boots")
    assert (("WARNING", said) in node.context.log.lines) is (left is None)
    if action is FOUND:
        assert node.published.founder_node == "n1"


def test_an_order_to_found_replaces_the_founder(node):
    node.published.founder_node = "n3"
    with pytest.raises(NotNow) as late:
        launch_as_decided(node.participant, FOUND)
    assert str(late.value) == "n3 founds the cluster." and node.arguments == []
    node.published.ordered = facts.Override("n1", "root", 1)
    assert launch_as_decided(node.participant, FOUND) == LAUNCHED and node.published.founder_node == "n1"


def test_a_boot_that_rabbitmq_does_not_let_be_forced(node):
    tools(node, rc=70, err="Error: running")
    node.published.ordered = facts.Override("n1", "root", 1)
    for _ in range(2):
        with pytest.raises(NotNow) as late:
            launch_as_decided(node.participant, FORCE)
        assert str(late.value) == "The boot cannot be forced: Error: running"
    assert node.published.current == 1, "one generation"
    assert node.published.ordered is not None and node.arguments == []


@pytest.mark.parametrize("version, since, ahead, waits", [
    ("4.0.5", 1_700_000_000, 0, True), ("4.0.5", None, 0, False), ("3.11.0", 1_700_009_999, 0, False),
    ("4.0.0", 1_700_000_000, 0, True), ("4.0.5", 1_700_000_000, 9, False)])
def test_whose_clock_is_awaited(node, version, since, ahead, waits):
    node.participant._layout = node.layout._replace(version=version)
    node.published.others["n2"] = other("n2", facts.RUNNING, since=since)
    node.published.others["n3"] = other("n3", facts.RUNNING, since=1_800_000_000)
    if ahead:
        node.clock.sleep(ahead)
    began = node.clock.elapsed
    launch_as_decided(node.participant, JOIN._replace(forget=False))
    assert (1 < node.clock.elapsed - began < 1.3) is waits and (waits or node.clock.elapsed < began + 0.1)


@pytest.mark.parametrize("spent, waited", [(0, launch.CLOCK_PATIENCE), (80, 5)])
def test_how_long_a_clock_is_awaited(node, spent, waited):
    node.participant._layout = node.layout._replace(version="4.0.5")
    node.published.others["n2"] = other("n2", facts.RUNNING, since=1_700_009_999)
    if spent:
        node.clock.sleep(spent)
    with pytest.raises(NotNow):
        launch_as_decided(node.participant, JOIN._replace(forget=False))
    assert node.clock.elapsed - spent == pytest.approx(min(waited, (100 - spent) / 4), abs=0.3)


def test_a_peer_that_is_not_known_has_no_clock(node):
    node.participant._layout = node.layout._replace(version="4.0.5")
    assert launch_as_decided(node.participant, JOIN._replace(forget=False, peer="rabbit@n9")) == LAUNCHED


@pytest.mark.parametrize("name, decision, begins", [
    ("served", FOUND, "Not launched: "), ("launched-for", START, "Not launched: "), ("grow", JOIN, "Not joined: ")])
def test_what_has_to_be_written_before(node, monkeypatch, name, decision, begins):
    node.state_files.write("served", {"name": "rabbit@n1", "serial": "5"}, persistent=True)
    written = StateFiles.write

    def write(self, which, values, persistent=False, required=False):
        if which == name:
            raise OSError(28, "No space left on device")
        written(self, which, values, persistent, required)

    monkeypatch.setattr(StateFiles, "write", write)
    if name == "grow":
        monkeypatch.setattr(membership, "remember_queues", lambda *how: node.state_files.write("grow", {}))
    with pytest.raises(NotNow) as late:
        launch_as_decided(node.participant, decision)
    where = node.state_files.run if name == "launched-for" else node.state_files.persistent
    assert str(late.value) == "%s%s cannot be written: No space left on device." % (begins, where)
    assert node.arguments == []


def test_who_is_forgotten_before_a_join(node):
    launch_as_decided(node.participant, JOIN._replace(gone=("rabbit@n1", "rabbit@was")))
    forgot = [call[-1] for call in node.commands.calls if "forget_cluster_node" in call]
    assert forgot == ["rabbit@n1", "rabbit@was"]
    assert ("WARNING", "The cluster forgot rabbit@was. Its disk is empty, and it joins as a new member.") in (
        node.context.log.lines)
    assert node.arguments[0][3] == ("-rabbit", "cluster_nodes", "{['rabbit@n2'],disc}", "-rabbit", "cluster_formation",
                                    "[{discovery_retry_limit,1000000}]")
