# SPDX-License-Identifier: Apache-2.0
"""RPC calls to a broker that works, and to one that stops answering in any step: an outage, and no waiting."""

import subprocess

import pytest

from quorate.openstack.facts import ANSWERED, MISSING, SILENT, UNKNOWN, UNREACHABLE, Address
from quorate.openstack.service import network, rpc
from tests.unit.openstack.service.stand_ins import AmqpServer
from tests.waiting import ends

SECONDS = 1.5
STEPS = ("tls", "Start", "Connection.StartOk", "Connection.Open", "Channel.Open", "Queue.Declare", "Exchange.Declare",
         "Queue.Bind", "passive")


def at(server, **more):
    return Address("127.0.0.1", server.port, "u", "hunter2", "/")._replace(**more)


def call(*brokers, targets=("q",), seconds=SECONDS):
    """The Replies; fails when they take much longer than they may."""
    return ends(12, lambda: rpc.call(brokers, "openstack", targets, seconds))


def test_an_answer():
    with AmqpServer(targets={"q": 2, "r": 1}) as server:
        found = call(at(server), targets=("q", "missing", "r"), seconds=60.0)

    assert [(ANSWERED, 2), (MISSING, None), (ANSWERED, 1)] == [one[1:3] for one in found]
    assert ["q", "r"] == server.asked
    assert "Connection.Close" in server.steps, "the broker logs a warning for a connection that just breaks"
    assert server.queues[0].startswith("reply_"), "permissions and policies know oslo.messaging's own names"


@pytest.mark.parametrize("step", STEPS)
def test_a_broker_that_is_silent_in_any_step_is_an_outage(step):
    with AmqpServer(step, {"q": 2}) as server:
        found = call(at(server))

    assert [(UNREACHABLE, None)] == [one[1:3] for one in found]
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize("step", ["tls", "Start", "Queue.Declare", "passive"])
def test_another_broker_is_asked_then(step):
    with AmqpServer(step, {"q": 2}) as silent, AmqpServer(targets={"q": 2}) as well:
        assert ANSWERED == call(at(silent), at(well), seconds=4.0)[0].outcome


def test_a_broker_that_takes_messages_and_delivers_none_is_an_outage():
    """Of a service that is dead it would deliver our message to ourselves."""
    with AmqpServer("Basic.Publish", {"q": 2}) as server:
        found = call(at(server))

    assert (UNREACHABLE, 2) == found[0][1:3] and "did not deliver" in found[0].reason


def test_a_broker_that_blocks_publishers_is_an_outage():
    """Its memory or disk is full: the services' own messages are held as well."""
    with AmqpServer(targets={"q": 2}, blocked="low on disk") as server:
        found = call(at(server))

    assert UNREACHABLE == found[0].outcome and "low on disk" in found[0].reason


def test_a_service_that_does_not_answer_where_the_broker_works():
    with AmqpServer(targets={"q": 2, "empty": 0}, answers=False) as server:
        found = call(at(server), targets=("q", "empty"))

    assert [(SILENT, 2, ""), (SILENT, 0, "its queue has no consumer")] == [one[1:] for one in found]


def test_a_service_has_its_time_however_short_that_of_the_check_is(mocker):
    """With check_timeout=1s a dead service was an outage of the broker for ever, and a slow one never answered."""
    mocker.patch.object(rpc, "FAIR", 1.0)
    with AmqpServer(targets={"q": 2}, answers=False) as server:
        assert (SILENT, 2, "") == call(at(server), seconds=0.5)[0][1:]
    mocker.patch.object(rpc, "FAIR", 30.0)
    with AmqpServer(targets={"q": 2}, answers=0.7) as server:
        assert ANSWERED == call(at(server), seconds=0.5)[0].outcome


def test_a_farewell_that_is_not_answered_is_no_wait():
    with AmqpServer("Connection.Close", {"q": 2}) as server:
        assert ANSWERED == call(at(server), seconds=60.0)[0].outcome  # call() ends long before that


@pytest.mark.parametrize("code, text, shown", [
    (403, "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN.",
     "Login was refused using authentication mechanism PLAIN."),
    (530, "NOT_ALLOWED - access to vhost '/' refused for user 'u'", "access to vhost '/' refused for user 'u'"),
    (530, "NOT_ALLOWED - vhost / not found", "vhost / not found"),
    (541, "INTERNAL_ERROR - access to vhost '/' refused for user 'u': vhost '/' is down",
     "access to vhost '/' refused for user 'u': vhost '/' is down"),
    (403, "ACCESS_REFUSED", "ACCESS_REFUSED")])
def test_an_account_that_is_refused_is_unknown_and_no_outage(code, text, shown):
    with AmqpServer(refuses=(code, text)) as server:
        found = call(at(server))

    assert [UNKNOWN, None, "RabbitMQ at 127.0.0.1:%d refuses the account of the service (%s)." % (
        server.port, shown)] == list(found[0][1:])


@pytest.mark.parametrize("step", ["Connection.StartOk", "Connection.Open"])
def test_a_broker_that_ends_while_we_log_in_does_not_refuse_the_account(step):
    """pika calls both 'probable' errors of the account. Another broker of the cluster may work."""
    with AmqpServer(ends=step) as server, AmqpServer(targets={"q": 2}) as well:
        assert UNREACHABLE == call(at(server))[0].outcome
        assert ANSWERED == call(at(server), at(well), seconds=4.0)[0].outcome


def test_a_broker_that_is_shut_down_while_we_log_in():
    text = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"
    with AmqpServer(refuses=(320, text)) as server:
        assert UNREACHABLE == call(at(server))[0].outcome


# Sentences of RabbitMQ 3.10 and 4.0 (rabbit_amqqueue.erl), all with the code 404.
@pytest.mark.parametrize("text, shown", [
    ("home node 'rabbit@b' of durable queue 'q' in vhost '/' is down or inaccessible",
     "home node 'rabbit@b' of durable queue is down or inaccessible"),
    ("queue 'q' in vhost '/' process is stopped by supervisor", "queue process is stopped by supervisor"),
    ("queue 'q' in vhost '/' has crashed and failed to restart", "queue has crashed and failed to restart"),
    ("failed to perform operation on queue 'q' in vhost '/' due to timeout",
     "failed to perform operation on queue due to timeout"),
    ("durable queue 'other' in vhost '/' is not yet known", "durable queue 'other' in vhost '/' is not yet known")])
def test_a_queue_that_the_broker_has_and_does_not_serve_is_an_outage(text, shown):
    """The node that has it is down. Taken for a queue that is missing, it had the service restarted for ever, which can
    not declare it anew."""
    with AmqpServer(targets={"r": 1}, absent={"q": (404, "NOT_FOUND - " + text)}) as server:
        found = call(at(server), targets=("q", "r"))

    assert [("q", UNREACHABLE, None, "queue: " + shown), ("r", ANSWERED, 1, "")] == [tuple(one) for one in found]


def test_a_queue_that_is_missing_by_the_broker_s_own_words():
    with AmqpServer(absent={"q": (404, "NOT_FOUND - no queue 'q' in vhost 'nova'")}) as server:
        assert (MISSING, None, "") == call(at(server))[0][1:]


@pytest.mark.parametrize("code, text, outcome, reason", [
    (405, "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'", UNREACHABLE,
     "queue: cannot obtain exclusive access to locked queue"),
    (403, "ACCESS_REFUSED - access to queue 'q' in vhost '/' refused for user 'u'", UNKNOWN,
     "RabbitMQ: access to queue refused for user 'u'")])
def test_other_refusals_of_a_queue_are_known_at_once(code, text, outcome, reason):
    with AmqpServer(absent={"q": (code, text)}) as server:
        assert (outcome, None, reason) == ends(20, lambda: call(at(server), seconds=60.0))[0][1:]


def test_an_account_that_may_make_no_queue_for_the_reply_is_unknown():
    """Its permissions are for the names of the service's own queues."""
    text = "ACCESS_REFUSED - configure access to queue 'reply_quorate_1' in vhost '/' refused for user 'u'"
    with AmqpServer(absent={"own": (403, text)}) as server:
        assert (UNKNOWN, None, "RabbitMQ at 127.0.0.1:%d: configure access to queue 'reply_quorate_1' in vhost '/' refused "
                "for user 'u'" % server.port) == call(at(server))[0][1:]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """(file, key) of a certificate for 'other', signed by itself."""
    path = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=other",
                    "-addext", "subjectAltName=DNS:other", "-keyout", "%s/key" % path, "-out", "%s/cert" % path],
                   check=True, stderr=subprocess.DEVNULL)
    return "%s/cert" % path, "%s/key" % path


@pytest.mark.parametrize("certificates, outcome", [
    ((), ANSWERED), ((("ca", "cert"),), ANSWERED), ((("ca", "cert"), ("check_hostname", True)), UNREACHABLE),
    ((("ca", "other"),), UNREACHABLE), ((("ca", "/nonexistent"),), UNKNOWN)])
def test_tls_as_the_service_does_it(certificate, certificates, outcome, tmp_path):
    """The chain is checked where the service has an authority, the name where it is told to."""
    other = tmp_path / "other"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout",
                    "/dev/null", "-out", str(other)], check=True, stderr=subprocess.DEVNULL)
    paths = {"cert": certificate[0], "other": str(other)}
    known = tuple((name, paths.get(value, value)) for name, value in certificates)
    with AmqpServer(targets={"q": 2}, certificate=certificate) as server:
        assert outcome == call(at(server, tls=True, certificates=known), seconds=5.0)[0].outcome
        if outcome == ANSWERED:
            assert network.any_broker_answers((at(server, tls=True, certificates=known),), 5.0)


def test_a_balancer_in_front_of_tls_without_a_broker_behind_it_does_not_count():
    """It accepts, and says nothing, or closes."""
    with AmqpServer("tls") as server:
        assert ends(20, lambda: network.any_broker_answers((at(server, tls=True),), 1.0)) is False


# -- whether a broker takes a connection of the service

def refusal(*brokers, seconds=SECONDS):
    return ends(20, lambda: rpc.refusal(brokers, seconds))


def test_a_broker_that_takes_the_account():
    with AmqpServer() as server:
        assert "" == refusal(at(server))
    assert "Connection.Close" in server.steps and "Queue.Declare" not in server.steps


@pytest.mark.parametrize("code, text, shown", [
    (403, "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN.",
     "Login was refused using authentication mechanism PLAIN."),
    (530, "NOT_ALLOWED - access to vhost '/' refused for user 'u': connection limit (5) is reached",
     "access to vhost '/' refused for user 'u': connection limit (5) is reached")])
def test_a_broker_that_greets_and_refuses_the_account(code, text, shown):
    """It was taken for one that answers, and a service that waits for it for a dead one: restarted, and banned."""
    with AmqpServer(refuses=(code, text)) as server, AmqpServer() as well:
        assert network.any_broker_answers((at(server),), 5.0) and shown == refusal(at(server))
        assert "" == refusal(at(server), at(well))
        # What refuses explains more than what is down.
        assert shown == refusal(Address("127.0.0.1", 1, "u", "p", "/"), at(server))


@pytest.mark.parametrize("step", ["Connection.StartOk", "Connection.Open", "Channel.Open"])
def test_a_broker_that_greets_and_is_silent_then(step):
    with AmqpServer(step) as server, AmqpServer() as well:
        assert network.any_broker_answers((at(server),), 5.0) and ": no answer" in refusal(at(server))
        assert "" == refusal(at(server), at(well), seconds=4.0)


def test_a_broker_whose_certificate_the_service_refuses(certificate, tmp_path):
    other = tmp_path / "other"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout",
                    "/dev/null", "-out", str(other)], check=True, stderr=subprocess.DEVNULL)
    with AmqpServer(certificate=certificate) as server:
        where = at(server, tls=True, certificates=(("ca", str(other)),))
        assert network.any_broker_answers((where,), 5.0)
        assert "127.0.0.1:%d: its certificate is refused: self-signed certificate" % server.port == refusal(where, seconds=5.0)
        assert "" == refusal(where._replace(certificates=(("ca", certificate[0]),)), seconds=5.0)
        assert "its TLS files cannot be used (/nonexistent)" in refusal(where._replace(certificates=(("ca", "/nonexistent"),)))


def test_without_pika_nothing_is_known(mocker):
    mocker.patch("quorate.host.amqp_session.driver", side_effect=ImportError)
    assert "" == refusal(Address("127.0.0.1", 1, "u", "p", "/"))
