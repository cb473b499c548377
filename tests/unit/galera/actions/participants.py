# SPDX-License-Identifier: Apache-2.0
"""A participant on a node that was killed, among others whose reports the test gives; and one with a database on a disk."""

import os

from quorate.galera.actions.participant import Participant
from quorate.galera.declaration import PARAMETERS
from quorate.galera.election.published import PublishedState as ClusterState
from quorate.galera.server.settings.layout import Layout
from quorate.host.state_files import StateFiles
from tests import fakes
from tests.unit.galera.election.reports import alive, crashed, snapshot_of

ME = "n2"
ADDRESS = "gcomm://n1,n2,n3"
UUID = "6d9b2f0c-9f5e-11ee-8c90-0242ac120002"
SERVER = "/bin/true"
TABLE = "---------\ndatadir   %s\nlog-error   %s/error.log\n"


class PublishedState:
    """What this node has published, and the reports of the others: one list a snapshot, the last one for ever."""

    def __init__(self, *reports_by_turn):
        self.reports_by_turn, self.own, self.withdrawn = list(reports_by_turn), None, False

    def own_generation(self):
        return 1

    def publish(self, report):
        self.own = report

    def set_status(self, sentence):
        pass

    def withdraw_self(self):
        self.withdrawn = True

    def snapshot(self, configured, names=None):
        others = self.reports_by_turn.pop(0) if len(self.reports_by_turn) > 1 else self.reports_by_turn[0]
        return snapshot_of(*others, self.own, me=ME)


class KilledNode(Participant):
    """The election on a node that was killed; no ports are asked."""

    def own_report(self):
        return crashed(ME, 5)

    def publish_state(self, state):
        self.published.publish(alive(ME, state))


def participant(tmp_path, *reports_by_turn):
    context = fakes.context(parameters=PARAMETERS, environ={"OCF_RESKEY_CRM_meta_on_node": ME},
                            wsrep_cluster_address=ADDRESS,
                            datadir=tmp_path / "data")
    published = PublishedState(*reports_by_turn)
    published.own = crashed(ME, 5)
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
    one = KilledNode(context, state_files, published)
    one.addresses = {}
    return one


class Node:
    """n1 with a database that was stopped cleanly, and a cluster that can be asked or not."""

    def __init__(self, root):
        self.datadir = str(root / "data")
        os.makedirs(self.datadir + "/mysql")
        self.write_grastate(42)
        self.state_files = StateFiles("galera", "db", str(root / "run"), str(root / "persistent"))
        self.attributes = fakes.FakeAttributes()

    def write_grastate(self, seqno):
        with open(self.datadir + "/grastate.dat", "w", encoding="ascii") as file:
            file.write("version: 2.1\nuuid:    %s\nseqno:   %d\nsafe_to_bootstrap: 0\n" % (UUID, seqno))

    def participant(self, action, interval=0):
        """interval: seconds between two such actions; 0: it is done once."""
        context = fakes.context(action, PARAMETERS, wsrep_cluster_address="gcomm://n1,n2", datadir=self.datadir,
                                binary=SERVER, user="root", group="root", environ={
                                    "OCF_RESOURCE_INSTANCE": "db", "OCF_RESKEY_CRM_meta_interval": str(interval * 1000)})
        context.commands.allow("crm_node", "-p", out="n1 n2\n")
        context.commands.allow(SERVER, "--user=root", ..., out=TABLE % (self.datadir, self.datadir))
        return Participant(context, self.state_files, ClusterState(context, self.state_files, self.attributes))

    def published(self):
        """The Report that the others read, or None."""
        return self.participant("monitor").published.reports().get("n1")


def layout(datadir):
    return Layout(SERVER, None, datadir, datadir + "/socket", datadir + "/pid", datadir + "/log", "root", "root",
                  None, None, None, None)
