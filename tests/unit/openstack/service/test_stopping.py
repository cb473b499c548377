# SPDX-License-Identifier: Apache-2.0
"""Whom a stop sends which signal, what it tells systemd, and when it may say that it stopped."""

import pytest

from quorate.host.system.units import UnitState
from quorate.openstack.facts import SERVICE_FILE
from quorate.openstack.service import stopping
from tests.unit.openstack.fakes import LINE, FakeSources, FakeUnits, add_tree, service_at, world

RUNNING = UnitState("active", "running", 100)
RESTARTS = UnitState("activating", "auto-restart")
LONGEST = len("openstack-nova-consoleauth.service") - len("cinder-volume.service")


def test_a_stop_by_systemd_sends_no_second_sigterm(config, state_files):
    """oslo.service drops its handler at the first one: a second would end it in the middle of its work."""
    found = world("stop", config)
    tree = add_tree(found, config)
    units = FakeUnits()
    units.now = RUNNING
    units.inside = {one.pid for one in tree}
    for one in tree:
        found.clock.at(3, lambda one=one: found.processes.remove(one.pid))

    assert None is stopping.stop(found, service_at(config), state_files, FakeSources(units), 30)
    assert "stop" == units.done[0] and not [pair for pair in found.processes.signals if pair[1] == 15]


def test_a_frozen_process_that_does_not_end_gets_sigterm_twice(config, state_files):
    """Else its parent waits for it as long as the service's graceful time is, and the others with it."""
    found = world("stop", config)
    parent = found.processes.add(LINE.format(config=config), dies_of=())
    frozen = found.processes.add(LINE.format(config=config), ppid=parent.pid, state="T")
    busy = found.processes.add(LINE.format(config=config), ppid=parent.pid)
    units = FakeUnits()
    units.now = RUNNING
    units.inside = {parent.pid, frozen.pid, busy.pid}
    found.clock.at(15, lambda: [found.processes.remove(one.pid) for one in (parent, busy)])

    assert None is stopping.stop(found, service_at(config), state_files, FakeSources(units), 90)
    assert [(frozen.pid, 15)] == [pair for pair in found.processes.signals if pair[1] in (9, 15)]
    assert 10 <= found.clock.elapsed <= 20


def test_what_is_outside_of_the_unit_is_ended_as_well(config, state_files):
    found = world("stop", config)
    inside, outside = add_tree(found, config), add_tree(found, config)
    units = FakeUnits()
    units.now = RUNNING
    units.inside = {one.pid for one in inside}
    for one in inside:
        found.clock.at(1, lambda one=one: found.processes.remove(one.pid))

    assert None is stopping.stop(found, service_at(config), state_files, FakeSources(units), 30)
    assert {one.pid for one in outside} == {pid for pid, number in found.processes.signals if number == 15}


def test_without_systemds_help_every_process_gets_sigterm(config, state_files):
    found = world("stop", config)
    tree = add_tree(found, config)
    units = FakeUnits(rc=1)
    units.now = RUNNING
    units.inside = {one.pid for one in tree}
    found.clock.at(2, lambda: setattr(units, "now", UnitState("failed", "failed")))

    assert None is stopping.stop(found, service_at(config), state_files, FakeSources(units), 30)
    assert {one.pid for one in tree} == {pid for pid, number in found.processes.signals if number == 15}


@pytest.mark.parametrize("state", [RESTARTS, UnitState("activating", "auto-restart-queued"),
                                   UnitState("inactive", "dead", 0, True), UnitState("activating", "start", 7)])
@pytest.mark.parametrize("recorded", [{}, {"unit": "cinder-volume.service"}], ids=["of others", "of the agent"])
def test_a_unit_that_systemd_is_about_to_start_again_is_stopped(config, state_files, state, recorded):
    """No process is there: after the failover, systemd would start a second copy."""
    found, units = world("stop", config), FakeUnits()
    units.now = state
    state_files.write(SERVICE_FILE, recorded)

    assert None is stopping.stop(found, service_at(config), state_files, FakeSources(units), 15)
    assert "stop" == units.done[0] and ["cinder-volume.service"] == units.taken


def test_a_unit_that_has_ended_is_left_as_it_is(config, state_files):
    found, units = world("stop", config), FakeUnits()

    assert None is stopping.stop(found, service_at(config), state_files, FakeSources(units), 15)
    assert [] == units.done == units.taken


def test_a_unit_that_the_agent_did_not_start_is_taken_over_before_its_processes_end(config, state_files):
    """Else its Restart= answers our own SIGKILL."""
    found, units = world("stop", config), FakeUnits()
    units.now, units.inside = RUNNING, {one.pid for one in add_tree(found, config)}
    for pid in units.inside:
        found.clock.at(1, lambda pid=pid: found.processes.remove(pid))

    assert None is stopping.stop(found, service_at(config), state_files, FakeSources(units), 15)
    assert ["cinder-volume.service"] == units.taken and "stop" == units.done[0]


@pytest.mark.parametrize("after", [RESTARTS, UnitState("active", "running", 7)])
def test_a_unit_that_systemd_does_not_stop_is_no_success(config, state_files, after):
    found, units = world("stop", config), FakeUnits(rc=1)
    units.now = after
    reason = stopping.stop(found, service_at(config), state_files, FakeSources(units), 15)

    assert "systemd says that cinder-volume.service is %s (%s)" % after[:2] in reason
    assert len(reason) + LONGEST <= 144, "Pacemaker cuts it off"
    assert found.clock.elapsed <= 17


def test_a_stop_that_systemd_refused_at_first_is_asked_again(config, state_files):
    found, units = world("stop", config), FakeUnits(rc=1)
    units.now = RESTARTS
    found.clock.at(2, lambda: setattr(units, "rc", 0))

    assert None is stopping.stop(found, service_at(config), state_files, FakeSources(units), 15)
    assert 3 <= units.done.count("stop")


def test_a_systemd_that_does_not_answer_is_no_success(config, state_files):
    found, units = world("stop", config), FakeUnits(rc=1)
    units.now, units.adopt = None, lambda *_: "daemon-reload failed"

    reason = stopping.stop(found, service_at(config), state_files, FakeSources(units), 15)
    assert "systemd does not answer" in reason and len(reason) + LONGEST <= 144


def test_unless_it_was_told_before_not_to_restart_the_unit(config, state_files):
    found, units = world("stop", config), FakeUnits(rc=1)
    units.now, units.taken = None, ["cinder-volume.service"]

    assert None is stopping.stop(found, service_at(config), state_files, FakeSources(units), 15)


def test_a_unit_whose_last_command_takes_long_is_stopped(config, state_files):
    """systemd ends it because we asked: it does not come again."""
    found, units = world("stop", config), FakeUnits()
    units.now, stop = RUNNING, units.stop

    def slowly(unit, timeout):
        result = stop(unit, timeout)
        units.now = UnitState("deactivating", "stop-post", 0, True)
        return result

    units.stop = slowly
    assert None is stopping.stop(found, service_at(config), state_files, FakeSources(units), 15)


def test_a_unit_of_another_instance_is_left_alone(config, state_files, tmp_path):
    """The distribution's unit runs the distribution's configuration."""
    other = tmp_path / "other.conf"
    other.write_text("[DEFAULT]\n")
    found, units = world("stop", other), FakeUnits()
    units.now, units.inside = RUNNING, {one.pid for one in add_tree(found, config)}

    assert None is stopping.stop(found, service_at(config), state_files, FakeSources(units), 15)
    assert [] == units.done and [] == found.processes.signals


def test_a_unit_of_the_site_is_stopped_where_its_main_process_is_ours(config, state_files):
    found, units = world("stop", config), FakeUnits()
    parent, child = add_tree(found, config)
    units.elsewhere = {parent.pid: "our-cinder.service", child.pid: "our-cinder.service"}
    units.main = {"our-cinder.service": parent.pid}
    for one in (parent, child):
        found.clock.at(1, lambda one=one: found.processes.remove(one.pid))
    reason = stopping.stop(found, service_at(config), state_files, FakeSources(units), 15)

    assert "stop our-cinder.service" == units.done[0] and ["our-cinder.service"] == units.taken
    assert "our-cinder.service is active (running)" in reason, "systemd, as the fake plays it, still says so"


@pytest.mark.parametrize("around, line", [
    ("pacemaker.service", "/usr/sbin/pacemakerd"), ("ssh.service", "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups\0"),
    ("cron.service", "/usr/sbin/cron -f -P"), ("atd.service", "/usr/sbin/atd -f"),
    ("pcsd.service", "/usr/bin/python3 -Es /usr/sbin/pcsd"), ("pcsd.service", "/usr/bin/ruby /usr/sbin/pcsd")])
def test_a_unit_that_only_started_the_program_is_not_stopped(config, state_files, around, line):
    """Even where it started nothing else."""
    found, units = world("stop", config, unit="none"), FakeUnits()
    main = found.processes.add([line[:-1]]) if "\0" in line else found.processes.add(line)
    shell = found.processes.add("/bin/sh -c x", ppid=main.pid)
    tree = (main, shell, found.processes.add(LINE.format(config=config), ppid=shell.pid))
    units.elsewhere, units.main = {one.pid: around for one in tree}, {around: main.pid}

    assert None is stopping.stop(found, service_at(config), state_files, FakeSources(units), 15)
    assert [] == units.done == units.taken and [tree[2].pid] == [pid for pid, number in found.processes.signals
                                                                if number == 15]


@pytest.mark.parametrize("main, helper, name", [
    ("/bin/sh -c cinder-volume; true", False, "site.service"), ("/opt/site/launch --venv x", False, "site.service"),
    (None, False, "site.service"), (None, True, "our-cinder.service")],
    ids=["a shell", "a launcher", "forking", "forking, and a helper that init has adopted"])
def test_a_unit_whose_main_process_is_no_process_of_the_service(config, state_files, main, helper, name):
    """It is there for the service and for nothing else: without a stop it would stay, or start it again."""
    found, units = world("stop", config), FakeUnits()
    around = [found.processes.add(main)] if main else []
    parent = found.processes.add(LINE.format(config=config), ppid=around[0].pid if main else 1)
    inside = around + [parent, found.processes.add(LINE.format(config=config), ppid=parent.pid)]
    inside += [found.processes.add("privsep-helper")] if helper else []
    units.elsewhere, units.main = {one.pid: name for one in inside}, {name: around[0].pid if main else 0}
    reason = stopping.stop(found, service_at(config), state_files, FakeSources(units), 15)

    assert "stop " + name == units.done[0] and [name] == units.taken
    assert not [one for one in inside if not found.processes.gone(one)]
    assert name + " is active (running)" in reason, "systemd, as the fake plays it, still says so"


def test_a_supervisor_of_other_programs_is_not_stopped_and_may_start_it_again(config, state_files):
    found, units = world("stop", config), FakeUnits()
    main = found.processes.add("/usr/bin/python3 /usr/bin/supervisord")
    other = found.processes.add("/usr/bin/other", ppid=main.pid)
    one = found.processes.add(LINE.format(config=config), ppid=main.pid)
    units.elsewhere = {pid: "supervisor.service" for pid in (main.pid, other.pid, one.pid)}
    units.main = {"supervisor.service": main.pid}
    reason = stopping.stop(found, service_at(config), state_files, FakeSources(units), 15)

    assert "systemctl stop supervisor.service" in reason and len(reason) <= 144
    assert [] == units.done and found.processes.gone(one) and not found.processes.gone(other)


@pytest.mark.parametrize("main, unit", [("/usr/sbin/cron -f", False), ("/bin/sh -c x", True)])
def test_whose_unit_it_is_where_systemd_does_not_answer(config, state_files, main, unit):
    """By the oldest process in it."""
    found, units = world("stop", config), FakeUnits()
    shell = found.processes.add(main)
    one = found.processes.add(LINE.format(config=config), ppid=shell.pid)
    units.elsewhere = {pid: "site.service" for pid in (shell.pid, one.pid)}
    units.state = lambda asked, _timeout: UnitState("inactive", "dead") if asked.name == units.unit.name else None
    reason = stopping.stop(found, service_at(config), state_files, FakeSources(units), 15)

    assert (["stop site.service"] == units.done[:1]) == unit and found.processes.gone(one)
    assert reason is None, "it was told before not to restart it"


def test_what_else_is_in_the_unit_is_ended_as_well(config, state_files):
    """A helper with root's rights that init has adopted: it may still write to a volume."""
    found, units = world("stop", config), FakeUnits()
    parent, child = add_tree(found, config)
    helper = found.processes.add("privsep-helper", dies_of=(9,))
    units.now, units.inside = RUNNING, {parent.pid, child.pid, helper.pid}
    for one in (parent, child):
        found.clock.at(1, lambda one=one: found.processes.remove(one.pid))

    assert None is stopping.stop(found, service_at(config), state_files, FakeSources(units), 15)
    assert (helper.pid, 9) in found.processes.signals


@pytest.mark.parametrize("seconds", [18.0, 27.0, 55.0, 115.0], ids="timeout of {:.0f} s less the reserve".format)
@pytest.mark.parametrize("dies", [(9,), ()], ids=["of SIGKILL", "never"])
def test_a_frozen_worker_within_any_timeout(config, state_files, seconds, dies):
    """Pacemaker's default is 20 s. One second of them is for a killed process to go."""
    found, units = world("stop", config), FakeUnits()
    parent = found.processes.add(LINE.format(config=config), dies_of=(9,), after=1.0)
    frozen = found.processes.add(LINE.format(config=config), ppid=parent.pid, state="T", dies_of=dies, after=1.0)
    units.now, units.inside = RUNNING, {parent.pid, frozen.pid}
    reason = stopping.stop(found, service_at(config), state_files, FakeSources(units), seconds - 3)

    assert (reason is None) == bool(dies)
    assert found.clock.elapsed <= seconds - 1
    assert (frozen.pid, 9) in found.processes.signals


def test_a_frozen_worker_gets_its_second_sigterm_while_that_still_helps(config, state_files):
    """Its parent waits for it, and is not to be killed in the middle of its work."""
    found, units = world("stop", config), FakeUnits()
    parent = found.processes.add(LINE.format(config=config), dies_of=())
    frozen = found.processes.add(LINE.format(config=config), ppid=parent.pid, state="T")
    units.now, units.inside = RUNNING, {parent.pid, frozen.pid}
    found.clock.at(7, lambda: found.processes.remove(parent.pid))

    assert None is stopping.stop(found, service_at(config), state_files, FakeSources(units), 15)
    assert [(frozen.pid, 15)] == [pair for pair in found.processes.signals if pair[1] in (9, 15)]
