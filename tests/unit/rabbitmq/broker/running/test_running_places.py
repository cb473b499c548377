# SPDX-License-Identifier: Apache-2.0
"""What a running broker shows of itself, case by case; who shows it is a stand-in (test_running has real processes)."""

import pytest

from quorate.host.amqp import Handshake
from quorate.host.system.inspection import Address, OpenFile
from quorate.host.process import Process
from quorate.rabbitmq.broker import credentials, running
from quorate.rabbitmq.broker.credentials import Endpoint
from quorate.rabbitmq.broker.running import Place
from quorate.rabbitmq.broker.settings.listeners import Configured, Listener
from quorate.rabbitmq.broker.settings.places import Places, Wanted
from quorate.errors import Unreadable
from quorate.rabbitmq import facts

BROKER = Process(71, 1, 500, "S", ("beam.smp",))
ANSWERS, SILENT = Handshake(True, True), Handshake(True, False)
REFUSES = Handshake(True, True, "TLS alert", True)
WEB = Listener(None, 15672, False)


def places(amqp=(), management=(WEB,), others=(), **more):
    given = dict(base="/m", directory="/m/rabbit@n1", feature_flags="/m/rabbit@n1-feature_flags", log="/log",
                 config="/etc/c", distribution=25672, epmd_port=4370, pid_file="/pid", problem=None)
    given.update(more)
    configured = Configured(amqp, tuple(management), "/mq", frozenset(others))
    return Places("rabbit@n1", configured=configured, **given)


class Machine:
    """A broker with these open files and listening sockets; answers: (host, port, tls) -> Handshake."""

    def __init__(self, monkeypatch):
        self.files, self.sockets, self.answers, self.asked, self.epmd = [], [], {}, [], {}
        self.same, self.families, self.looked, self.now = True, True, [], 100.0
        monkeypatch.setattr(running.inspection, "open_files", lambda one: self.files)
        monkeypatch.setattr(running.inspection, "listening", self._listening)
        monkeypatch.setattr(running.inspection, "both_families", lambda: self.families)
        monkeypatch.setattr(running, "same_network", lambda one: self.same)
        monkeypatch.setattr(running.amqp, "handshake", self._handshake)
        monkeypatch.setattr(running.epmd, "names", self._names)
        monkeypatch.setattr(running, "monotonic", lambda: self.now)
        monkeypatch.setattr("quorate.host.names.lookup", self._lookup)
        self.addresses = {}

    def listens(self, *sockets):
        self.sockets = [Address(host, port) for host, port in sockets]
        return self

    def _listening(self, one):
        assert one == BROKER
        return self.sockets

    def _handshake(self, host, port, seconds, tls):
        self.asked.append((host, port, tls, seconds))
        self.now += 0.375
        return self.answers.get((host, port, tls), SILENT)

    def _names(self, *how):
        self.asked.append(how)
        if self.epmd is None:
            raise OSError
        return self.epmd

    def _lookup(self, name, port, seconds):
        self.looked.append((name, port, seconds))
        if name not in self.addresses:
            raise OSError
        return [(2, 1, 6, "", (address, port)) for address in self.addresses[name]]


@pytest.fixture
def machine(monkeypatch):
    return Machine(monkeypatch)


EPMD = ("127.0.0.1", 4370, 0.5)


# -- its open files

def test_where_its_data_are(machine, tmp_path):
    data, nested = tmp_path / "data", tmp_path / "coordination" / "rabbit@n1"
    data.mkdir()
    nested.mkdir(parents=True)
    for path, found in (
            ("%s/coordination/rabbit@n1/00.wal" % data, (str(data), "rabbit@n1")),
            ("%s/coordination/rabbit@n1/a@b/c" % data, (str(data), "rabbit@n1")),
            ("%s/coordination/rabbit@n1/00.wal" % nested, (str(nested), "rabbit@n1")),
            ("%s/coordination/names.dets" % data, None), ("%s/quorum/rabbit@n1/00.wal" % data, None),
            ("/nonexistent/coordination/rabbit@n1/00.wal", None), ("rabbit@n1", None)):
        machine.files = [OpenFile("/log", 5, True), OpenFile(path, 7, False)]
        assert running.own_directory(BROKER) == found
    machine.files = None
    assert running.own_directory(BROKER) is None


@pytest.mark.parametrize("files, expected, log", [
    ([("/a", 3, True), ("/b", 4, True)], "/b", "/b"), ([("/a", 3, True), ("/b", 4, True)], "/c", "/a"),
    ([("/a", 3, True), ("/b", 4, True)], None, "/a"), ([("/a", 2, True)], "/a", None), ([("/a", 3, False)], "/a", None),
    ([("/a_upgrade.log", 3, True)], None, None), ([], "/a", None), (None, "/a", None)])
def test_where_it_logs(machine, files, expected, log):
    machine.files = None if files is None else [OpenFile(*one) for one in files]
    assert running.own_log(BROKER, expected) == log


def test_what_it_appends_to_in_its_data_is_no_log(machine, tmp_path):
    machine.files = [OpenFile("%s/coordination/rabbit@n1/x" % tmp_path, 3, True),
                     OpenFile("%s/quorum/y" % tmp_path, 4, True), OpenFile(str(tmp_path) + ".log", 5, True)]
    assert running.own_log(BROKER, None) == str(tmp_path) + ".log"


# -- its listeners

PLAIN, TLS = Listener(None, 5672, False), Listener(None, 5671, True)


@pytest.mark.parametrize("sockets, amqp, place", [
    ([("0.0.0.0", 5672)], (PLAIN,), Place("127.0.0.1", 5672, False)),
    ([("127.0.0.1", 5672)], (PLAIN,), Place("127.0.0.1", 5672, False)),
    ([("::", 5672)], (PLAIN,), Place("127.0.0.1", 5672, False)),
    ([("192.0.2.1", 5672)], (PLAIN,), Place("192.0.2.1", 5672, False)),
    ([("::1", 5672)], (PLAIN,), Place("::1", 5672, False)),
    ([("192.0.2.1", 5672), ("127.0.0.1", 5672)], (PLAIN,), Place("127.0.0.1", 5672, False)),
    ([("0.0.0.0", 5671), ("0.0.0.0", 5672)], (TLS, PLAIN), Place("127.0.0.1", 5672, False)),
    ([("0.0.0.0", 5671)], (PLAIN, TLS), Place("127.0.0.1", 5671, True)),
    ([("192.0.2.1", 5672), ("192.0.2.2", 5672)], (Listener("192.0.2.2", 5672, False),),
     Place("192.0.2.2", 5672, False)),
    ([("::", 5672)], (Listener("192.0.2.2", 5672, False),), Place("127.0.0.1", 5672, False)),
    ([("::ffff:192.0.2.2", 5672)], (Listener("192.0.2.2", 5672, False),), Place("::ffff:192.0.2.2", 5672, False)),
    ([("192.0.2.1", 5672)], (Listener("192.0.2.2", 5672, False),), ()),
    ([("0.0.0.0", 5673)], (PLAIN,), ())])
def test_a_configured_listener_that_is_open(machine, sockets, amqp, place):
    machine.listens(*sockets)
    assert running.amqp_place(BROKER, places(amqp), boots=True) == place and machine.asked == []


def test_which_family_a_socket_of_all_addresses_has(machine):
    machine.families = False
    assert running.amqp_place(BROKER, places((PLAIN,)), boots=True) == ()
    machine.listens(("::", 5672))
    assert running.amqp_place(BROKER, places((PLAIN,))) == Place("::1", 5672, False)


@pytest.mark.parametrize("preferred, place", [
    (5673, Place("192.0.2.1", 5673, False)), (5671, Place("127.0.0.1", 5671, True)),
    (9, Place("127.0.0.1", 5672, False)), (None, Place("127.0.0.1", 5672, False))])
def test_the_port_that_the_operator_named_goes_first(machine, preferred, place):
    """Also where it is one for TLS."""
    machine.listens(("0.0.0.0", 5671), ("0.0.0.0", 5672), ("192.0.2.1", 5673))
    configured = places((TLS, PLAIN, Listener("192.0.2.1", 5673, False)))
    assert running.amqp_place(BROKER, configured, preferred) == place


@pytest.mark.parametrize("tls", [False, True])
def test_a_named_port_counts_on_whatever_address_it_is_open(machine, tls):
    machine.listens(("192.0.2.9", 5673), ("0.0.0.0", 5672))
    configured = places((PLAIN, Listener("192.0.2.1", 5673, tls)))
    assert running.amqp_place(BROKER, configured, 5673) == Place("192.0.2.9", 5673, tls)


def test_a_name_is_that_of_the_address(machine):
    machine.addresses = {"mq": ["192.0.2.8", "192.0.2.2"]}
    machine.listens(("192.0.2.2", 5672))
    assert running.amqp_place(BROKER, places((Listener("mq", 5672, False),))) == Place("192.0.2.2", 5672, False)
    assert machine.looked == [("mq", 0, running.RESOLVED)]
    machine.addresses = {"mq": ["192.0.2.9"]}
    assert running.amqp_place(BROKER, places((Listener("mq", 5672, False),)), boots=True) == ()
    assert running.amqp_place(BROKER, places((Listener("none", 5672, False),))) == Place("192.0.2.2", 5672, False), (
        "of a name that is not resolved the port has to do")


def test_sockets_that_cannot_be_seen(machine):
    machine.sockets = None
    assert running.amqp_place(BROKER, places((PLAIN,))) is None
    machine.listens()
    assert running.amqp_place(BROKER, places((PLAIN,))) == ()


@pytest.mark.parametrize("sockets, place", [
    ([("0.0.0.0", 5672)], None), ([("127.0.0.1", 5672)], None), ([("127.9.9.9", 5672), ("::1", 5672)], None),
    ([("::", 5672), ("192.0.2.1", 5672)], Place("192.0.2.1", 5672, False)), ([], ())])
def test_in_another_network_namespace(machine, sockets, place):
    """At the loopback another program may answer."""
    machine.same = False
    assert running.amqp_place(BROKER, places((PLAIN,)), boots=True) == ()
    machine.listens(*sockets)
    assert running.amqp_place(BROKER, places((PLAIN,)), boots=True) == place


# -- ports of which no file says what they are

def test_ports_that_nothing_else_has_are_asked(machine):
    machine.listens(("0.0.0.0", 15672), ("0.0.0.0", 25672), ("0.0.0.0", 61613), ("0.0.0.0", 9000), ("192.0.2.1", 7000),
                    ("0.0.0.0", 8000))
    machine.epmd = {"rabbit": 9000}
    machine.answers[("127.0.0.1", 8000, False)] = ANSWERS
    assert running.amqp_place(BROKER, places(others=(61613,))) == Place("127.0.0.1", 8000, False)
    assert machine.asked == [EPMD, ("192.0.2.1", 7000, False, 0.5), ("192.0.2.1", 7000, True, 0.5),
                             ("127.0.0.1", 8000, False, 0.5)]


def test_without_epmd_its_ports_are_asked_as_well(machine):
    machine.listens(("0.0.0.0", 9000))
    machine.epmd, machine.answers[("127.0.0.1", 9000, True)] = None, ANSWERS
    assert running.amqp_place(BROKER, places()) == Place("127.0.0.1", 9000, True)


def test_the_named_port_is_asked_first(machine):
    machine.listens(("0.0.0.0", 7000), ("0.0.0.0", 8000))
    machine.answers[("127.0.0.1", 8000, False)] = ANSWERS
    assert running.amqp_place(BROKER, places(), 8000) == Place("127.0.0.1", 8000, False)
    assert [one[1] for one in machine.asked[1:]] == [8000]


def test_who_refuses_us_is_taken_where_nobody_greets(machine):
    machine.listens(("0.0.0.0", 7000), ("0.0.0.0", 7001), ("0.0.0.0", 7002))
    machine.answers = {("127.0.0.1", 7000, True): REFUSES, ("127.0.0.1", 7001, True): REFUSES,
                       ("127.0.0.1", 7001, False): Handshake(True, None, "x", True)}
    assert running.amqp_place(BROKER, places(), seconds=9.0) == Place("127.0.0.1", 7000, True)
    machine.answers[("127.0.0.1", 7002, False)] = ANSWERS
    assert running.amqp_place(BROKER, places(), seconds=9.0) == Place("127.0.0.1", 7002, False)


def test_the_questions_have_two_seconds(machine):
    machine.listens(*(("0.0.0.0", port) for port in range(7000, 7009)))
    assert running.amqp_place(BROKER, places()) is None, "nobody knows what the others are"
    assert [one[3] for one in machine.asked[1:]] == [0.5, 0.5, 0.5, 0.5, 0.5, 0.125]
    del machine.asked[:]
    assert running.amqp_place(BROKER, places(), seconds=0.375) is None and len(machine.asked) == 2


@pytest.mark.parametrize("late, found", [(False, ()), (True, None)])
def test_one_that_is_slow_is_not_said_to_listen_nowhere(machine, late, found):
    """A broker at a port that no file names was taken for one that boots, while it answered after a second."""
    machine.listens(("0.0.0.0", 7000), ("0.0.0.0", 7001))
    for port in (7000, 7001):
        for tls in (False, True):
            machine.answers[("127.0.0.1", port, tls)] = Handshake(True, None, "no AMQP")
    if late:
        machine.answers[("127.0.0.1", 7000, False)] = Handshake(True, False, "late")
    assert running.amqp_place(BROKER, places(), seconds=9.0) == found


# -- the management API

@pytest.mark.parametrize("sockets, management, preferred, place", [
    ([("0.0.0.0", 15672)], (WEB,), None, Place("127.0.0.1", 15672, False)),
    ([("192.0.2.1", 15672)], (WEB,), None, Place("192.0.2.1", 15672, False)),
    ([], (WEB,), None, Place("127.0.0.1", 15672, False)), (None, (WEB,), None, Place("127.0.0.1", 15672, False)),
    ([], (Listener("192.0.2.3", 1, True),), None, Place("192.0.2.3", 1, True)),
    ([("0.0.0.0", 1), ("0.0.0.0", 2)], (Listener(None, 2, True), Listener(None, 1, False)), None,
     Place("127.0.0.1", 1, False)),
    ([("0.0.0.0", 1), ("0.0.0.0", 2)], (Listener(None, 2, True), Listener(None, 1, False)), 2,
     Place("127.0.0.1", 2, True)),
    ([("192.0.2.1", 1)], (Listener("192.0.2.2", 1, False), Listener("192.0.2.1", 1, False)), None,
     Place("192.0.2.1", 1, False)),
    ([("0.0.0.0", 3)], (Listener("192.0.2.4", 2, True), Listener(None, 1, False)), 3, Place("127.0.0.1", 3, False)),
    ([], (Listener("192.0.2.4", 2, True), Listener(None, 1, False)), 3, Place("192.0.2.4", 3, False))])
def test_where_the_management_api_is(machine, sockets, management, preferred, place):
    machine.sockets = None
    if sockets is not None:
        machine.listens(*sockets)
    assert running.management_place(BROKER, places(management=management), preferred) == place
    if not sockets:
        assert running.management_place(None, places(management=management), preferred) == place


# -- the endpoint of the check

@pytest.fixture
def configured(monkeypatch):
    """configured.answer: Places, or an Unreadable; configured.asked: how places() was called."""
    class Configuration:
        answer, asked, by_name = places((Listener("192.0.2.5", 5673, True),), (Listener("192.0.2.6", 1, True),)), [], {}

        def __call__(self, *arguments, **named):
            self.asked.append((arguments, named))
            answer = self.by_name.get(arguments[0].nodename, self.answer)
            if isinstance(answer, Exception):
                raise answer
            return answer

    made = Configuration()
    made.asked, made.by_name = [], {}
    monkeypatch.setattr("quorate.rabbitmq.broker.settings.places.places", made)
    return made


BY_FILES = Endpoint("192.0.2.5", 5673, True, management_host="192.0.2.6", management_port=1, management_tls=True,
                    node="rabbit@n1", log="/log", pid_file="/pid", epmd_port=4370, management_path="/mq")


def test_the_endpoint_by_the_configuration(configured):
    assert credentials.configured_endpoint("rabbit@n1") == (BY_FILES, None)
    assert configured.asked == [((Wanted("rabbit@n1"),), {})]
    configured.answer = places((PLAIN,), problem="line 7")
    assert credentials.configured_endpoint() == (BY_FILES._replace(
        host="127.0.0.1", port=5672, tls=False, management_host="127.0.0.1", management_port=15672,
        management_tls=False), "line 7")
    for amqp in (None, ()):
        configured.answer = places(amqp, (Listener("192.0.2.6", 1, True),), problem="line 8")
        assert credentials.configured_endpoint() == (
            BY_FILES._replace(host="127.0.0.1", port=5672, tls=False), "line 8")
    configured.answer = Unreadable("line 9")
    assert credentials.configured_endpoint("rabbit@n1") == (Endpoint(node="rabbit@n1"), "line 9")


@pytest.fixture
def running_broker(machine, monkeypatch):
    """The Machine; environment: of its broker; stages: what the log says; boots: how that was asked."""
    machine.environment, machine.stage, machine.boots = {"RABBITMQ_X": "1"}, None, []
    monkeypatch.setattr("quorate.host.system.inspection.environment", lambda one: machine.environment)
    monkeypatch.setattr("quorate.rabbitmq.broker.process.boot_stage",
                        lambda *how: (machine.boots.append(how), machine.stage)[1])
    return machine.listens(("0.0.0.0", 5673), ("192.0.2.6", 1))


GIVEN = Endpoint(user="u", password="p", vhost="v", node="rabbit@n1", log="/old", pid_file="/pid", epmd_port=4370)


def test_the_endpoint_of_a_running_broker(running_broker, configured):
    found = credentials.running_endpoint(GIVEN, BROKER)
    assert found == GIVEN._replace(host="127.0.0.1", port=5673, tls=True, log="/log", management_host="192.0.2.6",
                                   management_port=1, management_tls=True, management_path="/mq")
    assert configured.asked == [((Wanted("rabbit@n1", None, None, None), {"RABBITMQ_X": "1"}), {"running": True})]
    assert running_broker.boots == [("/log", BROKER)]
    running_broker.files = [OpenFile("/own.log", 3, True)]
    assert credentials.running_endpoint(GIVEN, BROKER).log == "/own.log"
    assert running_broker.boots[-1] == ("/own.log", BROKER)


def test_its_environment_and_its_files_name_it(running_broker, configured, tmp_path):
    running_broker.environment = {"RABBITMQ_NODENAME": "x"}
    credentials.running_endpoint(GIVEN, BROKER)
    assert configured.asked[-1][0][0] == Wanted(None, None, None, None)
    running_broker.files = [OpenFile("%s/coordination/b@n1/x" % tmp_path, 9, False)]
    credentials.running_endpoint(GIVEN, BROKER)
    assert configured.asked[-1][0][0] == Wanted("b@n1", None, None, str(tmp_path))
    running_broker.environment = None
    configured.answer = configured.answer._replace(nodename="b@n1")
    assert credentials.running_endpoint(GIVEN, BROKER).node == "b@n1"
    assert configured.asked[-1] == ((Wanted("b@n1", None, None, str(tmp_path)), {}), {"running": True})


def test_a_broker_whose_name_is_not_understood(running_broker, configured):
    configured.by_name["rabbit@n1"] = Unreadable("line 7")
    found = credentials.running_endpoint(GIVEN, BROKER)
    assert (found.host, found.port, found.node) == ("127.0.0.1", 5673, "rabbit@n1")
    assert configured.asked[-1] == (
        (Wanted("unknown@unknown", None, None, "/nonexistent"), {"RABBITMQ_X": "1"}), {"running": True})
    configured.answer = Unreadable("line 8")
    assert credentials.running_endpoint(GIVEN, BROKER) is None


@pytest.mark.parametrize("stage, asked", [(facts.STARTING, False), (facts.WAITING, False), (facts.RUNNING, True),
                                          (None, True)])
def test_a_broker_that_boots_is_not_searched_for(running_broker, configured, stage, asked):
    running_broker.listens(("0.0.0.0", 7000))
    running_broker.stage = stage
    for tls in (False, True):
        running_broker.answers[("127.0.0.1", 7000, tls)] = Handshake(True, None, "no AMQP")
    assert credentials.running_endpoint(GIVEN, BROKER) == () and bool(running_broker.asked) is asked
    running_broker.sockets = None
    assert credentials.running_endpoint(GIVEN, BROKER) is None
