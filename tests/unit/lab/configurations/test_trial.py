# SPDX-License-Identifier: Apache-2.0
"""A trial notices what must not be: rows that are gone, another history, sentences too many or too few, two writers."""

from types import SimpleNamespace

import pytest

from lab.configurations import cluster, trial
from lab.configurations.record import Configuration

NODES = ["n1", "n2", "n3"]


class Cluster:
    """A lab whose database does what a test says: rows and history of each node, and what is said of it."""

    def __init__(self):
        self.name, self.node_names = "unit", NODES
        self.rows = {node: [] for node in NODES}
        self.history = dict.fromkeys(NODES, "uuid one")
        self.said, self.code, self.shown, self.writers = [], 0, "", ["n1"]

    def sql(self, _lab, node, text, timeout=30.0):
        if "INSERT" in text:
            row = text.partition("('")[2].partition("'")[0]
            for rows in self.rows.values():
                rows.append(row)
            return ""
        return "\n".join(self.rows[node] + [self.history[node]]) + "\n"

    def run(self, _node, _argv, _timeout=60):
        return SimpleNamespace(rc=self.code, out="Galera cluster node is not synced.\n", err="")

    def check(self, _node, _argv):
        return ""


@pytest.fixture
def found(monkeypatch):
    """A Cluster, and the Trial on it of a plain configuration, or of one with these fields."""
    one = Cluster()
    monkeypatch.setattr(trial.galera, "sql", one.sql)
    monkeypatch.setattr(cluster, "warnings", lambda lab, node: one.said)
    monkeypatch.setattr(cluster, "shown", lambda lab, node: one.shown)
    monkeypatch.setattr(cluster, "writers", lambda lab: one.writers)
    monkeypatch.setattr(trial, "wait_for", lambda condition, timeout, every=0.5: any(condition() for _ in range(30)))
    return lambda **fields: (one, trial.Trial(one, Configuration("unit", "unit", **fields)))


def test_nothing_is_wrong_where_all_is_well(found):
    one, tried = found()
    tried._after("bootstrap")
    tried._after("kill of all")
    tried.ask()
    assert tried.mistakes == [] and one.rows["n2"] == ["row-1", "row-2"]


def test_a_row_that_is_gone(found):
    one, tried = found()
    tried._after("bootstrap")
    tried._after("kill of all")
    one.rows["n3"].remove("row-1")
    tried._after("stop and start")
    assert tried.mistakes == ["stop and start: n3 lacks ['row-1']"]


def test_another_history(found):
    one, tried = found()
    tried._after("bootstrap")
    one.history["n2"] = "uuid two"
    tried._after("kill of all")
    assert len(tried.mistakes) == 1 and "n2 has the history ['uuid two']" in tried.mistakes[0]


@pytest.mark.parametrize("said, wanted, words", [
    (["Set it to 1."], (), "says more: ['Set it to 1.']"),
    ([], ("systemctl disable",), "does not say 'systemctl disable'"),
    (["code 6: wrong"], (), "code 6"),
])
def test_what_validate_all_says(found, said, wanted, words):
    one, tried = found(warnings=wanted)
    one.said = said
    tried.ask()
    assert len(tried.mistakes) == 3 and all(words in text for text in tried.mistakes)


def test_warnings_that_are_expected(found):
    one, tried = found(warnings=("%(node)s is enabled",))
    one.said = ["The unit of n1 is enabled", "The unit of n2 is enabled", "The unit of n3 is enabled"]
    tried.ask()
    assert len([text for text in tried.mistakes if "says more" in text]) == 3  # those of the other nodes
    assert not any("does not say" in text for text in tried.mistakes)


@pytest.mark.parametrize("writers, wanted, fine", [
    (["n1"], 1, True), ([], 0, True), ([], 1, False), (["n1", "n2"], 1, False), (["n1"], 0, False)])
def test_writers(found, writers, wanted, fine):
    one, tried = found(writers=wanted)
    one.writers = writers
    tried.ask()
    assert fine == (tried.mistakes == [])


def test_a_check_that_disagrees_and_a_failure_that_is_shown(found):
    one, tried = found()
    one.code, one.shown = 1, "Failed Resource Actions:\n  * db promote on n1"
    tried.ask()
    assert any("galera-check on n1 ends with 1" in text for text in tried.mistakes)
    assert any("db promote on n1" in text for text in tried.mistakes)


def test_a_failure_that_may_be_shown(found):
    one, tried = found(failures=("still applies its log",))
    one.shown = "Failed Resource Actions:\n  * db monitor on n1 returned 'degraded' (InnoDB still applies its log)\n"
    tried.ask()
    assert tried.mistakes == []
    one.shown += "  * db promote on n2\n"
    tried.ask()
    assert len(tried.mistakes) == 1 and tried.mistakes[0].endswith("* db promote on n2")


def test_two_writers_for_a_moment_are_wrong(found, monkeypatch):
    one, tried = found()
    seen = iter([["n1", "n2"]] + [["n1"]] * 40)
    monkeypatch.setattr(cluster, "writers", lambda lab: next(seen))
    tried.ask()
    assert len(tried.mistakes) == 1 and "/writer" in tried.mistakes[0]
