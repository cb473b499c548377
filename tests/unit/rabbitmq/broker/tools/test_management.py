# SPDX-License-Identifier: Apache-2.0
"""The management API: answers to facts."""

import json

import pytest

from quorate.rabbitmq.broker.tools import management
from quorate.rabbitmq.broker.credentials import Endpoint
from quorate.rabbitmq.broker.tools.management import Answer
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


def answering(port):
    return Endpoint(management_port=port, user="u", password="p", node="r@1")


@pytest.mark.parametrize("endpoint, lines", [
    (Endpoint(user="bob", password="s3cret"), ["Authorization: Basic Ym9iOnMzY3JldA=="]),
    (Endpoint(user="bob"), ["Authorization: Basic Ym9iOg=="]), (Endpoint(), []),
    (Endpoint(user="b\u00e4r", password="x" * 99), ["Authorization: Basic YsOkcjp4" + "eHh4" * 32 + "eHg="])])
def test_a_request(endpoint, lines):
    endpoint = endpoint._replace(management_host="n1", management_path="/mq")
    assert management._request(endpoint, "/api/x").decode() == "\r\n".join(
        ["GET /mq/api/x HTTP/1.0", "Host: n1", *lines, "", ""])


@pytest.mark.parametrize("data", [
    b"", b"HTTP/1.1", b"HTTP/1.1 ok", b"HTTP/2 200", b"SSH-2.0 200", b"\r\n\r\nHTTP/1.1 200"])
def test_what_is_no_http(data):
    with pytest.raises(management.Unanswered) as error:
        management.parse(data)
    assert error.value.reason == str(error.value) == "What listens on the management port does not speak HTTP."


def test_the_body_begins_after_the_first_empty_line():
    assert management.parse(b"HTTP/1.0 200\r\na: b\r\n\r\nx\r\n\r\ny") == Answer(200, b"x\r\n\r\ny")
    assert management.parse(b"HTTP/1.1 404 Not Found") == Answer(404, b"")


def test_what_went_wrong_is_named(serve, monkeypatch):
    silent, closed = serve(None), closed_port()
    for port, message in (
            (silent, "The management API did not answer on port %d for 0.1 s." % silent),
            (closed, "The management API cannot be asked on 127.0.0.1 port %d: Connection refused." % closed)):
        with pytest.raises(management.Unanswered) as error:
            management.get(answering(port), "/", 0.1)
        assert error.value.reason == message and error.value.__suppress_context__
    monkeypatch.setattr("quorate.host.names.connect", lambda *_: (_ for _ in ()).throw(OSError("no errno")))
    with pytest.raises(management.Unanswered) as error:
        management.get(answering(1), "/", 0.1)
    assert error.value.reason.endswith("port 1: no errno.")


def test_an_answer_of_any_size_is_read_to_its_end(serve, monkeypatch):
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    assert management.get(answering(serve(head + b"x" * 200000)), "/", 5).body == b"x" * 200000
    monkeypatch.setattr(management, "MOST", 1 << 20)
    with pytest.raises(management.Unanswered) as error:
        management.get(answering(serve(head + b"x" * (1 << 20))), "/", 5)
    assert error.value.reason == "An answer of the management API is larger than 1 MiB."


def scripted(monkeypatch, **answers):
    """management.get answers by these constants' paths; returns the paths and timeouts that were asked for."""
    by_path, asked = {getattr(management, name): answer for name, answer in answers.items()}, []

    def get(_endpoint, path, timeout):
        asked.append((path, timeout))
        answer = by_path.get(path, Answer(404, b""))
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(management, "get", get)
    return asked


def test_what_is_asked_at_which_level(monkeypatch):
    asked = scripted(monkeypatch, LOCAL_ALARMS=Answer(200, b"{}"), NODES=nodes(node("r@1", drained=True), node("r@2")),
                     QUORUM_CRITICAL=Answer(200, b""), IN_SERVICE=Answer(200, b""), QUEUES=Answer(200, b"[]"))
    level_0 = {"alarms": (), "all_nodes": {"r@1", "r@2"}, "running_nodes": {"r@1", "r@2"}, "partitions": set(),
               "draining": True}
    assert management.ask(answering(1), 0, 5) == management.ask(answering(1), 9, 5) == level_0
    assert [path for path, _ in asked] == [management.LOCAL_ALARMS, management.NODES] * 2
    assert all(4 < timeout <= 5 for _, timeout in asked)
    del asked[:]
    assert management.ask(answering(1), 10, 5) == dict(
        level_0, draining=False, quorum_critical=False, leaderless=(), unsynchronised=())
    assert len(asked) == 5
    assert management.ask(answering(1)._replace(user=None), 10, 5) == {} and len(asked) == 5


def test_what_was_found_before_it_stopped_answering_stays(monkeypatch):
    scripted(monkeypatch, LOCAL_ALARMS=Answer(200, b""), NODES=management.Unanswered("too late"))
    assert management.ask(answering(1), 0, 5) == {"alarms": (), "error": "too late"}
    asked = scripted(monkeypatch, LOCAL_ALARMS=Answer(200, b""), NODES=Answer(401, b""))
    assert management.ask(answering(1), 0, 0) == {
        "alarms": (), "refused": True, "error": "RabbitMQ refuses the credentials of the monitor (user u); it needs an "
        "account with the tag monitoring."}
    assert [timeout for _, timeout in asked] == [0.01, 0.01]


@pytest.mark.parametrize("body, wanted", [
    ('{"alarms":[{"resource":"memory"},7,{"resource":"disk space"},{"resource":"memory"}]}',
     {"alarms": ("disk", "memory")}), ('{"alarms":[]}', {"alarms": ()}), ('{"alarms":{}}', {}), ("{}", {}),
    ('[{"alarms":[]}]', {}), ("7", {})])
def test_alarms_in_whatever_form(body, wanted):
    assert management.alarms(Answer(503, body.encode())) == wanted


@pytest.mark.parametrize("one, wanted", [
    ({}, {"draining": None, "partitions": None}), ({"partitions": 7, "being_drained": "no"}, {}),
    ({"partitions": ["r@2", 3]}, {"partitions": {"r@2", "3"}}), ({"being_drained": True}, {"draining": True}),
    ({"being_drained": False}, {"draining": False})])
def test_what_this_node_says_of_itself(one, wanted):
    several = [dict(one, name="r@1", running=True), {"name": "r@2", "running": "yes"}, {"name": 4, "running": False}, 5,
               {"running": True}]
    assert management.members(nodes(*several), "r@1") == dict(
        {key: value for key, value in wanted.items() if value is not None},
        all_nodes={"r@1", "r@2", "4"}, running_nodes={"r@1"})
    assert set(management.members(nodes(*several), "r@9")) == {"all_nodes", "running_nodes"}
    assert set(management.members(nodes(*several))) == {"all_nodes", "running_nodes"}


@pytest.mark.parametrize("name, found", [(b"r@1", "r@1"), (b"r@\xff", "r@\ufffd"), (b"r@\\u0031", "r@1")])
def test_names_of_members_that_are_well(name, found):
    assert management.members(Answer(200, b'[{"name":"%s","running":true}]' % name))["all_nodes"] == {found}
    assert management.members(Answer(201, b'[{"name":"%s","running":true}]' % name)) == {}


@pytest.mark.parametrize("answer, draining, critical", [
    (Answer(200, b""), {"draining": False}, {"quorum_critical": False}),
    (Answer(503, b""), {"draining": True}, {"quorum_critical": True}), (Answer(500, b""), {}, {})])
def test_checks_that_say_yes_or_no(answer, draining, critical):
    assert (management.in_service(answer), management.quorum_critical(answer)) == (draining, critical)


@pytest.mark.parametrize("queue, fine", [
    ({"leader": "r@1"}, True), ({}, False), ({"leader": ""}, False), ({"leader": "r@1", "online": []}, True),
    ({"leader": "r@1", "members": ["r@1", "r@2"]}, True),
    ({"leader": "r@1", "members": ["r@1", "r@2"], "online": []}, False),
    ({"leader": "r@1", "members": ["r@1", "r@2"], "online": ["r@1"]}, False),
    ({"leader": "r@1", "members": ["r@1", "r@2"], "online": ["r@1", "r@2"]}, True),
    ({"members": ["r@1"], "online": ["r@1"]}, False)])
def test_a_majority_of_a_quorum_queue(queue, fine):
    for kind, leaderless in (("quorum", () if fine else ("q",)), ("classic", ()), ("stream", ())):
        body = json.dumps([dict(queue, name="q", type=kind)]).encode()
        assert management.queues(Answer(200, body)) == {"leaderless": leaderless, "unsynchronised": ()}


@pytest.mark.parametrize("slaves, synchronised, behind", [
    (["r@2"], [], True), (["r@2"], None, True), (["r@2", "r@3"], ["r@2"], True), (["r@2"], ["r@2"], False),
    ([], ["r@2"], False), (None, None, False)])
def test_mirrors_that_are_behind(slaves, synchronised, behind):
    body = json.dumps([{"name": "q", "slave_nodes": slaves, "synchronised_slave_nodes": synchronised},
                       {"name": "p", "slave_nodes": slaves, "synchronised_slave_nodes": synchronised}]).encode()
    assert management.queues(Answer(200, body))["unsynchronised"] == (("p", "q") if behind else ())
    for other in (Answer(204, body), Answer(200, b"{}"), Answer(200, b"\xff")):
        assert management.queues(other) == {}
