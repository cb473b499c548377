# SPDX-License-Identifier: Apache-2.0
"""What single actions say and do on in-memory nodes (tests/nodes): the monitor in every state, promote's patience, the
drain before a stop."""

import pytest

from quorate.galera import facts
from quorate.galera.election.published import decode_report
from quorate.host import drain
from quorate.ocf import codes
from tests.nodes.cluster import PROMOTED, RESOURCE, STOPPED, UNPROMOTED, Cluster

ALL = ["n1", "n2", "n3"]


@pytest.fixture
def new(tmp_path, monkeypatch):
    with Cluster.of(tmp_path, monkeypatch) as cluster:
        yield cluster


@pytest.fixture
def cluster(new):
    """Three nodes that are synced and settled, with three commits."""
    assert new.run(60, lambda: new.synced() == ALL), new.journal
    for _ in range(3):
        new.commit()
    new.run(12)
    new.journal.entries.clear()
    return new


def report(cluster, name):
    return decode_report(name, cluster.pacemaker.transient[RESOURCE + "-report"][name])


def monitor(cluster, name, seconds=5):
    return cluster.act(name, "monitor", interval=seconds)


# The monitor of a server

def test_a_healthy_monitor_runs_no_program_and_asks_once(cluster):
    before = cluster["n1"].steps
    assert (codes.RUNNING_PROMOTED, "") == monitor(cluster, "n1")
    assert before == cluster["n1"].steps


@pytest.mark.parametrize("number, sentence", [
    (1045, "The database server refuses"), (1040, "The database server runs and has no connection left")])
def test_a_server_that_cannot_be_asked_is_degraded_at_the_third_monitor_and_never_stopped(cluster, number, sentence):
    cluster.database("n1").refuses = number, "no"
    assert [codes.RUNNING_PROMOTED] * 2 + [codes.DEGRADED_PROMOTED] == [monitor(cluster, "n1").code for _ in range(3)]
    assert monitor(cluster, "n1").reason.startswith(sentence)
    cluster.database("n1").refuses = None
    assert codes.RUNNING_PROMOTED == monitor(cluster, "n1").code
    cluster.database("n1").refuses = number, "no"
    assert codes.RUNNING_PROMOTED == monitor(cluster, "n1").code, "they are to be in a row"


def test_a_probe_writes_the_score_and_waits_until_it_is_seen(cluster):
    """Else the scheduler demotes a promoted server that a probe found."""
    assert codes.RUNNING_PROMOTED == cluster.act("n1", "monitor").code
    assert "attrd_updater -R" in [text for _, text in cluster.journal.of("n1", ["cluster"])]
    assert facts.SYNCED == report(cluster, "n1").state


def test_a_probe_of_a_dead_server_gives_no_reason(cluster):
    cluster.database("n1").kill()
    assert (codes.NOT_RUNNING, "") == cluster.act("n1", "monitor")
    assert codes.NOT_RUNNING == monitor(cluster, "n1").code and "died" in monitor(cluster, "n1").reason


def test_a_killed_server_that_has_not_ended_yet_is_waited_for(cluster):
    """It accepts no connection and has no command line any more, which looks like one that starts."""
    server = cluster.database("n1").server
    cluster["n1"].processes.change(server.pid, argv=())
    cluster.clock.at(2, cluster.database("n1").kill)
    assert codes.NOT_RUNNING == monitor(cluster, "n1").code


def test_a_killed_server_that_does_not_end_has_failed(cluster):
    server = cluster.database("n1").server
    cluster["n1"].processes.change(server.pid, argv=(), state="D")
    began = cluster.clock.elapsed
    answer = monitor(cluster, "n1")
    assert (codes.FAILED_PROMOTED, True) == (answer.code, "(pid %d) was killed and does not end (state D)" % server.pid
                                             in answer.reason)
    assert 4.9 <= cluster.clock.elapsed - began <= 5.5


def test_one_slow_answer_is_no_hang(cluster):
    """The first question gets no answer, the second one does."""
    cluster.database("n1").hangs = True
    cluster.clock.at(2, lambda: setattr(cluster.database("n1"), "hangs", False))
    began = cluster.clock.elapsed
    assert codes.RUNNING_PROMOTED == monitor(cluster, "n1").code
    assert 2.9 <= cluster.clock.elapsed - began <= 7


def test_a_donor_is_promoted_and_says_so(new):
    new.database("n2").transfer_takes = 20
    found = []
    new.when(lambda: new.database("n2").server and new.database("n2").server.stage == "receiving",
             lambda: new.clock.at(12, lambda: found.extend([report(new, "n1").state, new.status("n1"), report(
                 new, "n2").state, new.status("n2")])))
    assert new.run(60, lambda: new.synced() == ALL)
    assert [facts.DONOR, "synced, and donor of a state transfer or desynced", facts.RECEIVING] == found[:3]
    assert [] == new.reasons()


def test_an_order_that_was_not_needed_is_removed(cluster):
    cluster.order("n2")
    cluster.group.discards = False
    cluster.act("n1", "monitor")
    assert "db-override" not in cluster.pacemaker.properties
    assert any("was not carried out, and is removed" in text for _, text in cluster["n1"].logged)


def test_a_monitor_that_cannot_reach_the_cluster_fails_nothing(cluster):
    cluster.cut_power("n3")  # something has to be published
    cluster.pacemaker.members.discard("n1")
    assert codes.RUNNING_PROMOTED == monitor(cluster, "n1").code
    cluster.pacemaker.members.add("n1")
    assert codes.RUNNING_PROMOTED == monitor(cluster, "n1").code
    assert 2 == len(report(cluster, "n1").view.members)


# The monitor of a server outside of a primary component

def test_one_that_lost_the_others_waits_and_says_for_whom(cluster):
    """n1 is cut off from two that Pacemaker has lost as well."""
    cluster.database("n1").isolate()
    for name in ("n2", "n3"):
        cluster.pacemaker.leave(name, confirmed=False)
        cluster.machines[name].on = False
    cluster.run(60)
    assert PROMOTED == cluster.role["n1"] and cluster.database("n1").server is not None
    assert ["Waits for n2, n3, which may alone hold commits. Start it, or go on without it: quorate bootstrap n1"
            ] == cluster.reasons("n1")
    assert "runs, but is not in a primary component (missing: n2, n3)" == cluster.status("n1")
    assert facts.NONPRIMARY == report(cluster, "n1").state


def test_one_waits_only_for_the_members_of_its_last_view(cluster):
    cluster.cut_power("n3")
    cluster.run(6)
    cluster.database("n1").isolate()
    cluster.pacemaker.leave("n2", confirmed=False)
    cluster.machines["n2"].on = False
    cluster.run(20)
    assert "runs, but is not in a primary component (missing: n2)" == cluster.status("n1")


def test_an_order_is_carried_out_although_a_dead_node_still_says_that_it_serves(cluster):
    """Its agent hangs, so the report stays; its port is closed. Without an order nothing is done but to say so."""
    cluster.database("n1").isolate()
    for name in ("n2", "n3"):
        cluster.machines[name].on = False
        cluster.database(name).kill()
    cluster.run(40)
    assert ["If it hangs: pcs stonith fence n2"] == [
        text.partition("port is closed. ")[2] for text in cluster.reasons("n1") if text.startswith("n2, n3 report to")]
    cluster.order("n1", forced=True)
    assert cluster.run(60, lambda: cluster.synced() == ["n1"]), cluster.journal
    assert "Restarted to bootstrap, as ordered by op." in cluster.reasons("n1")


def test_the_time_outside_begins_anew_with_every_loss(cluster):
    cluster.database("n2").isolate()
    cluster.run(12)
    cluster.database("n2").reconnect()
    cluster.run(60)
    assert ALL == cluster.synced()
    cluster.database("n2").isolate()
    cluster.run(17)
    assert PROMOTED == cluster.role["n2"] and [] == cluster.reasons("n2"), "it has 20 s to come back"


def test_the_time_for_a_recovery_begins_anew_with_every_loss(cluster):
    """All servers lose each other, and meet again by themselves."""
    for seconds in (20, 25):
        view = cluster.group.view
        cluster.group.view = None
        for name in ALL:
            cluster.database(name).server.connected = False
            cluster.database(name).server.lose_primary(view)
        cluster.run(seconds)
        assert [] == cluster.reasons()
        for name in ALL:
            cluster.database(name).reconnect()
        cluster.run(30)
        assert ALL == cluster.synced()


def test_a_server_that_waits_keeps_its_promotion(cluster):
    """The attribute daemon was started anew, and knows no score any more."""
    cluster.database("n1").isolate()
    for name in ("n2", "n3"):
        cluster.pacemaker.leave(name, confirmed=False)
    cluster.pacemaker.transient["master-db"] = {}
    assert codes.RUNNING_PROMOTED == monitor(cluster, "n1").code
    assert 100 == cluster.pacemaker.score(RESOURCE, "n1")


def test_all_that_wait_in_vain_are_restarted_and_elected(cluster):
    """The network between the servers was away too long for Galera, and every member is there."""
    for name in ALL:
        cluster.database(name).isolate()
    cluster.group.view = None
    for name in ALL:
        cluster.database(name).server.lose_primary(cluster.database(name).server.last_view)
    began = cluster.clock.elapsed
    assert cluster.run(200, lambda: cluster.synced() == ALL), cluster.journal
    assert any(text.startswith("No primary component formed within 3") for text in cluster.reasons())
    assert 30 <= min(one.at for name in ALL for one in cluster.database(name).launches[1:]) - began <= 60
    assert "2" == cluster.pacemaker.properties["db-generation"]


def test_an_order_is_carried_out_by_one_that_waits_in_vain(cluster):
    cluster.database("n1").isolate()
    for name in ("n2", "n3"):
        cluster.cut_power(name)
    cluster.run(10)
    cluster.order("n1", forced=True)
    assert cluster.run(40, lambda: cluster.synced() == ["n1"]), cluster.journal
    assert "Restarted to bootstrap, as ordered by op." in cluster.reasons("n1")


def test_a_bootstrap_that_makes_no_progress(new):
    for name in ALL:
        new.database(name).start_takes = 10000
    assert new.run(600, lambda: "n1" not in [
        one.machine.name for one in new.group.servers] and new.database("n1").launches)
    failed = [answer for name, action, answer in new.answers if answer.code == codes.FAILED_PROMOTED]
    assert ["n1"] == [name for name, _, answer in new.answers if answer in failed]
    assert "progress for 3" in failed[0].reason
    assert 300 <= new.clock.elapsed <= 360
    new.run(5)
    assert report(new, "n1").failed and not report(new, "n2").failed


def test_a_bootstrap_may_apply_its_log_for_any_time(new):
    """InnoDB's recovery reads and writes."""
    for name in ALL:
        new.database(name).start_takes = 1000

    def work():
        for one in new.group.servers:
            one._work()
        new.clock.at(50, work)
    work()
    assert new.run(2500, lambda: new.synced() == ["n1"]), new.journal
    assert 1 == len(new.database("n1").launches)


def test_a_joiner_that_stays_outside_of_a_living_component_is_restarted(cluster):
    """It runs, and its network to the others is cut."""
    cluster.database("n3").kill()
    cluster.when(lambda: len(cluster.database("n3").launches) == 2,
                 lambda: setattr(cluster.database("n3").server, "connected", False))
    began = cluster.clock.elapsed
    assert cluster.run(500, lambda: len(cluster.database("n3").launches) == 3), cluster.journal
    assert 300 <= cluster.clock.elapsed - began <= 360
    assert any("Outside of the running primary component for 30" in text for text in cluster.reasons("n3"))


# Two nodes

@pytest.fixture
def two(tmp_path, monkeypatch):
    with Cluster.of(tmp_path, monkeypatch, ("n1", "n2"), two_node_mode="true") as cluster:
        assert cluster.run(60, lambda: cluster.synced() == ["n1", "n2"]), cluster.journal
        cluster.commit()
        cluster.run(12)
        yield cluster


def test_of_two_nodes_the_one_that_is_left_goes_on_once_the_other_is_fenced(two):
    two.cut_power("n2")
    began = two.clock.elapsed
    assert two.run(60, lambda: two.synced() == ["n1"]), two.journal
    assert two.clock.elapsed - began >= 20
    assert ["The other node is confirmed off; restarted to go on alone (two_node_mode)."] == two.reasons("n1")
    two.commit("n1")
    two.power_on("n2")
    assert two.run(60, lambda: two.synced() == ["n1", "n2"]), two.journal


@pytest.mark.parametrize("fencing, confirmed, mode", [
    (False, True, "true"), (True, False, "true"), (True, True, "false")])
def test_of_two_nodes_none_goes_on_without_that(tmp_path, monkeypatch, fencing, confirmed, mode):
    with Cluster.of(tmp_path, monkeypatch, ("n1", "n2"), two_node_mode=mode) as two:
        assert two.run(60, lambda: two.synced() == ["n1", "n2"])
        two.run(12)
        two.pacemaker.fencing = fencing
        two.cut_power("n2")
        if not confirmed:
            two.pacemaker.unclean.add("n2")
        two.run(90)
        assert [] == two.synced() and 1 == len(two.database("n1").launches)


# promote

def promotion(cluster, name):
    """(seconds, Answer) of the first promote of that node."""
    began = next(when for when, machine, kind, text in cluster.journal.entries
                 if (machine, kind, text) == (name, "action", "promote"))
    ended = next(when for when, machine, kind, text in cluster.journal.entries
                 if (machine, kind) == (name, "answer") and text.startswith("promote"))
    return ended - began, next(answer for machine, action, answer in cluster.answers if (machine, action) == (
        name, "promote"))


def test_promote_waits_half_a_minute_for_a_bootstrap(new):
    new.database("n1").start_takes = 100
    assert new.run(120, lambda: new.synced() == ["n1"])
    seconds, answer = promotion(new, "n1")
    assert codes.SUCCESS == answer.code and 29.9 <= seconds <= 32


def test_promote_waits_half_a_minute_for_a_state_transfer_once_it_has_begun(new):
    new.database("n2").transfer_takes = 100
    new.run(60)
    seconds, answer = promotion(new, "n2")
    assert codes.SUCCESS == answer.code and 29.9 <= seconds <= 33
    assert "receives a state transfer; HAProxy does not use it until it is synced" == new.status("n2")


def test_promote_does_not_wait_for_others_that_are_to_be_promoted(cluster):
    """They re-form their view together: each has to be started."""
    for name in ("n2", "n3"):
        cluster.database(name).start_takes = 25
    cluster.kill_all()
    cluster.run(20)
    seconds, answer = promotion(cluster, "n1")
    assert codes.SUCCESS == answer.code and 1.9 <= seconds <= 3
    assert cluster.status("n1").startswith("starts, and waits for a primary component")
    assert cluster.run(60, lambda: cluster.synced() == ALL)


def test_a_promote_that_is_not_allowed_any_more_launches_nothing(new):
    for name in ALL:
        new.act(name, "start")
    assert 100 == new.pacemaker.score(RESOURCE, "n1")
    answer = new.act("n2", "promote")  # n1 is the one that is named
    assert (codes.SUCCESS, "") == answer and [] == new.database("n2").launches
    assert any("Not promoted" in text for _, text in new["n2"].logged)
    assert None is new.pacemaker.score(RESOURCE, "n2") and facts.DOWN == report(new, "n2").state


def test_a_promote_finds_the_server_that_an_earlier_one_launched(new):
    """Its agent was killed: no second server, and the first one is taken over."""
    for name in ALL:
        new.act(name, "start")
    new.when(lambda: new.database("n1").launches, lambda: new["n1"].fail_at("killed", 0))
    assert None is new.act("n1", "promote").code
    assert codes.SUCCESS == new.act("n1", "promote").code
    assert 1 == len(new.database("n1").launches) and ["n1"] == new.synced()


# stop

class Drain:
    """Stands for the check of one node."""

    def __init__(self, cluster, monkeypatch):
        self.cluster, self.set_at, self.cleared = cluster, [], []
        monkeypatch.setattr(drain, "served", lambda: True)
        monkeypatch.setattr(drain, "set", self.set)
        monkeypatch.setattr(drain, "clear", lambda name: self.cleared.append((name, cluster.clock.elapsed)))

    def set(self, name, reason):
        self.reason = reason
        self.set_at.append((name, self.cluster.clock.elapsed))

    def until_sigterm(self, name):
        at = next(when for when, machine, kind, text in self.cluster.journal.entries
                  if (machine, kind, text) == (name, "signal", "15 to mariadbd"))
        return at - self.set_at[0][1]


@pytest.fixture
def drained(cluster, monkeypatch):
    for machine in cluster.machines.values():
        machine.parameters["drain_timeout"] = "10"
    return Drain(cluster, monkeypatch)


def test_a_stop_drains_until_the_sessions_have_ended(cluster, drained):
    cluster.database("n2").sessions = 3
    cluster.clock.at(6, lambda: setattr(cluster.database("n2"), "sessions", 0))
    assert codes.SUCCESS == cluster.act("n2", "stop").code
    assert 5.8 <= drained.until_sigterm("n2") <= 6.5
    assert [RESOURCE] == [name for name, _ in drained.set_at] and "planned stop of db" == drained.reason
    assert RESOURCE == drained.cleared[-1][0] and drained.cleared[-1][1] >= cluster.clock.elapsed - 1


def test_a_check_has_seen_the_drain_before_the_server_stops(cluster, drained):
    cluster.act("n2", "stop")
    assert 1.75 <= drained.until_sigterm("n2") <= 2.2


def test_sessions_that_do_not_end_are_cut_after_the_time_for_them(cluster, drained):
    cluster.database("n2").sessions = 3
    cluster.act("n2", "demote")
    assert 11.7 <= drained.until_sigterm("n2") <= 12.2


def test_a_short_stop_keeps_most_of_its_time_for_stopping(cluster, drained):
    cluster.database("n2").sessions = 3
    assert codes.SUCCESS == cluster.act("n2", "stop", timeout=20).code
    assert 6 <= drained.until_sigterm("n2") <= 8.5


@pytest.mark.parametrize("why", ["nobody asks", "no time for it", "it does not serve"])
def test_nothing_is_drained_in_vain(cluster, drained, monkeypatch, why):
    if why == "nobody asks":
        monkeypatch.setattr(drain, "served", lambda: False)
    elif why == "no time for it":
        cluster["n2"].parameters["drain_timeout"] = "0"
    else:
        cluster.database("n2").isolate()
    assert codes.SUCCESS == cluster.act("n2", "stop").code
    assert [] == drained.set_at and [RESOURCE] == [name for name, _ in drained.cleared]


def test_sessions_that_cannot_be_counted_are_not_waited_for(cluster, drained):
    cluster.database("n2").sessions = None
    assert codes.SUCCESS == cluster.act("n2", "stop").code
    assert 1.75 <= drained.until_sigterm("n2") <= 2.2


@pytest.mark.parametrize("action, seconds", [("stop", 75), ("demote", 57)])
def test_a_server_has_two_thirds_of_the_time_to_stop(cluster, action, seconds):
    """The rest is for SIGKILL, its proof and the report."""
    cluster.database("n2").survives = (15,)
    assert codes.SUCCESS == cluster.act("n2", action).code
    at = {text: when for when, machine, kind, text in cluster.journal.entries if kind == "signal"}
    assert seconds - 1 <= at["9 to mariadbd"] - at["15 to mariadbd"] <= seconds + 1


def test_a_server_that_is_not_on_record_is_stopped_as_gently(cluster):
    """The agent that launched it was killed before it wrote that down."""
    cluster.database("n2").stop_takes = 20
    cluster["n2"].state_files("galera").forget("server")
    assert codes.SUCCESS == cluster.act("n2", "stop").code
    assert [15, 18] == [number for _, number in cluster["n2"].processes.signals]


def test_a_drain_that_fails_stops_no_stop(cluster, drained, monkeypatch):
    def full(name, reason):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(drain, "set", full)
    assert codes.SUCCESS == cluster.act("n2", "stop").code
    assert any(text.startswith("Not drained: ") for _, text in cluster["n2"].logged)


def test_a_server_that_waits_for_the_others_is_killed_soon_and_keeps_its_view(cluster):
    """It does not react to SIGTERM; its gvwstate.dat is the last proof."""
    cluster.kill_all()
    for name in ("n2", "n3"):
        cluster.standby.add(name)
    cluster.role.update(n2=UNPROMOTED, n3=UNPROMOTED)
    for name in ALL:
        cluster.act(name, "demote")
    assert codes.SUCCESS == cluster.act("n1", "promote").code
    began = cluster.clock.elapsed
    assert codes.SUCCESS == cluster.act("n1", "stop").code
    assert 3 <= cluster.clock.elapsed - began <= 5
    assert [15, 18, 9] == [number for _, number in cluster["n1"].processes.signals]
    with open(cluster.database("n1").datadir + "/gvwstate.dat", encoding="ascii") as file:
        assert "#vwend" in file.read()


def test_nothing_is_signalled_and_nothing_changed_where_nothing_runs(new):
    assert codes.SUCCESS == new.act("n1", "stop").code
    assert [] == new["n1"].processes.signals
    assert STOPPED == new.role["n1"]


def test_validation(new, monkeypatch):
    warned = []
    monkeypatch.setattr("quorate.galera.validation.warnings", lambda context: [context.instance + " is not safe."])
    monkeypatch.setattr("quorate.ocf.advice.warn", lambda context, found: warned.append((context.action, found)))
    assert (codes.SUCCESS, "") == new.act("n1", "validate-all") and [] == warned
    assert codes.SUCCESS == new.act("n1", "validate-all", level=10).code
    assert [("validate-all", ["db is not safe."])] == warned
    assert codes.SUCCESS == new.act("n1", "reload-agent").code
    new["n1"].parameters["wsrep_cluster_address"] = "n1,n2"
    answer = new.act("n1", "validate-all")
    assert codes.ERR_CONFIGURED == answer.code and "must begin with gcomm://" in answer.reason


def test_one_that_died_after_promote_had_returned_counts_as_failed(cluster):
    """All stopped cleanly at the same position: another one goes first then."""
    cluster.stop("n2", "n3", "n1")
    cluster.database("n1").start_takes = 60
    cluster.database("n1").fails = "Nothing works since Tuesday"
    cluster.start()
    failed = []
    cluster.when(lambda: "n1" in cluster.pacemaker.transient["db-report"] and report(cluster, "n1").failed,
                 lambda: failed.append(report(cluster, "n1")))
    assert cluster.run(150, lambda: cluster.synced() == ["n2", "n3"]), cluster.journal
    assert facts.DOWN == failed[0].state
    assert "The database server died: Nothing works since Tuesday" in cluster.reasons("n1")
    assert not any("while it started" in text for text in cluster.reasons("n1")[:1])


def test_a_parameter_that_is_not_understood_any_more_stops_no_server(cluster):
    cluster["n1"].parameters["cluster_host_map"] = "n1"
    cluster.cut_power("n3")
    answer = monitor(cluster, "n1")
    assert codes.DEGRADED_PROMOTED == answer.code and "cluster_host_map" in answer.reason


def test_one_that_waits_and_cannot_reach_the_cluster_goes_on_waiting(new):
    for name in ALL:
        new.act(name, "start")
    new.pacemaker.members.discard("n1")
    assert codes.SUCCESS == monitor(new, "n1", 7).code
    assert any(text.endswith("The next monitor tries again.") for _, text in new["n1"].logged)


def test_a_stop_undoes_a_bootstrap_that_came_to_nothing(new):
    for name in ALL:
        new.act(name, "start")
    new.database("n1").fails_late = "Nothing works since Tuesday"
    assert codes.ERR_GENERIC == new.act("n1", "promote").code
    assert ("1", "1") == (new.pacemaker.properties["db-generation"], new.pacemaker.permanent["n1", "db-generation"])
    assert codes.SUCCESS == new.act("n1", "stop").code
    assert "0" == new.pacemaker.permanent["n1", "db-generation"]
    assert new.pacemaker.properties["db-generation"] == "0" and new.pacemaker.properties.get("db-openings") is None


def test_a_stop_without_a_cluster_undoes_it_at_the_next_start(new):
    for name in ALL:
        new.act(name, "start")
    new.database("n1").fails_late = "Nothing works since Tuesday"
    assert codes.ERR_GENERIC == new.act("n1", "promote").code
    new.pacemaker.leave("n1")
    assert codes.SUCCESS == new.act("n1", "stop").code
    new.pacemaker.join("n1")
    assert "1" == new.pacemaker.permanent["n1", "db-generation"]
    assert codes.SUCCESS == new.act("n1", "start").code
    assert ("0", "0") == (new.pacemaker.permanent["n1", "db-generation"], new.pacemaker.properties["db-generation"])
    assert facts.DOWN == report(new, "n1").state and new.status("n1"), "all is published anew"


def test_what_was_ready_for_clients_is_not_undone(new):
    """It may have committed something. It is killed before any monitor has seen it."""
    for name in ALL:
        new.act(name, "start")
    new.when(lambda: new.database("n1").server and new.database("n1").server.ready, lambda: (
        new.commit("n1"), new.database("n1").kill()))
    assert codes.ERR_GENERIC == new.act("n1", "promote").code
    assert 1 == len(new.group.acknowledged)
    assert codes.SUCCESS == new.act("n1", "demote").code
    assert ("1", "1") == (new.pacemaker.properties["db-generation"], new.pacemaker.permanent["n1", "db-generation"])
    new.role = dict.fromkeys(ALL, UNPROMOTED)
    assert new.run(60, lambda: new.synced() == ALL), new.journal
    assert ["n1", "n1"] == [name for name in ALL for one in new.database(name).launches if one.bootstraps]


def test_a_promote_finds_a_server_that_is_not_on_record(new):
    """Its agent was killed between the launch and the record of it."""
    for name in ALL:
        new.act(name, "start")
    new.when(lambda: new.database("n1").launches, lambda: new["n1"].fail_at("killed", 0))
    new.act("n1", "promote")
    new["n1"].state_files("galera").forget("server")
    assert codes.SUCCESS == new.act("n1", "promote").code
    assert 1 == len(new.database("n1").launches)


def test_a_launch_that_fails_reports_again_what_is_on_the_disk(new, monkeypatch):
    """Nobody may wait for one that says it starts; and another one goes first."""
    def spawn(*_, **__):
        raise OSError(12, "Cannot allocate memory")
    for name in ALL:
        new.act(name, "start")
    monkeypatch.setattr(new["n1"].commands, "spawn", spawn)
    assert codes.ERR_GENERIC == new.act("n1", "promote").code
    assert (facts.DOWN, True) == (report(new, "n1").state, report(new, "n1").failed)
    assert codes.SUCCESS == monitor(new, "n1", 7).code, "no server is on record"


def test_a_launch_that_the_cluster_prevented_is_no_failure_of_the_node(new):
    for name in ALL:
        new.act(name, "start")
    new.when(lambda: "db-openings" in new.pacemaker.properties, lambda: new["n1"].fail_at("timeout", 0))
    answer = new.act("n1", "promote")
    assert codes.ERR_GENERIC == answer.code and "did not answer" in answer.reason
    assert (facts.DOWN, False) == (report(new, "n1").state, bool(report(new, "n1").failed))


def test_a_promote_that_cannot_publish_any_more_has_launched_all_the_same(new):
    for name in ALL:
        new.act(name, "start")
    new.when(lambda: new.database("n1").launches, lambda: new.pacemaker.members.discard("n1"))
    assert (codes.SUCCESS, "") == new.act("n1", "promote")
    assert new.run(0, None) is None and new.database("n1").server is not None


def test_a_promote_that_failed_leaves_no_server_on_record(new):
    for name in ALL:
        new.act(name, "start")
    new.database("n1").fails = "Nothing works since Tuesday"
    assert codes.ERR_GENERIC == new.act("n1", "promote").code
    assert codes.SUCCESS == monitor(new, "n1", 7).code


@pytest.mark.parametrize("action", ["start", "promote"])
def test_what_keeps_a_server_from_starting_is_said_before(new, action):
    new["n1"].parameters["log"] = new["n1"].root + "/nowhere/error.log"
    answer = new.act("n1", action)
    assert codes.ERR_INSTALLED == answer.code
    assert answer.reason.startswith("The directory %s/nowhere for the error log is missing" % new["n1"].root)


def test_an_empty_view_of_a_power_cut_keeps_no_server_from_starting(cluster):
    cluster.database("n2").kill()
    with open(cluster.database("n2").datadir + "/gvwstate.dat", "w", encoding="ascii"):
        pass
    assert cluster.run(60, lambda: cluster.synced() == ALL), cluster.journal


@pytest.mark.parametrize("wanted", [True, False])
def test_the_first_database_is_created_only_where_it_is_wanted(new, wanted):
    import shutil
    for name in ALL:
        shutil.rmtree(new.database(name).datadir)
        new["n1"].parameters["enable_creation"] = str(wanted)
    new.run(60, lambda: new.synced() == ALL)
    created = [machine for _, machine, kind, text in new.journal.entries if text == "mariadb-install-db"]
    assert (["n1"], ALL) == (created, new.synced()) if wanted else ([], []) == (created, new.synced())
    assert wanted or any(text.startswith("There is no database in ") for text in new.reasons("n1"))


def test_what_was_for_one_start_is_gone_after_it(two):
    """Of these `survivor` would let the node go on alone after the next loss, whatever that was."""
    two.cut_power("n2")
    assert two.run(60, lambda: two.synced() == ["n1"]), two.journal
    two.run(12)
    kept = two["n1"].state_files("galera")
    assert not [name for name in ("survivor", "tried", "failed", "waiting", "offered", "position", "launched-from",
                                  "opening") if kept.has(name)]


def test_a_probe_offers_the_promotion_again(cluster):
    cluster.pacemaker.transient["master-db"] = {}
    cluster.act("n1", "monitor")
    assert 100 == cluster.pacemaker.score(RESOURCE, "n1")


def test_a_promote_without_a_position_on_record_reads_the_disk(new):
    for name in ALL:
        new.act(name, "start")
    new["n1"].state_files("galera").forget("position")
    assert codes.SUCCESS == new.act("n1", "promote").code and ["n1"] == new.synced()
