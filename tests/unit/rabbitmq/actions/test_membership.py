# SPDX-License-Identifier: Apache-2.0
"""Which quorum queues are extended to a node that replaces a member."""

import re

import pytest
from hypothesis import given, strategies as some

from quorate.rabbitmq.actions import membership


LETTERS = some.characters(blacklist_categories=("Cs",))


@given(some.lists(some.text(min_size=1, alphabet=LETTERS), min_size=1, max_size=5), some.text(alphabet=LETTERS))
def test_a_pattern_matches_just_these_names(names, another):
    """As Erlang's re reads it, which is PCRE; Python's differs in the end mark only."""
    found = re.compile(membership.pattern(names).replace("\\z", "\\Z"))
    assert all(found.search(name) for name in names)
    assert bool(found.search(another)) == (another in names)


def test_long_lists_take_several_calls():
    queues = {("/", "q%03d" % number) for number in range(120)} | {("b", "q")}
    calls = membership._calls(queues)
    assert len(calls) == 4 and sum(call[3].count("|") + 1 for call in calls) == 121
    assert membership._calls(set()) == []


@pytest.mark.parametrize("enabled, size, version, is_left", [
    ("true", "3", "4.1.0", True), ("true", "3", "3.12.9", False), ("false", "3", "4.1.0", False),
    ("true", "0", "4.1.0", False), ("true", "", "4.1.0", False)])
def test_rabbitmqs_own_reconciliation_does_it_where_it_has_a_size_to_reach(enabled, size, version, is_left):
    assert membership.reconciles(enabled, size, version) is is_left
