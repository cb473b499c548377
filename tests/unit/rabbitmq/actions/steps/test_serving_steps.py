# SPDX-License-Identifier: Apache-2.0
"""What the monitor of a broker that serves records, publishes and asks, and when; what a node's report is made of."""

import hashlib
import os
from types import SimpleNamespace

import pytest

from quorate.ocf import codes
from quorate.ocf.codes import ERR_ARGS, Failed, Outcome
from quorate.host import daemon
from quorate.pacemaker.tools import Unavailable
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import apart, participant as participants, serving
from quorate.rabbitmq.actions.participant import NotNow, Participant
from quorate.rabbitmq.broker.layout import encode_layout
from quorate.rabbitmq.broker.observe import Observation
from tests.unit.rabbitmq.actions.nodes import Node, names, other, tools

RUNS = Observation(facts.RUNNING, None, facts.Broker(), "It runs.")
DRAINS = Observation(facts.DRAINING, None, facts.Broker(), "It drains.")


class Serving(Node):
    """A node whose broker serves. examined, lasting: what actions.apart answers; asked: how it was asked."""

    def __init__(self, tmp_path, monkeypatch, reports=(), **more):
        Node.__init__(self, tmp_path, reports, **more)
        self.fill()
        (self.directory / "rabbit_serial").write_text("5.\n")
        self.asked, self.examined, self.lasting = [], None, None
        self.context.is_probe = False
        monkeypatch.setattr(apart, "examine", lambda *how: (self.asked.append(("examine", *how)), self.examined)[1])
        monkeypatch.setattr(apart, "lasting_problem",
                            lambda *how: (self.asked.append(("lasting", *how)), self.lasting)[1])

    def record(self, observed=RUNS):
        """The names of what was asked, and whether something was published."""
        before, statuses = len(self.asked), len(self.published.statuses)
        self.outcome = serving.keep_record(self.participant, observed)
        return [one[0] for one in self.asked[before:]], len(self.published.statuses) > statuses

    def recorded(self):
        """As serving records it, and published."""
        self.record()
        self.state_files.write("published", {"report": "x"})
        return self


@pytest.fixture
def node(tmp_path, monkeypatch):
    return Serving(tmp_path, monkeypatch)


def test_the_first_record(node):
    for name in ("crashed", "idle", "quiet", "beside"):
        node.state_files.write(name, {"x": 1})
    for name in ("evidence", "forcing"):
        node.state_files.write(name, {"generation": 0, "directory": str(node.directory)}, persistent=True)
    took = []
    node.published.took_part, node.published.current = took.append, None
    assert node.record() == (["examine", "lasting"], True)
    assert node.asked == [("examine", node.participant, RUNS, {}, False), ("lasting", node.participant, {})]
    assert node.published.own.state == facts.RUNNING and node.published.statuses == ["running"]
    assert not [name for name in ("crashed", "idle", "quiet", "beside") if node.state_files.has(name)]
    assert node.state_files.read("evidence", persistent=True) == node.state_files.read("forcing", persistent=True) == {}
    assert took == [0] and node.state_files.read("served", persistent=True)["serial"] == "5"
    assert node.state_files.read("serving")["verified"] == str(int(node.clock.monotonic()))
    node.published.current = 3
    node.state_files.forget("serving")
    node.record()
    assert took == [0, 3]


def test_a_monitor_of_a_minute_asks_once(node):
    node.recorded()
    assert node.record() == ([], False)
    node.clock.sleep(59)
    assert node.record() == ([], False) and node.outcome is None
    node.clock.sleep(1)
    node.published.current = None
    assert node.record() == (["examine", "lasting"], False)
    assert node.asked[-2][-1] is True, "it was recorded before"
    assert node.state_files.read("serving")["verified"] == str(int(node.clock.monotonic()))
    assert node.record() == ([], False)
    node.context.is_probe = True
    assert node.record() == ([], False) and node.published.own.state == facts.RUNNING, "nothing is asked anew"


def test_a_clock_that_was_set_back_asks_anew(node):
    node.recorded()
    last = node.state_files.read("serving")
    node.state_files.write("serving", dict(last, verified=int(node.clock.monotonic()) + 1))
    assert node.record()[0] == ["examine", "lasting"]
    node.state_files.write("serving", {"mark": last["mark"]})
    node.clock.monotonic = lambda: 59.0
    assert node.record()[0] == []
    node.clock.monotonic = lambda: 60.0
    assert node.record()[0] == ["examine", "lasting"]


@pytest.mark.parametrize("what", ["cluster_nodes.config", "nodes_running_at_shutdown", "state"])
def test_what_changed_is_published_at_once(node, what):
    node.recorded()
    if what != "state":
        (node.directory / what).write_text("{[rabbit@n1,rabbit@n2],[]}." if what[0] == "c" else "[rabbit@n1].")
        os.utime(node.directory / what, (1, 1))
    asked, published = node.record(DRAINS if what == "state" else RUNS)
    assert published and asked == []
    assert node.published.own.state == (facts.DRAINING if what == "state" else facts.RUNNING)
    assert node.published.statuses[-1] == ("It drains." if what == "state" else "running")
    if what[0] == "c":
        assert node.participant.disk.forgotten() == names("n3")


def test_one_that_is_older_than_what_served_is_examined_anew(node):
    node.recorded()
    (node.directory / "rabbit_serial").write_text("4.\n")
    assert node.record(DRAINS)[0] == ["examine"] and node.asked[-1][-1] is True


@pytest.mark.parametrize("state, asks", [(RUNS, True), (DRAINS, False)])
def test_one_that_is_not_the_cluster_s_is_not_recorded(node, state, asks):
    node.examined = Outcome(codes.DEGRADED, "not the cluster's")
    assert node.record(state) == (["examine"], False) and node.outcome == node.examined
    assert not node.state_files.has("serving") and node.published.own is None
    assert node.state_files.read("served", persistent=True) == {}
    node.examined = None
    assert node.record(state)[0] == ["examine"] + ["lasting"] * asks


def test_while_others_contradict_it_each_monitor_asks(node):
    node.lasting = Outcome(codes.SUCCESS)
    node.recorded()
    assert node.outcome == Outcome(codes.SUCCESS) and node.state_files.read("serving")["verified"] == "0"
    assert node.record()[0] == ["examine", "lasting"]
    node.lasting = None
    assert node.record()[0] == ["examine", "lasting"] and node.outcome is None
    assert node.record()[0] == []


def test_a_report_that_the_cluster_lost_is_published_again(node):
    node.recorded()
    node.published.own = None
    node.clock.sleep(60)
    assert node.record() == (["examine", "lasting"], True) and node.published.own.state == facts.RUNNING
    node.state_files.write("published", {"report": "x"})
    node.published.own = other("n1", facts.UNKNOWN)
    node.clock.sleep(60)
    assert node.record()[1] is False and node.published.own.state == facts.UNKNOWN


@pytest.mark.parametrize("own, two, changed", [
    ({"members": names("n1", "n2")}, {}, False), ({"members": names("n1")}, {}, True), ({"members": None}, {}, True),
    ({"members": names("n1")}, {"state": facts.DOWN}, False), ({"members": names("n1")}, {"name": None}, False),
    ({}, {}, True), ({"members": names("n1", "n2")}, {"state": facts.DOWN}, True),  # n3, or n2, may have been forgotten
    ({"store": facts.MNESIA}, {}, False), ({"members": names("n1"), "store": facts.MNESIA}, {}, False)])
def test_whether_members_may_have_joined_or_left(own, two, changed):
    reports = {"n1": other("n1", facts.RUNNING, **dict({"store": facts.KHEPRI}, **own)),
               "n2": other("n2", two.get("state", facts.RUNNING), **{"name": two.get("name", "rabbit@n2")})}
    assert serving.members_changed(reports, "n1") is changed


def test_members_that_joined_are_learnt_and_published(node):
    tools(node, out='{"disk_nodes":["rabbit@n1","rabbit@n2"]}')
    (node.directory.parent / "rabbit@n1-feature_flags").write_text("[khepri_db].")
    node.recorded()
    node.published.others = {"n2": other("n2", facts.RUNNING)}
    node.published.own = node.published.own._replace(members=names("n1"))
    node.clock.sleep(60)
    node.record(DRAINS._replace(state=facts.RUNNING))
    assert node.published.own.members == names("n1", "n2")
    assert node.state_files.read("members", persistent=True)["members"] == "rabbit@n1 rabbit@n2"
    tools(node, rc=70)
    serving.learn_members(node.participant)
    assert node.state_files.read("members", persistent=True)["members"] == "rabbit@n1 rabbit@n2"


@pytest.mark.parametrize("replace, for_node, ends", [
    (False, "n1", True), (False, "n2", True), (True, "n1", True), (True, "n2", False)])
def test_when_an_order_ends(node, replace, for_node, ends):
    node.published.ordered = facts.Override(for_node, "root", 1, False, replace)
    node.record()
    assert (node.published.ordered is None) is ends
    said = "The override by root (%s %s) was not needed, and ends: a broker runs." % (
        "replace" if replace else "boot", for_node)
    assert (("WARNING", said) in node.context.log.lines) is ends


# -- handle_serving

@pytest.mark.parametrize("state", [RUNS, DRAINS])
def test_what_a_broker_that_serves_ends(node, state):
    for name in ("waiting", "unknown", "cut-off"):
        node.state_files.write(name, {"x": 1})
    assert serving.handle_serving(node.participant, state) == Outcome(codes.SUCCESS)
    assert [name for name in ("waiting", "unknown", "cut-off") if node.state_files.has(name)] == (
        [] if state is RUNS else ["cut-off"])
    assert node.state_files.read("policy") == {"mark": "-"}


@pytest.mark.parametrize("examined, after", [
    (Outcome(codes.DEGRADED, "x"), False), (Outcome(codes.ERR_GENERIC, "x"), False), (None, True)])
def test_nothing_is_done_for_one_that_is_not_the_cluster_s(node, examined, after):
    node.examined, node.lasting = examined, Outcome(codes.SUCCESS)
    assert serving.handle_serving(node.participant, RUNS) == (examined or Outcome(codes.SUCCESS))
    assert node.state_files.has("policy") is after


def test_a_policy_that_is_not_set_is_shown(tmp_path, monkeypatch):
    node = Serving(tmp_path, monkeypatch, parameters={"set_policy": "nonsense"})
    outcome = serving.handle_serving(node.participant, RUNS)
    assert outcome.code == codes.DEGRADED and outcome.reason == node.state_files.read("complaint")["text"]
    assert "set_policy wants" in outcome.reason and node.state_files.has("policy")
    assert ("ERROR", outcome.reason) in node.context.log.lines


@pytest.mark.parametrize("launched, state, applied", [
    (True, facts.RUNNING, True), (False, facts.RUNNING, False), (True, facts.DRAINING, False),
    (None, facts.RUNNING, False)])
def test_a_parameter_that_was_changed_while_it_runs(node, monkeypatch, launched, state, applied):
    def files(*words, log):
        assert words == ("rabbitmq", "test") and log is node.context.log
        return node.state_files

    def observe(*how):
        assert how == (node.context, node.state_files, node.layout)
        return SimpleNamespace(state=state)

    def participant_of(context, state_files, layout):
        assert (context, state_files, layout) == (node.context, node.state_files, node.layout)
        return node.participant

    monkeypatch.setattr(serving, "StateFiles", files)
    monkeypatch.setattr(serving.observe, "observe", observe)
    monkeypatch.setattr(serving, "Participant", participant_of)
    for name in ("policy", "complaint"):
        node.state_files.write(name, {"text": "x"})
    if launched is not None:
        node.state_files.write("layout", encode_layout(node.layout))
    if launched is not False:
        one = node.context.processes.add("beam.smp", pid=400)
        node.state_files.write(daemon.PROCESS_FILE, {"pid": 400, "start": one.start})
    serving.reload_policy(node.context)
    assert node.state_files.has("policy") is applied and not node.state_files.has("complaint")


def test_the_fingerprint_of_a_policy(tmp_path, monkeypatch):
    node = Serving(tmp_path, monkeypatch, parameters={"set_policy": 'ttl ^ {"message-ttl":1}'})
    tools(node, rc=0)
    serving.apply_policy(node.participant)
    words = ("set_policy", "ttl", "^", '{"message-ttl":1}')
    assert node.published.last_policy == hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
    assert node.state_files.read("policy") == {"mark": "-"}


# -- the report of a node

def test_what_a_report_is_made_of(node):
    node.published.current = 4
    node.fill(running="rabbit@n1")
    found = node.participant.from_disk()
    assert found == facts.Report(
        "n1", facts.UNKNOWN, True, "rabbit@n1", names("n1", "n2", "n3"), names("n1"), facts.MNESIA, "3.10.8",
        found.cookie, 4, int(node.clock.now()), True)
    assert len(found.cookie) == 6
    node.state_files.forget("started")
    assert node.participant.from_disk().launched is False


def test_since_when_a_state_is(node):
    began = int(node.clock.now())
    node.participant.report(facts.STARTING)
    node.clock.sleep(9)
    node.participant.report(facts.STARTING, data=None)
    assert (node.published.own.since, node.published.own.data) == (began, None)
    node.participant.report(facts.RUNNING)
    assert (node.published.own.since, node.published.own.state) == (began + 9, facts.RUNNING)


def test_a_report_that_ended_with_the_membership_is_published_again(node, monkeypatch):
    node.state_files.write("published", {"report": "x"})
    made = []

    def publish(report):
        made.append((report, node.state_files.has("published")))
        node.published.own = report if len(made) > 1 else None

    monkeypatch.setattr(node.published, "publish", publish)
    decision = node.participant.decide_and_publish()
    assert [(report.state, has) for report, has in made] == [(facts.DOWN, True), (facts.DOWN, False)]
    assert decision.action == facts.START
    node.state_files.write("published", {"report": "x"})
    node.participant.decide_and_publish()
    assert len(made) == 3 and node.state_files.has("published")


@pytest.mark.parametrize("command, text", [(None, "why"), ("type this", "why (type this)")])
def test_the_status_of_a_decision(command, text):
    assert participants.status_text(facts.Decision(facts.WAIT, "why", command=command)) == text


@pytest.mark.parametrize("kept, current, generations, action", [
    ("2", 2, {}, facts.FORCE), ("2", 3, {}, facts.START), (None, 2, {}, facts.START),
    ("2", 2, {"n1": 2, "n2": 1}, facts.FORCE), ("2", 2, {"n2": 2}, facts.START)])
def test_a_forced_boot_that_began_is_carried_out(node, kept, current, generations, action):
    node.published.current, node.published.generations = current, generations
    if kept:
        node.participant.keep_forcing(kept)
        assert node.participant.is_forcing() is (kept == str(current))
        assert node.participant.is_forcing(2) is True and node.participant.is_forcing(3) is False
    decision = node.participant.decide_and_publish()
    assert decision.action == action
    assert (decision.reason == "The forced boot that began is carried out.") is (action == facts.FORCE)


def test_whether_to_decide_again(node):
    assert node.participant.reports_changed()
    node.participant.decide_and_publish()
    assert not node.participant.reports_changed()
    node.clock.sleep(1.9)
    assert not node.participant.reports_changed()
    node.published.others["n2"] = other("n2", facts.DOWN)
    assert node.participant.reports_changed()
    del node.published.others["n2"]
    node.clock.sleep(0.2)
    assert node.participant.reports_changed()


def test_which_brokers_are_asked_whether_they_can_be_reached(node, monkeypatch):
    asked = []
    monkeypatch.setattr(participants, "configured_ports", lambda config: (asked.append(config), (4370, (25673,)))[1])
    node.participant._is_reachable = lambda *how: (asked.append(how), {"rabbit@n3": False, "rabbit@n4": None}.get(
        how[0], True))[1]
    reports = [node.participant.from_disk()._replace(state=facts.RUNNING), other("n3", facts.RUNNING), other(
        "n2", facts.PAUSED), other("n4", facts.RUNNING), other("n5", facts.DOWN), other("n6", facts.RUNNING, name=None)]
    snapshot = facts.Snapshot("n1", frozenset(), {one.node: one for one in reports}, frozenset())
    assert node.participant.with_unreachable(snapshot).unreachable == {"rabbit@n3"}
    assert asked == [node.context.parameters.config] + [("rabbit@n%d" % number, 4370, (25673,)) for number in (2, 3, 4)]
    del asked[:]
    for own in (None, reports[0]._replace(data=False), reports[0]._replace(data=None)):
        others = {one.node: one for one in reports[1:]}
        known = snapshot._replace(reports=dict(others, n1=own) if own else others)
        assert node.participant.with_unreachable(known) == known and asked == []


@pytest.mark.parametrize("nodes, starting", [
    (("n2",), True), (("n3",), False), (("n9",), False), (("n3", "n2"), True), ((), False)])
def test_whether_one_of_these_starts(tmp_path, nodes, starting):
    node = Node(tmp_path, [other("n2", facts.STARTING), other("n3", facts.DOWN)])
    assert node.participant.any_starting(nodes) is starting


class Down:
    """A Participant that reports that no broker runs."""

    def __init__(self, answer):
        self.answer, self.done, self.published = answer, [], self

    def report(self, state):
        self.done.append(state)
        if isinstance(self.answer, Exception):
            raise self.answer

    def withdraw_status(self):
        self.done.append("withdrawn")


@pytest.mark.parametrize("started, answer, done, published", [
    (True, None, [facts.DOWN], True), (False, None, [facts.DOWN, "withdrawn"], True),
    (False, Unavailable("away"), [facts.DOWN], False), (False, Failed(ERR_ARGS, "line 7"), [facts.DOWN], True)])
def test_a_report_of_no_broker_fails_nothing(node, monkeypatch, started, answer, done, published):
    made = Down(answer)

    def participant_of(context, state_files):
        assert (context, state_files) == (node.context, node.state_files)
        return made

    monkeypatch.setattr(participants, "Participant", participant_of)
    node.state_files.write("published", {"report": "x"})
    if not started:
        node.state_files.forget("started")
    participants.report_down(node.context, node.state_files)
    assert made.done == done and node.state_files.has("published") is published


def test_a_layout_is_looked_for_once(node, monkeypatch):
    asked = []
    monkeypatch.setattr(participants, "find_layout", lambda context: (asked.append(context), node.layout)[1])
    fresh = Participant(node.context, node.state_files, node.published)
    assert fresh.layout == fresh.layout == node.layout and asked == [node.context]
    node.state_files.write("layout", encode_layout(node.layout._replace(log="/other")))
    assert Participant(node.context, node.state_files, node.published).layout.log == "/other" and len(asked) == 1
    assert str(NotNow("later")) == "later"
