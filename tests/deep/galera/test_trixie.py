# SPDX-License-Identifier: Apache-2.0
"""ocf:quorate:galera and galera-check on Debian 13: Pacemaker 3.0, MariaDB 11.8, HAProxy 3.0, keepalived 2.3."""

import pytest

from lab.faults.fault import wait_for
from lab.faults.galera import kill
from lab.machines import names
from lab.services import galera, haproxy
from tests.lab.galera_cluster import LIMIT, assert_lost, assert_whole, serving
from tests.lab.output import eventually, text

SECOND = 101  # host part of the address that keepalived has
# The check asks with its exit code: the address is where the database is fit for clients.
KEEPALIVED = """\
global_defs {
    enable_script_security
    script_user root
}
vrrp_script galera {
    script "/usr/bin/galera-check"
    interval 1
    timeout 2
    fall 2
    rise 2
}
vrrp_instance database {
    state BACKUP
    interface host0
    virtual_router_id 52
    priority %(priority)d
    advert_int 1
    unicast_src_ip %(own)s
    unicast_peer {
        %(other)s
    }
    virtual_ipaddress {
        %(vip)s/24 dev host0
    }
    track_script {
        galera
    }
}
"""


@pytest.fixture(scope="module")
def world():
    with serving("ttrixie", suite="trixie") as found:
        haproxy.set_up(found.lab)
        yield found


def haproxys_word(world, node):
    """node -> (status, check_status, HTTP code) of each server, as the HAProxy on `node` shows them."""
    script = ("import csv,socket,sys; s=socket.socket(socket.AF_UNIX); s.connect('/run/haproxy/admin.sock'); "
              "s.sendall(b'show stat\\n'); f=s.makefile(); rows=csv.DictReader(f); "
              "[print(r['svname'], r['status'], r['check_status'], r['check_code']) for r in rows "
              "if r['# pxname']=='galera' and r['svname'] not in ('FRONTEND','BACKEND')]")
    return {line.split()[0]: tuple(line.split()[1:]) for line in text(world.lab, node,
                                                                      ["python3", "-c", script]).splitlines()}


def test_haproxy_3_0_has_all_three_up_by_the_check(world):
    version = text(world.lab, "n1", ["haproxy", "-v"])
    assert "version 3." in version, version
    up = {node: ("UP", "L7OK", "200") for node in world.nodes}
    assert wait_for(lambda: haproxys_word(world, "n1") == up, LIMIT), haproxys_word(world, "n1")


def test_clients_through_the_vip_go_on_when_the_writer_is_killed(world, tmp_path):
    with galera.Client(world.lab, str(tmp_path)) as client:
        writer = world.lab.wait(lambda: galera.writer_node(world.lab), LIMIT, "HAProxy writes nowhere")
        kill(world.lab, writer)
        assert_lost(world, [writer])
        client.scene()  # what counts from here was written to another node
        world.lab.wait(lambda: client.figures().get("scene", {}).get("acked", 0) > 20, LIMIT,
                       "nothing is written any more")
        assert_whole(world)
        assert client.stop()["acked"] > 0
    assert galera.verify(world.lab, client.record) == {node: [] for node in world.nodes}


def test_all_are_killed(world):
    for node in world.nodes:
        kill(world.lab, node)
    assert_lost(world, world.nodes)
    assert_whole(world)


def test_power_cut_of_all(world):
    world.lab.power_cut(*world.nodes, stay_off=True)
    world.lab.power_on(*world.nodes)
    assert_lost(world, world.nodes)
    assert_whole(world)


def test_keepalived_moves_its_address_to_a_node_that_is_fit(world):
    lab = world.lab
    vip = names.address(lab.record["subnet"], SECOND)
    for node, other, priority in (("n1", "n2", 120), ("n2", "n1", 100)):
        lab.check(node, "install -d /etc/keepalived; cat >/etc/keepalived/keepalived.conf; keepalived -t && "
                        "systemctl restart keepalived", stdin=KEEPALIVED % {
                            "priority": priority, "own": lab.address(node), "other": lab.address(other), "vip": vip})
    holds = ["ip", "-o", "address", "show", "to", vip]
    eventually(world.lab, "n1", holds, vip)
    lab.check("n1", ["pcs", "node", "standby", "n1"])
    try:
        eventually(world.lab, "n2", holds, vip)
        assert "" == text(world.lab, "n1", holds)
    finally:
        lab.check("n1", ["pcs", "node", "unstandby", "n1"])
    eventually(world.lab, "n1", holds, vip)
    assert_whole(world)
