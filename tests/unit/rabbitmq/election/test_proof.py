# SPDX-License-Identifier: Apache-2.0
"""Which nodes have the newest data, and for whom a node waits."""

import pytest

from quorate.rabbitmq import facts
from quorate.rabbitmq.election import proof
from quorate.rabbitmq.facts import DOWN, HUNG, PAUSED, RUNNING, STARTING, UNKNOWN, WAITING
from tests.unit.rabbitmq.election.test_decide import empty, erlang, report, snapshot, waits

FOUR = ("n1", "n2", "n3", "n4")


@pytest.mark.parametrize("reports, last", [
    ([waits("n1", FOUR[:2], members=FOUR), waits("n2", FOUR[:2], members=FOUR)], set()),  # half is no majority
    ([waits(node, FOUR[:3], members=FOUR) for node in FOUR[:3]], set(FOUR[:3])),
    ([waits("n1", ("n1",), members=("n1",)), waits("n2", ("n2",))], {"n1", "n2"}),
    ([waits("n1", ("n1",), members=("n1",)), waits("n2", ("n2", "n3"))], set()),
    ([waits("n1", ("n1",), members=("n1",))], {"n1"}),
    # As many as there are members of any cluster that is known, whoever is asked first
    ([waits("n1", ("n1",)), waits("n4", ("n4",), members=("n4",))], set())])
def test_who_ran_last(reports, last):
    assert proof.last_running(snapshot(*reports, nodes=frozenset(FOUR))) == last


@pytest.mark.parametrize("own, others, node", [
    (waits("n1", ("n1", "n2")), [waits("n2", ("n1", "n2"))], "n1"),
    (waits("n1", ("n1", "n2")), [waits("n2", ("n1", "n2")), report("n3", RUNNING)], None),
    (waits("n1", ("n1", "n2")), [waits("n2", ("n1", "n2")), report("n3", HUNG)], None),
    (waits("n1", ("n1", "n2")), [waits("n2", ("n1", "n2")), report("n3", data=None)], None),
    (waits("n1", ("n1", "n2")), [waits("n2", ("n1", "n2")), report("n3", DOWN, data=None, stale=True)], "n1"),
    (waits("n1", ("n1", "n2")), [waits("n2", ("n1", "n2")), report("n3", RUNNING, stale=True)], None),
    (waits("n1", ("n1", "n2")), [waits("n2", ("n1", "n2")), report("n3", UNKNOWN, data=None, stale=True)], None)])
def test_whose_forced_boot_loses_nothing(own, others, node):
    assert proof.forced_boot_node(snapshot(own, *others)) == node


@pytest.mark.parametrize("own, other, later", [
    (report("n1"), report("n2", saw=("n2", "n3")), True), (report("n1"), report("n2"), False),
    (report("n1"), report("n2", saw=("n2",), members=("n2",)), False),
    (report("n1"), report("n2", saw=("n2",))._replace(running=None), False),
    (report("n1"), report("n2", saw=("n2",))._replace(members=None), False),
    (report("n1"), empty("n2", running=erlang("n2"), members=erlang("n1", "n2")), False),
    (report("n1", generation=1), report("n2", saw=("n2",)), False),
    (report("n1", generation=1), report("n2", saw=("n2",))._replace(generation=None), False),
    (report("n1", generation=1), report("n2", saw=("n2",), generation=1), True),
    (report("n1", generation=1), report("n2", saw=("n2",), generation=2), True),
    (report("n1")._replace(generation=None), report("n2", saw=("n2",)), True),
    (report("n1")._replace(generation=None), report("n2", saw=("n2",))._replace(generation=None), True)])
def test_who_stopped_later(own, other, later):
    assert proof.stopped_later(snapshot(own, other), own) == ([other] if later else [])


def test_of_several_that_stopped_later_the_names_are_in_order():
    own = report("n1", saw=())
    others = [report(node, saw=(node,)) for node in ("n3", "n2")]
    assert [one.node for one in proof.stopped_later(snapshot(*others, own), own)] == ["n2", "n3"]


@pytest.mark.parametrize("state, stale, away", [
    (DOWN, False, True), (STARTING, False, False), (WAITING, False, False), (RUNNING, False, False),
    (PAUSED, False, False), (UNKNOWN, False, False), (RUNNING, True, True), (DOWN, True, True), (WAITING, True, True)])
def test_who_is_absent(state, stale, away):
    own = waits("n1", members=("n1", "n2"))
    assert proof.absent(snapshot(own, report("n2", state, stale=stale)), own) == (("n2",) if away else ())


def test_whom_it_last_saw_running_it_names_first():
    own = waits("n1", ("n1", "n3"))
    assert proof.absent(snapshot(own), own) == ("n3", "n2")
    assert proof.absent(snapshot(own), own._replace(running=None)) == ("n2", "n3")
    assert proof.absent(snapshot(own), own._replace(members=None)) == ()
    assert proof.absent(snapshot(waits("n2", ("n2",))), own) == ("n3",), "who asks is here, reported or not"


def test_nodes_have_the_names_that_pacemaker_has_for_them():
    own = waits("n1", members=("n1", "a.example", "b", "gone"))
    named = report("pcmk-a")._replace(name="rabbit@a.example")
    found = proof.absent(snapshot(own, named, nodes=frozenset(("n1", "pcmk-a", "b.example"))), own)
    assert found == ("pcmk-a", "b.example", "rabbit@gone")


@pytest.mark.parametrize("name, node", [
    ("rabbit@a", "a"), ("rabbit@a.example.org", "a"), ("rabbit@b", "b.example.org"),
    ("rabbit@b.example.com", "b.example.org"), ("rabbit@c", "rabbit@c"), ("rabbit@", "rabbit@"), ("rabbit", "rabbit"),
    ("rabbit@c@a", "rabbit@c@a"), ("rabbit@example.a", "rabbit@example.a")])
def test_the_node_of_an_erlang_name(name, node):
    """Of nodes whose names differ in the domain only, none is told from the other."""
    nodes = facts.Snapshot("a", frozenset(("a", "b.example.org")), {}, frozenset())
    assert proof.node_of(name, nodes) == node
