# SPDX-License-Identifier: Apache-2.0
"""Queries to brokers, databases and pages that are absent, silent or something else. Their answers when they work are
tried in the lab, on the real ones."""

import socket
import time

import pytest

from quorate.openstack import catalog
from quorate.openstack.facts import ANSWERED, MISSING, SILENT, UNREACHABLE, Address
from quorate.openstack.service import heartbeat, network, rpc
from tests.unit.openstack.service.stand_ins import START, saying

SECONDS = 1.0


@pytest.fixture
def silent():
    """A port that accepts (in its queue) and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(20)
        yield listener.getsockname()[1]


@pytest.fixture
def nobody():
    """A port where nothing listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    return port


def at(port):
    return Address("127.0.0.1", port, "u", "hunter2", "/")


def took(function):
    began = time.monotonic()
    found = function()
    assert time.monotonic() - began < 15, "it has to end in time on the slowest machine"
    return found


def test_a_broker_that_is_absent_or_silent(silent, nobody):
    assert took(lambda: network.any_broker_answers((at(nobody), at(silent)), SECONDS)) is False
    assert network.any_broker_answers((), SECONDS) is None


def test_a_balancer_without_a_broker_behind_it_does_not_count():
    """It accepts and closes."""
    with saying(b"") as listener:
        assert network.any_broker_answers((at(listener.getsockname()[1]),), SECONDS) is False


def test_a_broker_that_speaks():
    with saying(START) as listener:
        assert network.any_broker_answers((at(1), at(listener.getsockname()[1])), SECONDS) is True


def test_a_call_where_nothing_listens(nobody):
    found = took(lambda: rpc.call((at(nobody),), "openstack", ("q",), SECONDS))

    assert (UNREACHABLE, "127.0.0.1:%d: Connection refused" % nobody) == (found[0].outcome, found[0].reason)


def test_a_call_to_a_silent_broker(silent):
    found = took(lambda: rpc.call((at(silent),), "openstack", ("q", "r"), SECONDS))

    assert [UNREACHABLE] * 2 == [one.outcome for one in found] and "hunter2" not in repr(found)


def test_a_call_without_a_broker():
    assert UNREACHABLE == rpc.call((), "openstack", ("q",), SECONDS)[0].outcome


def test_a_database_that_is_absent_or_silent(silent, nobody):
    for port in (silent, nobody):
        found = took(lambda port=port: heartbeat.read(catalog.CINDER_VOLUME, at(port), ("ha@a",), SECONDS))
        assert UNREACHABLE == found.outcome and str(port) in found.reason and "hunter2" not in found.reason


def test_a_page(silent, nobody):
    assert MISSING == network.page("127.0.0.1", nobody, "/", SECONDS).outcome
    assert (SILENT, "no answer within 1 s") == took(lambda: network.page("", silent, "/", SECONDS))[::2]
    for data, outcome, status in ((b"HTTP/1.1 404 Not Found\r\n\r\n", ANSWERED, 404), (b"", SILENT, None),
                                  (b"SSH-2.0-x\r\n", SILENT, None), (b"HTTP/1.1 wrong\r\n", SILENT, None)):
        with saying(data) as listener:
            found = network.page("0.0.0.0", listener.getsockname()[1], "/vnc_lite.html", SECONDS)
        assert (outcome, status) == found[:2], data


def test_replies_that_are_none():
    assert [None] * 4 == [rpc._answered(data) for data in (b"", b"[]", b'{"oslo.message": "x"}', b'{"x": 1}')]
    assert "m" == rpc._answered(b'{"oslo.version": "2.0", "oslo.message": "{\\"_msg_id\\": \\"m\\"}"}')
    assert "m" == rpc._answered(b'{"_msg_id": "m"}')


class Driver:
    """PyMySQL, of which only the arguments are seen."""

    def connect(self, **how):
        self.how = how
        raise OSError(111, "Connection refused")


@pytest.mark.parametrize("password", ["pl\u00e4in", "\u20ac", "a'b\"c", ""])
def test_the_database_gets_its_password_in_utf_8(mocker, password):
    """PyMySQL sends a text in Latin-1, or fails."""
    found = Driver()
    mocker.patch("quorate.host.mysql.driver", return_value=found)
    mocker.patch("quorate.host.names.connect")
    heartbeat.read(catalog.CINDER_VOLUME, at(1)._replace(password=password), ("ha@a",), SECONDS)

    assert password.encode() == found.how["password"] and "ssl" not in found.how


@pytest.mark.parametrize("certificates, ssl", [
    ((), {"check_hostname": False}), ((("ca", "/ca"),), {"ca": "/ca"}),
    ((("ca", "/ca"), ("cert", "/c"), ("key", "/k"), ("check_hostname", "False")),
     {"ca": "/ca", "cert": "/c", "key": "/k", "check_hostname": False}),
    ((("ca", "/ca"), ("check_hostname", "true")), {"ca": "/ca", "check_hostname": True})])
def test_tls_towards_the_database_is_the_services(mocker, certificates, ssl):
    found = Driver()
    mocker.patch("quorate.host.mysql.driver", return_value=found)
    mocker.patch("quorate.host.names.connect")
    heartbeat.read(catalog.CINDER_VOLUME, at(1)._replace(tls=True, certificates=certificates), ("ha@a",), SECONDS)

    assert ssl == found.how["ssl"]


def test_the_database_is_asked_at_the_address_that_answers(mocker):
    """PyMySQL tries each for its whole connect_timeout: the monitor would outlive its own timeout."""
    connected = mocker.patch("quorate.host.names.connect", return_value="a socket")
    pymysql = mocker.Mock()
    mocker.patch("quorate.host.mysql.driver", return_value=pymysql)
    heartbeat.read(catalog.CINDER_VOLUME, at(1), ("ha@a",), 6.0)

    asked = pymysql.connect.call_args.kwargs
    assert asked["read_timeout"] <= 6.0 and asked["defer_connect"] is True
    (host, port, seconds), = [call.args for call in connected.call_args_list]
    assert ("127.0.0.1", 1) == (host, port) and 0 < seconds <= 6.0
    assert [("a socket",)] == [call.args for call in pymysql.connect.return_value.connect.call_args_list]
