# SPDX-License-Identifier: Apache-2.0
"""Servers and machines that fail, in a cluster of in-memory nodes (tests/nodes)."""

import os

import pytest

from quorate.galera import facts
from quorate.ocf import codes
from tests.nodes.cluster import STOPPED
from tests.unit.galera.node.views import ALL, comes_back, launches, report


def test_a_joiner_that_fails(cluster):
    cluster.database("n3").fails = "Nothing works since Tuesday"
    cluster.database("n3").kill()
    cluster.run(30)

    assert ["n1", "n2"] == cluster.synced()
    assert "The database server ended while it started: Nothing works since Tuesday" in cluster.reasons("n3")
    assert codes.ERR_GENERIC in [answer.code for name, action, answer in cluster.answers if action == "promote"]
    assert [] == cluster.reasons("n1") + cluster.reasons("n2")
    cluster.database("n3").fails = None
    assert comes_back(cluster, 60)


def test_a_bootstrap_that_never_was_ready_is_no_lost_cluster(new):
    """Once the cause is gone it just starts: nothing was ever committed."""
    for name in ALL:
        new.database(name).fails = "Can't start server: Bind on TCP/IP port: Address already in use"
    new.run(40)
    assert [] == new.synced()
    for name in ALL:
        new.database(name).fails = None
    new.cleanup()
    assert comes_back(new, 120)


def test_another_node_bootstraps_when_the_elected_one_cannot(cluster):
    """All at the same position."""
    cluster.stop("n2", "n3", "n1")
    cluster.database("n1").fails = "Operating system error number 13 in a file operation."
    cluster.start()
    assert cluster.run(180, lambda: cluster.synced() == ["n2", "n3"]), cluster.journal


@pytest.mark.parametrize("fault", ["fails", "fails_late"])  # the latter once it has opened a view, which takes a seqno
@pytest.mark.parametrize("commits, serve", [(0, ["n2", "n3"]), (1, [])])
def test_nodes_that_stopped_one_after_the_other(new, commits, serve, fault):
    """The last one is ahead of the others by changes of the view, which Galera 4 counts. Where it holds a commit of its
    own, the others wait for it."""
    new.group.counts_changes = True
    assert new.run(60, lambda: new.synced() == ALL), new.journal
    new.commit()
    new.run(12)
    for name in ("n3", "n2", "n1"):
        for _ in range(commits if name == "n1" else 0):
            new.commit()
        new.stop(name)
    setattr(new.database("n1"), fault, "Operating system error number 13 in a file operation.")
    new.start()

    assert new.run(180, lambda: new.synced() == ["n2", "n3"]) != (not serve), new.journal
    assert serve == new.synced()
    setattr(new.database("n1"), fault, None)
    new.cleanup()
    assert comes_back(new, 120)


def test_a_transfer_that_stands_still(new):
    new.database("n2").transfer_stalls = True
    assert new.run(500, lambda: any("made no progress" in text for text in new.reasons("n2"))), new.journal
    at = next(when for when, name, kind, text in new.journal.entries if "made no progress" in text)
    began = new.database("n2").launches[0].at
    assert 300 <= at - began <= 345
    new.database("n2").transfer_stalls = False
    assert comes_back(new)


def test_a_transfer_that_goes_on_may_take_any_time(new):
    new.database("n2").transfer_takes = 1200
    assert comes_back(new, 1500)
    assert 1 == len(new.database("n2").launches) and [] == new.reasons("n2")


def test_a_transfer_that_broke_off(new):
    """The joiner dies with half of the data; what it had is on the donor."""
    new.database("n3").transfer_takes = 20
    new.when(lambda: new.database("n3").server and new.database("n3").server.stage == "receiving",
             lambda: new.clock.at(3, new.database("n3").kill))
    found = []
    new.when(lambda: len(new.database("n3").launches) == 2,
             lambda: found.append(report(new, "n3")))
    assert comes_back(new)
    assert (facts.STARTING, False, 0) == (found[0].state, found[0].data, found[0].generation)
    assert ["The database server ended while it started: it left no error in " + new.database("n3").log
            ] == new.reasons("n3")


def test_one_that_hangs_is_restarted(cluster):
    cluster.database("n2").hangs = True
    assert cluster.run(30, lambda: cluster.role["n2"] == STOPPED), cluster.journal
    assert ["The database server does not answer. The server is restarted."] == cluster.reasons("n2")
    cluster.database("n2").hangs = False
    assert comes_back(cluster, 60)


def test_one_that_lost_its_network_is_restarted_to_join(cluster):
    cluster.database("n2").isolate()
    began = cluster.clock.elapsed
    assert cluster.run(60, lambda: cluster.role["n2"] == STOPPED), cluster.journal
    assert 20 <= cluster.clock.elapsed - began <= 60
    assert any("Outside of the running primary component" in text for text in cluster.reasons("n2"))
    assert ["n1", "n3"] == cluster.synced()


# The machine

def test_a_full_var_stops_no_stop_and_fails_no_monitor(cluster):
    for name in ALL:
        cluster[name].fill_disk()
    cluster.commit()
    cluster.cut_power("n3")  # the view changes, and nothing can be written down of it
    cluster.run(30)
    assert ["n1", "n2"] == cluster.synced() and [] == cluster.reasons("n1") + cluster.reasons("n2")
    cluster.stop("n1", "n2")
    assert [] == cluster.fenced


def test_a_full_var_fails_no_promote_of_a_server_that_serves(cluster):
    """promote failed although the server was synced, and a healthy database was restarted again and again."""
    cluster.when(lambda: len(cluster.database("n3").launches) == 2, cluster["n3"].fill_disk)
    cluster.database("n3").kill()
    assert comes_back(cluster, 60)
    assert 1 == len(cluster.reasons("n3")) and 2 == len(cluster.database("n3").launches)
    assert any("cannot be written" in text for _, text in cluster["n3"].logged)


def test_what_must_be_kept_and_cannot_be_launches_nothing(cluster):
    """A position that goes aside for a full transfer is the last proof until the transfer has begun."""
    cluster.cut_power("n3")
    cluster["n3"].fill_disk()
    cluster.power_on("n3")
    cluster.run(30)
    assert 1 == len(cluster.database("n3").launches)
    assert any("cannot be copied" in text and "no server is launched" in text for text in cluster.reasons("n3"))
    assert os.path.exists(cluster.database("n3").datadir + "/gvwstate.dat")


def test_nobody_bootstraps_beside_a_server_that_listens_and_is_not_heard_of(cluster):
    """n3 is out of Pacemaker's sight and its mysqld runs, evicted: only its port tells."""
    cluster.database("n3").isolate()
    cluster.run(12)   # n1 and n2 are settled in their view
    cluster.pacemaker.leave("n3", confirmed=False)
    cluster.machines["n3"].on = False
    cluster.stop("n1", "n2")
    cluster.start("n1", "n2")
    cluster.run(60)
    assert 3 == len(launches(cluster)), cluster.journal
    assert "the group communication port of n3 accepts connections" in cluster.status("n1")
    assert any("an operator is needed" in text for text in cluster.reasons())


def test_a_server_that_cannot_be_launched(new, monkeypatch):
    """No memory for one more process. It once was 'failed unexpectedly (OSError)'."""
    real = new["n1"].commands.spawn

    def spawn(argv, *words, **named):
        if "--wsrep-recover" not in argv:
            raise OSError(12, "Cannot allocate memory")
        return real(argv, *words, **named)
    monkeypatch.setattr(new["n1"].commands, "spawn", spawn)
    new.when(lambda: new.reasons("n1"), lambda: setattr(new["n1"].commands, "spawn", real))
    assert comes_back(new)
    assert ["%s cannot be started: Cannot allocate memory." % new.database("n1").binary] == new.reasons("n1")


def test_a_joiner_whose_component_died_makes_nobody_wait(cluster):
    """n1 dies as it joins n3, which is alone then and loses its quorum; n2 starts to join what is not there any more.
    All waited for n2, whose position counts only while it is down, and n2 for all. Found by test_faults.py."""
    for name in ALL:
        cluster.database(name).logs_elsewhere = True  # else it shows that n3 holds all, and nobody waits for n2
    cluster.stop("n1", "n2", "n3")
    cluster.start()
    cluster.when(lambda: len(cluster.group.members()) == 2, cluster.database("n1").kill)
    assert comes_back(cluster, 90)
    assert any("No primary component to join for" in text for text in cluster.reasons("n2"))


def test_a_bootstrap_that_was_recorded_and_not_launched_is_undone(cluster):
    """The cluster does not answer between the two: no other node would be of the same generation."""
    cluster.stop("n1", "n2", "n3")
    cluster.start()
    cluster.when(lambda: cluster.pacemaker.permanent[("n3", "db-generation")] == "2",
                 lambda: cluster["n3"].fail_at("timeout", 1))
    found = []
    cluster.when(lambda: found.append(cluster.pacemaker.permanent[("n3", "db-generation")]) or len(found) > 300, None)
    assert comes_back(cluster)
    assert "2" in found and "1" in found[found.index("2"):], "it is undone, and opened again"


def test_a_recovery_that_takes_long_goes_on_by_itself(cluster):
    """Killed at the end of each start it would begin anew for ever."""
    cluster.database("n2").recovery_takes = 300
    cluster.cut_power()
    cluster.power_on()
    assert comes_back(cluster, 500)
    assert ["InnoDB still applies its log"] == [text.partition(" (pid")[0] for text in cluster.reasons("n2")]
    assert [("program", "--wsrep-recover")] == cluster.journal.of("n2", ["program"])


def test_a_server_that_ends_at_once_is_not_waited_for(new, monkeypatch):
    for name in ALL:
        new.act(name, "start")
    monkeypatch.setattr(new["n1"].commands, "spawn", lambda *_, **__: 1)
    began = new.clock.elapsed
    answer = new.act("n1", "promote")
    assert codes.ERR_GENERIC == answer.code and "mariadbd ended at once: " in answer.reason
    assert new.clock.elapsed - began < 5 and facts.DOWN == report(new, "n1").state


def test_credentials_that_cannot_be_read_stop_no_server(cluster):
    cluster["n1"].parameters["credentials"] = cluster["n1"].root + "/nowhere"
    answers = [cluster.act("n1", "monitor", interval=5) for _ in range(3)]
    assert [codes.RUNNING_PROMOTED] * 2 + [codes.DEGRADED_PROMOTED] == [one.code for one in answers]
    assert "nowhere" in answers[2].reason
