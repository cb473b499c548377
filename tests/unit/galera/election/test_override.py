# SPDX-License-Identifier: Apache-2.0
"""The operator's override: when it is carried out, what it is told otherwise. And the reasons of those that wait."""

import pytest

from quorate.galera import facts
from quorate.galera.election import proof
from quorate.galera.election.decide import decide, generation_start, keep_start, keeps_view, needs_full_transfer
from quorate.galera.election.reasons import names, positions
from quorate.galera.facts import BOOTSTRAP, RECOVER, REFUSE, WAIT, Override
from tests.unit.galera.election.reports import (
    LAST, OTHER, U, alive, crashed, empty, fresh, snapshot_of, stopped, view)


def ordered(*reports, node="n1", forced=False, **change):
    """The Decision with an order to bootstrap `node`."""
    return decide(snapshot_of(*reports, override=Override(node, "op", 0, forced), **change))


def test_an_order_names_who_gave_it_and_what_it_costs():
    decision = ordered(crashed("n1", 5), crashed("n2", 5))
    assert (BOOTSTRAP, ("n1",), True) == (decision.action, decision.nodes, decision.confirmed)
    assert "n1 bootstraps as ordered by op; transactions that only n3 may hold are discarded." == decision.reason


def test_an_order_is_carried_out_only_once_the_ports_were_tried_unless_it_is_forced():
    reports = crashed("n1", 5), crashed("n2", 5)
    assert False is ordered(*reports, listening=None).confirmed
    assert True is ordered(*reports, listening=None, forced=True).confirmed


@pytest.mark.parametrize("reports, change, obstacle", [
    ([crashed("n2", 5)], {}, "it is not in the cluster"),
    ([crashed("n2", 5)], {"members": frozenset(["n1", "n2"])}, "it has not reported"),
    ([crashed("n1", 5), crashed("n2", 5)], {"configured": ("n2", "n3")}, "wsrep_cluster_address does not name it"),
    ([alive("n1", facts.STARTING), crashed("n2", 5)], {}, "its mysqld is not proven to be down (starting)"),
    ([crashed("n1", None, data=None, uuid=None), crashed("n2", 5)], {}, "it is unknown whether it has data"),
    ([empty("n1"), crashed("n2", 5)], {}, "it has no data, and n2 may have some"),
    ([empty("n1"), crashed("n2", None, uuid=None, data=None)], {}, "it has no data, and n2 may have some"),
])
@pytest.mark.parametrize("forced", [False, True])
def test_what_not_even_force_overcomes(reports, change, obstacle, forced):
    decision = ordered(*reports, forced=forced, **change)
    assert decision.action in (WAIT, REFUSE)
    assert decision.reason.startswith("The order to bootstrap n1 cannot be carried out: %s. " % obstacle)


@pytest.mark.parametrize("reports, change, objection", [
    ([crashed("n1", 5), crashed("n2", 7)], {}, "n2 6b1f0c2e:7 has a higher position"),
    ([crashed("n1", 5), crashed("n2", 7), crashed("n3", 8, LAST._replace(seq=9))], {},
     "n2 6b1f0c2e:7, n3 6b1f0c2e:8 have a higher position"),
    ([crashed("n1", None), crashed("n2", 1)], {}, "n2 6b1f0c2e:1 has a higher position"),
    ([stopped("n1", 5, generation=0, my_uuid=None), crashed("n2", 5)], {},
     "n2 was recorded as synced since the last bootstrap, n1 was not"),
    ([crashed("n1", None)], {}, "its own position is unknown"),
    ([crashed("n1", 5), crashed("n2", 5, uuid=OTHER), crashed("n3", 5, uuid=OTHER)], {},
     "most nodes have another history (n2 a0000000:5, n3 a0000000:5)"),
    ([fresh("n1")], {"generation": 0}, "it has no position, so a new, empty cluster would be created"),
    ([empty("n1")], {"generation": 0}, "it has no position, so a new, empty cluster would be created"),
    ([crashed("n1", 5), alive("n2", facts.HUNG)], {}, "mysqld on n2 is alive (hung)"),
    ([crashed("n1", 5), crashed("n2", 5)], {"listening": frozenset(["n3"])},
     "the group communication port of n3 accepts connections"),
])
def test_what_only_force_overcomes(reports, change, objection):
    decision = ordered(*reports, **change)
    assert decision.nodes != ("n1",) and decision.urgent
    assert "quorate bootstrap n1 --force n1" == decision.command
    assert decision.reason.startswith("The order to bootstrap n1 is refused: %s" % objection), decision.reason

    forced = ordered(*reports, forced=True, **change)
    assert (BOOTSTRAP, ("n1",)) == (forced.action, forced.nodes) and objection in forced.reason


def test_a_new_cluster_can_be_ordered_where_nobody_has_data():
    assert (BOOTSTRAP, ("n1",)) == ordered(empty("n1"), empty("n2"), forced=True, generation=0)[:2]


def test_an_order_against_the_majority_history_only_when_it_is_one():
    """One stranger of two is no majority."""
    assert BOOTSTRAP == ordered(crashed("n1", 5), crashed("n2", 5, uuid=OTHER)).action


def test_the_port_of_the_node_that_is_named_is_no_objection():
    """That its server is down is proven by its processes."""
    assert BOOTSTRAP == ordered(crashed("n1", 5), crashed("n2", 5), listening=frozenset(["n1"])).action


# Reasons and commands of those that wait

def test_a_garbled_generation_says_where_to_look():
    decision = decide(snapshot_of(crashed("n1", 5), generation=None))
    assert WAIT == decision.action and "crm_mon -1" in decision.reason


def test_a_recovery_names_its_members():
    decision = decide(snapshot_of(*(crashed(name, 5) for name in ("n1", "n2", "n3"))))
    assert RECOVER == decision.action and "(n1, n2 and n3)" in decision.reason
    started = decide(snapshot_of(*(alive(name, facts.STARTING, uuid=U, settled=True) for name in ("n1", "n2", "n3"))))
    assert started.reason.startswith("All members of the last primary view are starting (n1, n2 and n3): ")


@pytest.mark.parametrize("change", [{}, {"members": frozenset(["n1", "n2", "n3"])}])
def test_a_port_that_answers_stops_a_bootstrap_and_names_the_command(change):
    two = view(8, "n1", "n2")
    decision = decide(snapshot_of(crashed("n1", 5, two, tried=True), crashed("n2", 5, two), listening=frozenset(["n3"]),
                                  **change))
    assert (WAIT, ("n3",), True, "quorate bootstrap n1 --force n1") == (
        decision.action, decision.missing, decision.urgent, decision.command)
    assert "although that node reports nothing." in decision.reason


def test_a_port_that_answers_although_the_node_says_it_is_down():
    decision = decide(snapshot_of(crashed("n1", 5, tried=True), crashed("n2", 5), crashed("n3", 4),
                                  listening=frozenset(["n3"])))
    assert "although that node reports that it is down." in decision.reason


def test_what_cannot_be_found_out_of_another_node_names_the_command():
    two = view(8, "n1", "n2")
    decision = decide(snapshot_of(crashed("n1", 5, two, tried=True), crashed("n2", 5, two),
                                  crashed("n3", 4, state=facts.UNKNOWN)))
    assert WAIT == decision.action and decision.urgent and decision.command == "quorate bootstrap n1"


def test_no_data_anywhere_is_no_new_cluster_where_there_was_one():
    for change in ({"generation": 2}, {}):
        reports = [empty(name, generation=1 if change == {} and name != "n3" else 0) for name in ("n1", "n2", "n3")]
        decision = decide(snapshot_of(*reports, **change))
        assert REFUSE == decision.action and "not mounted" in decision.reason


def test_data_that_is_gone_is_said_of_those_that_are_waited_for():
    gone = "Where data is gone, mount its file system"
    assert gone in decide(snapshot_of(crashed("n1", 5), empty("n2", generation=1))).reason
    assert gone not in decide(snapshot_of(crashed("n1", 5))).reason


def test_nobody_has_reported_a_position_yet():
    assert "no node has reported its position yet" in decide(snapshot_of(
        crashed("n1", None, uuid=None, data=None, view=None, my_uuid=None, recorded=False))).reason


def test_beside_one_that_votes_the_outdated_ones_are_not_the_reason():
    reports = stopped("n1", 5, generation=2), stopped("n2", 4)
    assert "it may hold commits that the nodes that reported lack" in decide(snapshot_of(*reports, generation=2)).reason


def test_a_member_whose_position_is_not_known_is_recognised_by_its_report():
    """Nobody remembers the names of the members."""
    decision = decide(snapshot_of(crashed("n1", 5), crashed("n2", 5), crashed("n3", None, uuid=None), names={}))
    assert (WAIT, ("n3",)) == (decision.action, decision.missing)
    assert "it was in the last primary view" in decision.reason


@pytest.mark.parametrize("n3, condition", [
    (alive("n3", facts.UNKNOWN), "(what its disk or its server says cannot be understood: see its log)"),
    (alive("n3", facts.HUNG), "(hung)"), (crashed("n3", None, uuid=None), "(down, its position is unknown)"),
    (None, "(not in the cluster)")])
def test_the_condition_of_a_node_that_is_waited_for_is_said(n3, condition):
    decision = decide(snapshot_of(crashed("n1", 5), crashed("n2", 5), *[n3] * bool(n3)))
    assert decision.reason.startswith("Waiting for n3 %s: " % condition)


def test_the_first_start_needs_all():
    reason = decide(snapshot_of(fresh("n1"), fresh("n2"), generation=0)).reason
    assert "no node that reported has data, and the first start needs all configured nodes" in reason


def test_those_of_an_older_generation_lack_what_was_committed_since():
    old = [stopped(name, 5, my_uuid=None) for name in ("n1", "n2")]
    assert "last synced before the last bootstrap (generation 2)" in decide(snapshot_of(*old, generation=2)).reason


@pytest.mark.parametrize("found, text", [
    ([], "nobody"), (["n1"], "n1"), (["n2", "n1"], "n1 and n2"), (["n3", "n1", "n2"], "n1, n2 and n3")])
def test_names_are_told_in_their_order(found, text):
    assert text == names(found)
    assert "n3, n1 and n2" == names(["n3", "n1", "n2"], ordered=False)


def test_positions_are_told_in_the_order_of_names():
    assert "n1 6b1f0c2e:5, n2 6b1f0c2e:7" == positions([crashed("n2", 7), crashed("n1", 5)])


# What is recorded of a bootstrap, and who keeps what

def test_a_generation_is_built_upon_the_one_that_votes():
    assert (2, U, 5, 1) == generation_start(snapshot_of(crashed("n1", 5)), "n1")
    assert (2, U, 5, 0) == generation_start(snapshot_of(stopped("n1", 5, generation=0, my_uuid=None)), "n1")
    # Killed before its own generation was on record: the view of another node says that it votes.
    assert (2, U, 5, 1) == generation_start(snapshot_of(crashed("n1", 5, generation=0), crashed("n2", 5)), "n1")


@pytest.mark.parametrize("known, kept", [(0, 1), (15, 16), (16, 16), (40, 16)])
def test_the_newest_generation_starts_are_kept_on_record(known, kept):
    starts = [(number, U, 5, number - 1) for number in range(known + 1)]
    assert starts[-kept:] == keep_start(starts[:-1], starts[-1])


@pytest.mark.parametrize("starts, full", [
    ([(2, U, 5)], False), ([(2, U, 5, 1)], False), ([(2, U, 5, 0)], True), ([(2, U, 4)], True), ([(2, OTHER, 9)], True),
    ([], True), ([(2, U, None)], True)])
def test_who_may_keep_his_position(starts, full):
    assert full == needs_full_transfer(crashed("n1", 5), starts, 2)


def test_a_node_without_a_report_or_a_view_keeps_none():
    decision = facts.Decision(RECOVER, ("n1",))
    assert not keeps_view(snapshot_of(), "n1", decision)
    assert not keeps_view(snapshot_of(stopped("n1", 5)), "n1", decision)
    assert not keeps_view(snapshot_of(crashed("n1", 5, generation=None)), "n1", decision)
    assert not keeps_view(snapshot_of(crashed("n1", 5)), "n1", facts.Decision(WAIT))


@pytest.mark.parametrize("report, complete", [
    (crashed("n1", 0), True), (crashed("n1", -1), False), (empty("n1"), True), (empty("n1", seqno=-2), True),
    (fresh("n1"), True), (crashed("n1", None), False), (alive("n1", facts.STARTING), False)])
def test_which_reports_are_complete(report, complete):
    assert complete == bool(proof.is_complete(report))


@pytest.mark.parametrize("later, older", [(8, True), (7, False), (6, False)])
def test_which_view_is_older(later, older):
    assert older == proof.is_older(LAST, view(later, "n1", "n2"))
    assert not proof.is_older(LAST, view(later, "n4", "n5")), "views of another chain are not compared"
