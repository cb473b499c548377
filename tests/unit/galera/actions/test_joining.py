# SPDX-License-Identifier: Apache-2.0
"""How long the monitor leaves a server alone that does not serve yet, by what it does and what the others report."""

import os

import pytest

from quorate.galera import facts
from quorate.galera.actions import startup
from quorate.galera.actions.participant import Participant
from quorate.galera.declaration import PARAMETERS
from quorate.galera.server.observe import Observation
from quorate.host.process import Processes
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from tests import fakes
from tests.unit.galera.election.reports import alive, crashed, snapshot_of, view

RUNS, FAILED, DEGRADED = codes.RUNNING_PROMOTED, codes.FAILED_PROMOTED, codes.DEGRADED_PROMOTED
STARTING, RECEIVING, NONPRIMARY = facts.STARTING, facts.RECEIVING, facts.NONPRIMARY


class PublishedState:
    """What n1 and n2 report, and an override; what n1 publishes is kept."""

    def __init__(self, of_n2=None, override=None):
        self.reports = {"n1": alive("n1", STARTING), "n2": of_n2} if of_n2 else {}
        self.override, self.offered = override, 0

    def own_generation(self):
        return 1

    def publish(self, report):
        self.reports[report.node] = report

    def set_status(self, sentence):
        pass

    def offer_self(self):
        self.offered += 1

    def snapshot(self, configured, names=None):
        return snapshot_of(*self.reports.values(), configured=configured, override=self.override, listening=None)


def server(tmp_path, published, state, action=None, **seconds):
    """(Participant, Observation) of a server of n1 in this state that was launched for this action. seconds: names of
    state files, and since when they say so."""
    context = fakes.context(parameters=PARAMETERS, processes=Processes(), datadir=tmp_path / "data",
                            wsrep_cluster_address="gcomm://n1,n2,n3")
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
    process = context.processes.get(os.getpid())
    for name, since in seconds.items():
        state_files.write(name.replace("_", "-"), {"pid": process.pid, "since": int(context.clock.monotonic()) - since})
    if action:
        state_files.write("launched-from", {"action": action})
    return Participant(context, state_files, published), Observation(state, process, None, "It waits.")


def monitored(tmp_path, mocker, published, state, action, outside, stalled, listening=("n2",)):
    """(Outcome, Participant) of the monitor of a server outside a primary component that has read nothing for `stalled`
    seconds. listening: the nodes whose group communication port is open."""
    mocker.patch("quorate.galera.server.observe.stalled_for", return_value=stalled)
    mocker.patch("quorate.galera.server.observe.listening", return_value=frozenset(listening))
    participant, observed = server(tmp_path, published, state, action, outside=outside)
    return startup.monitor_startup(participant, observed), participant


@pytest.mark.parametrize("state, outside, stalled, code", [
    (STARTING, 299, 299, RUNS), (STARTING, 300, 30, FAILED), (STARTING, 900, 29, RUNS),  # stall_timeout, recovery_wait
    (NONPRIMARY, 20, 20, FAILED), (NONPRIMARY, 19, 299, RUNS), (NONPRIMARY, 900, 19, RUNS),  # nonprimary_wait
    (RECEIVING, 900, 299, RUNS)])
def test_one_that_does_not_join_the_running_primary_component_is_restarted(tmp_path, mocker, state, outside, stalled,
                                                                           code):
    published = PublishedState(alive("n2", facts.SYNCED))
    outcome, _ = monitored(tmp_path, mocker, published, state, facts.JOIN, outside, stalled)

    assert (outcome.code, published.reports["n1"].state) == (code, state)
    assert (code == RUNS) == (outcome.reason is None)
    assert code == RUNS or outcome.reason == (
        "Outside of the running primary component for %d s; restarted to join it. It waits." % outside)
    assert published.offered == (state != RECEIVING)


@pytest.mark.parametrize("state, action, reason", [
    (RECEIVING, facts.JOIN, "The transfer made no progress for 300 s: "),
    (STARTING, facts.BOOTSTRAP, "The bootstrap made no progress for 300 s: ")])
def test_a_transfer_or_bootstrap_without_progress_ends(tmp_path, mocker, state, action, reason):
    of_n2 = crashed("n2", 5)
    assert monitored(tmp_path, mocker, PublishedState(of_n2), state, action, 900, 299)[0] == (RUNS, None)
    outcome, participant = monitored(tmp_path, mocker, PublishedState(of_n2), state, action, 900, 300)

    assert outcome == (FAILED, reason + "its log tells no error: it has none")
    # Another node of the same position bootstraps first then; of a transfer the donor may be the cause.
    assert participant.state_files.has("failed") == (action == facts.BOOTSTRAP)


@pytest.mark.parametrize("state, stalled, ends", [
    (STARTING, 10, True), (RECEIVING, 10, True), (STARTING, 9, False), (NONPRIMARY, 900, False)])
def test_only_one_that_reads_nothing_any_more_is_asked_whether_it_gave_up(tmp_path, mocker, state, stalled, ends):
    """Its log may be long, and what it tells may be of the past."""
    mocker.patch("quorate.galera.server.log.ending.gave_up", return_value="log_bin: there is no /srv/none")
    published = PublishedState(alive("n2", facts.SYNCED))
    outcome, participant = monitored(tmp_path, mocker, published, state, facts.JOIN, 1, stalled)

    assert outcome == ((FAILED, "The server gave up and hangs: log_bin: there is no /srv/none") if ends else (RUNS, None))
    assert participant.state_files.has("failed") == ends


@pytest.mark.parametrize("node, listening, restarted", [
    ("n1", (), True), ("n1", ("n2",), False), ("n2", (), False), (None, (), False)])
def test_the_one_that_is_to_bootstrap_is_restarted_unless_a_primary_component_runs(tmp_path, mocker, node, listening,
                                                                                   restarted):
    """What n2 reported before it hung does not count where its port is closed."""
    override = facts.Override(node, "alice", 1) if node else None
    published = PublishedState(alive("n2", facts.SYNCED), override)
    outcome, _ = monitored(tmp_path, mocker, published, STARTING, facts.RECOVER, 1, 0, listening)

    assert outcome == ((FAILED, "Restarted to bootstrap, as ordered by alice.") if restarted else (RUNS, None))
    assert published.offered == (not restarted)


TWO = {"configured": ("n1", "n2"), "two_node": True, "lost_confirmed": frozenset(["n2"])}


@pytest.mark.parametrize("state, outside, change, alone", [
    (NONPRIMARY, 20, {}, True), (NONPRIMARY, 19, {}, False), (STARTING, 900, {}, False),
    (NONPRIMARY, 900, {"two_node": False}, False), (NONPRIMARY, 900, {"lost_confirmed": frozenset()}, False),
    (NONPRIMARY, 900, {"configured": ("n1", "n2", "n3")}, False)])
def test_only_of_two_nodes_goes_one_on_alone_and_only_if_the_other_is_confirmed_off(tmp_path, state, outside, change,
                                                                                    alone):
    snapshot = snapshot_of(alive("n1", state, view(7, "n1", "n2")), **dict(TWO, **change))
    participant, observed = server(tmp_path, PublishedState(), state, facts.BOOTSTRAP)
    outcome = startup._without_primary(participant, observed, snapshot, outside)

    assert alone == (outcome == (FAILED, "The other node is confirmed off; restarted to go on alone (two_node_mode)."))
    assert alone == participant.state_files.has("survivor")
    assert alone or outcome.code in (RUNS, DEGRADED)


@pytest.mark.parametrize("state, action, of_others, begins", [
    (NONPRIMARY, facts.JOIN, STARTING, "It lost the primary component before it was synced; restarted, "),
    (NONPRIMARY, facts.JOIN, NONPRIMARY, None), (NONPRIMARY, facts.RECOVER, STARTING, None),
    (STARTING, facts.JOIN, STARTING, None)])
def test_a_joiner_without_a_primary_component_waits_only_for_servers_that_may_bring_it_back(tmp_path, state, action,
                                                                                            of_others, begins):
    snapshot = snapshot_of(alive("n1", state), alive("n2", of_others), alive("n3", STARTING))
    participant, observed = server(tmp_path, PublishedState(), state, action)
    outcome = startup._without_primary(participant, observed, snapshot, 1)

    assert (outcome.code, (outcome.reason or "")[:len(begins or "")]) == (FAILED if begins else RUNS, begins or "")


@pytest.mark.parametrize("state, of_n2, seconds, reason", [
    (STARTING, alive("n2", STARTING), {"complete": 30}, "No primary component formed within 30 s, although all members "
                                                        "of the last one run; restarted so that the election decides."),
    (STARTING, alive("n2", STARTING), {"complete": 29}, None),
    (STARTING, alive("n2", NONPRIMARY, tried=True), {"complete": 0},
     "n2 has given up to re-form the last primary view; restarted so that the election decides."),
    (STARTING, crashed("n2", 5, view(8, "n2", "n3"), settled=False), {"complete": 0, "held_up": 10},
     "The election waits for what this node holds, and this server for nodes that are down; restarted so that the "
     "election decides."),
    (STARTING, crashed("n2", 5, view(8, "n2", "n3"), settled=False), {"complete": 0, "held_up": 9}, None)])
def test_one_that_waits_in_vain_says_why_it_is_restarted(tmp_path, state, of_n2, seconds, reason):
    snapshot = snapshot_of(alive("n1", state), of_n2, alive("n3", NONPRIMARY, view(8, "n2", "n3")))
    participant, observed = server(tmp_path, PublishedState(), state, facts.RECOVER, missing=900, **seconds)

    assert startup._without_primary(participant, observed, snapshot, 900) == (FAILED if reason else RUNS, reason)
    assert not participant.state_files.has("missing")


def test_one_that_waits_for_a_member_that_is_missing_is_not_held_up(tmp_path):
    """The election waits for that member as well, and has nothing to decide."""
    snapshot = snapshot_of(alive("n1", STARTING), crashed("n2", 5, view(8, "n2", "n3"), settled=False))
    participant, observed = server(tmp_path, PublishedState(), STARTING, facts.RECOVER, held_up=900)

    assert startup._without_primary(participant, observed, snapshot, 1) == (RUNS, None)


def test_a_joiner_that_finds_no_primary_component_is_restarted(tmp_path):
    participant, observed = server(tmp_path, PublishedState(), STARTING, facts.JOIN)
    snapshot = snapshot_of(alive("n1", STARTING, recorded=False), crashed("n2", 5))

    assert startup._without_primary(participant, observed, snapshot, 900).code == FAILED


def test_the_time_of_one_that_was_held_up_begins_anew(tmp_path):
    participant, observed = server(tmp_path, PublishedState(), STARTING, facts.RECOVER, held_up=900)
    assert not startup._is_held_up(participant, observed, snapshot_of(alive("n1", STARTING), alive("n2", STARTING)))
    assert not participant.state_files.has("held-up")


def test_one_whose_own_report_is_lost_gives_nothing_up():
    """The cluster forgot it (a node attribute ends when the node leaves); the next monitor publishes it again."""
    snapshot = snapshot_of(crashed("n2", 5, tried=True), crashed("n3", 6))
    status = facts.ServerStatus(True, cluster_size=3)

    assert [] == startup._gave_up(snapshot)
    assert not startup._have_met(Observation(NONPRIMARY, None, status, ""), snapshot)
    assert not startup._waits_for_each_other(snapshot)


@pytest.mark.parametrize("reports, missing", [
    ([alive("n1", STARTING), alive("n2", STARTING)], ["n3"]),
    ([alive("n1", STARTING), alive("n2", STARTING), crashed("n3", 5)], []),
    ([alive("n1", STARTING, facts.View("m1", 7, frozenset(["m1", "m2", "m4-and-more"]))), alive("n3", STARTING)],
     ["m4-and-m", "n2"]),  # of a node that has no name any more: how its UUID begins
    ([alive("n1", STARTING, arbitrators=frozenset(["m3"]))], ["n2"]),  # garbd publishes nothing
    ([alive("n1", STARTING, None, my_uuid=None), alive("n2", STARTING)], ["n3"]),
    ([alive("n2", STARTING)], ["n1", "n3"])])
def test_who_is_missing_is_of_the_last_view_else_of_the_configured_nodes(reports, missing):
    assert missing == startup.missing_members(snapshot_of(*reports))


@pytest.mark.parametrize("state, action, of_n2, text", [
    (RECEIVING, facts.JOIN, None, "receives a state transfer; HAProxy does not use it until it is synced"),
    (STARTING, facts.BOOTSTRAP, None, "starts as the first member of a new primary component"),
    (NONPRIMARY, facts.BOOTSTRAP, None, "runs, but is not in a primary component"),
    (STARTING, facts.RECOVER, alive("n2", STARTING), "starts, and waits for a primary component (missing: n3)"),
    (NONPRIMARY, facts.RECOVER, alive("n2", STARTING), "runs, but is not in a primary component (missing: n3)"),
    (facts.JOINED, facts.JOIN, None, "It waits.")])
def test_the_status_says_what_a_server_does_that_does_not_serve(tmp_path, state, action, of_n2, text):
    participant, observed = server(tmp_path, PublishedState(of_n2), state, action)
    if of_n2 is None:
        participant.published.publish(alive("n1", state, view(7, "n1")))
    assert text == startup.progress_text(participant, observed)


@pytest.mark.parametrize("outside, code", [(19, RUNS), (20, DEGRADED)])
def test_an_operator_is_asked_for_after_twenty_seconds(tmp_path, mocker, outside, code):
    """For a node whose port is closed, and for a member that is missing."""
    hangs = PublishedState(alive("n2", facts.SYNCED))
    assert monitored(tmp_path, mocker, hangs, STARTING, facts.JOIN, outside, 0, ())[0].code == code
    misses = snapshot_of(alive("n1", STARTING), alive("n2", STARTING))
    participant, observed = server(tmp_path, PublishedState(), STARTING, facts.RECOVER)
    assert startup._without_primary(participant, observed, misses, outside).code == code


def test_the_time_outside_is_not_that_of_an_earlier_server(tmp_path, mocker):
    """A stop that was killed leaves its file."""
    participant, observed = server(tmp_path, PublishedState(), STARTING, outside=900)
    assert 900 <= startup._elapsed(participant, "outside", observed)
    participant.state_files.write("outside", {"pid": os.getpid() + 1, "since": 0})
    assert 0 == startup._elapsed(participant, "outside", observed)
