# SPDX-License-Identifier: Apache-2.0
"""Bytes and text of the broker's side to facts: AMQP's greeting, epmd's names, the management API, the end of a log."""

import json
import os
import socket
import subprocess
import threading

import pytest

from quorate.errors import Unreadable
from quorate.rabbitmq import facts
from quorate.rabbitmq.broker import amqp, credentials, epmd, management, parse
from quorate.rabbitmq.broker.credentials import Endpoint, client_section, merged, check_nodename, with_file
from quorate.rabbitmq.broker.management import Answer
from tests import ROOT

START = b"\x01\x00\x00\x00\x00\x01\xec\x00\x0a\x00\x0a\x00\x09\x00\x00\x01\xc7"  # as RabbitMQ 3.10.8 begins


@pytest.fixture
def serve():
    """serve(bytes or None): a port that answers so and ends; None: says nothing."""
    opened = []

    def start(answer):
        listener = socket.create_server(("127.0.0.1", 0))
        opened.append(listener)

        def run():
            try:
                one, _ = listener.accept()
            except OSError:
                return
            opened.append(one)
            if answer is not None:
                one.recv(4096)
                one.sendall(answer)
                one.close()
        threading.Thread(target=run, daemon=True).start()
        return listener.getsockname()[1]
    yield start
    for one in opened:
        one.close()


def closed_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.parametrize("data, answered, word", [
    (START, True, None), (b"AMQP\0\0\x09\x01", None, "does not speak"), (b"HTTP/1.1 400 Bad Request\r\n", None, "does not speak"),
    (b"", None, "without an answer"),
])
def test_greeting(serve, data, answered, word):
    found = amqp.handshake("127.0.0.1", serve(data), 5)

    assert (True, answered) == (found.listening, found.answered)
    assert (word or "") in (found.error or "")
    assert found.error is None or found.error.endswith(".")


class ProbableAccessDeniedError(Exception):
    """As pika's."""


class ProbableAuthenticationError(Exception):
    """As pika's."""


class StreamLostError(Exception):
    """As pika's."""


@pytest.mark.parametrize("error, answered, refused, full", [
    (None, True, False, False),
    (amqp.NoAnswer("no answer"), False, False, False),
    (ProbableAuthenticationError("(403) ACCESS_REFUSED - Login was refused"), True, True, False),
    (ProbableAccessDeniedError("(530) NOT_ALLOWED - access to vhost 'x' refused for user 'y'"), True, True, False),
    (ProbableAccessDeniedError("(530) NOT_ALLOWED - access to vhost '/' refused for user 'y': connection limit (5) is reached"), True,
     False, True),
    (StreamLostError("gone"), None, False, False),
    (ConnectionRefusedError(111, "Connection refused"), None, False, False),
])
def test_what_a_session_met(error, answered, refused, full):
    word = amqp.session_result(error, 5672, 1)

    assert (answered, refused, full) == (word.handshake.answered if word.handshake else None, word.refused, word.full)


def test_silence_is_not_a_closed_port(serve):
    silent, closed_set = amqp.handshake("127.0.0.1", serve(None), 0.05), amqp.handshake("127.0.0.1", closed_port(), 5)

    assert (True, False) == (silent.listening, silent.answered)
    assert (False, None) == (closed_set.listening, closed_set.answered)


def test_epmd(serve):
    assert {"rabbit": 25672, "other": 1} == epmd.names(port=serve(
        b"\0\0\x11\x11name rabbit at port 25672\nname other at port 1\nnonsense\n"), timeout=5)
    assert epmd.knows("rabbit@n1", port=serve(b"\0\0\x11\x11name rabbit at port 25672\n"), timeout=5) is True
    assert epmd.knows("rabbit@n1", port=serve(b"\0\0\x11\x11"), timeout=5) is False
    assert epmd.knows("rabbit@n1", port=closed_port(), timeout=5) is False
    assert epmd.knows(None, port=serve(b"\0\0\x11\x11"), timeout=5) is None


def test_whether_the_brokers_of_others_can_be_reached(serve):
    """A broker that died is told from one to which there is no way: its machine's epmd answers, and does not know it."""
    there = serve(b"")
    told = b"\0\0\x11\x11name rabbit at port %d\n"
    assert epmd.is_reachable("rabbit@localhost", port=serve(told % there), timeout=5) is True
    assert epmd.is_reachable("rabbit@localhost", port=serve(told % closed_port()), timeout=5) is False
    assert epmd.is_reachable("rabbit@localhost", port=serve(b"\0\0\x11\x11"), timeout=5) is None
    assert epmd.is_reachable("rabbit@localhost", port=closed_port(), fallback=closed_port(), timeout=5) is False
    assert epmd.is_reachable("rabbit@localhost", port=closed_port(), fallback=serve(b""), timeout=5) is True
    assert epmd.is_reachable("rabbit@name.invalid", port=closed_port(), timeout=5) is False


def test_api_is_asked_with_credentials_and_understood(serve):
    port = serve(b'HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{"status":"ok"}')

    assert Answer(200, b'{"status":"ok"}') == management.get(Endpoint(management_port=port, user="u", password="p"), "/api/x", 5)


def test_api_that_is_not_there_silent_or_something_else(serve):
    for port, word in ((closed_port(), "cannot be asked"), (serve(None), "did not answer"), (serve(b"SSH-2.0\r\n"), "does not speak")):
        found = management.ask(Endpoint(management_port=port, user="u", password="p"), 0, 0.2)
        assert word in found["error"] and set(found) == {"error"}


def test_refused_credentials_are_told_without_them(serve):
    found = management.ask(Endpoint(management_port=serve(b"HTTP/1.1 401 Unauthorized\r\n\r\n{}"), user="bob", password="s3cret"), 0, 5)

    assert found["refused"] is True
    assert "bob" in found["error"] and "s3cret" not in found["error"]


def nodes(*several):
    return Answer(200, json.dumps(several, separators=(",", ":")).encode())


def node(name, running=True, partitions=(), drained=False):
    return {"partitions": list(partitions), "name": name, "running": running, "being_drained": drained}


@pytest.mark.parametrize("answer, wanted", [
    (nodes(node("r@1"), node("r@2")), {"all_nodes": {"r@1", "r@2"}, "running_nodes": {"r@1", "r@2"}, "partitions": set()}),
    (nodes({"name": "r@1", "running": True}), {"all_nodes": {"r@1"}, "running_nodes": {"r@1"}, "partitions": set()}),
    (nodes(node("r@1"), node("r@2", False)), {"all_nodes": {"r@1", "r@2"}, "running_nodes": {"r@1"}, "partitions": set(),
                                              "draining": False}),
    (nodes(node("r@1", partitions=["r@2"]), node("r@2")), {"all_nodes": {"r@1", "r@2"}, "running_nodes": {"r@1", "r@2"},
                                                           "partitions": {"r@2"}, "draining": False}),
    (nodes(node("r@1", drained=True)), {"all_nodes": {"r@1"}, "running_nodes": {"r@1"}, "partitions": set(), "draining": True}),
    (nodes(node("r@1"), node("r@2", drained=True)), {"all_nodes": {"r@1", "r@2"}, "running_nodes": {"r@1", "r@2"},
                                                     "partitions": set(), "draining": False}),
    (Answer(404, b"{}"), {}), (Answer(500, b""), {}), (Answer(200, b"[]"), {}),
    (Answer(200, b'{"running":false}'), {}),
])
def test_members(answer, wanted):
    """The short way, without the JSON module, says the same as the long one."""
    assert wanted == management.members(answer, "r@1")


def test_alarms():
    failed = b'{"status":"failed","reason":"There are alarms","alarms":[{"node":"r@1","resource":"disk space"},' \
             b'{"node":"r@1","resource":"memory"}]}'
    assert {"alarms": ()} == management.alarms(Answer(200, b'{"status":"ok"}'))
    assert {"alarms": ("disk", "memory")} == management.alarms(Answer(503, failed))
    for answer in (Answer(404, b"{}"), Answer(500, b"oops"), Answer(503, b"not json"), Answer(503, b"[]")):
        assert {} == management.alarms(answer)


def test_a_check_that_a_version_does_not_have_is_unknown():
    assert {} == management.in_service(Answer(404, b"")) == management.quorum_critical(Answer(404, b""))
    assert {"draining": True} == management.in_service(Answer(503, b""))
    assert {"quorum_critical": True} == management.quorum_critical(Answer(503, b""))


def test_queues():
    three = ["r@1", "r@2", "r@3"]
    said = [{"name": "a", "type": "quorum", "leader": "r@1", "members": three, "online": three[:2]}, {"name": "b", "type": "quorum"},
            {"name": "f", "type": "quorum", "leader": "r@1", "members": three, "online": three[:1]},
            {"name": "g", "type": "quorum", "leader": "r@1"},
            {"name": "c", "vhost": "/", "type": "classic", "slave_nodes": ["r@2"], "synchronised_slave_nodes": []},
            {"name": "d", "type": "classic", "slave_nodes": ["r@2"], "synchronised_slave_nodes": ["r@2"]}, {"name": "e"}]

    assert {"leaderless": ("b", "f"), "unsynchronised": ("c",)} == management.queues(Answer(200, json.dumps(said).encode()))
    assert {} == management.queues(Answer(400, b"{}"))


def test_the_first_of_two_values_is_the_fresh_one():
    """Seen with 3.10.8, one of three members left: the API itself says both."""
    body = b'[{"name":"q","type":"quorum","leader":"r@1","members":["r@1","r@2","r@3"],"online":["r@1"],"online":["r@1","r@2","r@3"]}]'
    assert ("q",) == management.queues(Answer(200, body))["leaderless"]


BOOT = "2026-11-21 07:17:51+00:00 [notice] <0.1.0> Logging: configured log handlers are now ACTIVE\n" \
       "2026-11-21 07:17:52+00:00 [info] <0.1.0>  Starting RabbitMQ 3.10.8 on Erlang 25.2.3 [jit]\n"
WAITS = "2026-11-21 07:17:52+00:00 [info] <0.1.0> Waiting for Mnesia tables for 30000 ms, 9 retries left\n"
UP = "2026-11-21 07:17:53+00:00 [info] <0.1.0> Server startup complete; 3 plugins started.\n"
PAUSE = "2026-11-21 07:18:10+00:00 [warning] <0.1.0> Cluster minority/secondary status detected - awaiting recovery\n"
STOPPED = "2026-11-21 07:18:11+00:00 [info] <0.1.0> Successfully stopped RabbitMQ and its dependencies\n"
DRAIN = "2026-11-21 07:18:48+00:00 [warning] <0.1.0> This node is being put into maintenance (drain) mode\n" \
        "2026-11-21 07:18:48+00:00 [info] <0.1.0> Node is ready to be shut down for maintenance or upgrade\n"
REVIVED = "2026-11-21 07:18:49+00:00 [info] <0.1.0> Marked this node as back from maintenance and ready to serve clients\n"
KHEPRI = "2026-11-21 07:25:07+00:00 [info] <0.2.0> starting Ra system: coordination in directory: /var/lib/rabbitmq\n"


@pytest.mark.parametrize("log, silent, wanted", [
    ("", 9, None), ("nothing of it\n", 9, None),
    (BOOT, 9, facts.STARTING),
    (BOOT + WAITS, 9, facts.WAITING),
    (BOOT + WAITS, 0.5, facts.STARTING),  # in passing, at each boot
    (BOOT + WAITS, None, facts.STARTING),
    (BOOT + WAITS + "2026 [info] Running boot step x\n", 9, facts.STARTING),
    (BOOT + KHEPRI, 9, facts.WAITING),
    (BOOT + WAITS + UP, 9, facts.RUNNING),
    (BOOT + WAITS + UP + PAUSE, 9, facts.PAUSED),
    (BOOT + UP + PAUSE + STOPPED, 9, facts.PAUSED),  # a moment later, by itself
    (BOOT + UP + PAUSE + STOPPED + BOOT, 9, facts.STARTING),
    (BOOT + UP + STOPPED, 9, facts.STOPPED_APP),
    (BOOT + UP + PAUSE + STOPPED + BOOT + UP + STOPPED, 9, facts.STOPPED_APP),
    (BOOT + UP + DRAIN, 9, facts.DRAINING),
    (BOOT + UP + DRAIN + REVIVED, 9, facts.RUNNING),
    (BOOT + UP + DRAIN + BOOT, 9, facts.STARTING),  # a restart ends it
])
def test_stage_by_the_log(log, silent, wanted):
    assert wanted == parse.boot_stage(log, silent)


def test_credentials_file():
    text = "user = nobody\n[client]\n# a comment\nuser = monitor\npassword='a # b'\nmanagement_port=15671\nssl = yes\n[other]\nuser=x\n"
    found = merged(Endpoint(), client_section(text), "FILE")

    assert ("monitor", "a # b", 15671, 5671, True) == (found.user, found.password, found.management_port, found.port, found.tls)
    assert "a # b" not in repr(found)


def test_a_file_without_a_section_is_the_clients():
    assert {"user": "monitor", "password": "a#b"} == client_section("user=monitor\npassword = a#b # why\n")


@pytest.mark.parametrize("text, word", [
    ("", "user and password"), ("[client]\nuser=x\n", "user and password"), ("[client]\nuser=x\npassword=y\nport=no\n", "number"),
    ("[client]\nuser=x\npassword=y\nspeed=9\n", "'speed' is not known"),
    ("[client]\nuser=x\npassword=y\nssl=yes\nhost=192.0.2.1\n", "certificate"),
])
def test_credentials_that_cannot_be_used(tmp_path, text, word):
    path = tmp_path / "rabbitmq.cnf"
    path.write_text(text)
    path.chmod(0o600)

    with pytest.raises(Unreadable) as error:
        with_file(Endpoint(), str(path))
    assert word in error.value.reason


def test_a_file_that_every_user_can_read_is_refused(tmp_path):
    path = tmp_path / "rabbitmq.cnf"
    path.write_text("[client]\nuser=x\npassword=y\n")
    path.chmod(0o644)
    with pytest.raises(Unreadable) as error:
        with_file(Endpoint(), str(path))
    assert "chmod o= %s" % path in error.value.reason

    path.chmod(0o640)
    assert "x" == with_file(Endpoint(), str(path)).user


def test_no_file_is_no_credentials_unless_one_was_named(tmp_path):
    assert with_file(Endpoint(), str(tmp_path / "none")).user is None
    with pytest.raises(Unreadable):
        with_file(Endpoint(), str(tmp_path / "none"), needed=True)


@pytest.mark.parametrize("text, wanted", [
    ("", "rabbit@n1"), ("#NODENAME=bunny\n", "rabbit@n1"), ("NODENAME=bunny\n", "bunny@n1"),
    ("export RABBITMQ_NODENAME='hare@other'\n", "hare@other"), ("USE_LONGNAME=true\n", "rabbit@n1.example.org"),
])
def test_name_of_the_node(tmp_path, text, wanted):
    path = tmp_path / "env"
    path.write_text(text)

    assert wanted == check_nodename(str(path), "n1.example.org")


def test_name_of_the_node_without_settings():
    assert "rabbit@" + os.uname().nodename.partition(".")[0] == check_nodename("/nonexistent")
    assert "/var/log/rabbitmq/%s.log" % check_nodename() == credentials.default_endpoint().log or os.path.exists(layout.ENV)


ASKS = """
import sys
sys.path.insert(0, %r)
before = set(sys.modules)
from quorate.rabbitmq.broker import credentials, health, observe
place = credentials.Endpoint(port=%d, management_port=%d, epmd_port=%d, node="rabbit@n1", user="u", password="p")
broker = observe.observe_broker(place, None, 0, 20)
assert health.classify(broker) == ("running", True, "RabbitMQ serves clients."), broker
print(" ".join(sorted(name for name in set(sys.modules) - before if not name.startswith(("quorate", "_")))))
"""


def test_a_healthy_look_imports_nothing_that_costs(serve):
    """With the management API asked, and in a fresh interpreter, as each monitor is."""
    listener, api = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    answers = [b'{"status":"ok"}', nodes(node("rabbit@n1"), node("rabbit@n2")).body]

    def serve_both():
        with listener.accept()[0] as one:
            one.recv(100)
            one.sendall(START)
        for body in answers:
            with api.accept()[0] as one:
                one.recv(4096)
                one.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + body)
    thread = threading.Thread(target=serve_both, daemon=True)
    thread.start()
    done = subprocess.run(["/usr/bin/python3", "-I", "-c", ASKS % (
        ROOT, listener.getsockname()[1], api.getsockname()[1], serve(b"\0\0\x11\x11name rabbit at port 25672\n"))],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    listener.close()
    api.close()

    assert "" == done.stderr
    allowed = set("array binascii collections enum errno functools itertools keyword math operator os reprlib select selectors "
                  "socket time types collections.abc".split())
    assert set() == set(done.stdout.split()) - allowed
