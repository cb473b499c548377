# SPDX-License-Identifier: Apache-2.0
"""ocf:quorate:rabbitmq on a real cluster: what was put into it is still there, and no data directory is ever removed.

The quick, deterministic core of scripts/faults --service rabbitmq, in the order written here, each test from a whole
cluster. Five users, three vhosts, exchanges, bindings, policies and 2,000 persistent messages are there from the
beginning, and a mark in each data directory.
"""

import json
import os

import pytest

from lab.faults import machine
from lab.faults.fault import wait_for
from lab.faults.rabbitmq import Fewest, drained, join_brokers, kill, part_brokers
from lab.services import rabbitmq
from lab.services.confirming import Client
from tests.lab.rabbitmq_cluster import BEAM, LIMIT, assert_kept, furnished, monitor
from tests.lab.output import eventually, power_log

SUITE = os.environ.get("QUORATE_SUITE", "bookworm")


@pytest.fixture(scope="module")
def lab():
    """Three empty nodes were all it had to begin with."""
    with furnished("trabbit", SUITE) as made:
        yield made


@pytest.fixture
def whole(lab):
    """A whole cluster before and after, with all furniture and every data directory."""
    rabbitmq.wait_whole(lab, timeout=LIMIT)
    yield lab
    assert_kept(lab)


def test_disable_and_enable(whole):
    whole.check("n1", ["pcs", "resource", "disable", "mq-clone"])
    rabbitmq.wait_silent(whole)
    assert wait_for(lambda: all(whole.run(node, ["pidof", BEAM]).rc == 1 for node in whole.node_names), LIMIT)
    whole.check("n1", ["pcs", "resource", "enable", "mq-clone"])


def test_sigkill_of_all(whole):
    for node in whole.node_names:
        machine.kill(whole, node, BEAM)
    assert wait_for(lambda: not rabbitmq.serving(whole), 10, 0.05)


def test_a_frozen_broker_is_stopped_and_started_without_fencing(whole):
    before = power_log(whole).count("by the cluster")
    pid = whole.check("n2", ["pidof", BEAM])
    machine.stop(whole, "n2", BEAM)
    assert wait_for(lambda: whole.run("n2", ["pidof", BEAM]).out not in (pid, ""), LIMIT)
    assert power_log(whole).count("by the cluster") == before


def test_a_broker_that_lost_only_the_other_brokers_fails_once_and_comes_back(whole):
    """Its restart must not make a second cluster: the last event that it recorded is that the others went."""
    whole.check("n1", ["pcs", "resource", "update", "mq", "minority_wait=3s"])
    before = power_log(whole).count("by the cluster")
    part_brokers(whole, "n3")
    try:
        eventually(whole, "n1", ["crm_mon", "-1"], "Partitioned from the cluster on n1, n2")
        eventually(whole, "n1", ["pcs", "status", "--full"], "cannot connect to the broker there")
        assert set(rabbitmq.serving(whole)) == {"n1", "n2"}
        assert whole.run("n3", ["pidof", BEAM]).out == ""
    finally:
        join_brokers(whole, "n3")
    rabbitmq.wait_whole(whole, timeout=LIMIT)
    assert "fail-count=1" in whole.check("n1", ["crm_mon", "-1fr"]), "restarted once"
    assert power_log(whole).count("by the cluster") == before
    whole.check("n1", ["pcs", "resource", "update", "mq", "minority_wait="])
    whole.check("n1", ["pcs", "resource", "cleanup", "mq"])


def test_two_clusters_are_found_without_credentials_and_become_one(whole):
    """A broker started by hand while it was cut off serves beside the others, and goes on doing so once it reaches
    them."""
    whole.check("n1", ["pcs", "resource", "update", "mq", "minority_wait=3s"])
    part_brokers(whole, "n3")
    try:
        assert wait_for(lambda: set(rabbitmq.serving(whole)) == {"n1", "n2"}, LIMIT, 0.5), "n3 does not pause"
        kill(whole, "n3")
        eventually(whole, "n1", ["pcs", "status", "--full"], "cannot connect to the broker there")
        whole.check("n3", "setsid -f rabbitmq-server >/dev/null 2>&1 </dev/null")
        assert wait_for(lambda: "n3" in rabbitmq.serving(whole), LIMIT, 0.5)
    finally:
        join_brokers(whole, "n3")
    eventually(whole, "n1", ["crm_mon", "-1"], "monitor on n3 returned 'error' (Partitioned from the cluster on n1, n2")
    rabbitmq.wait_whole(whole, timeout=LIMIT)
    whole.check("n1", ["pcs", "resource", "update", "mq", "minority_wait="])
    whole.check("n1", ["pcs", "resource", "cleanup", "mq"])


def test_a_rolling_restart_under_load(whole):
    """Each node is drained and stopped in turn, and the next one is asked to stop while the one before comes back."""
    client = Client(whole, rate=50)
    with Fewest(whole) as fewest:
        for node in whole.node_names:
            before = drained(whole, node)
            whole.check("n1", ["pcs", "node", "standby", node, "--wait=100"], 120)
            assert drained(whole, node) == before + 1
            whole.check("n1", ["pcs", "node", "unstandby", node])
        rabbitmq.wait_whole(whole, timeout=LIMIT)
    figures, lost = client.stop()
    assert lost == [] and figures["confirmed"] > 500
    assert fewest.number >= 2


def test_the_deepest_monitor_runs_the_brokers_own_tools(whole):
    """Level 20 needs no credentials to see an alarm."""
    assert monitor(whole, "n1", 20).rc == 0
    rabbitmq.ctl(whole, "n1", "set_vm_memory_high_watermark", "0.00001")
    try:
        assert wait_for(lambda: monitor(whole, "n1", 20).rc == 190, LIMIT, 1)
        done = monitor(whole, "n1", 20)
        assert "alarm of memory" in done.out + done.err
        assert monitor(whole, "n1").rc == 0
    finally:
        rabbitmq.ctl(whole, "n1", "set_vm_memory_high_watermark", "0.4")
    assert wait_for(lambda: monitor(whole, "n1", 20).rc == 0, LIMIT, 1)


def members(lab):
    return json.loads(rabbitmq.ctl(lab, "n1", "-q", "cluster_status", "--formatter", "json"))["disk_nodes"]


def test_a_disk_that_is_not_mounted_comes_back_with_its_queues(whole):
    """The cluster does not forget the node: with that the classic queues at home on the intact disk were gone."""
    whole.check("n3", "kill -KILL $(pidof %s); sleep 0.3; mv %s /root/unmounted" % (BEAM, rabbitmq.BASE))
    try:
        eventually(whole, "n1", ["pcs", "status", "--full"], "is a file system not mounted",
                   "quorate rabbitmq replace n3")
        assert "rabbit@n3" in members(whole)
        assert set(rabbitmq.serving(whole)) == {"n1", "n2"}
    finally:
        whole.check("n3", "rm -rf {0} && mv /root/unmounted {0}".format(rabbitmq.BASE))


def test_a_node_whose_disk_is_gone_is_replaced_by_one_command(whole):
    """The agent removes nothing; here the disk is taken away. Only queues that had a member there have one again."""
    rabbitmq.declare_quorum(whole, "n1", "only-one", 1)
    sizes = {name: rabbitmq.quorum_members(whole, "n1", name) for name in ("quorum", "only-one")}
    whole.check("n3", "mkdir -p /root/aside; kill -KILL $(pidof %s); sleep 0.3; mv %s/rabbit@n3 /root/aside/" % (
        BEAM, rabbitmq.BASE))
    explained = eventually(whole, "n1", ["quorate", "explain"], "to go on: quorate rabbitmq replace n3")
    whole.check("n2", explained.split("to go on: ")[1].splitlines()[0].split())
    rabbitmq.wait_whole(whole, timeout=LIMIT)
    assert wait_for(lambda: rabbitmq.quorum_members(whole, "n1") == 3, LIMIT, 1)
    assert sizes == {name: rabbitmq.quorum_members(whole, "n1", name) for name in sizes}
    assert whole.check("n3", "ls /root/aside/rabbit@n3").split()


def test_a_node_that_was_renamed_starts_nothing_beside_its_data(whole):
    conf = "/etc/rabbitmq/rabbitmq-env.conf"
    whole.check("n3", "cp {0} /root/env.conf; echo NODENAME=rabbit@n3.example.org >{0}; kill -KILL $(pidof {1})".format(
        conf, BEAM))
    try:
        eventually(whole, "n1", ["pcs", "status", "--full"], "there are data in %s/rabbit@n3" % rabbitmq.BASE)
        assert whole.run("n3", ["pidof", BEAM]).out == "" and "rabbit@n3" in members(whole)
    finally:
        whole.check("n3", "mv /root/env.conf %s" % conf)
    whole.check("n1", ["pcs", "resource", "restart", "mq-clone", "n3"], LIMIT)



def test_two_wait_for_the_third_and_go_on_by_one_command(whole):
    """SIGKILL of all with the power of one: the two may not know what it knew, so they say so and wait."""
    rest = ["n1", "n2"]
    whole.power_cut(*whole.node_names, stay_off=True)
    whole.power_on(*rest)
    whole.wait_online(rest)
    eventually(whole, "n1", ["pcs", "status", "--full"], "mq-status", "aits for n3")
    explained = eventually(whole, "n2", ["quorate", "explain"], "to go on: quorate rabbitmq boot n")
    assert rabbitmq.serving(whole) == []
    refused = whole.run("n2", ["quorate", "rabbitmq", "boot", "n3"])
    assert refused.rc == 1 and "Not done" in refused.err
    whole.check("n2", explained.split("to go on: ")[1].splitlines()[0].split())
    rabbitmq.wait_serving(whole, rest, LIMIT)
    assert wait_for(lambda: rabbitmq.quorum_members(whole, "n1") == 2, LIMIT, 1)
