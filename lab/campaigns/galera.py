# SPDX-License-Identifier: Apache-2.0
"""A seeded random campaign of faults against a real Galera cluster, with clients that write to all three nodes.

    scripts/faults [--seed N] [--faults 200] [--until HH:MM] [--only TEXT] [--name LAB] [--here]

After each fault the cluster must be whole again within the fault's limit (every server says that it is synced), and
every acknowledged write must be on every node. There must never be two primary components, or two histories. Ends with
0 only if nothing was wrong.
"""

import os
import sys
import time

from lab import LabError
from lab.campaigns import campaign
from lab.faults import machine
from lab.faults.galera import FAULTS, World, reasons
from lab.services import galera
from lab.services.galera_watch import Watch, split, synced

SPLIT_MOST = 8  # seconds for which servers may disagree about the primary component while a view changes


class Campaign(campaign.Campaign):
    """The cluster under test, its clients, and the results so far."""

    title, prefix, faults, count, mercy = "scripts/faults", "faults", FAULTS, 200, 240.0
    packages, log = "corosync mariadb-server galera-4", "tail -80 /var/log/mysql/error.log"

    def __init__(self, lab, seed, say, output):
        campaign.Campaign.__init__(self, lab, seed, say, output)
        self.watch = Watch(lab, galera.USER, galera.password_file(lab),
                           open(os.path.join(output, "servers.jsonl"), "w"))
        self.clients = []
        for node in lab.nodes:
            directory = os.path.join(output, "client-" + node.name)
            os.makedirs(directory, exist_ok=True)
            self.clients.append(galera.Client(lab, directory, node.address, rate=10, workers=1))
        self.histories, self._counted = set(), 0
        self._split_since = None  # when more servers said to be primary than fit into one component, monotonic

    @staticmethod
    def set_up(lab, say):
        galera.prepare(lab)
        galera.create(lab, say=say)
        say("synced after %.1f s" % galera.wait_synced(lab))
        galera.users(lab)

    def start(self):
        for client in self.clients:
            client.__enter__()
        if self.watch.wait_until(self._synced, 120) is None:
            raise LabError("the cluster is not whole before the first fault")

    def _synced(self, observed):
        return synced(observed, self.lab.node_names)

    def inject(self, fault, mistakes):
        self._counted, self._split_since = len(self.watch.history), None
        return fault.inject(World(self.lab, self.watch, self.random, self.say, mistakes))

    def await_noticed(self):
        self.watch.wait_until(lambda observed: not self._synced(observed), 1.5)

    def await_whole(self, seconds):
        return time.monotonic() if self.watch.wait_until(self._synced, seconds) is not None else None

    def suspect(self, mistakes):
        """Two primary components at once."""
        two = split(self.watch.observed)
        self._split_since = (self._split_since or time.monotonic()) if two else None
        if self._split_since and time.monotonic() - self._split_since > SPLIT_MOST:
            mistakes.append("two primary components: %s" % two)
            self._split_since = None

    def why(self):
        return ": %s" % reasons(World(self.lab, self.watch, self.random, self.say, []))

    def owed(self, done):
        """There is one state UUID, for ever; and every acknowledged write is on every node."""
        for observation in self.watch.history[self._counted:]:
            if observation.status == "Primary" and observation.uuid:
                self.histories.add(observation.uuid)
        if len(self.histories) > 1:
            done.mistakes.append("more than one history: %s" % sorted(self.histories))
            self.histories = {self.watch.history[-1].uuid}
        written = set()
        for client in self.clients:
            written.update(galera.acknowledged(client.record))
        for node in self.lab.node_names:
            try:
                held = set(galera.sql(self.lab, node,
                                      "SET SESSION wsrep_sync_wait = 1; SELECT id FROM quorate_lab.ledger;",
                                      60).split())
            except LabError as error:
                self.say("   the rows of %s could not be read: %s" % (node, error))
                continue
            lost = written - held
            if lost:
                done.mistakes.append("%d acknowledged writes are not on %s, such as %s"
                                     % (len(lost), node, sorted(lost)[:3]))

    def ways(self):
        return (("power cut of all", self._power_cut),)

    def _power_cut(self):
        machine.undo_all(self.lab)
        self.lab.power_cut(*self.lab.node_names, stay_off=True)
        self.lab.power_on()

    def stop(self):
        total = {"acked": 0, "failed": 0, "unknown": 0}
        for client in self.clients:
            figures = client.stop()
            for key in total:
                total[key] += figures.get(key, 0)
        self.watch.close()
        return campaign.Account("%d writes acknowledged, %d failed, %d unknown" % (
            total["acked"], total["failed"], total["unknown"]))


if __name__ == "__main__":
    sys.exit(campaign.main(Campaign, __doc__))
