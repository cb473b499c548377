# SPDX-License-Identifier: Apache-2.0
"""Variables that only systemd gives to the broker, by its unit, drop-ins and their files."""

import os
import re

import pytest

from quorate.errors import Unreadable
from quorate.host.system.units import Units
from quorate.rabbitmq import facts, validation
from quorate.rabbitmq.actions.launch import launch_as_decided
from quorate.rabbitmq.actions.participant import NotNow
from quorate.rabbitmq.broker import layout
from quorate.rabbitmq.broker.settings import unit
from quorate.rabbitmq.declaration import PARAMETERS
from tests import fakes
from tests.unit.rabbitmq.actions.nodes import Node, names, other, tools

USED = layout.Layout("/bin/true", "rabbit@n1", "/var/lib/rabbitmq/mnesia", "/var/lib/rabbitmq/mnesia/rabbit@n1", None,
                     "me", "me", "/c", None, 5672, False, "4.0.5", "/h")


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


class Machine:
    """A machine with systemd and RabbitMQ's unit; says: what `systemctl show` prints."""

    def __init__(self, root):
        self.root = root
        for name in ("run/systemd/system", "usr/lib/systemd/system"):
            (root / name).mkdir(parents=True)
        self.unit = root / "usr/lib/systemd/system/rabbitmq-server.service"
        self.unit.write_text("[Service]\n")
        (root / "env.conf").write_text("")

    def says(self, text="", rc=0, used=USED, **parameters):
        parameters = dict({"nodename": "rabbit@n1"}, **parameters)
        context = fakes.context(parameters=PARAMETERS, **{key: value for key, value in parameters.items() if value})
        context.commands.allow("systemctl", ..., rc=rc, out=text)
        self.commands = context.commands
        return unit.contradiction(context, used, Units(context.commands, str(self.root)))


@pytest.mark.parametrize("text, names", [
    ("Environment=RABBITMQ_MNESIA_BASE=/data\n", "RABBITMQ_MNESIA_BASE"),
    ("EnvironmentFiles=/none (ignore_errors=yes)\nEnvironment=LANG=C MNESIA_DIR=/data\n", "MNESIA_DIR"),
    ('Environment="RABBITMQ_MNESIA_BASE=/my data" A=B\n', "RABBITMQ_MNESIA_BASE"),
    ("Environment=RABBITMQ_MNESIA_BASE=data\n", "RABBITMQ_MNESIA_BASE")])
def test_a_place_that_only_systemd_knows(machine, text, names):
    found = machine.says(text)
    assert found == ("rabbitmq-server.service sets %s, for systemd only: write that into "
                     "/etc/rabbitmq/rabbitmq-env.conf (systemctl cat rabbitmq-server)" % names)
    assert "MNESIA_DIR" not in names or len(found) <= 144


def test_a_name_that_only_systemd_knows(machine):
    assert "RABBITMQ_NODENAME" in machine.says("Environment=RABBITMQ_NODENAME=bunny@n1\n", nodename=None)


@pytest.mark.parametrize("text", [
    "Environment=\n", "", "Environment=LANG=C RABBITMQ_CONFIG_FILE=/x\n",
    "Environment=RABBITMQ_MNESIA_BASE=/var/lib/rabbitmq/mnesia\n", "Environment=RABBITMQ_MNESIA_BASE=\n"])
def test_what_changes_no_place(machine, text):
    assert machine.says(text) is None


def test_what_a_parameter_says_goes_first(machine):
    used = USED._replace(base="/srv/mq", directory="/srv/mq/rabbit@n1")
    assert machine.says("Environment=RABBITMQ_MNESIA_BASE=/data RABBITMQ_NODENAME=x@y\n", used=used,
                        datadir="/srv/mq") is None


@pytest.mark.parametrize("line, told", [
    ("RABBITMQ_MNESIA_BASE=/data", True), ("  RABBITMQ_MNESIA_BASE = '/da ta'  ", True),
    ("#RABBITMQ_MNESIA_BASE=/data", False),
    (";RABBITMQ_MNESIA_BASE=/data", False), ("RABBITMQ_MNESIA_BASE=\\\n/data", True), ("MNESIA", False),
    ('RABBITMQ_MNESIA_BASE="/var/lib/rabbitmq"/mnesia', False), ("RABBITMQ_MNESIA_BASE='/data", True)])
@pytest.mark.parametrize("wildcard", [False, True])
def test_files_of_variables(machine, line, told, wildcard):
    path = machine.root / "variables"
    path.write_text(line + "\n")
    shown = str(path)[:-1] + "?" if wildcard else path
    found = machine.says("EnvironmentFiles=/none (ignore_errors=yes)\nEnvironmentFiles=%s (ignore_errors=no)\n" % shown)
    assert bool(found) is told


def test_the_variables_of_a_unit(machine):
    path = machine.root / "v (x)"
    path.write_bytes(b"A=x y\n# C=1\nB = 'a b'\"c\" \nD=e=f\nnonsense\nE=\xff\xc3\xa4\nF=\n")
    machine.says("Environment=A=1 G=h=i word\nEnvironmentFiles=%s (ignore_errors=yes)\nOther=Z=1\n" % path)
    context = fakes.context(parameters=PARAMETERS, commands=machine.commands)
    assert unit._environment(context, Units(machine.commands, str(machine.root)).find(["rabbitmq-server"])) == {
        "A": "x y", "G": "h=i", "B": "a bc", "D": "e=f", "E": "\udcff\u00e4", "F": ""}
    assert context.commands.calls[-1][:4] == (
        "systemctl", "show", "--property=Environment,EnvironmentFiles", "--")


def test_a_file_goes_before_the_unit(machine):
    path = machine.root / "variables"
    path.write_text("RABBITMQ_MNESIA_BASE=/var/lib/rabbitmq/mnesia\n")
    text = "Environment=RABBITMQ_MNESIA_BASE=/data\nEnvironmentFiles=%s (ignore_errors=no)\n"
    assert machine.says(text % path) is None


def test_without_systemd_or_its_unit_nothing_is_asked(machine):
    os.rmdir(machine.root / "run/systemd/system")
    assert machine.says("Environment=RABBITMQ_MNESIA_BASE=/data\n") is None and machine.commands.calls == []
    os.mkdir(machine.root / "run/systemd/system")
    os.unlink(machine.unit)
    assert machine.says("Environment=RABBITMQ_MNESIA_BASE=/data\n") is None and machine.commands.calls == []


@pytest.mark.parametrize("text, rc", [("", 1), ('Environment="A=b\n', 0)])
def test_what_systemd_does_not_say_is_unknown(machine, text, rc):
    with pytest.raises(Unreadable, match="systemctl show -p Environment rabbitmq-server.service"):
        machine.says(text, rc)


def test_a_file_that_cannot_be_read_is_unknown(machine):
    with pytest.raises(Unreadable, match="cannot be read"):
        machine.says("EnvironmentFiles=%s (ignore_errors=no)\n" % machine.root)


# -- who asks

@pytest.mark.parametrize("said, reason", [
    (None, None), ("It is elsewhere.", "It is elsewhere."), (Unreadable("Who knows?"), "Who knows?")])
@pytest.mark.parametrize("action", [facts.JOIN, facts.FOUND])
def test_a_node_without_data_is_not_launched_beside_them(tmp_path, monkeypatch, said, reason, action):
    """It would have founded a cluster, or joined as a new member, whose data are in the unit's place. A systemd that is busy
    answers later: a start that fails would keep this node out."""
    def contradiction(context, found):
        assert (context, found) == (node.context, node.layout)
        if isinstance(said, Exception):
            raise said
        return said

    monkeypatch.setattr(unit, "contradiction", contradiction)
    node = Node(tmp_path, [other("n2", facts.RUNNING, members=names("n2"))])
    tools(node)
    decision = facts.Decision(action, "x", peer="rabbit@n2")
    if reason is None:
        launch_as_decided(node.participant, decision)
    else:
        with pytest.raises(NotNow, match=re.escape(reason)):
            launch_as_decided(node.participant, decision)
    assert bool(node.commands.spawned) == (reason is None)
    assert validation._unit_s_variables(node.context, node.layout) == ([reason] if reason else [])


def test_data_that_are_there_are_used(tmp_path, monkeypatch):
    monkeypatch.setattr(unit, "contradiction", None)
    node = Node(tmp_path).fill()
    launch_as_decided(node.participant, facts.Decision(facts.START, "x"))
    assert node.commands.spawned
