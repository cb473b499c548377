# SPDX-License-Identifier: Apache-2.0
"""Random lives of a cluster of in-memory nodes (tests/nodes), on which the real agent runs.

Whatever happens, nothing acknowledged is lost, there are never two primary components, and no action says what is not
so. When everything is put right, all nodes serve again, at the most after what the nodes tell the operator to type.
"""

import random

import pytest

from tests.nodes.cluster import Cluster
from tests.nodes.machine import KINDS
from tests.unit.galera.node.lives import ALL, as_advised

LIVES = 60
EVENTS = 7


class Life:
    """The events of one seed. Each method is one; nothing happens where it cannot."""

    def __init__(self, cluster, seed):
        self.cluster = cluster
        self.chance = random.Random("life %d" % seed)
        self.events = [name for name in sorted(dir(self)) if not name.startswith("_") and callable(getattr(self, name))]
        self.told = []
        chance = random.Random("servers of %d" % seed)  # its own, so that the events of a seed stay what they are
        for name in ALL:
            # Its view does not re-form, since it cannot tell whether others went on; nothing shows what it holds.
            for flag in ("undecided", "logs_elsewhere"):
                if chance.random() < 0.3:
                    setattr(cluster.database(name), flag, True)
                    self.told.append("%s: %s" % (name, flag))
        if random.Random("changes of %d" % seed).random() < 0.5:
            cluster.group.counts_changes = True
            self.told.append("a change of the view takes a seqno")

    def _go(self):
        for _ in range(EVENTS):
            event, node = self.chance.choice(self.events), self.chance.choice(ALL)
            self.told.append("%.0f: %s %s" % (self.cluster.clock.elapsed, event, node))
            getattr(self, event)(node)
            if self.chance.random() < 0.5:
                self._commit()
            self.cluster.run(self.chance.choice((0.3, 1, 3, 8, 20, 45)))

    def _commit(self):
        for name in ALL:
            self.cluster.database(name).behind = self.chance.choice((0, 0, 1, 3))
        serving = self.cluster.synced()
        if serving:
            self.cluster.commit(self.chance.choice(serving))

    def _put_right(self):
        cluster = self.cluster
        for name in ALL:
            database = cluster.database(name)
            database.fails = database.fails_late = None
            database.hangs = database.applier_stands = False
            cluster[name].fill_disk(False)
            cluster[name].fault = None
            if database.server is not None and not database.server.connected:
                database.reconnect()
        cluster.power_on()
        self._seen()
        cluster.start()
        cluster.cleanup()

    def _some(self):
        return [name for name in ALL if self.chance.random() < 0.6] or ALL

    def _runs(self, node):
        return self.cluster.database(node).server is not None

    def kills(self, node):
        self.cluster.kill_all(*self._some())

    def power_cut(self, node):
        self.cluster.cut_power(*self._some())

    def power_comes_back(self, node):
        self.cluster.power_on()

    def is_cut_off(self, node):
        if self._runs(node):
            self.cluster.database(node).isolate()

    def is_reachable_again(self, node):
        if self._runs(node) and not self.cluster.database(node).server.connected:
            self.cluster.database(node).reconnect()

    def is_lost_to_pacemaker(self, node):
        """Its server and its agent go on; the others wait for its fencing."""
        if self.cluster[node].on and len(self.cluster.pacemaker.members) > 1:
            self.cluster.pacemaker.leave(node, confirmed=False)

    def is_seen_by_pacemaker(self, node):
        self._seen()

    def _seen(self):
        for name in ALL:
            if self.cluster[name].on:
                self.cluster.pacemaker.join(name)

    def is_stopped(self, node):
        self.cluster.standby.add(node)

    def all_are_stopped(self, node):
        self.cluster.standby.update(ALL)

    def are_started(self, node):
        self.cluster.start()

    def cannot_start(self, node):
        self.cluster.database(node).fails = "Nothing works since Tuesday"

    def dies_before_it_is_ready(self, node):
        self.cluster.database(node).fails_late = "Nothing works since Tuesday"

    def can_start_again(self, node):
        self.cluster.database(node).fails = self.cluster.database(node).fails_late = None
        self.cluster.cleanup()

    def is_slow(self, node):
        self.cluster.database(node).start_takes = self.chance.choice((0.1, 5, 25))
        self.cluster.database(node).transfer_takes = self.chance.choice((1, 10, 60))
        self.cluster.database(node).recovery_takes = self.chance.choice((0.2, 20))

    def lacks_more_than_its_donors_keep(self, node):
        self.cluster.database(node).incremental = not self.cluster.database(node).incremental

    def applies_nothing(self, node):
        """What it receives stays in memory, and questions that wait for it get no answer."""
        self.cluster.database(node).applier_stands = not self.cluster.database(node).applier_stands

    def freezes(self, node):
        if self._runs(node):
            self.cluster.database(node).freeze()

    def hangs(self, node):
        self.cluster.database(node).hangs = True

    def has_a_fault(self, node):
        self.cluster[node].fail_at(self.chance.choice(KINDS), self.chance.randrange(40))

    def has_no_room(self, node):
        self.cluster[node].fill_disk()


def live(root, monkeypatch, seed):
    """One life. Whether an operator had to order a bootstrap in the end."""
    with Cluster.of(root, monkeypatch) as cluster:
        assert cluster.run(60, lambda: cluster.synced() == ALL)
        life = Life(cluster, seed)
        life._commit()
        cluster.run(12)
        try:
            life._go()
            life._put_right()
            if cluster.run(500, lambda: cluster.synced() == ALL):
                return False
            assert as_advised(cluster), "not all serve: %s" % [cluster.status(name) for name in ALL]
            return True
        except AssertionError as error:
            raise AssertionError("life %d: %s\n%s\n%s" % (
                seed, "; ".join(life.told), error, cluster.journal)) from error


@pytest.mark.parametrize("first", range(0, LIVES, 10))
def test_nothing_is_lost_and_all_serve_again(tmp_path, monkeypatch, first):
    for seed in range(first, first + 10):
        with monkeypatch.context() as patched:
            live(tmp_path / str(seed), patched, seed)
