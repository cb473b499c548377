# SPDX-License-Identifier: Apache-2.0
"""What is rendered from the examples, as it was last released, and what must hold of it whoever changes it.

After a change that is meant: /usr/bin/python3 -m tests.unit.plan.render.test_texts writes the golden files anew.
"""

import os

import pytest

from quorate.plan.render import haproxy, keepalived, systemd, xinetd
from quorate.plan.services import BY_NAME
from tests import ROOT
from tests.unit.plan.examples import EXAMPLES, plan_of

GOLDEN = os.path.join(ROOT, "tests", "golden", "plan")
# Which text of which example for which node stands in which file.
TEXTS = {
    "three-controllers.haproxy.cfg": ("three-controllers", haproxy, ()),
    "five-dedicated.haproxy.cfg": ("five-dedicated", haproxy, ()),
    "two-endpoints.haproxy.cfg": ("two-endpoints", haproxy, ()),
    "two-endpoints.edge1.keepalived.conf": ("two-endpoints", keepalived, ("edge1",)),
    "two-endpoints.edge2.keepalived.conf": ("two-endpoints", keepalived, ("edge2",)),
    "two-endpoints.edge1.systemd.sh": ("two-endpoints", systemd, ("edge1",)),
    "three-controllers.n1.systemd.sh": ("three-controllers", systemd, ("n1",)),
    "five-dedicated.ctl1.systemd.sh": ("five-dedicated", systemd, ("ctl1",)),
    "five-dedicated.data1.systemd.sh": ("five-dedicated", systemd, ("data1",)),
    "three-controllers.n1.xinetd": ("three-controllers", xinetd, ("n1",)),
}


def rendered(golden):
    example, module, node = TEXTS[golden]
    return module.render(plan_of(example), *node)


def sections(text):
    """haproxy.cfg as dict: 'listen galera_cluster' -> its lines, without comments."""
    found, name = {}, None
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line.startswith(" "):
            found[name].append(line.strip())
        else:
            name = line.strip()
            assert name not in found, name
            found[name] = []
    return found


@pytest.mark.parametrize("golden", sorted(TEXTS))
def test_text_is_the_one_last_released(golden):
    with open(os.path.join(GOLDEN, golden), encoding="utf-8") as file:
        assert file.read() == rendered(golden)


@pytest.mark.parametrize("golden", sorted(TEXTS))
def test_text_is_readable(golden):
    """It is read by people before it is applied: lines that fit, no blanks at their ends."""
    for line in rendered(golden).splitlines():
        assert len(line) <= 125 or " = " in line and line.startswith("#"), line
        assert line == line.rstrip()


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_proxied_service_has_a_listener_with_a_check_that_asks_it(name):
    plan, found = plan_of(name), sections(haproxy.render(plan_of(name)))

    for service in plan.services:
        kind = BY_NAME[service.name]
        lines = found.get("listen " + service.name)
        assert (lines is not None) == kind.proxied, service.name
        if lines is None:
            continue
        assert any(line.startswith("option httpchk") for line in lines)
        assert any(service.check_path in line.split() for line in lines)
        assert any("check inter 1s" in line for line in lines)
        assert len(plan.vips_of(service)) <= sum(line.startswith("bind ") for line in lines)
        assert [node for node in service.nodes] == [line.split()[1] for line in lines if line.startswith("server ")]


def test_balanced_services_need_a_hash_that_can_leave_a_dead_server():
    """Seen with HAProxy 2.6: with the map-based hash a client of a dead server gets 503 until the check has failed."""
    found = sections(haproxy.render(plan_of("three-controllers")))

    assert "hash-type consistent" in found["defaults"]
    assert "option redispatch 1" in found["defaults"]
    assert "balance source" in found["listen glance_api"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_refused_request_tells_haproxy_before_its_checks_do(name):
    """An instance that is killed and at once started again opens its port before it answers: 34 of 800 requests waited
    there for more than five seconds, none with this (HAProxy 2.6.12). Not the database: its own check decides who takes
    the writes."""
    found = sections(haproxy.render(plan_of(name)))
    for listener, lines in found.items():
        observed = [line for line in lines if " observe layer4 error-limit 1 on-error sudden-death" in line]
        http = listener.startswith("listen ") and listener != "listen galera_cluster"
        assert len(observed) == http, listener


def test_the_only_server_is_tried_three_times():
    """Called down after two refusals it would answer 503, where a third try a second later finds it back."""
    plan = plan_of("three-controllers")
    alone = plan._replace(services=tuple(one._replace(nodes=one.nodes[:1]) for one in plan.services))

    assert "observe" not in haproxy.render(alone)
    assert "RestartSec" not in systemd.render(alone, "n1")


def test_one_node_takes_the_writes():
    """The table must have room for a new entry, and is not asked for a node that drains; see docs/front-door.md."""
    lines = sections(haproxy.render(plan_of("three-controllers")))["listen galera_cluster"]

    assert "stick-table type integer size 10 peers quorate" in lines
    assert "stick store-request int(1)" in lines
    matches = [line for line in lines if line.startswith("stick match")]
    assert 3 == len(matches)
    for number, (line, node) in enumerate(zip(matches, ("n1", "n2", "n3")), 1):
        assert line == ("stick match int(1) if { int(1),table_server_id(galera_cluster) %d } "
                        "{ nbsrv(galera_cluster.%s) gt 0 }" % (number, node))
    assert [False, True, True] == [line.endswith(" backup") for line in lines if line.startswith("server ")]
    assert "http-check disable-on-404" in lines
    assert any("port 9200" in line and "on-marked-down shutdown-sessions" in line for line in lines)


def test_writer_by_backups_needs_no_table():
    lines = sections(haproxy.render(plan_of("two-endpoints")))["listen galera_cluster"]

    assert [] == [line for line in lines if line.startswith("stick")]
    assert [False, True, True] == [line.endswith(" backup") for line in lines if line.startswith("server ")]


def test_the_dashboard_fails_over_and_is_not_balanced():
    lines = sections(haproxy.render(plan_of("five-dedicated")))["listen dashboard"]

    assert [] == [line for line in lines if line.startswith("balance")]
    assert ["server ctl2 192.0.2.12:80 id 1", "server ctl1 192.0.2.11:80 id 2 backup"] == lines[-2:]
    assert {"bind 192.0.2.10:80",
            "bind 192.0.2.10:443 ssl crt /etc/haproxy/tls/cloud.pem alpn h2,http/1.1"} < set(lines)


def test_a_reason_stands_once():
    text = haproxy.render(plan_of("three-controllers"))
    reasons = [line for line in text.splitlines() if line.startswith("    # ")]

    assert len(reasons) == len(set(reasons))


def test_what_is_not_proxied_is_said_with_what_clients_use():
    text = haproxy.render(plan_of("five-dedicated"))

    assert "listen rabbitmq" not in text and "listen memcached" not in text
    assert "transport_url = rabbit://USER:PASSWORD@192.0.2.21:5672,USER:PASSWORD@192.0.2.22:5672" in text
    assert "memcached_servers = 192.0.2.11:11211,192.0.2.12:11211" in text


def test_keepalived_gives_all_nodes_one_priority_so_that_nothing_moves_back():
    plan = plan_of("two-endpoints")
    texts = [keepalived.render(plan, node) for node in ("edge1", "edge2")]

    assert [["    priority 100"] * 2] * 2 == [[line for line in text.splitlines() if "priority " in line
                                               and "#" not in line]
                                              for text in texts]
    assert all("    weight -50" in text for text in texts)
    assert all("state MASTER" not in text and "nopreempt" not in text for text in texts)


@pytest.mark.parametrize("module, example, node, words", [
    (keepalived, "three-controllers", "n1", "vip_manager"),
    (keepalived, "two-endpoints", "n1", "the endpoints are: edge1, edge2"),
    (systemd, "two-endpoints", "compute1", "nothing to do"),
    (xinetd, "five-dedicated", "ctl1", "no database"),
])
def test_a_node_for_which_there_is_nothing_is_refused_with_a_reason(module, example, node, words):
    with pytest.raises(ValueError, match=words):
        module.render(plan_of(example), node)


def test_units_of_the_cluster_are_not_started_by_systemd():
    text = rendered("three-controllers.n1.systemd.sh")

    assert ("for unit in haproxy.service mariadb.service rabbitmq-server.service memcached.service apache2.service "
            "cinder-volume.service heat-engine.service nova-novncproxy.service; do") in " ".join(
                text.replace("\\\n", " ").split())
    assert [] == [line for line in text.splitlines() if "--now" in line and "disable --now $unit" not in line]
    assert 1 == text.count("--now"), "a listening socket of systemd ends, no service"


@pytest.mark.parametrize("golden, unwanted", [
    ("five-dedicated.ctl1.systemd.sh", "apache2.service keystone.service nova-novncproxy.service"),
    ("three-controllers.n1.systemd.sh", "apache2.service keystone.service nova-novncproxy.service")])
def test_an_api_is_restarted_when_haproxy_has_noticed_its_end(golden, unwanted):
    (part,) = [one for one in rendered(golden).split("\n\n") if "RestartSec" in one]
    words = part.replace("\\\n", " ").split()

    assert {"neutron-api.service", "glance-api.service", "heat-api.service"} <= set(words)
    assert not set(unwanted.split()) & set(words), "Pacemaker starts these"
    assert "RestartSec=%ds" % systemd.RESTART in part


def test_keystone_is_not_served_twice():
    """Debian's package enables a unit at port 5000, and Apache of the cluster then cannot start there."""
    text, plan = rendered("three-controllers.n1.systemd.sh"), plan_of("three-controllers")

    assert "    systemctl disable keystone.service\n" in text
    assert not [line for line in text.splitlines()
                if line.strip().startswith("systemctl stop")], "only the operator stops it"
    assert "keystone.service" not in systemd.render(plan._replace(system="redhat"), "n1")
    assert "keystone.service" not in systemd.render(plan._replace(services=tuple(
        one for one in plan.services if not one.name.startswith("keystone"))), "n1")


@pytest.mark.parametrize("golden", [name for name in sorted(TEXTS) if name.endswith(".sh")])
def test_one_unit_needs_no_loop(golden):
    """shellcheck finds a loop over one word (SC2043)."""
    loops = [line for line in rendered(golden).replace("\\\n", " ").splitlines() if line.startswith("for unit in ")]

    assert all(len(line.split()) > len("for unit in a; do".split()) for line in loops)


def test_every_listener_of_an_api_has_a_unit():
    proxied = {kind.name for kind in BY_NAME.values() if kind.proxied and kind.mode == "http"}

    assert proxied == set(systemd.APIS)


@pytest.mark.parametrize("agent, system, unit", [
    ("ocf:quorate:cinder-volume", "debian", "cinder-volume.service"),
    ("ocf:quorate:cinder-volume", "redhat", "openstack-cinder-volume.service"),
    ("ocf:quorate:galera", "redhat", "mariadb.service"), ("systemd:httpd", "redhat", "httpd.service"),
    ("ocf:heartbeat:IPaddr2", "debian", None)])
def test_what_systemd_would_start(agent, system, unit):
    """A second copy of cinder-volume, started at boot beside the cluster's, writes to the same volumes."""
    assert systemd.unit(agent, system) == unit


if __name__ == "__main__":
    for one in TEXTS:
        with open(os.path.join(GOLDEN, one), "w", encoding="utf-8") as target:
            target.write(rendered(one))
