# SPDX-License-Identifier: Apache-2.0
"""What a call looks like to broker and service, what counts as its reply, and how brokers share its time."""

import json

import pytest

from quorate.host import amqp_session
from quorate.openstack.facts import (
    ANSWERED, HEAT_LISTENING, MISSING, NOVA_PING, PING, SILENT, UNKNOWN, UNREACHABLE, Address)
from quorate.openstack.service import rpc
from tests.unit.openstack.service.stand_ins import AmqpServer
from tests.waiting import ends


SILENCE = 3.0  # seconds of a call that nobody answers: three quarters are for the broker, and the machine may be busy


def at(server, **more):
    return Address("127.0.0.1", server.port, "u", "hunter2", "/v")._replace(**more)


def call(*brokers, targets=("q",), seconds=60.0, method=PING):
    return ends(12, lambda: rpc.call(brokers, "openstack", targets, seconds, method))


def said(server, name):
    return [one for one in server.said if one.NAME == name]


# -- to the broker

def test_how_the_monitor_connects():
    """Its name is in the broker's list of connections. It has no heartbeat: it is gone before one is due."""
    with AmqpServer(targets={"q": 2}) as server:
        call(at(server))
    begin, tuned, opened = (said(server, "Connection." + name)[0] for name in ("StartOk", "TuneOk", "Open"))

    assert (b"\0u\0hunter2", "quorate monitor") == (
        begin.response.encode() if isinstance(begin.response, str) else begin.response,
        begin.client_properties["connection_name"])
    assert 0 == tuned.heartbeat and "/v" == opened.virtual_host


def test_a_url_without_an_account_means_rabbitmq_s_own():
    with AmqpServer(targets={"q": 2}) as server:
        call(at(server, user=None, password=None))
    response = said(server, "Connection.StartOk")[0].response

    assert b"\0guest\0guest" == (response.encode() if isinstance(response, str) else response)


def test_nothing_of_a_call_stays_at_the_broker():
    """Queue and exchange of the replies end with the connection, and each channel is closed: one for each queue, and its own."""
    with AmqpServer(targets={"q": 2, "r": 1}) as server:
        call(at(server), targets=("q", "r"))
    queue = next(one for one in said(server, "Queue.Declare") if not one.passive)
    exchange, bound = said(server, "Exchange.Declare")[0], said(server, "Queue.Bind")[0]

    assert queue.exclusive and queue.auto_delete and not queue.durable and queue.queue.startswith("reply_quorate_")
    assert (queue.queue, "direct") == (exchange.exchange, exchange.type) and exchange.auto_delete
    assert (queue.queue,) * 3 == (bound.queue, bound.exchange, bound.routing_key)
    assert said(server, "Basic.Consume")[0].no_ack, "else the broker keeps what it delivered"
    assert 3 == server.steps.count("Channel.Close") and 1 == server.steps.count("Connection.Close")


def test_two_calls_share_no_queue():
    with AmqpServer(targets={"q": 2}) as server:
        call(at(server))
        call(at(server))
    names = [one.queue for one in said(server, "Queue.Declare") if not one.passive]
    assert 2 == len(set(names)) and all(len(name) > 40 for name in names)


# -- to the service

@pytest.mark.parametrize("method, words", [
    (PING, {"method": "oslo_rpc_server_ping", "args": {}, "version": "1.0"}),
    (HEAT_LISTENING, {"method": "listening", "args": {}, "version": "1.0"}),
    (NOVA_PING, {"method": "ping", "args": {"arg": "quorate"}, "version": "1.1", "namespace": "baseapi"})])
def test_the_message_is_what_oslo_messaging_reads(method, words):
    """oslo_messaging/_drivers/common.py (serialize_msg, deserialize_msg), amqpdriver.py (_send), rpc/dispatcher.py. A
    content type that kombu does not know is refused before the service sees the message."""
    with AmqpServer(targets={"q": 2, "r": 1}) as server:
        call(at(server), targets=("q", "r"), seconds=59.9, method=method)
    queue = next(one for one in said(server, "Queue.Declare") if not one.passive)
    (_key, properties, body), (_other, _properties, further) = server.calls
    outer = json.loads(body)
    message = json.loads(outer.pop("oslo.message"))

    assert ({"oslo.version": "2.0"}, "application/json", "utf-8", 0) == (
        outer, properties.content_type, properties.content_encoding, properties.priority)
    assert words == {key: message[key] for key in message if not key.startswith("_")}
    assert queue.queue == message["_reply_q"] and 32 == len(message["_msg_id"]) == len(message["_unique_id"])
    assert 45 <= message["_timeout"] < 60 and 45000 <= int(properties.expiration) < 60000, "the broker drops it then"
    assert {"_context_" + name for name in ("read_deleted", "user_id", "project_id", "is_admin", "roles")} == {
        key for key in message if key.startswith("_context_")}
    again = json.loads(json.loads(further)["oslo.message"])
    assert not {message["_msg_id"], message["_unique_id"]} & {again["_msg_id"], again["_unique_id"]}


def enveloped(**words):
    return json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(words)}).encode()


def msg_id(body):
    return json.loads(json.loads(body)["oslo.message"])["_msg_id"]


@pytest.mark.parametrize("reply", [
    lambda body: [enveloped(_msg_id=msg_id(body), result=None, ending=True)],
    lambda body: [enveloped(_msg_id=msg_id(body), failure="NoSuchMethod", ending=True)],
    lambda body: [json.dumps({"_msg_id": msg_id(body), "result": 1}).encode()],
    lambda body: [enveloped(_msg_id=msg_id(body), result=0)] * 2,
    lambda body: [b"\xff", b"[]", b"1", b'{"oslo.message": 5}', b"{}", enveloped(result=1),
                  enveloped(_msg_id=msg_id(body))]],
    ids=["a result", "an error", "no envelope", "twice", "after what is none"])
def test_any_reply_to_the_call_proves_that_the_service_works(reply):
    with AmqpServer(targets={"q": 2}, replies=reply) as server:
        assert [("q", ANSWERED, 2)] == [one[:3] for one in call(at(server))]


def test_what_is_no_reply_to_the_call_proves_nothing(mocker):
    mocker.patch.object(rpc, "FAIR", 0.1)
    bodies = [b"nonsense", enveloped(_msg_id="another", result=1), enveloped(result=1)]
    with AmqpServer(targets={"q": 2}, replies=lambda _body: bodies) as server:
        assert [("q", SILENT, 2, "")] == [tuple(one) for one in call(at(server), seconds=SILENCE)]
        assert "Connection.Close" in server.steps, "the broker works, and logs a warning for one that breaks"


# -- Replies

def test_each_target_has_its_reply():
    with AmqpServer(targets={"q": 2, "empty": 0}) as server:
        found = call(at(server), targets=("missing", "empty", "q"))
    assert [("missing", MISSING, None, ""), ("empty", SILENT, 0, "its queue has no consumer"),
            ("q", ANSWERED, 2, "")] == [tuple(one) for one in found]


def test_a_broker_that_answers_for_some_queues_is_asked_for_those(mocker):
    """The node that has the others hangs."""
    mocker.patch.object(rpc, "FAIR", 0.1)
    with AmqpServer("passive r", {"q": 2, "r": 1}) as server:
        found = call(at(server), targets=("q", "r"), seconds=SILENCE)
    assert [("q", ANSWERED, 2, ""), ("r", UNREACHABLE, None, rpc.UNSERVED + "no answer")] == [
        tuple(one) for one in found]


def test_a_connection_that_breaks_during_a_call_is_the_broker_s():
    with AmqpServer(targets={"q": 2}, ends="Basic.Publish") as server:
        found = call(at(server))[0]
    assert ("q", UNREACHABLE, 2) == found[:3] and found.reason


def test_a_broker_that_delivers_nothing_gets_no_farewell(mocker):
    """It would not answer that either."""
    mocker.patch.object(rpc, "FAIR", 0.1)
    with AmqpServer("Basic.Publish", {"q": 2}) as server:
        found = call(at(server), seconds=SILENCE)
    assert [("q", UNREACHABLE, 2, "it took a message and did not deliver it")] == [tuple(one) for one in found]
    assert "Connection.Close" not in server.steps


def test_a_blocked_broker_is_known_at_once():
    with AmqpServer(targets={"q": 2}, blocked="low on memory") as server:
        found = call(at(server))[0]
    assert ("q", UNREACHABLE, 2) == found[:3] and "it takes no messages: " in found.reason and "low on memory" in found.reason


def test_an_account_that_one_broker_refuses_is_tried_at_no_other():
    """They share their accounts; each attempt is a line in a log."""
    with AmqpServer(refuses=(403, "ACCESS_REFUSED - Login was refused")) as one, AmqpServer(targets={"q": 2}) as other:
        found = call(at(one), at(other), targets=("q", "r"))
    assert [("q", UNKNOWN), ("r", UNKNOWN)] == [reply[:2] for reply in found] and [] == other.steps
    assert "RabbitMQ at 127.0.0.1:%d refuses the account of the service (" % one.port in found[0].reason


def test_a_broker_that_is_not_there_is_named():
    with AmqpServer() as server:
        place = at(server)
    found = call(place)
    assert ("q", UNREACHABLE, None, "127.0.0.1:%d: Connection refused" % place.port) == found[0]


# -- what is needed

def test_without_pika_it_is_not_known(mocker):
    mocker.patch.object(amqp_session, "driver", side_effect=ImportError("pika"))
    assert [(name, UNKNOWN, None, "pika is not installed (apt install python3-pika).") for name in ("q", "r")] == [
        tuple(one) for one in rpc.call((), "openstack", ("q", "r"), 1.0)]


def test_without_a_broker_there_is_none():
    assert [("q", UNREACHABLE, None, "no broker is configured")] == [tuple(one) for one in call()]


def test_files_of_tls_that_cannot_be_used_are_named():
    broker = Address("127.0.0.1", 5671, "u", "p", "/", True, None, (
        ("ca", "/nonexistent/ca"), ("cert", "/nonexistent/cert"), ("key", "/nonexistent/key")))
    found = call(broker, targets=("q", "r"))
    assert [("q", UNKNOWN), ("r", UNKNOWN)] == [reply[:2] for reply in found]
    assert ("its TLS files cannot be used (/nonexistent/ca, /nonexistent/cert, /nonexistent/key): No such file or "
            "directory.") == found[0].reason
    with AmqpServer(targets={"q": 2}) as server:
        assert ANSWERED == call(at(server, certificates=broker.certificates))[0].outcome, "without TLS they are not read"


@pytest.mark.parametrize("certificates, words", [
    ((), (None, None, False)), ((("ca", "/ca"), ("check_hostname", True)), ("/ca", None, True)),
    ((("cert", "/c"), ("key", "/k")), (None, ("/c", "/k"), False)), ((("cert", "/both"),), (None, ("/both", None), False)),
    ((("key", "/k"),), (None, None, False))])
def test_tls_has_the_files_that_the_service_has(certificates, words):
    found = rpc.endpoint(Address("h", 1, None, None, "/v", True, None, certificates))
    assert ("h", 1, "/v", True, *words) == (found.host, found.port, found.vhost, found.tls, found.cafile,
                                            found.certificate, found.check_hostname)


# -- time

class Hanging:
    """A session with a broker that hangs; the clock is the test's."""

    now, opened = 100.0, []

    def __init__(self, place, _name, _heartbeat):
        self.place = place

    def open(self, end):
        Hanging.opened.append((self.place.host, end - Hanging.now))
        Hanging.now = end
        raise amqp_session.NoAnswer("no answer")

    def close(self, goodbye=False):
        assert not goodbye


@pytest.mark.parametrize("hosts, shares", [("a", [7.5]), ("ab", [5.0, 3.75]), ("abc", [5.0, 2.5, 1.875])])
def test_a_broker_that_hangs_leaves_time_for_the_next(mocker, hosts, shares):
    """And the last one leaves a quarter of its share for the service."""
    mocker.patch.object(amqp_session, "Session", Hanging)
    mocker.patch.object(rpc, "monotonic", lambda: Hanging.now)
    mocker.patch.object(Hanging, "opened", [])
    found = rpc.call([Address(host, 5672) for host in hosts], "openstack", ("q",), 10.0)

    assert list(zip(hosts, shares)) == Hanging.opened
    assert [("q", UNREACHABLE, None, "%s:5672: no answer" % hosts[-1])] == [tuple(one) for one in found]


@pytest.mark.parametrize("hosts, shares", [("a", [10.0]), ("ab", [5.0, 5.0]), ("abcd", [2.5] * 4)])
def test_why_no_broker_takes_a_connection_is_asked_of_each_in_turn(mocker, hosts, shares):
    """The reason is the first one's."""
    mocker.patch.object(amqp_session, "Session", Hanging)
    mocker.patch.object(rpc, "monotonic", lambda: Hanging.now)
    mocker.patch.object(Hanging, "opened", [])
    said_of_them = rpc.refusal([Address(host, 5672) for host in hosts], 10.0)

    assert list(zip(hosts, shares)) == Hanging.opened and "a:5672: no answer" == said_of_them


def test_that_question_is_a_connection_of_the_monitor_which_takes_its_leave():
    with AmqpServer() as server:
        assert "" == ends(12, lambda: rpc.refusal((at(server),), 60.0))
    begin, tuned = said(server, "Connection.StartOk")[0], said(server, "Connection.TuneOk")[0]
    assert ("quorate monitor", 0) == (begin.client_properties["connection_name"], tuned.heartbeat)
    assert "Connection.Close" in server.steps


def test_files_of_tls_are_the_reason_before_what_they_bring_about():
    broker = Address("127.0.0.1", 1, "u", "p", "/", True, None, (("ca", "/nonexistent/ca"),))
    assert "its TLS files cannot be used (/nonexistent/ca): No such file or directory." == ends(
        12, lambda: rpc.refusal((broker,), 5.0))


def test_without_time_nobody_is_asked(mocker):
    mocker.patch.object(amqp_session, "Session", Hanging)
    mocker.patch.object(Hanging, "opened", [])
    assert UNREACHABLE == rpc.call([Address("a", 5672)], "openstack", ("q",), 0.0)[0].outcome
    assert [] == Hanging.opened


# -- reasons

class Workflow(Exception):
    """As pika's, which carry their causes in attributes."""

    def __init__(self, *causes, **more):
        Exception.__init__(self)
        self.exceptions, self.exception = causes, more.get("exception")


@pytest.mark.parametrize("error, reason", [
    (OSError(111, "Connection refused"), "Connection refused"),
    (Workflow(ValueError("first"), OSError(113, "No route to host")), "No route to host"),
    (Workflow(exception=Workflow(Workflow(OSError(104, "Connection reset by peer")))), "Connection reset by peer"),
    (RuntimeError(OSError(111, "Connection refused")), "Connection refused"),
    (TimeoutError("TCP connection attempt timed out"), "no answer"), (Exception("AMQPConnectionError"), "no answer"),
    (Exception("Stack Timed Out"), "no answer"), (ValueError("a\n  b"), "a b"), (KeyError(), "KeyError"),
    (ValueError("x" * 200), "x" * 160)])
def test_the_reason_is_the_innermost_cause_in_a_line(error, reason):
    assert reason == rpc.reason(error)


def test_a_cause_of_itself_ends():
    error = Workflow()
    error.exception = error
    assert "Workflow" == rpc.reason(error)
