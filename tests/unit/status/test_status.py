# SPDX-License-Identifier: Apache-2.0
"""quorate status: what crm_mon of a real cluster printed (tests/unit/pacemaker/crm_mon/), as facts, summary and screen.

The files are of lab clusters (Pacemaker 2.1.5; 3.0-*: 3.0.0), each taken with `crm_mon --output-as=xml -1` after the fault
that its name says; configuration.xml with cibadmin, show_stat.csv from HAProxy 2.6.
"""

import io
import os

import pytest

from quorate.cli import main, status
from quorate.errors import Usage
from quorate.host.clock import Deadline
from quorate.pacemaker import crm_mon
from quorate.pacemaker.cib import Configuration
from quorate.pacemaker.tools import Unavailable
from quorate.rabbitmq.explain import NOT_STARTED
from quorate.status import observe, screen
from quorate.status.facts import BAD, MOVES, PAST, PLANNED, Explanation, Observation, Proxy, Server
from quorate.status.summary import exit_code, summarise
from tests import ROOT
from tests.fakes import FakeClock, FakeCommands

HERE = os.path.join(ROOT, "tests", "unit", "pacemaker", "crm_mon")
GOLDEN = os.path.join(ROOT, "tests", "golden", "status")
CAPTURED = sorted(name[:-len(".xml")] for name in os.listdir(HERE)
                  if name.endswith(".xml") and name not in ("configuration.xml", "down.xml"))


def captured(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return file.read()


def seen(name, **changes):
    cluster = crm_mon.parse(captured(name + ".xml"))
    configured = observe.configured(Configuration(captured("configuration.xml")), [node.name for node in cluster.nodes])
    return Observation("n1", cluster, configured, None, None, (), ())._replace(**changes)


def judged(name, **changes):
    return summarise(seen(name, **changes))


def words(summary):
    return {row.name: row.word for row in summary.nodes + summary.services}


def row(summary, name):
    return next(one for one in summary.nodes + summary.services if one.name == name)


@pytest.mark.parametrize("name", CAPTURED)
def test_screen_is_the_one_that_was_looked_at(name):
    """`QUORATE_GOLDEN=1 pytest` writes them anew; then read the difference."""
    one = seen(name)
    text = "\n".join(screen.lines(summarise(one), one)) + "\n"
    path = os.path.join(GOLDEN, name + ".txt")
    if os.environ.get("QUORATE_GOLDEN"):
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    with open(path, encoding="ascii") as file:
        assert file.read() == text


@pytest.mark.parametrize("name", CAPTURED)
def test_only_a_whole_cluster_ends_with_0(name):
    assert exit_code(judged(name)) == (0 if name in ("healthy", "3.0-healthy", "afterwards") else 1)


def test_healthy():
    summary = judged("healthy")
    assert set(words(summary).values()) == {"online", "well"}
    assert summary.title == "cluster planpcs: 3 of 3 nodes online, quorate, fencing on, Pacemaker 2.1.5"
    assert row(summary, "vip").text == "10.164.171.100; n2"
    assert row(summary, "db").text == "promoted n1 n2 n3"
    assert summary.problems == ()


def test_pacemaker_3_is_read_alike():
    assert words(judged("3.0-healthy")) == words(judged("healthy"))


def test_a_node_that_is_off_and_a_node_that_nobody_knows_about_are_not_the_same():
    assert words(judged("off"))["n3"] == "OFF" and words(judged("unclean"))["n3"] == "UNCLEAN"
    assert words(judged("off"))["vip"] == "well" and words(judged("unclean"))["vip"] == "unknown"
    assert [one.command for one in judged("unclean").problems] == ["pcs stonith confirm n3"]


def test_what_the_operator_ordered_is_not_taken_for_a_failure():
    for name in ("3.0-standby", "maintenance", "maintenance-node", "disabled", "unmanaged"):
        assert judged(name).level == PLANNED, name
        assert all(one.command for one in judged(name).problems), name


def test_a_failed_action_says_what_the_agent_said():
    found = [one for one in judged("failed").problems if one.level == BAD]
    assert "unknown variable 'no_such_option=1'" in found[0].text  # 2.1.5 escapes it twice
    assert found[0].command == "pcs resource cleanup db"


def test_degraded_shows_the_live_text_of_each_node():
    db = row(judged("waiting"), "db")
    assert (db.word, db.level) == ("degraded", BAD)
    assert db.notes[0].startswith("n1 n2: Waiting for n3 (not in the cluster)")


def test_degraded_that_is_over_is_remembered_and_does_not_count():
    """Pacemaker keeps the entry until somebody cleans up, also when the answer is 0 again."""
    summary = judged("afterwards")
    assert [one.level for one in summary.problems] == [PAST] and summary.headline == "all is well"


def test_degraded_of_one_of_two_monitors_counts():
    """A deeper monitor, older than the shallow one that is well, is still what holds."""
    text = captured("healthy.xml").replace(
        '<operation_history call="22" task="monitor" rc="0" rc_text="ok" interval="10000ms"',
        '<operation_history call="21" task="monitor" rc="190" interval="60000ms" last-rc-change="Sat Nov 21 07:10:16 2026"/>'
        '<operation_history call="22" task="monitor" rc="0" rc_text="ok" interval="10000ms"').replace(
        'call="21" task="start"', 'call="20" task="start"')
    summary = summarise(seen("healthy")._replace(cluster=crm_mon.parse(text)))
    assert row(summary, "haproxy").word == "degraded"


def test_an_explanation_takes_the_place_of_the_frozen_reason():
    summary = judged("waiting", explanations=(Explanation("db", False, "Waiting for n3.", "quorate bootstrap n1"),))
    assert [one.text for one in summary.problems if one.text.startswith("db")] == ["db: Waiting for n3."]
    assert summary.problems[-1].command == "quorate bootstrap n1"


def test_drained():
    summary = judged("healthy", drained="operator")
    assert summary.level == PLANNED and summary.problems[0].text == "n1 is drained: operator"


def test_what_could_not_be_asked_is_not_well():
    assert judged("healthy", gaps=("HAProxy does not answer.",)).level == BAD


def test_without_the_configuration_nothing_is_missing_for_sure():
    summary = judged("off", configured=None)
    assert row(summary, "db").text == "promoted n1 n2" and row(summary, "vip").text == "n2"


def test_haproxy():
    summary = judged("healthy", proxies=observe.parse_proxies(captured("show_stat.csv")))
    assert [(one.name, one.word, one.text) for one in summary.proxies] == [("galera", "up", "up n1 n2 n3")]


@pytest.mark.parametrize("change, word, level", [
    (("galera,n2,0,0,0,0,,0,0,0,,0,,0,0,0,0,UP", "galera,n2,0,0,0,0,,0,0,0,,0,,0,0,0,0,DOWN"), "partly", BAD),
    (("galera,n2,0,0,0,0,,0,0,0,,0,,0,0,0,0,UP", "galera,n2,0,0,0,0,,0,0,0,,0,,0,0,0,0,NOLB"), "draining", PLANNED),
    ((",UP,1,", ",DOWN,1,"), "DOWN", BAD),
    (("galera,n2,0,0,0,0,,0,0,0,,0,,0,0,0,0,UP", "galera,n2,0,0,0,0,,0,0,0,,0,,0,0,0,0,DOWN 1/2"), "partly", BAD),
    (("galera,n2,0,0,0,0,,0,0,0,,0,,0,0,0,0,UP", "galera,n2,0,0,0,0,,0,0,0,,0,,0,0,0,0,UP 1/2"), "up", "well"),
])
def test_haproxy_with_a_server_down(change, word, level):
    found = judged("healthy", proxies=observe.parse_proxies(captured("show_stat.csv").replace(*change))).proxies[0]
    assert (found.word, found.level) == (word, level)


def test_a_server_on_a_node_in_standby_is_down_because_it_was_ordered():
    """Seen on the lab: an ordered standby showed as 'not well' because HAProxy found the database there down."""
    text = captured("show_stat.csv").replace("galera,n2,0,0,0,0,,0,0,0,,0,,0,0,0,0,UP",
                                             "galera,n2,0,0,0,0,,0,0,0,,0,,0,0,0,0,DOWN")
    summary = judged("3.0-standby", proxies=observe.parse_proxies(text))
    assert (summary.level, summary.proxies[0].word) == (PLANNED, "draining")


def test_backends_that_only_follow_a_server_are_not_shown():
    proxies = tuple(Proxy(name, "UP", tuple(Server(one, "UP", False) for one in servers)) for name, servers in (
        ("galera_cluster", ("n1", "n2")), ("galera_cluster.n1", ("n1",)), ("galera_cluster.n2", ("n2",)),
        ("a", ("n1",)),
        ("b", ("n1",)), ("c", ("n1",))))
    assert [one.name for one in judged("healthy", proxies=proxies).proxies] == ["all 4"]
    assert [one.name for one in judged("healthy", proxies=proxies[:4]).proxies] == ["galera_cluster", "a"]


@pytest.mark.parametrize("text", ["", "Unknown command", "# a,b,c\n1,2,3"])
def test_garbage_is_no_statistics(text):
    with pytest.raises(ValueError, match="statistics"):
        observe.parse_proxies(text)


# -- the command

class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(words, out=None, observe=None, environ=None, clock=None):
    out = out or io.StringIO()
    code = status.main(words, out, observe or (lambda: seen("waiting")), clock, environ or {})
    return code, out.getvalue()


def refuse():
    raise Unavailable("Pacemaker does not run on this node; start it with 'pcs cluster start'.")


def test_no_cluster_is_2_and_a_sentence(capsys):
    assert run([], observe=refuse) == (2, "")
    assert capsys.readouterr().err == ("quorate: Pacemaker does not run on this node; start it with 'pcs cluster start'.\n")


@pytest.mark.parametrize("given", [["--what"], ["db"], ["--watch", "--json"]])
def test_words_that_mean_nothing(given, capsys):
    with pytest.raises(Usage, match="not understood: quorate status"):
        run(given)
    assert main(["status"] + given) == 2 and "usage: quorate status" in capsys.readouterr().err


def test_json_has_the_facts_and_the_summary():
    import json
    code, text = run(["--json"])
    data = json.loads(text)
    assert code == 1 and data["level"] == "bad" and data["cluster"]["quorate"] is True
    assert {one["name"]: one["word"] for one in data["services"]}["db"] == "degraded"
    assert data["addresses"] == {"vip": "10.164.171.100"} and data["haproxy"] is None
    assert data["troubles"][0]["command"] == "pcs cluster start n3"


@pytest.mark.parametrize("out, environ, coloured", [
    (Terminal, {"TERM": "xterm"}, True), (Terminal, {"TERM": "xterm", "NO_COLOR": "1"}, False),
    (Terminal, {"TERM": "dumb"}, False), (Terminal, {}, False), (io.StringIO, {"TERM": "xterm"}, False)])
def test_colours_only_on_a_terminal_and_never_with_no_color(out, environ, coloured):
    assert ("\033[" in run([], out(), environ=environ)[1]) is coloured


def test_colours_change_nothing_but_colours():
    import re
    one = seen("waiting")
    summary = summarise(one)
    bare = [re.sub("\033\\[[0-9;]*m", "", line).rstrip() for line in screen.lines(summary, one, colour=True)]
    assert bare == screen.lines(summary, one)


def test_watch_of_what_is_no_terminal_ends_after_one_screen():
    code, text = run(["--watch"])
    assert code == 1 and text == run([])[1]


class Interrupted(FakeClock):
    """Ctrl-C comes in the third pause."""

    def sleep(self, seconds):
        FakeClock.sleep(self, seconds)
        if self.elapsed > 5:
            raise KeyboardInterrupt


def test_watch_draws_again_and_ends_with_the_last_answer():
    answers = [lambda: seen("healthy"), refuse, lambda: seen("off")]
    code, text = run(["--watch"], Terminal(), observe=lambda: answers.pop(0)(), clock=Interrupted())
    assert code == 1 and answers == []
    assert text.count(status.HOME) == 4 and "Pacemaker does not run on this node" in text and text.endswith("\n")


def test_a_low_terminal_is_told_what_it_does_not_show():
    assert screen.fit(["a", "b", "c", "d"], 3) == ["a", "b", "(2 more lines: quorate status)"]
    assert screen.fit(["a", "b"], 3) == ["a", "b"]


@pytest.mark.parametrize("name, wanted", [("healthy", True), ("waiting", False), ("off", True), ("failed", False),
                                          ("standby", True)])
def test_who_is_asked_for_an_explanation(name, wanted):
    cluster = seen(name).cluster
    service = next(one for one in cluster.services if one.name == "db")
    assert status._whole(cluster, service) is wanted


def test_an_explanation_is_what_the_decision_says():
    wait = {"action": "wait", "reason": "Waiting for n3.", "command": "quorate bootstrap n1"}
    join = {"action": "join", "reason": "n1 runs.", "command": None}
    assert status.explanations_of("db", {"decision": wait}, {"n1"}) == [
        Explanation("db", False, "Waiting for n3.", "quorate bootstrap n1")]
    assert status.explanations_of("mq",
                                  {"decisions": {"n1": wait, "n2": dict(wait, command=None), "n3": join,
                                                 "n4": dict(wait, reason="n4.")}},
                                   {"n1", "n2", "n3"}) == [
        Explanation("mq", False, "Waiting for n3.", "quorate bootstrap n1")]
    assert status.explanations_of("mq", {"decisions": {"n3": dict(wait, command=None)}},
                                  {"n3"})[0].command == "quorate explain mq"
    assert status.explanations_of("db", {"decision": join}, {"n1"}) == []


def test_a_start_that_has_not_reported_yet_is_not_called_not_started():
    """Beside "starting n1" stood "It is not started.", as if something were wrong."""
    idle = {"action": "wait", "reason": NOT_STARTED, "command": None}
    wait = {"action": "wait", "reason": "Waiting for n3.", "command": None}
    begun, = status.explanations_of("mq", {"decisions": {"n1": idle, "n2": idle}}, {"n1", "n2"}, {"n1", "n2"})
    assert begun == Explanation("mq", False, "the start on n1 n2 has begun and has not published yet what it does.",
                                None, MOVES)
    told, begun, absent = status.explanations_of("mq", {"decisions": {"n1": wait, "n2": idle, "n3": idle, "n4": idle}},
                                                  {"n1", "n2", "n3"}, {"n1", "n3"})
    assert (told.text, told.level) == ("Waiting for n3.", BAD)
    assert (begun.text.split(" has ")[0], begun.level) == ("the start on n3", MOVES)
    assert (absent.text, absent.level) == ("the cluster has not started it on n2.", BAD)


def test_a_start_under_way_is_a_change_and_nothing_to_repair():
    begun = Explanation("db", False, "the start on n1 has begun and has not published yet what it does.", None, MOVES)
    problem, = [one for one in judged("healthy", explanations=(begun,)).problems if one.text.startswith("db: ")]
    assert (problem.level, problem.command) == (MOVES, None)


def test_who_is_being_started():
    healthy = next(one for one in seen("healthy").cluster.services if one.name == "db")
    instance = healthy.instances[0]
    assert status._starting(healthy) == set()
    assert status._starting(healthy._replace(instances=(instance._replace(pending="Starting"),))) == set(instance.nodes)


# -- how the cluster is asked

def asked(commands, **more):
    return observe.observe(commands, Deadline(FakeClock(), 30), **more)


def test_what_is_asked():
    commands = FakeCommands()
    commands.expect("crm_mon", "--output-as=xml", out=captured("healthy.xml"))
    commands.expect("cibadmin", "-Q", "-o", "configuration", out=captured("configuration.xml"))
    commands.expect("crm_node", "-n", out="n2\n")
    found = asked(commands, proxies=lambda: (), drained=lambda: "why")
    commands.done()
    assert (found.node, found.configured.name, found.proxies, found.drained, found.gaps) == ("n2", "planpcs", (), "why",
                                                                                             ())


def test_a_cluster_that_is_down():
    with pytest.raises(Unavailable, match="pcs cluster start"):
        asked(FakeCommands().expect("crm_mon", ..., rc=102, out=captured("down.xml")))


def test_what_else_cannot_be_asked_is_said():
    def no_haproxy():
        raise Unavailable("HAProxy hangs.")
    commands = FakeCommands().allow("crm_mon", ..., out=captured("healthy.xml"))
    commands.allow("cibadmin", ..., rc=1, err="no permission").allow("crm_node", ..., rc=1)
    found = asked(commands, proxies=no_haproxy)
    assert found.configured is None and found.proxies is None and found.node is None
    assert len(found.gaps) == 3 and "no permission" in found.gaps[0] and found.gaps[2] == "HAProxy hangs."


def test_haproxy_is_asked_on_its_socket(tmp_path):
    """A real socket: one that answers, one that nobody listens on, one that is silent."""
    import socket
    import threading
    path = str(tmp_path / "admin.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(path)
        assert observe.proxies((path,)) is None  # nobody listens: it has ended
        server.listen(2)

        def answer():
            with server.accept()[0] as connection:
                assert connection.recv(100) == b"show stat\n"
                connection.sendall(captured("show_stat.csv").encode())

        thread = threading.Thread(target=answer)
        thread.start()
        assert [one.name for one in observe.proxies((str(tmp_path / "none"), path))] == ["galera"]
        thread.join()
        with pytest.raises(Unavailable, match="does not answer on"):
            observe.proxies((path,), 0.05)
    assert observe.proxies((str(tmp_path / "none"),)) is None
