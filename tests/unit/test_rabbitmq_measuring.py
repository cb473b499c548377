# SPDX-License-Identifier: Apache-2.0
"""What scripts/bench and scripts/faults do for RabbitMQ when something goes wrong: they go on, and report what they have."""

import json
from types import SimpleNamespace

import pytest

from bench import rabbitmq as bench
from lab import LabError, rabbitmq_campaign as campaign
from lab.rabbitmq_faults import FAULTS

OPTIONS = SimpleNamespace(seed=7, faults=3, until=None, only="SIGKILL of all", patience=1.0)


class Lab:
    """A lab of which nothing is asked but that it is there."""

    name, node_names = "unit", ["n1", "n2", "n3"]

    def power_on(self, *_nodes):
        pass

    wait_online = power_on


class Bench(bench.Bench):
    """Cases that only note that they were asked for."""

    def __init__(self, broken=()):
        super().__init__(Lab(), 1)
        self.done, self.broken = [], broken

    def cold(self, side, noted=True):
        self.done.append("cold" if noted else "cold again")
        return True

    def settle(self):
        pass

    def __getattribute__(self, name):
        if name not in bench.CASES:
            return object.__getattribute__(self, name)

        def case(_side):
            self.done.append(name)
            if name in self.broken:
                raise LabError("it does not stop")
            return True
        return case


def test_a_case_that_fails_is_noted_and_the_next_begins_from_a_cold_start():
    one = Bench(broken=("restart",))
    one.round(bench.OURS, ("restart", "kill_one"))
    assert one.done == ["cold", "restart", "cold again", "kill_one"]
    assert one.timings == [bench.Timing("enable, all serve", "quorate", None, None)]
    assert "it does not stop" in bench.text("", "x", [], one)


def test_no_case_begins_after_the_time_that_is_given():
    one = Bench()
    one.until = "00:00"
    one.round(bench.OURS, ("restart",))
    assert one.done == []


def test_both_sides_of_a_round_get_the_same_moments():
    one, moments = Bench(), []
    for side in (bench.OURS, bench.PEER, bench.OURS):
        one.round(side, ())
        moments.append(one.random.random())
    assert moments[0] == moments[1] != moments[2]


def test_what_was_not_in_time_is_told_beside_the_median():
    timings = [bench.Timing("c", "quorate", seconds, []) for seconds in (1.0, None, 3.0)]
    assert bench._cells(timings) == ["2.0 s (1.0..3.0, n=2, not in time: 1)", "all"]
    assert bench._cells([bench.Timing("c", "quorate", None, ["user app"])]) == [
        "not within 180 s", "1 things gone, such as user app"]
    assert bench._cells([]) == ["-", ""]


@pytest.fixture
def played(monkeypatch, tmp_path):
    """campaign.run with rounds that are told: (exit code, report.md)."""
    def play(rounds, helped="it did"):
        script = iter(rounds)
        asked = []

        def one(_world, number, fault, _output):
            took = next(script)
            if isinstance(took, BaseException):
                raise took
            return campaign.Round(number, fault.name, "n1", took, fault.limit, [] if took else ["not whole"])

        monkeypatch.setattr(campaign, "one", one)
        monkeypatch.setattr(campaign, "repair", lambda world: asked.append(1) or helped)
        monkeypatch.setattr(campaign, "SETTLE", 0)
        monkeypatch.setattr(campaign, "versions", lambda lab: "versions")
        monkeypatch.setattr(campaign, "left", lambda lab: [])
        monkeypatch.setattr(campaign, "Client", lambda lab, directory: SimpleNamespace(
            stop=lambda: ({"confirmed": 5, "failed": 1, "again": 0}, [])))
        code = campaign.run(Lab(), OPTIONS, lambda text: None, str(tmp_path))
        with open(str(tmp_path / "report.md"), encoding="utf-8") as file:
            return code, file.read(), len(asked)
    return play


def test_a_round_that_fails_is_repaired_and_the_campaign_goes_on(played, tmp_path):
    code, text, repairs = played([10.0, None, 12.0])
    assert (code, repairs) == (1, 1)
    assert "seed 7, 3 faults" in text and "repaired by: it did" in text
    assert len([json.loads(line) for line in open(str(tmp_path / "rounds.jsonl"), encoding="utf-8")]) == 3


def test_one_that_cannot_be_repaired_ends_it_with_a_report(played):
    code, text, _repairs = played([None, 12.0], helped=None)
    assert code == 1 and "1 faults" in text


@pytest.mark.parametrize("end", [KeyboardInterrupt(), LabError("n2 is off")])
def test_what_was_found_is_reported_however_it_ends(played, end):
    _code, text, _repairs = played([10.0, end])
    assert "SIGKILL of all | 1 | 10.0 s" in text and "5 messages confirmed, 0 of them lost" in text


def test_a_campaign_without_an_account_of_its_client_is_not_fine():
    text, fine = campaign.report("versions", OPTIONS, [campaign.Round(1, FAULTS[0].name, "n1", 3.0, 90, [])], None, [], 1)
    assert not fine and "? of them lost" in text
