# SPDX-License-Identifier: Apache-2.0
"""A configuration of RabbitMQ on trial: what happens to a cluster made with it, and whether what must hold held.

    trial = Trial(lab, configuration, print).run()
    trial.seconds        # {event: seconds until the cluster was whole again}
    trial.mistakes       # what was not as it must be; empty: all was

After every event each node's check must call its broker fit, and each broker see all others. No broker may be launched
twice for one event: that is one that was killed while it made progress. A client publishes with confirms to a quorum
queue all the time; in the end everything that was confirmed must be delivered.
"""

import os
import signal
import subprocess
import time

from lab import ROOT, LabError, quiet
from lab.brokers import cluster
from lab.configurations.cluster import shown, shows
from lab.faults.fault import wait_for
from lab.services import rabbitmq

LIMIT = 180.0    # seconds in which a cluster must be whole, and an expected text be seen
WATCHED = 35.0   # seconds for which a cluster that serves is watched
CLEANUP_MOST = 180.0  # seconds; it waits until the cluster is idle
LOGS = "tail -n 150 /var/log/rabbitmq/*.log /srv/mq/log/*.log 2>/dev/null"
CLONE = rabbitmq.RESOURCE + "-clone"


class Trial:
    """One configuration in one lab that is up and has no broker yet. patience: multiplies the limits."""

    def __init__(self, lab, configuration, say=quiet, patience=1.0):
        self.lab, self.configuration, self.say = lab, configuration, say
        self.limit = (LIMIT + 2 * configuration.slow) * patience
        self.seconds, self.mistakes, self.confirmed = {}, [], None
        self._client, self._whole_since = None, None

    # -- all of it

    def run(self, events=None):
        """Set up, then the events (default: the configuration's) and its troubles. Stops at the first after which the
        cluster is not whole."""
        ways = {"watch": self._watch, "kill of one": self._kill_one, "power cut of one": self._power_cut_one,
                "kill of all": self._kill_all, "power cut of all, one off": self._power_cut_all,
                "stop and start": self._stop}
        try:
            with cluster.Launches(self.lab) as launches:
                cluster.set_up(self.lab, self.configuration, self.say)
                self.whole("bootstrap")
            self._launched_once("bootstrap", launches)
            cluster.finish(self.lab, self.configuration)
            cluster.accounts(self.lab, self.configuration)
            self._client = cluster.client(self.lab, self.configuration)
            self.ask()
            for event in self.configuration.events if events is None else events:
                with cluster.Launches(self.lab) as launches:
                    ways[event](event)
                self._launched_once(event, launches)
            for trouble in self.configuration.troubles:
                self.trouble(trouble)
        except LabError as error:
            self._mistake(str(error))
        if self.mistakes:
            self.say("   evidence: %s" % self.evidence())
        self._account()
        return self

    def _mistake(self, text):
        self.say("   WRONG: " + text)
        self.mistakes.append(text)

    # -- what must hold

    def whole(self, event, nodes=None, began=None):
        """Wait until the nodes (default: all) are whole. LabError if they are not. began: since when it takes."""
        nodes, began = list(nodes or self.lab.node_names), began or time.monotonic()
        if not wait_for(lambda: cluster.whole(self.lab, self.configuration, nodes), self.limit, 1.0):
            raise LabError("%s: not whole after %.0f s: %s\n%s" % (
                event, time.monotonic() - began, cluster.verdicts(self.lab), shown(self.lab, nodes[0])))
        self.seconds[event], self._whole_since = time.monotonic() - began, time.monotonic()
        self.say("   %s: %.1f s" % (event, self.seconds[event]))

    def _launched_once(self, event, launches):
        if launches.more_than_one():
            self._mistake("%s: brokers were launched more than once: %s" % (event, launches.more_than_one()))

    def _account(self):
        """End the client; everything that was confirmed must have been delivered."""
        if self._client is None:
            return
        try:
            figures, lost = self._client.stop()
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self._client.process.kill()
            self._mistake("the client printed no figures of its messages: %s" % error)
            return
        self.confirmed = figures["confirmed"]
        self.say("   client: %s" % figures)
        if lost:
            self._mistake("%d of %d confirmed messages were never delivered: %s" % (
                len(lost), self.confirmed, lost[:20]))
        if not self.confirmed:
            self._mistake("no message was ever confirmed")

    def ask(self):
        """What is said of it while it serves: by the resident check of each node, with the management API, and by
        validate-all on the last one."""
        for node in self.lab.node_names:
            self.lab.check(node, ["systemctl", "restart", "quorate-rabbitmq-check.socket"])
        for node in self.lab.node_names:
            if not wait_for(lambda node=node: cluster.known(self.lab, node).get("alarms") == [], self.limit / 3, 0.5):
                self._mistake("rabbitmq-check on %s does not ask the management API: %s" % (
                    node, cluster.known(self.lab, node)))
        said = cluster.warnings(self.lab, node)
        wanted = [one % {"node": node} for one in self.configuration.warnings]
        for sentence in [one for one in said if not any(part in one for part in wanted)]:
            self._mistake("validate-all on %s says: %s" % (node, sentence))
        for part in [part for part in wanted if not any(part in one for one in said)]:
            self._mistake("validate-all on %s does not say '%s': %s" % (node, part, said))

    def _failures(self, event):
        failed = shown(self.lab, "n1").partition("Failed Resource Actions:")[2].strip()
        if failed:
            self._mistake("%s: %s" % (event, failed))

    # -- the events

    def _watch(self, event):
        """Nothing is restarted, and nothing failed or degraded, while it serves."""
        self.lab.check("n1", ["pcs", "resource", "cleanup", rabbitmq.RESOURCE], CLEANUP_MOST)
        before = {node: cluster.brokers(self.lab, node) for node in self.lab.node_names}
        time.sleep(max(0.0, self._whole_since + WATCHED - time.monotonic()))
        after = {node: cluster.brokers(self.lab, node) for node in self.lab.node_names}
        if after != before:
            self._mistake("%s: brokers were restarted: %s, then %s" % (event, before, after))
        self._failures(event)

    def _kill(self, nodes):
        """SIGKILL of the brokers of the nodes, and wait until they are gone."""
        victims = {node: cluster.brokers(self.lab, node) for node in nodes}
        for pid in [pid for pids in victims.values() for pid in pids]:
            os.kill(pid, signal.SIGKILL)
        if not wait_for(lambda: not any(victims[node] & cluster.brokers(self.lab, node) for node in nodes), 30, 0.05):
            raise LabError("the brokers of %s do not end" % " ".join(nodes))

    def _kill_one(self, event):
        others = [node for node in self.lab.node_names if node != "n2"]
        before, began = {node: cluster.brokers(self.lab, node) for node in others}, time.monotonic()
        self._kill(["n2"])
        self.whole(event, began=began)
        after = {node: cluster.brokers(self.lab, node) for node in others}
        if after != before:
            self._mistake("%s: others were restarted: %s, then %s" % (event, before, after))

    def _power_cut_one(self, event):
        self.lab.power_cut(self.lab.node_names[-1])
        began = time.monotonic()
        self.lab.wait_online()
        self.whole(event, began=began)

    def _kill_all(self, event):
        began = time.monotonic()
        self._kill(self.lab.node_names)
        self.whole(event, began=began)

    def _power_cut_all(self, event):
        """All lose their power and the last one stays off. The others wait for it and say so, or go on without it."""
        lab, off = self.lab, self.lab.node_names[-1]
        rest = lab.node_names[:-1]
        lab.power_cut(*lab.node_names, stay_off=True)
        lab.power_on(*rest)
        try:
            if self.configuration.goes_on:
                lab.wait_online(rest)
                self.whole(event + ": the rest", rest)
            elif self.configuration.waits:
                lab.wait_online(rest)
                self._waits(event, rest, off)
        finally:
            lab.power_on(off)
        began = time.monotonic()
        lab.wait_online()
        self.whole(event, began=began)

    def _waits(self, event, rest, off):
        """Each of the nodes that are left says that it waits, and none of them serves."""
        wanted = self.configuration.waits % {"off": off}

        def said():
            found = shown(self.lab, rest[0])
            return found.count(wanted) >= len(rest)

        if not wait_for(said, self.limit / 2, 1.0):
            self._mistake("%s: %s do not say '%s':\n%s" % (event, " ".join(rest), wanted, shown(self.lab, rest[0])))
        serving = [node for node in rest if self.lab.run(node, ["rabbitmq-check"], 30).rc == 0]
        if serving:
            self._mistake("%s: %s serve without %s" % (event, " ".join(serving), off))

    def _stop(self, event):
        self.lab.check("n1", ["pcs", "resource", "cleanup", rabbitmq.RESOURCE], CLEANUP_MOST)
        self.lab.check("n1", ["pcs", "resource", "disable", CLONE, "--wait=150"], 160)
        left = {node: pids for node, pids in ((node, cluster.brokers(self.lab, node))
                                              for node in self.lab.node_names) if pids}
        if left:
            self._mistake("%s: brokers still run: %s" % (event, left))
        self.lab.check("n1", ["pcs", "resource", "enable", CLONE])
        self.whole(event)
        self._failures(event)

    def trouble(self, trouble):
        """One trouble of the configuration's own: what is shown while it lasts, and that its end ends it."""
        lab, node = self.lab, trouble.node
        lab.check(node, trouble.spoil)
        if trouble.hit:
            self._kill([node] if trouble.hit == "one" else lab.node_names)
        if trouble.words:
            began = time.monotonic()
            shows(lab, trouble.words, self.limit)
            self.say("   %s: shown after %.1f s" % (trouble.what, time.monotonic() - began))
        if trouble.serving:
            self.whole(trouble.what, trouble.serving)
        if trouble.mend:
            lab.check(node, trouble.mend)
            lab.check("n1", ["pcs", "resource", "cleanup"], CLEANUP_MOST)
            self.whole(trouble.what + ", mended")

    def evidence(self):
        """The path of a file with what explains why something is wrong."""
        found = []
        for node in self.lab.node_names:
            for argv in (["quorate", "explain"], ["crm_mon", "-1Afr"], ["rabbitmq-check"],
                         "journalctl -b --no-pager | grep -v 'notice: Setting' | tail -500", LOGS):
                try:
                    done = self.lab.run(node, argv, 30)
                    found.append("== %s: %s\n%s%s" % (node, argv, done.out, done.err))
                except LabError as error:
                    found.append("== %s: %s\n%s" % (node, argv, error))
        directory = os.path.join(ROOT, "build", "brokers")
        os.makedirs(directory, exist_ok=True)
        path = os.path.join(directory, self.configuration.name + ".txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(self.mistakes + found))
        return path
