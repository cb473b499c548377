# SPDX-License-Identifier: Apache-2.0
"""What a node carries out is what is true when its turn has come, not when it began to wait for it."""

from quorate.galera import facts
from quorate.galera.actions.participant import Participant
from quorate.galera.declaration import PARAMETERS
from quorate.galera.election.decide import keeps_view
from quorate.host.state_files import StateFiles
from tests import fakes
from tests.unit.galera.election.test_decide import alive, crashed, seen

ME = "n2"
ADDRESS = "gcomm://n1,n2,n3"


class PublishedState:
    """What this node has published, beside what the others say: one list of reports for each look, the last one for ever."""

    def __init__(self, *looks):
        self.looks, self.own, self.withdrawn = list(looks), None, False

    def own_generation(self):
        return 1

    def publish(self, report):
        self.own = report

    def set_status(self, sentence):
        pass

    def withdraw_self(self):
        self.withdrawn = True

    def snapshot(self, configured, names=None):
        others = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return seen(*others, self.own, me=ME)


class Turn(Participant):
    """The election on a node that was killed; no ports are asked."""

    def own_report(self):
        return crashed(ME, 5)

    def publish_state(self, state):
        self.published.publish(alive(ME, state))


def participant(tmp_path, *looks):
    context = fakes.context(parameters=PARAMETERS, environ={"OCF_RESKEY_CRM_meta_on_node": ME}, wsrep_cluster_address=ADDRESS,
                            datadir=tmp_path / "data")
    published = PublishedState(*looks)
    published.own = crashed(ME, 5)
    one = Turn(context, StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "lasting")), published)
    one.addresses = {}
    return one


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
