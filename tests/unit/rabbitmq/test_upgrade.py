# SPDX-License-Identifier: Apache-2.0
"""What stands in the way of a newer RabbitMQ: what is found in a cluster and a configuration, and for which release."""

import io

import pytest

from quorate.cli import rabbitmq, upgrade_check
from quorate.errors import Refused, Usage
from quorate.rabbitmq import facts, upgrade
from quorate.rabbitmq.broker.tools.contents import CLASSIC, QUORUM, STREAM, Policy, Queue, Status
from quorate.rabbitmq.upgrade import IN_THE_WAY, LATER, NOTE, Held, Settings
from tests.unit.rabbitmq.actions.nodes import Node, other
from tests.unit.rabbitmq.broker.tools.test_contents import Questions, Tools, answers

ALL = frozenset(("rabbit@n1", "rabbit@n2", "rabbit@n3"))
ON, OFF = ("enabled", "stable"), ("disabled", "stable")


def status(version="3.13.7", members=ALL, **more):
    versions = more.pop("versions", {name: version for name in members})
    values = dict(ram=frozenset(), running=members, partitions=0, alarms=0, flags={"quorum_queue": ON})
    return Status(versions, members, **dict(values, **more))


def queue(name="q", kind=CLASSIC, durable=True, exclusive=False, arguments=None, policy="", members=frozenset()):
    return Queue("/", name, kind, durable, exclusive, arguments or {}, policy, members)


def found(target, of=None, settings=Settings("/etc/rabbitmq/rabbitmq.conf"), **held):
    return upgrade.findings(Held(of or status(), **held), settings, target)


def texts(findings, kind=IN_THE_WAY):
    return [one.text for one in findings if one.kind == kind]


# the release

@pytest.mark.parametrize("version, target", [
    ("3.10.8", (3, 11)), ("3.12.14", (3, 13)), ("3.13.7", (4, 2)), ("4.0.5", (4, 2)), ("4.1.8", (4, 2)),
    ("4.2.9", (4, 3)),
    ("4.9.0", None), ("3.8.2", None)])
def test_the_next_release(version, target):
    assert upgrade.next_series(version) == target


def test_a_release_that_is_not_the_next_one():
    """Debian 12 has 3.10, Debian 13 has 4.0: there is no way in place."""
    (text,) = texts(found((4, 0), status("3.10.8")))

    assert "only from 3.13, and this is 3.10: upgrade to 3.11 first" in text and "blue/green" in text
    assert texts(found((3, 11), status("3.10.8"))) == [] == texts(found((4, 2), status("3.13.7")))
    assert "runs 4.2 already" in texts(found((4, 0), status("4.2.9")))[0]
    assert "from 4.2, and this is 4.0: upgrade to 4.2 first" in texts(found((4, 3), status("4.0.5")))[0]


def test_an_upgrade_that_is_not_finished():
    (text,) = texts(found((4, 2), status(versions={"rabbit@n1": "4.0.5", "rabbit@n2": "3.13.7"})))

    assert "rabbit@n1 4.0.5, rabbit@n2 3.13.7" in text


@pytest.mark.parametrize("more, word", [
    (dict(running=ALL - {"rabbit@n2"}), "rabbit@n2 is a member and does not run"), (dict(partitions=1), "partitioned"),
    (dict(alarms=2), "rabbitmq-diagnostics alarms")])
def test_a_cluster_that_is_not_whole(more, word):
    (text,) = texts(found((4, 0), status(**more)))

    assert word in text


# feature flags and the metadata store

def test_flags_that_are_off():
    flags = {"a": ON, "b": OFF, "c": ("disabled", "experimental"), "d": ("disabled", "required"),
             "e": ("unavailable", "stable"),
             "khepri_db": ("disabled", "experimental")}

    assert texts(found((4, 0), status(flags=flags))) == [
        "The feature flag %s is not enabled: rabbitmqctl enable_feature_flag %s" % (name, name) for name in "bde"]


def test_khepri():
    off, on = {"khepri_db": OFF}, {"khepri_db": ON}

    assert "rabbitmqctl enable_feature_flag khepri_db" in texts(found((4, 3), status("4.2.9", flags=off)))[0]
    assert texts(found((4, 3), status("4.2.9", flags=on))) == [] == texts(found((4, 2), status("4.1.8", flags=off)))
    (one,) = [each for each in found((4, 2), status("4.0.5", flags=off)) if each.kind == LATER]
    assert one.since == (4, 3) and "khepri_db" in one.text
    assert "no release can take over" in texts(found((4, 0), status("3.13.7", flags=on)))[0]
    assert "once all nodes run 4.2" in [one.text for one in found((3, 11), status("3.10.8")) if one.kind == LATER][0]


def test_two_nodes_lose_by_khepri():
    two = frozenset(("rabbit@n1", "rabbit@n2"))

    assert any("only while all of its nodes run" in text for text in texts(found((4, 2), status("4.0.5", two)), NOTE))
    assert not any("all of its nodes run" in text for text in texts(found((4, 2), status("4.0.5")), NOTE))


# queues and policies

TRANSIENT = [queue("b", durable=False), queue("a", durable=False, exclusive=None), 
             queue("own", durable=False, exclusive=True),
             queue("kept"), queue("away", durable=None), queue("qq", QUORUM, durable=False, members=ALL)]


def test_transient_queues_are_named_once_for_each_virtual_host():
    other_one = queue("c", durable=False)._replace(vhost="/os")
    before = found((4, 2), status("4.0.5"), queues=TRANSIENT + [other_one])
    denied = found((4, 3), status("4.2.9", flags={"khepri_db": ON}), queues=TRANSIENT + [other_one])

    assert texts(before) == [] and texts(denied) == [one.text for one in before if "Transient" in one.text]
    first, second = texts(denied)
    assert "in vhost /: a, b." in first and "in vhost /os: c." in second and "rabbitmqctl list_queues -p /os" in second
    assert {one.since for one in before if "Transient" in one.text} == {(4, 3)}


def test_a_name_that_a_shell_would_split_is_quoted():
    one = queue("c", durable=False)._replace(vhost="it's /")

    assert """list_queues -p 'it'"'"'s /' name""" in found((4, 2), status("4.0.5"), queues=[one])[0].text


def test_hundreds_of_them_are_counted():
    (text,) = texts(found((4, 3), status("4.2.9", flags={"khepri_db": ON}),
                          queues=[queue("reply_%03d" % number, durable=False) for number in range(300)]))

    assert "reply_019 and 280 more" in text and "reply_020" not in text


def test_what_this_node_permits_is_a_note():
    settings = Settings("/etc/rabbitmq/rabbitmq.conf", permitted=frozenset(["transient_nonexcl_queues"]))
    findings = found((4, 3), status("4.2.9", flags={"khepri_db": ON}), settings, queues=TRANSIENT)

    assert texts(findings) == [] and any("is it on all nodes?" in text for text in texts(findings, NOTE))


def test_mirrored_queues():
    policies = [Policy("/", "ha", {"ha-mode": "all"}, False), Policy("/os", "ha", {"ha-sync-mode": "automatic"}, True),
                Policy("/", "ttl", {"message-ttl": 1}, False)]
    queues = [queue("m", policy="ha"), queue("qq", QUORUM, policy="ha", members=ALL), queue("n", policy="ttl")]
    first, second = texts(found((4, 0), queues=queues, policies=policies))

    assert "The policy ha of vhost / mirrors classic queues (m)" in first and "clear_policy -p / ha" in first
    assert "clear_operator_policy -p /os ha" in second
    operator = [Policy("/", "ha", {"ha-mode": "all"}, True)]  # another one of that name, which says what it applies to
    assert "(m)" not in texts(found((4, 0), queues=queues, policies=operator))[0]
    before = found((3, 13), status("3.12.14"), policies=policies)
    assert [one.since for one in before if "mirrors" in one.text] == [(4, 0)] * 2


@pytest.mark.parametrize("held, word", [
    (dict(policies=[Policy("/", "p", {"queue-master-locator": "min-masters"}, False)]), "sets queue-master-locator"),
    (dict(policies=[Policy("/", "p", {"queue-version": 1}, False)]), "queue-version"),
    (dict(queues=[queue(arguments={"x-queue-version": 1})]), "x-queue-version 1"),
    (dict(queues=[queue(arguments={"x-queue-master-locator": "random"})]), "x-queue-leader-locator")])
def test_what_4_3_does_not_have(held, word):
    flags = {"khepri_db": ON}

    assert word in texts(found((4, 3), status("4.2.9", flags=flags), **held))[0]
    assert texts(found((4, 2), status("4.0.5", flags=flags), **held)) == []


def test_queues_of_version_2_and_a_policy_for_it_are_well():
    findings = found((4, 3), status("4.2.9", flags={"khepri_db": ON}), queues=[queue(arguments={"x-queue-version": 2})],
                     policies=[Policy("/", "p", {"queue-version": 2}, False)])

    assert texts(findings) == []


@pytest.mark.parametrize("kind, tool", [(QUORUM, "rabbitmq-queues delete_member"),
                                        (STREAM, "rabbitmq-streams delete_replica")])
def test_members_that_are_missing(kind, tool):
    away = found((4, 0), status(running=ALL - {"rabbit@n3"}), queues=[queue("x", kind, members=ALL)])
    strange = found((4, 0), queues=[queue("x", kind, members=ALL | {"rabbit@gone"})])
    few = found((4, 0), queues=[queue("x", kind, members=frozenset(["rabbit@n2"])), queue("y", kind, members=ALL)])

    assert any("(x) have a member on rabbit@n3, which does not run" in text for text in texts(away))
    (text,) = texts(strange)
    assert "rabbit@gone, which is no node" in text and tool + " --vhost / QUEUE rabbit@gone" in text
    (text,) = texts(few)
    assert "(x) have fewer than 3 members" in text and text.endswith("QUEUE rabbit@n1")
    two = frozenset(("rabbit@n1", "rabbit@n2"))
    (text,) = texts(found((4, 0), status(members=two), queues=[queue("x", kind, members=frozenset(["rabbit@n2"]))]))
    assert "(x) have fewer than 2 members" in text
    assert texts(found((4, 0), status(members=frozenset(["rabbit@n1"])), queues=[
        queue("x", kind, members=frozenset(["rabbit@n1"]))])) == []


def test_nodes_without_a_disk():
    assert "change_cluster_node_type disc" in texts(found((4, 3), status(
        "4.2.9", flags={"khepri_db": ON}, ram=frozenset(["rabbit@n2"]))))[0]


def test_deprecated_features_that_rabbitmq_names():
    deprecated = {"global_qos": "permitted_by_default", "transient_nonexcl_queues": "permitted_by_default",
                  "management_metrics_collection": "permitted_by_default"}
    findings = found((4, 3), status("4.2.9", flags={"khepri_db": ON}), deprecated=deprecated)

    (text,) = texts(findings)
    assert "global_qos" in text and "denied from 4.3 on" in text
    assert any("management_metrics_collection" in note for note in texts(findings, NOTE))
    assert not any("denies global_qos" in note for note in texts(findings, NOTE))
    assert any("denies global_qos" in note for note in texts(found((4, 3)), NOTE))


# the configuration

def test_settings():
    settings = Settings("/etc/rabbitmq/rabbitmq.conf", "pause_minority", frozenset(), "min-masters", "1",
                        ("a.min", "a.max"))

    assert len(texts(found((4, 0), settings=settings))) == 3
    assert len(texts(found((3, 13), status("3.12.1"), settings=settings))) == 0
    assert any("queue_leader_locator" in text for text in texts(
        found((4, 3), status("4.2.9", flags={"khepri_db": ON}), settings=settings)))
    assert any("will not be obeyed with Khepri" in text for text in texts(found((4, 0), settings=settings), NOTE))
    assert any("is not obeyed with Khepri" in text for text in texts(
        found((4, 2), status("4.0.5", flags={"khepri_db": ON}), settings=settings), NOTE))


def test_this_node_s_settings(tmp_path):
    main = tmp_path / "rabbitmq.conf"
    main.write_text("cluster_partition_handling = autoheal\ndeprecated_features.permit.global_qos = true\n"
                    "deprecated_features.permit.queue_master_locator = false\nclassic_queue.default_version = 1\n"
                    "cluster_formation.randomized_startup_delay_range.min = 5\nqueue_master_locator = min-masters\n")
    node = Node(tmp_path, parameters={"config": str(main)})
    found_here = upgrade_check.here(node.context.parameters)

    assert found_here == Settings(str(main), "autoheal", frozenset(["global_qos"]), "min-masters", "1", (
        "cluster_formation.randomized_startup_delay_range.min",))


# the command

def node(tmp_path, monkeypatch, version="3.10.8", state="whole", known=None, running=True):
    """The command on n1 of a cluster that answers as real ones did."""
    found_node = Node(tmp_path, [other("n2", facts.RUNNING)] if running else [],
                      parameters={"config": str(tmp_path / "rabbitmq.conf")}).fill()
    (tmp_path / "rabbitmq.conf").write_text("")
    if running:
        found_node.participant.report(facts.RUNNING)
    known = dict(answers(version, state), **(known or {}))
    monkeypatch.setattr(rabbitmq, "one", lambda resource: found_node.participant)
    monkeypatch.setattr(upgrade_check, "Questions", lambda tools, name: Questions(Tools(known), name))
    return found_node


def check(found_node, to=None):
    out = io.StringIO()
    return upgrade_check.check(found_node.participant, to, out), out.getvalue()


def test_the_command_says_what_stands_in_the_way(tmp_path, monkeypatch):
    code, text = check(node(tmp_path, monkeypatch), "4.0")

    assert code == 1 and text.startswith("RabbitMQ 3.10.8; what stands in the way of 4.0:\nin the way: ")
    assert "mirrors classic queues (ha.m)" in text and "in the way of 4.3: Transient queues" in text
    assert "in vhost /: auto, transient one." in text


def test_nothing_stands_in_the_way(tmp_path, monkeypatch):
    code, text = check(node(tmp_path, monkeypatch))

    assert code == 0 and text.endswith("Nothing stands in the way of 3.11.\n")


def test_what_is_unknown_is_not_nothing(tmp_path, monkeypatch):
    code, text = check(node(tmp_path, monkeypatch, known={"list_policies --vhost /": [64, "Error: no"]}))

    assert code == 2 and "unknown: rabbit@n1 does not answer list_policies" in text and "Nothing stands" not in text


def test_something_is_in_the_way_whatever_else_is_unknown(tmp_path, monkeypatch):
    code, text = check(node(tmp_path, monkeypatch, known={"list_policies --vhost /": [64, ""]}), "4.0")

    assert code == 1 and "unknown: " in text


def test_a_configuration_that_is_not_understood(tmp_path, monkeypatch):
    found_node = node(tmp_path, monkeypatch)
    (tmp_path / "rabbitmq.conf").write_text("this is no setting\n")
    code, text = check(found_node)

    assert code == 2 and "unknown: this node's configuration" in text
    monkeypatch.setattr(upgrade_check, "Questions", lambda tools, name: Questions(Tools(dict(
        answers("3.10.8"), **{"list_policies --vhost /": [64, ""]})), name))
    assert check(found_node)[1].count("unknown: ") == 2


def test_without_the_versions_nothing_is_said_about_the_next_one(tmp_path, monkeypatch):
    found_node = node(tmp_path, monkeypatch, known={"cluster_status": [64, ""], "list_deprecated_features --used name "
                                                    "deprecation_phase": [0, "[]"]})
    with pytest.raises(Refused):
        check(found_node)
    assert check(found_node, "3.11")[0] == 2


@pytest.mark.parametrize("to", ["5.0", "4", "x", ""])
def test_a_release_that_is_not_known(tmp_path, monkeypatch, to):
    with pytest.raises(Usage):
        check(node(tmp_path, monkeypatch), to)


def test_without_a_broker_it_is_not_known(tmp_path, monkeypatch, capsys):
    node(tmp_path, monkeypatch, running=False)

    assert rabbitmq.main(["upgrade-check"]) == 2 and "no broker runs" in capsys.readouterr().err


def test_the_command_line(tmp_path, monkeypatch, capsys):
    node(tmp_path, monkeypatch)

    assert rabbitmq.main(["upgrade-check"]) == 0 and rabbitmq.main(["upgrade-check", "--to", "4.0"]) == 1
    assert rabbitmq.main(["upgrade-check", "--force", "n1"]) is None and rabbitmq.main(["upgrade-check", "n1"]) is None
    assert rabbitmq.main(["boot", "n1", "--to", "4.0"]) is None
