# SPDX-License-Identifier: Apache-2.0
"""Whole lives of a cluster of in-memory nodes (tests/nodes), on which the real agent runs.

Beside what each test says, no acknowledged commit may be lost, there may be no two primary components, and no action
may say what is not so: tests/nodes holds that in every test.
"""

import os

from quorate.galera import facts
from quorate.galera.election.published import decode_report
from quorate.ocf import codes
from tests.nodes.cluster import RESOURCE
from tests.nodes.files import read_grastate
from tests.unit.galera.node.views import ALL, comes_back, launches, report


# Starts

def test_the_first_start(new):
    assert comes_back(new, 20)

    first, *others = launches(new)
    assert ("n1", True) == (first.node, first.bootstraps)
    assert [("n2", False), ("n3", False)] == [(one.node, one.bootstraps) for one in others]
    assert ("1", "1", "1:%s:-1:0" % facts.ZERO_UUID) == (first.generation, first.own_generation, first.openings)
    assert [None, None] == [one.own_generation for one in others], "they have what is on record as they are synced"
    assert ["1"] * 3 == [new.pacemaker.permanent[name, "db-generation"] for name in ALL]
    assert [100] * 3 == [new.pacemaker.score(RESOURCE, name) for name in ALL]
    assert ["synced"] * 3 == [new.status(name) for name in ALL]
    assert [facts.SYNCED] * 3 == [report(new, name).state for name in ALL]
    assert [] == new.reasons()
    reports = [text for _, text in new.journal.of(kinds=["cluster"]) if "-n db-report -U" in text]
    assert reports and all(text.endswith(" -p -W cluster") for text in reports), "no run of the scheduler for each"


def test_a_bootstrap_is_on_record_before_the_server_is_launched(new):
    """In this order: killed at any point, no node is ahead of the cluster's own record."""
    comes_back(new)

    kinds = [text.split(" -v ")[0] if kind == "cluster" else kind for kind, text in new.journal.of("n1", (
        "cluster", "launch")) if "openings" in text or "generation" in text or kind == "launch"]
    assert ["crm_attribute -t crm_config -s quorate -n db-openings",
            "crm_attribute -t crm_config -s quorate -n db-generation",
            "crm_attribute -N n1 -l forever -n db-generation", "launch"] == kinds
    assert [facts.STARTING] * 3 == [decode_report(one.node, one.report).state for one in launches(new)]


def test_of_those_that_join_one_at_a_time_gets_a_state_transfer(new):
    receiving = []
    new.when(lambda: receiving.append(len([one for one in new.group.servers if one.stage == "receiving"])), None)
    comes_back(new)
    assert 1 == max(receiving)


def test_a_node_without_a_database_joins(new):
    os.unlink(new.database("n3").datadir + "/ibdata1")
    os.rmdir(new.database("n3").datadir + "/mysql")
    assert comes_back(new)


def test_the_options_of_every_launch(new):
    for machine in new.machines.values():
        machine.parameters["additional_parameters"] = "--innodb_fast_shutdown=1"
    comes_back(new)
    for one in launches(new):
        assert new.shared["wsrep_cluster_address"] == one.options["--wsrep_cluster_address"]
        assert "1" == one.options["--innodb_fast_shutdown"]
        assert "--wsrep_start_position" not in one.options, "there is no position yet"


def test_a_server_that_the_cluster_did_not_start_is_refused_and_left_alone(new):
    new.database("n2").foreign()
    new.bystanders.add(next(iter(new["n2"].processes.all())).pid)
    answer = new.act("n2", "start")
    assert codes.ERR_GENERIC == answer.code
    assert "that the cluster did not start runs on" in answer.reason
    assert answer.reason.endswith("systemctl disable --now mariadb")
    assert [] == new["n2"].processes.signals
    assert "n2" not in new.pacemaker.transient.get("db-report", {})


def test_a_start_launches_nothing_and_publishes_what_is_on_the_disk(new):
    assert codes.SUCCESS == new.act("n1", "start").code
    assert [] == launches(new)
    assert (facts.DOWN, True, facts.NONE) == report(new, "n1")[1:2] + (report(new, "n1").data, report(new, "n1").source)
    assert new["n1"].state_files("galera").has("started")


# Losses

def test_one_is_killed(cluster):
    cluster.database("n2").kill()
    assert comes_back(cluster, 40)

    again = cluster.database("n2").launches[-1]
    assert 2 == len(cluster.database("n2").launches) and not again.bootstraps
    assert "gvwstate.dat" not in again.files, "more than half of its last view is reachable"
    assert "%s:3" % cluster.group.state_uuid == again.options["--wsrep_start_position"]
    assert "1" == cluster.pacemaker.properties["db-generation"]
    assert ["The database server died: it left no error, so it was probably killed (SIGKILL, or out of memory: see "
            "'journalctl -k')"] == cluster.reasons()
    assert 1 == len(cluster.database("n1").launches)


def test_all_are_killed(cluster):
    cluster.kill_all()
    assert comes_back(cluster, 60)

    for one in launches(cluster)[3:]:
        assert (False, True) == (one.bootstraps, "gvwstate.dat" in one.files), one.node
        assert "%s:3" % cluster.group.state_uuid == one.options["--wsrep_start_position"]
    assert 6 == len(launches(cluster)) and "1" == cluster.pacemaker.properties["db-generation"]


def test_two_are_killed_and_one_that_runs_re_forms_the_view_with_them(cluster):
    cluster.kill_all("n1", "n2")
    assert comes_back(cluster, 30)
    assert [2, 2, 1] == [len(cluster.database(name).launches) for name in ALL]
    assert "1" == cluster.pacemaker.properties["db-generation"] and [] == cluster.reasons("n3")


def test_a_view_that_does_not_re_form_although_all_have_met_is_given_up_at_once(cluster):
    """n1 dies while the others agree on the view without n2, so n3 cannot tell whether n1 went on (gcomm pc_proto.cpp:
    "are still in unknown state, unable to rebootstrap new prim"). Real, perhaps by that: whole after 63 s only."""
    cluster.database("n3").undecided = True
    cluster.kill_all("n1", "n2")
    assert comes_back(cluster, 45)
    assert [False, False, True] == sorted(one.bootstraps for one in launches(cluster)[-3:])
    assert any("does not form a primary component" in text for text in cluster.reasons("n3"))
    assert any("has given up" in text for text in cluster.reasons("n1"))


def killed_while_another_joins(cluster):
    """n2 is killed, n1 when n2 is about to join: the last view is {n1, n3}, and n3 runs without a quorum.
    n1 has not applied the change of view, so it is not settled in it."""
    cluster.database("n1").applier_stands = True
    cluster.database("n2").kill()
    assert cluster.run(20, lambda: cluster.role["n2"] == "unpromoted")
    cluster.database("n1").kill()
    cluster.database("n1").applier_stands = False


def test_one_that_runs_holds_all_that_came_before_its_last_view_so_that_view_is_re_formed(cluster):
    """n1 was not started until the others gave up waiting: real, whole after 72 and 85 s."""
    cluster.database("n1").behind = 1
    cluster.commit("n2")
    killed_while_another_joins(cluster)
    assert comes_back(cluster, 25)
    assert [2, 1] == [len(cluster.database(name).launches) for name in ("n1", "n3")]
    assert 4 == len(cluster.database("n1").server.disk) and [] == cluster.reasons("n3")


def test_a_server_that_the_election_waits_for_does_not_wait_for_nodes_that_it_does_not_start(cluster):
    """The same where the log is not in a file, and so nothing shows that n3 was synced."""
    for name in ALL:
        cluster.database(name).logs_elsewhere = True
    cluster.database("n1").behind = 1
    cluster.commit("n2")
    killed_while_another_joins(cluster)
    assert comes_back(cluster, 40)
    assert ["The election waits for what this node holds, and this server for nodes that are down; restarted so that the "
            "election decides."] == cluster.reasons("n3")


def test_the_power_of_all_is_cut(cluster):
    """Each disk holds another part of what was committed; n2 took the last commit."""
    for name, behind in (("n1", 2), ("n3", 1)):
        cluster.database(name).behind = behind
    for _ in range(3):
        cluster.commit("n2")
    cluster.cut_power()
    cluster.power_on()
    assert comes_back(cluster, 60)
    assert [6, 6, 6] == [len(cluster.database(name).server.disk) for name in ALL]
    assert "1" == cluster.pacemaker.properties["db-generation"]


def test_the_power_is_cut_and_one_stays_off(cluster):
    for name in ("n1", "n2"):
        cluster.database(name).behind = 1
    cluster.commit("n3")
    cluster.cut_power()
    cluster.power_on("n1", "n2")
    cluster.run(60)

    assert 3 == len(launches(cluster)), cluster.journal
    assert ["Waits for n3; an operator is needed: quorate explain db"] == cluster.reasons()
    assert "Waiting for n3 (not in the cluster): it was in the last primary view" in cluster.status("n1")
    assert [None, None] == [cluster.pacemaker.score(RESOURCE, name) for name in ("n1", "n2")]
    cluster.power_on("n3")
    assert comes_back(cluster, 60)
    assert 4 == len(cluster.database("n1").server.disk)


def test_the_operator_goes_on_without_the_one_that_stays_off(cluster):
    for name in ("n1", "n2"):
        cluster.database(name).behind = 1
    cluster.commit("n3")
    cluster.cut_power()
    cluster.power_on("n1", "n2")
    cluster.run(20)
    cluster.order("n2")
    assert cluster.run(60, lambda: cluster.synced() == ["n1", "n2"]), cluster.journal

    first = launches(cluster)[3]
    assert ("n2", True, "2", "2", None) == (first.node, first.bootstraps, first.generation, first.own_generation,
                                            first.override)
    assert "safe_to_bootstrap: 1" in first.grastate
    assert any("Override carried out, as ordered by op" in text for _, text in cluster["n2"].logged)
    # n3 holds what was discarded: an incremental transfer on top of it would go unnoticed.
    cluster.power_on("n3")
    assert comes_back(cluster)
    again = cluster.database("n3").launches[-1]
    assert "gvwstate.dat" not in again.files and "grastate.dat" not in again.files
    assert "--wsrep_start_position" not in again.options
    assert os.path.exists(cluster["n3"].persistent + "/galera-db/grastate.dat"), "it is kept"


def test_two_of_three_go_on_and_come_back_without_the_third(cluster):
    """n3 left the view before: nobody waits for it."""
    cluster.cut_power("n3")
    cluster.commit()
    cluster.run(20)
    cluster.cut_power("n1", "n2")
    cluster.power_on("n1", "n2")
    assert cluster.run(60, lambda: cluster.synced() == ["n1", "n2"]), cluster.journal


def test_a_majority_that_died_waits_for_the_one_that_was_evicted_last(cluster):
    """Found as G15: what it committed alone may be on no other disk."""
    for name in ("n1", "n2"):
        cluster.database(name).behind = 1
    cluster.commit("n3")
    cluster.cut_power("n3")   # n1 and n2 are in a view of their own now, and have not committed n3's last
    cluster.cut_power("n1", "n2")
    cluster.power_on("n1", "n2")
    cluster.run(60)
    assert 3 == len(launches(cluster)) or 4 == len(cluster.database("n1").server.disk)


# Stops

def test_a_clean_stop_of_all_and_a_start(cluster):
    cluster.commit("n1")
    cluster.stop("n3", "n1", "n2")
    assert {} == {name: values for name, values in cluster.pacemaker.transient.items() if values}
    grastate = {name: read_grastate(cluster.database(name).datadir) for name in ALL}
    assert {"n1": "0", "n2": "1", "n3": "0"} == {name: one["safe_to_bootstrap"] for name, one in grastate.items()}

    cluster.start()
    assert comes_back(cluster, 60)
    first = launches(cluster)[3]
    assert ("n2", True, "2") == (first.node, first.bootstraps, first.generation)
    assert [] == cluster.reasons()


def test_the_report_and_the_score_are_withdrawn_by_a_stop_and_after_the_signal(cluster):
    cluster.stop("n2")
    kinds = cluster.journal.of("n2", ("signal", "cluster"))
    assert ("signal", "15 to mariadbd") == kinds[0]
    withdrawn = [text for kind, text in kinds if " -D " in text]
    assert ["attrd_updater -D -n db-report", "attrd_updater -D -n db-status", "attrd_updater -D -n master-db"
            ] == [one.replace(" -N n2", "") for one in withdrawn[-3:]]
    assert not any("n2" in values for values in cluster.pacemaker.transient.values())
    assert not cluster["n2"].state_files("galera").has("started")
    assert codes.NOT_RUNNING == cluster.act("n2", "monitor", interval=7).code
    assert codes.NOT_RUNNING == cluster.act("n2", "monitor").code


def test_after_a_demotion_the_disk_is_reported(cluster):
    assert codes.SUCCESS == cluster.act("n3", "demote").code
    found = report(cluster, "n3")
    assert (facts.DOWN, cluster.group.state_uuid, 3, True, facts.GRASTATE) == (
        found.state, found.uuid, found.seqno, found.clean, found.source)
    assert facts.mask(found.my_uuid) in found.view.members and found.recorded is False


def test_a_server_that_ignores_sigterm_is_killed(cluster):
    cluster.database("n2").survives = (15,)
    cluster.stop("n2")
    assert [15, 18, 9] == [number for _, number in cluster["n2"].processes.signals]
    assert [] == cluster.fenced


def test_a_stop_that_did_not_stop_says_so(cluster):
    cluster.database("n2").survives = (9, 15)
    server = cluster.database("n2").server
    answer = cluster.act("n2", "stop", timeout=30)
    assert codes.ERR_GENERIC == answer.code
    assert answer.reason.startswith("Not stopped: mariadbd (pid %d, state S) still there after SIGKILL" % server.pid)
    assert facts.SYNCED == report(cluster, "n2").state, "it is not taken for one that is down"


def test_a_frozen_server_is_told_to_go_on_and_killed_soon(cluster):
    cluster.database("n2").freeze()
    began = cluster.clock.elapsed
    answer = cluster.act("n2", "monitor", interval=5)
    assert (codes.FAILED_PROMOTED, True) == (answer.code, "stopped by a signal (SIGSTOP)" in answer.reason)
    cluster.database("n2").survives = (15,)
    assert codes.SUCCESS == cluster.act("n2", "stop").code
    assert cluster.clock.elapsed - began < 10


def test_what_a_transfer_left_running_is_stopped_as_well(new):
    new.database("n2").transfer_takes = 1000
    assert new.run(60, lambda: any("rsync" in one.argv[1] for one in new["n2"].processes.all() if len(one.argv) > 1))
    rsync = new["n2"].processes.add(["rsync", "--daemon", "--config", "/tmp/x"])
    new["n2"].processes.directories[rsync.pid] = new.database("n2").datadir
    other = new["n2"].processes.add(["rsync", "--daemon", "--config", "/etc/rsyncd.conf"])
    new.bystanders.add(other.pid)
    assert codes.SUCCESS == new.act("n2", "stop").code
    assert [other] == new["n2"].processes.all()
    assert other.pid not in [pid for pid, _ in new["n2"].processes.signals]


def test_what_a_dead_server_left_running_is_stopped_by_its_session(cluster):
    """Its command line and directory say nothing."""
    server = cluster.database("n2").server
    socat = cluster["n2"].processes.add(["socat", "-u", "TCP-LISTEN:4444", "stdio"])
    cluster["n2"].processes.sessions[socat.pid] = server.pid
    cluster.database("n2").kill()
    assert codes.SUCCESS == cluster.act("n2", "stop").code
    assert [] == cluster["n2"].processes.all()


def test_a_stop_needs_neither_cluster_nor_software(cluster):
    cluster.pacemaker.members.discard("n2")
    os.unlink(cluster.database("n2").binary)
    assert codes.SUCCESS == cluster.act("n2", "stop").code
    assert any("were not removed" in text for _, text in cluster["n2"].logged)
