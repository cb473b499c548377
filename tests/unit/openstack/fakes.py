# SPDX-License-Identifier: Apache-2.0
"""Fakes for the tests of the agents: scripted systemd and sources, processes, contexts."""

import os

from quorate.host.command import Result
from quorate.host.connections import Socket
from quorate.host.system.units import Unit, UnitState
from quorate.openstack import catalog, facts
from quorate.openstack.declaration import parameters
from quorate.openstack.facts import Address, Page, Settings
from tests.fakes import FakeClock, FakeCommands, FakeProcesses, context

CINDER, AUTH = catalog.CINDER_VOLUME, catalog.NOVA_CONSOLEAUTH
SETTINGS = Settings(True, (Address("n1", 5672, "u", "p", "/"),), Address("n1", 3306), "ha", (("a", "ha"),),
                    exchange="openstack")
LINE = "python3 /usr/bin/cinder-volume --config-file={config}"


class FakeUnits:
    """systemd with one unit, whose start runs `effect`. inside: pids in it; now: its UnitState, None: systemd does not
    answer; main: pid of a main process by the name of another unit that it is in (`elsewhere`: pid to that name). A
    question without a limit is a failure."""

    def __init__(self, unit=Unit("cinder-volume.service", "/lib/x", False), effect=None, enabled=False, rc=0):
        self.unit, self.effect, self.on, self.rc, self.done = unit, effect or (lambda: None), enabled, rc, []
        self.overridden = None  # a warning about restarts
        self.inside, self.now, self.taken, self.elsewhere, self.main = set(), UnitState("inactive", "dead"), [], {}, {}

    def managed(self):
        return self.unit is not None

    def find(self, names):
        here = self.unit is not None and self.unit.name.removesuffix(".service") in [
            name.removesuffix(".service") for name in names]
        return self.unit if here else None

    def _is_mine(self, unit, timeout=0.0):
        assert 0 <= timeout <= 90
        return unit.name == self.unit.name

    def enabled(self, unit):
        return self._is_mine(unit) and self.on

    def of(self, pid):
        return self.unit.name if pid in self.inside else self.elsewhere.get(pid)

    def processes(self, unit):
        if self.unit is not None and unit.name == self.unit.name:
            return frozenset(self.inside)
        return frozenset(pid for pid, name in self.elsewhere.items() if name == unit.name)

    def state(self, unit, timeout):
        if not self._is_mine(unit, timeout):
            return UnitState("active", "running", self.main.get(unit.name, 1))
        return self.now

    def adopted(self, unit):
        return unit.name in self.taken

    def adopt(self, unit, timeout):
        self._is_mine(unit, timeout)
        self.taken.append(unit.name)
        return None

    def restart_warning(self, unit, timeout):
        return self.overridden if self._is_mine(unit, timeout) else None

    def start(self, unit, timeout):
        assert self._is_mine(unit, timeout)
        self.done.append("start")
        self.effect()
        return Result(("systemctl",), self.rc, "", "Job failed.", False)

    def stop(self, unit, timeout):
        self.done.append("stop" if self._is_mine(unit, timeout) else "stop " + unit.name)
        if not self.rc and unit.name == self.unit.name:
            self.now = UnitState("inactive", "dead")
        return Result(("systemctl",), self.rc, "", "", False)

    def forget_failure(self, unit, timeout):
        self.done.append("reset" if self._is_mine(unit, timeout) else "reset " + unit.name)


class FakeSources:
    """Scripted sources of an observation."""

    def __init__(self, units=None, replies=(), amqp=2, rows=facts.ANSWERED, broker=True):
        self.answers, self.reads, self.unwritable, self.refused = broker, 0, "", ""
        self.units, self._replies, self.amqp, self.asked, self._rows = units or FakeUnits(), replies, amqp, [], rows

    def rows(self, *_words):
        self.reads += 1
        row = facts.Row("ha@a", 5, 900, "report %d" % self.reads)
        return facts.Rows(self._rows, (row,) if self._rows == facts.ANSWERED else (), "n1:3306: refused")

    def refuses_writes(self, *_words):
        return self.unwritable

    def settings(self, _service, _config, _process=None):
        return SETTINGS

    def connections(self):
        return self

    def of(self, _pid):
        return (Socket("established", 4000, 5672, 1),) * self.amqp

    def listeners(self, _pid, _port):
        return False

    def listening(self, _inodes):
        return frozenset()

    def broker(self, _brokers, _seconds):
        return self.answers

    def refusal(self, _brokers, _seconds):
        return self.refused

    def replies(self, _brokers, _exchange, targets, _seconds, _call):
        self.asked.append(targets)
        return self._replies

    def page(self, *_words):
        return Page(facts.ANSWERED, 200)

    def user(self, name):
        return None if name == "nobody-there" else (os.geteuid(), os.getegid())


def world(action, config, service=CINDER, **more):
    clock = FakeClock()
    processes = FakeProcesses(clock)
    values = dict({"config": str(config)}, **more)
    return context(action, parameters(service), {"OCF_RESKEY_CRM_meta_interval": "10000"}, 60.0, clock,
                   FakeCommands(clock).allow("attrd_updater", ..., rc=102), processes, **values)


def add_tree(context, config):
    parent = context.processes.add(LINE.format(config=config), after=0.5)
    return parent, context.processes.add(LINE.format(config=config), ppid=parent.pid, after=0.5)


def service_at(config):
    """The service with this file as its usual configuration, so that its unit is used."""
    return CINDER._replace(config=str(config))
