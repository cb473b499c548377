# SPDX-License-Identifier: Apache-2.0
"""The engine's actions where a real process tree cannot show them: systemd units, other nodes, what is missing."""

import os

import pytest

from quorate.host.command import Result
from quorate.host.connections import Socket
from quorate.host.state_files import StateFiles
from quorate.host.units import Unit
from quorate.ocf import codes
from quorate.openstack import catalog, facts
from quorate.openstack.actions import monitor, start, stop
from quorate.openstack.declaration import parameters
from quorate.openstack.facts import SERVICE_FILE, Address, Page, Reply, Settings
from quorate.openstack.service import process
from tests.fakes import FakeClock, FakeCommands, FakeProcesses, context

CINDER, PROXY, AUTH = catalog.CINDER_VOLUME, catalog.NOVA_NOVNCPROXY, catalog.NOVA_CONSOLEAUTH
SETTINGS = Settings(True, (Address("n1", 5672, "u", "p", "/"),), Address("n1", 3306), "ha", (("a", "ha"),), exchange="openstack")
LINE = "python3 /usr/bin/cinder-volume --config-file={config}"


class FakeUnits:
    """systemd with one unit, whose start runs `effect`."""

    def __init__(self, unit=Unit("cinder-volume.service", "/lib/x", False), effect=None, enabled=False, rc=0):
        self.unit, self.effect, self.on, self.rc, self.done = unit, effect or (lambda: None), enabled, rc, []
        self.inside = set()

    def managed(self):
        return self.unit is not None

    def find(self, _names):
        return self.unit

    def enabled(self, _unit):
        return self.on

    def of(self, pid):
        return self.unit.name if pid in self.inside else None

    def adopt(self, _unit, _timeout):
        return None

    def start(self, unit, _timeout):
        self.done.append("start")
        self.effect()
        return Result(("systemctl",), self.rc, "", "Job failed.", False)

    def stop(self, unit, _timeout):
        self.done.append("stop")
        return Result(("systemctl",), self.rc, "", "", False)

    def forget_failure(self, _unit, _timeout):
        self.done.append("reset")


class FakeSources:
    """What the machine around it says."""

    def __init__(self, units=None, replies=(), amqp=2, rows=facts.ANSWERED, broker=True):
        self.answers = broker
        self.units, self._replies, self.amqp, self.asked, self._rows = units or FakeUnits(), replies, amqp, [], rows

    def rows(self, *_words):
        return facts.Rows(self._rows, (facts.Row("ha@a", 5, 900),) if self._rows == facts.ANSWERED else (), "n1:3306: refused")

    def settings(self, _service, _config):
        return SETTINGS

    def connections(self):
        return self

    def of(self, _pid):
        return (Socket("established", 4000, 5672, 1),) * self.amqp

    def listeners(self, _pid, _port):
        return False

    def broker(self, _brokers, _seconds):
        return self.answers

    def replies(self, _brokers, _exchange, targets, _seconds, _call):
        self.asked.append(targets)
        return self._replies

    def page(self, *_words):
        return Page(facts.ANSWERED, 200)

    def user(self, name):
        return None if name == "nobody-there" else (os.geteuid(), os.getegid())


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "cinder.conf"
    path.write_text("[DEFAULT]\n")
    return path


@pytest.fixture
def state_files(tmp_path):
    return StateFiles("cinder-volume", "test", str(tmp_path / "run"))


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


def test_a_start_through_the_unit(config, state_files):
    found = world("start", config)
    sources = FakeSources(FakeUnits(effect=lambda: add_tree(found, config)))

    assert codes.SUCCESS == start.start(found, service_at(config), sources, state_files).code
    assert ["start"] == sources.units.done
    assert ("cinder-volume.service", "1", "1") == tuple(state_files.read(SERVICE_FILE)[key] for key in ("unit", "workers", "linked"))


def test_a_unit_that_is_enabled_is_told(config, state_files):
    found = world("start", config)
    start.start(found, service_at(config), FakeSources(FakeUnits(effect=lambda: add_tree(found, config), enabled=True)), state_files)

    assert [text for _level, text in found.log.lines if "systemctl disable cinder-volume.service" in text]


def test_a_unit_that_systemd_cannot_start(config, state_files):
    found = world("start", config)
    with pytest.raises(Exception) as raised:
        start.start(found, service_at(config), FakeSources(FakeUnits(rc=1)), state_files)

    assert "Job failed. See 'journalctl -u cinder-volume.service'" in raised.value.reason


def test_a_unit_that_ends_at_once(config, state_files):
    found = world("start", config)
    outcome = start.start(found, service_at(config), FakeSources(), state_files)

    assert codes.ERR_GENERIC == outcome.code and "ended at once" in outcome.reason


def test_a_copy_that_answers_elsewhere_forbids_the_start(config, state_files):
    found = world("start", config)
    sources = FakeSources(replies=(Reply("cinder-volume.ha@a", facts.ANSWERED, 2),))
    outcome = start.start(found, service_at(config), sources, state_files)

    assert codes.ERR_GENERIC == outcome.code and "another cinder-volume answers" in outcome.reason
    assert [] == sources.units.done and [("cinder-volume.ha@a",)] == sources.asked


def test_consumers_of_a_node_that_lost_its_power_do_not(config, state_files):
    found = world("start", config)
    sources = FakeSources(FakeUnits(effect=lambda: add_tree(found, config)), (Reply("cinder-volume.ha@a", facts.SILENT, 2),))

    assert codes.SUCCESS == start.start(found, service_at(config), sources, state_files).code
    assert [text for _level, text in found.log.lines if "none of them answers" in text]


def test_a_service_that_does_not_connect_in_time(config, state_files):
    found = world("start", config)
    outcome = start.start(found, service_at(config), FakeSources(FakeUnits(effect=lambda: add_tree(found, config)), amqp=0), state_files)

    assert codes.ERR_GENERIC == outcome.code and "no connection to RabbitMQ, although" in outcome.reason


@pytest.mark.parametrize("values, word", [
    ({"unit": "none", "binary": "/nonexistent/cinder-volume"}, "is not installed"),
    ({"unit": "none", "binary": "/bin/true", "user": "nobody-there"}, "no user nobody-there")])
def test_what_is_missing(config, state_files, values, word):
    outcome = start.start(world("start", config, **values), CINDER, FakeSources(), state_files)

    assert codes.ERR_INSTALLED == outcome.code and word in outcome.reason


def test_a_missing_configuration(state_files, tmp_path):
    outcome = start.start(world("start", tmp_path / "none.conf", binary="/bin/true", user="root"), CINDER, FakeSources(), state_files)

    assert codes.ERR_INSTALLED == outcome.code and "none.conf is missing" in outcome.reason


def test_a_masked_unit_is_left_alone_unless_it_was_asked_for(config):
    units = FakeUnits(Unit("cinder-volume.service", "/etc/x", True))

    assert process.unit_for(world("start", config), service_at(config), FakeSources(units)) is None
    assert "systemctl unmask" in process.installation_error(world("start", config, unit="cinder-volume"), service_at(config), FakeSources(units))


@pytest.mark.parametrize("values", [{"additional_parameters": "--debug"}, {"binary": "/opt/cinder-volume"}, {"unit": "none"}])
def test_whoever_asks_for_something_else_gets_the_program(config, values):
    assert process.unit_for(world("start", config, **values), service_at(config), FakeSources()) is None


def test_consoleauth_says_that_it_ended_with_stein(config, state_files):
    found = world("start", config, AUTH, unit="none", binary="/nonexistent/nova-consoleauth")
    outcome = start.start(found, AUTH, FakeSources(), state_files)

    assert codes.ERR_INSTALLED == outcome.code and "Stein" in outcome.reason and "delete this resource" in outcome.reason


def test_the_version_beside_it(tmp_path):
    (tmp_path / "nova-26.2.2.egg-info").mkdir()

    assert "26.2.2" == process._installed_version("nova", (str(tmp_path),)) and process._installed_version("heat", (str(tmp_path),)) is None


@pytest.mark.parametrize("text, chosen", [("NOVA_CONSOLE_PROXY_TYPE=novnc\n", True), ("NOVA_CONSOLE_PROXY_TYPE='novnc'\n", True),
                                          ("NOVA_CONSOLE_PROXY_TYPE=spicehtml5\n", False), ("# nothing\n", False)])
def test_debians_choice_of_a_proxy(tmp_path, text, chosen):
    path = tmp_path / "nova-consoleproxy"
    path.write_text(text)

    assert chosen == process.novnc_chosen(str(path))


def test_a_stop_by_systemd_sends_no_second_sigterm(config, state_files):
    """oslo.service drops its handler at the first one: a second would end it in the middle of its work."""
    found = world("stop", config)
    tree = add_tree(found, config)
    units = FakeUnits()
    units.inside = {one.pid for one in tree}
    for one in tree:
        found.clock.at(3, lambda one=one: found.processes.remove(one.pid))

    assert [] == process.stop(found, CINDER, state_files, FakeSources(units), 30)
    assert "stop" == units.done[0] and not [pair for pair in found.processes.signals if pair[1] == 15]


def test_one_that_was_frozen_and_does_not_end_is_told_twice(config, state_files):
    """Else its parent waits for it as long as the service's graceful time is, and the others with it."""
    found = world("stop", config)
    parent = found.processes.add(LINE.format(config=config), dies_of=())
    frozen = found.processes.add(LINE.format(config=config), ppid=parent.pid, state="T")
    busy = found.processes.add(LINE.format(config=config), ppid=parent.pid)
    units = FakeUnits()
    units.inside = {parent.pid, frozen.pid, busy.pid}
    found.clock.at(15, lambda: [found.processes.remove(one.pid) for one in (parent, busy)])

    assert [] == process.stop(found, CINDER, state_files, FakeSources(units), 90)
    assert [(frozen.pid, 15)] == [pair for pair in found.processes.signals if pair[1] in (9, 15)]
    assert 10 <= found.clock.elapsed <= 20


def test_what_is_outside_of_the_unit_is_ended_as_well(config, state_files):
    found = world("stop", config)
    inside, outside = add_tree(found, config), add_tree(found, config)
    units = FakeUnits()
    units.inside = {one.pid for one in inside}
    for one in inside:
        found.clock.at(1, lambda one=one: found.processes.remove(one.pid))

    assert [] == process.stop(found, CINDER, state_files, FakeSources(units), 30)
    assert {one.pid for one in outside} == {pid for pid, number in found.processes.signals if number == 15}


def test_a_systemd_that_does_not_stop_it_is_done_without(config, state_files):
    found = world("stop", config)
    tree = add_tree(found, config)
    units = FakeUnits(rc=1)
    units.inside = {one.pid for one in tree}

    assert [] == process.stop(found, CINDER, state_files, FakeSources(units), 30)
    assert {one.pid for one in tree} == {pid for pid, number in found.processes.signals if number == 15}


def test_one_that_the_kernel_keeps_is_an_error_that_says_which(config, state_files):
    found = world("stop", config)
    found.processes.add(LINE.format(config=config), pid=77, state="D", dies_of=())
    outcome = stop.stop(found, CINDER, FakeSources(), state_files)

    assert codes.ERR_GENERIC == outcome.code and "pid 77, state D" in outcome.reason


def test_a_trouble_is_timed_from_its_first_sight_on_and_forgotten_when_it_is_over(config, state_files):
    found = world("monitor", config)
    add_tree(found, config)
    sources = FakeSources(amqp=0)
    assert codes.DEGRADED == monitor.monitor(found, CINDER, sources, state_files).code
    found.clock.sleep(61)
    outcome = monitor.monitor(found, CINDER, sources, state_files)
    assert codes.ERR_GENERIC == outcome.code and "It has lasted 61 s" in outcome.reason
    assert codes.SUCCESS == monitor.monitor(found, CINDER, FakeSources(), state_files).code
    assert codes.DEGRADED == monitor.monitor(found, CINDER, sources, state_files).code


def test_a_level_that_cannot_see_a_trouble_does_not_forget_it(config, state_files):
    """An outage that only the call sees lasts from the first call on, and the looks between ask the broker themselves."""
    found, sources = world("monitor", config, outage_tolerance="60"), FakeSources(broker=True)
    add_tree(found, config)
    away = (Reply("cinder-volume.ha@a", facts.UNREACHABLE, None, "no answer"),)
    codes_of = []
    for level, replies, broker in ((20, away, True), (0, (), True), (0, (), False), (20, away, True), (0, (), True), (20, (), True)):
        found.check_level, sources._replies, sources.answers = level, replies or (Reply("q", facts.ANSWERED, 2),), broker
        codes_of.append(monitor.monitor(found, CINDER, sources, state_files).code)
        found.clock.sleep(30.5)

    assert [codes.DEGRADED, codes.SUCCESS, codes.ERR_GENERIC, codes.ERR_GENERIC, codes.SUCCESS, codes.SUCCESS] == codes_of
    assert {} == state_files.read("symptoms")


def test_a_failure_that_the_call_saw_is_one_at_each_depth_until_a_call_says_otherwise(config, state_files):
    """Pacemaker keeps the last result that is not ok: with a degraded one after it no failure is ever mended."""
    found, sources = world("monitor", config), FakeSources(broker=True)
    add_tree(found, config)
    silent, answered = ((Reply("cinder-volume.ha@a", one, 2),) for one in (facts.SILENT, facts.ANSWERED))
    said = []
    for level, replies, amqp in ((20, silent, 2), (20, silent, 2), (0, silent, 0), (0, silent, 2), (20, answered, 0), (0, silent, 0)):
        found.check_level, sources._replies, sources.amqp = level, replies, amqp
        said.append(monitor.monitor(found, CINDER, sources, state_files).code)
        found.clock.sleep(61 if len(said) == 1 else 1)

    assert [codes.DEGRADED, codes.ERR_GENERIC, codes.ERR_GENERIC, codes.SUCCESS, codes.DEGRADED, codes.DEGRADED] == said
    assert {} == state_files.read("failed")


def test_a_database_that_was_away_is_asked_again_by_the_next_look(config, state_files):
    found, sources = world("monitor", config), FakeSources(rows=facts.UNREACHABLE)
    add_tree(found, config)
    assert codes.SUCCESS == monitor.monitor(found, CINDER, sources, state_files).code
    found.check_level = 10
    assert codes.DEGRADED == monitor.monitor(found, CINDER, sources, state_files).code
    found.check_level = 0
    assert codes.DEGRADED == monitor.monitor(found, CINDER, sources, state_files).code
    sources._rows = facts.ANSWERED
    monitor.monitor(found, CINDER, sources, state_files)

    assert "database" not in state_files.read("symptoms")


def test_by_hand_nothing_is_noted(config, state_files):
    found = world("monitor", config)
    found.interactive = True
    monitor.update_timers(found, state_files, facts.Observation(facts.Tree(1)), [facts.Symptom("amqp", facts.PASSING, "x")])

    assert {} == state_files.read("symptoms")


def test_two_copies_are_refused_at_once(config, state_files):
    found = world("start", config)
    add_tree(found, config)
    add_tree(found, config)
    outcome = start.start(found, service_at(config), FakeSources(), state_files)

    assert codes.ERR_GENERIC == outcome.code and "still run" in outcome.reason and found.clock.elapsed < 1


def test_connections_that_cannot_be_seen_are_not_taken_for_made(config, state_files):
    found = world("start", config)
    sources = FakeSources(FakeUnits(effect=lambda: add_tree(found, config)))
    sources.of = lambda _pid: None
    outcome = start.start(found, service_at(config), sources, state_files)

    assert codes.ERR_GENERIC == outcome.code and "not ready" in outcome.reason


def test_a_start_without_its_database_ends_soon_and_well(config, state_files):
    """Seen after a power cut of all: two starts that waited their whole time were fatal, and held up the database's own."""
    found = world("start", config)
    sources = FakeSources(FakeUnits(effect=lambda: found.processes.add(LINE.format(config=config))), rows=facts.UNREACHABLE)
    outcome = start.start(found, service_at(config), sources, state_files)

    assert codes.SUCCESS == outcome.code and found.clock.elapsed < 15
    outcome = monitor.monitor(found, service_at(config), sources, state_files)
    assert codes.DEGRADED == outcome.code and "database" in outcome.reason
    found.clock.sleep(9999)
    assert codes.DEGRADED == monitor.monitor(found, service_at(config), sources, state_files).code


def test_without_its_workers_although_the_database_answers_it_has_failed(config, state_files):
    found = world("monitor", config)
    parent = found.processes.add(LINE.format(config=config))
    state_files.write(SERVICE_FILE, {"pid": parent.pid, "start": parent.start, "workers": 1, "linked": 0})
    monitor.monitor(found, CINDER, FakeSources(), state_files)
    found.clock.sleep(9)
    assert codes.DEGRADED == monitor.monitor(found, CINDER, FakeSources(), state_files).code, "it may have waited for its database"
    state_files.write(SERVICE_FILE, {"pid": parent.pid, "start": parent.start, "workers": 1, "linked": 1})

    assert codes.ERR_GENERIC == monitor.monitor(found, CINDER, FakeSources(), state_files).code


def test_workers_that_come_later_are_learnt(config, state_files):
    found = world("monitor", config)
    parent, _worker = add_tree(found, config)
    state_files.write(SERVICE_FILE, {"pid": parent.pid, "start": parent.start, "workers": 1, "linked": 0})
    monitor.monitor(found, CINDER, FakeSources(), state_files)

    assert ("1", "1") == tuple(state_files.read(SERVICE_FILE)[key] for key in ("workers", "linked"))


def test_a_pid_file_is_written_through_nobodys_link(config, state_files, tmp_path):
    """Its directory may belong to the service, whose account could have had root overwrite any file."""
    secret, path = tmp_path / "shadow", tmp_path / "pid"
    secret.write_text("root:x")
    os.symlink(secret, path)
    found = world("start", config, pid=str(path))
    parent = found.processes.add(LINE.format(config=config))

    start.record_start(found, CINDER, state_files, facts.Observation(facts.Tree(parent, (parent,)), {}, SETTINGS))

    assert ("root:x", "%d\n" % parent.pid) == (secret.read_text(), path.read_text())
