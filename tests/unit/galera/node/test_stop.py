# SPDX-License-Identifier: Apache-2.0
"""stop and demote: the drain before, the time for it, what is undone after, on in-memory nodes (tests/nodes)."""

import pytest

from quorate.galera import facts
from quorate.host import drain
from quorate.ocf import codes
from tests.nodes.cluster import RESOURCE, STOPPED, UNPROMOTED
from tests.unit.galera.node.views import ALL, report


class Drain:
    """Stands for the check of one node."""

    def __init__(self, cluster, monkeypatch):
        self.cluster, self.set_at, self.cleared = cluster, [], []
        monkeypatch.setattr(drain, "served", lambda: True)
        monkeypatch.setattr(drain, "set", self.set)
        monkeypatch.setattr(drain, "clear", lambda name: self.cleared.append((name, cluster.clock.elapsed)))

    def set(self, name, reason):
        self.reason = reason
        self.set_at.append((name, self.cluster.clock.elapsed))

    def until_sigterm(self, name):
        at = next(when for when, machine, kind, text in self.cluster.journal.entries
                  if (machine, kind, text) == (name, "signal", "15 to mariadbd"))
        return at - self.set_at[0][1]


@pytest.fixture
def drained(cluster, monkeypatch):
    for machine in cluster.machines.values():
        machine.parameters["drain_timeout"] = "10"
    return Drain(cluster, monkeypatch)


def test_a_stop_drains_until_the_sessions_have_ended(cluster, drained):
    cluster.database("n2").sessions = 3
    cluster.clock.at(6, lambda: setattr(cluster.database("n2"), "sessions", 0))
    assert codes.SUCCESS == cluster.act("n2", "stop").code
    assert 5.8 <= drained.until_sigterm("n2") <= 6.5
    assert [RESOURCE] == [name for name, _ in drained.set_at] and "planned stop of db" == drained.reason
    assert RESOURCE == drained.cleared[-1][0] and drained.cleared[-1][1] >= cluster.clock.elapsed - 1


def test_a_check_has_seen_the_drain_before_the_server_stops(cluster, drained):
    cluster.act("n2", "stop")
    assert 1.75 <= drained.until_sigterm("n2") <= 2.2


def test_sessions_that_do_not_end_are_cut_after_the_time_for_them(cluster, drained):
    cluster.database("n2").sessions = 3
    cluster.act("n2", "demote")
    assert 11.7 <= drained.until_sigterm("n2") <= 12.2


def test_a_short_stop_keeps_most_of_its_time_for_stopping(cluster, drained):
    cluster.database("n2").sessions = 3
    assert codes.SUCCESS == cluster.act("n2", "stop", timeout=20).code
    assert 6 <= drained.until_sigterm("n2") <= 8.5


@pytest.mark.parametrize("why", ["nobody asks", "no time for it", "it does not serve"])
def test_nothing_is_drained_in_vain(cluster, drained, monkeypatch, why):
    if why == "nobody asks":
        monkeypatch.setattr(drain, "served", lambda: False)
    elif why == "no time for it":
        cluster["n2"].parameters["drain_timeout"] = "0"
    else:
        cluster.database("n2").isolate()
    assert codes.SUCCESS == cluster.act("n2", "stop").code
    assert [] == drained.set_at and [RESOURCE] == [name for name, _ in drained.cleared]


def test_sessions_that_cannot_be_counted_are_not_waited_for(cluster, drained):
    cluster.database("n2").sessions = None
    assert codes.SUCCESS == cluster.act("n2", "stop").code
    assert 1.75 <= drained.until_sigterm("n2") <= 2.2


@pytest.mark.parametrize("action, timeout, seconds", [("stop", 120, 75), ("demote", 120, 57), ("demote", 30, 12)])
def test_a_server_has_two_thirds_of_the_time_to_stop(cluster, action, timeout, seconds):
    """The rest is for SIGKILL, its proof and the report."""
    cluster.database("n2").survives = (15,)
    assert codes.SUCCESS == cluster.act("n2", action, timeout=timeout).code
    at = {text: when for when, machine, kind, text in cluster.journal.entries if kind == "signal"}
    assert seconds - 1 <= at["9 to mariadbd"] - at["15 to mariadbd"] <= seconds + 1


def test_a_server_that_is_not_on_record_is_stopped_as_gently(cluster):
    """The agent that launched it was killed before it wrote that down."""
    cluster.database("n2").stop_takes = 20
    cluster["n2"].state_files("galera").forget("server")
    assert codes.SUCCESS == cluster.act("n2", "stop").code
    assert [15, 18] == [number for _, number in cluster["n2"].processes.signals]


def test_a_drain_that_fails_stops_no_stop(cluster, drained, monkeypatch):
    def full(name, reason):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(drain, "set", full)
    assert codes.SUCCESS == cluster.act("n2", "stop").code
    assert any(text.startswith("Not drained: ") for _, text in cluster["n2"].logged)


def test_a_server_that_waits_for_the_others_is_killed_soon_and_keeps_its_view(cluster):
    """It does not react to SIGTERM; its gvwstate.dat is the last proof."""
    cluster.kill_all()
    for name in ("n2", "n3"):
        cluster.standby.add(name)
    cluster.role.update(n2=UNPROMOTED, n3=UNPROMOTED)
    for name in ALL:
        cluster.act(name, "demote")
    assert codes.SUCCESS == cluster.act("n1", "promote").code
    began = cluster.clock.elapsed
    assert codes.SUCCESS == cluster.act("n1", "stop").code
    assert 3 <= cluster.clock.elapsed - began <= 5
    assert [15, 18, 9] == [number for _, number in cluster["n1"].processes.signals]
    with open(cluster.database("n1").datadir + "/gvwstate.dat", encoding="ascii") as file:
        assert "#vwend" in file.read()


def test_nothing_is_signalled_and_nothing_changed_where_nothing_runs(new):
    assert codes.SUCCESS == new.act("n1", "stop").code
    assert [] == new["n1"].processes.signals
    assert STOPPED == new.role["n1"]


def test_a_stop_undoes_a_bootstrap_that_came_to_nothing(new):
    for name in ALL:
        new.act(name, "start")
    new.database("n1").fails_late = "Nothing works since Tuesday"
    assert codes.ERR_GENERIC == new.act("n1", "promote").code
    assert ("1", "1") == (new.pacemaker.properties["db-generation"], new.pacemaker.permanent["n1", "db-generation"])
    assert codes.SUCCESS == new.act("n1", "stop").code
    assert "0" == new.pacemaker.permanent["n1", "db-generation"]
    assert new.pacemaker.properties["db-generation"] == "0" and new.pacemaker.properties.get("db-openings") is None


def test_a_stop_without_a_cluster_undoes_it_at_the_next_start(new):
    for name in ALL:
        new.act(name, "start")
    new.database("n1").fails_late = "Nothing works since Tuesday"
    assert codes.ERR_GENERIC == new.act("n1", "promote").code
    new.pacemaker.leave("n1")
    assert codes.SUCCESS == new.act("n1", "stop").code
    new.pacemaker.join("n1")
    assert "1" == new.pacemaker.permanent["n1", "db-generation"]
    assert codes.SUCCESS == new.act("n1", "start").code
    assert ("0", "0") == (new.pacemaker.permanent["n1", "db-generation"], new.pacemaker.properties["db-generation"])
    assert facts.DOWN == report(new, "n1").state and new.status("n1"), "all is published anew"


def test_what_was_ready_for_clients_is_not_undone(new):
    """It may have committed something. It is killed before any monitor has seen it."""
    for name in ALL:
        new.act(name, "start")
    new.when(lambda: new.database("n1").server and new.database("n1").server.ready, lambda: (
        new.commit("n1"), new.database("n1").kill()))
    assert codes.ERR_GENERIC == new.act("n1", "promote").code
    assert 1 == len(new.group.acknowledged)
    assert codes.SUCCESS == new.act("n1", "demote").code
    assert ("1", "1") == (new.pacemaker.properties["db-generation"], new.pacemaker.permanent["n1", "db-generation"])
    new.role = dict.fromkeys(ALL, UNPROMOTED)
    assert new.run(60, lambda: new.synced() == ALL), new.journal
    assert ["n1", "n1"] == [name for name in ALL for one in new.database(name).launches if one.bootstraps]
