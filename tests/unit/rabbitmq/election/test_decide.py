# SPDX-License-Identifier: Apache-2.0
"""What a RabbitMQ node does, case by case."""

import pytest

from quorate.rabbitmq import facts
from quorate.rabbitmq.election.decide import decide, cluster_elsewhere, decide_waiting, stop_impact
from quorate.rabbitmq.explain import conclusion, screen
from quorate.rabbitmq.facts import DOWN, FORCE, FOUND, JOIN, REFUSE, RUNNING, START, STARTING, WAIT, WAITING

ALL = ("n1", "n2", "n3")


def erlang(*nodes):
    return frozenset("rabbit@" + node for node in nodes)


def report(node, state=DOWN, data=True, members=ALL, saw=ALL, launched=True, **more):
    known = {"members": erlang(*members), "running": erlang(*saw), "store": facts.MNESIA} if data else {}
    known.update(more)
    return facts.Report(node, state, data, "rabbit@" + node, generation=known.pop("generation", 0), launched=launched,
                        **known)


def snapshot(*reports, me=None, **more):
    found = {one.node: one for one in reports}
    given = dict(nodes=frozenset(ALL), reports=found, members=frozenset(found))
    given.update(more)
    return facts.Snapshot(me or reports[0].node, **given)


def empty(node, **more):
    return report(node, data=False, **more)


# -- the first cluster ever

def test_the_first_node_founds_when_all_report_that_they_have_no_data():
    seen = snapshot(empty("n1"), empty("n2"), empty("n3"))
    assert decide(seen).action == FOUND
    assert decide(seen._replace(me="n2")).action == WAIT
    assert decide(seen._replace(me="n2")).missing == ("n1",)


def test_the_first_one_that_was_started_founds():
    """n1 was reported by a probe, and may never be started there."""
    assert decide(snapshot(empty("n2"), empty("n1", launched=False), empty("n3"))).action == FOUND


def test_no_node_founds_while_one_is_silent():
    decision = decide(snapshot(empty("n1"), empty("n2")))
    assert (decision.action, decision.missing, decision.urgent) == (WAIT, ("n3",), True)
    assert decision.command == "quorate rabbitmq boot n1"


def test_no_node_founds_while_one_does_not_know():
    assert decide(snapshot(empty("n1"), empty("n2"), report("n3", data=None))).action == WAIT


def test_no_node_founds_an_empty_cluster_where_one_had_data():
    """All file systems unmounted, and the founder's claim of the first time still stands."""
    seen = snapshot(empty("n1"), empty("n2", lost=True), empty("n3"), founder="n1")
    for node in ALL:
        decision = decide(seen._replace(me=node))
        assert (decision.action, decision.urgent, decision.command) == (REFUSE, True, "quorate rabbitmq boot " + node)
        assert "n2 had some" in decision.reason and "mounted" in decision.reason
    assert decide(seen._replace(override=facts.Override("n1", "root", 1))).action == FOUND
    assert decide(seen._replace(reports=dict(seen.reports, n3=report("n3")))).action == WAIT, "it has them"


def test_the_claim_of_another_holds():
    seen = snapshot(empty("n1"), empty("n2"), empty("n3"), founder="n2")
    assert decide(seen).action == WAIT
    assert decide(seen._replace(me="n2")).action == FOUND


def test_founding_as_ordered():
    override = facts.Override("n1", "root", 1)
    assert decide(snapshot(empty("n1"), empty("n2"), override=override)).action == FOUND
    assert decide(snapshot(empty("n1"), report("n2"), override=override)).action == WAIT
    assert decide(snapshot(empty("n1"), report("n2"), override=override._replace(forced=True))).action == FOUND


# -- joining

def test_an_empty_disk_joins_the_cluster_that_runs():
    decision = decide(snapshot(empty("n3"), report("n1", RUNNING, members=("n1", "n2")),
                               report("n2", RUNNING, members=("n1", "n2"))))
    assert (decision.action, decision.peer, decision.forget) == (JOIN, "rabbit@n1", False)


def test_a_former_self_is_forgotten_first():
    assert decide(snapshot(empty("n3"), report("n1", RUNNING), report("n2", RUNNING))).forget


def test_an_unmounted_disk_does_not_make_the_cluster_forget_its_node():
    """data=False lost=True while others run: the classic queues at home there were deleted by our own command."""
    running = report("n1", RUNNING), report("n2", RUNNING)
    decision = decide(snapshot(empty("n3", lost=True), *running))
    assert (decision.action, decision.command, decision.urgent) == (REFUSE, "quorate rabbitmq replace n3", True)
    assert "mounted" in decision.reason
    replaced = decide(snapshot(empty("n3", lost=True), *running, override=facts.Override("n3", "root", 1, False, True)))
    assert (replaced.action, replaced.forget, replaced.gone) == (JOIN, True, ("rabbit@n3",))
    for other in (facts.Override("n2", "root", 1, False, True), facts.Override("n3", "root", 1, True)):
        assert decide(snapshot(empty("n3", lost=True), *running, override=other)).action == REFUSE
    unknown = report("n1", RUNNING)._replace(members=None)
    assert decide(snapshot(empty("n3", lost=True), unknown)).action == REFUSE
    strangers = report("n1", RUNNING, members=("n1", "n2"))
    assert decide(snapshot(empty("n3", lost=True), strangers)).gone == (), "there is nothing to forget"


def test_an_order_to_replace_a_node_boots_and_founds_nothing():
    override = facts.Override("n1", "root", 1, True, True)
    lost = [empty(node, lost=True) for node in ALL]
    assert decide(snapshot(*lost, override=override)).action == REFUSE
    assert decide(snapshot(report("n1"), override=override)).action == START
    assert decide_waiting(snapshot(waits("n1"), waits("n2"), override=override)).action == WAIT


@pytest.mark.parametrize("others", [(), (report("n2", RUNNING), report("n3", RUNNING)), (empty("n2"), empty("n3")),
                                    (report("n2"), report("n3"))], ids=["alone", "beside", "all empty", "all down"])
@pytest.mark.parametrize("forced", [False, True])
def test_data_under_another_name_are_nothing_to_start_beside(others, forced):
    """USE_LONGNAME, or the host's name changed: founded, or joined as a stranger, beside the data."""
    renamed = empty("n1", lost=True, other="/var/lib/rabbitmq/mnesia/rabbit@was", former="rabbit@was")
    for override in (None, facts.Override("n1", "root", 1, forced), facts.Override("n1", "root", 1, forced, True)):
        decision = decide(snapshot(renamed, *others, override=override))
        assert decision.action == REFUSE and "/var/lib/rabbitmq/mnesia/rabbit@was" in decision.reason


def test_others_found_nothing_while_a_renamed_node_has_data():
    renamed = empty("n2", lost=True, other="/data/rabbit@was")
    seen = snapshot(empty("n1"), renamed, empty("n3"))
    assert decide(seen).action == WAIT and decide(seen).missing == ("n2",)
    assert decide(seen._replace(override=facts.Override("n1", "root", 1))).action == WAIT
    assert decide(seen._replace(override=facts.Override("n1", "root", 1, True))).action == FOUND


def test_older_data_than_those_that_served_are_not_started_with():
    stale = report("n1", data=None, stale=True)
    assert decide(snapshot(stale)).action == REFUSE and "older" in decide(snapshot(stale)).reason
    assert decide(snapshot(empty("n2"), stale, empty("n3"))).action == WAIT
    pair = (waits("n1", ("n1", "n2")), waits("n2", ("n1", "n2")))
    assert decide_waiting(snapshot(*pair, report("n3", data=None, stale=True))).action == FORCE, "as if it were off"
    runs = report("n3", facts.UNKNOWN, data=None, stale=True)
    assert decide_waiting(snapshot(*pair, runs)).action == WAIT, "they cannot boot beside it"


def test_explain_tells_four_kinds_of_no_data():
    text = screen(snapshot(empty("n1"), empty("n2", lost=True), empty("n3", lost=True, other="/x/rabbit@was"),
                           report("n4", data=None, stale=True), report("n5", data=None)), 0)
    assert [line.split()[-6] for line in text[1:6]] == ["none", "lost", "renamed", "wrong", "?"]


def test_an_empty_disk_waits_for_those_that_have_data():
    decision = decide(snapshot(empty("n3"), report("n1", STARTING), report("n2")))
    assert decision.action == WAIT and set(decision.missing) == {"n1", "n2"}


def test_a_paused_cluster_is_not_joined():
    assert decide(snapshot(empty("n3"), report("n1", facts.PAUSED))).action == WAIT


def test_of_two_clusters_none_is_joined():
    assert decide(snapshot(empty("n3"), report("n1", RUNNING, members=("n1",)),
                           report("n2", RUNNING, members=("n2",)))).action == REFUSE


# -- with data

@pytest.mark.parametrize("others", [
    (), (report("n2"),), (empty("n2"),), (report("n2", data=None),), (report("n2", RUNNING),),
    (report("n2", WAITING),)])
def test_who_has_data_starts_with_them(others):
    assert decide(snapshot(report("n1"), *others)).action == START


@pytest.mark.parametrize("cut, action", [
    ((), START), (("n2",), START), (("n2", "n3"), WAIT)], ids=["reached", "one of two is reached", "cut off"])
def test_a_node_does_not_start_beside_a_cluster_that_it_cannot_reach(cut, action):
    seen = snapshot(report("n1"), report("n2", RUNNING), report("n3", RUNNING), unreachable=erlang(*cut))
    decision = decide(seen)
    assert decision.action == action
    assert action == START or decision.urgent and decision.missing == ("n2", "n3") and "25672" in decision.reason


def test_explain_of_a_node_that_cannot_connect():
    seen = snapshot(report("n1"), report("n2", RUNNING), report("n3", DOWN), unreachable=erlang("n2"))
    lines = screen(seen, 0)
    assert any(line.startswith("n1: wait (n2 runs, but n1 cannot connect") for line in lines), lines
    assert any(line.startswith("n3: start") for line in lines), "what n1 cannot reach says nothing of n3"


def test_the_status_of_another_node_is_shown_where_it_does_not_follow_from_the_reports():
    seen = snapshot(report("n1", RUNNING), report("n2"), report("n3"))
    follows = dict(conclusion(seen))["n2"].reason
    lines = screen(seen, 0,
                   {"n1": "running", "n2": follows, "n3": "n1 runs, but n3 cannot connect to the broker there."})
    assert [line.strip() for line in lines if "itself" in line] == [
        "n3 itself: n1 runs, but n3 cannot connect to the broker there."]


@pytest.mark.parametrize("states, who", [
    ((facts.PAUSED, RUNNING, RUNNING), {"n1": ("n2", "n3")}),
    ((facts.PAUSED, facts.PAUSED, facts.PAUSED), {}),
    ((facts.PAUSED, DOWN, STARTING), {}),
    ((facts.PARTITIONED, RUNNING, RUNNING), {"n1": ("n2", "n3")}),
    ((facts.PARTITIONED,) * 3, {"n2": ("n1",), "n3": ("n1", "n2")}),
    ((facts.PARTITIONED, facts.PAUSED, DOWN), {}),
])
def test_who_is_restarted_after_a_partition(states, who):
    seen = snapshot(*(report(node, state) for node, state in zip(ALL, states)))
    assert {node: cluster_elsewhere(seen._replace(me=node)) for node in ALL
            if cluster_elsewhere(seen._replace(me=node))} == who


def test_who_sees_another_is_not_partitioned_from_it():
    """Five nodes, three of them without power: the two that are left see each other, and both say that they are a
    minority. One was restarted every minute, for ever."""
    seen = snapshot(report("n1", facts.PARTITIONED), report("n2", facts.PARTITIONED), report("n3", DOWN))
    both = frozenset(("rabbit@n1", "rabbit@n2"))
    assert [cluster_elsewhere(seen._replace(me=node), both) for node in ("n1", "n2")] == [(), ()]
    assert cluster_elsewhere(seen._replace(me="n2"), frozenset(("rabbit@n2",))) == ("n1",)
    runs = snapshot(report("n1", RUNNING), report("n2", facts.PARTITIONED), report("n3", RUNNING))
    assert cluster_elsewhere(runs._replace(me="n2"), both) == ("n3",)


def test_who_was_forgotten_does_not_come_back_with_its_data():
    decision = decide(snapshot(report("n3"), report("n1", RUNNING, members=("n1", "n2"))))
    assert decision.action == REFUSE and decision.urgent and "Nothing is removed" in decision.reason
    assert decide(snapshot(report("n3"), report("n1", members=("n1", "n2")))).action == REFUSE


def test_who_forgot_another_starts():
    assert decide(snapshot(report("n1", members=("n1", "n2")), report("n3"))).action == START


def test_of_two_clusters_the_larger_one_starts():
    pair = (report("n1", members=("n1", "n2")), report("n2", members=("n1", "n2")), report("n3", members=("n3",)))
    assert [decide(snapshot(*pair, me=node)).action for node in ALL] == [START, START, REFUSE]
    assert decide(snapshot(report("n1", members=("n1",)), report("n3", members=("n3",)))).action == REFUSE


def test_beside_a_cluster_whose_members_are_not_known():
    """With Khepri they are in no file. RabbitMQ itself refuses a node that is no member."""
    unknown = report("n2", RUNNING)._replace(members=None)
    assert decide(snapshot(report("n1"), unknown)).action == START
    assert decide(snapshot(report("n1")._replace(members=None), unknown)).action == START
    assert decide(snapshot(report("n1", members=("n1",)), unknown)).action == WAIT
    decision = decide(snapshot(empty("n1"), unknown))
    assert (decision.action, decision.forget) == (JOIN, True)


def test_a_cookie_that_differs_is_named():
    seen = snapshot(report("n1", cookie="a"), report("n2", cookie="a"), report("n3", cookie="b"))
    assert decide(seen).action == START
    decision = decide(seen._replace(me="n3"))
    assert decision.action == REFUSE and "cookie" in decision.reason and "n1, n2" in decision.reason
    two = snapshot(report("n1", cookie="a"), report("n2", cookie="b"))
    assert [decide(two._replace(me=node)).action for node in ("n1", "n2")] == [START, REFUSE]


def test_one_erlang_name_for_two_nodes():
    assert decide(snapshot(report("n1"), report("n2")._replace(name="rabbit@n1"))).action == REFUSE


def test_what_is_not_known_of_oneself():
    assert decide(snapshot(report("n1", data=None))).action == WAIT
    assert decide(facts.Snapshot("n1", frozenset(ALL), {}, frozenset(ALL))).action == WAIT


# -- boots that wait

def waits(node, saw=ALL, **more):
    return report(node, WAITING, saw=saw, **more)


def test_it_says_for_whom_it_waits():
    decision = decide_waiting(snapshot(waits("n1"), waits("n2")))
    assert (decision.action, decision.missing, decision.urgent) == (WAIT, ("n3",), True)
    assert decision.command == "quorate rabbitmq boot n1"


def test_all_there_and_still_waiting_the_first_boots_alone():
    seen = snapshot(waits("n1"), waits("n2"), waits("n3"))
    assert [decide_waiting(seen._replace(me=node)).action for node in ALL] == [FORCE, WAIT, WAIT]


def test_who_saw_the_missing_one_stop_goes_on_without_it():
    """Experiments: one killed 12 s before the other two died together; RabbitMQ lets those two wait for each other."""
    seen = snapshot(waits("n1", ("n1", "n2")), waits("n2", ("n1", "n2")))
    assert [decide_waiting(seen._replace(me=node)).action for node in ("n1", "n2")] == [FORCE, WAIT]


def test_not_while_one_of_them_saw_the_missing_one_to_the_end():
    assert decide_waiting(snapshot(waits("n1", ("n1", "n2")), waits("n2"))).action == WAIT


def test_a_minority_proves_nothing():
    assert decide_waiting(snapshot(waits("n1", ("n1",)))).action == WAIT


def test_the_last_one_boots_first():
    seen = snapshot(waits("n1", ALL), waits("n2", ("n2", "n3")), waits("n3", ("n3",)))
    assert [decide_waiting(seen._replace(me=node)).action for node in ALL] == [WAIT, WAIT, FORCE]


def test_two_that_saw_each_other_stop_were_partitioned():
    assert decide_waiting(snapshot(waits("n1", ("n1",)), waits("n2", ("n2",)))).action == WAIT


def test_what_was_seen_before_a_forced_boot_proves_nothing():
    pair = (waits("n1", ("n1", "n2")), waits("n2", ("n1", "n2")))
    assert decide_waiting(snapshot(*pair, generation=1)).action == WAIT
    assert decide_waiting(snapshot(*pair, generation=None)).action == WAIT


def test_all_of_the_current_generation_are_proof_without_a_majority():
    """What the others have was given up by the forced boot."""
    alone = (waits("n1", ("n1",), generation=2), waits("n2", generation=1))
    assert decide_waiting(snapshot(*alone, generation=2, generations={"n1": 2, "n2": 1})).action == FORCE
    assert decide_waiting(snapshot(*alone, generation=2, generations={"n1": 2, "n2": 1, "n3": 2})).action == WAIT
    assert decide_waiting(snapshot(waits("n1", ("n1", "n3"), generation=2), generation=2,
                                   generations={"n1": 2})).action == WAIT


def test_nothing_is_forced_while_a_node_of_the_cluster_is_silent():
    """It is up, so its broker may be."""
    pair = (waits("n1", ("n1", "n2")), waits("n2", ("n1", "n2")))
    assert decide_waiting(snapshot(*pair, members=frozenset(ALL))).action == WAIT
    assert decide_waiting(snapshot(*pair, report("n3", facts.UNKNOWN))).action == WAIT


def test_with_khepri_nothing_is_forced():
    pair = [waits(node, ("n1", "n2"), store=facts.KHEPRI) for node in ("n1", "n2")]
    decision = decide_waiting(snapshot(*pair))
    assert decision.action == WAIT and decision.command is None
    assert decide_waiting(snapshot(*pair, override=facts.Override("n1", "root", 1))).action == REFUSE


def test_nothing_is_forced_beside_a_cluster_that_runs():
    seen = snapshot(waits("n1", ("n1", "n2")), waits("n2", ("n1", "n2")), report("n3", RUNNING))
    assert [decide_waiting(seen._replace(me=node)).action for node in ("n1", "n2")] == [WAIT, WAIT]


def test_an_override_is_refused_when_another_node_stopped_later():
    override = facts.Override("n1", "root", 1)
    seen = snapshot(waits("n1"), waits("n2", ("n2", "n3")), override=override)
    assert decide_waiting(seen).action == REFUSE
    shown = decide_waiting(seen._replace(override=None)).command
    assert shown == "quorate rabbitmq boot n2", "the command that is shown is one that is obeyed"
    assert decide_waiting(seen._replace(override=override._replace(forced=True))).action == FORCE
    assert decide_waiting(seen._replace(me="n2", override=override._replace(node="n2"))).action == FORCE


def test_an_override_for_a_node_that_runs_no_broker():
    override = facts.Override("n1", "root", 1)
    assert decide(snapshot(report("n1"), override=override)).action == FORCE
    refused = decide(snapshot(report("n1"), report("n2", saw=("n2", "n3")), override=override))
    assert refused.action == REFUSE and refused.command == "quorate rabbitmq boot n2"


# -- stopping

def test_who_may_stop():
    run = [report(node, RUNNING) for node in ALL]
    assert stop_impact(snapshot(*run)) == (False, False)
    assert stop_impact(snapshot(run[0], run[1], report("n3", DOWN))) == (True, False)
    assert stop_impact(snapshot(run[0], report("n2", facts.STOPPING), report("n3", facts.STOPPING))) == (True, True)


def test_explain_names_the_awaited_nodes():
    text = "\n".join(screen(snapshot(waits("n1"), waits("n2")), 10))
    assert "n1: wait (Waits for n3" in text and "to go on: quorate rabbitmq boot n1" in text
    assert "n3    no      no report" in text


def test_explain_of_a_cluster_that_runs_short():
    text = "\n".join(screen(snapshot(report("n1", RUNNING), report("n2", RUNNING), report("n3", launched=False)), 10))
    assert "running: 2 of 3 members; away: n3" in text and "quorum-critical: n1, n2" in text


def test_the_command_that_is_shown_is_one_that_is_obeyed():
    """Seen in the lab: the node that showed it was refused, because another one had stopped later."""
    for saws in ((ALL, ("n2", "n3")), (("n1", "n3"), ALL), (ALL, ALL)):
        seen = snapshot(waits("n1", saws[0]), waits("n2", saws[1]))
        for me in ("n1", "n2"):
            node = decide_waiting(seen._replace(me=me)).command.split()[-1]
            override = facts.Override(node, "root", 1)
            assert decide_waiting(seen._replace(me=node, override=override)).action == FORCE
