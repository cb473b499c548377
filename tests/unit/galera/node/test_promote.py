# SPDX-License-Identifier: Apache-2.0
"""What start, promote and validate-all say and do, and how long promote waits, on in-memory nodes (tests/nodes)."""

import pytest

from quorate.galera import facts
from quorate.ocf import codes
from tests.nodes.cluster import RESOURCE
from tests.unit.galera.node.views import ALL, monitor, report


def promotion(cluster, name):
    """(seconds, Answer) of the first promote of that node."""
    began = next(when for when, machine, kind, text in cluster.journal.entries
                 if (machine, kind, text) == (name, "action", "promote"))
    ended = next(when for when, machine, kind, text in cluster.journal.entries
                 if (machine, kind) == (name, "answer") and text.startswith("promote"))
    return ended - began, next(answer for machine, action, answer in cluster.answers if (machine, action) == (
        name, "promote"))


def test_promote_waits_half_a_minute_for_a_bootstrap(new):
    new.database("n1").start_takes = 100
    assert new.run(120, lambda: new.synced() == ["n1"])
    seconds, answer = promotion(new, "n1")
    assert codes.SUCCESS == answer.code and 29.9 <= seconds <= 32


def test_promote_waits_half_a_minute_for_a_state_transfer_once_it_has_begun(new):
    new.database("n2").transfer_takes = 100
    new.run(60)
    seconds, answer = promotion(new, "n2")
    assert codes.SUCCESS == answer.code and 29.9 <= seconds <= 33
    assert "receives a state transfer; HAProxy does not use it until it is synced" == new.status("n2")


def test_promote_does_not_wait_for_others_that_are_to_be_promoted(cluster):
    """They re-form their view together: each has to be started."""
    for name in ("n2", "n3"):
        cluster.database(name).start_takes = 25
    cluster.kill_all()
    cluster.run(20)
    seconds, answer = promotion(cluster, "n1")
    assert codes.SUCCESS == answer.code and 1.9 <= seconds <= 3
    assert cluster.status("n1").startswith("starts, and waits for a primary component")
    assert cluster.run(60, lambda: cluster.synced() == ALL)


def test_a_promote_that_is_not_allowed_any_more_launches_nothing(new):
    for name in ALL:
        new.act(name, "start")
    assert 100 == new.pacemaker.score(RESOURCE, "n1")
    answer = new.act("n2", "promote")  # n1 is the one that is named
    assert (codes.SUCCESS, "") == answer and [] == new.database("n2").launches
    assert any("Not promoted" in text for _, text in new["n2"].logged)
    assert None is new.pacemaker.score(RESOURCE, "n2") and facts.DOWN == report(new, "n2").state


def test_a_promote_finds_the_server_that_an_earlier_one_launched(new):
    """Its agent was killed: no second server, and the first one is taken over."""
    for name in ALL:
        new.act(name, "start")
    new.when(lambda: new.database("n1").launches, lambda: new["n1"].fail_at("killed", 0))
    assert None is new.act("n1", "promote").code
    assert codes.SUCCESS == new.act("n1", "promote").code
    assert 1 == len(new.database("n1").launches) and ["n1"] == new.synced()


def test_validation(new, monkeypatch):
    warned = []
    monkeypatch.setattr("quorate.galera.validation.warnings", lambda context: [context.instance + " is not safe."])
    monkeypatch.setattr("quorate.ocf.advice.warn", lambda context, found: warned.append((context.action, found)))
    assert (codes.SUCCESS, "") == new.act("n1", "validate-all") and [] == warned
    assert codes.SUCCESS == new.act("n1", "validate-all", level=10).code
    assert [("validate-all", ["db is not safe."])] == warned
    assert codes.SUCCESS == new.act("n1", "reload-agent").code
    new["n1"].parameters["wsrep_cluster_address"] = "n1,n2"
    answer = new.act("n1", "validate-all")
    assert codes.ERR_CONFIGURED == answer.code and "must begin with gcomm://" in answer.reason


def test_a_promote_finds_a_server_that_is_not_on_record(new):
    """Its agent was killed between the launch and the record of it."""
    for name in ALL:
        new.act(name, "start")
    new.when(lambda: new.database("n1").launches, lambda: new["n1"].fail_at("killed", 0))
    new.act("n1", "promote")
    new["n1"].state_files("galera").forget("server")
    assert codes.SUCCESS == new.act("n1", "promote").code
    assert 1 == len(new.database("n1").launches)


def test_a_launch_that_fails_reports_again_what_is_on_the_disk(new, monkeypatch):
    """Nobody may wait for one that says it starts; and another one goes first."""
    def spawn(*_, **__):
        raise OSError(12, "Cannot allocate memory")
    for name in ALL:
        new.act(name, "start")
    monkeypatch.setattr(new["n1"].commands, "spawn", spawn)
    assert codes.ERR_GENERIC == new.act("n1", "promote").code
    assert (facts.DOWN, True) == (report(new, "n1").state, report(new, "n1").failed)
    assert codes.SUCCESS == monitor(new, "n1", 7).code, "no server is on record"


def test_a_launch_that_the_cluster_prevented_is_no_failure_of_the_node(new):
    for name in ALL:
        new.act(name, "start")
    new.when(lambda: "db-openings" in new.pacemaker.properties, lambda: new["n1"].fail_at("timeout", 0))
    answer = new.act("n1", "promote")
    assert codes.ERR_GENERIC == answer.code and "did not answer" in answer.reason
    assert (facts.DOWN, False) == (report(new, "n1").state, bool(report(new, "n1").failed))


def test_a_promote_that_cannot_publish_any_more_has_launched_all_the_same(new):
    for name in ALL:
        new.act(name, "start")
    new.when(lambda: new.database("n1").launches, lambda: new.pacemaker.members.discard("n1"))
    assert (codes.SUCCESS, "") == new.act("n1", "promote")
    assert new.run(0, None) is None and new.database("n1").server is not None


def test_a_promote_that_failed_leaves_no_server_on_record(new):
    for name in ALL:
        new.act(name, "start")
    new.database("n1").fails = "Nothing works since Tuesday"
    assert codes.ERR_GENERIC == new.act("n1", "promote").code
    assert codes.SUCCESS == monitor(new, "n1", 7).code


@pytest.mark.parametrize("action", ["start", "promote"])
def test_what_keeps_a_server_from_starting_is_said_before(new, action):
    new["n1"].parameters["log"] = new["n1"].root + "/nowhere/error.log"
    answer = new.act("n1", action)
    assert codes.ERR_INSTALLED == answer.code
    assert answer.reason.startswith("The directory %s/nowhere for the error log is missing" % new["n1"].root)


def test_a_log_that_was_closed_and_not_deleted_keeps_no_server_from_starting(cluster):
    """By a server whose directory belonged to another user then."""
    cluster.stop("n2")
    with open(cluster.database("n2").datadir + "/tc.log", "wb") as file:
        file.write(b"A\x23\x05\x74 and more")
    cluster.start()
    assert cluster.run(60, lambda: cluster.synced() == ALL), cluster.journal


def test_an_empty_view_of_a_power_cut_keeps_no_server_from_starting(cluster):
    cluster.database("n2").kill()
    with open(cluster.database("n2").datadir + "/gvwstate.dat", "w", encoding="ascii"):
        pass
    assert cluster.run(60, lambda: cluster.synced() == ALL), cluster.journal


@pytest.mark.parametrize("wanted", [True, False])
def test_the_first_database_is_created_only_where_it_is_wanted(new, wanted):
    import shutil
    for name in ALL:
        shutil.rmtree(new.database(name).datadir)
        new["n1"].parameters["enable_creation"] = str(wanted)
    new.run(60, lambda: new.synced() == ALL)
    created = [machine for _, machine, kind, text in new.journal.entries if text == "mariadb-install-db"]
    assert (["n1"], ALL) == (created, new.synced()) if wanted else ([], []) == (created, new.synced())
    assert wanted or any(text.startswith("There is no database in ") for text in new.reasons("n1"))


def test_a_promote_without_a_position_on_record_reads_the_disk(new):
    for name in ALL:
        new.act(name, "start")
    new["n1"].state_files("galera").forget("position")
    assert codes.SUCCESS == new.act("n1", "promote").code and ["n1"] == new.synced()


def test_promoted_all_at_once_each_waits_for_its_turn(cluster):
    """As Pacemaker does after an update of a parameter. The monitor of a node that was not promoted said 0 where 8 is expected,
    and pcs status showed "monitor returned 'ok'" until somebody cleaned up."""
    cluster.stop("n2", "n3", "n1")
    for name in ALL:
        cluster.act(name, "start")
    cluster.clock.run([lambda name=name: cluster.act(name, "promote") for name in ALL])

    assert [codes.RUNNING_PROMOTED] * 3 == [cluster.act(name, "monitor", interval=5).code for name in ALL], cluster.journal
    cluster.role.update(dict.fromkeys(ALL, "Promoted"))


def test_a_promotion_does_not_wait_for_a_node_that_does_not_begin(cluster):
    """Under load Pacemaker promotes one after the other, and the one whose turn it is may come last."""
    cluster.stop("n2", "n3", "n1")
    for name in ALL:
        cluster.act(name, "start")
    cluster.act("n2", "promote")
    seconds, answer = promotion(cluster, "n2")

    assert (codes.SUCCESS, "") == answer and seconds <= 6.5
    assert "Not promoted" in cluster["n2"].logged[-1][1]
