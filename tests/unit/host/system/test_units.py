# SPDX-License-Identifier: Apache-2.0
"""systemd units, found in a made-up file system."""

import os

import pytest

from quorate.host.system.units import DROP_IN, DROP_IN_TEXT, Units, UnitState
from tests.fakes import FakeCommands


def units(tmp_path, commands=None):
    return Units(commands or FakeCommands(), str(tmp_path), str(tmp_path / "proc"))


def put(tmp_path, path, text="[Service]\n"):
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_names_of_both_distributions(tmp_path):
    assert units(tmp_path).find(("cinder-volume", "openstack-cinder-volume")) is None
    put(tmp_path, "usr/lib/systemd/system/openstack-cinder-volume.service")
    assert "openstack-cinder-volume.service" == units(tmp_path).find(("cinder-volume", "openstack-cinder-volume")).name


def test_the_administrators_file_goes_before_the_packages(tmp_path):
    put(tmp_path, "lib/systemd/system/a.service")
    put(tmp_path, "etc/systemd/system/a.service")

    assert str(tmp_path / "etc/systemd/system/a.service") == units(tmp_path).find(("a",)).path


def test_masked(tmp_path):
    put(tmp_path, "lib/systemd/system/a.service")
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    os.symlink("/dev/null", tmp_path / "etc/systemd/system/a.service")

    assert units(tmp_path).find(("a",)).masked


def link(tmp_path, name, target):
    path = tmp_path / "etc/systemd/system" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    os.symlink(target, path)


# systemd.unit(5): an alias is a link to another name in a directory of units.
@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("asked, target, name", [
    ("cinder-volume", "lib/systemd/system/openstack-cinder-volume.service", "openstack-cinder-volume.service"),
    ("cinder-volume", "usr/lib/systemd/system/cinder-volume.service", "cinder-volume.service"),
    ("cinder-volume", "opt/site/other.service", "cinder-volume.service"),  # systemctl link
    ("a@1", "lib/systemd/system/a@.service", "a@1.service"), ("a@1", "lib/systemd/system/b@.service", "b@1.service"),
    ("a@1", "lib/systemd/system/c.service", "c.service")])
def test_an_alias_is_the_unit_that_it_leads_to(tmp_path, asked, target, name, absolute):
    """systemd has processes, state and links of targets by that name only."""
    file = put(tmp_path, target)
    link(tmp_path, asked + ".service", file if absolute else os.path.relpath(file, tmp_path / "etc/systemd/system"))
    assert (name, False) == units(tmp_path).find((asked,))[::2]


def test_a_masked_unit_keeps_its_name_and_a_template_s_alias_is_followed(tmp_path):
    put(tmp_path, "lib/systemd/system/b@.service")
    link(tmp_path, "a@.service", tmp_path / "lib/systemd/system/b@.service")
    link(tmp_path, "m.service", "/dev/null")
    assert "b@x.service" == units(tmp_path).find(("a@x",)).name
    assert ("m.service", True) == units(tmp_path).find(("m",))[::2]


def test_what_belongs_to_an_alias(tmp_path):
    """RDO with Alias=cinder-volume.service: no process and no start at boot was known of it."""
    file = put(tmp_path, "usr/lib/systemd/system/openstack-cinder-volume.service")
    link(tmp_path, "cinder-volume.service", file)
    link(tmp_path, "multi-user.target.wants/openstack-cinder-volume.service", file)
    put(tmp_path, "sys/fs/cgroup/system.slice/openstack-cinder-volume.service/cgroup.procs", "55\n")
    one = units(tmp_path)
    found = one.find(("cinder-volume", "openstack-cinder-volume"))
    assert {55} == one.processes(found) and one.enabled(found)


def test_enabled_by_an_init_script(tmp_path):
    """systemd-sysv-generator makes the unit, and the link of /etc/rc3.d one that wants it."""
    file = put(tmp_path, "run/systemd/generator.late/a.service")
    assert not units(tmp_path).enabled(units(tmp_path).find(("a",)))
    (tmp_path / "run/systemd/generator.late/multi-user.target.wants").mkdir()
    os.symlink(file, tmp_path / "run/systemd/generator.late/multi-user.target.wants/a.service")
    assert units(tmp_path).enabled(units(tmp_path).find(("a",)))


def test_enabled(tmp_path):
    file = put(tmp_path, "lib/systemd/system/a.service")
    unit = units(tmp_path).find(("a",))
    assert not units(tmp_path).enabled(unit)
    (tmp_path / "etc/systemd/system/multi-user.target.wants").mkdir(parents=True)
    os.symlink(file, tmp_path / "etc/systemd/system/multi-user.target.wants/a.service")
    assert units(tmp_path).enabled(unit)


def test_processes_of_a_unit_by_its_group_and_without_one(tmp_path):
    put(tmp_path, "lib/systemd/system/a.service")
    unit = units(tmp_path).find(("a",))
    put(tmp_path, "proc/5/cgroup", "1:cpu:/x\n0::/machine/system.slice/a.service\n")
    put(tmp_path, "proc/6/cgroup", "0::/user.slice/user-0.slice/session-1.scope\n")
    assert {5} == units(tmp_path).processes(unit)
    put(tmp_path, "sys/fs/cgroup/system.slice/a.service/cgroup.procs", "7\n8\n")
    assert {7, 8} == units(tmp_path).processes(unit)
    assert "a.service" == units(tmp_path).of(5) and units(tmp_path).of(6) is None and units(tmp_path).of(99) is None


def test_restarts_are_left_to_the_cluster_and_systemd_reloads_once(tmp_path):
    put(tmp_path, "lib/systemd/system/a.service")
    commands = FakeCommands().expect("systemctl", "daemon-reload")
    found = units(tmp_path, commands)
    unit = found.find(("a",))

    assert found.adopt(unit, 5) is None and found.adopt(unit, 5) is None
    commands.done()
    assert DROP_IN_TEXT == (tmp_path / "run/systemd/system/a.service.d" / DROP_IN).read_text()
    assert "Restart=no" in DROP_IN_TEXT and DROP_IN > "override.conf", "systemctl edit writes override.conf"


def test_the_drop_in_of_an_earlier_version_is_replaced(tmp_path):
    """override.conf went before it."""
    put(tmp_path, "lib/systemd/system/a.service")
    earlier = put(tmp_path, "run/systemd/system/a.service.d/50-quorate.conf", DROP_IN_TEXT)
    commands = FakeCommands().expect("systemctl", "daemon-reload")
    found = units(tmp_path, commands)
    unit = found.find(("a",))

    assert not found.adopted(unit)
    assert found.adopt(unit, 5) is None and found.adopt(unit, 5) is None
    assert found.adopted(unit) and not earlier.exists()
    commands.done()


@pytest.mark.parametrize("path", [
    "etc/systemd/system/cinder-volume@b1.service.d/zzz.conf", "etc/systemd/system/cinder-volume@.service.d/zzz.conf",
    "usr/lib/systemd/system/service.d/zzz.conf", "run/systemd/system/cinder-.service.d/zzz.conf",
    "run/systemd/system/cinder-@.service.d/zzz.conf"])
def test_a_drop_in_behind_ours_may_undo_it(tmp_path, path):
    """Wherever systemd looks: of those of all directories the last name holds."""
    put(tmp_path, "etc/systemd/system/cinder-volume@.service")
    commands = FakeCommands().allow("systemctl", "daemon-reload").allow(
        "systemctl", "show", "--property=Restart", "--", "cinder-volume@b1.service", out="Restart=always\n")
    found = units(tmp_path, commands)
    unit = found.find(("cinder-volume@b1",))
    put(tmp_path, path.replace("zzz", "override"))
    assert found.adopt(unit, 5) is None and found.adopted(unit)
    put(tmp_path, path)

    assert not found.adopted(unit)
    warning = found.restart_warning(unit, 5)
    assert "Restart=always" in warning and str(tmp_path / path) in warning


@pytest.mark.parametrize("rc, out, word", [(0, "Restart=no\n", None), (0, "Restart=on-failure\n", "on-failure"),
                                           (1, "Restart=no\n", "does not say"), (0, "", "does not say")])
def test_whether_systemd_took_it(tmp_path, rc, out, word):
    put(tmp_path, "lib/systemd/system/a.service")
    found = units(tmp_path, FakeCommands().allow("systemctl", ..., rc=rc, out=out))
    warning = found.restart_warning(found.find(("a",)), 5)

    assert (warning is None) == (word is None) and (word or "") in (warning or "")


def test_a_drop_in_that_systemd_has_not_read_is_read(tmp_path):
    """The agent was killed between its rename and daemon-reload: the file is there, and systemd restarts the unit."""
    put(tmp_path, "lib/systemd/system/a.service")
    put(tmp_path, "run/systemd/system/a.service.d/" + DROP_IN, DROP_IN_TEXT)
    asked = ("systemctl", "show", "--property=Restart", "--", "a.service")
    commands = FakeCommands().expect(*asked, out="Restart=always\n").expect("systemctl", "daemon-reload").expect(
        *asked, out="Restart=no\n")
    found = units(tmp_path, commands)
    unit = found.find(("a",))
    assert found.adopt(unit, 5) is None and found.restart_warning(unit, 5) is None
    commands.done()


def test_an_instance_of_a_template(tmp_path):
    found = units(tmp_path)
    assert found.find(("cinder-volume@b1",)) is None
    file = put(tmp_path, "etc/systemd/system/cinder-volume@.service")

    assert ("cinder-volume@b1.service", str(file), False) == found.find(("cinder-volume@b1",))
    assert found.find(("cinder-volume@",)) is None and found.find(("cinder-volume",)) is None
    os.symlink("/dev/null", tmp_path / "etc/systemd/system/cinder-volume@b2.service")
    assert found.find(("cinder-volume@b2",)).masked and not found.find(("cinder-volume@b1",)).masked


def test_processes_of_an_instance_and_in_groups_below_that_of_the_unit(tmp_path):
    put(tmp_path, "etc/systemd/system/w@.service")
    found = units(tmp_path)
    put(tmp_path, "proc/5/cgroup", "0::/system.slice/system-w.slice/w@b1.service\n")
    put(tmp_path, "proc/6/cgroup", "0::/system.slice/system-w.slice/w@b2.service\n")
    put(tmp_path, "proc/7/cgroup", "0::/system.slice/system-w.slice/w@b1.service/payload\n")
    assert {5, 7} == found.processes(found.find(("w@b1",)))
    put(tmp_path, "sys/fs/cgroup/system.slice/a.service/cgroup.procs", "")
    put(tmp_path, "sys/fs/cgroup/system.slice/a.service/sub/below/cgroup.procs", "8\n")
    put(tmp_path, "lib/systemd/system/a.service")
    assert {8} == found.processes(found.find(("a",)))


@pytest.mark.parametrize("first, line, name", [
    ("0::/init.scope", "0::/user.slice/user-0.slice/user@0.service/app.slice/a.service", "user@0.service"),
    ("0::/init.scope", "0::/system.slice/docker-5.scope/system.slice/a.service", None),
    ("0::/machine.slice/systemd-nspawn@c.service/payload/init.scope",
     "0::/machine.slice/systemd-nspawn@c.service/payload/system.slice/a.service", "a.service"),
    ("9:name=systemd:/\n0::/init.scope", "9:name=systemd:/\n0::/system.slice/a.service", "a.service"),
    ("9:name=systemd:/init.scope", "4:memory:/system.slice/x.service\n9:name=systemd:/system.slice/a.service", "a.service"),
    ("0::/init.scope", "0::/user.slice/user-0.slice/session-1.scope", None)])
def test_the_unit_is_the_one_of_this_systemd(tmp_path, first, line, name):
    put(tmp_path, "proc/1/cgroup", first + "\n")
    put(tmp_path, "proc/5/cgroup", line + "\n")

    assert name == units(tmp_path).of(5)


def test_a_failed_reload_is_reported(tmp_path):
    put(tmp_path, "lib/systemd/system/a.service")
    commands = FakeCommands().expect("systemctl", "daemon-reload", rc=1, err="Access denied\n")
    found = units(tmp_path, commands)

    assert "Access denied" in found.adopt(found.find(("a",)), 5)


def test_active_units(tmp_path):
    commands = FakeCommands().allow("systemctl", "is-active", "a.socket", "b.socket", rc=0, out="inactive\nactive\n")
    assert () == units(tmp_path, FakeCommands()).active(("a.socket", "b.socket"), 5), "systemd does not run"
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert ("b.socket",) == units(tmp_path, commands).active(("a.socket", "b.socket"), 5)


def test_systemctl_that_does_not_answer_tells_of_no_active_unit(tmp_path):
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    commands = FakeCommands().allow("systemctl", ..., rc=1, err="Failed to connect to bus")
    assert () == units(tmp_path, commands).active(("a.socket",), 5)


@pytest.mark.parametrize("out, state", [
    ("MainPID=812\nActiveState=active\nSubState=running\n", UnitState("active", "running", 812)),
    ("MainPID=0\nActiveState=activating\nSubState=auto-restart\n", UnitState("activating", "auto-restart")),
    ("Job=77\nMainPID=0\nActiveState=inactive\nSubState=dead\n", UnitState("inactive", "dead", 0, True)),
    ("Job=0\nMainPID=\nActiveState=failed\nSubState=failed\n", UnitState("failed", "failed")),
    ("", None)])
def test_what_systemd_does_with_a_unit(tmp_path, out, state):
    put(tmp_path, "lib/systemd/system/a.service")
    commands = FakeCommands().expect("systemctl", "show", "--property=ActiveState,SubState,MainPID,Job", "--",
                                     "a.service", out=out)
    found = units(tmp_path, commands)

    assert state == found.state(found.find(("a",)), 5)


def test_a_systemctl_that_fails_says_nothing_of_a_unit(tmp_path):
    put(tmp_path, "lib/systemd/system/a.service")
    found = units(tmp_path, FakeCommands().allow("systemctl", ..., rc=1, out="ActiveState=inactive\n"))

    assert None is found.state(found.find(("a",)), 5)


@pytest.mark.parametrize("state, ended, starting", [
    (UnitState("inactive", "dead"), True, False), (UnitState("failed", "failed"), True, False),
    (UnitState("inactive", "dead", 0, True), False, True), (UnitState("failed", "failed", 0, True), False, True),
    (UnitState("active", "running", 5), False, False), (UnitState("activating", "auto-restart"), False, True),
    (UnitState("inactive", "auto-restart-queued"), False, True), (UnitState("deactivating", "stop-sigterm", 5), False, False)])
def test_which_units_have_ended_and_which_start(state, ended, starting):
    assert (ended, starting) == (state.ended and not state.starting, state.starting)


def test_a_reload_that_failed_is_tried_again(tmp_path):
    """systemd has not read the drop-in that is there."""
    put(tmp_path, "lib/systemd/system/a.service")
    commands = FakeCommands().expect("systemctl", "daemon-reload", rc=1).expect("systemctl", "daemon-reload")
    found = units(tmp_path, commands)
    unit = found.find(("a",))

    assert found.adopt(unit, 5) and not found.adopted(unit)
    assert None is found.adopt(unit, 5) and found.adopted(unit)
    commands.done()
