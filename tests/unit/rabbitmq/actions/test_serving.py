# SPDX-License-Identifier: Apache-2.0
"""What is recorded while a broker serves, and what is done once after a boot."""

import pytest

from quorate.host.state_files import StateFiles
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import membership, serving
from quorate.rabbitmq.actions.launch import launch_as_decided
from quorate.rabbitmq.broker.observe import Observation
from tests.unit.rabbitmq.actions.nodes import TOOLS, Node, names, other, quorum_queue, tools


def test_what_the_disk_said_before_a_launch_counts_until_the_broker_served(tmp_path):
    """While it boots, RabbitMQ records only the other booting nodes: two could then prove that none is missing."""
    node = Node(tmp_path).fill()
    node.participant.disk.keep_evidence()
    node.fill(running="rabbit@n1,rabbit@n2")
    assert node.participant.from_disk().running == names("n1", "n2", "n3")
    serving.keep_record(node.participant, Observation(facts.RUNNING, None, None, "It runs."))
    assert node.published.own.running == names("n1", "n2")


def test_a_policy_is_set_once(tmp_path):
    node = Node(tmp_path, parameters={"set_policy": 'ha-all ^(?!amq\\.).* {"ha-mode":"all"}'})
    node.commands.allow("rabbitmqctl", ...)
    for path in ("/usr/sbin/rabbitmqctl", "/usr/lib/rabbitmq/bin/rabbitmqctl"):
        node.commands.allow(path, ...)
    serving.apply_policy(node.participant)
    assert node.commands.calls[0][1:] == ("set_policy", "ha-all", "^(?!amq\\.).*", '{"ha-mode":"all"}')
    serving.apply_policy(node.participant)
    assert len(node.commands.calls) == 1 and not node.state_files.has("complaint")


def test_a_cluster_that_is_founded_anew_gets_its_policy(tmp_path):
    """All disks were replaced, and the cluster's configuration still says that it was set."""
    node = Node(tmp_path, parameters={"set_policy": 'ttl ^ {"message-ttl":60000}'})
    for path in ("rabbitmqctl", "/usr/sbin/rabbitmqctl", "/usr/lib/rabbitmq/bin/rabbitmqctl"):
        node.commands.allow(path, ...)
    serving.apply_policy(node.participant)
    node.state_files.forget("policy")
    serving.apply_policy(node.participant)
    assert len(node.commands.calls) == 1

    node.state_files.write("launched-for", {"action": facts.FOUND})
    serving.apply_policy(node.participant)
    assert len(node.commands.calls) == 2


def test_queues_are_extended_to_a_node_that_lost_its_power_while_it_joined(tmp_path):
    """The state file was in /run: after a reboot quorum queues stayed with two members, without a message. And only
    those that had the member before: a queue of three became one of four, one of one became one of two (real)."""
    node = Node(tmp_path, [other("n2", facts.RUNNING)])
    queues = {"/": [quorum_queue("a.b", "n1", "n2", "n3"), quorum_queue("other", "n2")]}
    tools(node, queues=queues)
    for path in TOOLS:
        node.commands.allow(path, "-n", "rabbit@n2", "forget_cluster_node", ..., then=lambda *_: queues["/"][0].update(
            members=["rabbit@n2", "rabbit@n3"]))
    launch_as_decided(node.participant, node.participant.decide_and_publish())
    rebooted = Node(tmp_path).fill()
    rebooted.participant.state_files = StateFiles("rabbitmq", "mq", str(tmp_path / "run of the next boot"),
                                                  str(tmp_path / "persistent"))
    tools(rebooted)

    serving.after_boot(rebooted.participant)
    serving.after_boot(rebooted.participant)

    assert [call[1:] for call in rebooted.commands.calls if "eval" not in call] == [
        ("grow", "rabbit@n1", "all", "--vhost-pattern", "^(?:\\/)\\z", "--queue-pattern", "^(?:a\\.b)\\z")]


def test_queues_that_could_not_be_extended_are_tried_again(tmp_path):
    node = Node(tmp_path)
    node.state_files.write("grow", {"for": "rabbit@n1", "queues": "%2F/q"}, persistent=True)
    tools(node, rc=70, err="Error: timeout")
    serving.after_boot(node.participant)
    assert node.state_files.read("grow", persistent=True)
    tools(node)
    serving.after_boot(node.participant)
    assert len(node.commands.calls) == 1, "not with each monitor"
    node.clock.sleep(membership.AGAIN)
    serving.after_boot(node.participant)
    assert not node.state_files.read("grow", persistent=True) and not node.state_files.has("growing")


def test_only_queues_that_still_lack_it_are_extended_again_and_it_is_shown(tmp_path):
    """`rabbitmq-queues grow` ends with 0 also where a queue refused: it stayed a member short, and nobody was told."""
    node = Node(tmp_path)
    node.state_files.write("grow", {"for": "rabbit@n1", "queues": "%2F/gone %2F/has %2F/lacks a%20b/lacks"},
                           persistent=True)
    queues = {"/": [quorum_queue("has", "n1", "n2"), quorum_queue("lacks", "n2")], "a b": [quorum_queue("lacks", "n3")]}
    tools(node, queues=queues)
    serving.after_boot(node.participant)
    assert node.state_files.read("grow", persistent=True)["queues"] == "%2F/lacks a%20b/lacks"
    assert not node.state_files.has("complaint")
    queues["a b"][0]["members"].append("rabbit@n1")
    for _ in range(2):
        node.clock.sleep(membership.AGAIN)
        serving.after_boot(node.participant)
    text = node.state_files.read("complaint")["text"]
    assert text == ("Not a member of quorum queue lacks of / again: start the nodes of its other members; it is tried "
                    "again")
    assert [call[-1] for call in node.commands.calls if "grow" in call][-1] == "^(?:lacks)\\z"
    queues["/"][1]["members"].append("rabbit@n1")
    node.clock.sleep(membership.AGAIN)
    serving.after_boot(node.participant)
    assert not node.state_files.has("complaint") and not node.state_files.read("grow", persistent=True)


@pytest.mark.parametrize("policy", ["", "The policy ttl was not set."])
def test_the_policys_complaint_is_neither_replaced_nor_ended(tmp_path, policy):
    node = Node(tmp_path)
    node.state_files.write("grow", {"for": "rabbit@n1", "queues": "%2F/lacks"}, persistent=True)
    if policy:
        node.state_files.write("complaint", {"text": policy})
    queues = {"/": [quorum_queue("lacks", "n2")]}
    tools(node, queues=queues)
    for _ in range(4):
        membership.grow(node.participant)
        node.clock.sleep(membership.AGAIN)
    assert node.state_files.read("complaint")["text"].startswith(policy or membership.NOT_AGAIN)
    queues["/"][0]["members"].append("rabbit@n1")
    membership.grow(node.participant)
    assert node.state_files.read("complaint").get("text", "") == policy


def test_the_longest_sentences_about_queues_keep_their_command():
    name = "rabbit@controller-1.example.org"
    for queues in ([("/", "q")], [("v" * 40, "q" * 200)], [("/", "a"), ("/", "b")]):
        assert len("Not joined: its lost data count in %s: start the others, or: rabbitmq-queues shrink %s" % (
            membership.shown(queues), name)) <= 144


def test_a_file_of_the_released_version_means_all_queues(tmp_path):
    node = Node(tmp_path)
    node.state_files.write("grow", {"for": "rabbit@n1"}, persistent=True)
    tools(node)
    serving.after_boot(node.participant)
    assert [call[1:] for call in node.commands.calls] == [("grow", "rabbit@n1", "all")]


def test_a_policy_that_could_not_be_set_is_tried_again(tmp_path):
    node = Node(tmp_path, parameters={"set_policy": 'ttl ^ {"message-ttl":60000}'})
    tools = ("rabbitmqctl", "/usr/sbin/rabbitmqctl", "/usr/lib/rabbitmq/bin/rabbitmqctl")
    for path in tools:
        node.commands.allow(path, ..., rc=1, err="Error: timeout")
    serving.after_boot(node.participant)
    assert "ttl was not set" in node.state_files.read("complaint")["text"]
    for path in tools:
        node.commands.allow(path, ...)
    serving.after_boot(node.participant)
    serving.after_boot(node.participant)
    assert len(node.commands.calls) == 2 and not node.state_files.has("complaint")


def test_mirroring_on_4_is_a_problem_and_no_reason_not_to_serve(tmp_path):
    node = Node(tmp_path, parameters={"set_policy": 'ha-all ^ {"ha-mode":"all"}'})
    node.participant._layout = node.layout._replace(version="4.0.5")
    serving.apply_policy(node.participant)
    assert node.commands.calls == [] and "quorum queues" in node.state_files.read("complaint")["text"]
