# SPDX-License-Identifier: Apache-2.0
"""How often the monitor of a healthy server asks the cluster."""

import os

from quorate.galera import facts
from quorate.galera.actions import serving
from quorate.galera.declaration import PARAMETERS
from quorate.galera.server.observe import Observation
from quorate.host.state_files import StateFiles
from tests import fakes

MEMBER = "6b1f0c2e-c6a1-11ef-9d1d-3b0d6f7a8c11"
VIEW = "my_uuid: %s\n#vwbeg\nview_id: 3 %s 7\nbootstrap: 0\nmember: %s 0\n#vwend\n" % (MEMBER, MEMBER, MEMBER)


class Participant:
    """Counts how often the state is published."""

    def __init__(self):
        self.published, self.count = self, 0

    def publish_state(self, state):
        self.count += 1

    def snapshot(self):
        return facts.Snapshot("n1", ("n1",), {}, frozenset(["n1"]), 1, {}, False, frozenset(), None, None)

    def __getattr__(self, name):
        return lambda *_: None


def test_an_account_that_cannot_see_the_members_does_not_make_every_monitor_ask_the_cluster(tmp_path):
    """With the privilege USAGE, which the parameter asked for, no view counted as settled: ten programs every 5 s."""
    os.makedirs(tmp_path / "data")
    (tmp_path / "data" / "gvwstate.dat").write_text(VIEW)
    context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", datadir=tmp_path / "data",
                            socket=tmp_path / "nobody", environ={"OCF_RESKEY_CRM_meta_interval": "5000"})
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
    participant = Participant()
    observed = Observation(facts.SYNCED, None, None, "It is synced.")

    for _ in range(720):  # an hour
        serving.keep_record(context, state_files, observed, participant)
        context.clock.sleep(5)

    assert 60 <= participant.count <= 75
