# SPDX-License-Identifier: Apache-2.0
"""The broker's own files, configuration, log: text to facts."""

import pytest

from quorate.rabbitmq import facts
from quorate.rabbitmq.broker import parse, policy
from quorate.rabbitmq.election import published


def test_the_files_of_3_10():
    assert parse.members("{[rabbit@n1,rabbit@n2,rabbit@n3],[rabbit@n1,rabbit@n2,rabbit@n3]}.\n") == {
        "rabbit@n1", "rabbit@n2", "rabbit@n3"}
    assert parse.running("[rabbit@n2].\n") == {"rabbit@n2"}


def test_long_lists_are_broken_into_lines_and_strange_names_are_quoted():
    assert parse.members("{[rabbit@a,\n  'rabbit@b-1'],\n [rabbit@a]}.") == {"rabbit@a", "rabbit@b-1"}


@pytest.mark.parametrize("text", ["", "{", "[rabbit@n1", "{[],[]}.", "garbage", "[a,b].", "{[rabbit@n1|x],[]}.", "\0\377"])
def test_what_is_not_understood_is_unknown(text):
    assert parse.members(text) is None


def test_an_empty_list_of_running_nodes_is_a_list():
    assert parse.running("[].") == frozenset()
    assert parse.running("[].x") is None


def test_the_store_by_the_feature_flags():
    assert parse.store("[classic_mirrored_queue_version,implicit_default_bindings,\n maintenance_mode_status].") == facts.MNESIA
    assert parse.store("[detailed_queues_endpoint,khepri_db,\n message_containers].") == facts.KHEPRI
    assert parse.store("[khepri_db].") == facts.KHEPRI
    assert parse.store("") == facts.MNESIA


def test_a_directory_that_was_only_prepared_was_never_used():
    """What RabbitMQ itself leaves before it knows whether it joins (seen with 3.10.8)."""
    assert parse.used(["cluster_nodes.config", "coordination", "nodes_running_at_shutdown", "quorum"]) is False
    assert parse.used(None) is False
    assert parse.used([]) is False


def test_a_directory_with_tables_was_used():
    assert parse.used(["cluster_nodes.config", "schema.DAT"])
    assert parse.used(["coordination", "msg_stores", "quorum"], has_khepri=True), "as 4.0.5 leaves it after the migration"
    assert not parse.used(["coordination", "msg_stores", "quorum"])


def test_the_members_by_the_brokers_own_word():
    assert parse.cluster_members('{"disk_nodes":["rabbit@n1"],"ram_nodes":["rabbit@n2"]}') == {"rabbit@n1", "rabbit@n2"}
    assert parse.cluster_members("Error: no") is None
    assert parse.cluster_members('{"disk_nodes":[]}') is None


def test_rabbitmq_env_conf():
    found = parse.settings("""# NODENAME=wrong
NODENAME=rabbit@n1
export RABBITMQ_MNESIA_BASE="/srv/mq"
 LOG_BASE='/srv/log'   # no
NODE_PORT=5673 # the other one
HOST=$(hostname)
""")
    assert found["NODENAME"] == "rabbit@n1" and found["MNESIA_BASE"] == "/srv/mq"
    assert found["NODE_PORT"] == "5673"
    assert found["HOST"] is None


def test_the_port_of_rabbitmq_conf():
    assert parse.port(parse.options("listeners.tcp.default = 5673")) == (5673, False)
    assert parse.port(parse.options("listeners.tcp.local = 127.0.0.1:5674\n#listeners.tcp.default = 1")) == (5674, False)
    assert parse.port(parse.options("listeners.tcp = none\nlisteners.ssl.default = 5671")) == (5671, True)
    assert parse.port(parse.options("")) == (None, False)


def test_the_cause_of_a_failed_boot():
    """As 3.10.8 wrote it when it had waited for others in vain."""
    text = """2026-11-21 [error] <0.2.0> something before
2026-11-21 [error] <0.1.0> 
2026-11-21 [error] <0.1.0> BOOT FAILED
2026-11-21 [error] <0.1.0> ===========
2026-11-21 [error] <0.1.0> Timeout contacting cluster nodes: [rabbit@n3,rabbit@n1].
2026-11-21 [error] <0.1.0> BACKGROUND
2026-11-21 [error] <0.1.0>     reductions: 167
2026-11-21 [error] <0.1.0>   neighbours:
"""
    assert parse.last_error(text) == "Timeout contacting cluster nodes: [rabbit@n3,rabbit@n1]."


def test_the_last_error():
    assert parse.last_error("2026 [error] <0.1.0> one\n2026 [error] <0.1.0> two\n2026 [info] <0.1.0> three") == "two"
    assert parse.last_error("2026 [info] <0.1.0> all is well") is None


def test_versions():
    assert parse.version(["rabbitmq_server-3.10.8", "x"]) == "3.10.8"
    assert parse.version(["rabbitmq_server-3.9.9", "rabbitmq_server-3.10.8"]) == "3.10.8"
    assert parse.version([]) is None
    assert parse.version_key("4.0.5-1") == (4, 0, 5)
    assert parse.version_key(None) == ()


# -- set_policy

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
    assert found.words() == ("set_policy", "-p", "/one", "--priority", "2", "--apply-to", "queues", "ttl", "^a",
                             '{"message-ttl":1}')


def test_an_empty_pattern_is_a_pattern():
    assert policy.parse("all '' {\"message-ttl\":1}").pattern == ""


@pytest.mark.parametrize("text, words", [
    ("ha-all", "found 1 words"), ("a b {}", "object"), ("a b {x}", "not JSON"), ("a ( {\"x\":1}", "regular expression"),
    ("a 'b {\"x\":1}", "quote"), ("--frob a b {\"x\":1}", "no option"), ("a b c {\"x\":1}", "found 4 words"),
])
def test_an_unclear_policy_is_one_sentence(text, words):
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


# -- reports

FULL = facts.Report("n1", facts.WAITING, True, "rabbit@n1", frozenset(("rabbit@n1", "rabbit@n2")), frozenset(("rabbit@n1",)),
                    facts.MNESIA, "3.10.8", "a1b2c3", 2, 1700000000, True)


@pytest.mark.parametrize("one", [FULL, facts.Report("n1", facts.DOWN), FULL._replace(running=frozenset()),
                                 FULL._replace(data=False, members=None, running=None, lost=True)])
def test_a_report_comes_back_as_it_was(one):
    assert published.decode_report("n1", published.encode_report(one)) == one


def test_half_a_report_is_none():
    text = published.encode_report(FULL)
    assert all(published.decode_report("n1", text[:length]) is None for length in range(len(text)))


def test_a_newer_node_may_say_more():
    assert published.decode_report("n1", published.encode_report(FULL).replace(",end", ",new:1,end")) == FULL


@pytest.mark.parametrize("wrong", ["d:2", "st:happy", "g:-1", "m:a b", "st:down,st:down"])
def test_garbage_is_no_report(wrong):
    assert published.decode_report("n1", "v1,st:down,%s,end" % wrong) is None


def test_an_override_comes_back_as_it_was():
    word = facts.Override("n2", "operator", 1700000000, True)
    assert published.decode_override(published.encode_override(word)) == word
    assert published.decode_override("v1,node:n2,end") is None
