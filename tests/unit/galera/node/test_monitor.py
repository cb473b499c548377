# SPDX-License-Identifier: Apache-2.0
"""What the monitor says and does in every state of a server, on in-memory nodes (tests/nodes)."""

import pytest

from quorate.galera import facts
from quorate.ocf import codes
from tests.nodes.cluster import PROMOTED, RESOURCE
from tests.unit.galera.node.views import ALL, monitor, report


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
    assert not [name for name in ALL if cluster[name].state_files("galera").has("tried")]
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


def test_what_a_server_that_serves_reports(cluster):
    found = report(cluster, "n1")
    assert (facts.SYNCED, True, True, 1, None) == (
        found.state, found.data, found.recorded, found.generation, found.seqno), "its position is not on the disk yet"
    assert found.my_uuid in found.view.members and 3 == len(found.view.members)
    cluster.cut_power("n3")
    cluster.run(6)
    assert 2 == len(report(cluster, "n1").view.members)
    assert found.since == report(cluster, "n1").since, "since when it is synced, whatever else changes"
    assert 0 <= cluster.clock.now() - found.since <= 60


def test_what_a_server_that_starts_reports(cluster):
    """The others may count on what its disk held: it was in no primary component since."""
    for name in ("n2", "n3"):
        cluster.database(name).start_takes = 25
    cluster.kill_all()
    cluster.run(12)
    found = report(cluster, "n1")
    assert (facts.STARTING, 3, True, True, 1) == (
        found.state, found.seqno, found.settled, found.recorded, found.generation)
    assert 0 <= cluster.clock.now() - found.since <= 12
    assert not any("(None)" in text for _, text in cluster.journal.of(kinds=["cluster"]))


def test_a_data_directory_that_serves_has_a_name(cluster):
    """So that another one in its place is noticed."""
    import os
    os.unlink(cluster.database("n1").datadir + "/quorate-disk-id")
    cluster.act("n1", "monitor")
    assert os.path.exists(cluster.database("n1").datadir + "/quorate-disk-id")


def test_a_probe_offers_the_promotion_again(cluster):
    cluster.pacemaker.transient["master-db"] = {}
    cluster.act("n1", "monitor")
    assert 100 == cluster.pacemaker.score(RESOURCE, "n1")
