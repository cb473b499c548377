# SPDX-License-Identifier: Apache-2.0
"""One node with the real agent of an OpenStack service. Its processes, its systemd, the broker and the database are in
memory; the state files are real ones below a directory of the test."""

import os

from quorate.host import daemon
from quorate.host.connections import Socket
from quorate.host.state_files import StateFiles
from quorate.host.system.units import Unit
from quorate.openstack import facts
from quorate.openstack.actions import monitor, start, stop
from quorate.openstack.agent import agent
from quorate.openstack.facts import Address, Page, Settings
from tests.fakes import FakeClock, FakeCommands, FakeProcesses, context
from tests.unit.openstack.fakes import CINDER, FakeSources, FakeUnits

BROKER, DATABASE = Address("rabbit", 5673, "u", "p", "/"), Address("sql", 3307)
INSTANCE = "vol"


class Node(FakeSources):
    """node.start(), .stop(), .monitor() run the agent's actions and return their Outcomes.

    sockets: pid to its Sockets (without: one connection to the broker); unobserved: pids whose sockets are not to be
    seen; lingering: inodes of listening sockets that somebody holds, whoever that is; heard: [(what, words)] of each
    question to broker, database and service; conf: the Settings; writes: why the database takes none; found: the Page
    of each port; replied: the Replies; read: (Process, further words) of each reading of its settings; made: what
    directories were made, (paths, uid, gid, mode); accounts: name to (uid, gid); places: user id to [(address, port)]
    where processes of this user listen; unseen_table: whether nobody may see who listens
    """

    def __init__(self, directory, monkeypatch, service=CINDER, backends=("a",)):
        config = directory / "service.conf"
        config.write_text("[DEFAULT]\n")
        self.service = service._replace(config=str(config))
        self.unit = service.units[0] + ".service"
        FakeSources.__init__(self, FakeUnits(Unit(self.unit, "/lib/x", False)))
        self.clock = FakeClock()
        self.processes, self.commands = FakeProcesses(self.clock), FakeCommands(self.clock)
        self.commands.allow("attrd_updater", ..., rc=102)
        self.conf = Settings(True, (BROKER,), DATABASE, "ha", tuple((one, "ha") for one in backends),
                             exchange="openstack")
        self.sockets, self.unobserved, self.lingering, self.heard = {}, set(), set(), []
        self.broker_answers, self.database, self.writes, self.replied = True, facts.ANSWERED, "", ()
        self.broker_refuses = ""
        self.found, self.fresh, self.read, self.made = {}, 0, [], []
        self.places, self.unseen_table = {}, False
        self.accounts = {service.user: (os.geteuid(), os.getegid())}
        self.log, self.run = None, str(directory / "run")
        monkeypatch.setattr(StateFiles.__init__, "__defaults__", (self.run, str(directory / "lib"), None))
        monkeypatch.setattr(daemon, "make_directories", lambda *words: self.made.append(words))
        for module in (monitor, start, stop):
            monkeypatch.setattr(module, "Sources", self._of)
        self.files = StateFiles(service.name, INSTANCE)

    def _of(self, commands):
        assert commands is self.commands
        return self

    # -- the cluster

    def start(self, seconds=60.0, **parameters):
        return self._act("start", seconds, 0, 0, False, parameters)

    def stop(self, seconds=60.0, **parameters):
        return self._act("stop", seconds, 0, 0, False, parameters)

    def monitor(self, level=0, interval=10, by_hand=False, seconds=30.0, **parameters):
        return self._act("monitor", seconds, level, interval, by_hand, parameters)

    def probe(self, **parameters):
        return self._act("monitor", 30.0, 0, 0, False, parameters)

    def _act(self, action, seconds, level, interval, by_hand, parameters):
        one = agent(self.service)
        environ = {"OCF_RESOURCE_INSTANCE": INSTANCE, "OCF_CHECK_LEVEL": str(level)}
        if interval:
            environ["OCF_RESKEY_CRM_meta_interval"] = str(interval * 1000)
        made = context(action, one.parameters, environ, seconds, self.clock, self.commands, self.processes, by_hand,
                       **dict({"config": self.service.config}, **parameters))
        self.log = made.log
        self.began = self.clock.elapsed
        try:
            return one.handlers[action](made)
        finally:
            self.took = self.clock.elapsed - self.began

    def logged(self):
        """What the last action logged, one text."""
        return "\n".join(text for _level, text in self.log.lines)

    def said(self):
        """What it told an operator, one text."""
        return "\n".join(self.log.said)

    def kept(self):
        """Names of the state files that are there."""
        return sorted(os.listdir(self.files.run)) if os.path.isdir(self.files.run) else []

    # -- what happens on the node

    def process(self, ppid=1, leads=True, **more):
        """One more process of the service."""
        made = self.processes.add("python3 /usr/bin/%s --config-file=%s" % (self.service.name, self.service.config),
                                  ppid=ppid, **more)
        if not leads:
            self.processes.followers.add(made.pid)
        return made

    def tree(self, workers=1, **more):
        """A parent and its workers: [Process]."""
        parent = self.process(**more)
        return [parent] + [self.process(parent.pid, leads=False, **more) for _number in range(workers)]

    def die(self, *processes, after=None):
        """These processes end, now or so many seconds later."""
        for one in processes:
            if after is None:
                self.processes.remove(one.pid)
            else:
                self.later(after, lambda one=one: self.processes.remove(one.pid))

    def later(self, seconds, effect):
        self.clock.at(self.clock.elapsed + seconds, effect)

    def comes(self, workers=1, after=0.0, **more):
        """Let systemd start a tree with so many workers, so many seconds after it was asked."""
        self.units.effect = lambda: self.later(after, lambda: self.tree(workers, **more)) if after else self.tree(
            workers, **more)

    def asked_of(self, what):
        """The words of each question of this kind."""
        return [words for kind, words in self.heard if kind == what]

    def ended(self, *processes):
        """Whether these processes are gone."""
        return all(self.processes.gone(one) for one in processes)

    # -- quorate.openstack.service.sources.Sources

    def user(self, name):
        return self.accounts.get(name)

    def settings(self, service, config, process=None, more=()):
        assert service.name == self.service.name and config
        self.read.append((process, tuple(more)))
        return self.conf

    def of(self, pid):
        assert self.processes.get(pid) is not None
        if pid in self.unobserved:
            return None
        return self.sockets.get(pid, (Socket("established", 40000, BROKER.port, 1),))

    def listeners(self, _pid, port):
        if self.unseen_table:
            return None
        return any(one.state == "listen" and one.port == port for found in self.sockets.values() for one in found)

    def of_users(self, users):
        assert None not in users
        return sorted(place for user in users for place in self.places.get(user, ()))

    def listening(self, inodes):
        held = {one.inode for process in self.processes.all() for one in self.sockets.get(process.pid, ())}
        return frozenset(inode for inode in inodes if inode in held | self.lingering)

    def broker(self, brokers, seconds):
        self.heard.append(("broker", (brokers, seconds)))
        return self.broker_answers

    def refusal(self, brokers, seconds):
        self.heard.append(("refusal", (brokers, seconds)))
        return self.broker_refuses

    def rows(self, service, address, names, seconds):
        self.heard.append(("rows", (service.name, address, names, seconds)))
        self.fresh += 1
        rows = tuple(facts.Row(name, 5, 900, "report %d" % self.fresh) for name in names)
        return facts.Rows(self.database, rows if self.database == facts.ANSWERED else (), "sql:3307: refused")

    def refuses_writes(self, service, address, seconds):
        assert (service.name, address) == (self.service.name, self.conf.database)
        self.heard.append(("writes", (service, address, seconds)))
        return self.writes

    def replies(self, brokers, exchange, targets, seconds, call):
        self.heard.append(("replies", (brokers, exchange, targets, seconds, call)))
        return self.replied

    def page(self, host, port, path, seconds, tls):
        self.heard.append(("page", (host, port, path, seconds, tls)))
        return self.found.get(port, Page(facts.MISSING, None, "nothing listens"))


def listening(port, inode=900, local=b"0100007F"):
    """The listening socket of a port, at 127.0.0.1 where nothing else is said."""
    return Socket("listen", port, 0, inode, local)


def connected(port, inode=1):
    """A connection to that port."""
    return Socket("established", 40000 + inode, port, inode)
