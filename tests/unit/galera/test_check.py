# SPDX-License-Identifier: Apache-2.0
"""From what a server said to an answer: which role gets which code, and that an old fact is no answer."""

import json

import pytest

from quorate.galera.check import ROLES, GaleraCheck
from quorate.galera.facts import ServerStatus
from quorate.galera.server.health import Policy, classify
from quorate.web import respond
from quorate.web.check import NOTHING_YET, Fact, role_answer
from quorate.web.poller import Poller
from quorate.web.request import BadRequest, Request

CHECK = GaleraCheck({"settings": "/nonexistent", "checks_port": "1"})  # nobody listens there

WELL = ServerStatus(answered=True, ready=True, cluster_status="Primary", local_state=4, local_state_comment="Synced",
                    local_index=0, cluster_size=3, desync=False, reject_queries="NONE", sst_donor_rejects_queries=False,
                    sst_method="mariabackup", read_only=False, last_committed=41)
HUNG = ServerStatus(answered=False, errno=2013, error="Lost connection to MySQL server during query (timed out)")
DONOR = WELL._replace(local_state=2, local_state_comment="Donor/Desynced")


def answer(what, path, fresh=True):
    return role_answer(CHECK, what, path, fresh)


def Responder(poller, **more):
    return respond.Responder(CHECK, poller, **more)


def fact(status=WELL, draining=None, policy=Policy()):
    return Fact(status, classify(status, policy), draining)


class Still:
    """A poller that looked once, at second 100."""

    def __init__(self, what):
        self.fact, self.asked, self.version = what, 100.0, 1


def asked(what, path="/", method="GET", now=100.5, keep_alive=False):
    """(first line, body, kept?) of a Responder's answer."""
    out, kept = Responder(Still(what), clock=lambda: now).respond(Request(method, path, keep_alive))
    head, _, body = out.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0].decode(), body.decode(), kept


def codes(status, draining=None):
    return {path: answer(fact(status, draining), path)[0] for path in ("/", "/writer", "/reader", "/live")}


@pytest.mark.parametrize("status, wanted", [
    (WELL, {"/": 200, "/writer": 503, "/reader": 200, "/live": 200}),
    (WELL._replace(local_index=1), {"/": 200, "/writer": 503, "/reader": 200, "/live": 200}),
    (WELL._replace(local_index=None), {"/": 200, "/writer": 503, "/reader": 200, "/live": 200}),
    (WELL._replace(read_only=True), {"/": 200, "/writer": 503, "/reader": 200, "/live": 200}),
    (DONOR, {"/": 503, "/writer": 503, "/reader": 200, "/live": 200}),
    (WELL._replace(local_state=1), {"/": 503, "/writer": 503, "/reader": 503, "/live": 200}),
    (WELL._replace(cluster_status="non-Primary", local_index=0),
     {"/": 503, "/writer": 503, "/reader": 503, "/live": 200}),
    (HUNG, {"/": 503, "/writer": 503, "/reader": 503, "/live": 503}),
])
def test_code_of_each_role(status, wanted):
    assert wanted == codes(status)


def test_a_drained_node_that_is_well_answers_404_and_one_that_is_not_503():
    assert {"/": 404, "/writer": 503, "/reader": 404, "/live": 200} == codes(WELL, "planned stop")
    assert {"/": 503, "/writer": 503, "/reader": 503, "/live": 503} == codes(HUNG, "planned stop")
    assert "planned stop" in answer(fact(draining="planned stop"), "/")[1]


@pytest.mark.parametrize("path", sorted(set(ROLES) - {"/writer"}))
def test_an_old_fact_is_no_fact(path):
    assert "HTTP/1.1 503 Service Unavailable" == asked(fact(), path, now=100.91)[0]
    assert "HTTP/1.1 200 OK" == asked(fact(), path, now=100.89)[0]


def test_an_unknown_role_is_not_fit():
    """A mistyped path in HAProxy's configuration must not look like a healthy node."""
    code, body = answer(fact(), "/nonsense")
    assert code != 200
    assert "/writer" in body


def test_only_asking_is_allowed():
    line, _, _ = asked(fact(), method="POST")
    assert "HTTP/1.1 405 Method Not Allowed" == line


def test_head_has_no_body_and_options_is_what_httpchk_sends():
    assert ("HTTP/1.1 200 OK", "") == asked(fact(), method="HEAD")[:2]
    assert "HTTP/1.1 200 OK" == asked(fact(), "*", method="OPTIONS")[0]


@pytest.mark.parametrize("status", [400, 414, 431])
def test_no_request_gets_its_code_and_the_end(status):
    out, kept = Responder(Still(fact())).respond(BadRequest(status))
    assert out.startswith(b"HTTP/1.1 %d " % status)
    assert not kept


def test_invented_paths_take_no_memory():
    responder = Responder(Still(fact()), clock=lambda: 100.0)
    for number in range(5000):
        responder.respond(Request("GET", "/%d" % number, False))
    assert len(responder._prepared) <= 1000


def test_a_new_fact_is_answered_at_once():
    poller = Still(fact())
    responder = Responder(poller, clock=lambda: 100.0)
    assert responder.respond(Request("GET", "/", False))[0].startswith(b"HTTP/1.1 200")

    poller.fact, poller.version = fact(HUNG), 2
    assert responder.respond(Request("GET", "/", False))[0].startswith(b"HTTP/1.1 503")


@pytest.mark.parametrize("what, word", [
    (fact(), b"up"),
    (fact(draining="planned stop"), b"drain"),
    (fact(HUNG), b"down"),
    (fact(HUNG, "planned stop"), b"down"),
])
def test_agent_check(what, word):
    line = Responder(Still(what), clock=lambda: 100.0).agent()
    assert word == line.split()[0].rstrip(b",")
    assert line.endswith(b"\n")


def test_agent_check_of_an_old_fact():
    assert Responder(Still(fact()), clock=lambda: 101.0).agent().startswith(b"down")


def test_json_is_json_and_metrics_are_lines_of_prometheus():
    shown = json.loads(asked(fact(), "/status")[1])
    assert (True, "synced", 41) == (shown["ok"], shown["code"], shown["server"]["last_committed"])

    lines = asked(fact(HUNG), "/metrics")[1].splitlines()
    assert "quorate_galera_fit 0" in lines
    for line in lines:
        assert line.startswith("# ") or float(line.rsplit(" ", 1)[1]) >= 0


def test_a_reason_with_a_line_break_adds_no_header():
    out, _ = Responder(Still(fact(draining="a\r\nX-Evil: 1")), clock=lambda: 100.0).respond(Request("GET", "/", False))
    assert b"X-Evil" not in out.partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize("found, path, expected", [
    (fact(WELL), "/", 200),
    (fact(WELL, "update"), "/", 404),
    (fact(WELL._replace(local_state=1), "update"), "/", 503),
    (fact(WELL, "update"), "/live", 200),
    (fact(WELL._replace(local_state=1)), "/live", 200),
    (fact(ServerStatus(answered=False, error="x", errno=1040)), "/live", 200),
    (fact(ServerStatus(answered=False, error="x", errno=2003)), "/live", 503),
    (fact(WELL._replace(local_state=2)), "/reader", 200),
    (fact(WELL._replace(local_state=2)), "/", 503),
    (fact(WELL), "/nonsense", 404),
    (NOTHING_YET, "/", 503),
])
def test_code_of_a_fact_for_a_role(found, path, expected):
    assert expected == role_answer(CHECK, found, path)[0]


@pytest.mark.parametrize("path", ["/", "/writer", "/reader", "/live"])
def test_an_old_fact_is_no_answer_for_any_role(path):
    assert 503 == role_answer(CHECK, fact(WELL), path, fresh=False)[0]


class Session:
    """A server that gives one answer after the other."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def status(self, timeout):
        return self.answers.pop(0)


class Scripted(GaleraCheck):
    def __init__(self, session):
        GaleraCheck.__init__(self, {"settings": "/nonexistent"})
        self.session = lambda: session


def observed_codes(*answers):
    session, found = Session(*answers), []
    poller = Poller(Scripted(session), lambda: None)
    while session.answers:
        poller.observe()
        found.append(poller.fact.health.code)
    return found


def test_a_flicker_of_wsrep_ready_is_ignored_and_a_change_that_stays_is_not():
    unready = WELL._replace(ready=False)

    assert ["synced", "synced"] == observed_codes(WELL, unready, WELL)
    assert ["synced", "joining"] == observed_codes(WELL, unready, unready)
    assert ["joining", "joining"] == observed_codes(unready, unready)
