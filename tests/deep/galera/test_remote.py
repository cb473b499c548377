# SPDX-License-Identifier: Apache-2.0
"""ocf:quorate:galera with a member on a Pacemaker Remote node, whose name in Pacemaker is not the one that Galera
knows."""

import pytest

from lab.faults import galera
from lab.faults.fault import wait_for
from lab.images import remote
from tests.lab.galera_cluster import LIMIT, SUITE, assert_lost, assert_whole, serving
from tests.lab.output import eventually, power_log, text
from tests.packaged import needs_a_lab

REMOTE, HOST = "r3", "n3"


def as_remote(lab):
    """Make n3, a member until now, a remote node of the others; it stays known as a member that has left."""
    lab.check(HOST, ["systemctl", "disable", "-q", "--now", "pacemaker", "corosync"])
    lab.check(HOST, ["systemctl", "enable", "-q", "--now", "pacemaker_remote"])
    lab.check("n1", ["pcs", "stonith", "update", "fence", "pcmk_host_list=n1 n2 n3 r3", "pcmk_host_map=r3:n3"])
    lab.check("n1", ["pcs", "--force", "resource", "create", REMOTE, "ocf:pacemaker:remote", "server=" + HOST,
                     "reconnect_interval=5s", "op", "monitor", "interval=5s"])
    lab.wait(lambda: REMOTE in lab.online(), 60, "the remote node does not come up")
    return {"cluster_host_map": "%s:%s" % (REMOTE, HOST)}


@pytest.fixture(scope="module")
def world():
    needs_a_lab()
    with serving("tremote", before=as_remote, layers=remote.ensure(SUITE, print)) as found:
        yield found


def test_it_is_promoted_there_too(world):
    assert_whole(world)
    assert wait_for(lambda: world.lab.promoted("db") == ["n1", "n2", REMOTE], LIMIT), text(world.lab, "n1",
                                                                                           ["crm_mon", "-1A"])
    eventually(world.lab, "n1", ["quorate", "explain", "db"], REMOTE, "synced")


def test_its_server_killed_and_then_all(world):
    galera.kill(world.lab, HOST)
    assert_lost(world, world.nodes)
    assert_whole(world)
    for node in world.nodes:
        galera.kill(world.lab, node)
    assert_lost(world, world.nodes)
    assert_whole(world)


def test_asked_on_the_remote_node_itself(world):
    assert_whole(world)
    assert "promoted" in text(world.lab, HOST, ["crm_resource", "--force-check", "-r", "db"]).lower()
    eventually(world.lab, HOST, ["quorate", "explain", "db"], "n1", "n2", REMOTE)


def test_its_power_is_cut(world):
    before = power_log(world.lab).count("by the cluster")
    world.lab.power_cut(HOST)
    assert_lost(world, [HOST])
    assert_whole(world)
    assert power_log(world.lab).count("by the cluster") > before


def test_disable_and_enable(world):
    galera.disable_enable(world)
    assert world.mistakes == []
    assert_whole(world)
