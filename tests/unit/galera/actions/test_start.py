# SPDX-License-Identifier: Apache-2.0
"""A start that cannot tell the others what is on its disk is none that failed: somebody would have to clean up."""

import os

import pytest

from quorate.galera import facts
from quorate.galera.actions.participant import Participant
from quorate.galera.declaration import PARAMETERS
from quorate.galera.election.published import PublishedState
from quorate.host.state_files import StateFiles
from quorate.galera.server import disk
from quorate.galera.server.layout import Layout
from quorate.ocf import codes
from tests import fakes

UUID = "6d9b2f0c-9f5e-11ee-8c90-0242ac120002"
SERVER = "/bin/true"
TABLE = "---------\ndatadir   %s\nlog-error   %s/error.log\n"


class Node:
    """n1 with a database that was left cleanly, and a cluster that can be asked or not."""

    def __init__(self, home):
        self.datadir = str(home / "data")
        os.makedirs(self.datadir + "/mysql")
        with open(self.datadir + "/grastate.dat", "w", encoding="ascii") as file:
            file.write("version: 2.1\nuuid:    %s\nseqno:   42\nsafe_to_bootstrap: 0\n" % UUID)
        self.state_files = StateFiles("galera", "db", str(home / "run"), str(home / "lasting"))
        self.attributes = fakes.FakeAttributes()

    def participant(self, action):
        context = fakes.context(action, PARAMETERS, wsrep_cluster_address="gcomm://n1,n2", datadir=self.datadir,
                                binary=SERVER, user="root", group="root", environ={"OCF_RESOURCE_INSTANCE": "db"})
        context.commands.allow("crm_node", "-p", out="n1 n2\n")
        context.commands.allow(SERVER, "--user=root", ..., out=TABLE % (self.datadir, self.datadir))
        return Participant(context, self.state_files, PublishedState(context, self.state_files, self.attributes))

    def told(self):
        """The Report that the others read, or None."""
        participant = self.participant("monitor")
        return participant.published.reports().get("n1")


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


def layout(datadir):
    return Layout(SERVER, None, datadir, datadir + "/socket", datadir + "/pid", datadir + "/log", "root", "root",
                  None, None, None, None)


def test_a_start_tells_what_is_on_the_disk(node):
    node.participant("start").begin(layout(node.datadir))

    assert (facts.DOWN, UUID, 42) == node.told()[1:4]


def test_what_start_cannot_tell_the_next_monitor_tells(node):
    """Seen on a busy machine: a node without a report, for which all others waited until somebody typed a cleanup."""
    node.attributes.unavailable = "The cluster did not answer attrd_updater in time."
    participant = node.participant("start")
    participant.begin(layout(node.datadir))
    assert any("later" in text for _, text in participant.context.log.lines)
    node.attributes.unavailable = None
    assert node.told() is None

    assert codes.SUCCESS == node.participant("monitor").wait().code
    assert (facts.DOWN, UUID, 42) == node.told()[1:4]

    node.participant("monitor").wait()
    assert 1 == len([name for name, _, _ in node.attributes.writes if name == "db-report"])


def test_a_report_that_the_cluster_lost_is_told_again(node):
    node.participant("start").begin(layout(node.datadir))
    node.attributes.shared["transient"].clear()  # pacemaker-attrd was started anew

    node.participant("monitor").wait()

    assert (facts.DOWN, UUID, 42) == node.told()[1:4]


def test_a_recovery_of_the_position_leaves_time_to_tell_of_it(node):
    """InnoDB had more log to apply than start had time: nothing could be said any more, and the start failed."""
    with open(node.datadir + "/grastate.dat", "w", encoding="ascii") as file:
        file.write("version: 2.1\nuuid:    %s\nseqno:   -1\nsafe_to_bootstrap: 0\n" % UUID)
    participant = node.participant("start")
    participant.context.commands.allow(SERVER, "--datadir=" + node.datadir, ..., takes=disk.RECOVER_MOST * 2)

    participant.begin(layout(node.datadir))

    assert (facts.DOWN, None, None) == node.told()[1:4]
    assert not node.state_files.has("untold")
