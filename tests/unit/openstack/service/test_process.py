# SPDX-License-Identifier: Apache-2.0
"""The processes of a service: the unit or the program to start, and whom a stop sends which signal."""

import pytest

from quorate.host.units import Unit
from quorate.openstack.service import process
from tests.unit.openstack.fakes import CINDER, LINE, FakeSources, FakeUnits, add_tree, service_at, world


def test_a_masked_unit_is_left_alone_unless_it_was_asked_for(config):
    units = FakeUnits(Unit("cinder-volume.service", "/etc/x", True))

    assert process.unit_for(world("start", config), service_at(config), FakeSources(units)) is None
    assert "systemctl unmask" in process.installation_error(world("start", config, unit="cinder-volume"),
                                                            service_at(config), FakeSources(units))


@pytest.mark.parametrize("values", [{"additional_parameters": "--debug"}, {"binary": "/opt/cinder-volume"},
                                    {"unit": "none"}])
def test_parameters_that_ask_for_something_else_start_the_program(config, values):
    assert process.unit_for(world("start", config, **values), service_at(config), FakeSources()) is None


def test_the_installed_version(tmp_path):
    (tmp_path / "nova-26.2.2.egg-info").mkdir()

    assert "26.2.2" == process._installed_version("nova", (str(tmp_path),))
    assert process._installed_version("heat", (str(tmp_path),)) is None


@pytest.mark.parametrize("text, chosen", [("NOVA_CONSOLE_PROXY_TYPE=novnc\n", True),
                                          ("NOVA_CONSOLE_PROXY_TYPE='novnc'\n", True),
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


def test_a_frozen_process_that_does_not_end_gets_sigterm_twice(config, state_files):
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


def test_without_systemds_help_every_process_gets_sigterm(config, state_files):
    found = world("stop", config)
    tree = add_tree(found, config)
    units = FakeUnits(rc=1)
    units.inside = {one.pid for one in tree}

    assert [] == process.stop(found, CINDER, state_files, FakeSources(units), 30)
    assert {one.pid for one in tree} == {pid for pid, number in found.processes.signals if number == 15}
