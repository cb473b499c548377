# SPDX-License-Identifier: Apache-2.0
"""Every reason that an agent may give, with names, pids and texts as long as they may be: of an exit reason 144
characters survive in Pacemaker, and the command to type has to be among them."""

import os
import re

import pytest

from quorate.host.process import Process
from quorate.host.system.units import Unit, UnitState
from quorate.ocf import codes
from quorate.ocf.codes import Failed
from quorate.openstack import catalog, facts
from quorate.openstack.actions import monitor, start, stop
from quorate.openstack.facts import Address, Page, Reply, Row, Rows, Settings, Sockets, Tree
from quorate.openstack.service import process, stopping, unit
from quorate.openstack.symptoms import detect, diagnosis
from tests import ROOT
from tests.unit.openstack.fakes import LINE, FakeSources, FakeUnits, add_tree, service_at, world

MOST = 144
LONG = "controller-with-a-long-name-%d.region-one.cloud.example.com"
TEXT = "(1290) The server is running with an option so that it cannot execute this statement, and says so at length " * 3
BROKERS = tuple(Address(LONG % one, 15672, "u", "p", "/") for one in range(5))
NAMES = tuple(("backend-with-a-long-name-%d" % one, LONG % one) for one in range(9))
UNIT = "openstack-nova-novncproxy@site.service"


def one(pid, state="S", ppid=1):
    return Process(4194000 + pid, ppid if ppid == 1 else 4194000 + ppid, pid, state, ("x",))


PARENT = one(1)
MANY = tuple(one(pid, ppid=1) for pid in range(2, 40))
SERVICES = (catalog.CINDER_VOLUME, catalog.HEAT_ENGINE, catalog.NOVA_CONSOLEAUTH, catalog.NOVA_NOVNCPROXY)
SETTINGS = Settings(True, BROKERS, Address(LONG % 1, 13306, "u", "p", "c"), LONG % 1, NAMES, listen=("::", 65535))
WELL = facts.Observation(Tree(PARENT, MANY), {each.pid: Sockets(3, 1) for each in (PARENT,) + MANY}, SETTINGS,
                         9999999.0, 38, 38, 38)
LOST = {each.pid: Sockets(0, 1) for each in (PARENT,) + MANY}
PART = {**LOST, MANY[0].pid: Sockets(3, 1)}
TARGETS = tuple("cinder-volume.%s@%s" % (host, name) for name, host in NAMES)


def rows(changes, same=99999999, names=NAMES, **more):
    return Rows(facts.ANSWERED, tuple(Row("%s@%s" % (host, name), 7, 2000, "m", same, changes) for name, host in names),
                watched=5000000.0, **more)


def replies(outcome, count=9, consumers=2, reason=""):
    return {"replies": tuple(Reply(target, outcome, consumers, reason) for target in TARGETS[:count])}


OBSERVATIONS = [
    {"tree": Tree(None, (), MANY)}, {"tree": Tree(PARENT, MANY, MANY)}, {"tree": Tree(PARENT, MANY, (), MANY)},
    {"tree": Tree(PARENT, (one(2, "T", 1),))}, {"tree": Tree(one(1, "T"), MANY)},
    {"tree": Tree(one(1, "t"), tuple(one(pid, "t") for pid in range(2, 9)))},
    {"tree": Tree(PARENT, MANY[:1]), "baseline": 1}, {"tree": Tree(PARENT, MANY[:1])},
    {"sockets": LOST, "broker": True}, {"sockets": LOST, "broker": False}, {"sockets": LOST, "broker": None},
    {"sockets": LOST, "broker": False, "refused": TEXT},
    {"sockets": PART, "broker": True, "connected": 1}, {"broker": False}, {"port_owner": "other"},
    {"port_owner": "nobody"}, {"rows": Rows(facts.UNREACHABLE, (), TEXT)}, {"rows": Rows(facts.UNKNOWN, (), TEXT)},
    {"rows": rows(2, unwritable=TEXT)}, {"rows": rows(2)}, {"rows": rows(0)}, {"rows": rows(2, 5, NAMES[:1])},
    {"rows": Rows(facts.ANSWERED, rows(2).rows[:3] + rows(2, 5).rows[3:], watched=5000000.0)},
    replies(facts.SILENT), dict(replies(facts.SILENT), rows=Rows(facts.UNREACHABLE, (), TEXT)),
    dict(replies(facts.SILENT, consumers=0), tree=Tree(PARENT, MANY[:1])),
    replies(facts.MISSING), {"replies": replies(facts.MISSING)["replies"][:8] + replies(facts.ANSWERED)["replies"][8:]},
    replies(facts.UNREACHABLE, reason=TEXT), replies(facts.UNREACHABLE, reason=facts.UNSERVED + TEXT),
    replies(facts.UNKNOWN, reason=TEXT),
    replies(facts.ANSWERED, consumers=999),
    {"page": Page(facts.ANSWERED, 503)}, {"page": Page(facts.ANSWERED, 404)}, {"page": Page(facts.SILENT, None, TEXT)}]


def test_every_symptom():
    keys, long = set(), set()
    for service in SERVICES:
        for change in OBSERVATIONS:
            observed = WELL._replace(**change)
            found = detect.symptoms(service, observed)
            for each in found:
                keys.add(each.key)
                if len(each.message) > MOST:
                    long.add((len(each.message), each.message))
            for seconds in (0.0, 1e7):
                limits = facts.Limits(60.0, 1.0)
                said = diagnosis.diagnose(service, observed, found, dict.fromkeys(keys, seconds), limits)
                assert len(said.message) <= MOST or said.message in [text for _, text in long], said.message
    assert not long
    with open(os.path.join(ROOT, "quorate/openstack/symptoms/detect.py"), encoding="utf-8") as file:
        assert set(re.findall(r'Symptom\(\s*"([a-z-]+)"', file.read())) <= keys, "a symptom that nobody rendered"


@pytest.mark.parametrize("end, changes", [
    ("systemctl status %d" % MANY[0].pid, {"tree": Tree(PARENT, MANY, (), MANY)}),
    ("kill -CONT %d" % one(2).pid, {"tree": Tree(PARENT, (one(2, "T", 1),))}),
    ("TracerPid /proc/%d/status" % one(2).pid, {"tree": Tree(PARENT, (one(2, "t", 1), MANY[3]))}),
    ("ps -C cinder-volume", replies(facts.ANSWERED, consumers=999)),
    ("pcs resource restart.", {"rows": rows(0)}),
    ("pcs resource restart.", {"tree": Tree(PARENT, MANY[:1]), "baseline": 1})])
def test_the_command_survives(end, changes):
    message = detect.symptoms(catalog.CINDER_VOLUME, WELL._replace(**changes))[0].message
    assert message.endswith(end) and len(message) <= MOST


class Long:
    """An agent's action with a long unit, a long configuration file and much that is in its way."""

    def __init__(self, config, state_files, action, **values):
        path = config.parent / ("a-directory-with-a-long-name-" * 3) / "cinder-of-the-second-region.conf"
        path.parent.mkdir(exist_ok=True)
        path.write_text("[DEFAULT]\n")
        self.context, self.files = world(action, path, **values), state_files
        self.service, self.units = service_at(path)._replace(units=(UNIT[:-8], "cinder-volume")), FakeUnits(
            Unit(UNIT, "/lib/x", False))
        self.sources, self.config = FakeSources(self.units), path

    def reason(self, action):
        try:
            return action(self.context, self.service, self.files, self.sources).reason
        except Failed as failed:
            return failed.reason


def answered(long):
    long.sources._replies = (Reply(TARGETS[0], facts.ANSWERED, 2),)


def crowd(long):
    for _ in range(9):
        add_tree(long.context, long.config)


def two(long):
    for _ in range(2):
        long.context.processes.add(LINE.format(config=long.config), pid=4194000 + len(long.context.processes.all()))


def foreign(long):
    long.units.inside.add(long.context.processes.add("/opt/x", pid=4194300).pid)
    long.units.now = UnitState("active", "running", 4194300)


def slow(long):
    long.units.effect = lambda: add_tree(long.context, long.config)
    long.sources.amqp = 0


def unwritable(long):
    long.sources.unwritable = TEXT


def failing(long):
    long.units.rc = 1
    long.units.start = lambda *_: type(long.units).start(long.units, *_)._replace(err=TEXT)


def silent(long):
    long.units.now = None


def coming(long):
    long.units.now = UnitState("inactive", "auto-restart-queued", 0, True)


@pytest.mark.parametrize("prepare, end", [
    (answered, "ps -C cinder-volume"), (crowd, "ps -C cinder-volume"), (two, "kill 4194000 4194001"),
    (foreign, "set binary, config or unit."), (slow, "See /var/log/cinder."), (unwritable, "..."),
    (failing, "See 'journalctl -u %s'." % UNIT), (lambda long: None, "journalctl -u %s' and /var/log/cinder." % UNIT)])
def test_a_start(config, state_files, prepare, end):
    long = Long(config, state_files, "start")
    prepare(long)
    reason = long.reason(start.start)

    assert len(reason) <= MOST and reason.endswith(end), reason


@pytest.mark.parametrize("prepare, end", [
    (foreign, "set binary, config or unit."), (silent, "systemctl status " + UNIT), (coming, "a stop ends that.")])
def test_a_probe(config, state_files, prepare, end):
    long = Long(config, state_files, "monitor")
    long.context.interval, long.context.is_probe = 0.0, True
    prepare(long)
    reason = long.reason(monitor.monitor)

    assert len(reason) <= MOST and reason.endswith(end), reason


def test_a_stop(config, state_files):
    long = Long(config, state_files, "stop")
    for number in range(9):
        long.context.processes.add(LINE.format(config=long.config), pid=4194000 + number, dies_of=())
    reason = long.reason(stop.stop)

    assert len(reason) <= MOST and reason.endswith("see 'ps -o pid,stat,wchan,cmd -p 4194000'."), reason


@pytest.mark.parametrize("prepare", [silent, coming])
def test_a_stop_of_a_unit(config, state_files, prepare):
    long = Long(config, state_files, "stop")
    long.units.rc, long.units.adopt = 1, lambda *_: "daemon-reload failed"
    prepare(long)
    reason = stopping.stop(long.context, long.service, state_files, long.sources, 15)

    assert len(reason) <= MOST and "systemctl status" in reason, reason


@pytest.mark.parametrize("values", [
    {"unit": "none", "binary": "/" + "x" * 99}, {"unit": "none", "binary": "/bin/true", "user": "u" * 200},
    {"unit": "u" * 200}, {"config": "/nonexistent/" + "x" * 200}, {"unit": "x@"}], ids=str)
@pytest.mark.parametrize("service", SERVICES, ids=[each.name for each in SERVICES])
def test_what_is_missing(config, service, values, mocker):
    mocker.patch.object(process, "_installed_version", return_value="27.1.0.post1+git20230101")
    found = world("start", values.get("config", config), service, **{
        name: value for name, value in values.items() if name != "config"})
    there = FakeUnits(Unit(service.units[-1] + ".service", "x", False))
    sources = FakeSources(there)
    sources.user = lambda _name: None
    try:
        reason = process.installation_error(found, service, sources)
    except Failed as failed:
        reason = failed.reason

    assert reason and len(reason) <= MOST, reason


def test_debians_console_proxy(config, state_files, mocker):
    mocker.patch.object(unit, "novnc_chosen", return_value=False)
    state_files.write(facts.SERVICE_FILE, {"unit": UNIT})
    found = world("start", config, catalog.NOVA_NOVNCPROXY)
    reason = start._why_it_ended(found, catalog.NOVA_NOVNCPROXY, state_files, FakeSources())

    assert len(reason) <= MOST and "NOVA_CONSOLE_PROXY_TYPE=novnc" in reason and codes


def test_what_a_program_printed(config, state_files, tmp_path):
    os.makedirs(state_files.run, exist_ok=True)
    with open(state_files.path("output"), "w", encoding="utf-8") as file:
        file.write(TEXT)
    reason = start._why_it_ended(world("start", config), catalog.CINDER_VOLUME, state_files, FakeSources())

    assert len(reason) <= MOST and reason.endswith("See /var/log/cinder."), reason
