# SPDX-License-Identifier: Apache-2.0
"""The real agent on nodes in memory, where somebody else starts a broker: systemd at the boot of the machine, while the
disk is not mounted, or an administrator."""

import os
import shutil

import pytest

from quorate.ocf import codes
from tests.nodes.broker_cluster import BrokerCluster

ALL = ["n1", "n2", "n3"]
MEMBERS = {"rabbit@n1", "rabbit@n2", "rabbit@n3"}


def served(cluster, name):
    return cluster.machines[name].state_files("rabbitmq").read("served", persistent=True)


def reasons(cluster, name):
    return {answer.reason for node, action, answer in cluster.answers if node == name and action == "monitor"}


def test_a_broker_without_its_disk_is_not_the_cluster_and_is_stopped(cluster):
    """It was taken over, said that it runs, and was recorded as the one that served here."""
    before = served(cluster, "n3")
    cluster.unmount("n3")
    cluster["n3"].start_by_hand()
    cluster.clock.pass_time(5)
    assert cluster["n3"].members() == {"rabbit@n3"} and "n3" in cluster.up()
    cluster.run(60)
    assert cluster.up() == ["n1", "n2"] and cluster.banned == set()
    assert served(cluster, "n3") == before
    assert any("not its cluster's" in one and one.endswith("n1, n2") and "systemctl disable" in one and "mount" in one
               for one in reasons(cluster, "n3"))
    assert all(len(one) <= 144 for one in reasons(cluster, "n3"))
    assert "is a file system not mounted" in cluster.status("n3")
    assert cluster["n1"].members() == MEMBERS, "it is not forgotten"
    cluster.mount("n3")
    assert cluster.run(60, lambda: cluster.up() == ALL), cluster.journal
    cluster.run(20)
    assert cluster["n3"].members() == cluster["n3"].saw() == MEMBERS and cluster.status("n3") == "running"


@pytest.mark.parametrize("boots", [1, 5])
def test_nor_while_the_others_are_away_however_often_it_has_booted(cluster, boots):
    """It is the last one to be stopped then: nothing better runs. But those that come boot with their data."""
    cluster.unmount("n3")
    cluster.cut_power("n1", "n2")
    for _ in range(boots):
        cluster["n3"].start_by_hand()
        cluster.clock.pass_time(4)
        cluster["n3"].stop_by_hand()
    cluster["n3"].start_by_hand()
    cluster.clock.pass_time(4)
    cluster.run(100)
    assert cluster.up() == ["n3"] and served(cluster, "n3")["members"] == "rabbit@n1 rabbit@n2 rabbit@n3"
    assert any("Stop it, then mount: systemctl disable --now rabbitmq-server" in one for one in reasons(cluster, "n3"))
    cluster.power_on("n1", "n2")
    assert cluster.run(100, lambda: cluster.up() == ["n1", "n2"]), cluster.journal
    cluster.run(30)
    assert cluster.up() == ["n1", "n2"] and cluster.banned == set()
    cluster.mount("n3")
    assert cluster.run(100, lambda: cluster.up() == ALL), cluster.journal
    assert cluster["n1"].members() == MEMBERS


def test_nobody_joins_it_and_nothing_is_founded_beside_it(cluster):
    """A node with an empty disk waits for those that have data, not for the broker that runs without them."""
    cluster.unmount("n3")
    cluster.cut_power("n1", "n2")
    shutil.rmtree(cluster["n2"].base)
    shutil.rmtree(cluster.machines["n2"].persistent)
    cluster["n3"].start_by_hand()
    cluster.clock.pass_time(5)
    cluster.power_on("n2")
    cluster.run(100)
    assert cluster.up() == ["n3"] and not cluster["n2"].has_data() and cluster["n2"].launches == 1
    cluster.power_on("n1")
    cluster.run(60)
    cluster.order("n1", forced=True)
    assert cluster.run(200, lambda: cluster.up() == ["n1", "n2"]), cluster.journal
    cluster.mount("n3")
    assert cluster.run(100, lambda: cluster.up() == ALL), cluster.journal


def test_a_machine_that_is_installed_anew_and_whose_package_starts_a_broker(cluster):
    """Nothing is recorded on it: what shows it is that the others count on the node and its broker knows none."""
    cluster.install_anew("n3")
    cluster["n3"].start_by_hand()
    cluster.clock.pass_time(5)
    cluster.run(30)
    assert "n3" in cluster.up() and "founded beside the cluster" in cluster.status("n3")
    assert not served(cluster, "n3").get("name")
    cluster.run(100)
    assert cluster.up() == ["n1", "n2"] and cluster.banned == set()
    cluster.cut_power()  # nobody boots it as the cluster either, or waits for it
    cluster.power_on()
    cluster.run(60)
    cluster.order("n1")
    assert cluster.run(200, lambda: cluster.up() == ["n1", "n2"]), cluster.journal
    os.rename(cluster["n3"].directory, cluster["n3"].directory + ".old")
    cluster.brokers.operator.add(("forget", "rabbit@n3"))
    assert cluster.run(100, lambda: cluster.up() == ALL), cluster.journal
    assert cluster["n3"].members() == MEMBERS


def test_its_data_without_it_are_not_started_beside_the_cluster(cluster):
    """It was stopped before the agent saw it."""
    cluster.install_anew("n3")
    cluster["n3"].start_by_hand()
    cluster.clock.pass_time(5)
    cluster["n3"].stop_by_hand()
    cluster.run(60)
    assert cluster.up() == ["n1", "n2"] and "know none of n1, n2" in cluster.status("n3")
    assert "(mv " in cluster.status("n3")


def test_a_member_that_was_reset_and_joined_by_hand_is_one(cluster):
    """rabbitmqctl stop_app; reset; join_cluster; start_app: the boots are counted anew."""
    cluster["n3"]._count_boot()
    cluster.run(70)
    one = cluster["n3"]
    shutil.rmtree(one.directory)
    one.write(MEMBERS, MEMBERS)
    one._count_boot()
    cluster.run(70)
    assert cluster.up() == ALL and cluster.status("n3") == "running"
    assert served(cluster, "n3")["serial"] == "1" and served(cluster, "n3")["members"]


def test_a_member_that_was_reset_and_left_alone_is_not(cluster):
    one = cluster["n3"]
    one._count_boot()
    cluster.run(70)
    shutil.rmtree(one.directory)
    one.cluster = "another"
    one.write({one.nodename}, {one.nodename})
    one._count_boot()
    cluster.brokers.note()
    cluster.run(100)
    assert cluster.up() == ["n1", "n2"] and "not those of its cluster" in cluster.status("n3")


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """Three brokers that systemd started, one cluster, and no agent yet."""
    with BrokerCluster.of(tmp_path, monkeypatch) as made:
        for name in ALL:
            made[name].cluster = "theirs"
            made[name].write(MEMBERS, MEMBERS)
            made[name].start_by_hand()
        made["n1"].write(MEMBERS, {"rabbit@n1"})
        made.clock.pass_time(5)
        yield made


def test_a_cluster_that_ran_before_is_taken_over(foreign):
    assert foreign.up() == ALL
    pids = [foreign[name].pid for name in ALL]
    foreign.run(100)
    assert [foreign[name].pid for name in ALL] == pids and [foreign.status(name) for name in ALL] == ["running"] * 3
    assert {served(foreign, name)["members"] for name in ALL} == {"rabbit@n1 rabbit@n2 rabbit@n3"}
    assert {answer.code for _, _, answer in foreign.answers} == {codes.SUCCESS}


def test_three_that_never_were_a_cluster_say_so(tmp_path, monkeypatch):
    """Three packages were installed, and each started a broker."""
    with BrokerCluster.of(tmp_path, monkeypatch) as cluster:
        for name in ALL:
            cluster[name].start_by_hand()
        cluster.clock.pass_time(5)
        pids = [cluster[name].pid for name in ALL]
        cluster.run(200)
        assert [cluster[name].pid for name in ALL] == pids
        assert "Two clusters run" in cluster.status("n1") and "n2, n3" in cluster.status("n1")
        assert [answer.code for node, action, answer in cluster.answers][-1] == codes.DEGRADED


def test_a_member_that_is_forgotten_while_it_is_away_changes_nothing_for_the_rest(tmp_path, monkeypatch):
    """Two nodes: the one that stays is alone, which is what it looks like when it was founded anew."""
    with BrokerCluster.of(tmp_path, monkeypatch, names=("n1", "n2")) as cluster:
        assert cluster.run(120, lambda: cluster.up() == ["n1", "n2"])
        cluster.run(80)
        cluster.cut_power("n2")
        cluster.brokers.operator.add(("forget", "rabbit@n2"))
        cluster["n1"].command(["rabbitmqctl", "forget_cluster_node", "rabbit@n2"], 10)
        cluster.standby.add("n1")
        cluster.run(20)
        cluster.standby.clear()
        assert cluster.run(60, lambda: cluster.up() == ["n1"]), cluster.journal
        cluster.run(80)
        assert cluster.status("n1") == "running"


def test_two_halves_that_do_not_see_each_other_say_so(tmp_path, monkeypatch):
    """cluster_partition_handling=ignore: both report that they run, for ever."""
    with BrokerCluster.of(tmp_path, monkeypatch, names=("n1", "n2")) as cluster:
        assert cluster.run(120, lambda: cluster.up() == ["n1", "n2"])
        cluster.run(80)
        for one, other in (("n1", "n2"), ("n2", "n1")):
            cluster[one].cut_off = frozenset(("rabbit@" + other,))
        cluster.brokers.note()
        cluster.run(300)
        for one, other in (("n1", "n2"), ("n2", "n1")):
            assert "both serve" in cluster.status(one)
            assert cluster.status(one).endswith("stop_app; rabbitmqctl start_app. The other: " + other)
            last = [answer for node, action, answer in cluster.answers if (node, action) == (one, "monitor")][-1]
            assert last.code == codes.DEGRADED and len(last.reason) <= 144
        for one in ("n1", "n2"):
            cluster[one].cut_off = frozenset()
        cluster.brokers.note()
        cluster.run(30)
        assert [cluster.status(name) for name in ("n1", "n2")] == ["running"] * 2
        assert not any(answer.code == codes.ERR_GENERIC for _, _, answer in cluster.answers)


def test_nobody_is_told_to_move_good_data_away_for_a_broker_without_its_disk(cluster):
    """A node of an earlier version recorded it, and the others were started anew: they were told to (real)."""
    cluster.unmount("n3")
    cluster.cut_power("n1", "n2")
    shutil.rmtree(cluster.machines["n3"].persistent)
    cluster["n3"].start_by_hand()
    cluster.clock.pass_time(5)
    cluster.run(60)
    assert cluster.up() == ["n3"] and served(cluster, "n3")["members"] == "rabbit@n3", "nobody contradicts"
    cluster.power_on("n1", "n2")
    cluster.run(150)
    assert cluster.up() == ["n3"]
    for name in ("n1", "n2"):
        assert "n3 runs without its own disk" in cluster.status(name) and "(mv " not in cluster.status(name)
    assert "It does not know, of its cluster: n1, n2" in cluster.status("n3")
    assert any("Then stop it, and mount: systemctl disable" in one and len(one) <= 144
               for one in reasons(cluster, "n3"))
    cluster.standby.add("n3")
    cluster.run(20)
    cluster.mount("n3")
    cluster.standby.clear()
    assert cluster.run(100, lambda: cluster.up() == ALL), cluster.journal
    assert cluster["n1"].members() == MEMBERS


def test_a_boot_beside_it_that_rabbitmq_refuses_is_tried_again(cluster):
    """Its agent has not looked yet, so nothing is known of it: inconsistent_cluster. It was a ban of both (real)."""
    cluster.unmount("n3")
    cluster.run(20)
    cluster.cut_power("n1", "n2")
    cluster.standby.add("n3")
    cluster.run(20)
    cluster["n3"].start_by_hand()
    cluster.clock.pass_time(3)
    cluster.power_on("n1", "n2")
    cluster.run(12)
    assert any("inconsistent_cluster" in one for one in str(cluster.journal).splitlines())
    assert cluster.banned == set() and "does not know this node" in cluster.status("n1")
    cluster["n3"].stop_by_hand()
    assert cluster.run(120, lambda: cluster.up() == ["n1", "n2"]), cluster.journal
    cluster.mount("n3")
    cluster.standby.clear()
    assert cluster.run(100, lambda: cluster.up() == ALL), cluster.journal
