# SPDX-License-Identifier: Apache-2.0
"""A configuration on trial: what happens to a cluster made with it, and whether what must hold held.

    trial = Trial(lab, configuration, print)
    trial.run()          # set up, the configuration's events, and its own troubles
    trial.seconds        # {event: seconds until all were synced again}
    trial.mistakes       # what was not as it must be; empty: all was

After every event all nodes that hold data must be synced in one primary component with the state UUID of the beginning,
and must have every row that was committed before it. Nodes are only fenced where an event says so.
"""

import os
import random
import time

from lab import ROOT, LabError, quiet, state
from lab.configurations import cluster
from lab.faults import machine
from lab.faults.fault import wait_for
from lab.faults.galera import World, kill, reasons, transferring
from lab.services import galera

CLEANUP_MOST = 180.0  # seconds; it waits until the cluster is idle
HELD = """SET SESSION wsrep_sync_wait = 1;
SELECT id FROM quorate_lab.ledger;
SELECT CONCAT('uuid ', VARIABLE_VALUE) FROM information_schema.GLOBAL_STATUS
WHERE VARIABLE_NAME = 'wsrep_cluster_state_uuid';
"""


class Trial:
    """One configuration in one lab that is up and has no database yet."""

    def __init__(self, lab, configuration, say=quiet):
        self.lab, self.configuration, self.say = lab, configuration, say
        self.data = cluster.data_nodes(lab, configuration)
        self.seconds, self.mistakes = {}, []
        self._rows, self._history = [], None

    # -- all of it

    def run(self):
        """Set up, then its events and troubles. Stops at the first after which the cluster is not whole."""
        try:
            self.seconds["bootstrap"] = cluster.set_up(self.lab, self.configuration, self.say)
            self._after("bootstrap")
            self.ask()
            for event in self.configuration.events:
                self.event(event)
            for trouble in self.configuration.troubles:
                self.trouble(trouble)
        except LabError as error:
            self._mistake(str(error))
        if self.mistakes:
            self.say("   evidence: %s" % self.evidence())
        return self

    def event(self, name):
        """One of record.EVENTS."""
        {"kill of all": self._kill, "power cut of all, one off": self._power_cut,
         "stop and start": self._stop}[name](name)

    # -- what must hold

    def _mistake(self, text):
        self.say("   WRONG: " + text)
        self.mistakes.append(text)

    def _whole(self, event, nodes=None):
        """Wait until the nodes are synced; seconds. LabError if they are not."""
        try:
            return galera.wait_synced(self.lab, nodes or self.data, cluster.WHOLE)
        except LabError as error:
            raise LabError("%s: %s" % (event, error)) from None

    def _after(self, event, nodes=None):
        """What must hold once the nodes are whole, then one more row."""
        nodes = nodes or self.data
        for node in nodes:
            lines = galera.sql(self.lab, node, HELD).splitlines()
            lost = set(self._rows) - set(lines)
            if lost:
                self._mistake("%s: %s lacks %s" % (event, node, sorted(lost)))
            history = [line for line in lines if line.startswith("uuid ")]
            self._history = self._history or history
            if history != self._history:
                self._mistake("%s: %s has the history %s, not %s" % (event, node, history, self._history))
        row = "row-%d" % (len(self._rows) + 1)
        galera.sql(self.lab, nodes[len(self._rows) % len(nodes)],
                   "SET autocommit = 0; INSERT INTO quorate_lab.ledger VALUES ('%s', 0); COMMIT" % row)
        self._rows.append(row)
        if event in self.seconds:
            self.say("   %s: %.1f s" % (event, self.seconds[event]))

    def _fencings(self):
        with open(os.path.join(state.directory(self.lab.name), "power.log"), encoding="utf-8") as file:
            return file.read().count("by the cluster")

    def ask(self):
        """What the cluster says of itself while it serves: warnings of validate-all, failures, and the checks."""
        for node in self.data:
            said = cluster.warnings(self.lab, node)
            names = {"node": node}
            for wanted in self.configuration.warnings:
                if not any(wanted % names in one for one in said):
                    self._mistake("validate-all on %s does not say '%s': %s" % (node, wanted % names, said))
            more = [one for one in said if not any(w % names in one for w in self.configuration.warnings)]
            if more:
                self._mistake("validate-all on %s says more: %s" % (node, more))
            done = self.lab.run(node, ["galera-check"])
            if (done.rc == 0) != self.configuration.fit:
                self._mistake("galera-check on %s ends with %s: %s" % (node, done.rc, (done.out + done.err).strip()))
        self._failures("bootstrap")
        for node in self.data:
            self.lab.check(node, ["systemctl", "start", "quorate-galera-check.socket"])
        seen = []

        def agreed():
            seen.append(cluster.writers(self.lab))
            return len(seen[-1]) == self.configuration.writers and (self.configuration.writers or len(seen) > 20)

        if not wait_for(agreed, 30) or max(map(len, seen)) > 1:
            self._mistake("/writer is answered with 200 by %s" % seen[-3:])

    def _failures(self, event):
        """No failure is shown but those that may be."""
        failed = cluster.shown(self.lab, self.data[0]).partition("Failed Resource Actions:")[2].strip().splitlines()
        wrong = [line.strip() for line in failed if not any(part in line for part in self.configuration.failures)]
        if wrong:
            self._mistake("%s: %s" % (event, "; ".join(wrong)))

    # -- the events

    def _kill(self, event):
        before = self._fencings()
        self._kill_all()
        self.seconds[event] = self._whole(event)
        self._after(event)
        if self._fencings() != before:
            self._mistake("%s: a node was fenced" % event)

    def _kill_all(self):
        for node in self.data:
            kill(self.lab, node)
        self._gone(self.data)

    def _gone(self, nodes):
        """Wait until the servers do not answer: until then they may look whole."""
        def gone():
            found = galera.ask_all(self.lab)
            return all(found[node].state in ("down", "off", "non-primary") for node in nodes)

        if not wait_for(gone, cluster.WHOLE, 0.1):
            raise LabError("the servers of %s do not end" % " ".join(nodes))

    def _power_cut(self, event):
        """All lose their power and the last one stays off: the others wait for it and say so; then it comes back."""
        lab, off = self.lab, self.data[-1]
        lab.power_cut(*lab.node_names, stay_off=True)
        rest = [node for node in lab.node_names if node != off]
        lab.power_on(*rest)
        wanted = self.configuration.waits % {"off": off}
        if wanted:
            lab.wait_online(rest)
            world = World(lab, None, random.Random(0), self.say, [])
            if not wait_for(lambda: all(wanted in reasons(world).get(node, "") for node in rest if node in self.data),
                            cluster.WHOLE):
                self._mistake("%s: %s do not say that they wait for %s: %s"
                              % (event, " ".join(rest), wanted, reasons(world)))
            primary = [node for node, one in galera.ask_all(lab).items() if one.size]
            if primary:
                self._mistake("%s: a primary component without %s: %s" % (event, off, primary))
        lab.power_on(off)
        self.seconds[event] = self._whole(event)
        self._after(event)

    def _stop(self, event):
        before = self._fencings()
        resource, first = galera.RESOURCE + "-clone", self.lab.node_names[0]
        self.lab.check(first, ["pcs", "resource", "cleanup"], CLEANUP_MOST)
        self.lab.check(first, ["pcs", "resource", "disable", resource, "--wait=120"], 130)
        self._gone(self.data)
        self.lab.check(first, ["pcs", "resource", "enable", resource])
        self.seconds[event] = self._whole(event)
        self._after(event)
        self._failures(event)
        if self._fencings() != before:
            self._mistake("%s: a node was fenced" % event)

    def trouble(self, trouble):
        """One trouble of the configuration's own: what is seen while it lasts, and that its end ends it."""
        lab, node, before = self.lab, trouble.node, self._fencings()
        first, resource = lab.node_names[0], galera.RESOURCE + "-clone"
        if trouble.hit == "stop":
            lab.check(first, ["pcs", "resource", "disable", resource, "--wait=120"], 130)
        lab.check(node, trouble.spoil)
        self._hit(trouble)
        began = time.monotonic()
        if trouble.words:
            cluster.shows(lab, trouble.words)
        if trouble.serving:
            self._whole(trouble.what, trouble.serving)
            self.seconds[trouble.what] = time.monotonic() - began
            self._after(trouble.what, list(trouble.serving))
        if trouble.mend:
            began = time.monotonic()
            lab.check(node, trouble.mend)
            lab.check(first, ["pcs", "resource", "cleanup"], CLEANUP_MOST)
        self._whole(trouble.what + ", mended")
        if trouble.mend or not trouble.serving:
            self.seconds[trouble.what + ", mended" * bool(trouble.mend)] = time.monotonic() - began
            self._after(trouble.what + ", mended" * bool(trouble.mend))
        if self._fencings() != before:
            self._mistake("%s: a node was fenced" % trouble.what)

    def _hit(self, trouble):
        lab, node = self.lab, trouble.node
        if trouble.hit == "one" or trouble.hit in lab.node_names:
            victim = node if trouble.hit == "one" else trouble.hit
            kill(lab, victim)
            self._gone([victim])
        if trouble.hit == "all":
            self._kill_all()
        if trouble.hit == "stop":
            lab.check(lab.node_names[0], ["pcs", "resource", "enable", galera.RESOURCE + "-clone"])
        if trouble.hit == "joiner":
            directory = self.configuration.settings.get("datadir") or "/var/lib/mysql"
            lab.run(node, "kill -KILL $(pidof mariadbd); sleep 0.3; rm -rf %s/* %s/.sst" % (directory, directory))
            if not wait_for(lambda: transferring(lab, node), cluster.WHOLE, 0.05):
                raise LabError("%s: the state transfer was not seen" % trouble.what)
            machine.kill(lab, node, "mariadbd")

    def evidence(self):
        """The path of a file with what explains why the cluster is not whole."""
        found = []
        for node in self.lab.node_names:
            for argv in (["quorate", "explain"], ["crm_mon", "-1Afr"],
                         "journalctl -b --no-pager | grep -v 'notice: Setting' | tail -400", galera.LOGS):
                try:
                    done = self.lab.run(node, argv, 30)
                    found.append("== %s: %s\n%s%s" % (node, argv, done.out, done.err))
                except LabError as error:
                    found.append("== %s: %s\n%s" % (node, argv, error))
        directory = os.path.join(ROOT, "build", "configurations")
        os.makedirs(directory, exist_ok=True)
        path = os.path.join(directory, self.configuration.name + ".txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(found))
        return path
