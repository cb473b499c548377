# SPDX-License-Identifier: Apache-2.0
"""What a cluster holds, by real answers of rabbitmqctl (answers/, RabbitMQ 3.10.8 and 4.0.5, two nodes)."""

import json
import os

import pytest

from quorate.host.command import Result
from quorate.rabbitmq.broker.tools.contents import CLASSIC, QUORUM, STREAM, Policy, Questions, Unanswered
from tests.unit.rabbitmq.actions.nodes import records

ANSWERS = os.path.join(os.path.dirname(__file__), "answers")
V = "v/2 x"


def answers(version, state="whole"):
    """dict question -> [exit code, output]."""
    with open(os.path.join(ANSWERS, version + ".json"), encoding="utf-8") as file:
        return json.load(file)[state]


class Tools:
    """Answers as a file has them."""

    def __init__(self, known):
        self.known, self.asked = known, []

    def run(self, tool, *words, limit, node):
        if words[1] == "eval":
            rc, out = self.known.get("eval", (0, self.records()))
            return Result((tool,) + words, rc, out, "", timed_out=False)
        assert (tool, words[0], words[-2:]) == ("rabbitmqctl", "-q", ("--formatter", "json"))
        self.asked.append((" ".join(words[1:-2]), node))
        rc, out = self.known[" ".join(words[1:-2])]
        return Result((tool,) + words, rc, out, "", timed_out=rc == 124)


    def records(self):
        """As both releases print them, of the quorum queues that list_queues tells of."""
        found = {}
        for question, (rc, out) in self.known.items():
            if question.startswith("list_queues --vhost ") and rc == 0 and out.strip().startswith("["):
                vhost = question.partition("--vhost ")[2].partition(" name type")[0]
                found.update({(vhost, one["name"]): one["members"] for one in json.loads(out) if "quorum" in one["type"]})
        return records(found)


def questions(version="3.10.8", state="whole", **changed):
    return Questions(Tools(dict(answers(version, state), **changed)), "rabbit@n1")


def test_the_questions_are_about_no_secret_and_to_the_named_node():
    asked = questions()
    asked.status(), asked.vhosts(), asked.queues("/"), asked.policies("/")

    assert {node for _, node in asked._tools.asked} == {"rabbit@n1"}
    assert {words.split()[0] for words, _ in asked._tools.asked} == {
        "cluster_status", "list_vhosts", "list_queues", "list_policies", "list_operator_policies"}


@pytest.mark.parametrize("version, khepri", [("3.10.8", None), ("4.0.5", ("disabled", "experimental"))])
def test_the_status(version, khepri):
    status = questions(version).status()

    assert status.versions == {"rabbit@n1": version, "rabbit2@n1": version}
    assert status.members == status.running == {"rabbit@n1", "rabbit2@n1"} and status.ram == frozenset()
    assert (status.partitions, status.alarms) == (0, 0)
    assert status.flags["quorum_queue"][0] == "enabled" and status.flags.get("khepri_db") == khepri


def test_a_member_that_is_away_and_an_alarm():
    status = questions(state="one node away").status()

    assert status.members - status.running == {"rabbit2@n1"} and status.alarms == 1


@pytest.mark.parametrize("version", ["3.10.8", "4.0.5"])
def test_the_queues(version):
    asked = questions(version)
    assert asked.vhosts() == ["/", V]
    found = {one.name: one for one in asked.queues("/")}

    assert {name: one.type for name, one in found.items()} == {
        "auto": CLASSIC, "durable": CLASSIC, "excl": CLASSIC, "ha.m": CLASSIC, "loc": CLASSIC, "qq": QUORUM,
        "st": STREAM, "transient one": CLASSIC, "v1": CLASSIC}
    assert [name for name, one in found.items() if one.durable is False and one.exclusive is not True] == [
        "auto", "transient one"]
    assert found["excl"].exclusive is True and found["qq"].exclusive is None
    assert found["v1"].arguments["x-queue-version"] == 1
    assert found["loc"].arguments["x-queue-master-locator"] == "min-masters"
    assert found["qq"].members == {"rabbit@n1", "rabbit2@n1"}
    assert found["ha.m"].policy == ("ha" if version == "3.10.8" else "")


def test_a_queue_whose_node_is_away_is_a_classic_one():
    found = {one.name: one for one in questions(state="one node away").queues("/")}

    assert (found["loc"].type, found["loc"].exclusive) == (CLASSIC, None)


def test_the_policies():
    asked = questions()

    assert asked.policies("/") == [Policy("/", "ha", {"ha-mode": "all", "ha-sync-mode": "automatic"}, False),
                                   Policy("/", "op", {"max-length": 1000}, True)]
    assert asked.policies(V) == [Policy(V, "loc", {"queue-master-locator": "min-masters"}, False)]


def test_rabbitmq_s_own_answer_about_deprecated_features_is_not_enough():
    """4.0.5 says that none is in use, beside transient queues."""
    assert questions("4.0.5").deprecated() == {}
    assert any(one.durable is False and one.exclusive is False for one in questions("4.0.5").queues("/"))


@pytest.mark.parametrize("rc, out", [
    (64, "Error: {:badrpc, :nodedown}"), (124, ""), (0, ""), (0, "not JSON"), (0, "{"), (0, "[1]"), (0, "[[]]"),
    (0, "null"), (0, '{"name": "q"}'), (0, '[{"name": 1}]'), (0, '[{}]'),
    (0, '[{"name":"q","type":"classic","arguments":7}]')])
def test_what_is_not_answered_is_not_none(rc, out):
    for question in ("status", "vhosts", "deprecated"):
        words = {"status": "cluster_status", "vhosts": "list_vhosts name",
                 "deprecated": "list_deprecated_features --used name deprecation_phase"}[question]
        if (question, out) == ("vhosts", '[{"name":"q","type":"classic","arguments":7}]'):
            continue  # that is an answer
        with pytest.raises(Unanswered):
            getattr(questions(**{words: [rc, out]}), question)()
    for words in answers("3.10.8"):
        if words.startswith("list_queues --vhost / "):
            with pytest.raises(Unanswered):
                questions(**{words: [rc, out]}).queues("/")
    with pytest.raises(Unanswered):
        questions(**{"list_policies --vhost /": [rc, out]}).policies("/")


def test_an_answer_behind_an_error_of_erlang_s():
    assert questions("4.0.5", "one node away").deprecated() == {}
    assert [one.name for one in questions("4.0.5", "one node away").policies(V)] == ["loc"]
    with pytest.raises(Unanswered):
        questions(**{"list_vhosts name": [0, '[\n{"name":"/"}\n,{"name":']}).vhosts()


@pytest.mark.parametrize("definition", ['"x"', '"{\\"a\\":"', "7", "null", '"[]"'])
def test_a_policy_whose_definition_is_not_understood(definition):
    row = '[{"name":"p","definition":%s}]' % definition
    with pytest.raises(Unanswered):
        questions(**{"list_operator_policies --vhost /": [0, row]}).policies("/")


def test_a_quorum_queue_without_a_leader_is_known_by_its_record():
    """list_queues leaves it out, and so did a cluster that was asked which queues count on a node whose disk is lost (real,
    3.10.8: three members, two of them away)."""
    real = "[{<<\"Lw==\">>,<<\"aGVsZA==\">>,[rabbit@n5,rabbit@n4,'rabbit@n-3']}]\n"
    asked = questions(**{"list_queues --vhost / name type durable exclusive arguments policy members state": [0, "[]"],
                         "eval": [0, real]})
    members = frozenset(("rabbit@n5", "rabbit@n4", "rabbit@n-3"))

    assert asked.quorum_members() == {("/", "held"): members}
    (queue,) = asked.queues("/")
    assert (queue.vhost, queue.name, queue.type, queue.members) == ("/", "held", QUORUM, members)


@pytest.mark.parametrize("rc, out", [
    (69, ""), (0, ""), (0, "{error}"), (0, "[{<<\"Lw==\">>,<<\"YQ==\">>}]"), (0, "[{<<\"?\">>,<<\"YQ==\">>,[a]}]"),
    (0, "[{<<\"Lw==\">>,<<\"YQ==\">>,none}]"), (0, "[a]"), (0, "[{1,2,[a]}]")])
def test_records_that_are_not_understood_are_unknown(rc, out):
    with pytest.raises(Unanswered):
        questions(eval=[rc, out]).quorum_members()
