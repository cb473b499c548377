# SPDX-License-Identifier: Apache-2.0
"""InnoDB takes long to recover the position, in a cluster of in-memory nodes (tests/nodes)."""

import os
import random

import pytest

from quorate.galera import facts
from quorate.galera.server.data import kept_position
from quorate.ocf import codes
from tests.nodes.files import read, read_database, write_database
from tests.unit.galera.node.views import ALL, comes_back, monitor, report

RECOVERY = ("program", "--wsrep-recover")


def recoveries(cluster, name):
    return cluster.journal.of(name, ["program"]).count(RECOVERY)


def test_after_a_loss_of_all_each_node_recovers_once(cluster):
    """demote did, stop forgot the result, and start began again."""
    for name in ALL:
        cluster.database(name).recovery_takes = 25
    cluster.kill_all()
    assert comes_back(cluster, 90)
    assert [1, 1, 1] == [recoveries(cluster, name) for name in ALL]


def test_a_clean_stop_needs_no_recovery(cluster):
    cluster.stop()
    cluster.start()
    assert comes_back(cluster)
    assert [0, 0, 0] == [recoveries(cluster, name) for name in ALL]


def test_a_demote_that_cannot_publish_does_not_recover_again(cluster):
    cluster.database("n2").kill()
    cluster.pacemaker.leave("n2")
    assert codes.SUCCESS == cluster.act("n2", "demote").code
    cluster.pacemaker.join("n2")
    assert codes.SUCCESS == monitor(cluster, "n2").code
    assert (1, facts.DOWN, 3) == (recoveries(cluster, "n2"), report(cluster, "n2").state, report(cluster, "n2").seqno)


def test_a_result_is_taken_by_the_next_monitor(cluster):
    """It was taken at the next reading of the disk, a minute after the last."""
    cluster.cut_power()
    cluster["n1"].on = True
    cluster.pacemaker.join("n1")
    cluster.database("n1").recovery_takes = 45
    assert codes.SUCCESS == cluster.act("n1", "start", timeout=30).code
    assert (facts.STARTING, None) == report(cluster, "n1")[1:3]
    began = cluster.clock.elapsed
    monitor(cluster, "n1")
    assert facts.STARTING == report(cluster, "n1").state and cluster.clock.elapsed - began < 2, "nobody need wait for it"

    cluster.clock.pass_time(25)
    monitor(cluster, "n1")
    assert (facts.DOWN, 3, 1) == (report(cluster, "n1").state, report(cluster, "n1").seqno, recoveries(cluster, "n1"))


def test_a_start_waits_for_a_run_while_it_has_time(cluster):
    cluster.cut_power()
    cluster["n1"].on = True
    cluster.pacemaker.join("n1")
    cluster.database("n1").recovery_takes = 45
    cluster.act("n1", "start", timeout=30)
    assert codes.SUCCESS == cluster.act("n1", "start", timeout=60).code
    assert (facts.DOWN, 3, 1) == (report(cluster, "n1").state, report(cluster, "n1").seqno, recoveries(cluster, "n1"))


# Never used after a write

class Writer:
    """What may happen to the files of a node whose server does not run."""

    def __init__(self, cluster, chance):
        self.cluster, self.chance = cluster, chance
        self.datadir = cluster.database("n1").datadir

    def nothing(self):
        pass

    def time_passes(self):
        self.cluster.clock.pass_time(self.chance.choice((1, 70)))

    def server_by_hand(self):
        """It wrote, was killed, and its file has the old time, and sometimes the old length."""
        path = os.path.join(self.datadir, "ibdata1")
        uuid, transactions = read_database(self.datadir)
        before = os.stat(path)
        write_database(self.datadir, *self.chance.choice((
            (uuid, transactions + ["by hand %d" % len(transactions)]),
            (uuid, transactions[:-1]),                          # one less, as that of a backup
            (uuid[:-1] + self.chance.choice("0123456789abcdef"), transactions))))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def backup_renamed_over(self):
        path, text = os.path.join(self.datadir, "ibdata1"), read(self.datadir, "ibdata1")
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write(text)
        os.rename(path + ".new", path)
        self.server_by_hand()

    def another_mount(self):
        os.rename(self.datadir, self.datadir + ".was")
        os.makedirs(self.datadir)
        for name in os.listdir(self.datadir + ".was"):
            os.rename(os.path.join(self.datadir + ".was", name), os.path.join(self.datadir, name))
        os.rmdir(self.datadir + ".was")

    def clock_set(self):
        self.cluster.clock._unix += self.chance.choice((-3600, 3600))


@pytest.mark.parametrize("seed", range(25))
def test_a_kept_position_is_never_used_after_a_write(cluster, monkeypatch, seed):
    """Whatever is done between two readings of the disk, what is reported is what InnoDB has."""
    monkeypatch.setattr(kept_position, "LATER", -kept_position.TICK)  # the files have real times, which do not pass here
    chance = random.Random("kept %d" % seed)
    writer, told = Writer(cluster, chance), []
    cluster.kill_all()
    for _ in range(8):
        event = chance.choice([name for name in sorted(vars(Writer)) if not name.startswith("_")])
        action = chance.choice(("demote", "stop", "start", "monitor"))
        cluster.database("n1").recovery_takes = chance.choice((0.5, 0.5, 40))
        told.append((event, action))
        if not cluster.database("n1").recovering():  # which locks the files
            getattr(writer, event)()
        cluster.act("n1", action, timeout=chance.choice((30, 100)))
        if action in ("demote", "start"):
            own, (uuid, transactions) = report(cluster, "n1"), read_database(writer.datadir)
            assert (own.uuid, own.seqno) in ((None, None), (uuid, len(transactions))), (seed, told)
    assert recoveries(cluster, "n1"), (seed, told)
