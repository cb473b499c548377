# SPDX-License-Identifier: Apache-2.0
"""A broker that systemd starts while the node's disk is not mounted, on a real cluster."""

import pytest

from lab.faults.fault import wait_for
from lab.services import rabbitmq
from tests.lab.output import eventually
from tests.lab.rabbitmq_cluster import LIMIT, furnished

DISK = "/srv/disk"
START = "systemctl start rabbitmq-server"


def on_its_disk(lab):
    """The data of n3 are on a file system of their own."""
    lab.check("n1", ["pcs", "resource", "ban", "mq-clone", "n3", "--wait=100"], 120)
    lab.check("n3", "mkdir -p %s && mv %s/* %s/ && chown rabbitmq:rabbitmq %s" % (DISK, rabbitmq.BASE, DISK, DISK))
    mount(lab)
    lab.check("n1", ["pcs", "resource", "clear", "mq-clone", "n3"])
    rabbitmq.wait_whole(lab, timeout=LIMIT)


def mount(lab):
    lab.check("n3", ["mount", "--bind", DISK, rabbitmq.BASE])


@pytest.fixture
def whole():
    with furnished("tbyhand", before=on_its_disk) as made:
        yield made


def test_a_broker_without_its_disk_is_stopped_and_its_node_comes_back_with_the_disk(whole):
    whole.check("n1", ["pcs", "resource", "ban", "mq-clone", "n3", "--wait=100"], 120)
    record = whole.check("n3", ["cat", rabbitmq.KEPT + "/served"])
    whole.check("n3", ["umount", rabbitmq.BASE])
    whole.check("n3", START, 120)
    assert wait_for(lambda: rabbitmq.running(whole, "n3") == ["n3"], LIMIT, 1), "it founds a cluster of its own"
    whole.check("n1", ["pcs", "resource", "clear", "mq-clone", "n3"])

    eventually(whole, "n1", ["pcs", "status", "--full"], "disk not mounted?",
               "systemctl disable rabbitmq-server; mount", "is a file system not mounted")
    assert wait_for(lambda: rabbitmq.serving(whole) == ["n1", "n2"], LIMIT, 0.5)
    assert rabbitmq.running(whole, "n1") == ["n1", "n2"] and rabbitmq.missing(whole) == []
    assert whole.check("n3", ["cat", rabbitmq.KEPT + "/served"]) == record
    assert "3 of 3" not in whole.check("n1", ["quorate", "explain", "mq"])

    whole.check("n3", "systemctl disable -q --now rabbitmq-server")
    mount(whole)
    rabbitmq.wait_whole(whole, timeout=LIMIT)
    assert rabbitmq.missing(whole) == [] and rabbitmq.quorum_members(whole, "n1") == 3


def test_the_others_boot_after_an_outage_although_it_runs(whole):
    """They would end with inconsistent_cluster, or be told to move their data away."""
    whole.check("n1", ["pcs", "resource", "ban", "mq-clone", "n3", "--wait=100"], 120)
    whole.check("n3", ["umount", rabbitmq.BASE])
    whole.check("n1", ["pcs", "resource", "clear", "mq-clone", "n3"])
    whole.power_cut("n1", "n2", stay_off=True)
    whole.run("n3", START, 120)
    assert wait_for(lambda: rabbitmq.serving(whole) == ["n3"], LIMIT, 0.5), rabbitmq.serving(whole)
    whole.power_on("n1", "n2")
    assert wait_for(lambda: rabbitmq.serving(whole) == ["n1", "n2"], 2 * LIMIT, 0.5), rabbitmq.serving(whole)
    whole.check("n3", "systemctl disable -q --now rabbitmq-server")
    mount(whole)
    rabbitmq.wait_whole(whole, timeout=LIMIT)
    assert rabbitmq.missing(whole) == []
