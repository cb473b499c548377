# SPDX-License-Identifier: Apache-2.0
"""How parameters, a running broker and its configuration add up to a Layout; its reader is a stand-in."""

import os
import pwd
from types import SimpleNamespace

import pytest

from quorate.errors import Unreadable
from quorate.host.process import Process
from quorate.ocf.codes import ERR_ARGS, ERR_INSTALLED, Failed
from quorate.rabbitmq.broker import access, layout, running
from quorate.rabbitmq.broker.settings import cookie
from quorate.rabbitmq.broker.layout import Layout
from quorate.rabbitmq.broker.running import Place
from quorate.rabbitmq.broker.settings.listeners import Configured, Listener
from quorate.rabbitmq.broker.settings.places import Places, Wanted
from quorate.rabbitmq.declaration import PARAMETERS
from tests import fakes

BROKER = Process(71, 1, 500, "S", ("beam.smp",))
FOUND = Places("rabbit@n1", "/m", "/m/rabbit@n1", "/flags", "/log", "/etc/c", Configured(
    (Listener("192.0.2.1", 5673, False), Listener(None, 5671, True)), (Listener("192.0.2.2", 15671, True),), "/mq",
    frozenset()), 25672, 4370, "/pid", None)
WHOLE = Layout("/sbin/server", "rabbit@n1", "/m", "/m/rabbit@n1", "/log", "rabbitmq", "rabbitmq",
               "/var/lib/rabbitmq/.erlang.cookie", "/etc/c", 5673, False, "3.10.8", "/var/lib/rabbitmq", "192.0.2.1",
               "192.0.2.2", 15671, True, "/mq", "/flags", None)


class Machine:
    """answers: what the reader of the configuration gives, one after the other; asked: how; running: the broker."""

    def __init__(self, monkeypatch):
        self.answers, self.asked, self.running, self.owns, self.environment = [FOUND], [], None, None, {}
        self.place, self.places_asked = Place("127.0.0.1", 5672, False), []
        monkeypatch.setattr("quorate.rabbitmq.broker.settings.places.places", self.places)
        monkeypatch.setattr("quorate.rabbitmq.broker.process.is_broker", lambda one, name: self.is_broker(one, name))
        monkeypatch.setattr("quorate.host.system.inspection.environment", lambda one: self.environment)
        monkeypatch.setattr(running, "own_directory", lambda one: self.owns)
        monkeypatch.setattr(running, "own_log", lambda one, log: self.log)
        monkeypatch.setattr(running, "amqp_place", lambda *how: (self.places_asked.append(how), self.place)[1])
        monkeypatch.setattr(running, "management_place", self.management_place)
        monkeypatch.setattr(layout, "server_program", lambda parameters: "/sbin/server")
        monkeypatch.setattr(layout, "installed_version", lambda: "3.10.8")
        self.log, self.names = None, []

    def is_broker(self, one, name):
        self.names.append(name)
        return one == self.running

    def places(self, *arguments, **named):
        self.asked.append((arguments, named))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def management_place(self, *how):
        self.places_asked.append(how)
        return Place("192.0.2.7", 7, True)

    def context(self, **parameters):
        processes = fakes.FakeProcesses()
        if self.running is not None:
            processes._table[71] = self.running
        processes.add("sleep", pid=72)
        return fakes.context(parameters=PARAMETERS, processes=processes, **parameters)


@pytest.fixture
def machine(monkeypatch):
    return Machine(monkeypatch)


def test_by_the_configuration_alone(machine):
    assert layout.find_layout(machine.context()) == WHOLE
    assert machine.asked == [((Wanted(),), {})] and set(machine.names) == {"rabbit@n1"}


def test_by_parameters(machine, tmp_path):
    (tmp_path / "c").write_text("")
    found = layout.find_layout(machine.context(
        port=5671, cookie_file="/cookie", user="u", group="g", nodename="a@b", datadir="/d",
        config=str(tmp_path / "c")))
    assert found == WHOLE._replace(port=5671, tls=True, host="127.0.0.1", cookie="/cookie", user="u", group="g")
    assert machine.asked == [((Wanted("a@b", "/d", str(tmp_path / "c")),), {})]
    assert layout.find_layout(machine.context(port=9)) == WHOLE._replace(port=9), "none is configured: as the first one"


@pytest.mark.parametrize("amqp", [None, ()])
def test_without_a_listener_that_is_understood(machine, amqp):
    machine.answers = [FOUND._replace(configured=Configured(amqp, (Listener(None, 15672, False),), "", frozenset()))]
    found = layout.find_layout(machine.context())
    assert found == WHOLE._replace(port=5672, tls=False, host="127.0.0.1", management_host="127.0.0.1",
                                   management_port=15672, management_tls=False, management_path="")


def test_a_configuration_that_is_named_and_missing(machine):
    with pytest.raises(Failed) as failed:
        layout.find_layout(machine.context(config="/nonexistent"))
    assert failed.value.code == ERR_INSTALLED and "/nonexistent (parameter config)" in failed.value.reason


def test_a_running_broker_goes_before_the_configuration(machine):
    machine.running, machine.owns, machine.environment = BROKER, ("/x/a@b", "a@b"), {"RABBITMQ_X": "1"}
    layout.find_layout(machine.context(datadir="/d"))
    assert machine.asked[1] == ((Wanted("a@b", "/d", None, "/x/a@b"), {"RABBITMQ_X": "1"}), {"running": True})
    machine.owns = None
    for environment in ({}, None):
        machine.environment = environment
        layout.find_layout(machine.context(datadir="/d"))
        assert machine.asked[-1] == ((Wanted(None, "/d"), environment or ()), {"running": False})


def test_what_is_not_understood_is_an_error_unless_a_broker_shows_it(machine):
    machine.answers = [Unreadable("line 7")]
    with pytest.raises(Failed) as failed:
        layout.find_layout(machine.context())
    assert (failed.value.code, failed.value.reason) == (ERR_ARGS, "line 7") and machine.names[-1] is None
    machine.running, machine.answers = BROKER, [Unreadable("line 7"), Unreadable("line 8")]
    with pytest.raises(Failed) as failed:
        layout.find_layout(machine.context())
    assert failed.value.reason == "line 8"
    machine.answers = [Unreadable("line 7"), FOUND]
    assert layout.find_layout(machine.context()) == WHOLE
    machine.answers = [FOUND, Unreadable("line 9")]
    with pytest.raises(Failed) as failed:
        layout.find_layout(machine.context())
    assert failed.value.reason == "line 9"


def test_the_only_broker(machine):
    context = machine.context()
    assert layout.running_broker(context, "rabbit@n1") is None
    machine.running = BROKER
    assert layout.running_broker(machine.context(), "rabbit@n1") == BROKER
    machine.is_broker = lambda one, name: True
    assert layout.running_broker(machine.context(), "rabbit@n1") is None, "two"


# -- listeners of a running broker

def test_the_listeners_of_a_running_broker(machine):
    machine.environment = {"RABBITMQ_X": "1"}
    assert layout.locate(machine.context(), WHOLE, BROKER) == WHOLE._replace(
        host="127.0.0.1", port=5672, management_host="192.0.2.7", management_port=7, management_tls=True,
        listener="71 500")
    wanted = Wanted("rabbit@n1", None, None, "/m/rabbit@n1")
    assert machine.asked == [((wanted, {"RABBITMQ_X": "1"}), {"running": True})]
    assert machine.places_asked == [(BROKER, FOUND, None, False), (BROKER, FOUND, None)]
    machine.log, machine.place, machine.environment = "/own.log", Place("::1", 5671, True), None
    del machine.places_asked[:]
    found = layout.locate(machine.context(port=5671, management_port=15680), WHOLE, BROKER, True)
    assert (found.host, found.port, found.tls, found.log) == ("::1", 5671, True, "/own.log")
    assert machine.places_asked == [(BROKER, FOUND, 5671, True), (BROKER, FOUND, 15680)]
    assert machine.asked[-1][0][1] == ()


@pytest.mark.parametrize("place", [None, ()])
def test_a_running_broker_that_listens_nowhere_or_cannot_be_seen(machine, place):
    machine.place = place
    assert layout.locate(machine.context(), WHOLE, BROKER) is place
    machine.answers = [Unreadable("line 7")]
    assert layout.locate(machine.context(), WHOLE, BROKER) is None


# -- what is installed

def test_the_start_script(tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setattr(layout, "SERVERS", (str(first), str(second)))
    none, named = SimpleNamespace(binary=None), SimpleNamespace(binary=str(first))
    assert layout.server_program(none) is None
    second.write_text("")
    second.chmod(0o755)
    first.write_text("")
    first.chmod(0o644)
    assert layout.server_program(none) == str(second)
    with pytest.raises(Failed) as failed:
        layout.server_program(named)
    assert failed.value.code == ERR_INSTALLED
    assert failed.value.reason == "There is no program %s (parameter binary)." % first
    first.chmod(0o755)
    assert layout.server_program(none) == layout.server_program(named) == str(first)


def test_the_installed_version(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "LIBRARIES", tuple(str(tmp_path / name) for name in "abc"))
    assert layout.installed_version() is None
    (tmp_path / "b").mkdir()
    assert layout.installed_version() is None
    (tmp_path / "c" / "rabbitmq_server-4.0.5").mkdir(parents=True)
    assert layout.installed_version() == "4.0.5"
    (tmp_path / "b" / "rabbitmq_server-3.10.8").mkdir()
    assert layout.installed_version() == "3.10.8"


def test_ports_of_the_distribution(machine):
    assert layout.configured_ports("/c") == (4370, (25672,))
    assert machine.asked == [((Wanted("unknown@unknown", None, "/c", "/nonexistent"),), {})]
    machine.answers = [Unreadable("x")]
    assert layout.configured_ports() == (4369, (25672,))


# -- a Layout

def test_where_an_operator_reads_what_the_broker_says(tmp_path):
    log, output = tmp_path / "log", tmp_path / "output"
    here = WHOLE._replace(log=str(log))
    assert here.log_file(str(output)) == str(output) and here.shown_log(str(output)) == "journalctl"
    output.write_text("")
    assert here.shown_log(str(output)) == "journalctl", "it has printed nothing"
    output.write_text("x")
    assert here.shown_log(str(output)) == str(output)
    log.write_text("")
    assert here.log_file(str(output)) == here.shown_log(str(output)) == str(log), "an empty log is a log"
    assert here._replace(log=None).log_file(str(output)) == str(output)


def test_the_environment_of_broker_and_tools(monkeypatch):
    monkeypatch.setattr(cookie, "by_variable", lambda: None)
    plain = {"RABBITMQ_NODENAME": "rabbit@n1", "HOME": "/var/lib/rabbitmq", "RABBITMQ_MNESIA_BASE": "/m",
             "RABBITMQ_MNESIA_DIR": "/m/rabbit@n1"}
    assert WHOLE.environment() == plain
    monkeypatch.setattr(cookie, "by_variable", lambda: "secret")
    assert WHOLE.environment() == dict(plain, RABBITMQ_ERLANG_COOKIE="secret")


@pytest.mark.parametrize("name, long", [
    ("rabbit@n1", False), ("rabbit@n1.example", True), ("rab.bit@n1", False), ("rabbit", False),
    ("rabbit@a.b@c", True)])
def test_a_long_name(name, long):
    wanted = {"RABBITMQ_NODENAME": name, "RABBITMQ_USE_LONGNAME": "true"} if long else {"RABBITMQ_NODENAME": name}
    assert layout.name_environment(name) == wanted


def test_the_file_of_feature_flags():
    assert WHOLE.feature_flags() == "/flags"
    assert WHOLE._replace(flags=None).feature_flags() == "/m/rabbit@n1-feature_flags"


@pytest.mark.parametrize("one", [WHOLE, WHOLE._replace(log=None, server=None, version=None, config=None, flags=None),
                                 WHOLE._replace(tls=True, management_tls=False, listener="1 2", management_path="")])
def test_a_layout_comes_back_from_its_state_file(one):
    values = {key: str(value) for key, value in layout.encode_layout(one).items()}
    assert layout.decode_layout(values) == one
    assert layout.decode_layout(dict(values, port="x", management_port="")) == one._replace(
        port=5672, management_port=15672)
    for key in ("server", "port", "home"):
        assert layout.decode_layout({name: text for name, text in values.items() if name != key}) is None
    assert layout.decode_layout({}) is None


def test_a_layout_of_0_1_0_has_the_defaults():
    values = {key: str(value) for key, value in layout.encode_layout(WHOLE).items()
              if key not in Layout._field_defaults}
    assert layout.decode_layout(values) == WHOLE._replace(
        host="127.0.0.1", management_host="127.0.0.1", management_port=15672, management_tls=False, management_path="",
        flags=None)


def test_text_of_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"\xc3\xa4\xff")
    assert layout.text_of(str(tmp_path / "a")) == "\u00e4\ufffd" and layout.text_of(str(tmp_path)) == ""
    (tmp_path / "a").write_text("x" * 300000)
    assert len(layout.text_of(str(tmp_path / "a"))) == 262144


# -- problems

@pytest.fixture
def here(tmp_path, monkeypatch):
    """A Layout of this user, whose directories are not there yet, and with nothing wrong about its cookie."""
    monkeypatch.setattr(cookie, "problems", lambda *how: [])
    me = pwd.getpwuid(os.getuid()).pw_name
    return WHOLE._replace(server="/bin/true", user=me, group="g", base=str(tmp_path / "m"), directory=str(
        tmp_path / "m" / "a"), log=str(tmp_path / "l" / "log"))


def test_nothing_is_wrong(here, tmp_path):
    assert layout.layout_problems(here) == layout.layout_problems(here._replace(log=None)) == []
    (tmp_path / "m" / "a").mkdir(parents=True)
    (tmp_path / "l").mkdir()
    assert layout.layout_problems(here) == []


def test_what_is_wrong_is_named(here, tmp_path, monkeypatch):
    assert layout.layout_problems(here._replace(server=None)) == [
        "RabbitMQ is not installed on this node: install rabbitmq-server, or set the parameter binary."]
    assert layout.layout_problems(here._replace(user="no-such-user")) == [
        "There is no user no-such-user on this node (parameter user)."]
    asked = []
    monkeypatch.setattr(cookie, "problems", lambda *how: (asked.append(how), ["the cookie"])[1])
    monkeypatch.setattr(access, "problems", lambda *how: (asked.append(how), ["a directory"])[1])
    nobody = here._replace(user="nobody")
    assert layout.layout_problems(nobody) == ["the cookie", "a directory"]
    assert asked == [(nobody, pwd.getpwnam("nobody").pw_uid), (nobody, pwd.getpwnam("nobody"))]


@pytest.mark.parametrize("free, full", [(layout.LEAST_FREE, False), (layout.LEAST_FREE - 1024, True)])
def test_a_full_file_system(here, tmp_path, monkeypatch, free, full):
    (tmp_path / "m").mkdir()
    monkeypatch.setattr(layout.os, "statvfs", lambda path: SimpleNamespace(f_bavail=free // 512, f_frsize=512))
    assert layout.layout_problems(here) == (
        ["The file system of %s is full (16383 KiB free): make room there." % here.base] if full else [])
    assert layout.layout_problems(here._replace(base=str(tmp_path / "none"))) == []
