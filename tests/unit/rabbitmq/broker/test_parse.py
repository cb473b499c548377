# SPDX-License-Identifier: Apache-2.0
"""The broker's own files, configuration and log: text to facts."""

import pytest

from quorate.rabbitmq import facts
from quorate.rabbitmq.broker import parse


def test_the_files_of_3_10():
    assert parse.members("{[rabbit@n1,rabbit@n2,rabbit@n3],[rabbit@n1,rabbit@n2,rabbit@n3]}.\n") == {
        "rabbit@n1", "rabbit@n2", "rabbit@n3"}
    assert parse.running("[rabbit@n2].\n") == {"rabbit@n2"}


def test_long_lists_are_broken_into_lines_and_strange_names_are_quoted():
    assert parse.members("{[rabbit@a,\n  'rabbit@b-1'],\n [rabbit@a]}.") == {"rabbit@a", "rabbit@b-1"}


@pytest.mark.parametrize("text", ["", "{", "[rabbit@n1", "{[],[]}.", "garbage", "[a,b].", "{[rabbit@n1|x],[]}.",
                                  "\0\377"])
def test_what_is_not_understood_is_unknown(text):
    assert parse.members(text) is None


def test_an_empty_list_of_running_nodes_is_a_list():
    assert parse.running("[].") == frozenset()
    assert parse.running("[].x") is None


def test_the_store_by_the_feature_flags():
    assert facts.MNESIA == parse.store(
        "[classic_mirrored_queue_version,implicit_default_bindings,\n maintenance_mode_status].")
    assert parse.store("[detailed_queues_endpoint,khepri_db,\n message_containers].") == facts.KHEPRI
    assert parse.store("[khepri_db].") == facts.KHEPRI
    assert parse.store("") == facts.MNESIA


def test_a_directory_that_was_only_prepared_was_never_used():
    """What RabbitMQ itself leaves before it knows whether it joins (seen with 3.10.8)."""
    assert parse.used(["cluster_nodes.config", "coordination", "nodes_running_at_shutdown", "quorum"]) is False
    assert parse.used(None) is False
    assert parse.used(["coordination", "quorum", "user_provided_plugins_data_dir"]) is False, "of 4.2 and later"
    assert parse.used([]) is False


def test_a_directory_with_tables_was_used():
    assert parse.used(["cluster_nodes.config", "schema.DAT"])
    assert parse.used(["coordination", "msg_stores", "quorum"],
                      has_khepri=True), "as 4.0.5 leaves it after the migration"
    assert not parse.used(["coordination", "msg_stores", "quorum"])


def test_the_members_by_cluster_status():
    assert parse.cluster_members('{"disk_nodes":["rabbit@n1"],"ram_nodes":["rabbit@n2"]}') == {"rabbit@n1", "rabbit@n2"}
    assert parse.cluster_members("Error: no") is None
    assert parse.cluster_members('{"disk_nodes":[]}') is None


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


# -- the boot stage

BOOT = "2026-11-21 07:17:51+00:00 [notice] <0.1.0> Logging: configured log handlers are now ACTIVE\n" \
       "2026-11-21 07:17:52+00:00 [info] <0.1.0>  Starting RabbitMQ 3.10.8 on Erlang 25.2.3 [jit]\n"
WAITS = "2026-11-21 07:17:52+00:00 [info] <0.1.0> Waiting for Mnesia tables for 30000 ms, 9 retries left\n"
UP = "2026-11-21 07:17:53+00:00 [info] <0.1.0> Server startup complete; 3 plugins started.\n"
PAUSE = "2026-11-21 07:18:10+00:00 [warning] <0.1.0> Cluster minority/secondary status detected - awaiting recovery\n"
STOPPED = "2026-11-21 07:18:11+00:00 [info] <0.1.0> Successfully stopped RabbitMQ and its dependencies\n"
DRAIN = "2026-11-21 07:18:48+00:00 [warning] <0.1.0> This node is being put into maintenance (drain) mode\n" \
        "2026-11-21 07:18:48+00:00 [info] <0.1.0> Node is ready to be shut down for maintenance or upgrade\n"
REVIVED = "2026-11-21 07:18:49+00:00 [info] <0.1.0> Marked this node as back from maintenance and ready to serve " \
          "clients\n"
KHEPRI = "2026-11-21 07:25:07+00:00 [info] <0.2.0> starting Ra system: coordination in directory: /var/lib/rabbitmq\n"


@pytest.mark.parametrize("log, silent, wanted", [
    ("", 9, None), ("nothing of it\n", 9, None),
    (BOOT, 9, facts.STARTING),
    (BOOT + WAITS, 9, facts.WAITING),
    (BOOT + WAITS, 0.5, facts.STARTING),  # in passing, at each boot
    (BOOT + WAITS, None, facts.STARTING),
    (BOOT + WAITS + "2026 [info] Running boot step x\n", 9, facts.STARTING),
    (BOOT + KHEPRI, 9, facts.WAITING),
    (BOOT + WAITS + UP, 9, facts.RUNNING),
    (BOOT + WAITS + UP + PAUSE, 9, facts.PAUSED),
    (BOOT + UP + PAUSE + STOPPED, 9, facts.PAUSED),  # a moment later, by itself
    (BOOT + UP + PAUSE + STOPPED + BOOT, 9, facts.STARTING),
    (BOOT + UP + STOPPED, 9, facts.STOPPED_APP),
    (BOOT + UP + PAUSE + STOPPED + BOOT + UP + STOPPED, 9, facts.STOPPED_APP),
    (BOOT + UP + DRAIN, 9, facts.DRAINING),
    (BOOT + UP + DRAIN + REVIVED, 9, facts.RUNNING),
    (BOOT + UP + DRAIN + BOOT, 9, facts.STARTING),  # a restart ends it
])
def test_boot_stage_by_the_log(log, silent, wanted):
    assert wanted == parse.boot_stage(log, silent)


TRIED = "2026-11-21 07:18:22+00:00 [warning] <0.1.0> Error while waiting for Mnesia tables: " \
        "{timeout_waiting_for_tables,\n" \
        "2026-11-21 07:18:22+00:00 [warning] <0.1.0>  [rabbit@n1,rabbit@n2],[rabbit_user]}\n"
AGAIN = WAITS.replace("9 retries", "8 retries")
SYNCED = "2026-11-21 07:18:23+00:00 [info] <0.1.0> Successfully synced tables from a peer\n"
STORE = "2026-11-21 07:18:24+00:00 [warning] <0.1.0> Message store: rebuilding indices from scratch\n"
NOISE = "2026-11-21 07:18:24+00:00 [info] <0.9.0> node rabbit@n2 down: connection_closed\n"


@pytest.mark.parametrize("log, silent, wanted", [
    (BOOT + WAITS + TRIED + AGAIN, 0.0, facts.WAITING),        # it tries again: it waits, from its first moment on
    (BOOT + WAITS + TRIED + AGAIN + NOISE, 0.0, facts.WAITING),
    (BOOT + WAITS + SYNCED, 60, facts.STARTING),               # it has what it waited for
    (BOOT + WAITS + TRIED + AGAIN + SYNCED, 60, facts.STARTING),
    (BOOT + WAITS + TRIED + AGAIN + SYNCED + STORE, 3600, facts.STARTING),   # recovery, whatever it takes
    (BOOT + WAITS + TRIED + AGAIN + SYNCED + WAITS, 0.0, facts.STARTING),    # the next one, in passing
    (BOOT + WAITS + TRIED + AGAIN + BOOT + WAITS, 0.0, facts.STARTING),      # another boot
    (BOOT + WAITS + NOISE, 60, facts.STARTING),                # not known to wait
])
def test_a_broker_that_waits_is_told_from_one_that_recovers_its_store(log, silent, wanted):
    assert wanted == parse.boot_stage(log, silent)


@pytest.mark.parametrize("text, number", [("57.\n", 57), ("0.", 0), ("", None), ("[57].", None), ("5 7.", None),
                                          ("\u0665.", None)])
def test_the_count_of_boots(text, number):
    """rabbit_guid.erl writes it by rabbit_file:write_term_file/2."""
    assert parse.serial(text) == number


@pytest.mark.parametrize("text", ["{[rabbit@n1]", "[rabbit@n1],[rabbit@n2]}.", "rabbit@n1]}.", "{rabbit@n1}"])
def test_half_a_list_of_members_is_unknown(text):
    assert parse.members(text) is None


@pytest.mark.parametrize("silent, wanted", [(3.9, facts.STARTING), (4.0, facts.WAITING)])
def test_how_long_a_boot_is_silent_that_waits(silent, wanted):
    assert parse.boot_stage(BOOT + WAITS, silent) == wanted
    assert parse.boot_stage((BOOT + WAITS).rstrip("\n"), silent) == wanted
    assert parse.boot_stage(BOOT + WAITS + "\n\n", silent) == wanted


@pytest.mark.parametrize("log, wanted", [
    (TRIED + WAITS, facts.WAITING),                            # the log's end only
    (BOOT + WAITS + AGAIN, facts.STARTING),                    # two waits in passing
    (BOOT + WAITS + TRIED + AGAIN + TRIED + AGAIN, facts.WAITING),
    (BOOT + WAITS + TRIED, facts.STARTING),                    # not known to try again yet
    (BOOT + WAITS + TRIED + BOOT + WAITS + TRIED + AGAIN, facts.WAITING),
    (TRIED + BOOT + WAITS, facts.STARTING)])
def test_another_try_of_this_boot(log, wanted):
    assert parse.boot_stage(log, 0.0) == wanted


@pytest.mark.parametrize("text, error", [
    ("x [error] <0.1.0> a > b [error] c", "a > b [error] c"), ("x [error] no pid > here", "no pid > here"),
    ("Error: one\nnot one\nERROR: two", "ERROR: two"),
    ("[error] <0.1.0> one\n[info] x\n[error] <0.1.0> crasher: y", "one"),
    ("[error] <0.1.0> cause:\n[error] <0.1.0> ", None), ("[error] " + "x" * 201, "x" * 200),
    ("[error] BOOT FAILED\n[error] " + "x" * 201 + "\n[error] y", "x" * 200),
    ("[error] one\n[error] BOOT FAILED\n[info] y", "one"), ("{error, enoent}", "{error, enoent}"),
    ("Failed to x", "Failed to x"),
    ("init terminating in do_boot", "init terminating in do_boot"), ("failed to x", None)])
def test_what_counts_as_the_last_error(text, error):
    assert parse.last_error(text) == error


@pytest.mark.parametrize("text, members", [
    ('warning\n{"disk_nodes":["r@1"],"x":{"y":1}}', {"r@1"}), ('{"disk_nodes":["r@1"],"ram_nodes":[]}', {"r@1"}),
    ('{"ram_nodes":["r@1"]}', None), ("[]", None), ('{"disk_nodes":7}', None)])
def test_members_by_cluster_status_in_other_forms(text, members):
    assert parse.cluster_members(text) == members
