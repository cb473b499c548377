# SPDX-License-Identifier: Apache-2.0
"""Lives of a cluster in which anything may go wrong at any command, and what must be so in the end all the same."""

from tests.nodes.cluster import Cluster
from tests.unit.galera.node.views import ALL


def first_start(cluster):
    """Three nodes that were never started."""
    yield
    cluster.run(40)


def killed(cluster):
    yield from formed(cluster)
    cluster.kill_all()
    cluster.run(40)


def one_killed(cluster):
    yield from formed(cluster)
    cluster.database("n2").kill()
    cluster.run(40)


def stopped(cluster):
    """All are stopped and started again."""
    yield from formed(cluster)
    cluster.standby.update(ALL)
    cluster.run(30)
    cluster.start()
    cluster.run(40)


def ordered(cluster):
    """After a power cut n3 stays off; an operator goes on without it, and it comes back."""
    for name in ("n1", "n2"):
        cluster.database(name).behind = 1
    formed_ones = formed(cluster)
    next(formed_ones)
    cluster.commit("n3")
    cluster.cut_power()
    cluster.power_on("n1", "n2")
    yield
    cluster.run(10)
    cluster.order("n2")
    cluster.run(30)
    cluster.power_on("n3")
    cluster.run(30)


def evicted(cluster):
    yield from formed(cluster)
    cluster.database("n3").isolate()
    cluster.run(40)


LIVES = (first_start, killed, one_killed, stopped, ordered, evicted)


def formed(cluster):
    assert cluster.run(60, lambda: cluster.synced() == ALL), cluster.journal
    for _ in range(3):
        cluster.commit()
    cluster.run(12)
    yield


def steps_of(root, monkeypatch, life):
    """Number of commands that each node runs in that life when nothing goes wrong: a dict."""
    with Cluster.of(root, monkeypatch) as cluster:
        steps = life(cluster)
        next(steps)
        before = {name: machine.steps for name, machine in cluster.machines.items()}
        assert next(steps, None) is None
        return {name: machine.steps - before[name] for name, machine in cluster.machines.items()}


def as_advised(cluster):
    """An operator who has discarded commits may be asked once more what may be discarded: what the nodes tell him to
    type must help. Whether it does."""
    advice = {cluster.status(name).rpartition("(quorate bootstrap ")[2].rstrip(")") for name in ALL}
    if len(advice) != 1 or not advice.issubset(ALL):
        return False
    cluster.order(advice.pop())
    return cluster.run(120, lambda: cluster.synced() == ALL)


def live(root, monkeypatch, life, node, kind, step):
    """One such life with a fault. It may cost a cleanup by an operator, and an order where there was one before, never
    more: in the end all are synced."""
    with Cluster.of(root, monkeypatch) as cluster:
        steps = life(cluster)
        next(steps)
        cluster.machines[node].fail_at(kind, step)
        assert next(steps, None) is None
        cluster.start()
        if kind in ("timeout", "fails"):
            assert [] == cluster.fenced, "a stop failed\n%s" % cluster.journal
        if not cluster.run(150, lambda: cluster.synced() == ALL):
            cluster.power_on()
            cluster.cleanup()
            assert cluster.run(300, lambda: cluster.synced() == ALL) or (
                life is ordered and as_advised(cluster)), "%s %s %d of %s:\n%s" % (
                    life.__name__, kind, step, node, cluster.journal)
        cluster.run(12)
        assert ALL == cluster.synced()
