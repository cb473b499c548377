# SPDX-License-Identifier: Apache-2.0
"""What must hold of the election in every history of a cluster. See history.py for what can happen in one."""

import itertools

from hypothesis import HealthCheck, assume, given, settings, strategies as st
import pytest

from quorate.galera import facts
from quorate.galera.election.decide import decide, generation_start, joining_order
from quorate.galera.election.published import decode_report, encode_report
from quorate.galera.explain import screen
from quorate.galera.facts import BOOTSTRAP, DOWN, RECOVER, REFUSE, STARTING, UNKNOWN, WAIT
from tests.property.galera import history

HISTORIES = 12000   # with fixed seeds, beside those that hypothesis makes up

quickly = settings(max_examples=500, deadline=None, print_blob=True,
                   suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

_names = [name for name, weight in dict(
    history.STEPS, act_apart=3, act_and_fail=3, order_and_fail=1, undo=4, unmount=1, remount=1,
    full_var=1).items() for _ in range(weight)]
_number = st.integers(0, history.PARTS)
steps = st.lists(st.tuples(st.sampled_from(_names), _number, _number), max_size=45)


@st.composite
def worlds(draw):
    """A World that has lived through something."""
    arbitrator = draw(st.booleans())
    two_node = not arbitrator and draw(st.booleans())
    world = history.formed(draw(st.integers(2, 5)), arbitrator, two_node, draw(st.booleans()))
    world.fencing = draw(st.booleans())
    return world.play(draw(steps))


def seeded(count, first=0):
    """Worlds of fixed seeds, played. A Harm names its seed."""
    for seed in range(first, first + count):
        world, taken = history.random_history(seed)
        try:
            yield world.play(taken)
        except history.Harm as harm:
            raise AssertionError("history %d: %s: %s" % (seed, type(harm).__name__, harm)) from harm


@quickly
@given(worlds())
def test_no_acknowledged_commit_is_lost_and_no_cluster_is_split(world):
    """play() raises as soon as it happens."""
    assert world.decisions


def test_nor_in_many_more_histories():
    """The same with fixed seeds, so that a failure is found again. All kinds of decisions must have occurred."""
    seen = {decision.action for world in seeded(HISTORIES) for _, decision in world.decisions}
    assert seen == {facts.JOIN, RECOVER, BOOTSTRAP, WAIT, REFUSE}


@pytest.mark.parametrize("name, world, taken", history.scenarios(), ids=[one[0] for one in history.scenarios()])
def test_nor_in_those_that_chance_seldom_makes(name, world, taken):
    assert world.play(taken).decisions


@pytest.mark.parametrize("seed", [9006046, 9064048])
def test_nor_in_those_that_once_ended_in_harm(seed):
    """Killed before it was on record that they were synced after the last bootstrap, with the only copy of a commit."""
    assert list(seeded(1, seed))


@pytest.mark.parametrize("commits, bootstraps", [(0, "n2"), (1, "n1")])
def test_another_goes_first_only_where_the_last_to_stop_is_ahead_by_changes_of_the_view(commits, bootstraps):
    world, taken = history.last_to_stop_fails(commits)
    world.play(taken)
    after_the_failure = [decision for _, decision in world.decisions if decision.action == BOOTSTRAP][2]
    assert after_the_failure.nodes == (bootstraps,)
    assert ("changes of the view only" in after_the_failure.reason) == (not commits)


@quickly
@given(worlds())
def test_every_node_decides_alike_whatever_came_first(world):
    for snapshot, decision in world.decisions:
        backwards = dict(reversed(list(snapshot.reports.items())))
        for me in snapshot.configured:
            assert decide(snapshot._replace(me=me, reports=backwards)) == decision


@quickly
@given(worlds())
def test_at_most_one_bootstraps_and_only_one_that_is_down(world):
    for snapshot, decision in world.decisions:
        assert decision.confirmed and set(decision.nodes) <= set(snapshot.configured)
        if decision.action == BOOTSTRAP:
            before_listening = decide(snapshot._replace(listening=None))
            assert not before_listening.confirmed or snapshot.override.forced
            assert len(decision.nodes) == 1
            assert snapshot.reports[decision.nodes[0]].state == DOWN
            forced = snapshot.override is not None and snapshot.override.forced
            assert forced or not [one for one in snapshot.reports.values() if one.state in facts.IN_PRIMARY]


def less_known(snapshot):
    """The snapshot with one fact gone, in every way that is."""
    for node, report in snapshot.reports.items():
        others = {name: one for name, one in snapshot.reports.items() if name != node}
        # A port that answers is still found, whoever has not reported.
        alive = frozenset([node] if report.state != DOWN else [])
        yield snapshot._replace(reports=others, listening=snapshot.listening | alive)
        gone = snapshot._replace(reports=others, members=snapshot.members - {node})
        yield gone._replace(listening=snapshot.listening | alive)
        for change in [{"state": UNKNOWN}] + [{field: None} for field in (
                "uuid", "seqno", "clean", "safe", "data", "my_uuid", "generation", "settled", "recorded", "written")]:
            if "recorded" in change and report.state == STARTING:
                continue            # what a node was started with its agent knows
            yield snapshot._replace(reports=dict(others, **{node: report._replace(**change)}))
        yield snapshot._replace(reports=dict(others, **{node: report._replace(arbitrators=frozenset())}))
    yield snapshot._replace(generation=None)
    yield snapshot._replace(lost_confirmed=frozenset())
    yield snapshot._replace(listening=None)


def contradicted(snapshot):
    """Two reports that cannot both be true of one cluster: what removes one of them removes the contradiction."""
    return len([one for one in snapshot.reports.values() if one.safe and one.clean]) > 1


def check_caution(snapshot, decision):
    for less in less_known(snapshot):
        then = decide(less)
        if then.action != BOOTSTRAP or not then.confirmed:
            continue
        if decision.action == BOOTSTRAP:
            position = snapshot.reports[decision.nodes[0]].seqno
            assert then.nodes == decision.nodes or snapshot.reports[then.nodes[0]].seqno >= position, (snapshot, less)
        else:
            assert decision.action not in (WAIT, REFUSE), (decision, then, less)


@quickly
@given(worlds())
def test_less_knowledge_never_makes_it_bolder(world):
    for snapshot, decision in world.decisions[-3:]:
        if not contradicted(snapshot) and snapshot.override is None:
            check_caution(snapshot, decision)


def test_nor_in_many_more_histories_with_less_knowledge():
    for world in seeded(400, 50000):
        for snapshot, decision in world.decisions[-2:]:
            if not contradicted(snapshot) and snapshot.override is None:
                check_caution(snapshot, decision)


def all_down(world):
    """Everybody is back, no server runs, all have reported."""
    for number, node in enumerate(world.nodes):
        if node.state != DOWN:
            world._die(node, history.PARTS)
        node.on = node.here = True
        node.stale = False
        world.undo(number, 1)  # what is pending, before its agent reports
    world.view = None
    return world.snapshot()


@quickly
@given(worlds())
def test_all_have_reported_so_it_goes_on(world):
    """No configured node is missing, and none has lost its disk: whatever happened before, nobody waits. An operator is
    asked only after an override, or a server of unknown standing, has made two histories of one."""
    assume(all(node.unmounted is None and node.name_on_disk in (None, node.name_known) for node in world.nodes))
    decision = decide(all_down(world))
    assert decision.action in (BOOTSTRAP, RECOVER, REFUSE)
    if decision.action == REFUSE:
        assert world.generation > 1 and decision.urgent and decision.command


@quickly
@given(worlds())
def test_what_is_decided_can_be_explained_and_sent(world):
    for snapshot, decision in world.decisions:
        assert decision.reason.endswith(".") and "\n" not in decision.reason
        if decision.action == WAIT and decision.urgent:
            assert decision.command or not any(one.state == DOWN and one.data for one in snapshot.reports.values())
        lines = screen(snapshot, decision, 60)
        assert any(decision.reason in line for line in lines)
        assert set(joining_order(snapshot)) <= set(snapshot.configured)


# Reports that no real cluster would produce must still be survived.

_uuids = st.sampled_from([facts.ZERO_UUID, history.HISTORY, "0a000000-0000-11ee-8000-0242ac120002"])
_members = st.sampled_from(["%08x-0000-11ee-0000-0242ac120002" % number for number in range(1, 6)])
_views = st.none() | st.builds(facts.View, _members, st.integers(0, 9), st.frozensets(_members, min_size=1, max_size=4))
_flag = st.sampled_from([None, False, True])


def reports(node):
    return st.builds(
        facts.Report, st.just(node), st.sampled_from(sorted(facts.ALIVE | {UNKNOWN}) + [DOWN] * 9), st.none() | _uuids,
        st.none() | st.integers(-1, 5), st.sampled_from([None, facts.GRASTATE, facts.RECOVERED, facts.NONE]), _flag,
        _flag, _flag, st.none() | _members, _views, st.frozensets(_members, max_size=2), st.none() | st.integers(0, 3),
        st.none() | st.integers(0, 2 ** 31), _flag, st.booleans(), st.booleans(), _flag, _flag,
        st.none() | st.integers(-1, 5))


@st.composite
def snapshots(draw):
    names = ["n%d" % number for number in range(1, draw(st.integers(2, 5)))]
    found = {name: draw(reports(name)) for name in names + ["n9"] if draw(st.integers(0, 3))}
    override = st.none() | st.builds(facts.Override, st.sampled_from(names), st.just("op"), st.just(0), st.booleans())
    return facts.Snapshot(
        names[0], tuple(names), found, frozenset(name for name in names + ["n9"] if draw(st.integers(0, 5))),
        draw(st.none() | st.integers(0, 3)), {}, draw(st.booleans()), draw(st.frozensets(st.sampled_from(names))),
        draw(override), draw(st.none() | st.frozensets(st.sampled_from(names), max_size=1)))


@settings(quickly, max_examples=1500)
@given(snapshots())
def test_nonsense_is_survived(snapshot):
    decision = decide(snapshot)
    present = {name: one for name, one in snapshot.reports.items() if name in snapshot.members}
    assert decision.reason and screen(snapshot, decision, 0)
    assert set(decision.nodes) <= set(snapshot.configured)
    assert all(present[node].state == DOWN for node in decision.nodes)
    for me, shuffled in itertools.product(snapshot.configured[:2], (dict(reversed(list(snapshot.reports.items()))),)):
        assert decide(snapshot._replace(me=me, reports=shuffled)) == decision
    if decision.action == BOOTSTRAP:
        assert snapshot.generation is not None and len(decision.nodes) == 1
        forced = snapshot.override is not None and snapshot.override.forced
        assert not any(one.state in facts.IN_PRIMARY and (
            not forced or one.node in snapshot.listening or one.node not in snapshot.configured)
                       for one in present.values())
        assert decision.confirmed == (snapshot.listening is not None) or snapshot.override.forced
        assert generation_start(snapshot, decision.nodes[0])[0] == snapshot.generation + 1


@settings(quickly, max_examples=500)
@given(reports("n1"))
def test_a_report_arrives_as_it_was_sent(report):
    text = encode_report(report)
    assert decode_report("n1", text) == report
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:,-")


@settings(quickly, max_examples=500)
@given(reports("n1"), st.data())
def test_half_a_report_is_none(report, data):
    text = encode_report(report)
    assert decode_report("n1", text[:data.draw(st.integers(0, len(text) - 1))]) is None
