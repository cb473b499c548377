# SPDX-License-Identifier: Apache-2.0
"""A check is a small declaration: what the command, the responder and the manual make of one."""

import json
import os
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from quorate.cli import manual
from quorate.errors import Usage
from quorate.health import Health
from quorate.host import drain
from quorate.web import check, command, respond
from quorate.web.check import NOTHING_YET, Check, Fact, as_data, role_answer
from quorate.web.poller import Poller
from quorate.web.request import Request


class State(NamedTuple):
    level: int
    parts: tuple = ()


WELL = Fact(State(7), Health("pumping", True, "The pump moves water."))
DRY = Fact(State(0), Health("dry", False, "The pump runs dry."))
GONE = Fact(None, Health("down", False, "Nobody listens."))
BLIND = Fact(None, Health("unknown", False, "May not ask."))


class PumpCheck(Check):
    """pump-check: say whether the pump of this node moves water"""

    name, room, service = "pump-check", "pump", "The pump"
    arguments, takes = ("place",), "PLACE"
    options = {"socket PATH": "where it is", "fast": "no patience", "need NAME": "more than once"}
    several = ("need",)
    description = "Pumps."
    files = (("/etc/pump", "Its pipes."),)
    exit_texts = (("3", "Unknown."),)
    exits = {"unknown": 3}
    finds = WELL

    def observe(self, seconds, last):
        return self.finds

    def metrics(self, fact):
        return [("level", 7), ("part", {"name": 'a"\n\\'}, 1), ("part", {"name": "b"}, 0)]


CHECK = PumpCheck({})


class Still:
    def __init__(self, fact, version=1):
        self.fact, self.asked, self.version = fact, 100.0, version


def test_the_example_in_the_docstring_works():
    """What others build on is what the page says."""
    lines = check.__doc__.split("of quorate.web.command:\n", 1)[1].split("\n`observe` never")[0].splitlines()
    source = "\n".join(line[4:] for line in lines)
    scope = {"pump": SimpleNamespace(ask=lambda path, seconds: State(len(path))),
             "health": SimpleNamespace(classify=lambda state: Health("well", True, "Well, %d." % state.level))}
    exec(source, scope)

    example = scope["PumpCheck"]({})
    fact = Fact(*example.observe(1, NOTHING_YET)[:2])
    assert (200, "Well, 14.\r\n") == role_answer(example, fact, "/")
    assert "--socket PATH" in command.usage(scope["PumpCheck"])


@pytest.mark.parametrize("fact, path, expected", [
    (WELL, "/", 200), (WELL, "/ready", 200), (WELL, "/live", 200), (WELL, "/nonsense", 404),
    (DRY, "/", 503), (DRY, "/live", 200),
    (GONE, "/", 503), (GONE, "/live", 503), (BLIND, "/", 503), (NOTHING_YET, "/live", 503),
    (WELL._replace(draining="new pipe"), "/", 404), (WELL._replace(draining="new pipe"), "/live", 200),
    (DRY._replace(draining="new pipe"), "/", 503),
])
def test_roles(fact, path, expected):
    assert expected == role_answer(CHECK, fact, path)[0]


def test_an_old_fact_is_no_fact_and_says_how_old():
    patient = PumpCheck({})
    patient.timeout = 4.0

    assert (503, "The pump has not answered for more than a second.\r\n") == role_answer(CHECK, WELL, "/", fresh=False)
    assert (503, "The pump has not answered for more than 4 seconds.\r\n") == role_answer(patient, WELL, "/",
                                                                                          fresh=False)


@pytest.mark.parametrize("words, expected", [
    ([], {"json": False, "role": "/", "need": [], "listen": [], "agent": []}),
    (["--socket", "/a", "--fast", "--json"], {"socket": "/a", "fast": True, "json": True}),
    (["--socket=/a=b", "cellar"], {"socket": "/a=b", "place": "cellar"}),
    (["--need", "a", "--need=b", "--listen=1", "--listen", "2"], {"need": ["a", "b"], "listen": ["1", "2"]}),
])
def test_words_become_options(words, expected):
    found = command.parse(PumpCheck, words)

    assert expected == {name: found.get(name) for name in expected}


@pytest.mark.parametrize("words, error", [
    (["--nonsense"], "unknown option --nonsense"), (["-x"], "unknown option -x"),
    (["--socket"], "--socket needs a value"),
    (["--fast=yes"], "--fast takes no value"), (["a", "b"], "too many arguments"), (["--"], "unknown option --"),
])
def test_words_that_nobody_understands(words, error):
    with pytest.raises(Usage, match=error):
        command.parse(PumpCheck, words)


def run(capsys, finds, *words):
    """(exit code, standard output, standard error) of the command."""
    declared = type("PumpCheck", (PumpCheck,), {"finds": finds, "__doc__": PumpCheck.__doc__})
    code = command.main(declared, words)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def flags(tmp_path):
    return str(tmp_path / "flags")


@pytest.mark.parametrize("finds, code, said", [
    (WELL, 0, "The pump moves water.\n"), (DRY, 1, "The pump runs dry.\n"), (GONE, 1, "Nobody listens.\n"),
    (BLIND, 3, "May not ask.\n"),
])
def test_a_single_check_is_a_sentence_and_an_exit_code(capsys, flags, finds, code, said):
    assert (code, said, "") == run(capsys, finds, "--drain-directory", flags)


def test_a_single_check_as_json_and_with_a_role(capsys, flags):
    _, said, _ = run(capsys, WELL, "--json", "--drain-directory", flags)
    assert {"ok": True, "fresh": True, "code": "pumping", "sentence": "The pump moves water.", "draining": None,
            "facts": {"level": 7, "parts": []}} == json.loads(said)
    assert 0 == run(capsys, DRY, "--role", "/live", "--drain-directory", flags)[0]
    code, _, error = run(capsys, WELL, "--role", "/nonsense")
    assert (2, True) == (code, "no role /nonsense" in error)


def test_what_is_not_understood_ends_with_2_and_the_usage(capsys):
    code, said, error = run(capsys, WELL, "--nonsense")

    assert (2, "") == (code, said)
    assert error.startswith("pump-check: unknown option --nonsense\nusage: pump-check [OPTION...] PLACE")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drains")
def test_drain_and_undrain_have_their_own_directory(capsys, flags):
    where = "--drain-directory=" + flags
    assert (0, "Draining: new pipe\n", "") == run(capsys, WELL, "drain", where, "new", "pipe")
    assert "new pipe" == drain.active(flags)
    assert (1, "Draining: new pipe\n", "") == run(capsys, WELL, where)
    assert (0, "Not draining.\n", "") == run(capsys, WELL, "undrain", where)
    assert "/run/quorate/drain-pump" == PumpCheck.drain_directory() != drain.DIRECTORY


def test_metrics_have_one_type_a_name_and_escaped_labels():
    lines = respond.metrics(CHECK, WELL, True, {200: 3}).splitlines()

    assert "quorate_pump_fit 1" in lines
    assert 'quorate_pump_state{state="pumping"} 1' in lines
    assert 'quorate_pump_part{name="a\\"\\n\\\\"} 1' in lines
    assert 'quorate_check_answers_total{code="200"} 3' in lines
    types = [line for line in lines if line.startswith("# TYPE")]
    assert len(types) == len(set(types))


@pytest.mark.parametrize("fact, line", [
    (WELL, b"up ready 100%\n"), (DRY, b"down #dry\n"), (WELL._replace(draining="x"), b"drain\n"),
    (Fact(None, Health("maintenance", False, "Off.")), b"maint\n"),
])
def test_agent_line(fact, line):
    assert line == respond.Responder(CHECK, Still(fact), clock=lambda: 100.0).agent()


def test_poller_makes_answers_anew_when_what_decides_them_changes():
    check = PumpCheck({})
    check.fact_cache_key = lambda fact: fact.status.parts
    poller, seen = Poller(check, lambda: None), []
    for finds in (WELL, WELL._replace(status=State(8)), WELL._replace(status=State(8, ("a",))), DRY):
        check.finds = finds
        poller.observe()
        seen.append(poller.version)

    assert [1, 1, 2, 3] == seen


def test_poller_sees_the_flag():
    reasons = [None, "new pipe"]
    poller = Poller(PumpCheck({}), lambda: reasons[0])
    poller.observe()
    assert poller.fact.draining is None
    reasons.pop(0)
    poller.observe()
    assert ("new pipe", 2) == (poller.fact.draining, poller.version)


def test_status_is_never_an_old_answer():
    poller = Still(WELL)
    responder = respond.Responder(CHECK, poller, clock=lambda: 100.0)
    responder.respond(Request("GET", "/status", False))
    poller.fact = WELL._replace(status=State(9))

    assert b'"level": 9' in responder.respond(Request("GET", "/status", False))[0]


def test_facts_within_facts_are_objects_in_json():
    assert {"level": 1, "parts": [{"level": 2, "parts": []}, ["a", "b"]]} == as_data(State(1, (State(2), {"b", "a"})))


def test_manual_page_comes_from_the_declaration():
    found = manual.check_page(PumpCheck)
    text = manual.roff(found)

    assert "pump\\-check \\- say whether the pump of this node moves water" in text
    assert "pump-check [OPTION...] PLACE" in found.synopsis
    assert ("--socket PATH", "where it is") in dict(found.parts)["OPTIONS"]
    assert ("3", "Unknown.") in dict(found.parts)["EXIT STATUS"]
    assert "/run/quorate/drain\\-pump" in text
