# SPDX-License-Identifier: Apache-2.0
"""What a node carries out is what is true when its turn has come, not when it began to wait for it."""

from quorate.galera import facts
from quorate.galera.election.decide import keeps_view
from tests.unit.galera.actions.participants import ME, participant
from tests.unit.galera.election.reports import alive, crashed


def test_a_primary_component_lost_while_it_waited_is_re_formed_and_not_joined(tmp_path):
    """Found by scripts/faults: n2 and n3 killed, n1's report late. Then n2 came as a new member, the old view could not come
    back without it, and all three waited for a minute."""
    late = [alive("n1", facts.SYNCED), crashed("n3", 5)]
    lost = [alive("n1", facts.NONPRIMARY), crashed("n3", 5)]

    decision, snapshot = participant(tmp_path, late, late, lost).turn(None)

    assert (facts.RECOVER, True) == (decision.action, ME in decision.nodes)
    assert keeps_view(snapshot, ME, decision, frozenset({"n1"}))


def test_one_that_is_joined_is_judged_by_the_same_look(tmp_path):
    late = [alive("n1", facts.SYNCED), crashed("n3", 5)]

    decision, snapshot = participant(tmp_path, late, late, late, [alive("n1", facts.NONPRIMARY), crashed("n3", 5)]).turn(None)

    assert facts.JOIN == decision.action
    assert keeps_view(snapshot, ME, decision, frozenset({"n1"}))  # one of three may have lost it, and not know yet


def test_a_turn_that_went_is_stepped_back_from(tmp_path):
    """Only n3's report is missing now: nobody may start, and nobody shall wait for one that says it starts."""
    one = participant(tmp_path, [alive("n1", facts.SYNCED)], [alive("n1", facts.SYNCED)], [crashed("n1", 5)])

    assert one.turn(None) is None
    assert (facts.DOWN, True) == (one.published.own.state, one.published.withdrawn)
