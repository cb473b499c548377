# SPDX-License-Identifier: Apache-2.0
"""quorate status: the command, its colours, its JSON, and what the agents explain."""

import io
import json

import pytest

from quorate.cli import main, status
from quorate.errors import Usage
from quorate.pacemaker.tools import Unavailable
from quorate.rabbitmq.explain import NOT_STARTED
from quorate.status.facts import BAD, MOVES, Explanation
from tests.fakes import FakeClock
from tests.unit.status.clusters import observation


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(words, out=None, observe=None, environ=None, clock=None):
    out = out or io.StringIO()
    code = status.main(words, out, observe or (lambda: observation("waiting")), clock, environ or {})
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
    answers = [lambda: observation("healthy"), refuse, lambda: observation("off")]
    code, text = run(["--watch"], Terminal(), observe=lambda: answers.pop(0)(), clock=Interrupted())
    assert code == 1 and answers == []
    assert text.count(status.HOME) == 4 and "Pacemaker does not run on this node" in text and text.endswith("\n")


@pytest.mark.parametrize("name, wanted", [("healthy", True), ("waiting", False), ("off", True), ("failed", False),
                                          ("standby", True)])
def test_who_is_asked_for_an_explanation(name, wanted):
    cluster = observation(name).cluster
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
    waits, begun, absent = status.explanations_of("mq", {"decisions": {"n1": wait, "n2": idle, "n3": idle, "n4": idle}},
                                                  {"n1", "n2", "n3"}, {"n1", "n3"})
    assert (waits.text, waits.level) == ("Waiting for n3.", BAD)
    assert (begun.text.split(" has ")[0], begun.level) == ("the start on n3", MOVES)
    assert (absent.text, absent.level) == ("the cluster has not started it on n2.", BAD)


def test_who_is_being_started():
    healthy = next(one for one in observation("healthy").cluster.services if one.name == "db")
    instance = healthy.instances[0]
    assert status._starting(healthy) == set()
    assert status._starting(healthy._replace(instances=(instance._replace(pending="Starting"),))) == set(instance.nodes)
