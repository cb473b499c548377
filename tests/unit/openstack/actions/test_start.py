# SPDX-License-Identifier: Apache-2.0
"""start, where a real process tree cannot show it: systemd units, other nodes, what is missing."""

import os

import pytest

from quorate.host.connections import Socket
from quorate.host.state_files import StateFiles
from quorate.host.system.units import Unit, UnitState
from quorate.ocf import codes
from quorate.openstack import facts
from quorate.openstack.actions import monitor, start
from quorate.openstack.facts import SERVICE_FILE, Reply
from quorate.openstack.service import stopping
from tests.unit.openstack.fakes import AUTH, CINDER, LINE, SETTINGS, FakeSources, FakeUnits, add_tree, service_at, world

LONGEST = len("openstack-nova-consoleauth.service") - len("cinder-volume.service")


def test_a_start_through_the_unit(config, state_files):
    found = world("start", config)
    sources = FakeSources(FakeUnits(effect=lambda: add_tree(found, config)))

    assert codes.SUCCESS == start.start(found, service_at(config), state_files, sources).code
    assert ["start"] == sources.units.done
    assert ("cinder-volume.service", "1", "1") == tuple(state_files.read(SERVICE_FILE)[key]
                                                        for key in ("unit", "workers", "linked"))


def test_what_start_stop_daemon_starts_is_the_parent_before_it_has_children(config, state_files):
    """It leads no process group, like a worker whose parent is gone."""
    found = world("start", config)
    first = []

    def effect():
        first.append(found.processes.add(LINE.format(config=config)))
        found.processes.followers.add(first[0].pid)

    sources = FakeSources(FakeUnits(effect=effect))
    sleep = found.clock.sleep

    def later(seconds):  # its worker comes after 9 seconds
        sleep(seconds)
        if found.clock.monotonic() - began > 9 and len(found.processes.all()) == 1:
            worker = found.processes.add(LINE.format(config=config), ppid=first[0].pid)
            found.processes.followers.add(worker.pid)

    found.clock.sleep, began = later, found.clock.monotonic()
    outcome = start.start(found, service_at(config), state_files, sources)

    assert (codes.SUCCESS, None) == (outcome.code, outcome.reason)
    assert str(first[0].pid) == state_files.read(SERVICE_FILE)["pid"]


def test_a_worker_whose_parent_died_while_it_started_is_not(config, state_files):
    found = world("start", config)

    def effect():
        parent, worker = add_tree(found, config)
        found.processes.followers.add(worker.pid)
        state_files.write(SERVICE_FILE, dict(state_files.read(SERVICE_FILE), pid=parent.pid, start=parent.start))
        found.processes.remove(parent.pid)

    outcome = start.start(found, service_at(config), state_files, FakeSources(FakeUnits(effect=effect)))

    assert codes.ERR_GENERIC == outcome.code


def test_a_unit_that_is_enabled_is_reported(config, state_files):
    found = world("start", config)
    start.start(found, service_at(config), state_files,
                FakeSources(FakeUnits(effect=lambda: add_tree(found, config), enabled=True)))

    assert [text for _level, text in found.log.lines if "systemctl disable cinder-volume.service" in text]


def test_a_unit_that_systemd_cannot_start(config, state_files):
    found = world("start", config)
    with pytest.raises(Exception) as raised:
        start.start(found, service_at(config), state_files, FakeSources(FakeUnits(rc=1)))

    assert "Job failed. See 'journalctl -u cinder-volume.service'" in raised.value.reason


def test_a_unit_that_ends_at_once(config, state_files):
    found = world("start", config)
    outcome = start.start(found, service_at(config), state_files, FakeSources())

    assert codes.ERR_GENERIC == outcome.code and "ended at once" in outcome.reason


def test_a_copy_that_answers_elsewhere_forbids_the_start(config, state_files):
    found = world("start", config)
    sources = FakeSources(replies=(Reply("cinder-volume.ha@a", facts.ANSWERED, 2),))
    outcome = start.start(found, service_at(config), state_files, sources)

    assert codes.ERR_GENERIC == outcome.code and "another cinder-volume answers" in outcome.reason
    assert [] == sources.units.done and [("cinder-volume.ha@a",)] == sources.asked


def test_consumers_of_a_node_that_lost_its_power_do_not(config, state_files):
    found = world("start", config)
    sources = FakeSources(FakeUnits(effect=lambda: add_tree(found, config)),
                          (Reply("cinder-volume.ha@a", facts.SILENT, 2),))

    assert codes.SUCCESS == start.start(found, service_at(config), state_files, sources).code
    assert [text for _level, text in found.log.lines if "none of them answers" in text]


def test_a_service_that_does_not_connect_in_time(config, state_files):
    found = world("start", config)
    outcome = start.start(found, service_at(config), state_files,
                          FakeSources(FakeUnits(effect=lambda: add_tree(found, config)), amqp=0))

    assert codes.ERR_GENERIC == outcome.code and "no connection to RabbitMQ, although" in outcome.reason


def test_a_service_of_which_no_broker_is_known(config, state_files):
    """transport_url refers to an option whose default only the service knows, and the brokers are on 5671: the monitor calls
    it healthy, and a start that fails is banned from every node."""
    found = world("start", config)
    sources = FakeSources(FakeUnits(effect=lambda: add_tree(found, config)))
    sources.settings = lambda *_how: SETTINGS._replace(brokers=(), problems=("transport_url refers to $x",))
    sources.answers = None
    sources.of = lambda _pid: (Socket("established", 4000, 5671, 1),) * 2
    outcome = start.start(found, service_at(config), state_files, sources)

    assert codes.SUCCESS == outcome.code and 1030 < found.clock.monotonic() < 1040
    assert [text for _level, text in found.log.lines if "is not known: transport_url refers to $x" in text]
    assert codes.SUCCESS == monitor.monitor(found, service_at(config), state_files, sources).code
    sources.of = lambda _pid: (Socket("established", 4000, 5672, 1),)
    another = StateFiles("cinder-volume", "other", str(config.parent / "other"))
    again = world("start", config)
    sources.units = FakeUnits(effect=lambda: add_tree(again, config))
    assert codes.SUCCESS == start.start(again, service_at(config), another, sources).code
    assert again.clock.monotonic() < 1010, "one on the usual port is seen"


def test_a_broker_that_refuses_the_account_is_no_failed_start(config, state_files):
    """A cluster of RabbitMQ that was built anew without the user: a failed start would ban every node until a cleanup."""
    found = world("start", config)
    sources = FakeSources(FakeUnits(effect=lambda: add_tree(found, config)), amqp=0)
    sources.refused = "Login was refused"
    outcome = start.start(found, service_at(config), state_files, sources)

    assert codes.SUCCESS == outcome.code and found.clock.monotonic() < 1020
    assert [text for _level, text in found.log.lines if "takes no connection of cinder-volume: Login was refused" in text]


@pytest.mark.parametrize("values, word", [
    ({"unit": "none", "binary": "/nonexistent/cinder-volume"}, "is not installed"),
    ({"unit": "none", "binary": "/bin/true", "user": "nobody-there"}, "no user nobody-there")])
def test_what_is_missing(config, state_files, values, word):
    outcome = start.start(world("start", config, **values), CINDER, state_files, FakeSources())

    assert codes.ERR_INSTALLED == outcome.code and word in outcome.reason


def test_a_missing_configuration(state_files):
    outcome = start.start(world("start", "/nonexistent/none.conf", binary="/bin/true", user="root"), CINDER,
                          state_files, FakeSources())

    assert codes.ERR_INSTALLED == outcome.code and "none.conf is missing" in outcome.reason


def test_consoleauth_says_that_it_ended_with_stein(config, state_files):
    found = world("start", config, AUTH, unit="none", binary="/nonexistent/nova-consoleauth")
    outcome = start.start(found, AUTH, state_files, FakeSources())

    assert codes.ERR_INSTALLED == outcome.code and "Stein" in outcome.reason and "delete this resource" in outcome.reason


def test_two_copies_are_refused_at_once(config, state_files):
    found = world("start", config)
    add_tree(found, config)
    add_tree(found, config)
    outcome = start.start(found, service_at(config), state_files, FakeSources())

    assert codes.ERR_GENERIC == outcome.code and "still run" in outcome.reason and found.clock.elapsed < 1


def test_connections_that_cannot_be_observed_do_not_count_as_made(config, state_files):
    found = world("start", config)
    sources = FakeSources(FakeUnits(effect=lambda: add_tree(found, config)))
    sources.of = lambda _pid: None
    outcome = start.start(found, service_at(config), state_files, sources)

    assert codes.ERR_GENERIC == outcome.code and "not ready" in outcome.reason


def test_a_start_without_its_database_succeeds_soon(config, state_files):
    """Seen after a power cut of all: two starts that waited their whole time were fatal, and held up the database's
    own."""
    found = world("start", config)
    sources = FakeSources(FakeUnits(effect=lambda: found.processes.add(LINE.format(config=config))),
                          rows=facts.UNREACHABLE)
    outcome = start.start(found, service_at(config), state_files, sources)

    assert codes.SUCCESS == outcome.code and found.clock.elapsed < 15
    outcome = monitor.monitor(found, service_at(config), state_files, sources)
    assert codes.DEGRADED == outcome.code and "database" in outcome.reason
    found.clock.sleep(9999)
    assert codes.DEGRADED == monitor.monitor(found, service_at(config), state_files, sources).code


def test_a_start_without_writes_succeeds_soon(config, state_files):
    """A database that is read-only, full, or a donor: a failed start would ban one node after the other."""
    found = world("start", config)
    sources = FakeSources(FakeUnits(effect=lambda: found.processes.add(LINE.format(config=config))))
    sources.unwritable = "1290"
    outcome = start.start(found, service_at(config), state_files, sources)

    assert codes.SUCCESS == outcome.code and found.clock.elapsed < 15
    assert [text for _level, text in found.log.lines if "takes no writes" in text]


def test_a_service_that_ends_at_once_without_writes(config, state_files):
    found, sources = world("start", config), FakeSources()
    sources.unwritable = "--read-only"
    outcome = start.start(found, service_at(config), state_files, sources)

    assert codes.ERR_GENERIC == outcome.code and "takes no writes: --read-only" in outcome.reason


@pytest.mark.parametrize("reason, code", [("--read-only", codes.DEGRADED), ("", codes.ERR_GENERIC)])
def test_a_heartbeat_that_stands_still_without_writes_is_no_reason_to_restart(config, state_files, reason, code):
    """A restart brings no write back, and was tried again and again."""
    found = world("monitor", config)
    found.check_level = 10
    tree, units = add_tree(found, config), FakeUnits()
    start.record_start(found, CINDER, state_files, facts.Observation(facts.Tree(tree[0], tree[1:]), {}, SETTINGS))
    sources = FakeSources(units)
    for number in range(9):
        outcome = monitor.monitor(found, service_at(config), state_files, sources)
        if number == 2:  # it has reported, and not in its first minute only
            assert codes.SUCCESS == outcome.code
            sources.rows, sources.unwritable = lambda *_: sources.last, reason
            sources.last = facts.Rows(facts.ANSWERED, (facts.Row("ha@a", 5, 900, "the last report"),))
        found.clock.sleep(60)

    assert code == outcome.code
    assert (("takes no writes: " + reason) if reason else "has not reported") in outcome.reason


def test_a_pid_file_is_written_through_nobodys_link(config, state_files, tmp_path):
    """Its directory may belong to the service, whose account could have had root overwrite any file."""
    secret, path = tmp_path / "shadow", tmp_path / "pid"
    secret.write_text("root:x")
    os.symlink(secret, path)
    found = world("start", config, pid=str(path))
    parent = found.processes.add(LINE.format(config=config))

    start.record_start(found, CINDER, state_files, facts.Observation(facts.Tree(parent, (parent,)), {}, SETTINGS))

    assert ("root:x", "%d\n" % parent.pid) == (secret.read_text(), path.read_text())


def test_what_systemd_runs_already_is_taken_over_with_its_restarts(config, state_files):
    """An administrator started it, or a boot: its Restart= would bring a second copy after the failover."""
    found, units = world("start", config), FakeUnits()
    units.inside = {one.pid for one in add_tree(found, config)}

    assert codes.SUCCESS == start.start(found, service_at(config), state_files, FakeSources(units)).code
    assert ["cinder-volume.service"] == units.taken and [] == units.done
    assert "cinder-volume.service" == state_files.read(SERVICE_FILE)["unit"]


def test_what_runs_outside_of_systemd_is_taken_over_without(config, state_files):
    found, units = world("start", config), FakeUnits()
    add_tree(found, config)

    assert codes.SUCCESS == start.start(found, service_at(config), state_files, FakeSources(units)).code
    assert [] == units.taken and "unit" not in state_files.read(SERVICE_FILE)


@pytest.mark.parametrize("rc, code", [(0, codes.SUCCESS), (1, None)])
def test_a_program_is_not_started_beside_a_unit_that_is_about_to_start(config, state_files, rc, code):
    found, units = world("start", config, unit="none", binary="/bin/true"), FakeUnits(rc=rc)
    units.now = UnitState("activating", "auto-restart")
    found.commands.on_spawn = lambda argv: add_tree(found, config)[0].pid
    if code is None:
        with pytest.raises(Exception) as raised:
            start.start(found, service_at(config), state_files, FakeSources(units))
        assert "systemctl stop cinder-volume.service" in raised.value.reason and [] == found.commands.spawned
        assert len(raised.value.reason) + LONGEST <= 144, "Pacemaker cuts it off"
    else:
        assert code == start.start(found, service_at(config), state_files, FakeSources(units)).code
    assert ["stop"] == units.done


@pytest.mark.parametrize("state, code", [
    (UnitState("activating", "auto-restart"), codes.ERR_GENERIC),
    (UnitState("inactive", "dead", 0, True), codes.ERR_GENERIC),
    (UnitState("inactive", "dead"), codes.NOT_RUNNING), (UnitState("failed", "failed"), codes.NOT_RUNNING),
    (UnitState("active", "exited"), codes.NOT_RUNNING), (None, codes.ERR_GENERIC)])
def test_a_probe_of_what_systemd_is_about_to_start(config, state_files, state, code):
    """Pacemaker starts elsewhere what is not running here."""
    found, units = probe(config), FakeUnits()
    units.now = state

    outcome = monitor.monitor(found, service_at(config), state_files, FakeSources(units))
    assert code == outcome.code and len(outcome.reason or "") + LONGEST <= 144
    assert [] == units.done


@pytest.mark.parametrize("adopted, enabled, code", [(True, False, codes.NOT_RUNNING), (True, True, codes.ERR_GENERIC),
                                                    (False, False, codes.ERR_GENERIC)])
def test_a_systemd_that_does_not_answer_starts_nothing_where_it_was_told_so_before(config, state_files, adopted,
                                                                                       enabled, code):
    found, units = probe(config), FakeUnits(enabled=enabled)
    units.now, units.taken = None, ["cinder-volume.service"] if adopted else []

    assert code == monitor.monitor(found, service_at(config), state_files, FakeSources(units)).code


def test_a_program_is_not_started_where_systemd_does_not_say_whether_it_starts_it(config, state_files):
    found, units = world("start", config, unit="none", binary="/bin/true"), FakeUnits()
    units.now = None
    with pytest.raises(Exception) as raised:
        start.start(found, service_at(config), state_files, FakeSources(units))

    assert [] == found.commands.spawned and "systemctl status cinder-volume.service" in raised.value.reason
    assert len(raised.value.reason) + LONGEST <= 144, "Pacemaker cuts it off"


@pytest.mark.parametrize("recurring", [False, True])
def test_a_unit_whose_processes_are_not_recognised_is_not_stopped(config, state_files, recurring):
    """A launcher of another name, a chroot, another configuration: Pacemaker would start a second copy."""
    found, units = probe(config), FakeUnits()
    if recurring:
        found = world("monitor", config)
    units.inside, units.now = {found.processes.add("/opt/site/volumes").pid}, UnitState("active", "running", 1)
    outcome = monitor.monitor(found, service_at(config), state_files, FakeSources(units))

    assert codes.ERR_GENERIC == outcome.code and "cinder-volume.service has processes" in outcome.reason
    assert "set binary, config or unit" in outcome.reason


def test_a_start_of_a_unit_whose_processes_are_not_recognised(config, state_files):
    """It did not end at once."""
    found = world("start", config)
    sources = FakeSources(FakeUnits(effect=lambda: sources.units.inside.add(found.processes.add("/opt/site/volumes").pid)))
    outcome = start.start(found, service_at(config), state_files, sources)

    assert codes.ERR_GENERIC == outcome.code and "has processes" in outcome.reason


def test_a_drop_in_that_undoes_ours_is_logged(config, state_files):
    found = world("start", config)
    sources = FakeSources(FakeUnits(effect=lambda: add_tree(found, config)))
    sources.units.overridden = "systemd restarts it (Restart=always)"

    assert codes.SUCCESS == start.start(found, service_at(config), state_files, sources).code
    assert [text for _level, text in found.log.lines if "Restart=always" in text]


@pytest.mark.parametrize("name, word", [("gone", "There is no systemd unit gone"), ("cinder-volume@", "name an instance")])
def test_a_unit_that_is_not_there(config, state_files, name, word):
    with pytest.raises(Exception) as raised:
        start.start(world("start", config, unit=name), service_at(config), state_files, FakeSources())

    assert word in raised.value.reason


def test_other_instances_of_the_template_are_other_resources(config, state_files):
    """All read cinder.conf, and each a file of its own: they are no copies, and a stop ends none of them."""
    found = world("monitor", config, unit="cinder-volume@b1")
    units = FakeUnits(Unit("cinder-volume@b1.service", "/lib/x", False))
    own, other = add_tree(found, config), add_tree(found, config)
    units.inside, units.now = {one.pid for one in own}, UnitState("active", "running", own[0].pid)
    units.elsewhere = {one.pid: "cinder-volume@b2.service" for one in other}
    for one in own:
        found.clock.at(3, lambda one=one: found.processes.remove(one.pid))

    assert codes.SUCCESS == monitor.monitor(found, service_at(config), state_files, FakeSources(units)).code
    assert None is stopping.stop(found, service_at(config), state_files, FakeSources(units), 15)
    assert ["stop", "reset"] == units.done and not {one.pid for one in other} & {pid for pid, _ in found.processes.signals}


def test_a_probe_takes_over_what_it_finds(config, state_files):
    """Pacemaker takes it for started, and calls no start."""
    found, units = probe(config), FakeUnits()
    units.inside = {one.pid for one in add_tree(found, config)}

    assert codes.SUCCESS == monitor.monitor(found, service_at(config), state_files, FakeSources(units)).code
    assert ["cinder-volume.service"] == units.taken


def probe(config):
    found = world("monitor", config)
    found.interval, found.is_probe = 0.0, True
    return found
