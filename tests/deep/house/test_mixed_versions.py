# SPDX-License-Identifier: Apache-2.0
"""A node with an older version of the package and two with this one form one cluster, fail and come back; then the node
is upgraded while its server runs. The older version is built from this checkout's history: $QUORATE_OLD, a commit.
"""

import base64
import os
import subprocess

import pytest

from lab.faults import machine
from lab.faults.fault import wait_for
from lab.services import galera, rabbitmq
from tests import ROOT
from tests.lab.galera_cluster import LIMIT, assert_lost, assert_whole, serving
from tests.lab.rabbitmq_cluster import BEAM, assert_kept, furnished
from tests.packaged import package

OLD = os.environ.get("QUORATE_OLD", "2f49ab3")  # the last commit before modules moved into packages of packages


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """The older version's package, a path."""
    known = subprocess.run(["git", "cat-file", "-e", OLD + "^{commit}"], cwd=ROOT, stderr=subprocess.DEVNULL,
                           check=False)
    if known.returncode:
        pytest.skip("commit %s is not in this checkout's history; name one in QUORATE_OLD" % OLD)
    tree = tmp_path_factory.mktemp("old")
    subprocess.run("git archive %s | tar -x -C '%s' && make -s -C '%s' deb" % (OLD, tree, tree), shell=True, cwd=ROOT,
                   check=True, stdout=subprocess.DEVNULL)
    return str(tree / "build" / "quorate_0.1.0_all.deb")


def install(lab, node, path):
    with open(path, "rb") as file:
        text = base64.b64encode(file.read()).decode()
    lab.check(node, "base64 -d >/root/quorate.deb && dpkg -i /root/quorate.deb", 60, stdin=text)
    return {}


def version(lab, node):
    """Which of the two layouts is installed."""
    return "new" if lab.run(node, "test -d /usr/lib/python3/dist-packages/quorate/galera/election",
                            10).rc == 0 else "old"


def kill_all(lab, name):
    for node in lab.node_names:
        machine.kill(lab, node, name)


def upgraded(lab, node, name, new):
    """The server's pid before and after an upgrade in maintenance mode and the monitors that follow it."""
    before = lab.check(node, ["pidof", name])
    lab.check(node, ["pcs", "node", "maintenance", node, "--wait=30"], 60)
    install(lab, node, new)
    lab.check(node, ["pcs", "node", "unmaintenance", node, "--wait=30"], 60)
    lab.check(node, ["crm_resource", "--wait", "-T", "60"], 70)
    return before, lab.check(node, ["pidof", name])


def test_galera(old):
    with serving("tmixed", before=lambda lab: install(lab, "n1", old)) as world:
        lab = world.lab
        assert ["old", "new", "new"] == [version(lab, node) for node in lab.node_names]
        for _ in range(2):
            kill_all(lab, "mariadbd")
            assert_lost(world, lab.node_names)
            assert_whole(world)
        lab.power_cut(*lab.node_names, stay_off=True)
        assert_lost(world, lab.node_names)
        lab.power_on(*lab.node_names)
        assert_whole(world)
        for node in lab.node_names:
            explained = lab.check(node, ["quorate", "explain", galera.RESOURCE], 30)
            assert all(name in explained
                       for name in lab.node_names) and "?" not in explained.split("decision")[0], explained
        before, after = upgraded(lab, "n1", "mariadbd", package())
        assert (before, "new") == (after, version(lab, "n1"))
        assert_whole(world)
        assert "fail-count" not in lab.check("n1", ["crm_mon", "-1fr"])


def test_rabbitmq(old):
    with furnished("tmixedmq", "bookworm", before=lambda lab: install(lab, "n1", old)) as lab:
        assert ["old", "new", "new"] == [version(lab, node) for node in lab.node_names]
        kill_all(lab, BEAM)
        assert wait_for(lambda: not rabbitmq.serving(lab), 10, 0.05)
        rabbitmq.wait_whole(lab, timeout=LIMIT)
        lab.check("n1", ["pcs", "resource", "cleanup", rabbitmq.RESOURCE], 60)
        before, after = upgraded(lab, "n1", BEAM, package())
        assert (before, "new") == (after, version(lab, "n1"))
        rabbitmq.wait_whole(lab, timeout=LIMIT)
        assert_kept(lab)
        assert "fail-count" not in lab.check("n1", ["crm_mon", "-1fr"])
