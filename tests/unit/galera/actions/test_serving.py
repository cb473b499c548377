# SPDX-License-Identifier: Apache-2.0
"""How often the monitor of a healthy server asks the cluster."""

import os

import pytest

from quorate.galera import facts
from quorate.galera.actions import serving
from quorate.galera.declaration import PARAMETERS
from quorate.galera.server import observe
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


THIRD = "8c1f0c2e-c6a1-11ef-9d1d-3b0d6f7a8c33"


def view(seq, *members):
    return "my_uuid: %s\n#vwbeg\nview_id: 3 %s %d\nbootstrap: 0\n%s#vwend\n" % (
        MEMBER, MEMBER, seq, "".join("member: %s 0\n" % member for member in members))


class Server:
    """Stands for the questions about members. behind: its applier stands still, so none that waits is answered."""

    def __init__(self, *members, behind=False, then=None):
        self.members, self.behind, self.then, self.asked = members, behind, then, []

    def __call__(self, context, state_files, sync_wait=False):
        self.asked.append(sync_wait)
        if self.then:
            self.then()
        return None if sync_wait and self.behind else observe.Members(self.members, {}, frozenset())


@pytest.mark.parametrize("behind, settled, questions", [
    (False, "%s:7", [True]), (True, "", [True, False])])
def test_settled_is_only_what_the_server_says_when_it_waits_for_its_applier(tmp_path, monkeypatch, behind, settled,
                                                                            questions):
    """One that is behind a join and a leave has the members of its last view in its table, not what came between."""
    server = Server(MEMBER, behind=behind)
    context, state_files = serves(tmp_path, monkeypatch, server, view(7, MEMBER))

    serving.keep_record(context, state_files, SYNCED, Participant())

    assert (settled and settled % facts.mask(MEMBER)) == state_files.read("view", persistent=True)["settled"]
    assert questions == server.asked


def test_a_view_that_is_delivered_during_the_question_is_not_settled_by_its_answer(tmp_path, monkeypatch):
    server = Server(MEMBER, then=lambda: (tmp_path / "data" / "gvwstate.dat").write_text(view(9, MEMBER)))
    context, state_files = serves(tmp_path, monkeypatch, server, view(7, MEMBER))

    serving.keep_record(context, state_files, SYNCED, Participant())

    remembered = state_files.read("view", persistent=True)
    assert ("9", "%s:7" % facts.mask(MEMBER)) == (remembered["seq"], remembered["settled"])


def test_a_settled_view_is_not_waited_for_again(tmp_path, monkeypatch):
    server = Server(MEMBER, THIRD)
    context, state_files = serves(tmp_path, monkeypatch, server, view(7, MEMBER, THIRD))
    for state in (facts.SYNCED, facts.DONOR):
        serving.keep_record(context, state_files, SYNCED._replace(state=state), Participant())

    assert [True, False] == server.asked


SYNCED = Observation(facts.SYNCED, None, None, "It is synced.")


def serves(tmp_path, monkeypatch, server, text):
    """(context, StateFiles) of a node whose server answers as `server` does and whose gvwstate.dat is `text`."""
    monkeypatch.setattr(observe, "members", server)
    os.makedirs(tmp_path / "data")
    (tmp_path / "data" / "gvwstate.dat").write_text(text)
    context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", datadir=tmp_path / "data",
                            environ={"OCF_RESKEY_CRM_meta_interval": "5000"})
    return context, StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))


@pytest.mark.parametrize("generation, recorded", [(None, []), (0, [0]), (7, [7])])
def test_a_generation_that_is_garbage_does_not_replace_what_this_node_is_of(tmp_path, generation, recorded):
    """It was recorded as 0: after the next loss of all nodes this one could only have joined."""
    os.makedirs(tmp_path / "data")
    context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", datadir=tmp_path / "data",
                            socket=tmp_path / "nobody", user="root")
    participant, found = Participant(), []
    participant.generation, participant.set_own_generation = lambda: generation, found.append

    serving.keep_record(context, StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent")),
                        Observation(facts.SYNCED, None, None, "It is synced."), participant)

    assert recorded == found
