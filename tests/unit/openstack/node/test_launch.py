# SPDX-License-Identifier: Apache-2.0
"""How a service is launched on a node: by which unit or program, as whom, with which words; and what forbids it."""

import os

import pytest

from quorate.host.system.units import UnitState
from quorate.ocf import codes
from quorate.openstack.facts import SERVICE_FILE, SYMPTOMS_FILE
from quorate.openstack.service import process

DIRECT = {"unit": "none", "binary": "/bin/true"}


def spawns(node, workers=1):
    """Let a program that is started directly come up."""
    node.commands.on_spawn = lambda _argv: node.tree(workers)[0].pid


def test_a_program_is_started_with_its_words_and_as_its_user(node, monkeypatch):
    spawns(node)
    node.accounts["cinder"] = (64061, 64062)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert codes.SUCCESS == node.start(**DIRECT, additional_parameters="--debug --name='a b'").code

    assert [(("/bin/true", "--config-file=" + node.service.config, "--debug", "--name=a b"), node.files.path("output"),
             {"OCF_ROOT": None, "HOME": "/var/lib/cinder"}, "cinder")] == node.commands.spawned
    assert [(("/run/cinder", "/run/lock/cinder"), 64061, 64062, 0o755)] == node.made
    assert "launched" in node.files.read(SERVICE_FILE) and "unit" not in node.files.read(SERVICE_FILE)


def test_who_is_that_user_changes_to_nobody(node, monkeypatch):
    """An operator's test without root: only root may change, and make what lies in /run."""
    spawns(node)
    node.accounts["cinder"] = (1234, 1235)
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    assert codes.SUCCESS == node.start(**DIRECT).code
    assert [None] == [user for *_, user in node.commands.spawned] and [] == node.made


def test_the_pages_of_the_console_proxy_are_a_word_of_its_program(proxy):
    proxy.commands.on_spawn = lambda _argv: None
    proxy.start(seconds=3, **DIRECT, web="/usr/share/novnc-2")
    assert ("/bin/true", "--config-file=" + proxy.service.config, "--web", "/usr/share/novnc-2") == proxy.commands.spawned[0][0]


def test_what_it_printed_the_last_time_is_not_its_reason_now(node):
    os.makedirs(node.files.run)
    with open(node.files.path("output"), "w", encoding="ascii") as file:
        file.write("an old mistake\n")
    assert "an old mistake" not in node.start(**DIRECT).reason


def test_the_times_of_symptoms_begin_with_the_launch(node):
    node.files.write(SYMPTOMS_FILE, {"amqp": "1.0 99999.0 kernel"})
    node.comes()
    assert codes.SUCCESS == node.start().code and SYMPTOMS_FILE not in node.kept()


def test_a_direct_start_is_not_waited_for_for_ever_without_its_database(two):
    """As one by systemd is not."""
    two.commands.on_spawn = lambda _argv: two.process().pid
    two.database = "unreachable"
    assert codes.SUCCESS == two.start(**DIRECT).code and 6 < two.took < 9


def test_a_unit_that_systemd_does_not_start_is_the_reason(node):
    node.units.rc = 1
    with pytest.raises(codes.Failed) as raised:
        node.start()
    assert codes.ERR_GENERIC == raised.value.code
    assert "systemctl start cinder-volume.service failed: Job failed. See 'journalctl -u cinder-volume.service'." == raised.value.reason


def test_the_installed_release_explains_that_a_service_is_gone(auth, monkeypatch):
    monkeypatch.setattr(process, "_installed_version", {"nova": "26.2.2"}.get)
    outcome = auth.start(unit="none", binary="/nonexistent/nova-consoleauth")
    assert codes.ERR_INSTALLED == outcome.code
    assert ("nova-consoleauth is not installed on this node (nova 26.2.2 is): it ended with Stein (nova 19), so delete "
            "this resource.") == outcome.reason


def test_a_unit_that_is_missing_is_not_installed(node):
    with pytest.raises(codes.Failed) as raised:
        node.start(unit="gone")
    assert codes.ERR_INSTALLED == raised.value.code and [] == node.units.done


# -- beside a unit that systemd is about to start

def test_a_unit_that_is_about_to_start_is_stopped_and_taken_over_first(node):
    """Else its Restart= brings a second copy after all."""
    node.units.now = UnitState("activating", "auto-restart")
    node.commands.on_spawn = lambda _argv: (node.units.done.append("spawn"), node.tree())[1][0].pid

    assert codes.SUCCESS == node.start(**DIRECT).code
    assert ["stop", "spawn"] == node.units.done and [node.unit] == node.units.taken


@pytest.mark.parametrize("state, rc", [(None, 0), (UnitState("activating", "auto-restart"), 1)])
def test_unless_systemd_does_not_say_or_do_it(node, state, rc):
    node.units.now, node.units.rc = state, rc
    with pytest.raises(codes.Failed) as raised:
        node.start(**DIRECT)
    assert codes.ERR_GENERIC == raised.value.code and [] == node.commands.spawned
    assert "Not started: systemd " in raised.value.reason and node.unit in raised.value.reason


def test_a_unit_of_another_configuration_may_start(node, tmp_path):
    """It is another instance."""
    other = tmp_path / "other.conf"
    other.write_text("[DEFAULT]\n")
    node.units.now = UnitState("activating", "auto-restart")
    node.start(seconds=3, **DIRECT, config=str(other))

    assert [] == node.units.done == node.units.taken and 1 == len(node.commands.spawned)


def test_a_drop_in_that_undoes_ours_is_named_when_it_is_taken_over(node):
    node.units.overridden = "systemd restarts it (Restart=always)"
    node.comes()
    assert codes.SUCCESS == node.start().code
    assert "Restart=always" in node.logged() and [node.unit] == node.units.taken


@pytest.mark.parametrize("enabled", [True, False])
def test_a_unit_that_boots_by_itself_is_named(node, enabled):
    node.units.on = enabled
    node.comes()
    assert codes.SUCCESS == node.start().code
    assert ("systemctl disable cinder-volume.service" in node.logged()) == enabled
