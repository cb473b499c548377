# SPDX-License-Identifier: Apache-2.0
"""A campaign of faults goes on after a round that failed, and reports what it has however it ends."""

import datetime
import json
from types import SimpleNamespace

import pytest

from lab import LabError
from lab.campaigns import campaign, galera, rabbitmq
from lab.faults.fault import Fault


class Lab:
    """A lab of which nothing is asked but that it is there."""

    name, node_names = "unit", ["n1", "n2", "n3"]

    def run(self, _node, _argv, _timeout=60):
        return SimpleNamespace(rc=1, out="some version 1\n", err="")

    def is_on(self, _node):
        return True


class Campaign(campaign.Campaign):
    """Faults that end as the test says: seconds until the cluster is whole, None: never, or an exception."""

    faults = (Fault("SIGKILL of all", 3, 60, None), Fault("power cut of all", 1, 120, None))
    mercy = 0.0

    def __init__(self, tmp_path, ends=(), repaired=True, account=campaign.Account("5 writes acknowledged")):
        campaign.Campaign.__init__(self, Lab(), 7, lambda text: None, str(tmp_path))
        self.ends, self.repaired, self.account = iter(ends), repaired, account
        self.repairs = 0

    def inject(self, fault, mistakes):
        end = next(self.ends)
        self.now = 1.0 if isinstance(end, BaseException) else end
        if isinstance(end, BaseException):
            raise end
        return "n1"

    def _until_whole(self, limit, mistakes, helped):
        return self.now if self.now is None or self.now <= limit else None

    def why(self):
        return ": n2 waits"

    def ways(self):
        return (("a power cut", self._cut),)

    def _cut(self):
        self.repairs += 1
        self.now = 1.0 if self.repaired else None

    def stop(self):
        return self.account


def options(**change):
    return SimpleNamespace(**dict({"seed": 7, "faults": 3, "until": None, "only": "SIGKILL", "patience": 1.0},
                                  **change))


@pytest.fixture
def play(monkeypatch, tmp_path):
    """Runs a campaign: (exit code, its report, the Campaign)."""
    monkeypatch.setattr(campaign, "SETTLE", 0)

    def run(*ends, change=None, **how):
        one = Campaign(tmp_path, ends, **how)
        code = one.run(options(**(change or {})))
        return code, (tmp_path / "report.md").read_text(encoding="utf-8"), one
    return run


def test_all_is_well(play):
    code, text, _one = play(10.0, 11.0, 12.0)
    assert code == 0 and "3 faults in 0 min, 0 with something wrong; 5 writes acknowledged." in text
    assert "| SIGKILL of all | 3 | 11.0 s | 12.0 s | 60 s | 0 |" in text and "some version 1" in text


def test_a_round_that_fails_is_repaired_and_the_campaign_goes_on(play, tmp_path):
    code, text, one = play(10.0, None, 12.0)
    assert (code, one.repairs) == (1, 1)
    assert "seed 7, 3 faults" in text and "not whole after 60 s: n2 waits; repaired by: a power cut" in text
    kept = [json.loads(line) for line in open(str(tmp_path / "rounds.jsonl"), encoding="utf-8")]
    assert [one["took"] for one in kept] == [10.0, None, 12.0] and "repaired by" in kept[1]["mistakes"][1]
    assert "quorate" in (tmp_path / "round-2.txt").read_text(encoding="utf-8")


def test_one_that_cannot_be_repaired_ends_it_with_a_report(play):
    code, text, _one = play(None, 12.0, repaired=False)
    assert code == 1 and "1 faults" in text


def test_an_interruption_is_no_mistake(play):
    code, text, _one = play(10.0, KeyboardInterrupt())
    assert code == 0 and "| SIGKILL of all | 1 | 10.0 s" in text


def test_one_that_ends_by_an_error_of_its_own_says_so(play):
    code, text, _one = play(10.0, ValueError("no such row"))
    assert code == 1 and "- the campaign itself ended early: no such row" in text and "| 10.0 s" in text


def test_what_could_not_be_injected_proves_nothing(play):
    code, text, one = play(LabError("n2 is off"), 10.0, 10.0)
    assert one.rounds[0].what == "not injected: n2 is off" and "| SIGKILL of all | 2 |" in text


def test_clients_that_lost_something_or_give_no_account_are_not_fine(play):
    code, text, _one = play(10.0, 10.0, 10.0, account=campaign.Account("? lost", False, ("- lost: 7",)))
    assert code == 1 and text.endswith("- lost: 7\n")


def test_no_fault_begins_after_the_time_that_is_given(play):
    code, text, _one = play(change={"until": datetime.datetime(2026, 1, 1)})
    assert code == 0 and "0 faults" in text


@pytest.mark.parametrize("text, day", [("01:08", 2), ("23:32", 2), ("23:33", 2), ("23:34", 1)])
def test_a_time_that_is_past_is_one_of_tomorrow(text, day):
    at = campaign.next_time(text, datetime.datetime(2026, 11, 1, 23, 33))

    assert (day, text) == (at.day, at.strftime("%H:%M"))


def test_limits_grow_with_patience_and_the_seed_alone_chooses(tmp_path):
    one = Campaign(tmp_path)
    chosen = one.choose(options(only="", patience=2.0, faults=50))
    assert {fault.limit for fault in chosen} == {120, 240}
    assert chosen == Campaign(tmp_path).choose(options(only="", patience=2.0, faults=50))
    with pytest.raises(LabError):
        one.choose(options(only="flood"))


@pytest.mark.parametrize("kind", [galera.Campaign, rabbitmq.Campaign])
def test_kinds_of_campaign(kind):
    assert kind.faults and kind.count >= 100 and kind.packages and kind.title.startswith("scripts/faults")
    assert len({fault.name for fault in kind.faults}) == len(kind.faults)


def test_a_client_that_prints_no_figures_is_reported(tmp_path):
    def fail():
        raise ValueError("no JSON")
    one = rabbitmq.Campaign(Lab(), 7, lambda text: None, str(tmp_path))
    one.client = SimpleNamespace(stop=fail, process=SimpleNamespace(kill=lambda: None))
    one._gone = lambda: ["user app"]
    account = one.stop()
    assert not account.fine and "no figures" in account.sentence and "gone: user app" in account.lines[1]


def test_the_seed_chooses_the_configurations_of_the_parts():
    first = galera.configurations("seed", 7, 40)
    assert first == galera.configurations("seed", 7, 40) != galera.configurations("seed", 8, 40)
    assert len(first) == 40 and len({one.name for one in first}) > 20
    assert all(one.campaign and one.hindrance is None and one.suite == "bookworm" and one.count == 3 for one in first)
    assert any("+" in one.name for one in first)


def test_configurations_are_given_by_name():
    one, two = galera.configurations("quiet+binlog-moved", 7, 2)
    assert one == two and one.settings["silent-startup"] == "" and "log_bin" in one.settings
    assert galera.configurations("plain", 7, 1)[0].settings == {}
    with pytest.raises(LabError, match="no configuration is called flood"):
        galera.configurations("quiet+flood", 7, 1)


def test_each_part_of_a_campaign_has_a_cluster_of_its_own(tmp_path, monkeypatch):
    done = []
    one = galera.Campaign(Lab(), 7, lambda text: None, str(tmp_path))
    one.lab.destroy, one.lab.up = lambda: done.append("destroyed"), lambda suite, **more: done.append("up")
    monkeypatch.setattr(galera.cluster, "set_up", lambda lab, chosen, say: done.append(chosen.name) or 1.0)
    monkeypatch.setattr(one, "_begin_part", lambda: done.append("begun"))
    how = SimpleNamespace(configuration="seed", each=2, seed=7, faults=5, here=False, suite="bookworm", deb="x")
    for number in range(1, 6):
        one.before(number, how)
    names = [chosen.name for chosen in galera.configurations("seed", 7, 3)]
    assert done == [names[0], "begun", "destroyed", "up", names[1], "begun", "destroyed", "up", names[2], "begun"]
