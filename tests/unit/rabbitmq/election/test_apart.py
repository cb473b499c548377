# SPDX-License-Identifier: Apache-2.0
"""Which running broker is not the cluster, case by case; each case also with reports that say too little."""

import pytest

from quorate.rabbitmq import facts
from quorate.rabbitmq.election import apart
from quorate.rabbitmq.election.decide import decide, decide_waiting
from quorate.rabbitmq.facts import DOWN, JOIN, REFUSE, RUNNING, START, UNKNOWN, WAIT
from tests.unit.rabbitmq.election.test_decide import empty, report, snapshot

ALONE = dict(members=("n3",), saw=("n3",))
PAIR = ("n1", "n2")


def of(*reports):
    return {one.node: one for one in reports}


def outcome(own, *others):
    known = of(own, *others)
    return {name: getattr(apart, name)(own, known) for name in (
        "is_in", "counted_on_by", "founded_beside", "strangers", "left_behind", "unseen")}


def test_one_that_was_founded_beside_the_cluster_that_counts_on_it():
    own = report("n3", RUNNING, **ALONE)
    others = report("n1", RUNNING, saw=PAIR), report("n2", RUNNING, saw=PAIR)
    assert outcome(own, *others) == {"is_in": False, "counted_on_by": PAIR, "founded_beside": list(others),
                                     "strangers": PAIR, "left_behind": PAIR, "unseen": ()}


def test_a_member_among_members():
    own, others = report("n3", RUNNING), (report("n1", RUNNING), report("n2", DOWN))
    assert outcome(own, *others) == {"is_in": True, "counted_on_by": PAIR, "founded_beside": [], "strangers": (),
                                     "left_behind": (), "unseen": ()}


def test_a_member_that_others_do_not_see_running_is_not_seen_to_be_in():
    """A disk was mounted over the directory of a broker that was founded below: the files say that it is a member."""
    own = report("n3", RUNNING)
    assert not apart.is_in(own, of(own, report("n1", RUNNING, saw=PAIR)))
    assert apart.is_in(own, of(own, report("n1", RUNNING)._replace(running=None))), "Khepri: there is nothing else"
    assert not apart.is_in(own, of(own, report("n1", DOWN)))


@pytest.mark.parametrize("own, other, found", [
    (dict(**ALONE), dict(state=DOWN), False),
    (dict(members=("n3", "n2")), dict(members=("n1", "n3")), True),
    (dict(**ALONE), dict(members=PAIR), False),
], ids=["none of them runs", "it knows another one, which is away", "nobody counts on it"])
def test_what_is_founded_beside(own, other, found):
    mine = report("n3", RUNNING, **own)
    known = of(mine, report("n1", other.pop("state", RUNNING), **other))
    assert bool(apart.founded_beside(mine, known)) is found


def test_who_knows_a_member_that_runs_was_not_founded_beside():
    """Two have been replaced by another one while it was away."""
    own = report("n3", RUNNING)
    known = of(own, report("n1", RUNNING), report("n4", RUNNING, members=("n1", "n3", "n4")))
    assert apart.founded_beside(own, known) == [] and apart.strangers(own, known) == ("n4",)


def test_two_halves_that_do_not_see_each_other():
    one, other = (report(name, RUNNING, members=PAIR, saw=(name,)) for name in PAIR)
    assert apart.unseen(one, of(one, other)) == ("n2",) and apart.unseen(other, of(one, other)) == ("n1",)
    lags = other._replace(running=one.members)
    assert apart.unseen(one, of(one, lags)) == (), "its report is older"
    assert apart.unseen(one, of(one, other._replace(state=facts.PARTITIONED))) == (), "it says so itself"
    for less in (one._replace(running=None), one._replace(members=None)):
        assert apart.unseen(less, of(less, other)) == ()
    assert apart.unseen(one, of(one, other._replace(running=None))) == ()


def test_what_is_unknown_or_not_its_own_shows_nothing():
    own = report("n3", RUNNING)._replace(members=None)
    nothing = {"is_in": False, "founded_beside": [], "strangers": (), "left_behind": (), "unseen": ()}
    found = outcome(own, report("n1", RUNNING))
    assert {name: found[name] for name in nothing} == nothing
    stale = report("n1", RUNNING, members=PAIR)._replace(stale=True)
    found = outcome(report("n3", RUNNING, **ALONE), stale, report("n2", RUNNING)._replace(members=None))
    assert found == dict(nothing, counted_on_by=())


# -- what other nodes do beside one

def wrong(node, state=UNKNOWN):
    return report(node, state, data=None, stale=True)


def test_nobody_joins_it_or_waits_for_it():
    assert decide(snapshot(empty("n1"), wrong("n3"), report("n2"))).action == WAIT
    joins = decide(snapshot(empty("n1"), wrong("n3"), report("n2", RUNNING)))
    assert (joins.action, joins.peer) == (JOIN, "rabbit@n2")
    assert decide(snapshot(report("n1"), wrong("n3", RUNNING), report("n2", RUNNING))).action == START


def test_who_would_boot_beside_it_waits_until_it_is_stopped():
    found = decide(snapshot(report("n1"), wrong("n3"), report("n2")))
    assert (found.action, found.missing, found.urgent) == (WAIT, ("n3",), True) and "systemctl" in found.reason
    assert decide(snapshot(report("n1"), wrong("n3", DOWN), report("n2"))).action == START
    assert decide(snapshot(report("n1", members=PAIR), wrong("n3"), report("n2"))).action == START, "no member"


def test_a_boot_that_waits_names_the_node_whose_broker_is_another_one():
    waits = report("n1", facts.WAITING, saw=("n1", "n3"))
    assert decide_waiting(snapshot(waits, wrong("n3"), report("n2", facts.WAITING))).missing == ("n3",)
    assert decide_waiting(snapshot(waits, wrong("n3", RUNNING), report("n2", facts.WAITING))).missing == ("n3",)


def test_data_that_know_nobody_of_the_running_cluster_are_not_started():
    found = decide(snapshot(report("n3", **ALONE), report("n1", RUNNING), report("n2", RUNNING)))
    assert found.action == REFUSE and found.command == "mv DATADIR/rabbit@n3 DATADIR/rabbit@n3.old"
    assert decide(snapshot(report("n3"), report("n1", RUNNING))).action == START


@pytest.mark.parametrize("theirs, command", [(("n3",), False), (("n2", "n3"), True)], ids=["one of three", "two"])
def test_only_where_most_of_its_cluster_forgot_it_a_node_is_told_to_move_its_data_away(theirs, command):
    found = decide(snapshot(report("n1"), report("n3", RUNNING, members=theirs)))
    assert found.action == REFUSE and (found.command is not None) is command
    assert "does not know it" in found.reason and "joins as a new member" in found.reason
    assert ("runs without its own disk" in found.reason) is not command
