# SPDX-License-Identifier: Apache-2.0
"""The parameter set_policy."""

import pytest

from quorate.rabbitmq.broker.tools import policy


@pytest.mark.parametrize("text", [
    'ha-all ^(?!amq\\.).* {"ha-mode":"all"}',              # as TripleO writes it for the peer
    "ha-all '^(?!amq\\.).*' '{\"ha-mode\":\"all\"}'",
    'ha-all "^(?!amq\\.).*" {"ha-mode": "all"}',
])
def test_a_policy_is_understood_with_and_without_quotes(text):
    found = policy.parse(text)
    assert (found.name, found.pattern) == ("ha-all", "^(?!amq\\.).*")
    assert found.definition.replace(" ", "") == '{"ha-mode":"all"}'


def test_options_of_a_policy():
    found = policy.parse("-p /one --priority 2 --apply-to queues ttl ^a '{\"message-ttl\":1}'")
    assert found.arguments() == ("set_policy", "-p", "/one", "--priority", "2", "--apply-to", "queues", "ttl", "^a",
                             '{"message-ttl":1}')


def test_an_empty_pattern_is_a_pattern():
    assert policy.parse("all '' {\"message-ttl\":1}").pattern == ""


@pytest.mark.parametrize("text, words", [
    ("ha-all", "found 1 words"), ("a b {}", "object"), ("a b {x}", "not JSON"), ("a ( {\"x\":1}", "regular expression"),
    ("a 'b {\"x\":1}", "quote"), ("--frob a b {\"x\":1}", "no option"), ("a b c {\"x\":1}", "found 4 words"),
])
def test_an_unclear_policy_gives_one_message(text, words):
    with pytest.raises(policy.Unclear) as unclear:
        policy.parse(text)
    assert words in str(unclear.value)


def test_mirroring_is_refused_by_4_only():
    mirrored = policy.parse('ha-all ^ { "ha-mode" : "all" }')
    assert policy.unsupported(mirrored, (3, 10, 8)) is None
    assert policy.unsupported(mirrored, ()) is None
    said = policy.unsupported(mirrored, (4, 0, 5))
    assert "use quorum queues" in said and len(said) <= 144, "Pacemaker cuts it off"
    assert policy.unsupported(policy.parse('x ^ {"max-length":1}'), (4, 0, 5)) is None


@pytest.mark.parametrize("text, options, names", [
    ("--priority=2 --apply-to=queues ttl ^a {\"x\":1}", ("--priority=2", "--apply-to=queues"),
     ("ttl", "^a", '{"x":1}')),
    ("--vhost=/a=b ttl ^a {\"x\":1}", ("--vhost=/a=b",), ("ttl", "^a", '{"x":1}')),
    ("ttl ^a {\"x\":{\"y\":1}} -p /one", ("-p", "/one"), ("ttl", "^a", '{"x":{"y":1}}')),
    ("ttl -a {\"x\":1}", (), ("ttl", "-a", '{"x":1}')), ("'' '^a'  {\"x\":1}", (), ("", "^a", '{"x":1}')),
    ("a\t b  c", (), None)])
def test_options_and_names_in_any_place(text, options, names):
    if names is None:
        assert policy.split(text) == ["a", "b", "c"]
    else:
        assert policy.parse(text) == (*names, options)


@pytest.mark.parametrize("text", ["--frob=1 a b {\"x\":1}", "-x a b {\"x\":1}", "-p=1 a b {\"x\":1}", "--priority"])
def test_what_is_no_option(text):
    with pytest.raises(policy.Unclear) as unclear:
        policy.parse(text)
    assert "no option" in str(unclear.value)


@pytest.mark.parametrize("text, words", [
    ("'a' 'b'", ["a", "b"]), ("'a''b'c", ["a", "b", "c"]), ("{a}{b} c", ["{a}{b}", "c"]), ("{a b", ["{a b"]),
    ("a{b} c", ["a{b}", "c"]), ("{a}b", ["{a}", "b"]), ("''", [""]), ("\"it's\"", ["it's"]), ("", [])])
def test_words(text, words):
    assert policy.split(text) == words


def test_a_quote_that_is_not_closed_at_the_end():
    with pytest.raises(policy.Unclear):
        policy.split("a '")


def test_which_releases_know_no_mirrors():
    mirrored = policy.parse('ha-all ^ {"ha-mode":"all"}')
    assert policy.unsupported(mirrored, (4,)) and "4.0" in policy.unsupported(mirrored, (4,))
    assert "4.2" in policy.unsupported(mirrored, (4, 2, 1)) and policy.unsupported(mirrored, (3, 13)) is None
