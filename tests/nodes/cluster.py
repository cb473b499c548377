# SPDX-License-Identifier: Apache-2.0
"""A Galera cluster of several machines, with a driver that acts on the agents' answers as Pacemaker does.

    with Cluster.of(tmp_path, monkeypatch) as cluster:
        cluster.run(60)                     # start, promote, monitor, ... on all nodes at once, for a minute
        cluster.cut_power(); cluster.power_on(); cluster.run(60)

The driver starts an instance wherever it may run, promotes those that have a promotion score, demotes one that lost it,
recovers one whose monitor failed (demote, stop, start), bans a node whose start failed until cleanup(), and fences a
node whose stop failed.
"""

import contextlib
import os
import pwd

from quorate.galera.agent import AGENT
from quorate.galera.election.published import encode_override
from quorate.galera.facts import Override
from quorate.ocf import codes
from tests.nodes import database, machine
from tests.nodes.database import Database
from tests.nodes.group import Group
from tests.nodes.machine import Journal, Machine
from tests.nodes.pacemaker import Pacemaker
from tests.nodes.schedule import Schedule

STOPPED, UNPROMOTED, PROMOTED = "stopped", "unpromoted", "promoted"
EXPECTED = {UNPROMOTED: (codes.SUCCESS, codes.DEGRADED), PROMOTED: (codes.RUNNING_PROMOTED, codes.DEGRADED_PROMOTED)}
INTERVAL = {UNPROMOTED: 7, PROMOTED: 5}
RESOURCE = "db"


class Cluster:
    """machines: dict name -> Machine. role: dict name -> what the driver holds it for."""

    def __init__(self, root, names=("n1", "n2", "n3"), **parameters):
        self.clock = Schedule()
        self.journal = Journal(self.clock)
        self.pacemaker = Pacemaker(names)
        self.group = Group(self.clock, self.journal)
        self.machines, self.role, self.answers = {}, dict.fromkeys(names, STOPPED), []
        self.banned, self.standby, self.fenced = set(), set(), []
        self.bystanders = set()         # pids that are none of the database's
        self._busy, self._until = set(), 0.0
        user = pwd.getpwuid(os.getuid()).pw_name
        for number, name in enumerate(names):
            os.makedirs(os.path.join(str(root), name))
            one = self.machines[name] = Machine(name, os.path.join(str(root), name), self, AGENT, RESOURCE)
            one.service = Database(one, self.group, ("127.0.0.%d" % (11 + number), 0), user)
            one.service.create()
            one.service._pid += 1000 * number
            one.commands.takes = 0.02 + 0.003 * number
        addresses = {name: one.service.address for name, one in self.machines.items()}
        self.shared = dict({
            "wsrep_cluster_address": "gcomm://" + ",".join("%s:%d" % one for one in addresses.values()),
            "cluster_host_map": ";".join("%s:%s" % (name, one[0]) for name, one in addresses.items()),
            "user": user, "group": user, "check_user": "root", "drain_timeout": "0"}, **parameters)
        for one in self.machines.values():
            one.parameters = dict(self.shared, binary=one.service.binary)

    @classmethod
    @contextlib.contextmanager
    def of(cls, root, monkeypatch, names=("n1", "n2", "n3"), **parameters):
        """A Cluster whose agents reach nothing outside of it. At the end no harm may have come to it."""
        with machine.installed(monkeypatch):
            database.installed(monkeypatch)
            cluster = cls(root, names, **parameters)
            try:
                yield cluster
                assert not cluster.group.harm, "%s\n%s" % (cluster.group.harm, cluster.journal)
            finally:
                for one in cluster.machines.values():
                    one.service.close()

    def __getitem__(self, name):
        return self.machines[name]

    def database(self, name):
        return self.machines[name].service

    # What is so

    def synced(self):
        """Names of the nodes that serve."""
        return sorted(one.machine.name for one in self.group.members() if one.stage == "synced" and one.ready)

    def status(self, name):
        return self.pacemaker.transient.get(RESOURCE + "-status", {}).get(name, "")

    def reasons(self, name=None):
        """Exit reasons of the actions so far, without repetitions."""
        found = [text.reason for node, _, text in self.answers if text.reason and name in (None, node)]
        return [text for place, text in enumerate(found) if text not in found[:place]]

    # What happens

    def commit(self, name=None):
        self.group.commit(self.database(name or self.synced()[0]).server)

    def cut_power(self, *names):
        """Of these nodes, or of all, at the same moment."""
        gone = names or tuple(self.machines)
        self._lost(gone)
        for name in gone:
            self.machines[name].cut_power()
            self.role[name] = STOPPED
            self.pacemaker.leave(name)

    def kill_all(self, *names):
        """SIGKILL of these servers, or of all, too fast for any to notice the end of another."""
        gone = names or tuple(self.machines)
        self._lost(gone)
        for name in gone:
            if self.database(name).server is not None:
                self.database(name).kill()

    def _lost(self, names):
        self.group.lost([self.database(name).server for name in names if self.database(name).server is not None])

    def power_on(self, *names):
        for name in names or tuple(self.machines):
            if not self.machines[name].on:
                self.machines[name].on = True
                self.pacemaker.join(name)
                self.banned.discard(name)

    def stop(self, *names, seconds=120):
        """Stop these nodes' instances, or all, one after the other, as an operator does it."""
        for name in names or tuple(self.machines):
            self.standby.add(name)
            assert self.run(seconds, lambda name=name: self.role[name] == STOPPED), self.journal

    def start(self, *names):
        """Let these nodes, or all, be started again. run() does it."""
        self.standby.difference_update(names or tuple(self.machines))

    def order(self, name, forced=False):
        """quorate bootstrap NODE [--force NODE]"""
        self.group.discards = True
        self.pacemaker.properties[RESOURCE + "-override"] = encode_override(
            Override(name, "op", int(self.clock.now()), forced))

    def cleanup(self, name=None):
        """pcs resource cleanup."""
        self.banned.difference_update([name] if name else list(self.banned))

    # The driver

    def act(self, name, action, **options):
        answer = self.machines[name].act(action, **options)
        self.answers.append((name, action, answer))
        if answer.code is not None:
            self._check(name, action, answer)
        return answer

    def _check(self, name, action, answer):
        """What is true of every answer."""
        processes = [one.argv for one in self.machines[name].processes.all() if one.pid not in self.bystanders]
        if action == "stop" and answer.code == codes.SUCCESS:
            assert not processes, (name, action, processes)
        if action == "stop" and not processes:
            assert answer.code == codes.SUCCESS, (name, answer)
        processes = [one for one in processes if "--wsrep-recover" not in one]
        if action == "demote" and answer.code == codes.SUCCESS:
            assert not processes, (name, action, processes)
        if action == "monitor" and not processes:
            assert answer.code in (codes.SUCCESS, codes.DEGRADED, codes.NOT_RUNNING), (name, answer)
        if action == "monitor" and processes and answer.code != codes.NOT_RUNNING:
            assert answer.code in EXPECTED[PROMOTED] + (codes.FAILED_PROMOTED,), (name, answer)
        assert len(answer.reason) <= 300 and "unexpectedly" not in answer.reason, answer
        assert (answer.code == codes.NOT_RUNNING) <= (not processes), (name, answer, processes)

    def when(self, condition, effect):
        """Have `effect` called once the condition is true, also in the middle of an action."""
        def look():
            if condition():
                effect()
            else:
                self.clock.at(0.1, look)
        look()

    def run(self, seconds, until=None):
        """Let all nodes live for so many seconds, or until the condition is true. Whether it was (None: not asked)."""
        self._until = self.clock.elapsed + seconds
        self._condition = until
        self.clock.run([lambda name=name: self._live(name) for name in self.machines])
        assert not self.group.harm, "%s\n%s" % (self.group.harm, self.journal)
        return None if until is None else bool(until())

    def _live(self, name):
        """The part of the driver that acts on one node."""
        monitored = None  # when
        while self.clock.elapsed < self._until and not (self._condition and self._condition()):
            if not self.machines[name].on:
                self.clock.sleep(1)
                continue
            wanted = self._wanted(name)
            if wanted is not None:
                getattr(self, "_" + wanted)(name)
                monitored = None
            elif self.role[name] != STOPPED and (
                    monitored is None or self.clock.elapsed - monitored >= INTERVAL[self.role[name]]):
                self._monitor(name)
                monitored = self.clock.elapsed
            self.clock.sleep(0.5)

    def _wanted(self, name):
        score = self.pacemaker.score(RESOURCE, name)
        role = self.role[name]
        if name in self.standby:
            return None if role == STOPPED else "recover"
        if role == STOPPED:
            return None if name in self.banned else "start"
        if role == UNPROMOTED and score is not None and score >= 0:
            return "promote"
        if role == PROMOTED and (score is None or score < 0):
            return "demote"
        return None

    def _start(self, name):
        if self._did(name, "start"):
            self.role[name] = UNPROMOTED
        else:
            self.banned.add(name)
            self._stop(name)

    def _promote(self, name):
        self.role[name] = PROMOTED
        if not self._did(name, "promote"):
            self._recover(name)

    def _demote(self, name):
        if self._did(name, "demote"):
            self.role[name] = UNPROMOTED
        else:
            self._recover(name)

    def _recover(self, name):
        if self.role[name] == PROMOTED:
            self._did(name, "demote")
        self._stop(name)

    def _stop(self, name):
        if self._did(name, "stop"):
            self.role[name] = STOPPED
        elif self.machines[name].on:
            self.fenced.append(name)
            self.cut_power(name)

    def _monitor(self, name):
        if not self._did(name, "monitor", EXPECTED[self.role[name]], interval=INTERVAL[self.role[name]]):
            self._recover(name)

    def _did(self, name, action, expected=(codes.SUCCESS,), **options):
        """Whether the action ended as expected. A node without power does nothing, and nothing is asked of it."""
        return self.machines[name].on and self.act(name, action, **options).code in expected
