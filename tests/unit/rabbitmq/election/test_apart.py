# SPDX-License-Identifier: Apache-2.0
"""Which running broker is not the cluster, by the reports of all nodes."""

import pytest

from quorate.rabbitmq.election import apart
from quorate.rabbitmq.facts import DOWN, PARTITIONED, PAUSED, RUNNING, STARTING
from tests.unit.rabbitmq.election.test_decide import erlang, report


def reports(*several):
    return {one.node: one for one in several}


OWN = report("n1", RUNNING)
#: Reports of n2 that say nothing about n1: they are stale, or their name or members are unknown.
SAY_NOTHING = [report("n2", RUNNING, stale=True), report("n2", RUNNING)._replace(name=None),
               report("n2", RUNNING)._replace(members=None)]


@pytest.mark.parametrize("other, inside", [
    (report("n2", RUNNING), True), (report("n2", PAUSED), True), (report("n2", DOWN), False),
    (report("n2", STARTING), False), (report("n2", RUNNING, members=("n2", "n3")), False),
    (report("n2", RUNNING, saw=("n2", "n3")), False), (report("n2", RUNNING)._replace(running=None), True),
    *((one, False) for one in SAY_NOTHING)])
def test_who_is_seen_running_by_another_is_of_the_cluster(other, inside):
    assert apart.is_in(OWN, reports(OWN, other)) is inside
    assert apart.is_in(OWN, reports(OWN, report("n3", DOWN), other)) is inside


def test_who_does_not_count_the_other_is_not_of_its_cluster():
    other = report("n2", RUNNING)
    assert not apart.is_in(OWN._replace(members=erlang("n1", "n3")), reports(OWN, other))
    assert not apart.is_in(OWN._replace(members=None), reports(OWN, other))
    assert not apart.is_in(OWN, reports(OWN)), "one's own report proves nothing"


@pytest.mark.parametrize("other, counts", [
    (report("n2", RUNNING), True), (report("n2", DOWN), True), (report("n2", DOWN, members=("n2",)), False),
    (report("n2", DOWN, data=False, members=("n1", "n2"))._replace(members=erlang("n1", "n2")), False),
    *((one, False) for one in SAY_NOTHING)])
def test_whose_data_count_on_this_node(other, counts):
    assert apart.counted_on_by(OWN, reports(OWN, other)) == (("n2",) if counts else ())
    assert apart.counted_on_by(OWN, reports(other, OWN, report("n3"))) == (("n2", "n3") if counts else ("n3",))


ALONE = report("n1", members=("n1",))


@pytest.mark.parametrize("other, beside", [
    (report("n2", RUNNING), True), (report("n2", PARTITIONED), True), (report("n2", DOWN), False),
    (report("n2", RUNNING, members=("n2", "n3")), False), *((one, False) for one in SAY_NOTHING)])
def test_data_that_were_founded_beside_the_cluster(other, beside):
    assert apart.founded_beside(ALONE, reports(ALONE, other)) == ([other] if beside else [])
    assert apart.founded_beside(ALONE._replace(members=None), reports(ALONE, other)) == []
    assert apart.founded_beside(OWN, reports(OWN, other)) == [], "it knows one that runs"


def test_who_knows_one_of_several_was_not_founded_beside_them():
    own = report("n1", members=("n1", "n3"))
    assert apart.founded_beside(own, reports(own, report("n2", RUNNING), report("n3", RUNNING))) == []
    assert apart.founded_beside(own, reports(own, report("n2", RUNNING), report("n3", DOWN))) == [report("n2", RUNNING)]
    stranger = report("n2", RUNNING, members=("n2",))
    assert apart.founded_beside(ALONE, reports(ALONE, stranger, report("n3", RUNNING))) == [report("n3", RUNNING)]


@pytest.mark.parametrize("other, strange", [
    (report("n2", RUNNING), False), (report("n2", RUNNING, members=("n2",)), True),
    (report("n2", PAUSED, members=("n2",)), True), (report("n2", DOWN, members=("n2",)), False),
    (report("n4", RUNNING), True), *((one._replace(name=None if one.name is None else "rabbit@n4"), False)
                                     for one in SAY_NOTHING)])
def test_who_runs_in_another_cluster(other, strange):
    assert apart.strangers(OWN, reports(OWN, other)) == ((other.node,) if strange else ())
    assert apart.strangers(OWN._replace(members=None), reports(OWN, other)) == ()


@pytest.mark.parametrize("other, unseen", [
    (report("n2", RUNNING, saw=("n2", "n3")), True), (report("n2", RUNNING), False),
    (report("n2", PARTITIONED, saw=("n2", "n3")), False),
    (report("n2", RUNNING, saw=("n2", "n3"), members=("n2", "n3")), False),
    (report("n2", RUNNING)._replace(running=None), False),
    *((one._replace(running=erlang("n2")), False) for one in SAY_NOTHING)])
def test_two_that_do_not_see_each_other_and_both_run(other, unseen):
    """cluster_partition_handling=ignore, or two halves."""
    own = OWN._replace(running=erlang("n1"))
    assert apart.unseen(own, reports(own, other)) == (("n2",) if unseen else ())
    assert apart.unseen(OWN, reports(OWN, other)) == (), "it sees the other one"
    assert apart.unseen(own._replace(running=None), reports(own, other)) == ()
    assert apart.unseen(own._replace(members=None), reports(own, other)) == ()
