# SPDX-License-Identifier: Apache-2.0
"""A configuration of OpenStack's services on trial: they start, are healthy at each depth, and survive SIGKILL of their
main processes, a stop while workers are frozen, a move, and a power cut of their node.

    trial = Trial(lab, configuration, print).run()
    trial.seconds        # {event: seconds until all was well again}
    trial.mistakes       # what was not as it must be; empty: all was

All the time it is read from the kernel which service runs where: never on two nodes, and never on one where the cluster
has taken it for stopped.
"""

import os
import shlex
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from lab import ROOT, LabError, quiet, state
from lab.controllers import surroundings
from lab.controllers.record import after_stop
from lab.faults.fault import wait_for
from lab.services import galera, rabbitmq
from lab.services.openstack import deployment
from lab.services.openstack.watch import Watch

DELAY = "pcmk_delay_base"  # said of the lab's two nodes, whose fencing has no delay
LIMIT = 180.0    # seconds in which all must be well
WATCHED = 12.0   # seconds for which services that are well are watched
STOP = 20        # seconds that a stop may take: Pacemaker's default
DEPTHS = (0, 10, 20)
COPIES = 30.0    # seconds in which the cluster has to end a copy that systemd has started


class Trial:
    """One configuration in one lab with database, broker and APIs, in which none of the services has a resource."""

    def __init__(self, lab, configuration, say=quiet):
        self.lab, self.configuration, self.say = lab, configuration, say
        self.services, self.seconds, self.mistakes = configuration.services, {}, []
        self.spoiled = False  # whether the lab is not fit for another one
        self.hosts = [node.name for node in surroundings.hosts(lab)]
        self.began, self.cut, self.volume, self.watch = time.time(), None, None, None

    # -- all of it

    def run(self):
        """Set up, then the events. Stops at the first after which not all is well."""
        self.watch = Watch(self.lab, self.services)
        try:
            self.set_up()
            self.ask()
            self.left_alone()
            for event in self.configuration.events:
                fenced, known = self.fencings(), self.failures()
                {"kill of all": self.kill, "stop with frozen workers": self.stop, "move": self.move,
                 "power cut": self.power_cut}[event](event)
                if self.fencings() != fenced + (event == "power cut"):
                    self.mistake("%s: fenced %d times" % (event, self.fencings() - fenced))
                if event == "move" and self.failures() - known:
                    self.mistake("%s: %s" % (event, "; ".join(sorted(self.failures() - known))))
            self.manage()
        except LabError as error:
            self.mistake(str(error))
            self.spoiled = True
        try:
            self.judge()
            if self.mistakes:
                self.say("   evidence: %s" % self.evidence())
            self.remove()
        except LabError as error:
            self.mistake(str(error))
            self.spoiled = True
        finally:
            self.watch.close()
        return self

    def mistake(self, text):
        self.say("   WRONG: " + text)
        self.mistakes.append(text)

    # -- set up, and away again

    def set_up(self):
        """Write the configuration and create the resources, as docs/openstack.md says."""
        surroundings.write(self.lab, self.configuration)
        self._change(self._commands())
        self.well("set up")
        if self.failures():
            self.mistake("set up: %s" % "; ".join(sorted(self.failures())))
        if self.configuration.manages and "cinder-volume" in self.services:
            user = deployment.rest(self.lab)
            self.volume = user.create_volume("of " + self.configuration.name)
            user.await_volume(self.volume, "available")

    def _commands(self):
        """The pcs commands that create the resources, each a list without `pcs`."""
        found = []
        for argv in deployment.create_commands(self.lab, "nova-consoleauth" in self.services):
            words = argv[1:]
            name = words[2] if words[:2] == ["resource", "create"] else None
            if name in self.services:
                end = words.index("--group") if "--group" in words else len(words)
                known = [word.partition("=")[0] for word in words]
                given = self.configuration.parameters.get(name, {})
                words[end:end] = ["%s=%s" % pair for pair in given.items() if pair[0] not in known]
                end = words.index("--group") if "--group" in words else len(words)
                words[end:end] = ["op", "stop", "timeout=%d" % STOP]
            if name in self.services or words[:2] == ["resource", "defaults"] or any(
                    word in self.services + ("console",) for word in words[1:] if name is None):
                found.append(words)
        return found

    def _change(self, commands):
        """Run pcs commands on a copy of the cluster's configuration, and take that."""
        copy = "/root/configuration.xml"
        lines = ["set -e", "rm -f " + copy, "pcs cluster cib " + copy]
        lines += [shlex.join(["pcs", "-f", copy] + words) for words in commands]
        self.lab.check(self.lab.node_names[0], "\n".join(lines + ["pcs cluster cib-push %s --config" % copy]), LIMIT)

    def remove(self):
        """Delete the resources, and put the nodes' files back."""
        lab, first = self.lab, self.lab.node_names[0]
        lab.wait_online(timeout=LIMIT)
        lab.run(first, ["pcs", "resource", "disable"] + list(self.services) + ["--wait=120"], 130)
        self._change(["resource", "delete", name] for name in self.services)
        if not wait_for(lambda: not any(self.running().values()), 30):
            raise LabError("deleted, and yet there are processes: %s" % self.running())
        surroundings.restore(lab)
        if self.configuration.seconds:  # rows of engines that are gone stay, and lie in the future
            galera.sql(lab, galera.any_synced(lab), "DELETE FROM heat.service;")

    # -- what must hold

    def running(self):
        """{service: {node: number of processes}}, read now."""
        found = {}
        for service in self.services:
            there = {node: len(self.watch.processes(node, service)) for node in self.hosts}
            found[service] = {node: number for node, number in there.items() if number}
        return found

    def node(self, service):
        """The node on which a service runs. LabError if it runs nowhere."""
        for node in self.running()[service]:
            return node
        raise LabError("%s runs nowhere" % service)

    def act(self, service, node, level):
        """The agent's monitor of a level, as Pacemaker would call it."""
        given = dict(self.configuration.parameters.get(service, {}))
        environment = {"OCF_ROOT": "/usr/lib/ocf", "OCF_RESOURCE_INSTANCE": service, "OCF_CHECK_LEVEL": str(level),
                       "OCF_RESKEY_CRM_meta_timeout": "30000", "OCF_RESKEY_CRM_meta_interval": "10000",
                       "OCF_RESOURCE_TYPE": service, "OCF_RESOURCE_PROVIDER": "quorate"}
        environment.update({"OCF_RESKEY_" + name: value for name, value in given.items()})
        return self.lab.run(node, ["/usr/lib/ocf/resource.d/quorate/" + service, "monitor"], 40, env=environment)

    def well(self, event, there=None):
        """Wait until every service is started on one node (there: on that one), and healthy at each depth. LabError if
        not in time."""
        began, said = time.monotonic(), {}

        def is_well():
            at = deployment.where(self.lab)
            if not set(self.services) <= set(at) or there and {at[name] for name in self.services} != {there}:
                return False
            for name in self.services:
                for level in DEPTHS if event == "set up" else DEPTHS[-1:]:
                    done = self.act(name, at[name], level)
                    said[name] = "level %d: %s %s" % (level, done.rc, done.err.strip().rpartition("\n")[2][-300:])
                    if done.rc != 0:
                        return False
                said.pop(name, None)
            return True

        if not wait_for(is_well, LIMIT, 1.0):
            raise LabError("%s: not well after %d s: %s; %s; %s" % (
                event, LIMIT, deployment.where(self.lab), said, "; ".join(sorted(self.failures()))))
        self.seconds[event] = time.monotonic() - began
        self.say("   %s: %.1f s" % (event, self.seconds[event]))

    def failures(self):
        """What Pacemaker shows as failed or degraded, a set of texts."""
        status = self.lab.cluster_xml()
        return {"%s on %s: %s %s" % (one.get("op_key"), one.get("node"), one.get("exitstatus"), one.get("exitreason"))
                for one in (status.iter("failure") if status is not None else ())
                if one.get("op_key", "").startswith(self.services)}

    def fencings(self):
        with open(os.path.join(state.directory(self.lab.name), "power.log"), encoding="utf-8") as file:
            return file.read().count("by the cluster")

    def parents(self):
        """{service: pid on this machine of its main process}."""
        found = {}
        for name in self.services:
            there = {}
            for node in self.hosts:
                there.update(self.watch.processes(node, name))
            found[name] = next((pid for pid, parent in there.items() if parent not in there), None)
        return found

    def ask(self):
        """What validate-all says on every node."""
        def one(place):
            done = self.lab.run(place[0], ["crm_resource", "--validate=10", "--resource", place[1]], 60)
            lines = (done.out + done.err).splitlines()
            said = [line.partition(" ")[2] for line in lines if line.startswith("WARNING: ")]
            return said + ([] if done.rc == 0 else ["code %s: %s" % (done.rc, " ".join(lines[-3:]))])

        places = [(node, name) for node in self.hosts for name in self.services]
        with ThreadPoolExecutor() as pool:
            for (node, name), said in zip(places, pool.map(one, places)):
                for sentence in said:
                    if not any(part in sentence for part in self.configuration.warnings + (DELAY,)):
                        self.mistake("validate-all of %s on %s says: %s" % (name, node, sentence))

    def left_alone(self):
        """Nothing is restarted, and nothing failed or degraded, while all is well."""
        before = self.parents()
        wait_for(lambda: self.parents() != before, WATCHED, 2.0)
        if self.parents() != before:
            self.mistake("left alone: restarted: %s, then %s" % (before, self.parents()))

    def judge(self):
        """Copies, and stops that did not tell the truth, during the whole trial."""
        begun = self.watch.doubles[0][0] if self.watch.doubles else None
        if begun is not None and not self.configuration.copies:
            self.mistake("on two nodes at once: %s" % self.watch.doubles[:3])
        for node in self.hosts:
            text = self.lab.run(node, "journalctl --no-pager -o short-unix --since @%d -t pacemaker-controld"
                                % self.began, 60).out
            for service in self.services:
                stops = _seconds(text, "Result of stop operation for %s on %s: ok" % (service, node))
                starts = _seconds(text, "operation for %s on %s" % (service, node), "start")
                seen = list(self.watch.changes)
                if self.configuration.copies and self.cut:  # systemd starts it when the node boots
                    seen = [one for one in seen if one[0] < self.cut]
                    stops = [at for at in stops if at < self.cut - 1]
                for at in after_stop(stops, starts, seen, node, service):
                    self.mistake("%s ran on %s after its stop had ended (%.1f)" % (service, node, at))

    # -- the events

    def kill(self, event):
        before = self.parents()
        for pid in before.values():
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
        if not wait_for(lambda: all(pid not in (None, before[name]) for name, pid in self.parents().items()), LIMIT):
            raise LabError("%s: not started again: %s" % (event, self.running()))
        self.well(event)

    def stop(self, event):
        """With one worker of each stopped by a signal: the cluster's stop ends within Pacemaker's default."""
        lab, first = self.lab, self.lab.node_names[0]
        for name in self.services:
            there = self.watch.processes(self.node(name), name)
            os.kill(next((pid for pid, parent in there.items() if parent in there), next(iter(there))), signal.SIGSTOP)
        began = time.monotonic()
        lab.check(first, ["pcs", "resource", "disable"] + list(self.services) + ["--wait=120"], 130)
        left = {name: nodes for name, nodes in self.running().items() if nodes}
        if left:
            self.mistake("%s: they still run: %s" % (event, left))
        self.say("   stopped after %.1f s" % (time.monotonic() - began))
        lab.check(first, ["pcs", "resource", "enable"] + list(self.services))
        self.well(event)

    def move(self, event):
        lab, first = self.lab, self.lab.node_names[0]
        source = self.node(self.services[0])
        target = next(node for node in self.hosts if node != source)
        names = [name for name in self.services if "nova-consoleauth" not in self.services] or ["console"]
        for name in names:
            lab.check(first, ["crm_resource", "--move", "--resource", name, "--node", target], 60)
        self.well(event, target)
        for name in names:
            lab.check(first, ["crm_resource", "--clear", "--resource", name], 60)

    def power_cut(self, event):
        lab = self.lab
        wait_for(lambda: galera.synced(lab) and set(rabbitmq.serving(lab)) == set(lab.node_names), LIMIT)
        node = self.node(self.services[0])
        self.cut = time.time()
        lab.power_cut(node)
        self.well(event, next(one for one in self.hosts if one != node))
        lab.wait_online(timeout=LIMIT)
        if not wait_for(lambda: galera.synced(lab) and set(rabbitmq.serving(lab)) == set(lab.node_names), LIMIT, 1.0):
            raise LabError("%s: database and broker are not whole again" % event)
        if self.configuration.copies and not wait_for(lambda: all(len(nodes) == 1 for nodes in self.running().values()),
                                                      COPIES, 0.5):
            raise LabError("%s: two copies for more than %d s: %s" % (event, COPIES, self.running()))
        self.well(event + ", node back")

    def manage(self):
        """A snapshot of the volume that was made before everything: only the backend that has it can make one."""
        if self.volume is None:
            return
        user = deployment.rest(self.lab)
        snapshot = user.snapshot(self.volume)
        user.await_volume(snapshot, "available", 60, "snapshot")

    def evidence(self):
        """The path of a file with what explains what was wrong."""
        found = []
        for node in self.lab.node_names:
            for argv in (["crm_mon", "-1Afr"], ["quorate", "explain"],
                         "journalctl --no-pager --since @%d | grep -v 'notice: Setting' | tail -600" % self.began,
                         "tail -n 60 /var/log/cinder/*.log /var/log/heat/*.log /var/log/nova/*.log"):
                try:
                    done = self.lab.run(node, argv, 30)
                    found.append("== %s: %s\n%s%s" % (node, argv, done.out, done.err))
                except LabError as error:
                    found.append("== %s: %s\n%s" % (node, argv, error))
        found.append("== changes\n" + "\n".join("%.2f %s" % one for one in self.watch.changes))
        directory = os.path.join(ROOT, "build", "controllers")
        os.makedirs(directory, exist_ok=True)
        path = os.path.join(directory, self.configuration.name + ".txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(found))
        return path


def _seconds(journal, *parts):
    """Unix seconds of the lines of a journal (short-unix) that have all of these parts."""
    found = []
    for line in journal.splitlines():
        if all(part in line for part in parts):
            try:
                found.append(float(line.partition(" ")[0]))
            except ValueError:
                continue
    return found
