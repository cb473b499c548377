# SPDX-License-Identifier: Apache-2.0
"""stop on a node whose systemd runs the service, or something around it."""

import pytest

from quorate.host.command import Result
from quorate.host.system.units import Unit, UnitState
from quorate.ocf import codes
from quorate.openstack.facts import SERVICE_FILE
from tests.unit.openstack.fakes import FakeUnits

RUNNING, ENDED = UnitState("active", "running", 100), UnitState("inactive", "dead")
AGAIN = UnitState("activating", "auto-restart")


def of_unit(node, *processes):
    """These processes are in the unit, which runs and ends them when it is asked."""
    node.units.now, node.units.inside = RUNNING, {one.pid for one in processes}
    node.die(*processes, after=1.0)


def test_a_start_that_was_under_way_is_ended_as_well(node):
    """systemd could not be asked at first; then it had launched it once more."""
    first = node.tree()
    node.units.now, node.units.rc, node.units.inside = AGAIN, 1, {one.pid for one in first}
    late = []
    node.later(1.5, lambda: late.extend(node.tree()))
    node.later(2.0, lambda: setattr(node.units, "rc", 0))

    assert codes.SUCCESS == node.stop().code
    assert 2 == len(late) and node.ended(*first, *late) and (late[0].pid, 15) in node.processes.signals


def test_one_that_came_with_no_time_left_is_ended_all_the_same(node):
    """It is a second copy, once the other node has started."""
    stubborn = node.process(dies_of=(9,))
    late = []
    node.units.now, node.units.rc = AGAIN, 1
    node.later(16.5, lambda: (late.append(node.process(dies_of=(9,))), setattr(node.units, "now", ENDED)))

    assert codes.SUCCESS == node.stop(seconds=20).code and node.ended(stubborn, *late) and late
    assert node.took <= 19


@pytest.mark.parametrize("count", [1, 2])
def test_what_stays_is_named_as_the_service(node, count):
    """Not as the interpreter that runs it."""
    left = [node.process(dies_of=(), state="D") for _number in range(count)]
    outcome = node.stop(seconds=20)
    assert outcome.reason.startswith("Not stopped: cinder-volume (pid %d, state D)" % left[0].pid)
    assert "cinder-volume did not end within 11 s of SIGTERM; sending SIGKILL." in node.logged()


def test_a_helper_of_a_worker_is_ended_with_it(node):
    """It copies a volume, or has root's rights; it leads no group and is in no unit."""
    parent, worker = node.tree()
    helper = node.processes.add("privsep-helper --x", ppid=worker.pid, dies_of=(9,))
    further = node.processes.add("dd if=/dev/a of=/dev/b", ppid=helper.pid, dies_of=(9,))

    assert codes.SUCCESS == node.stop().code and node.ended(parent, worker, helper, further)
    assert not {(helper.pid, 15), (further.pid, 15)} & set(node.processes.signals), "only the service knows what SIGTERM means"


def test_a_parent_is_asked_before_its_workers(node):
    """Else it starts new ones in their place. Pids begin anew: its may be the higher."""
    parent = node.process(pid=900, start=10, after=1.0)
    worker = node.process(parent.pid, pid=400, start=20, after=1.0)
    assert codes.SUCCESS == node.stop().code
    assert [900, 400] == [pid for pid, number in node.processes.signals if number == 15] and node.ended(worker)


def test_a_frozen_process_is_made_to_run(node):
    """A stopped one takes no SIGTERM. One that then ends is no wait."""
    frozen = node.process(state="T", dies_of=(18,))
    assert codes.SUCCESS == node.stop().code
    assert [(frozen.pid, 15), (frozen.pid, 18)] == node.processes.signals and node.took < 1


def test_a_failed_unit_of_ours_is_made_clean(node):
    """It has failed after SIGKILL, and its processes are left over by no failure."""
    of_unit(node, *node.tree())
    assert codes.SUCCESS == node.stop().code and ["stop", "reset"] == node.units.done


def test_a_unit_that_systemd_stopped_is_no_warning(node):
    of_unit(node, *node.tree())
    node.stop()
    assert "" == node.logged()


def test_one_that_it_did_not_stop_is(node):
    tree = node.tree()
    node.units.now, node.units.rc, node.units.inside = RUNNING, 1, {one.pid for one in tree}
    node.later(1.0, lambda: setattr(node.units, "now", ENDED))
    assert codes.SUCCESS == node.stop().code
    assert "systemctl stop cinder-volume.service failed; its processes get SIGTERM directly." in node.logged()


class Hanging(FakeUnits):
    """A systemd that answers nothing: each question takes the time that it has."""

    clock = None

    def state(self, unit, timeout):
        self.clock.sleep(timeout)

    def adopt(self, unit, timeout):
        self.clock.sleep(timeout)
        return "daemon-reload: no answer"

    def stop(self, unit, timeout):
        self.clock.sleep(timeout)
        return Result(("systemctl",), None, "", "", True)


@pytest.mark.parametrize("seconds", [20, 60, 120])
def test_a_systemd_that_hangs_takes_no_time_from_the_processes(node, seconds):
    """Pacemaker fences a node whose stop takes too long."""
    node.units = Hanging(node.units.unit)
    node.units.clock = node.clock
    tree = node.tree(dies_of=(9,))
    node.die(*tree, after=(seconds - 3) * 0.65)
    outcome = node.stop(seconds=seconds)

    assert codes.ERR_GENERIC == outcome.code and "systemd does not answer" in outcome.reason
    assert {15, 18} == {number for _pid, number in node.processes.signals}, "it was asked early, and has ended by itself"
    assert node.ended(*tree) and node.took <= seconds


# -- which units are its own

def test_the_unit_that_the_parameter_names(node):
    node.units.unit = Unit("site.service", "/etc/x", False)
    of_unit(node, *node.tree())
    assert codes.SUCCESS == node.stop(unit="site").code and "stop" == node.units.done[0]


def test_that_unit_is_stopped_before_systemd_starts_it_again(node):
    """No process is there that would lead to it."""
    node.units.unit, node.units.now = Unit("site.service", "/etc/x", False), AGAIN
    assert codes.SUCCESS == node.stop(unit="site").code and ["stop", "reset"] == node.units.done


def test_the_unit_that_the_agent_started_although_the_parameter_has_changed(node):
    node.units.unit = Unit("site.service", "/etc/x", False)
    node.units.now = AGAIN
    node.files.write(SERVICE_FILE, {"unit": "site.service"})
    assert codes.SUCCESS == node.stop().code and ["stop", "reset"] == node.units.done


@pytest.mark.parametrize("chosen", ["none", ""])
def test_without_a_unit_it_is_the_distribution_s_of_this_configuration(node, chosen):
    """The parameter may have been changed while it ran."""
    node.units.now = AGAIN
    assert codes.SUCCESS == node.stop(**({"unit": chosen} if chosen else {})).code and "stop" == node.units.done[0]


def test_a_unit_of_another_name_is_left_alone(node):
    node.units.unit, node.units.now = Unit("other.service", "/etc/x", False), AGAIN
    assert codes.SUCCESS == node.stop().code and [] == node.units.done


def supervised(node, *lines):
    """A chain of launchers in site.service above the service: ([Process of the launcher], [Process of the service])."""
    above, ppid = [], 1
    for line in lines:
        above.append(node.processes.add(line, ppid=ppid))
        ppid = above[-1].pid
    tree = [node.process(ppid)]
    tree.append(node.process(tree[0].pid, leads=False))
    node.units.elsewhere = {one.pid: "site.service" for one in above + tree}
    node.units.main = {"site.service": above[0].pid} if above else {}
    return above, tree


@pytest.mark.parametrize("lines", [("/bin/sh /opt/run",), ("/bin/sh /opt/run", "/opt/venv/bin/launch", "/opt/x")])
def test_a_unit_of_launchers_is_stopped(node, lines):
    """Its main process would start the service again."""
    above, tree = supervised(node, *lines)
    node.die(*above, *tree, after=1.0)
    node.stop(seconds=20)
    assert "stop site.service" == node.units.done[0] and ["site.service"] == node.units.taken
    assert node.ended(*tree)


def test_a_launcher_with_other_children_is_not_stopped_but_named(node):
    """supervisord: it may start the service again, and runs others."""
    (launcher,), tree = supervised(node, "/usr/bin/python3 /usr/bin/supervisord")
    other = node.processes.add("/usr/bin/other", ppid=launcher.pid)
    node.units.elsewhere[other.pid] = "site.service"
    outcome = node.stop(seconds=20)

    assert codes.ERR_GENERIC == outcome.code and node.ended(*tree) and not node.ended(other)
    assert outcome.reason == ("Not stopped for certain: site.service (pid %d) may start it again: systemctl stop "
                              "site.service" % launcher.pid)
    assert [] == node.units.done


def test_where_systemd_does_not_say_the_oldest_process_is_the_main_one(node):
    """The launcher began first. Pids begin anew: its may be the highest."""
    launcher = node.processes.add("/bin/sh /opt/run", pid=900, start=1)
    above, tree = [launcher], [node.process(900, pid=300)]
    node.units.elsewhere = {900: "site.service", 300: "site.service"}
    state = node.units.state
    node.units.state = lambda unit, timeout: None if unit.name == "site.service" else state(unit, timeout)
    node.die(*above, *tree, after=1.0)
    node.stop(seconds=20)
    assert "stop site.service" == node.units.done[0]


@pytest.mark.parametrize("name, taken", [("our-cinder.service", True), ("apache2.service", False)])
def test_of_a_unit_without_a_main_process_its_name_decides(node, name, taken):
    """The main process has ended, and others are in it beside the service."""
    tree = node.tree()
    other = node.processes.add("/usr/bin/other")
    node.units.elsewhere, node.units.main = {one.pid: name for one in [*tree, other]}, {name: 0}
    node.probe()
    assert ([name] if taken else []) == node.units.taken


def test_a_probe_takes_over_the_unit_that_somebody_made_for_it(node):
    _above, tree = supervised(node)
    node.units.main = {"site.service": tree[0].pid}
    assert codes.SUCCESS == node.probe().code and ["site.service"] == node.units.taken
