# SPDX-License-Identifier: Apache-2.0
"""The election, case by case: one test a situation that operators know."""

import pytest

from quorate.galera.election.decide import decide, generation_start, joining_order, keeps_view, needs_full_transfer
from quorate.galera.explain import screen
from quorate.galera.facts import (
    BOOTSTRAP, DONOR, HUNG, JOIN, JOINED, NONPRIMARY, RECEIVING, RECOVER, REFUSE, STARTING, SYNCED, UNKNOWN, WAIT,
    Override, View)
from tests.unit.galera.election.reports import (
    ALL, LAST, OTHER, U, alive, crashed, empty, fresh, snapshot_of, stopped, view)


def test_a_node_whose_data_are_not_mounted_is_waited_for_also_before_the_first_bootstrap_of_ours():
    """A cluster that was moved over while it ran has no generation yet. n1 could alone hold the last commits."""
    gone = empty("n1", my_uuid="m1", view=LAST)
    others = [crashed("n2", 5, generation=0, settled=None), crashed("n3", 5, generation=0, settled=None)]

    decision = decide(snapshot_of(gone, *others, generation=0))

    assert (WAIT, ("n1",)) == (decision.action, decision.missing)
    assert "its data is gone" in decision.reason and "quorate bootstrap n2" == decision.command
    assert BOOTSTRAP == decide(snapshot_of(gone._replace(safe=False), *others,
                                           generation=0)).action  # a broken state transfer
    assert BOOTSTRAP == decide(snapshot_of(empty("n1"), *others,
                                           generation=0)).action                # it never was there


def test_a_cluster_of_which_no_data_are_mounted_is_not_started_empty():
    nodes = [empty(node, my_uuid="m" + node[1:], view=LAST) for node in ALL]

    assert REFUSE == decide(snapshot_of(*nodes, generation=0)).action
    assert BOOTSTRAP == decide(snapshot_of(*map(empty, ALL), generation=0)).action


def outcome(*reports, **change):
    decision = decide(snapshot_of(*reports, **change))
    return decision.action, decision.nodes


# A primary component lives

def test_everybody_joins_a_running_cluster_and_nobody_bootstraps_beside_it():
    best = stopped("n3", 900, safe=True)
    assert outcome(alive("n1", SYNCED), crashed("n2", 5), best) == (JOIN, ("n2", "n3"))


def test_joiners_go_one_after_the_other():
    assert outcome(alive("n1", SYNCED), alive("n2", RECEIVING), crashed("n3", 5)) == (JOIN, ())
    assert outcome(alive("n1", SYNCED), alive("n2", JOINED), crashed("n3", 5)) == (JOIN, ("n3",))


def test_only_a_member_that_has_reported_joins():
    serving, down = alive("n1", SYNCED), crashed("n2", 5)
    assert (JOIN, ("n2",)) == outcome(serving, down, members=frozenset(ALL))
    assert (JOIN, ()) == outcome(serving, down, members=frozenset(["n1", "n3"]))


def test_one_that_only_starts_holds_nobody_back():
    assert outcome(alive("n1", SYNCED), alive("n2", STARTING), crashed("n3", 5)) == (JOIN, ("n3",))
    assert joining_order(snapshot_of(alive("n2", STARTING), crashed("n3", 5), crashed("n1", 5))) == ("n1", "n3")


def test_one_that_may_die_while_it_joins_does_not_join_a_single_member_before_the_others():
    """It took the quorum of two with it each time: n1's files belonged to root, and n2 was not up after 150 s."""
    failed, alone = crashed("n1", 5, failed=True), alive("n3", SYNCED)

    assert (JOIN, ("n2",)) == outcome(failed, crashed("n2", 5, failed=False), alone)
    assert (JOIN, ()) == outcome(failed, alive("n2", STARTING, failed=False), alone)
    assert (JOIN, ("n1",)) == outcome(failed, alive("n2", SYNCED), alone)
    assert (JOIN, ("n1", "n2")) == outcome(failed, crashed("n2", 5, failed=True), alone)
    assert (JOIN, ("n1",)) == outcome(failed, alone)  # nobody else is there
    assert ("n2", "n1") == joining_order(snapshot_of(failed, crashed("n2", 5), alive("n3", SYNCED), alive("n4", SYNCED),
                                                     configured=ALL + ("n4",)))


def test_two_running_clusters_are_for_the_operator():
    decision = decide(snapshot_of(alive("n1", SYNCED, uuid=U), alive("n2", SYNCED, uuid=OTHER), crashed("n3", 5)))
    assert decision.action == REFUSE and decision.urgent and "different histories" in decision.reason


def test_an_order_does_not_go_beside_a_running_cluster():
    forced = Override("n2", "root", 1, True)
    assert outcome(alive("n1", SYNCED), crashed("n2", 5), override=forced,
                   listening=frozenset(["n1"])) == (JOIN, ("n2",))


def test_joining_tells_whose_data_it_replaces():
    decision = decide(snapshot_of(alive("n1", SYNCED, uuid=U), stopped("n2", 5, uuid=OTHER)))
    assert "replaces the data of n2" in decision.reason


@pytest.mark.parametrize("reports, reason", [
    ([alive("n2", SYNCED), alive("n1", DONOR), alive("n3", JOINED)], "A primary component is running (n1, n2 and n3)."),
    ([alive("n1", SYNCED), alive("n2", RECEIVING), crashed("n3", 5)],
     "A primary component is running (n1); the others join after the state transfer to n2."),
    ([alive("n1", SYNCED, uuid=U), stopped("n2", 5), fresh("n3")],
     "A primary component is running (n1), n2 and n3 join it."),
    ([alive("n1", SYNCED, uuid=U), alive("n2", SYNCED), stopped("n3", 5, uuid=OTHER)],
     "A primary component is running (n1 and n2), n3 joins it; joining replaces the data of n3, which belongs to another "
     "history."),
    ([alive("n1", SYNCED, uuid=U), stopped("n2", 5, uuid=OTHER), stopped("n3", 5, uuid=OTHER)],
     "A primary component is running (n1), n2 and n3 join it; joining replaces the data of n2 and n3, which belong to "
     "another history."),
    ([alive("n1", SYNCED), stopped("n2", 5, uuid=OTHER)], "A primary component is running (n1), n2 joins it."),
])
def test_what_is_said_of_a_running_cluster(reports, reason):
    assert reason == decide(snapshot_of(*reports)).reason


# All have crashed

def test_all_members_of_the_last_view_recover_together():
    assert outcome(crashed("n1", 5), crashed("n2", 9), crashed("n3", 7)) == (RECOVER, ALL)


def test_one_evicted_before_may_stay_off():
    last = view(8, "n1", "n2")
    assert outcome(crashed("n1", 5, last), crashed("n2", 9, last)) == (RECOVER, ("n1", "n2"))


def test_one_that_was_in_the_last_view_is_waited_for():
    decision = decide(snapshot_of(crashed("n1", 5), crashed("n2", 9)))
    assert (decision.action, decision.missing, decision.urgent) == (WAIT, ("n3",), True)
    assert decision.command == "quorate bootstrap n2"
    assert decision.reason == ("Waiting for n3 (not in the cluster): it was in the last primary view and may alone "
                               "hold acknowledged commits.")


def test_one_whose_machine_is_up_is_waited_for_without_alarm():
    snapshot = snapshot_of(crashed("n1", 5), crashed("n2", 9), members=frozenset(ALL))
    decision = decide(snapshot)
    assert (decision.action, decision.missing, decision.urgent) == (WAIT, ("n3",), False)
    assert "has not reported yet" in decision.reason


def test_one_whose_position_cannot_be_read_is_for_the_operator():
    decision = decide(snapshot_of(crashed("n1", 5), crashed("n2", 9), crashed("n3", None, uuid=None, data=None)))
    assert (decision.action, decision.missing, decision.urgent) == (WAIT, ("n3",), True)
    assert "its position is unknown" in decision.reason


def test_an_eviction_counts_only_once_what_came_before_it_is_on_disk():
    last = view(8, "n1", "n2")
    decision = decide(snapshot_of(crashed("n1", 5, last, settled=False), crashed("n2", 9, last, settled=None)))
    assert (decision.action, decision.missing) == (WAIT, ("n3",))


def test_the_evicted_one_bootstraps_when_it_has_more_on_disk():
    last = view(8, "n1", "n2")
    unsettled = [crashed("n1", 5, last, settled=False), crashed("n2", 9, last, settled=False)]
    assert outcome(*unsettled, crashed("n3", 12)) == (BOOTSTRAP, ("n3",))


def test_a_failed_recovery_gives_way_to_the_election():
    assert outcome(crashed("n1", 5, tried=True), crashed("n2", 9, tried=True), crashed("n3", 7)) == (BOOTSTRAP, ("n2",))


def test_an_arbitrator_is_not_waited_for_when_it_is_known():
    last = View("m1", 8, frozenset(("m1", "m2", "garbd")))
    reports = [crashed("n1", 5, last), crashed("n2", 9, last)]
    assert outcome(*reports)[0] == WAIT
    known = [report._replace(arbitrators=frozenset(["garbd"])) for report in reports]
    assert outcome(*known) == (BOOTSTRAP, ("n2",))


def test_one_that_died_before_it_wrote_the_last_view_does_not_keep_it_open():
    last = view(8, "n1", "n2")
    assert outcome(crashed("n1", 5, last), crashed("n2", 9)) == (BOOTSTRAP, ("n2",))


def test_a_member_that_left_cleanly_may_have_gone_on_with_others():
    last = view(8, "n1", "n2")
    later = stopped("n2", 9)
    assert outcome(crashed("n1", 5, last), later)[0] == WAIT
    remembered = later._replace(my_uuid="m2", view=last)     # half of a view of two cannot have gone on
    assert outcome(crashed("n1", 5, last), remembered) == (BOOTSTRAP, ("n2",))


def test_one_left_without_a_quorum_takes_part_in_the_recovery_of_its_view():
    survivor, starting = alive("n1", NONPRIMARY), alive("n2", STARTING, uuid=U, settled=True)
    assert outcome(survivor, starting, crashed("n3", 7)) == (RECOVER, ("n3",))
    assert outcome(survivor, crashed("n2", 9), crashed("n3", 7)) == (RECOVER, ("n2", "n3"))
    assert outcome(survivor, crashed("n2", 9))[0] == WAIT


def test_the_rest_of_the_last_view_is_started_when_some_already_wait_for_it():
    waiting = alive("n1", STARTING, uuid=U, settled=True)
    assert outcome(waiting, crashed("n2", 9), crashed("n3", 7)) == (RECOVER, ("n2", "n3"))
    all_started = [alive(node, STARTING, uuid=U) for node in ALL]
    assert outcome(*all_started) == (RECOVER, ())


def test_nobody_bootstraps_beside_a_server_that_may_become_primary():
    last = view(8, "n1", "n2")
    reports = [crashed("n1", 5, last, tried=True), crashed("n2", 9, last)]
    for state in (HUNG, NONPRIMARY, RECEIVING):
        assert outcome(*reports, alive("n3", state, None))[0] == WAIT
        assert outcome(*reports, alive("n3", state, view(3, "n3")))[0] == WAIT
        assert outcome(*reports, alive("n3", state, LAST)) == (BOOTSTRAP, ("n2",))     # 1 of 3, the others are down
    hung = decide(snapshot_of(*reports, alive("n3", HUNG, None)))
    assert (("n3",), False, "n2 could bootstrap, but mysqld on n3 is alive (hung) and may still form a primary component."
            ) == (hung.missing, hung.urgent, hung.reason)
    decision = decide(snapshot_of(*reports, alive("n3", UNKNOWN)))
    assert (WAIT, ("n3",), True) == (decision.action, decision.missing, decision.urgent), "nothing ends it by itself"
    assert "of n3 holds cannot be found out" in decision.reason and "alive" not in decision.reason
    assert outcome(*reports, alive("n3", STARTING, None)) == (BOOTSTRAP, ("n2",))


# Clean stops

def test_the_last_to_leave_goes_on_alone():
    assert outcome(stopped("n2", 50, safe=True)) == (BOOTSTRAP, ("n2",))
    assert outcome(stopped("n2", 50, safe=True), stopped("n1", 40)) == (BOOTSTRAP, ("n2",))


@pytest.mark.parametrize("change", [{"clean": False}, {"generation": 0}, {"safe": None}])
def test_a_safe_flag_alone_proves_nothing(change):
    assert outcome(stopped("n2", 50, safe=True)._replace(**change))[0] == WAIT


def test_a_safe_flag_is_contradicted_by_a_higher_position_or_a_second_flag():
    assert outcome(stopped("n2", 50, safe=True), stopped("n1", 51))[0] == WAIT
    assert outcome(stopped("n2", 50, safe=True), stopped("n1", 50, safe=True))[0] == WAIT
    everybody = [stopped("n1", 51), stopped("n2", 50, safe=True), stopped("n3", 2)]
    assert outcome(*everybody) == (BOOTSTRAP, ("n1",))


def test_a_zero_uuid_with_a_safe_flag_never_wins():
    assert outcome(fresh("n1"), stopped("n2", 5), stopped("n3", 4)) == (BOOTSTRAP, ("n2",))
    assert outcome(fresh("n1"))[0] == WAIT


def test_an_override_is_obeyed_beside_a_report_that_the_port_contradicts():
    """n1 hangs: its last report says synced for ever, and an override, even a forced one, was ignored."""
    nodes = alive("n1", SYNCED), stopped("n2", 9), stopped("n3", 9)
    order = Override("n2", "op", 0, True)

    assert (BOOTSTRAP, ("n2",)) == outcome(*nodes, override=order, listening=frozenset())
    refused = decide(snapshot_of(*nodes, override=order._replace(forced=False), listening=frozenset()))
    assert "quorate bootstrap n2 --force n2" == refused.command and "n1 is alive (hung)" in refused.reason
    for listening in (frozenset(["n1"]), None):
        assert JOIN == outcome(*nodes, override=order, listening=listening)[0]
    assert JOIN == outcome(*nodes, listening=frozenset())[0]
    # Not named in wsrep_cluster_address, so its port was not asked.
    assert JOIN == outcome(*nodes[1:], alive("n9", SYNCED), override=order, listening=frozenset())[0]
    assert JOIN == outcome(*nodes[:2], alive("n3", DONOR), override=order, listening=frozenset(["n3"]))[0]


def test_of_equal_nodes_one_whose_last_start_failed_comes_last():
    """n1 was named for ever although its server could not start, and the whole database stayed down."""
    others = [stopped("n2", 9, failed=False), stopped("n3", 9, failed=False)]

    decision = decide(snapshot_of(stopped("n1", 9, failed=True, safe=True), *others))

    assert (BOOTSTRAP, ("n2",)) == (decision.action, decision.nodes)
    assert decision.reason.endswith("The last start of n1, which holds the same, failed.")
    assert (BOOTSTRAP, ("n1",)) == outcome(*[one._replace(failed=True) for one in (stopped("n1", 9), *others)])


def test_nobody_else_can_take_the_place_of_one_that_holds_more():
    decision = decide(snapshot_of(stopped("n1", 10, failed=True), stopped("n2", 9, failed=False),
                                  stopped("n3", 9, failed=False)))

    assert (BOOTSTRAP, ("n1",)) == (decision.action, decision.nodes)
    assert decision.reason.endswith("Its last start failed, but no other node holds as much.")


def test_another_takes_the_place_of_one_that_is_ahead_by_changes_of_the_view():
    """Three nodes that stopped one after the other: the last one is ahead by its own leave and that of n2."""
    n1, n2, n3 = (stopped("n1", 9, safe=True, failed=True, written=7), stopped("n2", 8, failed=False, written=7),
                  stopped("n3", 7, failed=False, written=7))

    decision = decide(snapshot_of(n1, n2, n3))
    assert (BOOTSTRAP, ("n2",)) == (decision.action, decision.nodes)
    assert decision.reason == (
        "n2 holds every transaction (6b1f0c2e:8), and bootstraps: the last start of n1 failed, which is ahead (n1 "
        "6b1f0c2e:9) by changes of the view only.")
    # n1 says it of both, so n3 need not be there; but n1 has to be.
    assert (BOOTSTRAP, ("n2",)) == outcome(n1, n2)
    assert WAIT == outcome(n2, n3)[0]
    assert (BOOTSTRAP, ("n3",)) == outcome(n1, n2._replace(failed=True), n3)
    assert decide(snapshot_of(n1, n2._replace(failed=True), n3)).reason.endswith(
        "the last start of n1 and n2 failed, which are ahead (n1 6b1f0c2e:9, n2 6b1f0c2e:8) by changes of the view only.")


def test_it_has_to_hold_every_transaction_of_all_that_have_reported():
    n1, n2, n3 = (stopped("n1", 9, safe=True, failed=True, written=8), stopped("n2", 8, failed=False, written=7),
                  stopped("n3", 7, failed=False, written=7))

    assert (BOOTSTRAP, ("n2",)) == outcome(n1, n2, n3)
    assert (BOOTSTRAP, ("n1",)) == outcome(n1, n2._replace(failed=True), n3)
    assert (BOOTSTRAP, ("n1",)) == outcome(n1._replace(written=9), n2, n3)
    assert (BOOTSTRAP, ("n1",)) == outcome(n1._replace(failed=False), n2, n3)
    # One that runs an older version would name n1.
    for older in ((n1, n2, n3._replace(written=None)), (n1, n2._replace(written=None), n3),
                  (n1, n2, n3._replace(failed=None))):
        assert (BOOTSTRAP, ("n1",)) == outcome(*older)


def test_beside_an_older_version_failed_starts_are_not_regarded():
    """It would name n1 nevertheless, and then neither of the two would bootstrap."""
    decision = decide(snapshot_of(stopped("n1", 9, failed=True), stopped("n2", 9, failed=False), stopped("n3", 9)))

    assert ("n1",) == decision.nodes
    assert "no other node" not in decision.reason


def test_before_the_first_bootstrap_ever_no_other_node_takes_the_place_of_the_first():
    """Its database may hold data, which a state transfer from another node would replace."""
    assert (BOOTSTRAP, ("n1",)) == outcome(fresh("n1", failed=True), fresh("n2", failed=False),
                                           fresh("n3", failed=False), generation=0)


def test_ties_go_to_the_safe_flag_then_to_the_configured_order():
    assert outcome(stopped("n1", 5), stopped("n2", 5), stopped("n3", 5, safe=True)) == (BOOTSTRAP, ("n3",))
    assert outcome(stopped("n3", 5), stopped("n2", 5), stopped("n1", 5)) == (BOOTSTRAP, ("n1",))
    assert decide(snapshot_of(*(stopped(node, 5) for node in ALL))).reason == (
        "n1 holds the highest position (6b1f0c2e:5) and all configured nodes have reported: it bootstraps.")


def test_positions_are_compared_exactly():
    assert outcome(stopped("n1", 2 ** 53), stopped("n2", 2 ** 53 + 1), stopped("n3", 1)) == (BOOTSTRAP, ("n2",))


# The first start, and lost data

def test_the_first_cluster_ever_needs_all_and_starts_where_a_database_is():
    first = {"generation": 0}
    assert outcome(fresh("n1"), fresh("n2"), fresh("n3"), **first) == (BOOTSTRAP, ("n1",))
    assert outcome(empty("n1"), fresh("n2"), empty("n3"), **first) == (BOOTSTRAP, ("n2",))
    assert outcome(empty("n1"), empty("n2"), empty("n3"), **first) == (BOOTSTRAP, ("n1",))
    assert outcome(fresh("n1"), fresh("n2"), **first)[0] == WAIT
    assert decide(snapshot_of(empty("n1"), fresh("n2"), empty("n3"), **first)).reason == (
        "No node was ever in a cluster, and all configured nodes have reported: n2 bootstraps it.")


def test_a_first_start_that_failed_is_tried_again():
    assert outcome(fresh("n1", generation=1), fresh("n2"), fresh("n3")) == (BOOTSTRAP, ("n1",))


def test_a_cluster_whose_data_is_gone_everywhere_is_not_started_anew():
    decision = decide(snapshot_of(empty("n1", generation=2), empty("n2", generation=2), empty("n3"), generation=2))
    assert decision.action == REFUSE and "not mounted" in decision.reason
    assert decision.command == "quorate bootstrap n1 --force n1"


def test_a_cluster_whose_state_transfers_broke_off_everywhere_is_not_started_anew():
    """Their reports are of generation 0 then, and all remember a view: there was a cluster, and data."""
    broken = [empty(node, safe=False, my_uuid="m" + node[1:], view=LAST) for node in ALL]

    assert REFUSE == decide(snapshot_of(*broken)).action
    assert REFUSE == decide(snapshot_of(*broken[:1], empty("n2"), empty("n3"))).action
    assert BOOTSTRAP == decide(snapshot_of(*[one._replace(my_uuid=None, view=None) for one in broken])).action


def test_a_node_without_data_never_bootstraps_while_another_has_some():
    assert outcome(empty("n1"), stopped("n2", 3), empty("n3")) == (BOOTSTRAP, ("n2",))
    forced = Override("n1", "root", 1, True)
    assert "it has no data" in decide(snapshot_of(empty("n1"), stopped("n2", 3), override=forced)).reason


def test_one_whose_disk_is_gone_since_it_was_synced_is_for_the_operator():
    decision = decide(snapshot_of(stopped("n1", 5), stopped("n2", 6), empty("n3", generation=1)))
    assert (decision.action, decision.missing, decision.urgent) == (WAIT, ("n3",), True)
    assert "its data is gone" in decision.reason and decision.command == "quorate bootstrap n2"


def test_also_where_it_is_recorded_as_synced_in_an_older_generation_only():
    """It was killed before the newer one could be recorded, and then its file system was not mounted."""
    voters = [stopped("n1", 5, generation=2), stopped("n2", 6, generation=2)]
    decision = decide(snapshot_of(*voters, empty("n3", generation=1), generation=2))
    assert (WAIT, ("n3",)) == (decision.action, decision.missing)
    assert BOOTSTRAP == decide(snapshot_of(*voters, empty("n3", generation=0), generation=2)).action


# Generations

def test_an_older_generation_joins_and_never_votes():
    old = stopped("n2", 500, generation=1, safe=True)
    decision = decide(snapshot_of(old, generation=2))
    assert (decision.action, decision.missing) == (WAIT, ("n1", "n3"))
    new = [stopped("n1", 900, generation=2), stopped("n3", 800, generation=2)]
    assert outcome(old, *new, generation=2) == (BOOTSTRAP, ("n1",))


def test_an_old_view_does_not_come_back():
    reports = [crashed(node, 5) for node in ALL[:2]] + [stopped("n3", 50, generation=2)]
    assert outcome(*reports, generation=2) == (BOOTSTRAP, ("n3",))


def test_one_killed_before_its_generation_was_on_record_is_recognised_by_the_view():
    reports = [crashed("n1", 5, generation=2), crashed("n2", 9), crashed("n3", 7)]
    assert outcome(*reports, generation=2) == (RECOVER, ALL)
    assert outcome(*[report._replace(tried=True) for report in reports], generation=2) == (BOOTSTRAP, ("n2",))


def test_extra_transactions_of_an_older_generation_are_for_the_operator():
    decision = decide(snapshot_of(stopped("n1", 5, generation=2), stopped("n2", 9), stopped("n3", 4), generation=2))
    assert decision.action == REFUSE and "n2 is ahead of n1" in decision.reason
    assert decision.command == "quorate bootstrap n1"
    both = decide(snapshot_of(stopped("n1", 5, generation=2), stopped("n2", 9), stopped("n3", 7), generation=2))
    assert both.reason.startswith("n2 and n3 are ahead of n1 (n1 6b1f0c2e:5, n2 6b1f0c2e:9, n3 6b1f0c2e:7), but were not")


def test_a_generation_that_was_announced_and_never_begun_does_not_count():
    assert outcome(stopped("n1", 5), stopped("n2", 9), stopped("n3", 4), generation=2) == (BOOTSTRAP, ("n2",))
    assert outcome(stopped("n1", 5), stopped("n2", 9), generation=2)[0] == WAIT


def test_without_the_generation_nobody_bootstraps():
    assert outcome(*[crashed(node, 5, tried=True) for node in ALL], generation=None)[0] == WAIT
    ahead = decide(snapshot_of(*[crashed(node, 5, generation=3) for node in ALL]))
    assert ahead.action == WAIT and ahead.urgent and ahead.command == "quorate bootstrap n1"
    assert ahead.reason.startswith("n1 was synced in bootstrap generation 3, but the cluster's configuration says 1: ")


# Histories that do not belong together

def test_two_histories_are_for_the_operator():
    decision = decide(snapshot_of(stopped("n1", 5), stopped("n2", 9, uuid=OTHER), stopped("n3", 4)))
    assert (decision.action, decision.urgent, decision.command) == (REFUSE, True, "quorate bootstrap NODE")
    assert "n1 6b1f0c2e:5, n2 a0000000:9, n3 6b1f0c2e:4" in decision.reason


def test_a_node_that_is_not_configured_does_not_bootstrap():
    decision = decide(snapshot_of(stopped("n1", 5), stopped("n2", 5), stopped("n3", 5), stopped("n9", 6)))
    assert decision.action == REFUSE and "wsrep_cluster_address does not name it" in decision.reason
    assert "quorate bootstrap n1" == decision.command


# Two nodes

def test_the_survivor_of_two_goes_on_when_the_loss_is_confirmed():
    two = {"configured": ("n1", "n2"), "two_node": True, "lost_confirmed": frozenset(["n2"])}
    survivor = stopped("n1", 5, survivor=True)
    assert outcome(survivor, **two) == (BOOTSTRAP, ("n1",))
    assert outcome(survivor, **dict(two, lost_confirmed=frozenset()))[0] == WAIT
    assert outcome(survivor, **dict(two, two_node=False))[0] == WAIT
    assert outcome(survivor._replace(clean=False), **two)[0] == WAIT
    assert outcome(stopped("n1", 5), **two)[0] == WAIT


# What listens

def test_somebody_listens_who_has_not_reported():
    last = view(8, "n1", "n2")
    reports = [crashed("n1", 5, last, tried=True), crashed("n2", 9, last)]
    decision = decide(snapshot_of(*reports, listening=frozenset(["n3"])))
    assert (decision.action, decision.missing, decision.urgent) == (WAIT, ("n3",), True)


def test_the_port_of_the_node_that_bootstraps_does_not_matter():
    """That its server is down is proven by its processes."""
    assert outcome(*(stopped(node, 5) for node in ALL), listening=frozenset(["n1"])) == (BOOTSTRAP, ("n1",))


def test_a_bootstrap_is_not_confirmed_before_the_ports_were_tried():
    snapshot = snapshot_of(stopped("n2", 50, safe=True))
    assert (BOOTSTRAP, ("n2",), True) == (decide(snapshot).action, decide(snapshot).nodes, decide(snapshot).confirmed)
    assert decide(snapshot._replace(listening=None)) == decide(snapshot)._replace(confirmed=False)


# The override

def test_the_operator_goes_on_without_one_and_reads_what_it_costs():
    decision = decide(snapshot_of(crashed("n1", 5), crashed("n2", 9), override=Override("n2", "root", 1, False)))
    assert (decision.action, decision.nodes) == (BOOTSTRAP, ("n2",))
    assert decision.reason == "n2 bootstraps as ordered by root; transactions that only n3 may hold are discarded."


@pytest.mark.parametrize("better, word", [
    (crashed("n2", 9), "n2 6b1f0c2e:9 has a higher position"),
    (alive("n2", HUNG), "mysqld on n2 is alive (hung)")])
def test_an_order_with_objections_is_refused_unless_it_is_forced(better, word):
    reports = [crashed("n1", 5), better]
    refused = decide(snapshot_of(*reports, override=Override("n1", "root", 1, False)))
    assert refused.action == WAIT and word in refused.reason and refused.command == "quorate bootstrap n1 --force n1"
    forced = decide(snapshot_of(*reports, override=Override("n1", "root", 1, True)))
    assert (forced.action, forced.nodes) == (BOOTSTRAP, ("n1",)) and word in forced.reason


def test_an_order_chooses_between_histories():
    reports = [stopped("n1", 5), stopped("n2", 9, uuid=OTHER), stopped("n3", 4)]
    assert outcome(*reports, override=Override("n1", "root", 1, False)) == (BOOTSTRAP, ("n1",))
    assert outcome(*reports, override=Override("n2", "root", 1, True)) == (BOOTSTRAP, ("n2",))


@pytest.mark.parametrize("node, report, word", [
    ("n9", None, "does not name it"), ("n3", None, "not in the cluster"),
    ("n3", alive("n3", HUNG), "not proven to be down")])
def test_an_order_that_cannot_be_carried_out(node, report, word):
    reports = [crashed("n1", 5), crashed("n2", 9)] + [report] * bool(report)
    decision = decide(snapshot_of(*reports, override=Override(node, "root", 1, True)))
    assert decision.action == WAIT and word in decision.reason


def test_an_order_that_agrees_with_the_election_changes_nothing():
    snapshot = snapshot_of(stopped("n2", 50, safe=True))
    assert decide(snapshot._replace(override=Override("n2", "root", 1, False))) == decide(snapshot)


# What a node starts with

def test_a_joiner_keeps_its_view_only_with_a_member_of_it_in_the_primary_component():
    snapshot = snapshot_of(alive("n1", SYNCED), crashed("n2", 5), crashed("n3", 5, view(9, "n3")))
    decision = decide(snapshot)
    assert keeps_view(snapshot, "n2", decision) and not keeps_view(snapshot, "n3", decision)
    assert not keeps_view(snapshot._replace(generation=2), "n2", decision)
    together = snapshot_of(*[crashed(node, 5) for node in ALL])
    assert keeps_view(together, "n2", decide(together))


def test_a_joiner_comes_as_a_new_member_where_more_than_half_of_its_last_view_is_reachable():
    """As its former self it would wait until the others have declared that one dead; but half of a view may have lost
    it."""
    snapshot = snapshot_of(alive("n1", SYNCED), alive("n2", SYNCED), crashed("n3", 5))
    decision = decide(snapshot)

    assert JOIN == decision.action
    assert keeps_view(snapshot, "n3", decision, frozenset())
    assert keeps_view(snapshot, "n3", decision, frozenset({"n1"}))
    assert not keeps_view(snapshot, "n3", decision, frozenset({"n1", "n2"}))


@pytest.mark.parametrize("reachable, keeps", [(("n1",), True), (("n1", "n2"), True), (("n1", "n2", "n3"), False)])
def test_half_of_a_view_may_have_lost_it(reachable, keeps):
    four = view(7, "n1", "n2", "n3", "n4")
    snapshot = snapshot_of(*[alive(node, SYNCED, four) for node in ALL], crashed("n4", 5, four))

    assert keeps == keeps_view(snapshot, "n4", decide(snapshot), frozenset(reachable))


def test_a_position_beyond_a_later_generation_start_is_discarded():
    starts = [(2, U, 100, 1), (3, U, 150, 2)]
    assert not needs_full_transfer(stopped("n1", 90, generation=1), starts, 3)
    assert needs_full_transfer(stopped("n1", 101, generation=1), starts, 3)
    assert needs_full_transfer(stopped("n1", 151, generation=2), starts, 3)
    assert not needs_full_transfer(stopped("n1", 900, generation=3), starts, 3)
    assert not needs_full_transfer(stopped("n1", 120, generation=2), starts, 3)  # beyond the start of its own
    assert needs_full_transfer(stopped("n1", 90, generation=1, uuid=OTHER), starts, 3)
    beside = [(2, U, 80, 1), (3, U, 95, 1)]     # 3 does not build upon 2
    assert needs_full_transfer(stopped("n1", 90, generation=2), beside, 3)
    assert needs_full_transfer(stopped("n1", None, generation=1), starts, 3)
    assert needs_full_transfer(stopped("n1", None, generation=3), starts, 3)    # another data directory
    assert needs_full_transfer(stopped("n1", 90, generation=3)._replace(uuid=None), starts, 3)


@pytest.mark.parametrize("generation, starts, expected", [
    (3, [(2, U, 100, 1), (3, U, 150, 2)], False),
    (3, [(3, U, 150, 2)], True),                       # what began with 2 is not on record
    (3, [], True),
    (18, [(number, U, 100, number - 1) for number in range(4, 19)], True),  # trimmed
    (None, [(2, U, 100, 1)], True),
    (1, [], False),                                    # its own generation
])
def test_a_generation_start_that_is_not_on_record_needs_a_full_transfer(generation, starts, expected):
    assert expected == needs_full_transfer(stopped("n1", 90, generation=1), starts, generation)


def test_a_generation_start_is_recorded():
    assert generation_start(snapshot_of(stopped("n1", 5), stopped("n2", 9)), "n2") == (2, U, 9, 1)
    assert generation_start(snapshot_of(stopped("n1", 5), generation=4), "n1") == (5, U, 5, 1)


# The screen

def test_the_table_says_who_why_and_what_to_type():
    snapshot = snapshot_of(crashed("n1", 5), empty("n2", generation=0), generation=2, lost_confirmed=frozenset(["n3"]))
    decision = decide(snapshot)
    lines = screen(snapshot, decision, 400)
    assert lines[0].split() == ["node", "member", "state", "position", "from", "last", "view", "generation", "age"]
    assert lines[1].split("  ") and "6b1f0c2e:5" in lines[1] and "7: n1 n2 n3" in lines[1] and "1 of 2" in lines[1]
    assert lines[1].endswith("5 min") and "down, no data" in lines[2]
    assert "no report" in lines[3] and "fenced" in lines[3]
    assert "because:  " + decision.reason in lines and "to go on: quorate bootstrap n1" in lines


@pytest.mark.parametrize("member, command", [
    ("m9", "on g9: systemctl restart garb"), (None, "on g9: systemctl stop garb"), ("m8", None)])
def test_nothing_is_opened_beside_an_arbitrator_that_keeps_the_old_primary_component(member, command):
    """Seen with Galera 26.4.23: the new one's servers aborted for minutes, once after they had served clients."""
    last = View("m1", 9, frozenset(("m1", "m2", "m9")))
    left = [stopped(node, 5, view=last, my_uuid="m" + node[1:], arbitrators=frozenset(["m9"])) for node in ("n1", "n2")]
    snapshot = snapshot_of(*left, configured=("n1", "n2"), arbitrators_alive={"g9": member})

    decision = decide(snapshot)

    if command is None:
        assert (BOOTSTRAP, ("n1",)) == (decision.action, decision.nodes)
    else:
        assert (WAIT, ("g9",), True, command) == (decision.action, decision.missing, decision.urgent, decision.command)
        assert decision.reason.startswith("n1 could bootstrap, but the arbitrator on g9 %s keep" % (
            "alone" if member else "may alone")) and ("restart garbd there." if member else "serves.") in decision.reason
    order = Override("n2", by="root", at=1)
    refused = decide(snapshot._replace(override=order))
    assert (command is None) == (refused.action == BOOTSTRAP)
    assert command is None or "arbitrator on g9 %s the old" % ("keeps" if member else "may keep") in refused.reason
    assert BOOTSTRAP == decide(snapshot._replace(override=order._replace(forced=True))).action
