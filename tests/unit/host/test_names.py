# SPDX-License-Identifier: Apache-2.0
"""A name server that is silent holds up no monitor."""

import ast
import errno
import os
import socket
import threading

import pytest

from quorate.host.names import Unresolved, connect, lookup, numeric
from tests import ROOT
from tests.waiting import within

# Where a name may be looked up without a limit: nobody waits for the thread, the machine itself, a number that one
# listens on.
WITHOUT_LIMIT = {"galera/writer.py": {"getaddrinfo"}, "host/drain.py": {"create_connection"},
                 "host/names.py": {"getaddrinfo"}}


def test_a_silent_name_server():
    asked, told = threading.Event(), threading.Event()

    def resolve(*_):
        asked.set()
        told.wait(30)
        return [("too late",)]

    try:
        with pytest.raises(Unresolved, match="n1.example was not resolved within 0.05 s"):
            lookup("n1.example", 4567, 0.05, resolve)
        assert asked.wait(30) and not told.is_set()
    finally:
        told.set()


@pytest.mark.parametrize("error, expected", [
    (socket.gaierror(-2, "Name or service not known"), socket.gaierror), (UnicodeError("label too long"), Unresolved)])
def test_what_a_name_server_says_is_passed_on(error, expected):
    def resolve(*_):
        raise error

    with pytest.raises(expected):
        lookup("n1.example", 4567, 30, resolve)


def test_an_address_is_looked_up_by_nobody():
    def resolve(host, *_):
        found.append((host, threading.get_ident()))
        return []

    found = []
    for host in ("192.0.2.1", "2001:db8::1", "fe80::1%lo"):
        assert numeric(host)
        lookup(host, 1, 0, resolve)
    assert {threading.get_ident()} == {thread for _, thread in found}
    assert not numeric("n1") and not numeric("192.0.2") and not numeric("\0")


def test_a_connection_by_name():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        with connect("localhost", listener.getsockname()[1], 30) as one:
            assert ("127.0.0.1", listener.getsockname()[1]) == one.getpeername()
    with pytest.raises(ConnectionRefusedError):
        connect("localhost", listener_port_that_is_free(), 30)


@pytest.fixture
def silent():
    """(address, port) where packets are dropped: the queue of a listener that is full."""
    with socket.create_server(("127.0.0.2", 0), backlog=0) as listener:
        held = []
        for _ in range(20):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
            held.append(one)
        assert within(20, lambda: dropped(listener.getsockname())), "the queue takes connections for ever"
        yield listener.getsockname()
        for one in held:
            one.close()


def dropped(address):
    """Whether a connection is neither made nor refused."""
    with socket.socket() as one:
        one.settimeout(0.05)
        try:
            one.connect(address)
            return False
        except socket.timeout:
            return True


def resolving(*hosts):
    return lambda _host, port, *_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in hosts]


@pytest.mark.parametrize("order", [("127.0.0.2", "127.0.0.1"), ("127.0.0.1", "127.0.0.2"),
                                   ("127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.1")])
def test_an_address_that_is_silent_holds_up_no_other(silent, order):
    """One of IPv6 that is dropped on its way took all the time."""
    with socket.create_server(("127.0.0.1", silent[1])):
        with connect("db.example", silent[1], 10, resolving(*order)) as one:
            assert "127.0.0.1" == one.getpeername()[0] and one.gettimeout() > 0
            assert one.getblocking() or one.gettimeout()


@pytest.mark.parametrize("order", [("127.0.0.2", "127.0.0.3"), ("127.0.0.3", "127.0.0.2")])
def test_refused_is_what_all_addresses_refuse(silent, order):
    """Nothing listens on 127.0.0.3, and of the other one nothing is known."""
    with pytest.raises(socket.timeout):
        connect("db.example", silent[1], 0.5, resolving(*order))
    with pytest.raises(ConnectionRefusedError):
        connect("db.example", silent[1], 10, resolving("127.0.0.3", "127.0.0.4"))


def test_an_address_of_a_family_that_this_machine_does_not_have_does_not_count(mocker):
    port, opened = listener_port_that_is_free(), socket.socket

    def refused(family, *words):
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return opened(family, *words)

    mocker.patch("socket.socket", side_effect=refused)
    both = [(socket.AF_INET6, 1, 6, "", ("::1", port, 0, 0)), (socket.AF_INET, 1, 6, "", ("127.0.0.1", port))]
    for found in (both, both[::-1]):
        with pytest.raises(ConnectionRefusedError):
            connect("db.example", port, 10, lambda *_, found=found: found)


def listener_port_that_is_free():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.parametrize("room", ["galera", "rabbitmq", "openstack", "host"])
def test_what_an_agent_runs_looks_up_names_within_a_limit(room):
    folder = os.path.join(ROOT, "quorate", room)
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                tree = ast.parse(file.read())
            used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
                    and node.attr in ("create_connection", "getaddrinfo", "gethostbyname")}
            assert used <= WITHOUT_LIMIT.get("%s/%s" % (room, name), set()), name
