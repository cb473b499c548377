# SPDX-License-Identifier: Apache-2.0
"""quorate status: what is well and what is not, from what crm_mon of a real cluster printed."""

import pytest

from quorate.pacemaker import crm_mon
from quorate.status import observe
from quorate.status.facts import BAD, MOVES, PAST, PLANNED, Explanation, Proxy, Server
from quorate.status.summary import exit_code, summarise
from tests.unit.status.clusters import CAPTURED, captured, observation, row, summary_of, words


@pytest.mark.parametrize("name", CAPTURED)
def test_only_a_whole_cluster_ends_with_0(name):
    assert exit_code(summary_of(name)) == (0 if name in ("healthy", "3.0-healthy", "afterwards") else 1)


def test_healthy():
    summary = summary_of("healthy")
    assert set(words(summary).values()) == {"online", "well"}
    assert summary.title == "cluster planpcs: 3 of 3 nodes online, quorate, fencing on, Pacemaker 2.1.5"
    assert row(summary, "vip").text == "10.164.171.100; n2"
    assert row(summary, "db").text == "promoted n1 n2 n3"
    assert summary.problems == ()


def test_pacemaker_3_is_read_alike():
    assert words(summary_of("3.0-healthy")) == words(summary_of("healthy"))


def test_a_node_that_is_off_and_a_node_that_nobody_knows_about_are_not_the_same():
    assert words(summary_of("off"))["n3"] == "OFF" and words(summary_of("unclean"))["n3"] == "UNCLEAN"
    assert words(summary_of("off"))["vip"] == "well" and words(summary_of("unclean"))["vip"] == "unknown"
    assert [one.command for one in summary_of("unclean").problems] == ["pcs stonith confirm n3"]


def test_what_the_operator_ordered_is_not_taken_for_a_failure():
    for name in ("3.0-standby", "maintenance", "maintenance-node", "disabled", "unmanaged"):
        assert summary_of(name).level == PLANNED, name
        assert all(one.command for one in summary_of(name).problems), name


def test_a_failed_action_says_what_the_agent_said():
    found = [one for one in summary_of("failed").problems if one.level == BAD]
    assert "unknown variable 'no_such_option=1'" in found[0].text  # 2.1.5 escapes it twice
    assert found[0].command == "pcs resource cleanup db"


def test_degraded_shows_the_live_text_of_each_node():
    db = row(summary_of("waiting"), "db")
    assert (db.word, db.level) == ("degraded", BAD)
    assert db.notes[0].startswith("n1 n2: Waiting for n3 (not in the cluster)")


def test_degraded_that_is_over_is_shown_as_past_and_does_not_count():
    """Pacemaker keeps the entry until somebody cleans up, also when the answer is 0 again."""
    summary = summary_of("afterwards")
    assert [one.level for one in summary.problems] == [PAST] and summary.headline == "all is well"


def test_degraded_of_one_of_two_monitors_counts():
    """A deeper monitor, older than the shallow one that is well, is still what holds."""
    text = captured("healthy.xml").replace(
        '<operation_history call="22" task="monitor" rc="0" rc_text="ok" interval="10000ms"',
        '<operation_history call="21" task="monitor" rc="190" interval="60000ms" last-rc-change="Sat Nov 21 07:10:16 2026"/>'
        '<operation_history call="22" task="monitor" rc="0" rc_text="ok" interval="10000ms"').replace(
        'call="21" task="start"', 'call="20" task="start"')
    summary = summarise(observation("healthy")._replace(cluster=crm_mon.parse(text)))
    assert row(summary, "haproxy").word == "degraded"


def test_an_explanation_takes_the_place_of_the_frozen_reason():
    summary = summary_of("waiting", explanations=(Explanation("db", False, "Waiting for n3.", "quorate bootstrap n1"),))
    assert [one.text for one in summary.problems if one.text.startswith("db")] == ["db: Waiting for n3."]
    assert summary.problems[-1].command == "quorate bootstrap n1"


def test_drained():
    summary = summary_of("healthy", drained="operator")
    assert summary.level == PLANNED and summary.problems[0].text == "n1 is drained: operator"


def test_what_could_not_be_asked_is_not_well():
    assert summary_of("healthy", gaps=("HAProxy does not answer.",)).level == BAD


def test_without_the_configuration_nothing_is_missing_for_sure():
    summary = summary_of("off", configured=None)
    assert row(summary, "db").text == "promoted n1 n2" and row(summary, "vip").text == "n2"


def test_haproxy():
    summary = summary_of("healthy", proxies=observe.parse_proxies(captured("show_stat.csv")))
    assert [(one.name, one.word, one.text) for one in summary.proxies] == [("galera", "up", "up n1 n2 n3")]


@pytest.mark.parametrize("change, word, level", [
    (("galera,n2,0,0,0,0,,0,0,0,,0,,0,0,0,0,UP", "galera,n2,0,0,0,0,,0,0,0,,0,,0,0,0,0,DOWN"), "partly", BAD),
    (("galera,n2,0,0,0,0,,0,0,0,,0,,0,0,0,0,UP", "galera,n2,0,0,0,0,,0,0,0,,0,,0,0,0,0,NOLB"), "draining", PLANNED),
    ((",UP,1,", ",DOWN,1,"), "DOWN", BAD),
    (("galera,n2,0,0,0,0,,0,0,0,,0,,0,0,0,0,UP", "galera,n2,0,0,0,0,,0,0,0,,0,,0,0,0,0,DOWN 1/2"), "partly", BAD),
    (("galera,n2,0,0,0,0,,0,0,0,,0,,0,0,0,0,UP", "galera,n2,0,0,0,0,,0,0,0,,0,,0,0,0,0,UP 1/2"), "up", "well"),
])
def test_haproxy_with_a_server_down(change, word, level):
    found = summary_of("healthy", proxies=observe.parse_proxies(captured("show_stat.csv").replace(*change))).proxies[0]
    assert (found.word, found.level) == (word, level)


def test_a_server_on_a_node_in_standby_is_down_because_it_was_ordered():
    """Seen on the lab: an ordered standby showed as 'not well' because HAProxy found the database there down."""
    text = captured("show_stat.csv").replace("galera,n2,0,0,0,0,,0,0,0,,0,,0,0,0,0,UP",
                                             "galera,n2,0,0,0,0,,0,0,0,,0,,0,0,0,0,DOWN")
    summary = summary_of("3.0-standby", proxies=observe.parse_proxies(text))
    assert (summary.level, summary.proxies[0].word) == (PLANNED, "draining")


def test_backends_that_only_follow_a_server_are_not_shown():
    proxies = tuple(Proxy(name, "UP", tuple(Server(one, "UP", False) for one in servers)) for name, servers in (
        ("galera_cluster", ("n1", "n2")), ("galera_cluster.n1", ("n1",)), ("galera_cluster.n2", ("n2",)),
        ("a", ("n1",)),
        ("b", ("n1",)), ("c", ("n1",))))
    assert [one.name for one in summary_of("healthy", proxies=proxies).proxies] == ["all 4"]
    assert [one.name for one in summary_of("healthy", proxies=proxies[:4]).proxies] == ["galera_cluster", "a"]


def test_a_start_under_way_is_a_change_and_nothing_to_repair():
    begun = Explanation("db", False, "the start on n1 has begun and has not published yet what it does.", None, MOVES)
    problem, = [one for one in summary_of("healthy", explanations=(begun,)).problems if one.text.startswith("db: ")]
    assert (problem.level, problem.command) == (MOVES, None)
