# SPDX-License-Identifier: Apache-2.0
"""What follows from a bootstrap that came to nothing, and from another data directory, on in-memory nodes.

tests/nodes holds in each of them that nothing is lost and that there are never two primary components.
"""

import os
import shutil

import pytest

from quorate.galera.server.data import identity
from quorate.host.command import Result
from tests.nodes.cluster import Cluster

ALL = ["n1", "n2", "n3"]
FAILS = "Operating system error number 13 in a file operation."


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Three nodes that are synced, with three commits; the monitors have seen it."""
    with Cluster.of(tmp_path, monkeypatch) as cluster:
        assert cluster.run(60, lambda: cluster.synced() == ALL), cluster.journal
        for _ in range(3):
            cluster.commit()
        cluster.run(15)
        yield cluster


def test_one_whose_position_cannot_be_read_any_more_receives_everything(cluster):
    """Its bootstrap came to nothing because InnoDB's files cannot be read, and another node serves by now. It asked for
    the position that its disk has, which nobody needs, and never joined."""
    cluster.stop("n2", "n3", "n1")
    broken = cluster.database("n1")
    broken.fails_late = broken.recovery_fails = FAILS
    cluster.when(lambda: cluster.synced(), lambda: setattr(broken, "fails_late", None))
    cluster.start()

    assert cluster.run(120, lambda: cluster.synced() == ALL), cluster.journal
    assert "grastate.dat" not in broken.launches[-1].files


def test_another_data_directory_receives_everything(cluster):
    """Also one that was left cleanly and says how far it is: the node's generation says nothing of it."""
    cluster.stop("n3")
    with open(os.path.join(cluster.database("n3").datadir, identity.FILE), "w", encoding="ascii") as file:
        file.write("of another one\n")
    cluster.start()

    assert cluster.run(60, lambda: cluster.synced() == ALL), cluster.journal
    assert "grastate.dat" not in cluster.database("n3").launches[-1].files


def test_a_generation_that_another_node_opened_since_stays_open(cluster):
    """n1's agent is killed after it has closed the generation of its bootstrap and before it has written that down, and
    then it cannot reach the cluster; an operator goes on with n2, which opens one of the same number."""
    cluster.stop("n2", "n3", "n1")
    cluster.database("n1").fails_late = FAILS
    before = cluster.pacemaker.properties["db-generation"]
    closed, answer = [], cluster.pacemaker.answer

    def answer_less(node, argv):
        if closed and node == "n1" and not cluster.synced():
            return Result(argv, 102, "", "", False)
        result = answer(node, argv)
        if not closed and node == "n1" and argv[0] == "crm_attribute" and (
                {"crm_config", "db-generation", "-v", before}.issubset(argv)):
            closed.append(argv)
            cluster["n1"].fail_at("killed", 0)
            cluster.order("n2", forced=True)  # the last report of n1 says that its server starts
        return result
    cluster.pacemaker.answer = answer_less
    cluster.start()
    assert cluster.run(120, lambda: closed and "n2" in cluster.synced()), cluster.journal
    cluster.database("n1").fails_late = None
    cluster.run(5)
    assert str(int(before) + 1) == cluster.pacemaker.properties["db-generation"], cluster.journal
    cluster.cleanup()

    assert cluster.run(120, lambda: cluster.synced() == ALL), cluster.journal
    cluster.run(15)
    assert [str(int(before) + 1)] * 3 == [cluster.pacemaker.permanent[name, "db-generation"] for name in ALL]


@pytest.mark.parametrize("serves", [False, True])
def test_a_transfer_that_failed_below_a_mount_point_makes_the_right_disk_no_other_one(cluster, serves):
    """Only where the node served from there meanwhile, it is another one."""
    cluster.stop("n3")
    n3 = cluster.database("n3")
    os.rename(n3.datadir, n3.datadir + ".disk")
    os.mkdir(n3.datadir)
    n3.transfer_stalls = not serves
    cluster.start()
    if serves:
        assert cluster.run(60, lambda: cluster.synced() == ALL), cluster.journal
    else:
        assert cluster.run(60, lambda: n3.server is not None and n3.server.child is not None), cluster.journal
        n3.server.end("WSREP: Process completed with error: wsrep_sst_rsync --role 'joiner': 255")
    cluster.stop("n3")
    n3.transfer_stalls = False
    shutil.rmtree(n3.datadir)
    os.rename(n3.datadir + ".disk", n3.datadir)
    cluster.start()

    assert cluster.run(60, lambda: cluster.synced() == ALL), cluster.journal
    assert serves == ("grastate.dat" not in n3.launches[-1].files)
    assert serves == any("wrong mount" in text for _, text in cluster["n3"].logged)
