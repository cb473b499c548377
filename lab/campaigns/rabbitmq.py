# SPDX-License-Identifier: Apache-2.0
"""A seeded random campaign of faults against a real RabbitMQ cluster, with a client that publishes and consumes.

    scripts/faults --service rabbitmq [--seed N] [--faults 100] [--until HH:MM] [--only TEXT] [--name LAB]
                   [--suite SUITE]

The client publishes with confirms and consumes with acknowledgements, all the time. After each fault all brokers must
serve again as one cluster within the fault's limit, and at the end every confirmed message must have been delivered.
Ends with 0 only if nothing was wrong.
"""

import json
import os
import signal
import subprocess
import sys
import time

from lab import PROGRAMS, LabError, state
from lab.campaigns import campaign
from lab.faults import machine
from lab.faults.fault import wait_for
from lab.faults.rabbitmq import FAULTS, World, Wrong, join_brokers, pcs, power_all
from lab.programs.confirming import QUEUE
from lab.services import rabbitmq

CLIENT = os.path.join(PROGRAMS, "confirming.py")
MEMBERS_WITHIN = 60  # seconds until the client's quorum queue has three members again


class Client:
    """Runs lab/programs/confirming.py in the lab's network, with all nodes as its hosts. options: as written there."""

    def __init__(self, lab, directory=None, rate=20, hosts=None, options=None):
        self.directory = directory or os.path.join(state.directory(lab.name), "client")
        os.makedirs(self.directory, exist_ok=True)
        for name in ("confirmed", "received"):
            open(os.path.join(self.directory, name), "w").close()
        hosts = ",".join(hosts or [node.address for node in lab.nodes])
        argv = lab.client(["setpriv", "--pdeathsig", "KILL", "/usr/bin/python3", CLIENT, hosts, rabbitmq.USER,
                           rabbitmq.password_file(lab), self.directory, str(rate), json.dumps(options or {})])
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                        start_new_session=True)

    def numbers(self, name):
        """The numbers in one of its records. An incomplete last line does not count."""
        with open(os.path.join(self.directory, name), encoding="ascii") as file:
            return {int(line) for line in file if line.endswith("\n")}

    def stop(self):
        """End it; (its figures, the numbers of messages that were confirmed and never delivered)."""
        self.process.send_signal(signal.SIGTERM)
        out = self.process.communicate(timeout=180)[0]
        return json.loads(out), sorted(self.numbers("confirmed") - self.numbers("received"))


class Campaign(campaign.Campaign):
    """The cluster under test, its client, and the results so far."""

    title, prefix, faults, count, mercy = "scripts/faults --service rabbitmq", "faults-rabbitmq", FAULTS, 100, 120.0
    packages, log = "rabbitmq-server erlang-base", "tail -n 200 /var/log/rabbitmq/rabbit@*.log"

    def __init__(self, lab, seed, say, output):
        campaign.Campaign.__init__(self, lab, seed, say, output)
        self.world = World(lab, self.random, say)
        self.client = None

    @staticmethod
    def set_up(lab, say):
        rabbitmq.prepare(lab)
        rabbitmq.create(lab, say=say,
                        minority_wait="10s")  # less than a partition of 45 s, so that the failure is tested as well
        say("whole after %.1f s" % rabbitmq.wait_whole(lab))
        rabbitmq.furnish(lab)

    def start(self):
        self.client = Client(self.lab, os.path.join(self.output, "client"))

    def inject(self, fault, mistakes):
        try:
            return fault.inject(self.world)
        except Wrong as wrong:
            mistakes.append(str(wrong))
            return str(wrong)

    def await_whole(self, seconds):
        asked = time.monotonic()
        try:
            if whole(self.lab):
                return asked
        except LabError:
            pass
        time.sleep(seconds)
        return None

    def owed(self, done):
        """The client's queue has three members. (Confirmed messages are checked at the end.)"""
        if done.took is not None and not wait_for(lambda: members(self.lab) == len(self.lab.node_names), MEMBERS_WITHIN,
                                                  1):
            done.mistakes.append("the quorum queue has %d members" % members(self.lab))

    def ways(self):
        return (("undone, cleaned up", self._cleaned), ("power cut of all", lambda: power_all(self.world)),
                ("the operator's override", self._override))

    def _cleaned(self):
        """End every fault, standby and disable, and clean up failures."""
        machine.undo_all(self.lab)
        for node in self.lab.node_names:
            join_brokers(self.lab, node)
        for words in (["node", "unstandby", "--all"], ["resource", "enable", rabbitmq.RESOURCE + "-clone"],
                      ["resource", "cleanup", rabbitmq.RESOURCE]):
            pcs(self.world, *words)

    def _override(self):
        """Run the command that explain shows."""
        for node in self.lab.node_names:
            words = self.lab.run(node, ["quorate", "explain"], 30).out.partition("to go on: ")[2].splitlines()
            if words and words[0].startswith("quorate rabbitmq boot"):
                self.lab.check(node, words[0].split())
                return

    def stop(self):
        gone = self._gone()
        lines = ("", "Of the furniture from before the first fault (%d disks were lost since): %s." % (
            sum(one.fault == "disk of one lost" for one in self.rounds), "all is there" if not gone else "gone: "
            + "; ".join(gone)))
        try:
            figures, lost = self.client.stop()
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self.say("the client printed no figures: %s" % error)
            self.client.process.kill()
            return campaign.Account("the client printed no figures of confirmed messages", False, lines)
        if lost:
            lines += ("- confirmed and never delivered: %s" % lost[:20],)
        return campaign.Account("%s messages confirmed, %d of them lost, %s publishes failed, %s delivered again" % (
            figures.get("confirmed", "?"), len(lost), figures.get("failed", "?"), figures.get("again", "?")), not lost,
                                lines)

    def _gone(self):
        """What of the furniture is gone."""
        try:
            return rabbitmq.missing(self.lab)
        except (LabError, ValueError) as error:
            return ["the brokers did not answer: %s" % error]


def whole(lab):
    """Whether all brokers serve, as one cluster, and Pacemaker has all instances started."""
    return set(lab.node_names) <= set(rabbitmq.serving(lab)) and started(lab) and rabbitmq.one_cluster(lab)


def started(lab):
    """Whether Pacemaker has an instance started on every node, without a pending action."""
    status = lab.cluster_xml()
    mine = [one for one in (status.iter("resource") if status is not None else ())
            if one.get("id", "").split(":")[0] == rabbitmq.RESOURCE]
    return len([one for one in mine if one.get("role") == "Started" and not one.get("pending")]) == len(lab.node_names)


def members(lab):
    """How many members the client's quorum queue has; 0 when no broker answers."""
    for node in lab.node_names:
        try:
            return rabbitmq.quorum_members(lab, node, QUEUE)
        except (LabError, ValueError, KeyError):
            pass
    return 0


if __name__ == "__main__":
    sys.exit(campaign.main(Campaign, __doc__))
