# SPDX-License-Identifier: Apache-2.0
"""Which quorum queues are extended to a node that replaces a member."""

import re

import pytest
from hypothesis import given, strategies as some

from quorate.rabbitmq.actions import membership
from tests.unit.rabbitmq.actions.nodes import Node, tools


LETTERS = some.characters(blacklist_categories=("Cs",))


@given(some.lists(some.text(min_size=1, alphabet=LETTERS), min_size=1, max_size=5), some.text(alphabet=LETTERS))
def test_a_pattern_matches_just_these_names(names, another):
    """As Erlang's re reads it, which is PCRE; Python's differs in the end mark only."""
    pattern = membership.pattern(names)
    assert pattern.endswith("\\z")
    found = re.compile(pattern[:-1] + "Z")
    assert all(found.search(name) for name in names)
    assert bool(found.search(another)) == (another in names)


def test_long_lists_take_several_calls():
    queues = {("/", "q%03d" % number) for number in range(120)} | {("b", "q")}
    calls = membership._calls(queues)
    assert len(calls) == 4 and sum(call[3].count("|") + 1 for call in calls) == 121
    assert membership._calls(set()) == []


@pytest.mark.parametrize("text, version, size", [
    ("enabled = true\n%starget_group_size = 3", "4.1.0", 3),
    ("enabled = true\n%starget_group_size = 3", "3.12.9", None),
    ("enabled = false\n%starget_group_size = 3", "4.1.0", None), ("enabled = true", "4.1.0", 0),
    ("interval = 7", "4.1.0", None)])
def test_whether_rabbitmqs_own_reconciliation_is_on(tmp_path, text, version, size):
    (tmp_path / "rabbitmq.conf").write_text(membership.RECONCILIATION + text.replace("%s", membership.RECONCILIATION))
    node = Node(tmp_path, parameters={"config": str(tmp_path / "rabbitmq.conf")})
    node.participant._layout = node.layout._replace(version=version)

    assert membership.reconciled_size(node.participant) == size


def row(*members, arguments=(), policy=()):
    return {"name": "q", "type": "quorum", "members": ["rabbit@" + one for one in members],
            "arguments": list(arguments), "effective_policy_definition": list(policy)}


ARGUMENT, POLICY = [["x-quorum-target-group-size", "signedint", 3]], [["target-group-size", 3]]


@pytest.mark.parametrize("queue, size, is_left", [
    (row("n1", "n2", "n3"), 3, True), (row("n1", "n2", "n3"), 5, True),
    (row("n1", "n2", "n3"), 2, False),                       # two are left, and that is all it wants
    (row("n1", "n2", "n3"), 0, False), (row("n1", "n2", "n3"), 1, False),
    (row("n1", "n3"), 3, False),                             # one is left: it adds none, as two are no better
    (row("n1", "n2", "n3", "n4", "n5"), 5, True), (row("n1", "n2", "n3", "n4", "n5"), 3, False),
    (row("n3"), 3, False),                                   # it has no leader that could
    (row("n1", "n2", "n3", arguments=ARGUMENT), 0, True), (row("n1", "n2", "n3", policy=POLICY), 0, True),
    (row("n1", "n2", "n3", "n4", "n5", policy=POLICY), 0, False)])
def test_what_rabbitmqs_own_reconciliation_restores(queue, size, is_left):
    """should_add_node/3, 3.13.7 to 4.2.9."""
    assert membership.is_restored(queue, ["rabbit@n3"], size) is is_left


def test_only_what_rabbitmq_does_not_restore_is_kept(tmp_path):
    queues = [dict(row("n1", "n2", "n3"), name="restored"), dict(row("n1", "n3"), name="even"),
              dict(row("n1", "n2"), name="not there")]
    (tmp_path / "rabbitmq.conf").write_text("".join(membership.RECONCILIATION + line for line in (
        "enabled = true\n", "target_group_size = 3\n")))
    node = Node(tmp_path, parameters={"config": str(tmp_path / "rabbitmq.conf")})
    tools(node, queues={"/": queues})  # as list_queues tells of their sizes; members: the records

    for version, kept in (("4.1.0", {("/", "even")}), ("3.10.8", {("/", "even"), ("/", "restored")})):
        node.participant._layout = node.layout._replace(version=version)
        membership.remember_queues(node.participant, ["rabbit@n3"], "rabbit@n2")
        assert membership._kept(node.participant) == kept
        node.state_files.discard("grow")
    asked = [argv for argv in node.commands.calls if "list_queues" in argv]
    assert ["effective_policy_definition" in argv for argv in asked] == [True]  # 3.10 has no such column
