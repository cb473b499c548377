# SPDX-License-Identifier: Apache-2.0
"""service-check of a real process with real sockets: it is asked where it listens, whatever its usual port is."""

import os
import socket
import subprocess
import sys

import pytest

from quorate.host.connections import Connections
from quorate.host.process import Processes
from quorate.openstack.check import ServiceCheck
from quorate.openstack.service import network
from quorate.openstack.service.sources import Sources
from quorate.web.check import NOTHING_YET
from quorate.web.command import parse
from tests.unit.openstack.service.stand_ins import saying
from tests.waiting import within

PROGRAM = """
import socket, sys, threading
def serve(listener, answer):
    while True:
        one = listener.accept()[0]
        one.recv(1000)
        one.sendall(answer)
        one.close()
config = sys.argv[1].partition("=")[2]
for word in sys.argv[2:]:
    host, _, rest = word.removeprefix("-").rpartition(":")
    port, _, answer = rest.partition("/")
    listener = socket.create_server((host, int(port)))
    threading.Thread(target=serve, args=(listener, answer.encode() + b"\\r\\n\\r\\n"), daemon=True).start()
sys.stdin.read()
"""
OK = "HTTP/1.0 300 Multiple Choices"


@pytest.fixture
def running(tmp_path):
    """running(*places): starts a glance-api that listens there; the check of it."""
    started = []

    def start(*places, options=()):
        program, config = tmp_path / "glance-api", tmp_path / "glance-api.conf"
        program.write_text(PROGRAM)
        config.write_text("[DEFAULT]\n")
        started.append(subprocess.Popen([sys.executable, str(program), "--config-file=%s" % config]
                                        + ["-%s" % place for place in places], stdin=subprocess.PIPE))
        ports = [int(place.rpartition(":")[2].partition("/")[0]) for place in places]
        hosts = [place.rpartition(":")[0] for place in places]
        for host, port in zip(hosts, ports):
            assert within(20, lambda host=host, port=port: socket.socket().connect_ex((host, port)) == 0)
        sources = Sources(None)
        sources.units._root = "/nonexistent"
        return ServiceCheck(parse(ServiceCheck, ["glance-api", "--config", str(config)] + list(options)), sources,
                            Processes())

    yield start
    for one in started:
        one.kill()
        one.wait()


def free(host="127.0.0.1"):
    with socket.socket() as found:
        found.bind((host, 0))
        return found.getsockname()[1]


def test_on_an_address_of_its_own_and_another_port(running):
    port = free("127.0.0.5")
    health = running("127.0.0.5:%d/%s" % (port, OK)).observe(5.0, NOTHING_YET).health

    assert ("well", True) == health[:2] and "answers 300 on port %d" % port in health.sentence


def test_on_an_address_of_its_own_and_the_given_port(running):
    port = free("127.0.0.5")
    health = running("127.0.0.5:%d/%s" % (port, OK), options=("--port", str(port))).observe(5.0, NOTHING_YET).health

    assert ("well", True) == health[:2], health.sentence


@pytest.mark.parametrize("api", [0, 1], ids=["the lower", "the higher"])
def test_of_several_ports_the_one_that_answers_http(running, api):
    """uwsgi has a port for its statistics."""
    ports = sorted((free(), free()))
    words = ["127.0.0.1:%d/%s" % (port, OK if number == api else "{}") for number, port in enumerate(ports)]
    health = running(*words).observe(5.0, NOTHING_YET).health

    assert "answers 300 on port %d" % ports[api] in health.sentence


def without_root(check, mocker, *ports):
    """The Health that who is not root sees: no sockets of processes, and of listeners the users. ports: those where its
    user listens."""
    class Unseen(Connections):
        def of(self, _pid):
            return None

        def of_users(self, users):
            own = Connections.of_users(self, {os.geteuid()}) if 4242 in users else []
            return [place for place in own if place[1] in ports]

    mocker.patch.object(check._sources, "connections", Unseen)
    mocker.patch("quorate.host.process.Processes.owner", return_value=4242)
    return check.observe(5.0, NOTHING_YET).health


@pytest.mark.parametrize("port", ["--port", None], ids=["given", "its own"])
def test_without_root_it_is_asked_where_its_user_listens(running, mocker, port):
    """On two addresses, neither of which is 127.0.0.1: nobody listened there, and a healthy one was out of service."""
    number = free("127.0.0.5")
    options = (port, str(number)) if port else ()
    check = running("127.0.0.5:%d/%s" % (number, OK), "127.0.0.6:%d/%s" % (number, OK), options=options)
    health = without_root(check, mocker, number)

    assert ("well", True) == health[:2] and "answers 300 on port %d" % number in health.sentence


def test_without_root_the_console_proxy_is_asked_where_its_user_listens(running, mocker, tmp_path):
    """Its configuration is not to be read either."""
    port = free("127.0.0.5")
    running("127.0.0.5:%d/HTTP/1.0 200 OK" % port)
    (tmp_path / "glance-api").rename(tmp_path / "nova-novncproxy")
    one = subprocess.Popen([sys.executable, str(tmp_path / "nova-novncproxy"), "--config-file=/nonexistent",
                            "-127.0.0.6:%d/HTTP/1.0 200 OK" % port],
                           stdin=subprocess.PIPE, start_new_session=True)
    try:
        assert within(20, lambda: socket.socket().connect_ex(("127.0.0.6", port)) == 0)
        sources = Sources(None)
        sources.units._root = "/nonexistent"
        check = ServiceCheck(parse(ServiceCheck, ["nova-novncproxy", "--config", "/nonexistent"]), sources, Processes())
        health = without_root(check, mocker, port)
    finally:
        one.kill()
        one.wait()

    assert health[1] and "answers 200 on port %d" % port in health.sentence, health.sentence


def test_without_root_and_without_a_trace_of_its_listener_it_is_unknown(running, mocker):
    health = without_root(running("127.0.0.5:%d/%s" % (free("127.0.0.5"), OK)), mocker)

    assert ("unknown", False) == health[:2] and "run this as root, or set --host and --port" in health.sentence


def test_without_root_its_own_port_that_does_not_answer_is_down(running, mocker):
    port = free("127.0.0.5")
    health = without_root(running("127.0.0.5:%d/{}" % port, options=("--port", str(port))), mocker, port)

    assert "page" == health[0] and not health[1]


def test_listeners_by_their_users():
    with socket.create_server(("127.0.0.5", 0)) as one:
        place = one.getsockname()
        assert place in Connections().of_users({os.geteuid()})
        assert place not in Connections().of_users({os.geteuid() + 1}) and [] == Connections().of_users(set())


def test_an_operators_port_is_not_replaced_by_another(running):
    port, other = free(), free()
    health = running("127.0.0.1:%d/%s" % (port, OK), options=("--port", str(other))).observe(5.0, NOTHING_YET).health

    assert not health[1] and "port %d" % other in health.sentence


def test_an_api_that_fails_there_is_found_there(running):
    port = free("127.0.0.5")
    health = running("127.0.0.5:%d/HTTP/1.0 503 Unavailable" % port).observe(5.0, NOTHING_YET).health

    assert not health[1] and "503 on port %d" % port in health.sentence


def test_a_page_behind_tls(tmp_path):
    import ssl
    import threading
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout",
                    str(tmp_path / "key"), "-out", str(tmp_path / "cert")], check=True, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(tmp_path / "cert"), str(tmp_path / "key"))
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                one = context.wrap_socket(listener.accept()[0], server_side=True)
                one.recv(1000)
                one.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                one.close()
            except ssl.SSLError:
                continue
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    try:
        assert 200 == network.page("127.0.0.1", listener.getsockname()[1], "/", 10.0).status
    finally:
        listener.close()


@pytest.mark.parametrize("data", [b"", b"SSH-2.0-x\r\n", b"{}"])
def test_what_speaks_neither(data):
    with saying(data) as listener:
        found = network.page("127.0.0.1", listener.getsockname()[1], "/", 5.0)
    assert network.NO_HTTP == found.reason
