# SPDX-License-Identifier: Apache-2.0
"""What the monitor makes of a server that runs and does not serve yet."""

import os

import pytest

from quorate.galera import facts
from quorate.galera.actions import startup
from quorate.galera.actions.participant import Participant
from quorate.galera.actions.startup import monitor_startup
from quorate.galera.declaration import PARAMETERS
from quorate.galera.server.observe import Observation
from quorate.host.process import Processes
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from tests import fakes
from tests.unit.galera.election.reports import alive, crashed, empty, snapshot_of, view

ME = "n1"


class PublishedState:
    """Nobody else has reported a primary component; its statuses are kept."""

    def __init__(self, nodes):
        self.statuses = []
        self.reports = {node: facts.Report(node, facts.STARTING) for node in nodes}

    def own_generation(self):
        return 1

    def publish(self, report):
        self.reports[report.node] = report

    def set_status(self, sentence):
        self.statuses.append(sentence)

    def offer_self(self):
        pass

    def snapshot(self, configured, names=None, listening=None):
        return facts.Snapshot(ME, configured, self.reports, frozenset(self.reports), 1, {}, False, frozenset(), None,
                              None)


def watched(tmp_path, action, complete=900, others=("n2",), silent=(), state=facts.STARTING, of_others=facts.STARTING,
            missing=900):
    """(Outcome, statuses) for a server that has been starting for a quarter of an hour. action: what it was launched
    for; complete: seconds since all members of its last view are there; others: nodes that report; silent: that do
    not; state: of the server; of_others: theirs; missing: seconds since a member does not report."""
    context = fakes.context(parameters=PARAMETERS, processes=Processes(), datadir=tmp_path / "data",
                            wsrep_cluster_address="gcomm://" + ",".join((ME,) + others + silent))
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
    process = context.processes.get(os.getpid())
    state_files.write("outside", {"pid": process.pid, "since": int(context.clock.monotonic()) - 900})
    state_files.write("complete", {"pid": process.pid, "since": int(context.clock.monotonic()) - complete})
    state_files.write("missing", {"pid": process.pid, "since": int(context.clock.monotonic()) - missing})
    if action:
        state_files.write("launched-from", {"action": action})
    published = PublishedState((ME,) + others)
    for node in others:
        published.reports[node] = facts.Report(node, of_others)
    outcome = monitor_startup(Participant(context, state_files, published),
                              Observation(state, process, None, "It starts."))
    watched.complete = state_files.has("complete")
    return outcome, published.statuses


def test_a_joiner_that_lost_the_primary_component_before_it_was_synced_is_restarted_at_once(tmp_path):
    """Galera does not re-form a component with it ("No re-merged primary component found"): a cluster whose nodes were
    killed one after the other was whole after 96 s only."""
    for of_others, code in ((facts.DOWN, codes.FAILED_PROMOTED), (facts.STARTING, codes.FAILED_PROMOTED),
                            # One that was synced lives: when they meet again, the component may come back by itself.
                            (facts.NONPRIMARY, codes.RUNNING_PROMOTED), (facts.HUNG, codes.RUNNING_PROMOTED)):
        outcome = watched(tmp_path, facts.JOIN, 1, state=facts.NONPRIMARY, of_others=of_others)[0]
        assert code == outcome.code and (code == codes.RUNNING_PROMOTED or "before it was synced" in outcome.reason)
    for action, state in ((facts.RECOVER, facts.NONPRIMARY), (facts.BOOTSTRAP, facts.NONPRIMARY)):
        assert codes.RUNNING_PROMOTED == watched(tmp_path, action, 1, state=state, of_others=facts.DOWN)[0].code


def test_a_member_that_fails_again_and_again_is_not_missing_between_its_stop_and_its_start(tmp_path):
    """It reports nothing in between, and the others waited for ever for a primary component."""
    watched(tmp_path, facts.RECOVER, silent=("n3",), missing=3)
    assert watched.complete
    watched(tmp_path, facts.RECOVER, silent=("n3",), missing=10)
    assert not watched.complete


def test_a_node_that_reports_a_primary_component_and_accepts_no_connection_is_named(tmp_path, mocker):
    """It hangs, or its stop is blocked. The others were restarted again and again, and nothing said why."""
    listening = mocker.patch("quorate.galera.server.observe.listening", return_value=frozenset())
    outcome, _ = watched(tmp_path, facts.JOIN, of_others=facts.SYNCED)

    assert codes.DEGRADED_PROMOTED == outcome.code and len(outcome.reason) <= 144
    assert outcome.reason.startswith("n2 reports to be") and outcome.reason.endswith("pcs stonith fence n2")
    listening.return_value = frozenset(["n2"])
    assert codes.DEGRADED_PROMOTED != watched(tmp_path, facts.JOIN, of_others=facts.SYNCED)[0].code


def test_one_that_bootstraps_waits_for_nobody_and_is_left_to_its_recovery(tmp_path):
    """InnoDB may have hours of log to apply."""
    outcome, statuses = watched(tmp_path, facts.BOOTSTRAP)

    assert codes.RUNNING_PROMOTED == outcome.code
    assert ["starts as the first member of a new primary component"] == statuses


def test_one_that_waits_in_vain_for_those_who_are_all_there_gives_way_to_the_election(tmp_path):
    assert codes.FAILED_PROMOTED == watched(tmp_path, facts.RECOVER)[0].code


def test_one_that_waited_for_long_gives_the_other_its_time_to_come_back(tmp_path):
    """Found on a cluster of two: the survivor was restarted the moment the other one was back, which then had no
    donor."""
    assert codes.RUNNING_PROMOTED == watched(tmp_path, facts.RECOVER, complete=1)[0].code


def test_the_command_that_goes_on_without_two_nodes_fits_into_what_pacemaker_keeps(tmp_path):
    outcome, _ = watched(tmp_path, facts.RECOVER, others=(), silent=("controller-2", "controller-3"))

    assert codes.DEGRADED_PROMOTED == outcome.code
    assert outcome.reason.endswith("quorate bootstrap " + ME)
    assert len(outcome.reason) - len(ME) + len("controller-1") <= 144


@pytest.mark.parametrize("log, reason", [
    ("2026-11-28 19:49:26 0 [ERROR] mariadbd: File '/srv/none/bin.index' not found (Errcode: 2 \"No such file or\"\n"
     "2026-11-28 19:49:26 0 [ERROR] Aborting\n", "The server gave up and hangs: log_bin: there is no /srv/none"),
    ("2026-11-28 19:49:26 0 [ERROR] Something else\n", None)])
def test_a_server_that_gave_up_and_hangs_is_restarted_at_once(tmp_path, mocker, log, reason):
    """MariaDB 10.11 without the index of its binary log logs that it aborts, and hangs: it was left alone for 300 s."""
    (tmp_path / "error.log").write_text(log)
    files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
    files.write("server", {"pid": os.getpid(), "log": tmp_path / "error.log"})
    mocker.patch("quorate.galera.server.observe.stalled_for", return_value=10)
    outcome, _ = watched(tmp_path, facts.RECOVER, 1)

    assert (outcome.reason or "").startswith(reason or "") and (outcome.code == codes.FAILED_PROMOTED) == bool(reason)


@pytest.mark.parametrize("size, others, met", [
    (3, (), True), (2, (), False), (None, (), False),
    (3, (alive("n4", facts.STARTING, None, my_uuid=None),), False), (4, (alive("n4", facts.STARTING, None),), True),
    (3, (alive("n4", facts.HUNG, view(5, "n4")),), False), (3, (empty("n4"),), True)])
def test_all_have_met_where_there_is_room_for_every_server_that_runs(size, others, met):
    """The server says how many are in its group, not who: n4 may be there in the place of n2, which recovers InnoDB."""
    snapshot = snapshot_of(alive("n1", facts.NONPRIMARY), alive("n2", facts.STARTING), alive("n3", facts.STARTING),
                           *others)
    status = facts.ServerStatus(True, cluster_size=size)
    assert met == startup._have_met(Observation(facts.NONPRIMARY, None, status, ""), snapshot)
    assert not startup._have_met(Observation(facts.STARTING, None, status, ""), snapshot)
    left = snapshot_of(alive("n1", facts.NONPRIMARY, recorded=False), *others)
    assert not startup._have_met(Observation(facts.NONPRIMARY, None, status, ""), left)


def test_what_another_member_of_the_same_view_gave_up_is_not_waited_for():
    mine = alive("n1", facts.STARTING)
    for other, gave_up in ((crashed("n2", 5, tried=True), ["n2"]), (alive("n2", facts.NONPRIMARY, tried=True), ["n2"]),
                           (crashed("n2", 5), []), (crashed("n2", 5, view(6, "n1", "n2"), tried=True), []),
                           (crashed("n2", 5, my_uuid="m4", tried=True), [])):
        assert gave_up == startup._gave_up(snapshot_of(mine, other))
        assert [] == startup._gave_up(snapshot_of(mine._replace(recorded=False), other))
        assert [] == startup._gave_up(snapshot_of(mine, other, members=frozenset(["n1"])))
    assert [] == startup._gave_up(snapshot_of(mine._replace(tried=True)))


def test_whom_the_election_waits_for_waits_for_nodes_that_are_down():
    """n1, of the view after, is not started while n2 does not say what it holds; n2 waits for n1."""
    last = view(8, "n1", "n3")
    reports = [crashed("n1", 5, last, settled=False), alive("n2", facts.STARTING), alive("n3", facts.NONPRIMARY, last)]
    for me in ("n2", "n3"):
        assert startup._waits_for_each_other(snapshot_of(*reports, me=me)), me
    started = [alive("n1", facts.STARTING, last)] + reports[1:]
    assert not startup._waits_for_each_other(snapshot_of(*started, me="n2"))
    settled = reports[:2] + [reports[2]._replace(settled=True)]
    assert not startup._waits_for_each_other(snapshot_of(*settled, me="n2")), "n1 is started"
    joins = [crashed("n1", 5), alive("n2", facts.STARTING, recorded=False), alive("n3", facts.NONPRIMARY)]
    assert startup._waits_for_each_other(snapshot_of(*joins, me="n2"))
    apart = [crashed("n1", 5, view(8, "n1", "n2"), settled=False), alive("n3", facts.NONPRIMARY)]
    assert not startup._waits_for_each_other(snapshot_of(*apart, me="n3")), "it waits for n2, and needs nothing of n3"
    ahead = [alive(node, facts.STARTING) for node in ("n1", "n2", "n3")] + [crashed("n4", 6, view(6, "n4"))]
    ahead = snapshot_of(*ahead, me="n2", configured=("n1", "n2", "n3", "n4"))
    assert facts.WAIT == startup.decide(ahead).action
    assert not startup._waits_for_each_other(ahead), "whom n2 waits for has been started"


def waiting(tmp_path, action=None, **since):
    """(Participant, Observation) of a server that was launched for this action. since: names of state files and how
    many seconds they are old."""
    context = fakes.context(parameters=PARAMETERS, processes=Processes(), datadir=tmp_path / "data",
                            wsrep_cluster_address="gcomm://n1,n2,n3")
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
    process = context.processes.get(os.getpid())
    for name, seconds in since.items():
        began = int(context.clock.monotonic()) - seconds
        state_files.write(name.replace("_", "-"), {"pid": process.pid, "since": began})
    if action:
        state_files.write("launched-from", {"action": action})
    return Participant(context, state_files, PublishedState(())), Observation(facts.STARTING, process, None, "")


def test_one_that_runs_without_a_quorum_ends_after_those_that_start(tmp_path):
    """It may hold in memory what no disk has; when the others have reported, it may be enough that it stays."""
    last = view(8, "n1", "n3")
    n1, n3 = crashed("n1", 5, last, settled=False), alive("n3", facts.NONPRIMARY, last)
    starts, joins = alive("n2", facts.STARTING), alive("n2", facts.STARTING, recorded=False)
    for seconds, state, snapshot, expected in (
            (startup.GAP - 1, facts.STARTING, snapshot_of(n1, starts, n3, me="n2"), False),
            (startup.GAP, facts.STARTING, snapshot_of(n1, starts, n3, me="n2"), True),
            (startup.GAP, facts.STARTING, snapshot_of(n1, joins, n3, me="n2"), False),  # it has no view to re-form
            (startup.GAP, facts.NONPRIMARY, snapshot_of(n1, starts, n3, me="n3"), False),
            (2 * startup.GAP, facts.NONPRIMARY, snapshot_of(n1, starts, n3, me="n3"), True),
            (startup.GAP, facts.NONPRIMARY, snapshot_of(n1, crashed("n2", 6), n3, me="n3"), True)):
        participant, observed = waiting(tmp_path, held_up=seconds)
        found = startup._is_held_up(participant, observed._replace(state=state), snapshot)
        assert expected == found, (seconds, state)


@pytest.mark.parametrize("others, restarted", [
    ([crashed("n2", 5)], startup.GAP),                                             # all wait for what n1 holds
    ([crashed(node, 5, view(8, "n2", "n3")) for node in ("n2", "n3")], 30)])       # recovery_wait: these re-form theirs
def test_a_joiner_whose_position_is_waited_for_is_restarted_sooner(tmp_path, others, restarted):
    snapshot = snapshot_of(alive("n1", facts.STARTING, recorded=False), *others)
    participant, observed = waiting(tmp_path, facts.JOIN)

    assert codes.RUNNING_PROMOTED == startup._without_primary(participant, observed, snapshot, restarted - 1).code
    assert "No primary component to join" in startup._without_primary(participant, observed, snapshot, restarted).reason


@pytest.mark.parametrize("seconds, size, missing, given_up, met", [
    (startup.MET, 3, [], True, True), (startup.MET - 1, 3, [], False, True),
    (900, 2, [], False, False),
    (900, 3, ["n3"], False, False)])  # it may be another server that is there, whose report is not
def test_servers_that_have_met_get_time_to_form_a_primary_component(tmp_path, seconds, size, missing, given_up, met):
    snapshot = snapshot_of(alive("n1", facts.NONPRIMARY), alive("n2", facts.STARTING), alive("n3", facts.STARTING))
    participant, observed = waiting(tmp_path, met=seconds, complete=0)
    observed = observed._replace(state=facts.NONPRIMARY, status=facts.ServerStatus(True, cluster_size=size))

    assert given_up == bool(startup._why_given_up(participant, observed, snapshot, missing))
    assert met == participant.state_files.has("met")


def test_one_that_gives_up_says_so_while_it_runs(tmp_path):
    """So the others end at the same time, and the election has all positions at once."""
    snapshot = snapshot_of(alive("n1", facts.NONPRIMARY), alive("n2", facts.STARTING), alive("n3", facts.STARTING))
    participant, observed = waiting(tmp_path, met=startup.MET)
    observed = observed._replace(state=facts.NONPRIMARY, status=facts.ServerStatus(True, cluster_size=3))
    assert codes.FAILED_PROMOTED == startup._without_primary(participant, observed, snapshot, 30).code
    assert participant.published.reports["n1"] == snapshot.reports["n1"]._replace(tried=True)
    assert participant.state_files.has("tried")
