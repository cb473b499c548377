# SPDX-License-Identifier: Apache-2.0
"""The real agent on nodes in memory: first start, full stop, slow boots, lost and unmounted disks, renamed hosts.

The cluster itself asserts at the end that no broker was killed that made progress, nothing was founded beside data, and
no node with data was forgotten without an operator.
"""

import os

import pytest

from quorate.ocf import codes
from tests.nodes.machine import here

ALL = ["n1", "n2", "n3"]


def test_three_empty_nodes_become_one_cluster(cluster):
    assert cluster.brokers.founded == 1 and cluster.banned == set()
    assert all(len(cluster[name].members()) == 3 for name in ALL)
    assert [cluster.status(name) for name in ALL] == ["running"] * 3


def test_all_killed_come_back_by_themselves(cluster):
    cluster.kill_all()
    assert cluster.run(200, lambda: cluster.up() == ALL), cluster.journal
    assert cluster.brokers.founded == 1


@pytest.mark.parametrize("seconds", [150, 1200])
def test_a_boot_that_recovers_its_store_for_long_is_left_alone(cluster, seconds):
    """It was killed and force-booted every 45 s, for ever, every monitor rc 0."""
    for name in ALL:
        cluster[name].recovers_in = seconds
    before = cluster["n1"].launches
    cluster.cut_power()
    cluster.power_on()
    assert cluster.run(2 * seconds + 600, lambda: cluster.up() == ALL), cluster.journal
    assert cluster["n1"].launches - before <= 2, "its boot is forced once"
    assert cluster.pacemaker.properties.get("mq-generation", "0") in ("0", "1"), "it went from 0 to 7"


def test_a_long_boot_is_shown(cluster):
    cluster[ALL[0]].recovers_in = 3000
    cluster.cut_power()
    cluster.power_on("n1")
    cluster.order("n1")
    cluster.run(400)
    assert "makes progress" in cluster.status("n1")
    assert {answer.code for _, action, answer in cluster.answers[-10:] if action == "monitor"} == {codes.SUCCESS}


def test_two_that_waited_too_long_are_launched_again_without_a_failure(cluster):
    """RabbitMQ gives up after five minutes; a monitor that fails each time comes to migration-threshold."""
    cluster.cut_power()
    cluster.power_on("n1", "n2")
    cluster.run(1500)
    failed = [answer for _, action, answer in cluster.answers if action == "monitor" and answer.code not in (
        codes.SUCCESS, codes.DEGRADED)]
    assert failed == [] and cluster.banned == set()
    assert cluster["n1"].launches > 3 and "Waits for n3" in cluster.status("n1")
    cluster.power_on("n3")
    assert cluster.run(400, lambda: cluster.up() == ALL), cluster.journal


def test_a_stalled_boot_beside_a_cluster_is_restarted_once_it_stands_still(cluster):
    cluster["n3"].is_stuck = True
    cluster.cut_power("n3")
    cluster.power_on("n3")
    cluster.run(60)
    cluster["n3"].is_stuck = False
    assert cluster.run(300, lambda: cluster.up() == ALL), cluster.journal
    assert any("stalled" in answer.reason for _, _, answer in cluster.answers)


# a boot that is killed again and again

@pytest.mark.parametrize("after", [5, 100])
def test_a_boot_that_is_killed_again_and_again_is_shown_and_fails(cluster, after):
    """By a lack of memory, say: it was launched again for ever, every monitor rc 0."""
    cluster["n3"].killed_after, cluster["n3"].recovers_in = after, 1000
    cluster.cut_power("n3")
    before = cluster["n3"].launches
    cluster.power_on("n3")
    cluster.run(900)
    said = [answer for name, action, answer in cluster.answers if (name, action) == ("n3", "monitor")]
    failed = [answer for answer in said if answer.code == codes.NOT_RUNNING or answer.code == codes.ERR_GENERIC]
    assert failed and "killed 5 times" in failed[0].reason and "journalctl -k" in failed[0].reason
    assert len(failed[0].reason) <= 144 + len(cluster["n3"].machine.root) and cluster.banned == set()
    assert after < 10 or any(answer.code == codes.DEGRADED and "killed" in answer.reason for answer in said)
    assert cluster["n3"].launches - before <= 900 / min(after, 10) and cluster.up() == ["n1", "n2"]
    cluster["n3"].killed_after, cluster["n3"].recovers_in = None, 1.0
    assert cluster.run(300, lambda: cluster.up() == ALL), cluster.journal
    cluster.run(30)
    assert cluster.status("n3") == "running" and cluster.answers[-1][2].code == codes.SUCCESS


def test_a_boot_that_was_killed_once_is_launched_again_without_a_failure(cluster):
    cluster["n3"].killed_after, cluster["n3"].recovers_in = 3, 10
    cluster.cut_power("n3")
    cluster.power_on("n3")
    cluster.run(1)
    cluster["n3"].killed_after = None
    assert cluster.run(60, lambda: cluster.up() == ALL), cluster.journal
    assert {answer.code for name, _, answer in cluster.answers if name == "n3"} == {codes.SUCCESS}


def test_a_boot_that_was_forced_in_vain_is_shown_and_forced_again_by_order_only(cluster):
    """Every monitor was rc 0, and the order did nothing: it was forced once for each process."""
    cluster["n1"].waits_forced = True
    cluster.cut_power()
    cluster.power_on("n1")
    cluster.order("n1")
    cluster.run(200)
    launches = cluster["n1"].launches
    last = cluster.answers[-1][2]
    assert last.code == codes.DEGRADED and "waits nevertheless" in last.reason, cluster.journal
    assert "quorate rabbitmq boot n1" in last.reason and len(last.reason) <= 144 + len(cluster["n1"].machine.root)
    assert "quorate rabbitmq boot n1" in cluster.status("n1")
    cluster.run(100)
    assert cluster["n1"].launches == launches, "not by itself"
    cluster["n1"].waits_forced = False
    os.unlink(os.path.join(cluster["n1"].directory, "force_load"))
    cluster.order("n1")
    assert cluster.run(100, lambda: cluster.up() == ["n1"]), cluster.journal


# a full disk

def test_a_note_that_cannot_be_kept_fails_no_start(new):
    """The first start of all with a full /var: the brokers serve. It was a failed start, a ban until cleanup."""
    for name in ALL:
        new.machines[name].fill_disk()
    assert new.run(120, lambda: new.up() == ALL), new.journal
    new.run(30)
    assert new.banned == set() and [new.status(name) for name in ALL] == ["running"] * 3


def test_what_has_to_be_kept_before_a_boot_puts_it_off(cluster):
    cluster.cut_power("n3")
    cluster.machines["n3"].fill_disk()
    cluster.power_on("n3")
    cluster.run(100)
    assert cluster.up() == ["n1", "n2"] and cluster.banned == set()
    assert "cannot be written: No space left on device" in cluster.status("n3")
    assert cluster.answers[-1][2].code in (codes.SUCCESS, codes.DEGRADED)
    assert any("cannot be written" in answer.reason for name, _, answer in cluster.answers if name == "n3")
    cluster.machines["n3"].fill_disk(False)
    assert cluster.run(60, lambda: cluster.up() == ALL), cluster.journal


def test_an_unmounted_disk_is_waited_for_and_its_node_not_forgotten(cluster):
    cluster.unmount("n3")
    cluster.run(200)
    assert cluster.up() == ["n1", "n2"] and "rabbit@n3" in cluster["n1"].members()
    assert "quorate rabbitmq replace n3" in cluster.status("n3") and cluster.banned == set()
    cluster.mount("n3")
    assert cluster.run(60, lambda: cluster.up() == ALL), cluster.journal


def test_all_disks_unmounted_found_nothing(cluster):
    for name in ALL:
        cluster.unmount(name)
    cluster.run(200)
    assert cluster.up() == [] and cluster.brokers.founded == 1
    for name in ALL:
        cluster.mount(name)
    assert cluster.run(200, lambda: cluster.up() == ALL), cluster.journal


def test_a_replaced_node_is_in_the_queues_that_it_was_in(cluster):
    cluster.brokers.queues = {("/", "three"): {"rabbit@n1", "rabbit@n2", "rabbit@n3"}, ("/", "one"): {"rabbit@n1"},
                              ("a b", "x.y"): {"rabbit@n3"}}
    cluster.unmount("n3")
    cluster.run(30)
    cluster.order("n3", replace=True)
    assert cluster.run(120, lambda: cluster.up() == ALL), cluster.journal
    cluster.run(30)
    assert {name: len(members) for (_, name), members in cluster.brokers.queues.items()} == {
        "three": 3, "one": 1, "x.y": 1}
    assert "mq-override" not in cluster.pacemaker.properties


def test_a_queue_that_could_not_let_a_node_go_keeps_it_out(cluster):
    """It would vote in that queue without what it had acknowledged: a majority of itself and one that never had the
    message, and the message is lost. RabbitMQ 3.10 forgets the member and does not say that queues were left out."""
    cluster.brokers.queues = {("/", "q"): {"rabbit@n1", "rabbit@n2", "rabbit@n3"}, ("/", "alone"): {"rabbit@n3"}}
    cluster.unmount("n3")
    cluster.cut_power("n2")
    cluster.run(60)
    cluster.order("n3", replace=True)
    cluster.run(120)
    assert cluster.up() == ["n1"] and "rabbit@n3" not in cluster["n1"].members()
    assert cluster.status("n3") == ("Not joined: its lost data count in quorum queue q of /: start the others, or: "
                                    "rabbitmq-queues shrink rabbit@n3")
    cluster.power_on("n2")
    assert cluster.run(200, lambda: cluster.up() == ALL), cluster.journal
    cluster.run(60)
    assert cluster.brokers.queues[("/", "q")] == {"rabbit@n1", "rabbit@n2", "rabbit@n3"}


def test_a_queue_that_refused_the_new_member_gets_it_later(cluster):
    queues = {("/", "q"): {"rabbit@n1", "rabbit@n2", "rabbit@n3"}, ("/", "r"): {"rabbit@n1", "rabbit@n3"}}
    cluster.brokers.queues = queues
    cluster.unmount("n3")
    cluster.run(30)
    change, cluster.brokers.change = cluster.brokers.change, lambda act: change(
        lambda queue, members: queue[1] == "q" and "rabbit@n3" not in members or act(queue, members))
    queues[("/", "r")].discard("rabbit@n3")
    cluster.order("n3", replace=True)
    assert cluster.run(120, lambda: cluster.up() == ALL), cluster.journal
    cluster.run(100)
    assert "rabbit@n3" not in queues[("/", "q")] and "rabbit@n3" not in queues[("/", "r")]
    shown = [answer for name, action, answer in cluster.answers if (name, action) == ("n3", "monitor")][-1]
    assert shown == (codes.DEGRADED, "Not a member of quorum queue q of / again: start the nodes of its other members; "
                                     "it is tried again")
    cluster.brokers.change = change
    assert cluster.run(100, lambda: "rabbit@n3" in queues[("/", "q")])
    cluster.run(30)
    assert [answer.code for name, action, answer in cluster.answers if (name, action) == ("n3", "monitor")][-1] == 0


@pytest.mark.parametrize("mounted", [True, False])
def test_an_order_to_replace_a_node_ends_when_that_serves(cluster, mounted):
    """The disk is mounted just after the order, or the cluster had forgotten the node already: the order stayed, and
    the next time the disk was not mounted its data were forgotten without one."""
    cluster.unmount("n3")
    cluster.run(30)
    cluster.order("n3", replace=True)
    if mounted:
        cluster.mount("n3")
    else:
        cluster["n1"].command(["rabbitmqctl", "forget_cluster_node", "rabbit@n3"], 10)
    assert cluster.run(120, lambda: cluster.up() == ALL), cluster.journal
    cluster.run(30)
    assert "mq-override" not in cluster.pacemaker.properties
    if mounted:
        cluster.unmount("n3")
        cluster.run(100)
        assert cluster.up() == ["n1", "n2"] and "rabbit@n3" in cluster["n1"].members()


def test_an_order_to_replace_a_node_does_not_end_when_another_one_serves(cluster):
    cluster.unmount("n3")
    cluster.standby.add("n3")
    cluster.cut_power("n2")
    cluster.order("n3", replace=True)
    cluster.power_on("n2")
    assert cluster.run(120, lambda: cluster.up() == ["n1", "n2"])
    cluster.run(30)
    assert "mq-override" in cluster.pacemaker.properties


@pytest.mark.parametrize("names", [("n3",), tuple(ALL)], ids=["one", "all"])
def test_renamed_hosts_start_nothing_beside_their_data(cluster, names):
    cluster.cut_power(*names)
    for name in names:
        cluster[name].nodename = "rabbit@%s.example.org" % name
    cluster.power_on(*names)
    cluster.run(200)
    assert cluster.up() == [name for name in ALL if name not in names] and cluster.banned == set()
    assert "was it renamed" in cluster.status("n3")
    for name in names:
        cluster[name].nodename = "rabbit@" + name
    for name in names:
        cluster.standby.add(name)
    cluster.run(30)
    cluster.standby.clear()
    assert cluster.run(200, lambda: cluster.up() == ALL), cluster.journal


def test_a_clock_that_is_behind_is_a_wait(cluster, monkeypatch):
    """It was a failed start: a ban until cleanup."""
    for name in ALL:
        cluster[name].version = "4.0.5"
    cluster.unmount("n3")
    cluster.order("n3", replace=True)
    behind = [3600]
    now = type(cluster.clock).now
    monkeypatch.setattr(type(cluster.clock), "now", lambda self: now(self) - (
        behind[0] if getattr(here(), "name", None) == "n3" else 0))
    cluster.run(120)
    assert cluster.banned == set() and "the clock of n3 says" in cluster.status("n3"), cluster.journal
    behind[0] = 0
    assert cluster.run(120, lambda: cluster.up() == ALL), cluster.journal


def test_a_forced_boot_that_rabbitmq_refuses_is_no_ban(cluster):
    cluster["n1"].refuses_force = True
    cluster.cut_power()
    cluster.power_on("n1")
    cluster.order("n1")
    cluster.run(100)
    assert cluster.banned == set() and cluster.up() == []
    cluster["n1"].refuses_force = False
    assert cluster.run(60, lambda: cluster.up() == ["n1"]), cluster.journal
    assert cluster.pacemaker.properties["mq-generation"] == "1"
