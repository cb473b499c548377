# SPDX-License-Identifier: Apache-2.0
"""service-check on scripted sources, and on a real listener."""

import socket
import threading

import pytest

from quorate.errors import Usage
from quorate.openstack.check import ServiceCheck
from quorate.openstack.facts import ANSWERED, MISSING, Address, Page, Row, Rows, Settings
from quorate.web.check import NOTHING_YET
from quorate.web.command import main, parse
from tests.fakes import FakeProcesses


class Net:
    def __init__(self, amqp=2, ports=(8774,)):
        self.amqp, self.ports = amqp, ports

    def of(self, _pid):
        from quorate.host.connections import Socket
        return tuple([Socket("established", 4000, 5672, 1)] * self.amqp
                     + [Socket("listen", port, 0, 2) for port in self.ports])

    def listeners(self, _pid, port):
        return port in self.ports


class NoSystemd:
    def managed(self):
        return False


class Systemd:
    """A systemd that runs neutron-rpc-server and not neutron-server."""

    def managed(self):
        return True

    def find(self, names):
        return "neutron-api.service" if "neutron-api" in names else None

    def processes(self, _unit):
        return frozenset()

    def of(self, _pid):
        return "neutron-rpc-server.service"


class FakeSources:
    """Scripted sources of an observation."""

    def __init__(self, page=Page(ANSWERED, 200), broker=True, **net):
        self.units, self._page, self._broker, self._net = NoSystemd(), page, broker, net

    def settings(self, _service, _config, _process=None):
        return Settings(True, (Address("n1", 5672, "u", "secret", "/"),), host="n1")

    def connections(self):
        return Net(**self._net)

    def page(self, *_words):
        return self._page

    def broker(self, _brokers, _seconds):
        return self._broker

    def refusal(self, _brokers, _seconds):
        return ""


def observed(name, processes=("python3 /usr/bin/%s",), state="S", **sources):
    table = FakeProcesses()
    for line in processes:
        table.add(line % name, state=state)
    check = ServiceCheck(parse(ServiceCheck, [name]), FakeSources(**sources), table)
    return check, check.observe(1.0, NOTHING_YET)


def test_an_api_that_answers():
    check, fact = observed("nova-api")

    assert ("well", True) == fact.health[:2]
    assert "nova-api works: 1 process, answers 200 on port 8774." == fact.health.sentence
    assert "secret" not in str(check.known(fact)) and ("processes", {"service": "nova-api"}, 1) in check.metrics(fact)


def test_a_row_in_json_keeps_the_positions_of_earlier_versions():
    """name, age, created, number of reports, disabled; the last two are unknown."""
    check, fact = observed("nova-conductor")
    fact = fact._replace(status=fact.status._replace(rows=Rows(ANSWERED, (Row("n1", 5, 900),))))

    assert [["n1", 5, 900, None, None]] == check.known(fact)["rows"]


@pytest.mark.parametrize("name, changes, code, ok", [
    ("nova-api", {"processes": (), "page": Page(MISSING)}, "down", False),
    ("nova-api", {"processes": ()}, "well", True),  # in a web server that we do not know, and it answers
    ("nova-api", {"page": Page(ANSWERED, 503)}, "page", False),
    ("nova-api", {"page": Page(ANSWERED, 404)}, "well", True),
    ("nova-api", {"page": Page(MISSING), "ports": ()}, "port", False),
    ("nova-api", {"state": "T"}, "frozen", False),
    ("nova-conductor", {"page": Page(MISSING)}, "well", True),
    ("nova-conductor", {"amqp": 0}, "amqp", True),
    ("nova-conductor", {"amqp": 0, "broker": False}, "broker", True),
    ("nova-conductor", {"processes": ()}, "down", False)])
def test_what_takes_a_node_out(name, changes, code, ok):
    _check, fact = observed(name, **changes)

    assert (code, ok) == fact.health[:2], fact.health.sentence


def test_the_other_half_of_neutron_is_not_the_one_with_the_port():
    """Debian's workers of neutron-rpc-server rename themselves to neutron-server."""
    table = FakeProcesses()
    table.add(("neutron-server: rpc worker (/usr/bin/python3 /usr/bin/neutron-rpc-server "
               "--config-file=/etc/neutron/neutron.conf)",))
    sources = FakeSources(Page(MISSING), ports=())
    sources.units = Systemd()
    fact = ServiceCheck(parse(ServiceCheck, ["neutron-server"]), sources, table).observe(1.0, NOTHING_YET)

    assert "neutron-server does not run on this node." == fact.health.sentence


@pytest.mark.parametrize("name", [
    "nova-api", "nova-scheduler", "nova-conductor", "glance", "glance-api", "neutron", "neutron-server", "keystone",
    "heat-api",
    "cinder-api", "cinder-scheduler", "neutron-rpc-server", "cinder-volume", "heat-engine", "nova-novncproxy",
    "nova-consoleauth", "placement-api"])
def test_every_service_of_a_control_plane_has_a_name(name, capsys):
    check = ServiceCheck(parse(ServiceCheck, [name]))
    assert 0 == main(ServiceCheck, ["--list"])
    said = capsys.readouterr().out

    assert check.service in [line.split()[0] for line in said.splitlines()]
    assert name in said


def test_the_list_says_how_each_is_asked(capsys):
    main(ServiceCheck, ["--list"])
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}

    assert "5000" in lines["keystone"] and "HTTP /v3" in lines["keystone"] and "apache2" in lines["keystone"]
    assert "heartbeat (level 10), RPC (level 20)" in lines["nova-scheduler"]


@pytest.mark.parametrize("name, words", [
    ("scheduler", "did you mean cinder-scheduler or nova-scheduler?"), ("mariadb", "--list"),
    ("", "name of a service is missing")])
def test_a_name_that_is_none_gets_the_nearest_ones(name, words, capsys):
    assert 2 == main(ServiceCheck, [name] if name else [])
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["mariadb"], ["nova-api", "--port", "x"], ["nova-api", "--level", "5"],
                                   ["a", "b"],
                                   ["nova-api", "--timeout", "soon"], ["nova-api", "--timeout", "\u00b2"],
                                   ["nova-api", "--timeout", "nan"], ["nova-api", "--timeout", "0"],
                                   ["nova-api", "--port", "\u00b2"], ["nova-api", "--port", "0"],
                                   ["nova-api", "--port", "65536"]])
def test_what_cannot_be_understood(words):
    with pytest.raises(Usage):
        ServiceCheck(parse(ServiceCheck, words))


def test_a_real_listener_is_asked():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(5)

        def answer():
            while True:
                try:
                    connection = listener.accept()[0]
                    connection.recv(1000)
                    connection.sendall(b"HTTP/1.1 300 Multiple Choices\r\n\r\n")
                    connection.close()
                except OSError:
                    return

        threading.Thread(target=answer, daemon=True).start()
        words = ["glance-api", "--port", str(listener.getsockname()[1]), "--config", "/nonexistent"]
        fact = ServiceCheck(parse(ServiceCheck, words), None, FakeProcesses()).observe(5.0, NOTHING_YET)
        listener.shutdown(socket.SHUT_RDWR)

    assert ("well", True) == fact.health[:2] and "answers 300" in fact.health.sentence


def test_connections_that_are_not_seen_are_not_said_to_be_there():
    """Who is not root sees no sockets of other users' processes: it said 'connected to RabbitMQ'."""
    table = FakeProcesses()
    table.add("python3 /usr/bin/nova-conductor")
    sources = FakeSources(Page(MISSING))
    net = sources.connections()
    net.of = lambda _pid: None
    sources.connections = lambda: net
    check = ServiceCheck(parse(ServiceCheck, ["nova-conductor"]), sources, table)
    fact = check.observe(1.0, NOTHING_YET)

    assert "nova-conductor works: 1 process, its connections to RabbitMQ are not known." == fact.health.sentence
    assert ["processes"] == [name for name, _labels, _value in check.metrics(fact)]


@pytest.mark.parametrize("seen, together", [
    ([(0, 0), None], (None, None)), ([(2, 0), None], (2, None)), ([(0, 0), (0, 1)], (0, 1)), ([None], (None, None))])
def test_of_several_processes_some_are_not_seen(seen, together):
    """Of another user, without root: that the others have no connection is no sign that there is none."""
    from quorate.openstack.facts import Sockets
    from quorate.openstack.service import observe
    found = observe._together(Sockets(*one, frozenset((80,))) if one else Sockets() for one in seen)
    assert together == (found.amqp, found.sql) and found.listening == (None if seen == [None] else frozenset((80,)))


def test_where_no_broker_is_known_none_is_missing():
    """Their ports are unknown then; as the agents have it."""
    table = FakeProcesses()
    table.add("python3 /usr/bin/nova-conductor")
    sources = FakeSources(Page(MISSING), amqp=0)
    sources.settings = lambda *_how: Settings(problems=("/etc/nova/nova.conf cannot be read: Permission denied",))
    fact = ServiceCheck(parse(ServiceCheck, ["nova-conductor"]), sources, table).observe(1.0, NOTHING_YET)
    assert ("well", True) == fact.health[:2] and "not known" in fact.health.sentence
