# SPDX-License-Identifier: Apache-2.0
"""A seeded random campaign of faults against a real RabbitMQ cluster, with a client that publishes and consumes.

    scripts/faults --service rabbitmq [--seed N] [--faults 100] [--until HH:MM] [--only TEXT] [--name LAB]
                   [--suite SUITE] [--configuration seed[+NAME...]|NAME[+NAME...]] [--each 10]

The client publishes with confirms and consumes with acknowledgements, all the time. After each fault all brokers must
serve again as one cluster within the fault's limit, and at the end every confirmed message must have been delivered.
Ends with 0 only if nothing was wrong. It reports every broker that was launched twice for one fault, since it may have
been killed while it made progress.
"""

import random
import subprocess
import sys
import time

from lab import LabError
from lab.brokers import cluster
from lab.brokers.known import ALL, COMBINED, named
from lab.brokers.record import merged
from lab.campaigns import campaign, parts
from lab.faults import machine
from lab.faults.fault import wait_for
from lab.faults.rabbitmq import FAULTS, World, Wrong, join_brokers, pcs, power_all
from lab.programs.confirming import QUEUE
from lab.services import rabbitmq

PLAIN = "plain"
FOUR = "plain-4.0"    # of the suite that has RabbitMQ 4.0
MEMBERS_WITHIN = 60   # seconds until the client's quorum queue has three members again
MINORITY_WAIT = "10s"  # less than a partition of 45 s, so that the failure is tested as well


def configurations(words, seed, count, suite):
    """The configurations of the `count` parts of a campaign, a list. words: 'seed', then the seed chooses, one after
    the other, those of lab.brokers.known.COMBINED that three nodes of this suite can have, with those after 'seed+' in
    each part; or the names of those that all parts have. LabError if there is none of that name."""
    first, _plus, always = words.partition("+")
    if first != "seed":
        return [named(words)] * count
    always = [ALL[FOUR]] if suite == ALL[FOUR].suite and not always else [named(always)] if always else []
    known = [one for one in map(named, COMBINED) if one.suite == ALL[PLAIN].suite and one.count == 3
             and one.events and not one.troubles]
    source, found = random.Random("configurations %d" % seed), []
    while len(found) < count:
        found += source.sample(known, len(known))
    return [merged("+".join([one.name] + [other.name for other in always]), one, *always) if always else one
            for one in found[:count]]


class Campaign(parts.Campaign):
    """The cluster under test, its client, and the results so far."""

    title, prefix, faults, count, mercy = "scripts/faults --service rabbitmq", "faults-rabbitmq", FAULTS, 100, 120.0
    packages, log, each = "rabbitmq-server erlang-base", "tail -n 200 /var/log/rabbitmq/*.log /srv/mq/log/*.log", 10

    def __init__(self, lab, seed, say, output):
        parts.Campaign.__init__(self, lab, seed, say, output)
        self.world = World(lab, self.random, say)
        self.client, self.total, self.lines, self.lost, self.again = None, {}, [], 0, []

    @staticmethod
    def configurations(words, seed, count, suite):
        return configurations(words, seed, count, suite)

    def make(self, configuration):
        lab, began = self.lab, time.monotonic()
        cluster.set_up(lab, configuration, self.say, minority_wait=MINORITY_WAIT)
        lab.wait(lambda: cluster.whole(lab, configuration, lab.node_names), rabbitmq.LIMIT + 2 * configuration.slow,
                 "the brokers are not one cluster")
        self.say("whole after %.1f s" % (time.monotonic() - began))
        cluster.finish(lab, configuration)
        cluster.accounts(lab, configuration)
        self.world = World(lab, self.random, self.say, configuration, cluster.reach(lab, configuration))
        if self._furnished():
            rabbitmq.furnish(lab)

    def _furnished(self):
        """Whether the brokers hold the furniture: its program knows the usual port only."""
        configuration = self.world.configuration
        return not configuration.client and not configuration.node

    def begin_part(self, place):
        self.client = cluster.client(self.lab, self.world.configuration, place, keep=False)

    def end_part(self):
        if self.client is None:
            return
        gone, name = self._gone() if self._furnished() else [], self.world.configuration.name
        if gone:
            self.lines.append("- %s: of what was there before the first fault is gone: %s" % (name, "; ".join(gone)))
        try:
            figures, lost = self.client.stop()
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self.say("the client printed no figures: %s" % error)
            self.client.process.kill()
            self.lost += 1
            self.lines.append("- %s: the client printed no figures of confirmed messages" % name)
        else:
            for key, number in figures.items():
                self.total[key] = self.total.get(key, 0) + number
            self.lost += len(lost)
            if lost:
                self.lines.append("- %s: confirmed and never delivered: %s" % (name, lost[:20]))
        self.client = None

    def one(self, number, fault):
        with cluster.Launches(self.lab) as launches:
            done = parts.Campaign.one(self, number, fault._replace(limit=self.world.patience(fault.limit)))
        for node, pids in launches.more_than_one().items():
            self.again.append("- round %d, %s: the broker of %s was launched %d times" % (
                number, self.named(done.fault), node, len(pids)))
            self.say("   " + self.again[-1])
        return done

    def inject(self, fault, mistakes):
        try:
            return self.named(fault.inject(self.world))
        except Wrong as wrong:
            mistakes.append(str(wrong))
            return self.named(str(wrong))

    def await_whole(self, seconds):
        asked = time.monotonic()
        try:
            if self._whole():
                return asked
        except LabError:
            pass
        time.sleep(seconds)
        return None

    def owed(self, done):
        """The client's queue has three members. (Confirmed messages are checked at the end.)"""
        if done.took is not None and not wait_for(lambda: self._members() == len(self.lab.node_names),
                                                  MEMBERS_WITHIN, 1):
            done.mistakes.append("the quorum queue has %d members" % self._members())

    def _whole(self):
        """Whether all brokers serve, as one cluster, and Pacemaker has all instances started."""
        return (set(self.lab.node_names) <= set(self.world.serving()) and started(self.lab)
                and cluster.whole(self.lab, self.world.configuration, self.lab.node_names))

    def _members(self):
        """How many members the client's quorum queue has; 0 when no broker answers."""
        for node in self.lab.node_names:
            try:
                return rabbitmq.quorum_members(self.lab, node, QUEUE, cluster.name_of(self.world.configuration, node))
            except (LabError, ValueError, KeyError):
                pass
        return 0

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
        self.end_part()
        disks = sum(one.fault == "disk of one lost" for one in self.rounds)
        return campaign.Account("%s messages confirmed, %d of them lost, %s publishes failed, %s delivered again" % (
            self.total.get("confirmed", "?"), self.lost, self.total.get("failed", "?"), self.total.get("again", "?")),
            not self.lost, tuple(self.lines + self.again + ["", "Disks that were lost: %d." % disks]))

    def _gone(self):
        """What of the furniture is gone."""
        try:
            return rabbitmq.missing(self.lab)
        except (LabError, ValueError) as error:
            return ["the brokers did not answer: %s" % error]


def started(lab):
    """Whether Pacemaker has an instance started on every node, without a pending action."""
    status = lab.cluster_xml()
    mine = [one for one in (status.iter("resource") if status is not None else ())
            if one.get("id", "").split(":")[0] == rabbitmq.RESOURCE]
    return len([one for one in mine if one.get("role") == "Started" and not one.get("pending")]) == len(lab.node_names)


if __name__ == "__main__":
    sys.exit(campaign.main(Campaign, __doc__))
