# SPDX-License-Identifier: Apache-2.0
"""The cluster's members and this node's own name: asked, from the environment, or unavailable, never guessed."""

import pytest

from quorate.host.clock import Deadline
from quorate.pacemaker.tools import Unavailable, is_true, local_node, members, this_node
from tests.fakes import FakeClock, FakeCommands, context

ON_NODE = "OCF_RESKEY_CRM_meta_on_node"


def deadline():
    return Deadline(FakeClock(), 18)


def test_members():
    commands = FakeCommands().expect("crm_node", "-p", out="n1 n2 (null) n3 \n")
    assert members(commands, deadline()) == {"n1", "n2", "n3"}
    commands.done()


@pytest.mark.parametrize("ask, option, out", [(members, "-p", ""), (members, "-p", "(null)\n"),
                                              (local_node, "-n", "\n")])
def test_an_empty_answer_is_no_answer(ask, option, out):
    with pytest.raises(Unavailable):
        ask(FakeCommands().expect("crm_node", option, out=out), deadline())


@pytest.mark.parametrize("ask", [members, local_node])
def test_no_cluster_has_no_members(ask):
    with pytest.raises(Unavailable):
        ask(FakeCommands().expect("crm_node", ..., rc=102), deadline())


def test_the_name_in_the_environment_costs_no_question():
    assert this_node(context(environ={ON_NODE: "n2"}, commands=FakeCommands())) == "n2"


def test_without_a_name_the_cluster_is_asked_once():
    commands = FakeCommands().expect("crm_node", "-n", out="n7\n")
    asked = context(environ={ON_NODE: ""}, commands=commands)
    assert (this_node(asked), this_node(asked)) == ("n7", "n7")
    commands.done()


def test_no_name_at_all_is_an_error_and_not_a_guess():
    commands = FakeCommands().expect("crm_node", "-n", rc=102, err="no cluster")
    with pytest.raises(Unavailable, match="pcs cluster start"):
        this_node(context(environ={ON_NODE: ""}, commands=commands))


@pytest.mark.parametrize("text, true", [("true", True), ("YES", True), ("1", True), ("false", False), ("0", False),
                                        ("", False)])
def test_a_boolean_of_the_configuration(text, true):
    assert is_true(text) is true
