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
    assert not account.fine and "is gone: user app" in account.lines[0] and "no figures" in account.lines[1]


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


def test_rabbitmq_has_every_configuration_before_one_comes_again():
    names = [one.name for one in rabbitmq.configurations("seed", 7, 20, "bookworm")]
    assert names == [one.name for one in rabbitmq.configurations("seed", 7, 20, "bookworm")]
    assert names[:10] != [one.name for one in rabbitmq.configurations("seed", 8, 10, "bookworm")]
    size = len(set(names))
    assert 10 <= size < 20 and sorted(names[:size]) == sorted(set(names))


@pytest.mark.parametrize("words, suite, ending", [
    ("seed", "trixie", "+plain-4.0"), ("seed+khepri", "trixie", "+khepri"), ("seed+quiet", "bookworm", "+quiet")])
def test_rabbitmq_has_more_in_each_part(words, suite, ending):
    found = rabbitmq.configurations(words, 7, 5, suite)
    assert all(one.name.endswith(ending) and one.suite == suite and one.count == 3 and not one.troubles
               for one in found)
    assert all(bool(one.then) == ("khepri" in words) for one in found if "definitions" not in one.name)


def test_rabbitmqs_configurations_are_given_by_name():
    one, two = rabbitmq.configurations("quiet+tls-only", 7, 2, "bookworm")
    assert one == two and one.client == {"port": 5671, "tls": True} and "error" in one.conf
    with pytest.raises(LabError, match="no configuration is called flood"):
        rabbitmq.configurations("seed+flood", 7, 1, "bookworm")


@pytest.mark.parametrize("kind", [galera, rabbitmq])
def test_each_part_of_a_campaign_has_a_cluster_of_its_own(kind, tmp_path, monkeypatch):
    done = []
    one = kind.Campaign(Lab(), 7, lambda text: None, str(tmp_path))
    one.lab.destroy, one.lab.up = lambda: done.append("destroyed"), lambda suite, **more: done.append("up")
    monkeypatch.setattr(one, "make", lambda configuration: done.append(configuration.name))
    monkeypatch.setattr(one, "begin_part", lambda place: done.append("begun"))
    monkeypatch.setattr(one, "end_part", lambda: done.append("ended"))
    how = SimpleNamespace(configuration="seed", each=2, seed=7, faults=5, here=False, suite="bookworm", deb="x")
    for number in range(1, 6):
        one.before(number, how)
    names = [chosen.name for chosen in kind.Campaign.configurations("seed", 7, 3, "bookworm")]
    assert done == [names[0], "begun", "ended", "destroyed", "up", names[1], "begun", "ended", "destroyed", "up",
                    names[2], "begun"]
    assert one.named("n1") == "n1 [%s]" % names[2]


def test_what_the_clients_of_all_parts_lost_counts(tmp_path):
    one = rabbitmq.Campaign(Lab(), 7, lambda text: None, str(tmp_path))
    one._gone = lambda: []
    for lost in ([], [3, 4]):
        one.client = SimpleNamespace(stop=lambda lost=lost: ({"confirmed": 5, "failed": 1, "again": 0}, lost))
        one.end_part()
    account = one.stop()
    assert not account.fine and account.sentence.startswith("10 messages confirmed, 2 of them lost, 2 publishes failed")
    assert "confirmed and never delivered: [3, 4]" in account.lines[0]


def test_a_broker_that_was_launched_twice_for_one_fault_is_reported(tmp_path, monkeypatch):
    class Launches:
        def __init__(self, _lab):
            self.more_than_one = lambda: {"n2": [7, 8]}

        def __enter__(self):
            return self

        def __exit__(self, *_exc):
            pass

    one = rabbitmq.Campaign(Lab(), 7, lambda text: None, str(tmp_path))
    monkeypatch.setattr(rabbitmq.cluster, "Launches", Launches)
    monkeypatch.setattr(one, "_until_whole", lambda *_how: 3.0)
    monkeypatch.setattr(one, "owed", lambda done: None)
    done = one.one(4, Fault("a fault", 1, 60.0, lambda world: "n2"))
    assert done.took == 3.0 and done.mistakes == [] and done.limit == 60.0
    assert one.stop().lines[0] == "- round 4, a fault: the broker of n2 was launched 2 times"
