# SPDX-License-Identifier: Apache-2.0
"""The processes of a service: the unit or the program to start."""

import pytest

from quorate.host.units import Unit
from quorate.openstack.service import process, unit as units_of
from tests.unit.openstack.fakes import FakeSources, FakeUnits, service_at, world


def test_a_masked_unit_is_left_alone_unless_it_was_asked_for(config):
    units = FakeUnits(Unit("cinder-volume.service", "/etc/x", True))

    assert units_of.unit_for(world("start", config), service_at(config), FakeSources(units)) is None
    assert "systemctl unmask" in process.installation_error(world("start", config, unit="cinder-volume"),
                                                            service_at(config), FakeSources(units))


@pytest.mark.parametrize("values", [{"additional_parameters": "--debug"}, {"binary": "/opt/cinder-volume"},
                                    {"unit": "none"}])
def test_parameters_that_ask_for_something_else_start_the_program(config, values):
    assert units_of.unit_for(world("start", config, **values), service_at(config), FakeSources()) is None


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

    assert chosen == units_of.novnc_chosen(str(path))
