# SPDX-License-Identifier: Apache-2.0
"""Single steps of the proof that nobody holds more: where its limits are."""

import pytest

from quorate.galera import facts
from quorate.galera.election import proof
from quorate.galera.election.arbitrator import outlived_by
from quorate.galera.election.decide import decide
from tests.unit.galera.election.reports import OTHER, U, alive, crashed, snapshot_of, stopped, view

FOUR = view(7, "n1", "n2", "n3", "n4")
FIVE = view(7, "n1", "n2", "n3", "n4", "n5")


@pytest.mark.parametrize("state, down, may", [
    (facts.STARTING, 0, True), (facts.STARTING, 1, False),          # it needs all members
    (facts.NONPRIMARY, 1, True), (facts.NONPRIMARY, 2, False), (facts.NONPRIMARY, 3, False),  # more than half
    (facts.HUNG, 1, True), (facts.HUNG, 2, False),
    (facts.UNKNOWN, 3, True), (facts.DOWN, 0, False), (facts.SYNCED, 0, False), (facts.DONOR, 0, False)])
def test_whose_server_could_still_get_into_a_primary_component(state, down, may):
    reports = [crashed("n%d" % (number + 2), 5, FOUR) for number in range(down)] + [alive("n1", state, FOUR)]
    electorate = proof.find_electorate(snapshot_of(*reports, configured=("n1", "n2", "n3", "n4")))
    assert may == proof.may_become_primary(electorate.reports["n1"], electorate)


@pytest.mark.parametrize("state, may", [(facts.STARTING, False), (facts.NONPRIMARY, True), (facts.HUNG, True)])
def test_one_without_a_view_of_its_own_starts_for_nobody(state, may):
    electorate = proof.find_electorate(snapshot_of(alive("n1", state, None)))
    assert may == proof.may_become_primary(electorate.reports["n1"], electorate)


@pytest.mark.parametrize("left, closed", [(0, True), (1, True), (2, False), (3, False), (4, False)])
def test_members_that_left_cleanly_may_have_gone_on_as_more_than_half(left, closed):
    """Two of five as well: of a view of three, whose third member died before it had written it."""
    reports = [stopped("n%d" % number, 5, my_uuid="m%d" % number) if number <= left else crashed(
        "n%d" % number, 5, FIVE) for number in range(1, 6)]
    assert closed == proof.closing(FIVE, reports, frozenset())


@pytest.mark.parametrize("size", [2, 3, 4, 5, 6])
def test_one_that_left_cleanly_did_not_go_on_alone(size):
    last = view(7, *["n%d" % number for number in range(1, size + 1)])
    reports = [stopped("n1", 5, my_uuid="m1", view=last)] + [
        crashed("n%d" % number, 5, last) for number in range(2, size + 1)]
    assert proof.closing(last, reports, frozenset())


def test_where_one_that_left_cleanly_remembers_a_later_view_this_was_not_the_last():
    reports = [crashed("n%d" % number, 5, FIVE) for number in range(2, 6)]
    for remembered, closed in ((FIVE, True), (FIVE._replace(seq=6), True), (FIVE._replace(seq=8), False),
                               (view(8, "n1", "n9"), False)):
        assert closed == proof.closing(FIVE, reports + [stopped("n1", 5, my_uuid="m1", view=remembered)], frozenset())


def test_an_arbitrator_may_have_gone_on_with_those_that_left():
    three = view(7, "n1", "n2", "ng")
    reports = [stopped("n1", 5, my_uuid="m1"), crashed("n2", 5, three)]
    assert not proof.closing(three, reports, frozenset(["mg"]))
    assert proof.closing(three, [crashed("n1", 5, three), crashed("n2", 5, three)], frozenset(["mg"]))


def test_an_older_view_went_on_no_further():
    reports = [crashed("n1", 5, FIVE._replace(seq=6))] + [crashed("n%d" % number, 5, FIVE) for number in range(2, 6)]
    assert proof.closing(FIVE, reports, frozenset())
    assert not proof.closing(FIVE, reports[1:], frozenset())
    newer = [crashed("n1", 5, FIVE._replace(seq=8))] + reports[1:]
    assert not proof.closing(FIVE, newer, frozenset())


def test_the_latest_view_is_that_with_the_highest_number():
    """Not the one whose member comes last."""
    later, earlier = view(8, "n1", "n2"), view(7, "n2", "n3")
    electorate = proof.find_electorate(snapshot_of(crashed("n1", 5, later), crashed("n3", 5, earlier)))
    assert later == proof.latest_view(electorate)


def test_one_that_was_alone_in_its_view_bootstraps_and_is_not_waited_for():
    alone = view(9, "n1")
    decision = decide(snapshot_of(crashed("n1", 5, alone), stopped("n2", 4), stopped("n3", 4)))
    assert (facts.BOOTSTRAP, ("n1",)) == (decision.action, decision.nodes)


def test_a_starting_server_of_an_older_generation_is_no_part_of_a_recovery():
    reports = [crashed("n1", 5), crashed("n2", 5), alive("n3", facts.STARTING, generation=0)._replace(
        my_uuid="m3", uuid=None)]
    electorate = proof.find_electorate(snapshot_of(*reports))
    assert "m3" in electorate.linked, "it is a member of a view of this generation"
    apart = [one._replace(view=view(7, "n1", "n2")) for one in reports[:2]] + reports[2:]
    assert proof.recoverable(snapshot_of(*apart), proof.find_electorate(snapshot_of(*apart))) == view(7, "n1", "n2")


TWO = view(8, "n1", "n2")


@pytest.mark.parametrize("others, expected", [
    ([stopped("n3", 4, generation=0)], True), ([stopped("n3", 5, generation=0)], True),
    ([stopped("n3", 6, generation=0)], False), ([], False), ([stopped("n3", 4)], True), ([stopped("n3", 6)], False)])
def test_an_unsettled_view_is_recovered_where_all_have_reported_and_none_holds_more(others, expected):
    """6 of an older generation may have been discarded, or be the only copy of a commit."""
    snapshot = snapshot_of(*[crashed(node, 5, TWO, settled=False) for node in ("n1", "n2")], *others)
    assert (TWO if expected else None) == proof.recoverable(snapshot, proof.find_electorate(snapshot))


@pytest.mark.parametrize("uuid, expected", [(U, FOUR), (None, None), (facts.ZERO_UUID, None), (OTHER, None)])
def test_a_view_is_not_recovered_with_a_member_whose_data_is_not_known(uuid, expected):
    snapshot = snapshot_of(*[crashed(node, 5, FOUR) for node in ("n1", "n2", "n3")],
                           alive("n4", facts.STARTING, FOUR, uuid=uuid))
    assert expected == proof.recoverable(snapshot, proof.find_electorate(snapshot))


def test_members_that_do_not_know_their_position_do_not_hold_more_than_one_that_does():
    inside = [alive(node, facts.STARTING, TWO, uuid=U, settled=True) for node in ("n1", "n2")]
    for others, expected in (([], TWO), ([stopped("n3", 0)], None), ([stopped("n3", 1)], None)):
        snapshot = snapshot_of(*inside, *others)
        assert expected == proof.recoverable(snapshot, proof.find_electorate(snapshot))


def test_of_the_same_position_one_whose_last_start_failed_comes_last():
    found = proof.best([crashed("n1", 5, failed=True), crashed("n2", 5)], ("n1", "n2", "n3"))
    assert "n2" == found.node
    assert "n1" == proof.best([crashed("n1", 6, failed=True), crashed("n2", 5)], ("n1", "n2", "n3")).node
    assert None is proof.best([], ("n1",))


def test_of_equal_nodes_the_first_one_of_the_configuration_is_the_best():
    both = [crashed("n1", 5), crashed("n2", 5)]
    for configured, node in ((("n1", "n2"), "n1"), (("n2", "n1"), "n2"), (("n2",), "n2"), ((), "n1")):
        assert node == proof.best(both, configured).node


def test_only_views_of_the_generation_make_members_of_it():
    reports = {one.node: one for one in (crashed("n1", 5, view(8, "n1", "n2"), generation=2), crashed("n2", 5),
                                         crashed("n3", 5, view(6, "n3", "n4")))}
    assert {"m1", "m2"} == proof.linked_members(reports, 2)
    assert {"m1", "m2", "m3", "m4"} == proof.linked_members(reports, 1)


def test_a_view_that_cannot_be_re_formed_does_not_hide_one_that_can():
    last = view(8, "n2", "n3")
    snapshot = snapshot_of(crashed("n1", 4, view(6, "n1")), crashed("n2", 5, last), crashed("n3", 5, last))
    assert last == proof.recoverable(snapshot, proof.find_electorate(snapshot))


def test_a_view_that_a_node_only_remembers_is_known():
    """It stopped cleanly, so its file is gone."""
    one = stopped("n1", 5, view=view(8, "n1", "n2"), my_uuid="m1")
    assert one.view == proof.latest_view(proof.find_electorate(snapshot_of(one)))
    assert None is proof.latest_view(proof.find_electorate(snapshot_of(one, generation=2)))


@pytest.mark.parametrize("state, expected", [
    (facts.STARTING, True), (facts.NONPRIMARY, True), (facts.HUNG, False), (facts.UNKNOWN, False),
    (facts.RECEIVING, False)])
def test_with_which_running_servers_a_view_can_be_re_formed(state, expected):
    snapshot = snapshot_of(*[crashed(node, 5, FOUR) for node in ("n1", "n2", "n3")], alive("n4", state, FOUR, uuid=U))
    assert (FOUR if expected else None) == proof.recoverable(snapshot, proof.find_electorate(snapshot))


def test_where_nobody_votes_nobody_is_the_survivor_of_two():
    snapshot = snapshot_of(alive("n1", facts.HUNG), configured=("n1", "n2"), two_node=True)
    assert None is proof.lone_survivor(snapshot, proof.find_electorate(snapshot))


def test_who_listens_and_has_not_said_that_he_is_alive():
    snapshot = snapshot_of(crashed("n1", 5), alive("n2", facts.STARTING), listening=frozenset(["n1", "n2", "n3"]))
    assert ("n3",) == proof.listening(snapshot, "n1")
    assert ("n1", "n3") == proof.listening(snapshot, "n2")
    assert ("n2", "n3") == proof.listening(snapshot._replace(members=frozenset(["n1"])), "n1")


WITH_ARBITRATOR = view(9, "n1", "n2", "n9")  # m9: garbd
HOST = "10.0.0.9"


def _left(node, seqno, last=WITH_ARBITRATOR, **change):
    """Stopped cleanly, and remembers its last view."""
    return stopped(node, seqno, view=last, my_uuid="m" + node[1:], arbitrators=frozenset(["m9"]))._replace(**change)


@pytest.mark.parametrize("reports, alive_there, expected", [
    ((_left("n1", 5), _left("n2", 5)), {HOST: "m9"}, {HOST: True}),
    ((_left("n1", 5), _left("n2", 5)), {HOST: "m8"}, {}),                    # restarted since
    ((_left("n1", 5), _left("n2", 5)), {HOST: None}, {HOST: False}),         # TLS: unknown is never no
    ((_left("n1", 5), _left("n2", 5)), {}, {}),                              # it is off
    ((crashed("n1", 5, WITH_ARBITRATOR), crashed("n2", 5, WITH_ARBITRATOR)), {HOST: "m9"}, {}),   # it has no majority
    ((crashed("n1", 4, WITH_ARBITRATOR), _left("n2", 5, view(10, "n2", "n9"))), {HOST: "m9"}, {HOST: True}),
    ((crashed("n1", 5, view(10, "n1", "n9")), _left("n2", 4)), {HOST: "m9"}, {}),   # the last one died in the last view
    ((_left("n1", 5, view(9, "n1", "n2")), _left("n2", 5, view(9, "n1", "n2"))), {HOST: None}, {}),
    # n2 died after it had removed its gvwstate.dat; it gave up to wait without a quorum, and has its file again.
    ((_left("n1", 4, view(8, "n1", "n2", "n9")), _left("n2", 5, clean=False)), {HOST: "m9"}, {}),
    ((crashed("n1", 4, WITH_ARBITRATOR), _left("n2", 5, recorded=True)), {HOST: "m9"}, {}),
    # Nobody could read who the arbitrator is.
    ((_left("n1", 5, arbitrators=frozenset()), _left("n2", 5, arbitrators=frozenset())), {HOST: None}, {HOST: False}),
])
def test_an_arbitrator_keeps_the_primary_component_that_the_last_node_left_cleanly(reports, alive_there, expected):
    snapshot = snapshot_of(*reports, configured=("n1", "n2"), arbitrators_alive=alive_there)

    assert expected == outlived_by(snapshot, proof.find_electorate(snapshot))


def test_one_that_runs_and_was_synced_holds_what_members_of_earlier_views_hold():
    """n2 died first; n1, in the view without it, has not committed the last of what n2 has."""
    last = view(8, "n1", "n3")
    here = [crashed("n1", 3, last, settled=False), alive("n3", facts.NONPRIMARY, last, settled=True)]
    for n2 in (crashed("n2", 4), alive("n2", facts.STARTING), crashed("n2", 4, settled=False)):
        snapshot = snapshot_of(*here, n2)
        assert last == proof.recoverable(snapshot, proof.find_electorate(snapshot)), n2
    not_proven = [
        [here[0], here[1]._replace(settled=None), crashed("n2", 4)],             # it may have been joining
        [here[0], here[1]._replace(settled=None), alive("n2", facts.STARTING)],
        [here[0]._replace(settled=True), here[1]._replace(settled=None), crashed("n2", 4)],  # n1 has not what n2 has
        here + [crashed("n2", 4, view(9, "n2", "n3"))],                          # a later view
        here + [crashed("n2", 4, recorded=False)],                               # it may have left a later one
        [here[0], here[1]._replace(tried=True), crashed("n2", 3)]]               # it has given up
    for reports in not_proven:
        snapshot = snapshot_of(*reports)
        assert proof.recoverable(snapshot, proof.find_electorate(snapshot)) is None, reports
