# SPDX-License-Identifier: Apache-2.0
"""The broker's own command line tools."""

import os
from collections import namedtuple

import pytest

from quorate.host.command import Result
from quorate.rabbitmq.broker.tools import ctl
from quorate.rabbitmq.broker.tools.ctl import Tools
from quorate.rabbitmq.broker.tools.policy import Policy
from tests.unit.rabbitmq.actions.nodes import Node


@pytest.mark.parametrize("rc, out, critical", [
    (0, '{"result":"ok"}', False),
    (69, '{"result":"error","message":"Node x reported local queues with minimum online quorum"}', True),
    (69, "Error: unable to perform an operation on node 'rabbit@n1'.", None), (127, "", None)])
def test_a_tool_that_fails_is_no_answer(tmp_path, rc, out, critical):
    node = Node(tmp_path)
    for path in ("rabbitmq-queues", "/usr/sbin/rabbitmq-queues", "/usr/lib/rabbitmq/bin/rabbitmq-queues"):
        node.commands.allow(path, ..., rc=rc, out=out)
    assert Tools(node.context, node.layout).critical() is critical


class Commands:
    """Commands that keep what they are asked for, and give one Result."""

    def __init__(self, rc=0, out="", err="", timed_out=False):
        self.answer, self.asked = (rc, out, err, timed_out), None

    def run(self, argv, timeout, stdin=None, env=None):
        assert stdin is None
        self.asked = (tuple(argv), timeout, env)
        return Result(tuple(argv), *self.answer)


class Named(namedtuple("Named", "base")):
    """A Layout that says nothing to the tools by itself."""

    def environment(self):
        return {}


@pytest.fixture
def made(tmp_path, monkeypatch):
    """made(parameters, **result): (Tools, Commands); no tool is installed in a directory of its own."""
    monkeypatch.setattr(ctl, "DIRECTORIES", (str(tmp_path / "first"), str(tmp_path / "second")))

    def make(parameters=None, **result):
        node, commands = Node(tmp_path, parameters=parameters), Commands(**result)
        node.context.commands = commands
        return Tools(node.context, node.layout), commands
    return make


@pytest.mark.parametrize("call, argv, limit", [
    (lambda tools: tools.forget("rabbit@n3", "rabbit@n2"),
     ("rabbitmqctl", "-n", "rabbit@n2", "forget_cluster_node", "rabbit@n3"), 60),
    (lambda tools: tools.set_policy(Policy("p", "^a", "{}", ("-p", "/"))),
     ("rabbitmqctl", "set_policy", "-p", "/", "p", "^a", "{}"), 30),
    (lambda tools: tools.force_boot(), ("rabbitmqctl", "force_boot"), 30),
    (lambda tools: tools.critical(),
     ("rabbitmq-queues", "check_if_node_is_quorum_critical", "--formatter", "json"), 10),
    (lambda tools: tools.cluster_status(), ("rabbitmqctl", "-q", "cluster_status", "--formatter", "json"), 15),
    (lambda tools: tools.drain(7), ("rabbitmq-upgrade", "drain"), 7)])
def test_what_is_run_for_how_long_with_which_environment(made, call, argv, limit):
    tools, commands = made()
    call(tools)
    environment = dict(tools._layout.environment(), LC_ALL="C.UTF-8")
    assert commands.asked == (argv, limit, environment)


def test_a_directory_of_data_that_the_operator_named_is_the_tools_as_well(made):
    for parameters, given in (({"datadir": "/srv/mq"}, "/srv/mq"), (None, None)):
        tools, commands = made(parameters)
        tools._layout = Named(given)
        tools.force_boot()
        assert commands.asked[2].get("RABBITMQ_MNESIA_BASE") == given


def test_a_tool_is_taken_from_the_package_s_directory_where_it_can_be_run(made, tmp_path):
    tools, commands = made()
    for name, mode in (("second", 0o755), ("first", 0o644)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rabbitmqctl").write_text("")
        os.chmod(tmp_path / name / "rabbitmqctl", mode)
    tools.force_boot()
    assert commands.asked[0][0] == str(tmp_path / "second" / "rabbitmqctl")
    os.chmod(tmp_path / "first" / "rabbitmqctl", 0o755)
    tools.force_boot()
    assert commands.asked[0][0] == str(tmp_path / "first" / "rabbitmqctl")


FAILED = dict(rc=70, err="Error:\nno such thing\n")


@pytest.mark.parametrize("call, done, not_done", [
    (lambda tools: tools.forget("rabbit@n3", "rabbit@n2"), (True, "The cluster forgot rabbit@n3."),
     (False, "The cluster did not forget rabbit@n3: no such thing")),
    (lambda tools: tools.set_policy(Policy("p", "^a", "{}")), (True, ""),
     (False, "The policy p was not set: no such thing")),
    (lambda tools: tools.force_boot(), (True, ""), (False, "The boot cannot be forced: no such thing")),
    (lambda tools: tools.drain(7), (True, ""), (False, "Not drained: no such thing")),
    (lambda tools: tools.cluster_status(), "said", "")])
def test_what_became_of_it(made, call, done, not_done):
    assert call(made(out="said")[0]) == done
    assert call(made(**FAILED)[0]) == not_done


@pytest.mark.parametrize("result", [dict(err="not_a_cluster_node"), dict(out="{not_a_cluster_node, x}")])
def test_a_member_that_is_none_any_more_is_forgotten(made, result):
    assert made(rc=69, **result)[0].forget("rabbit@n3", "rabbit@n2") == (True, "The cluster forgot rabbit@n3.")


@pytest.mark.parametrize("result", [dict(err="minimum online quorum"), dict(out="minimum online quorum")])
def test_the_message_may_be_on_either_stream(made, result):
    assert made(rc=69, **result)[0].critical() is True


@pytest.mark.parametrize("out, err, timed_out, text", [
    ("", "", True, "rabbitmqctl did not end in time"), ("", "", False, "code 70"),
    ("", "Error: this", False, "Error: this"), ("Error: that", "", False, "Error: that"),
    ("Error: that", "Error: this", False, "Error: this"), ("Error:\n the cause \n", "", False, "the cause"),
    ("a", "b\n\nError:\n", False, "b"), ("a\nb", "Error:\n\n", False, "b"), ("", "x" * 300, False, "x" * 200),
    ("Removing node rabbit@n3 from the cluster", "Error:\nfailed to shrink some of the quorum queues on n3", False,
     "failed to shrink some of the quorum queues on n3"),
    ("Growing all quorum queues", "Error:\n{:badrpc, :timeout}\nMore of it", False, "{:badrpc, :timeout}"),
    ("", "Error (argument validation): not enough arguments.\nArguments given:\n\tgrow\n\nUsage\n\nx grow", False,
     "Error (argument validation): not enough arguments."),
    ("banner", "** (CaseClauseError) no case clause matching: {:x}\n    (rabbit 3.10.8) lib/x.ex:3: X.y/1", False,
     "** (CaseClauseError) no case clause matching: {:x}"),
    ("banner", "ERROR:\n" + "y" * 300, False, "y" * 200)])
def test_why_a_tool_failed(out, err, timed_out, text):
    assert ctl.why(Result(("/usr/sbin/rabbitmqctl", "x"), 70, out, err, timed_out)) == text
