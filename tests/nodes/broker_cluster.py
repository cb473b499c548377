# SPDX-License-Identifier: Apache-2.0
"""A RabbitMQ cluster of several machines, with a driver that acts on the real agent's answers as Pacemaker does.

    with BrokerCluster.of(tmp_path, monkeypatch) as cluster:
        cluster.run(60)                     # start, monitor, ... on all nodes at once, for a minute
        cluster.cut_power(); cluster.power_on(); cluster.run(60)
"""

import contextlib
import os
import shutil
import pwd

from quorate.ocf import codes
from quorate.rabbitmq.agent import AGENT
from quorate.rabbitmq.election.published import encode_override
from quorate.rabbitmq.facts import Override
from tests.nodes import broker, machine
from tests.nodes.broker import Broker, Brokers
from tests.nodes.machine import Journal, Machine
from tests.nodes.pacemaker import Pacemaker
from tests.nodes.schedule import Schedule

RESOURCE = "mq"
INTERVAL = 10
WELL = codes.SUCCESS, codes.DEGRADED


class BrokerPacemaker(Pacemaker):
    """Also the list of nodes, and the founder, which can be created once."""

    founder = None

    def _cibadmin(self, node, words):
        if words[0] == "--create":
            if self.founder is not None:
                return 108, ""
            self.founder = words[-1].rpartition('value="')[2].partition('"')[0]
            return 0, ""
        return 0, "<nodes>%s</nodes>" % "".join('<node id="%s" uname="%s">%s</node>' % (name, name, self._values(name))
                                                for name in self.names)

    def _values(self, name):
        return "<instance_attributes>%s</instance_attributes>" % "".join(
            '<nvpair name="%s" value="%s"/>' % (key, value) for (node, key), value in self.permanent.items()
            if node == name)

    def _crm_attribute(self, node, words):
        if RESOURCE + "-founder" in words:
            return (0, self.founder + "\n") if self.founder else (105, "")
        return Pacemaker._crm_attribute(self, node, words)


class BrokerCluster:
    """machines: dict name -> Machine; running: names of those whose instance is started."""

    def __init__(self, root, names=("n1", "n2", "n3"), **parameters):
        self.clock = Schedule()
        self.journal = Journal(self.clock)
        self.pacemaker = BrokerPacemaker(names)
        self.brokers = Brokers(self.clock, self.journal)
        self.machines, self.running, self.banned, self.answers, self.fenced = {}, set(), set(), [], []
        self.standby, self._until = set(), 0.0
        user = pwd.getpwuid(os.getuid()).pw_name
        for number, name in enumerate(names):
            os.makedirs(os.path.join(str(root), name))
            one = self.machines[name] = Machine(name, os.path.join(str(root), name), self, AGENT, RESOURCE)
            one.service = Broker(one, self.brokers, user)
            one.processes._next += 1000 * number
            one.processes.work = one.service.work
            one.commands.takes = 0.02 + 0.003 * number
            one.parameters = dict({"user": user, "group": user, "drain_timeout": "0"}, **parameters)

    @classmethod
    @contextlib.contextmanager
    def of(cls, root, monkeypatch, **more):
        """A BrokerCluster whose agents reach nothing outside of it. At the end no harm may have come to it."""
        with machine.installed(monkeypatch):
            broker.installed(monkeypatch)
            cluster = cls(root, **more)
            yield cluster
            assert not cluster.brokers.harm, "%s\n%s" % (cluster.brokers.harm, cluster.journal)

    def __getitem__(self, name):
        return self.machines[name].service

    def up(self):
        return self.brokers.up()

    def status(self, name):
        return self.pacemaker.transient.get(RESOURCE + "-status", {}).get(name, "")

    # What happens

    def cut_power(self, *names):
        """Of these nodes, or of all, at the same moment: none sees another one go."""
        names = names or tuple(self.machines)
        for name in names:
            self.machines[name].cut_power()
            self.pacemaker.leave(name)
            self.running.discard(name)
        self.brokers.note()

    def power_on(self, *names):
        for name in names or tuple(self.machines):
            self.machines[name].on = True
            self.pacemaker.join(name)

    def unmount(self, name):
        """The machine boots without the disk of its broker; mount() brings it back."""
        self.cut_power(name)
        os.rename(self[name].base, self._away(name))
        self.power_on(name)

    def mount(self, name):
        """What lies below the mount point is hidden by it; here it is moved."""
        if os.path.isdir(self[name].base):
            os.rename(self[name].base, "%s.below-%d" % (self[name].base, self.clock.elapsed))
        os.rename(self._away(name), self[name].base)

    def is_unmounted(self, name):
        return os.path.exists(self._away(name))

    def _away(self, name):
        return os.path.join(self.machines[name].root, "unmounted")

    def install_anew(self, name):
        """Another machine under this name: an empty disk, and nothing that was recorded."""
        self.cut_power(name)
        shutil.rmtree(self[name].base)
        shutil.rmtree(self.machines[name].persistent)
        self.power_on(name)

    def kill_all(self):
        """SIGKILL of all brokers at one moment."""
        for name in self.machines:
            one = self[name]
            if one.pid is not None:
                one.machine.processes.remove(one.pid)
                one.pid = one.stage = None

    def order(self, name, forced=False, replace=False):
        """quorate rabbitmq boot NODE, or replace NODE."""
        self.brokers.operator.add(("forget", self[name].nodename))
        self.pacemaker.properties[RESOURCE + "-override"] = encode_override(
            Override(name, "op", int(self.clock.now()), forced, replace))

    # The driver

    def run(self, seconds, until=None):
        """Let all nodes live for so many seconds, or until the condition is true. Whether it was (None: not asked)."""
        self._until = self.clock.elapsed + seconds
        self.clock.run([lambda name=name: self._live(name, until) for name in self.machines])
        return None if until is None else bool(until())

    def _live(self, name, until):
        monitored = None
        while self.clock.elapsed < self._until and not (until and until()):
            if self.machines[name].on and name in self.standby:
                if name in self.running:
                    self._stop(name)
            elif self.machines[name].on and name not in self.running and name not in self.banned:
                self._start(name)
                monitored = None
            elif self.machines[name].on and name in self.running and (
                    monitored is None or self.clock.elapsed - monitored >= INTERVAL):
                if self._act(name, "monitor", interval=INTERVAL).code not in WELL and self.machines[name].on:
                    self._stop(name)
                monitored = self.clock.elapsed
            self.clock.sleep(0.5)

    def _start(self, name):
        answer = self._act(name, "start")
        if answer.code == codes.SUCCESS:
            self.running.add(name)
        elif answer.code is not None:
            self.banned.add(name)
            self._stop(name)

    def _stop(self, name):
        self.brokers.operator |= {("stop", name)} if name in self.standby else set()
        self.running.discard(name)
        answer = self._act(name, "stop")
        self.brokers.operator.discard(("stop", name))
        if answer.code not in (codes.SUCCESS, None):
            self.fenced.append(name)

    def _act(self, name, action, **options):
        answer = self.machines[name].act(action, **options)
        self.answers.append((name, action, answer))
        if action == "stop" and answer.code == codes.SUCCESS:
            assert not self.machines[name].processes.all(), (name, answer)
        return answer
