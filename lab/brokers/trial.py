# SPDX-License-Identifier: Apache-2.0
"""A configuration of RabbitMQ on trial: it forms one cluster, serves, is left alone while it serves, and survives a
kill of one, a power cut of one, and a stop and start.

    trial = Trial(lab, configuration, print).run()
    trial.mistakes       # what was not as it must be; empty: all was
"""

import json
import subprocess
import tempfile
import time

from lab import LabError, quiet
from lab.configurations.cluster import CERTIFICATES
from lab.faults import machine
from lab.faults.fault import wait_for
from lab.services import rabbitmq

CONF = "loopback_users = none\ncluster_partition_handling = pause_minority\n"
LIMIT = 180.0    # seconds in which a cluster must be whole
WATCHED = 60.0   # seconds for which a cluster that serves is watched
EVENTS = ("watch", "kill of one", "power cut of one", "stop and start")
TLS = "/etc/rabbitmq/tls"


class Trial:
    """One configuration in one lab that is up and has no broker yet."""

    def __init__(self, lab, configuration, say=quiet):
        self.lab, self.configuration, self.say = lab, configuration, say
        self.seconds, self.mistakes = {}, []

    def run(self, events=EVENTS):
        """Set up, then the events. Stops at the first after which the cluster is not whole."""
        try:
            self.set_up()
            self.whole("set up")
            self.with_credentials()
            self.ask()
            for event in events:
                {"watch": self.watch, "kill of one": self.kill, "power cut of one": self.power_cut,
                 "stop and start": self.stop}[event](event)
        except LabError as error:
            self.mistake(str(error))
        return self

    def mistake(self, text):
        self.say("   WRONG: " + text)
        self.mistakes.append(text)

    # -- set it up

    def set_up(self):
        """Write every node's files and create the resource."""
        lab, configuration = self.lab, self.configuration
        hosts = "".join("%s %s.lab.test %s\n" % (node.address, node.name, node.name) for node in lab.nodes)
        own = " ".join("-e ' %s$'" % node.name for node in lab.nodes)
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run(["sh", "-c", CERTIFICATES], cwd=directory, check=True, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for node in lab.nodes:
                lab.check(node.name, "grep -v %s /etc/hosts >/tmp/hosts; cat /tmp/hosts - >/etc/hosts" % own,
                          stdin=hosts)
                for name in ("ca.pem", "cert.pem", "key.pem"):
                    with open("%s/%s" % (directory, name), encoding="ascii") as file:
                        self._write(node.name, "%s/%s" % (TLS, name), file.read(), "rabbitmq")
        cookie = "LABCOOKIE%d" % time.time_ns()
        for node in lab.nodes:
            names = {"node": node.name, "number": node.number, "address": node.address}
            self._write(node.name, "/etc/rabbitmq/rabbitmq.conf", CONF + configuration.conf % names)
            self._write(node.name, "/etc/rabbitmq/rabbitmq-env.conf", configuration.env % names)
            self._write(node.name, "/etc/rabbitmq/enabled_plugins", "[%s].\n" % ",".join(configuration.plugins))
            self._write(node.name, rabbitmq.COOKIE, cookie, "rabbitmq", "400")
            for path, text in configuration.files.items():
                self._write(node.name, path, text % names)
            for command in configuration.before:
                lab.check(node.name, command % names)
        rabbitmq.create(lab, say=self.say, **configuration.parameters)

    def _write(self, node, path, text, owner="root", mode="644"):
        self.lab.check(node, "mkdir -p $(dirname %s) && install -o %s -g %s -m %s /dev/stdin %s" % (
            path, owner, owner, mode, path), stdin=text)

    def with_credentials(self):
        """An account for the monitor: from now on the management API is asked as well."""
        for words in (["add_user", "mon", "secret"], ["set_user_tags", "mon", "monitoring"],
                      ["set_permissions", "mon", "^$", "^$", "^$"]):
            self.lab.check("n1", self._ctl("n1") + ["-q"] + words, 60)
        for node in self.lab.node_names:
            self.lab.check(node, "mkdir -p /etc/quorate && "
                                 "install -m 640 -g rabbitmq /dev/stdin /etc/quorate/rabbitmq.cnf",
                           stdin="[client]\nuser = mon\npassword = secret\n" + self.configuration.credentials)

    # -- what must hold

    def whole(self, event, nodes=None):
        """Wait until each node's check calls its broker fit, and each broker sees all. LabError if they do not."""
        nodes, began = nodes or self.lab.node_names, time.monotonic()

        def fine():
            return all(self.lab.run(node, ["rabbitmq-check"], 30).rc == 0 and self.sees(node) == len(nodes)
                       for node in nodes)

        if not wait_for(fine, LIMIT, 1.0):
            raise LabError("%s: not whole: %s\n%s" % (
                event, {node: self.lab.run(node, ["rabbitmq-check"], 30).out.strip() for node in nodes}, self.shown()))
        self.seconds[event] = time.monotonic() - began
        self.say("   %s: %.1f s" % (event, self.seconds[event]))

    def sees(self, node):
        """How many brokers run according to that of a node; 0 when it does not answer."""
        try:
            return len(json.loads(self.lab.run(node, self._ctl(node) + ["cluster_status", "--formatter", "json"],
                                               40).out)["running_nodes"])
        except (ValueError, KeyError):
            return 0

    def _ctl(self, node):
        """The first words of rabbitmqctl on a node."""
        name = self.configuration.node % {"node": node}
        return ["rabbitmqctl"] + (["-n", name] if name else [])

    def shown(self):
        """What Pacemaker shows an operator."""
        return self.lab.run("n1", ["crm_mon", "-1Afr"], 30).out

    def processes(self):
        """{node: pid of its broker}."""
        return {node: self.lab.run(node, ["pgrep", "-f", "^[^ ]*beam.smp .*-s rabbit boot"]).out.split()
                for node in self.lab.node_names}

    def ask(self):
        """What is said of it while it serves: by the resident check, with the management API, and by validate-all."""
        for node in self.lab.node_names:
            self.lab.check(node, ["systemctl", "restart", "quorate-rabbitmq-check.socket"])
            if not wait_for(lambda node=node: self._known(node).get("alarms") == [], 30, 0.5):
                self.mistake("rabbitmq-check on %s does not ask the management API: %s" % (node, self._known(node)))
            done = self.lab.run(node, ["crm_resource", "--validate=10", "--resource", rabbitmq.RESOURCE], 60)
            lines = (done.out + done.err).splitlines()
            for sentence in [line.partition(" ")[2] for line in lines if line.startswith("WARNING: ")]:
                if not any(part in sentence for part in self.configuration.warnings):
                    self.mistake("validate-all on %s says: %s" % (node, sentence))

    def _known(self, node):
        """The facts of the resident check."""
        text = self.lab.run(node, ["curl", "-s", "http://127.0.0.1:9201/status"], 10).out
        try:
            return json.loads(text[text.index("{"):])["broker"]
        except (ValueError, KeyError):
            return {"said": text[:200]}

    # -- the events

    def watch(self, event):
        """Nothing is restarted, and nothing failed or degraded, while it serves."""
        self.lab.check("n1", ["pcs", "resource", "cleanup", rabbitmq.RESOURCE], 120)
        before = self.processes()
        wait_for(lambda: self.processes() != before, WATCHED, 2.0)
        if self.processes() != before:
            self.mistake("%s: brokers were restarted: %s, then %s" % (event, before, self.processes()))
        if "Failed Resource Actions" in self.shown():
            self.mistake("%s: %s" % (event, self.shown().partition("Failed Resource Actions:")[2].strip()))

    def kill(self, event):
        before = self.processes()
        machine.kill(self.lab, "n2", "beam.smp")
        wait_for(lambda: self.processes()["n2"] not in (before["n2"], []), LIMIT, 0.5)
        self.whole(event)
        after = self.processes()
        if any(after[node] != before[node] for node in ("n1", "n3")):
            self.mistake("%s: others were restarted: %s, then %s" % (event, before, after))

    def power_cut(self, event):
        self.lab.power_cut("n3")
        self.lab.wait_online()
        self.whole(event)

    def stop(self, event):
        clone = rabbitmq.RESOURCE + "-clone"
        self.lab.check("n1", ["pcs", "resource", "disable", clone, "--wait=150"], 160)
        left = {node: pids for node, pids in self.processes().items() if pids}
        if left:
            self.mistake("%s: brokers still run: %s" % (event, left))
        self.lab.check("n1", ["pcs", "resource", "enable", clone])
        self.whole(event)
