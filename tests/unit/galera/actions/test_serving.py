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
        assert self.node == (context, state_files)
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
    server.node = context, StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
    return server.node


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


class Recorder(Participant):
    """Keeps what is done, in order. snapshot: what it knows; applied: Decisions."""

    def __init__(self, snapshot=None, generation=3):
        Participant.__init__(self)
        self.done, self.known, self.own = [], snapshot or Participant.snapshot(self), generation

    def snapshot(self):
        return self.known

    def generation(self):
        return self.own

    def publish_state(self, state):
        self.done.append(("publish_state", state))

    def __getattr__(self, name):
        return lambda *given: self.done.append((name, *given))


@pytest.mark.parametrize("state, status", [
    (facts.SYNCED, "synced"), (facts.DONOR, "synced, and donor of a state transfer or desynced"),
    (facts.JOINED, "joined, catching up")])
@pytest.mark.parametrize("probe", [False, True])
def test_what_a_healthy_monitor_publishes(tmp_path, monkeypatch, state, status, probe):
    context, files = serves(tmp_path, monkeypatch, Server(MEMBER), view(7, MEMBER))
    context.is_probe = probe
    for name in ("tried", "failed", "launched-from", "opening"):
        files.write(name, {"at": 1})
    files.keep(str(tmp_path / "data" / "gvwstate.dat"))
    one, named = Recorder(known(SERVES)), []
    monkeypatch.setattr("quorate.galera.server.data.identity.record", lambda *given: named.append(given))

    serving.keep_record(context, files, SYNCED._replace(state=state), one)

    synced = state == facts.SYNCED
    assert [("set_own_generation", 3)] * synced + [("publish_state", state), ("set_status", status), ("offer_self",)] + [
        ("keep_promoted",)] * probe == [done for done in one.done if done[0] != "apply"]
    assert synced == (one.done[-1][0] == "apply")
    assert [(context, files, str(tmp_path / "data"))] * synced == named
    assert synced == (files.kept("gvwstate.dat") is None) and not files.has("opening")
    assert [name for name in ("tried", "failed", "launched-from") if files.has(name)] == (
        [] if synced else ["tried", "failed", "launched-from"])


@pytest.mark.parametrize("change, again", [
    ("nothing", False), ("state", True), ("view", True), ("probe", True), ("data directory", True)])
def test_a_healthy_monitor_does_nothing_until_something_changes(tmp_path, monkeypatch, change, again):
    context, files = serves(tmp_path, monkeypatch, Server(MEMBER), view(7, MEMBER))
    serving.keep_record(context, files, SYNCED, Recorder())
    one, state = Recorder(), facts.SYNCED
    if change == "state":
        state = facts.DONOR
    elif change == "view":
        (tmp_path / "data" / "gvwstate.dat").write_text(view(8, MEMBER))
    elif change == "probe":
        context.is_probe = True
    elif change == "data directory":
        os.unlink(tmp_path / "data" / "gvwstate.dat")
    serving.keep_record(context, files, SYNCED._replace(state=state), one)

    assert again == bool(one.done)


@pytest.mark.parametrize("settles, seconds", [
    (True, [0]), (False, [0, 5, 10, 15, 20, 25, 30, 90, 150])])
def test_when_an_unsettled_view_is_asked_about_again(tmp_path, monkeypatch, settles, seconds):
    """Every 5 s for half a minute, then every minute."""
    context, files = serves(tmp_path, monkeypatch, Server(MEMBER, behind=not settles), view(7, MEMBER))
    found = []
    while context.clock.elapsed < 200:
        one = Recorder()
        serving.keep_record(context, files, SYNCED, one)
        if one.done:
            found.append(int(context.clock.elapsed))
        context.clock.sleep(5)

    assert seconds == found


def test_a_participant_is_made_only_where_something_is_published(tmp_path, monkeypatch):
    context, files = serves(tmp_path, monkeypatch, Server(MEMBER), view(7, MEMBER))
    made, one = [], Recorder()
    monkeypatch.setattr("quorate.galera.actions.participant.Participant", lambda *given: made.append(given) or one)
    for _ in range(3):
        serving.keep_record(context, files, SYNCED)

    assert [(context, files)] == made and one.done


# The others

def known(*reports, **change):
    nodes = {report.node: report for report in reports}
    return facts.Snapshot("n1", ("n1", "n2", "n3"), nodes, frozenset(nodes), 1)._replace(**change)


def down(node):
    return facts.Report(node, facts.DOWN, MEMBER, 5, data=True, generation=1)


SERVES = facts.Report("n1", facts.SYNCED, data=True, generation=1)


@pytest.mark.parametrize("reports, applied", [
    ([SERVES, down("n2"), down("n3")], [("n2", "n3", "n1")]), ([SERVES], [("n1",)]), ([down("n1"), down("n2")], [])])
def test_those_that_wait_are_offered_to_join_and_this_node_keeps_its_promotion(reports, applied):
    one = Recorder(known(*reports))
    one.context = fakes.context()
    serving.offer_others(one)

    assert applied == [done[1].nodes for done in one.done if done[0] == "apply"]
    assert len(applied) == len(one.done)


def test_an_order_ends_where_there_is_a_primary_component(tmp_path):
    one = Recorder(known(SERVES, override=facts.Override("n2", "op", 1, False)))
    one.context = fakes.context()
    serving.offer_others(one)

    assert ("set_override", None) == one.done[0]
    assert ["The order of op to bootstrap n2 was not carried out, and is removed: there is a primary component."] == [
        text for _, text in one.context.log.lines]


def unanswered(tmp_path, **parameters):
    """(Context, StateFiles) of a monitor that cannot ask the server for its members."""
    os.makedirs(tmp_path / "data")
    (tmp_path / "data" / "gvwstate.dat").write_text(view(7, MEMBER))
    context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", socket=tmp_path / "nobody",
                            environ={"OCF_RESKEY_CRM_meta_interval": "5000"}, **parameters)
    return context, StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))


def test_the_view_is_read_where_the_server_says_that_its_data_are(tmp_path):
    """The parameter datadir need not be set; start writes down what the server says."""
    context, state_files = unanswered(tmp_path)
    state_files.write("layout", {"datadir": tmp_path / "data"})
    serving.keep_record(context, state_files, Observation(facts.SYNCED, None, None, ""), Participant())
    assert "7" == state_files.read("view", persistent=True).get("seq")


def test_a_new_view_has_its_own_time_to_be_applied(tmp_path):
    context, state_files = unanswered(tmp_path, datadir=tmp_path / "data")

    def recorded(seconds):
        context.clock.sleep(seconds)
        serving.keep_record(context, state_files, Observation(facts.SYNCED, None, None, ""), Participant())
        return state_files.has("serving")
    assert not recorded(0) and not recorded(serving.UNSETTLED_PATIENCE - 1)
    (tmp_path / "data" / "gvwstate.dat").write_text(view(10, MEMBER))
    assert not recorded(1) and not recorded(serving.UNSETTLED_PATIENCE - 1) and recorded(1)
