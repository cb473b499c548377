# SPDX-License-Identifier: Apache-2.0
"""How the front door's figures are counted, and the commands that its documentation names."""

import pytest

from lab.front_door.deployment import documented, plan_text, servers_up, vip_commands, web_commands
from lab.front_door.measurement import by_listener, impact, table
from lab.front_door.picture import stretches
from lab.front_door.real import real_plan_text
from lab.front_door.real_configuration import APACHE, SERVICES, STANDINS, WEB, cache_tokens, texts
from lab.machines.names import Node
from lab.programs.knocker import request
from lab.services.openstack.configuration import files
from quorate.plan.parse import read
from quorate.plan.render import systemd


class Lab:
    """What a plan needs of a lab."""

    name, suite, vip = "front", "bookworm", "10.1.2.100"
    record = {"subnet": "10.1.2.0/24"}
    nodes = [Node("n%d" % number, number, "10.1.2.%d" % (10 + number)) for number in (1, 2, 3, 4)]


def plan_of(manager):
    plan, problems = read(plan_text(Lab, manager))
    assert [] == [one.sentence("plan") for one in problems]
    return plan


def test_out_is_the_longest_time_without_a_success_at_one_listener():
    attempts = [("a", 10.0, 0.1, "ok"), ("a", 11.0, 2.0, "timeout"), ("a", 14.0, 0.5, "ok"),
                ("b", 10.0, 0.1, "ok"), ("b", 12.0, 0.1, "ok"), ("b", 14.0, 0.1, "ok")]
    found = impact(attempts, 10.0, 15.0, "n1 -> n2")

    assert (1, 6, 1, 4.4, 0.5, {"timeout": 1}) == (
        found.failed, found.attempts, found.listeners, found.out, found.slowest, found.errors)


def test_a_listener_that_never_answers_is_out_to_the_end():
    assert 5.0 == impact([("a", 10.0, 2.0, "timeout")], 10.0, 15.0, "").out


def test_table_has_a_row_for_each_case():
    one, other = (impact([("a", 0.0, took, "ok")], 0.0, 9.0, "") for took in (1.0, 4.0))
    text = table([("keepalived", "x", 1, one, 0, []), ("keepalived", "x", 2, other, 0, []),
                  ("pacemaker", "x", 1, one, 0, [])])

    assert ["| keepalived | x | 2 | 0 of 2 | 0 | 6.5 s (8.0) |", "| pacemaker | x | 1 | 0 of 1 | 0 | 8.0 s |"
            ] == text.splitlines()[2:]


@pytest.mark.parametrize("status, checked, up", [
    ("UP", "L7OK", True), ("UP", "* L7OK", True), ("UP", "", True), ("no check", "", True),
    ("UP", "INI", False), ("UP 1/2", "L7TOUT", False), ("DOWN", "L4CON", False)])
def test_a_server_is_up_when_it_was_asked(status, checked, up):
    """HAProxy calls a server UP before its first check; a lab that believed that sent an image to a Glance that was not
    there."""
    row = ["p", "n1"] + [""] * 15 + [status] + [""] * 18 + [checked, "200"]

    assert up == servers_up("# names\n" + ",".join(row) + "\n")
    assert not servers_up("")


def test_each_listener_has_its_own_figures():
    attempts = [("a", 0.0, 1.0, "ok"), ("a", 2.0, 0.5, "HTTP 503"), ("b", 0.0, 0.5, "ok")]
    text = by_listener([("pacemaker", "x", 1, impact(attempts, 0.0, 4.0, ""), 0.0, attempts)])

    assert ["| a | 1 of 2, 3.0 s |", "| b | 0 of 1, 3.5 s |"] == text.splitlines()[2:]


def test_a_client_makes_the_given_request_and_recognises_the_answer():
    known = {"x": {"ask": [["GET /one", None, ["300"]], ["POST /two", "{}", ["201"]]], "token": "abc"}}

    assert (b"GET /one HTTP/1.1\r\nHost: front\r\nConnection: close\r\nX-Auth-Token: abc\r\n\r\n", ["300"]
            ) == request("x", 2, known)
    assert request("x", 3, known)[0].endswith(b"Content-Length: 2\r\n\r\n{}")
    assert [b"POST", b"GET ", b"GET "] == [request("y", number, known)[0][:4] for number in range(3)]


def test_every_listener_is_a_real_service_or_a_named_stand_in():
    plan, problems = read(real_plan_text(Lab))

    assert not problems
    assert ["n3", "n4"] == list(plan.service("nova_compute").nodes)
    listeners = {one for service in SERVICES + (WEB,) for one in service.listeners}
    assert {one.name for one in plan.services} == listeners | set(STANDINS) | {"galera_cluster"}
    for service in SERVICES:
        for name in service.listeners:
            assert not service.port or plan.service(name).backend_port == service.port


def test_a_real_service_binds_the_address_of_its_node():
    found = texts(["n1"], "vip", "secret", "10.1.2.13")

    for service in SERVICES:
        assert {service.unit} == {systemd.APIS[name][0] for name in service.listeners}
        if service.program:
            assert "--http-socket 10.1.2.13:%d " % service.port in found["/etc/default/"
                                                                         + (service.script or service.unit)][0]
    assert "\nListen 10.1.2.13:5000\n" in found[APACHE][0] and "application-group=%{GLOBAL}" in found[APACHE][0]
    assert "threads = 1\n" in found["/etc/nova/nova-api-uwsgi.ini"][0]
    assert "bind_host = 10.1.2.13" in found["/etc/glance/glance-api.conf"][0]
    assert "novncproxy_host = 10.1.2.13" in found["/etc/nova/nova.conf"][0]


def test_a_token_is_shared_by_all_requests():
    found = cache_tokens(dict(files(["n1"], "vip", "secret", "key"), **texts(["n1"], "vip", "secret", "10.1.2.13")))
    asking = {path for path, (text, _group) in found.items() if "[keystone_authtoken]" in text}

    assert {"/etc/%s/%s.conf" % (name, name) for name in ("nova", "cinder", "heat", "neutron", "placement")} < asking
    assert all("[keystone_authtoken]\nmemcached_servers = " in found[path][0] for path in asking)


def test_stretches_follow_each_other():
    attempts = [("a", 0.0, 0, "ok"), ("a", 1.0, 0, "closed"), ("a", 2.0, 0, "closed"), ("b", 1.5, 0, "ok"),
                ("a", 3.0, 0, "ok"), ("a", 4.0, 0, "ok")]

    assert [[0.0, 1.0, True], [1.0, 3.0, False], [3.0, 4.0, True]] == stretches(attempts, "a")


def test_the_lab_has_a_plan_for_both():
    assert ["n1", "n2", "n3", "n4"] == [node.name for node in plan_of("pacemaker").front_nodes]
    assert ["n1", "n2"] == [node.name for node in plan_of("keepalived").front_nodes]


def test_the_addresses_come_from_the_commands_of_the_plan():
    words = [" ".join(one) for one in vip_commands(plan_of("pacemaker"))]

    assert any(one.startswith("resource create haproxy systemd:haproxy") for one in words)
    assert 2 == sum(one.startswith("resource create vip-") for one in words)
    assert not any("galera" in one or "stonith" in one for one in words)


def test_apache_comes_from_the_commands_of_the_plan():
    plan, _problems = read(real_plan_text(Lab))
    create, *rest = [" ".join(one) for one in web_commands(plan)]

    assert create.startswith("resource create httpd systemd:apache2 ") and create.endswith(" clone interleave=true")
    assert rest == ["constraint location httpd-clone avoids n1 n2",
                    "constraint order promote db-clone then start httpd-clone kind=Optional"]


def test_the_documentation_has_the_steps_that_the_lab_takes():
    assert "quorate plan haproxy /etc/quorate/plan.toml >/etc/haproxy/haproxy.cfg" in documented("on each node")
    assert any(one.startswith("quorate plan keepalived ") for one in documented("on each endpoint"))
    assert "sh /root/quorate-pcs.sh apply" in documented("on one node")
