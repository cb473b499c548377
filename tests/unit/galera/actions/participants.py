# SPDX-License-Identifier: Apache-2.0
"""A participant on a node that was killed, among others whose reports the test gives."""

from quorate.galera.actions.participant import Participant
from quorate.galera.declaration import PARAMETERS
from quorate.host.state_files import StateFiles
from tests import fakes
from tests.unit.galera.election.reports import alive, crashed, snapshot_of

ME = "n2"
ADDRESS = "gcomm://n1,n2,n3"


class PublishedState:
    """What this node has published, and the reports of the others: one list a snapshot, the last one for ever."""

    def __init__(self, *reports_by_turn):
        self.reports_by_turn, self.own, self.withdrawn = list(reports_by_turn), None, False

    def own_generation(self):
        return 1

    def publish(self, report):
        self.own = report

    def set_status(self, sentence):
        pass

    def withdraw_self(self):
        self.withdrawn = True

    def snapshot(self, configured, names=None):
        others = self.reports_by_turn.pop(0) if len(self.reports_by_turn) > 1 else self.reports_by_turn[0]
        return snapshot_of(*others, self.own, me=ME)


class KilledNode(Participant):
    """The election on a node that was killed; no ports are asked."""

    def own_report(self):
        return crashed(ME, 5)

    def publish_state(self, state):
        self.published.publish(alive(ME, state))


def participant(tmp_path, *reports_by_turn):
    context = fakes.context(parameters=PARAMETERS, environ={"OCF_RESKEY_CRM_meta_on_node": ME},
                            wsrep_cluster_address=ADDRESS,
                            datadir=tmp_path / "data")
    published = PublishedState(*reports_by_turn)
    published.own = crashed(ME, 5)
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
    one = KilledNode(context, state_files, published)
    one.addresses = {}
    return one
