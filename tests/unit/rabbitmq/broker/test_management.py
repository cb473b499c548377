# SPDX-License-Identifier: Apache-2.0
"""The management API: answers to facts."""

import json

import pytest

from quorate.rabbitmq.broker import management
from quorate.rabbitmq.broker.credentials import Endpoint
from quorate.rabbitmq.broker.management import Answer
from tests.unit.rabbitmq.broker.ports import closed_port, node, nodes


def test_api_is_asked_with_credentials_and_understood(serve):
    port = serve(b'HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{"status":"ok"}')

    assert Answer(200, b'{"status":"ok"}') == management.get(Endpoint(management_port=port, user="u", password="p"),
                                                             "/api/x", 5)


def test_api_that_is_not_there_silent_or_something_else(serve):
    for port, word in ((closed_port(), "cannot be asked"), (serve(None), "did not answer"),
                       (serve(b"SSH-2.0\r\n"), "does not speak")):
        found = management.ask(Endpoint(management_port=port, user="u", password="p"), 0, 0.2)
        assert word in found["error"] and set(found) == {"error"}


def test_refused_credentials_are_reported_without_them(serve):
    found = management.ask(Endpoint(management_port=serve(b"HTTP/1.1 401 Unauthorized\r\n\r\n{}"), user="bob",
                                    password="s3cret"), 0, 5)

    assert found["refused"] is True
    assert "bob" in found["error"] and "s3cret" not in found["error"]


@pytest.mark.parametrize("answer, wanted", [
    (nodes(node("r@1"), node("r@2")), {"all_nodes": {"r@1", "r@2"}, "running_nodes": {"r@1", "r@2"},
                                       "partitions": set()}),
    (nodes({"name": "r@1", "running": True}), {"all_nodes": {"r@1"}, "running_nodes": {"r@1"}, "partitions": set()}),
    (nodes(node("r@1"), node("r@2", False)), {"all_nodes": {"r@1", "r@2"}, "running_nodes": {"r@1"},
                                              "partitions": set(),
                                              "draining": False}),
    (nodes(node("r@1", partitions=["r@2"]), node("r@2")), {"all_nodes": {"r@1", "r@2"}, "running_nodes": {"r@1", "r@2"},
                                                           "partitions": {"r@2"}, "draining": False}),
    (nodes(node("r@1", drained=True)), {"all_nodes": {"r@1"}, "running_nodes": {"r@1"}, "partitions": set(),
                                        "draining": True}),
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
    said = [{"name": "a", "type": "quorum", "leader": "r@1", "members": three, "online": three[:2]},
            {"name": "b", "type": "quorum"},
            {"name": "f", "type": "quorum", "leader": "r@1", "members": three, "online": three[:1]},
            {"name": "g", "type": "quorum", "leader": "r@1"},
            {"name": "c", "vhost": "/", "type": "classic", "slave_nodes": ["r@2"], "synchronised_slave_nodes": []},
            {"name": "d", "type": "classic", "slave_nodes": ["r@2"], "synchronised_slave_nodes": ["r@2"]},
            {"name": "e"}]

    assert {"leaderless": ("b", "f"), "unsynchronised": ("c",)} == management.queues(Answer(200,
                                                                                            json.dumps(said).encode()))
    assert {} == management.queues(Answer(400, b"{}"))


def test_the_first_of_two_values_is_the_fresh_one():
    """Seen with 3.10.8, one of three members left: the API itself says both."""
    body = b'[{"name":"q","type":"quorum","leader":"r@1","members":["r@1","r@2","r@3"],"online":["r@1"],' \
           b'"online":["r@1","r@2","r@3"]}]'
    assert ("q",) == management.queues(Answer(200, body))["leaderless"]
