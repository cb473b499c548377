# SPDX-License-Identifier: Apache-2.0
"""How the front door's figures are counted, and the commands that its documentation names."""

from lab.front import documented, plan_text, vip_commands
from lab.front_door import felt, table
from lab.front_picture import stretches
from lab.names import Node
from quorate.plan.read import read


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
    seen = felt(attempts, 10.0, 15.0, "n1 -> n2")

    assert (1, 6, 1, 4.4, 0.5, {"timeout": 1}) == (
        seen.failed, seen.attempts, seen.listeners, seen.out, seen.slowest, seen.errors)


def test_a_listener_that_never_answers_is_out_to_the_end():
    assert 5.0 == felt([("a", 10.0, 2.0, "timeout")], 10.0, 15.0, "").out


def test_table_has_a_row_for_each_case():
    one, other = (felt([("a", 0.0, took, "ok")], 0.0, 9.0, "") for took in (1.0, 4.0))
    text = table([("keepalived", "x", 1, one, 0, []), ("keepalived", "x", 2, other, 0, []), ("pacemaker", "x", 1, one, 0, [])])

    assert ["| keepalived | x | 2 | 0 of 2 | 0 | 6.5 s (8.0) |", "| pacemaker | x | 1 | 0 of 1 | 0 | 8.0 s |"
            ] == text.splitlines()[2:]


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


def test_the_documentation_has_the_steps_that_the_lab_takes():
    assert "quorate plan haproxy /etc/quorate/plan.toml >/etc/haproxy/haproxy.cfg" in documented("on each node")
    assert any(one.startswith("quorate plan keepalived ") for one in documented("on each endpoint"))
    assert "sh /root/quorate-pcs.sh apply" in documented("on one node")
