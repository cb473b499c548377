# SPDX-License-Identifier: Apache-2.0
"""Which unit is a service's, for its start and for a question about it, and Debian's choice of a console proxy."""

import os

import pytest

from quorate.host.system.units import Unit
from quorate.openstack.service import unit as units
from tests.unit.openstack.fakes import FakeSources, FakeUnits, service_at, world

OWN, SITE = Unit("cinder-volume.service", "/lib/x", False), Unit("site.service", "/etc/x", False)


@pytest.mark.parametrize("values, installed, start, asked", [
    ({}, OWN, OWN, OWN), ({"binary": "/opt/cinder-volume"}, OWN, None, OWN), ({"unit": "none"}, OWN, None, OWN),
    ({"additional_parameters": "--debug"}, OWN, None, OWN), ({"unit": "site"}, SITE, SITE, SITE), ({}, SITE, None, None),
    ({"unit": "site", "binary": "/opt/cinder-volume"}, SITE, SITE, SITE), ({}, None, None, None)])
def test_the_unit_to_start_and_the_unit_to_ask_about(config, values, installed, start, asked):
    """Parameters that ask for a program do not end a unit that runs all the same."""
    context, sources = world("start", config, **values), FakeSources(FakeUnits(installed))
    assert start == units.unit_for(context, service_at(config), sources)
    assert asked == units.unit_of(context, service_at(config), sources)


def test_without_systemd_there_is_none(config):
    sources = FakeSources()
    sources.units.managed = lambda: False
    context = world("start", config, unit="cinder-volume")
    service = service_at(config)
    assert units.unit_for(context, service, sources) is units.unit_of(context, service, sources) is None


@pytest.mark.parametrize("debian", [True, False])
def test_without_its_file_only_debian_s_unit_starts_no_console_proxy(tmp_path, monkeypatch, debian):
    isfile = os.path.isfile
    monkeypatch.setattr(os.path, "isfile", lambda path: debian if path == "/etc/init.d/nova-novncproxy" else isfile(path))
    assert units.novnc_chosen(str(tmp_path / "none")) is not debian


@pytest.mark.parametrize("text, chosen", [
    (b"# \xff\nNOVA_CONSOLE_PROXY_TYPE=novnc\n", True),
    (b"NOVA_CONSOLE_PROXY_TYPE=spicehtml5\nNOVA_CONSOLE_PROXY_TYPE=novnc", True),
    (b"NOVA_CONSOLE_PROXY_TYPE=novnc\nNOVA_CONSOLE_PROXY_TYPE=xvpvnc\n", False),
    (b"NOVA_CONSOLE_PROXY_TYPE=a=novnc\n", False),
    (b"#NOVA_CONSOLE_PROXY_TYPE=novnc\n", False), (b"  NOVA_CONSOLE_PROXY_TYPE= 'novnc' \n", True), (b"", False)])
def test_the_last_line_of_it_counts(tmp_path, text, chosen):
    (tmp_path / "file").write_bytes(text)
    assert chosen == units.novnc_chosen(str(tmp_path / "file"))
