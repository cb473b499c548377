# SPDX-License-Identifier: Apache-2.0
"""A broker that runs shows where it is: stand-ins with real sockets, open files and an environment, as beam.smp."""

import contextlib
import ctypes
import os
import random
import socket
import subprocess
import sys
import threading
import time

import pytest

from quorate.host import names, process as host_process
from quorate.host.process import Processes
from quorate.host.state_files import StateFiles
from quorate.rabbitmq import facts
from quorate.rabbitmq.broker import credentials, layout, observe, process, running
from quorate.rabbitmq.broker.settings.listeners import Configured, Listener
from quorate.rabbitmq.broker.settings.places import Places
from quorate.rabbitmq.check import RabbitmqCheck
from quorate.rabbitmq.declaration import PARAMETERS
from quorate.rabbitmq.facts import Broker
from quorate.web import check as check_module
from tests import fakes
from tests.waiting import within

SHORT = os.uname().nodename.partition(".")[0]
STAND_IN = """
import os, socket, sys, threading
greeting = bytes.fromhex("01000000000004000a000ace")
def serve(one, answer):
    while True:
        client, _ = one.accept()
        if client.recv(100) and answer:
            client.sendall(greeting)
        client.close()
files = [open(path, "a") for path in %r]
for host, port, answer in %r:
    one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    one.bind((host, port))
    one.listen()
    threading.Thread(target=serve, args=(one, answer), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""


def free_ports(count):
    """Below those that the kernel gives to outgoing connections (ip_local_port_range): one of these took such a port on
    another address before the stand-in had it on all of them."""
    with contextlib.ExitStack() as stack, open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        below, opened = int(file.read().split()[0]), []
        while len(opened) < count:
            with contextlib.suppress(OSError):
                opened.append(stack.enter_context(socket.create_server(("", random.randrange(10000, below)))))
        return [one.getsockname()[1] for one in opened]


@pytest.fixture
def broker():
    """broker(listeners, files, **environ): the Process of a stand-in. listeners: (host, port, whether it speaks
    AMQP)."""
    with contextlib.ExitStack() as stack:
        def start(listeners=(), files=(), **environ):
            child = stack.enter_context(subprocess.Popen(
                ["beam.smp", "-c", STAND_IN % (list(files), list(listeners)), "-s", "rabbit", "boot"],
                executable="/usr/bin/python3", env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                preexec_fn=start.first))
            stack.callback(child.kill)
            assert child.stdout.readline() == b"ready\n"
            return Processes().get(child.pid)
        start.first = None
        yield start


@pytest.fixture
def elsewhere(broker):
    """The same of brokers in a network namespace of their own."""
    def unshared():
        if ctypes.CDLL(None, use_errno=True).unshare(0x40000000):  # CLONE_NEWNET
            raise OSError(ctypes.get_errno(), "unshare")
    if os.geteuid():
        pytest.skip("only root makes network namespaces")
    broker.first = unshared
    return broker


def places(amqp, management=(Listener(None, 15672, False),), others=(), name="rabbit@" + SHORT):
    return Places(name, "/b", "/b/" + name, "/b/flags", "/l", "/c", Configured(
        amqp if amqp is None else tuple(Listener(*one) for one in amqp), management, "", frozenset(others)), 25672,
        free_ports(1)[0], "/p", None)


def layout_of(tmp_path, **more):
    return layout.Layout(**dict(dict(
        server="/bin/true", nodename="rabbit@" + SHORT, base=str(tmp_path), directory=str(tmp_path / "data"),
        log=str(tmp_path / "log"), user="root", group="root", cookie="/c", config="/nonexistent", port=5672, tls=False,
        version="3.10.8", home=str(tmp_path)), **more))


# where it listens

def test_the_configured_listener_that_is_open_is_taken_without_asking(broker):
    one, other = free_ports(2)
    found = broker([("127.0.0.1", one, False), ("127.0.0.1", other, False)])
    assert running.amqp_place(found, places([(None, other, False)])) == ("127.0.0.1", other, False)


def test_a_listener_on_an_address_of_the_node(broker):
    port = free_ports(1)[0]
    found = broker([("127.0.0.3", port, True)])
    assert running.amqp_place(found, places([("127.0.0.3", port, False)])) == ("127.0.0.3", port, False)
    assert running.amqp_place(found, places([(None, 5672, False)])) == ("127.0.0.3", port, False), "asked"
    assert running.amqp_place(found, places([("192.0.2.9", port, False)])) == ("127.0.0.3", port, False), "asked"


def test_a_plain_listener_goes_before_tls(broker):
    plain, secured = free_ports(2)
    found = broker([("0.0.0.0", plain, True), ("0.0.0.0", secured, True)])
    assert running.amqp_place(found, places([(None, secured, True), (None, plain, False)])) == (
        "127.0.0.1", plain, False)
    assert running.amqp_place(found, places([(None, secured, True)])) == ("127.0.0.1", secured, True)


def test_what_no_file_names_is_asked_but_not_the_ports_of_others(broker):
    api, amqp, silent = free_ports(3)
    found = broker([("127.0.0.1", api, True), ("127.0.0.1", amqp, True), ("127.0.0.1", silent, False)])
    for configured in (None, [(None, 5672, False)]):
        assert running.amqp_place(found, places(configured, (Listener(None, api, False),))) == (
            "127.0.0.1", amqp, False)
    assert running.amqp_place(found, places([], others=(amqp,), management=(Listener(None, api, False),))) == ()


def test_a_broker_that_boots_is_not_asked_and_does_not_listen(broker):
    port = free_ports(1)[0]
    found = broker([("127.0.0.1", port, True)])
    assert running.amqp_place(found, places([(None, 5672, False)]), boots=True) == ()


def test_no_listener_is_not_unknown(broker):
    assert running.amqp_place(broker(), places([(None, 5672, False)])) == ()
    assert running.amqp_place(fakes.FakeProcesses().add("beam.smp -s rabbit boot", pid=2 ** 22), places([])) is None


def test_ipv6(broker):
    port = free_ports(1)[0]
    assert running.amqp_place(broker([("::1", port, True)]), places([("0:0::1", port, False)])) == ("::1", port, False)


def test_a_listener_by_name_is_at_one_of_the_addresses_of_the_name(broker, monkeypatch):
    """advanced.config and NODE_IP_ADDRESS may have names. A socket of the same port on another address was taken for
    it."""
    def lookup(name, *_):
        if name != "mq-host":
            raise names.Unresolved("the name is not resolved")
        return [(2, 1, 6, "", ("127.0.0.3", 0)), (10, 1, 6, "", ("::1", 0, 0, 0))]
    monkeypatch.setattr(names, "lookup", lookup)
    port, other = free_ports(2)
    found = broker([("127.0.0.5", port, True), ("127.0.0.3", other, True), ("::1", other, True)])
    assert running.amqp_place(found, places([("mq-host", port, True), ("mq-host", other, False)])) == (
        "127.0.0.3", other, False)
    assert running.amqp_place(found, places([("mq-host", port, True)]), boots=True) == ()
    only = broker([("::1", port, True)])
    assert running.amqp_place(only, places([("mq-host", port, False)])) == ("::1", port, False)
    assert running.amqp_place(only, places([("unknown-host", port, False)])) == ("::1", port, False), "the port tells"


def test_the_management_api_is_the_configured_one_that_is_open(broker):
    plain, secured = free_ports(2)
    found = broker([("127.0.0.1", secured, False)])
    both = (Listener(None, plain, False), Listener(None, secured, True))
    assert running.management_place(found, places([], both)) == ("127.0.0.1", secured, True)
    assert running.management_place(found, places([], (Listener("192.0.2.1", 1, False),))) == ("192.0.2.1", 1, False)
    assert running.management_place(found, places([], both), secured) == ("127.0.0.1", secured, True)


# who it is

def test_data_and_name_by_its_open_files(broker, tmp_path):
    inside = tmp_path / "mnesia" / "rabbit@n9.example.org" / "coordination" / "rabbit@n9.example.org"
    inside.mkdir(parents=True)
    log, other = tmp_path / "rabbit.log", tmp_path / "rabbit_upgrade.log"
    found = broker(files=[str(inside / "meta.dets"), str(log), str(other)])
    assert running.own_directory(found) == (str(inside.parent.parent), "rabbit@n9.example.org")
    assert running.own_log(found, "/elsewhere") == str(log)
    assert running.own_directory(broker()) is None and running.own_log(broker(), "/x") is None


@pytest.mark.parametrize("given, wanted, same", [
    (None, "rabbit@n1", True), ("rabbit@n1", "rabbit@n1", True), ("rabbit", "rabbit@" + SHORT, True),
    ("rabbit", "rabbit@%s.example.org" % SHORT, True), ("rabbit@" + SHORT, "rabbit@%s.example.org" % SHORT, True),
    ("bunny", "rabbit@" + SHORT, False), ("rabbit", "rabbit@elsewhere", False), ("rabbit@n1", "rabbit@n2", False)])
def test_a_name_without_its_host_is_this_machine(given, wanted, same):
    assert process.is_same_name(given, wanted) is same


def test_half_a_name_in_the_environment_is_the_broker(broker):
    found = broker(RABBITMQ_NODENAME="rabbit")
    assert process.is_broker(found, "rabbit@" + SHORT) and process.is_broker(found, None)
    assert not process.is_broker(found, "other@" + SHORT)


def test_the_layout_is_that_of_the_running_broker(broker, tmp_path, monkeypatch):
    """Whatever its file says by now, also when that needs a shell."""
    inside = tmp_path / "srv" / "rabbit@n9" / "coordination" / "rabbit@n9"
    inside.mkdir(parents=True)
    env = tmp_path / "env"
    env.write_text("MNESIA_BASE=$(something)\n")
    monkeypatch.setattr("quorate.rabbitmq.broker.settings.variables.ENV", str(env))
    found = broker(files=[str(inside / "meta.dets")])
    processes = fakes.FakeProcesses()
    asked = fakes.context("start", PARAMETERS, processes=processes)
    with pytest.raises(Exception) as failed:
        layout.find_layout(asked)
    assert "%s, line 1" % env in failed.value.reason
    monkeypatch.setattr(processes, "all", lambda: [found])
    here = layout.find_layout(asked)
    assert (here.nodename, here.directory) == ("rabbit@n9", str(tmp_path / "srv" / "rabbit@n9"))


# observing it

def observed(found, here, state_files):
    processes = fakes.FakeProcesses()
    processes.all = lambda: [found]
    return observe.observe(fakes.context(processes=processes, parameters=PARAMETERS), state_files, here)


@pytest.fixture
def state_files(tmp_path):
    return StateFiles("rabbitmq", "mq", str(tmp_path / "run"), str(tmp_path / "persistent"))


@pytest.fixture(autouse=True)
def no_files(tmp_path, monkeypatch):
    """This machine's own configuration does not count."""
    monkeypatch.setattr("quorate.rabbitmq.broker.settings.variables.ENV", str(tmp_path / "none"))
    monkeypatch.setattr("quorate.rabbitmq.broker.settings.files.MAIN", str(tmp_path / "rabbitmq"))
    monkeypatch.setattr("quorate.rabbitmq.broker.settings.files.MORE", str(tmp_path / "conf.d" / "*.conf"))
    monkeypatch.setattr("quorate.rabbitmq.broker.settings.files.ADVANCED", str(tmp_path / "advanced.config"))


def test_without_psutil_a_broker_is_asked_where_it_is_configured(broker, tmp_path, state_files, monkeypatch):
    """`make install` brings none; the first monitor after it failed, and Pacemaker restarted all healthy brokers."""
    port = free_ports(1)[0]
    found = broker([("127.0.0.1", port, True)])
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert observed(found, layout_of(tmp_path, port=port), state_files).state == facts.RUNNING


def test_a_broker_on_its_own_address_serves_and_its_listener_is_recorded(broker, tmp_path, state_files):
    """Another program has the port on the loopback, as HAProxy has; it must not be asked."""
    port = free_ports(1)[0]
    found = broker([("127.0.0.3", port, True)])
    with socket.create_server(("127.0.0.1", port)):
        seen = observed(found, layout_of(tmp_path, port=port), state_files)
    assert seen.state == facts.RUNNING
    kept = layout.decode_layout(state_files.read("layout"))
    assert (kept.host, kept.port, kept.listener) == ("127.0.0.3", port, "%d %d" % (found.pid, found.start))


def test_a_recorded_listener_that_is_gone_is_looked_for(broker, tmp_path, state_files):
    old, new = free_ports(2)
    found = broker([("127.0.0.1", new, True)])
    here = layout_of(tmp_path, port=old, listener=layout.identity(found))
    assert observed(found, here, state_files).state == facts.RUNNING
    assert layout.decode_layout(state_files.read("layout")).port == new


def test_a_broker_without_a_listener_starts_whoever_answers_on_its_port(broker, tmp_path, state_files):
    port = free_ports(1)[0]
    (tmp_path / "rabbitmq.conf").write_text("listeners.tcp.1 = %d\n" % port)
    broker([("127.0.0.1", port, True)])
    seen = observed(broker(), layout_of(tmp_path, port=port), state_files)
    assert (seen.state, seen.broker.listening) == (facts.STARTING, False)
    assert state_files.read("layout") == {}


def test_the_stage_of_a_broker_that_logs_to_the_console(broker, tmp_path, state_files):
    found = broker()
    (tmp_path / "run" / "rabbitmq-mq").mkdir(parents=True)
    assert within(10, lambda: time.time() > process.started_at(found) + 0.1)
    (tmp_path / "run" / "rabbitmq-mq" / "output").write_text("[info] <0.1.0> Server startup complete; 3 plugins\n")
    assert observed(found, layout_of(tmp_path), state_files).broker.stage == facts.RUNNING


def test_the_endpoint_of_a_check_follows_the_running_broker(broker):
    port = free_ports(1)[0]
    found = broker([("127.0.0.3", port, True)])
    place = credentials.running_endpoint(credentials.Endpoint(node="rabbit@" + SHORT), found)
    assert (place.host, place.port, place.tls) == ("127.0.0.3", port, False)
    assert credentials.running_endpoint(credentials.Endpoint(node="rabbit@" + SHORT), broker()) == ()


# in another network namespace

def test_a_broker_in_another_network_namespace_is_unknown_and_not_down(elsewhere, tmp_path, state_files):
    """Its sockets are not in our tables: it was taken for one that boots, stood still, and was killed each minute."""
    port = free_ports(1)[0]
    found = elsewhere([("0.0.0.0", port, True)])
    seen = observed(found, layout_of(tmp_path, port=port), state_files)
    assert seen.state == facts.UNKNOWN and "network namespace" in seen.sentence and str(found.pid) in seen.sentence
    assert running.amqp_place(found, places([(None, port, False)])) is None
    kept = layout_of(tmp_path, port=port, listener=layout.identity(found))
    assert observed(found, kept, state_files).state == facts.UNKNOWN


def test_another_program_on_our_loopback_is_not_asked_instead_of_it(elsewhere, tmp_path, state_files):
    port = free_ports(1)[0]
    found = elsewhere([("0.0.0.0", port, True)])
    elsewhere.first = None
    elsewhere([("127.0.0.1", port, True)])
    assert observed(found, layout_of(tmp_path, port=port), state_files).state == facts.UNKNOWN


def test_one_that_listens_nowhere_there_starts(elsewhere, tmp_path, state_files):
    assert observed(elsewhere(), layout_of(tmp_path), state_files).broker.listening is False


def test_an_address_of_that_namespace_is_asked(monkeypatch, broker):
    """As of a container with an address that this machine reaches."""
    monkeypatch.setattr(running, "same_network", lambda process: False)
    monkeypatch.setattr(running, "_is_local", lambda address: address != "127.0.0.3")
    one, other = free_ports(2)
    found = broker([("127.0.0.3", one, True), ("0.0.0.0", other, True)])
    assert running.amqp_place(found, places([(None, other, False), ("127.0.0.3", one, False)])) == (
        "127.0.0.3", one, False)


@pytest.mark.parametrize("address, local", [
    ("0.0.0.0", True), ("::", True), ("127.0.0.3", True), ("::1", True), ("192.0.2.1", False), ("fe80::1", False)])
def test_which_addresses_each_namespace_has(address, local):
    assert running._is_local(address) is local


def test_whether_a_process_has_our_network(elsewhere):
    found = elsewhere()
    assert host_process.same_network(Processes().get(os.getpid())) and not host_process.same_network(found)
    assert host_process.same_network(found._replace(start=1)), "another process has its pid by now"
    assert host_process.same_network(found._replace(pid=2 ** 22))


def test_a_check_of_a_broker_in_another_network_namespace(elsewhere, checked):
    port = free_ports(1)[0]
    found = checked(elsewhere([("0.0.0.0", port, True)]), "listeners.tcp.1 = %d\n" % port)
    assert (found.health.code, found.health.ok) == ("unknown", False), found


# the check

@pytest.fixture
def epmd():
    """epmd(name): its port, where it knows a node of this name."""
    with contextlib.ExitStack() as stack:
        def start(name):
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def serve():
                with contextlib.suppress(OSError):
                    while True:
                        client, _ = server.accept()
                        client.recv(100)
                        client.sendall(b"\0\0\x11\x11name %s at port 25672\n" % name.encode())
                        client.close()
            threading.Thread(target=serve, daemon=True).start()
            stack.callback(server.shutdown, socket.SHUT_RDWR)
            return server.getsockname()[1]
        yield start


@pytest.fixture
def checked(monkeypatch, tmp_path):
    """checked(process, conf, **options): what rabbitmq-check says where this broker is the only one."""
    def run(found, conf="", env="", **options):
        (tmp_path / "rabbitmq.conf").write_text(conf)
        (tmp_path / "none").write_text(env)
        monkeypatch.setattr(Processes, "all", lambda self: [found])
        options = {"credentials": options["credentials"]} if "credentials" in options else options
        check = RabbitmqCheck(options)
        return check.observe(5, check_module.Fact(Broker(), None))
    yield run


def test_a_check_asks_where_the_broker_listens_when_nobody_does_where_its_files_say(broker, checked, epmd):
    old, new = free_ports(2)
    port = epmd("rabbit")
    found = checked(broker([("127.0.0.1", new, True)]), "listeners.tcp.1 = %d\n" % old, "ERL_EPMD_PORT=%d\n" % port)
    assert (found.health.code, found.health.ok) == ("running", True), found


def test_a_check_of_a_broker_without_a_listener(broker, checked):
    port = free_ports(1)[0]
    found = checked(broker(), "listeners.tcp.1 = %d\n" % port)
    assert (found.health.code, found.health.ok) == ("starting", False)


def test_a_check_knows_the_only_broker_that_listens_there_by_its_own_name(broker, checked, epmd):
    """The agent gives it another name by its parameter nodename."""
    amqp, port = free_ports(1)[0], epmd("mq")
    running_there = broker([("127.0.0.1", amqp, True)], RABBITMQ_NODENAME="mq@" + SHORT)
    found = checked(running_there, "listeners.tcp.1 = %d\n" % amqp, "ERL_EPMD_PORT=%d\n" % port)
    assert (found.health.code, found.status.process) == ("running", running_there), found


def test_a_check_says_what_it_does_not_understand_and_asks_the_running_broker(broker, checked, tmp_path):
    amqp = free_ports(1)[0]
    found = checked(broker([("127.0.0.1", amqp, True)]), "listeners.tcp.1 = %d\n" % amqp, "NODENAME=$(hostname)\n")
    assert found.health.ok and "line 1" in found.status.error, found
