# SPDX-License-Identifier: Apache-2.0
"""What a planned stop does before it stops the broker, for how long, and what it leaves; the broker is a stand-in."""

from types import SimpleNamespace

import pytest

from quorate.host.process import Process
from quorate.ocf import codes
from quorate.ocf.codes import Failed, Outcome
from quorate.pacemaker.tools import Unavailable
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import silence, stop
from quorate.rabbitmq.broker.layout import encode_layout
from tests.unit.rabbitmq.actions.nodes import Node, other

BROKER = Process(400, 1, 5, "S", ("beam.smp", "-s", "rabbit", "boot"))


class Stopped(Node):
    """A node that is stopped; steps: what was done, in order. critical: what the broker's own tool says, one answer
    after the other; left: what survives."""

    def __init__(self, tmp_path, monkeypatch, reports=(), **parameters):
        Node.__init__(self, tmp_path, reports, parameters=parameters)
        self.fill()
        self.steps, self.critical, self.left, self.drained = [], [False], [], (True, "")
        self.running, self.state, self.stage = BROKER, facts.RUNNING, None
        self.busy = 0.0  # processors that it uses
        self.state_files.write("layout", encode_layout(self.layout))
        monkeypatch.setattr(stop, "StateFiles", self.instance_files)
        monkeypatch.setattr(stop, "Participant", self.participant_of)
        monkeypatch.setattr(stop, "Tools", self.tools)
        monkeypatch.setattr(stop, "report_down", lambda *how: self.add("report_down", *how))
        monkeypatch.setattr(stop.process, "find", self.find)
        monkeypatch.setattr(stop.process, "stop", self.stopped)
        monkeypatch.setattr(stop.observe, "observe", self.observe)
        monkeypatch.setattr("quorate.rabbitmq.actions.boot.waits_for_machine", lambda one: False)
        self.context.processes.works[400] = (10.0, 0)
        monkeypatch.setattr(stop.drain, "set", lambda *how: self.add("set", *how))
        monkeypatch.setattr(stop.drain, "clear", lambda *how: self.add("clear", *how))

    def add(self, *step):
        self.steps.append(step)

    def names(self):
        return [one[0] for one in self.steps]

    def tools(self, context, layout):
        assert (context, layout) == (self.context, self.layout)
        return SimpleNamespace(critical=self.is_critical, drain=self.drain)

    def is_critical(self):
        self.add("critical")
        answer = self.critical.pop(0) if len(self.critical) > 1 else self.critical[0]
        return answer

    def drain(self, limit):
        self.add("drain", limit)
        return self.drained

    def find(self, context, state_files, nodename):
        assert (context, state_files) == (self.context, self.state_files)
        if isinstance(self.running, Exception):
            raise self.running
        self.add("find", nodename)
        return self.running

    def observe(self, context, state_files, layout):
        assert (context, state_files, layout) == (self.context, self.state_files, self.layout)
        self.add("observe")
        if self.state == facts.HUNG:
            self.clock.sleep(6)
            self.context.processes.works[400] = (10.0 + 6 * self.busy, 0)
        return SimpleNamespace(state=self.state, process=BROKER, broker=facts.Broker(BROKER, stage=self.stage))

    def stopped(self, context, state_files, nodename, budget, skip_grace):
        assert (context, state_files) == (self.context, self.state_files)
        self.add("stop", nodename, round(budget, 3), skip_grace)
        return self.left

    def spend(self, seconds):
        """So much of the action's time is over."""
        if seconds:
            self.clock.sleep(seconds)

    def stop(self):
        return stop.stop(self.context)


RUN = [other("n2", facts.RUNNING), other("n3", facts.RUNNING)]


@pytest.fixture
def stopping(tmp_path, monkeypatch):
    return lambda reports=RUN, **parameters: Stopped(tmp_path, monkeypatch, reports, **parameters)


def test_a_stop_beside_two_others(stopping):
    node = stopping(drain_timeout=9)
    assert node.stop() == Outcome(codes.SUCCESS)
    assert node.steps == [
        ("find", "rabbit@n1"), ("observe",), ("critical",), ("set", "test", "planned stop of test", stop.DRAIN),
        ("drain", 9), ("stop", "rabbit@n1", 98.0, False), ("clear", "test", stop.DRAIN),
        ("report_down", node.context, node.state_files)]
    assert node.published.own.state == facts.STOPPING and node.published.statuses == []
    assert "Drained." in node.context.log.said


@pytest.mark.parametrize("parameter, left, limit", [
    (60, 100, 25.0), (9, 100, 9), (9, 20, 5.0), (0, 100, None), (9, 3.9, None)])
def test_how_long_it_drains(stopping, parameter, left, limit):
    node = stopping(drain_timeout=parameter)
    node.spend(100 - left)
    node.stop()
    assert [one[1:] for one in node.steps if one[0] == "drain"] == ([] if limit is None else [(pytest.approx(limit),)])
    assert ("set" in node.names()) is (limit is not None)


def test_one_that_is_not_drained_is_stopped(stopping):
    node = stopping()
    node.drained = False, "Not drained: the cause"
    assert node.stop() == Outcome(codes.SUCCESS) and "Not drained: the cause" in node.context.log.said


@pytest.mark.parametrize("left, budget", [(100, 98.0), (3.0, 2.0), (0.0, 2.0)])
def test_how_long_the_broker_has(stopping, left, budget):
    node = stopping()
    node.spend(100 - left)
    node.stop()
    assert [one[2] for one in node.steps if one[0] == "stop"] == [budget]


@pytest.mark.parametrize("state, stage, hurried", [
    (facts.STARTING, facts.STARTING, True), (facts.STARTING, None, True), (facts.WAITING, facts.WAITING, True),
    (facts.WAITING, None, True), (facts.HUNG, None, True), (facts.PAUSED, facts.PAUSED, False),
    (facts.PARTITIONED, None, False), (facts.DOWN, None, False), (facts.STARTING, facts.STOPPED_APP, False)])
def test_one_that_does_not_serve_needs_no_preparation(stopping, state, stage, hurried):
    node = stopping()
    node.state, node.stage = state, stage
    assert node.stop() == Outcome(codes.SUCCESS)
    assert node.names() == ["find", "observe", "stop", "clear", "report_down"] and node.steps[2][3] is hurried


@pytest.mark.parametrize("state, stage, busy", [
    (facts.STARTING, facts.RUNNING, 0), (facts.STARTING, None, 0), (facts.DRAINING, facts.DRAINING, 0),
    (facts.UNKNOWN, None, 0), (facts.HUNG, None, 0.06)])
def test_one_that_may_serve_has_its_time(stopping, state, stage, busy):
    """Only MQTT or stream listeners, suspend_listeners, maintenance, no file left, answers that take long: it has members
    of quorum queues, and writes when it ends."""
    node = stopping()
    node.state, node.stage, node.busy = state, stage, busy
    node.state_files.write("serving", {"mark": "x"})
    assert node.stop() == Outcome(codes.SUCCESS)
    assert node.names() == ["find", "observe", "critical", "set", "drain", "stop", "clear", "report_down"]
    assert node.steps[-3][3] is False, "SIGKILL comes when most of the time is over"


@pytest.mark.parametrize("known, hurried", [(True, True), (False, False)])
def test_what_a_monitor_saw_of_a_silent_broker_counts_for_its_stop(stopping, monkeypatch, known, hurried):
    """The two questions of a stop may take less time than it needs to tell."""
    node = stopping()
    node.state = facts.HUNG
    monkeypatch.setattr(silence, "STILL_FOR", 20)
    silence.look(node.context, node.state_files, BROKER)
    if known:
        node.state_files.elapsed("silent", node.clock, process="400.5")
    node.clock.sleep(15)
    node.stop()
    assert [one[3] for one in node.steps if one[0] == "stop"] == [hurried]


@pytest.mark.parametrize("letter", ["T", "t"])
def test_a_frozen_one_is_asked_nothing(stopping, letter):
    node = stopping()
    node.running = BROKER._replace(state=letter)
    assert stop.prepare_others(node.context, node.state_files, "rabbit@n1") is True
    assert node.names() == ["find"]


def test_where_none_runs(stopping):
    node = stopping()
    node.running = None
    assert stop.prepare_others(node.context, node.state_files, "rabbit@n1") is False
    assert node.stop() == Outcome(codes.SUCCESS) and node.steps[-3] == ("stop", "rabbit@n1", 98.0, False)


def test_whatever_fails_before_it_stops(stopping):
    node = stopping()
    node.running = OSError("no /proc")
    assert stop.prepare_others(node.context, node.state_files, "rabbit@n1") is False
    assert node.stop() == Outcome(codes.SUCCESS)
    assert ("WARNING", "Not drained: no /proc") in node.context.log.lines
    node = stopping()
    node.published.snapshot = lambda: (_ for _ in ()).throw(Unavailable("away"))
    assert stop.prepare_others(node.context, node.state_files, "rabbit@n1") is False


def test_one_that_is_not_the_cluster_costs_nobody_a_quorum(stopping):
    node = stopping()
    node.state_files.write("apart", {"process": "400 5"})
    node.stop()
    assert node.names() == ["find", "observe", "stop", "clear", "report_down"] and node.published.own is None
    assert not node.state_files.has("apart")


@pytest.mark.parametrize("served", [True, False])
def test_what_the_cluster_has_forgotten_since_is_recorded(stopping, served):
    node = stopping()
    node.participant.disk.keep_served()
    node.fill(members="rabbit@n1,rabbit@n2")
    if served:
        node.state_files.write("serving", {"mark": "x"})
    node.stop()
    assert (node.participant.disk.forgotten() == {"rabbit@n3"}) is served


# -- a stop that costs a quorum

def test_the_last_one_waits_for_nobody_and_drains_nothing(stopping):
    node = stopping([other("n2", facts.DOWN), other("n3", facts.STOPPING)])
    node.stop()
    assert node.names() == ["find", "observe", "stop", "clear", "report_down"]


@pytest.mark.parametrize("critical", [True, [True, None, False]])
def test_by_the_reports_or_by_the_broker_s_own_word_a_stop_waits(stopping, critical):
    node = stopping(RUN if critical is not True else [other("n2", facts.RUNNING), other("n3", facts.DOWN)])
    if critical is True:
        node.clock.at(5, lambda: node.published.others.update(n3=other("n3", facts.RUNNING)))
    else:
        node.critical = critical
    assert node.stop() == Outcome(codes.SUCCESS)
    assert "drain" in node.names()
    assert 4 <= node.clock.elapsed < 7 if critical is True else node.clock.elapsed < 2
    assert node.published.statuses == ["delays its stop until others are back: quorum queues would lose their quorum"]
    assert not [line for level, line in node.context.log.lines if level == "WARNING"]


@pytest.mark.parametrize("parameter, left, waited", [(20, 100, 20), (600, 100, 50), (600, 40, 20)])
def test_it_waits_within_limits(stopping, parameter, left, waited):
    node = stopping([other("n2", facts.RUNNING), other("n3", facts.DOWN)], quorum_wait=parameter)
    node.spend(100 - left)
    node.stop()
    assert waited <= node.clock.elapsed - (100 - left) < waited + 2 and "drain" in node.names()
    assert node.context.log.lines[-1] == ("WARNING", "Stopped although quorum queues lose their quorum: the other "
                                          "nodes did not come back within %d s." % waited)


def test_the_broker_s_own_word_is_asked_while_it_waits(stopping):
    node = stopping(quorum_wait=10)
    node.critical = [True]
    node.stop()
    assert 10 <= node.clock.elapsed < 12 and node.names().count("critical") > 9


def test_all_others_stop_while_it_waits(stopping):
    node = stopping([other("n2", facts.RUNNING), other("n3", facts.DOWN)])
    node.clock.at(5, lambda: node.published.others.update(n2=other("n2", facts.STOPPING)))
    node.stop()
    assert node.clock.elapsed < 7 and "drain" not in node.names() and "set" not in node.names()


# -- what is left

FORGOTTEN = ("server", "started", "waiting", "unknown", "serving", "complaint", "policy", "launched-for", "cut-off",
             "growing", "idle", "quiet", "forced", "crashed", "beside", "apart", "divided", "silent", "still")


@pytest.mark.parametrize("left", [[], [BROKER]])
def test_state_files_go_with_the_broker(stopping, left):
    node = stopping()
    for name in FORGOTTEN:
        node.state_files.write(name, {"x": 1})
    node.left = left
    outcome = node.stop()
    assert [name for name in FORGOTTEN if node.state_files.has(name)] == (list(FORGOTTEN) if left else [])
    assert node.state_files.has("layout"), "a probe finds it faster"
    assert ("report_down" in node.names()) is (not left) and "clear" in node.names()
    assert outcome.code == (codes.ERR_GENERIC if left else codes.SUCCESS)
    assert not left or "pid 400" in outcome.reason


def test_the_name_of_what_is_stopped(stopping, monkeypatch):
    node = stopping()
    assert stop.known_nodename(node.context, node.state_files) == "rabbit@n1"
    node.state_files.forget("layout")
    monkeypatch.setattr(stop.layout, "find_layout", 
                        lambda context: context is node.context and node.layout._replace(nodename="found@n1"))
    assert stop.known_nodename(node.context, node.state_files) == "found@n1"

    def fails(_context):
        raise Failed(codes.ERR_ARGS, "line 7")

    monkeypatch.setattr(stop.layout, "find_layout", fails)
    monkeypatch.setattr(stop.layout, "nodename", lambda name, env: (name, env))
    assert stop.known_nodename(node.context, node.state_files) == ("rabbit", {})
    named = stopping(nodename="bunny@n1")
    named.state_files.forget("layout")
    assert stop.known_nodename(named.context, named.state_files) == ("bunny@n1", {})


def test_without_a_layout_on_record_it_is_found(stopping, monkeypatch):
    node = stopping()
    node.state_files.forget("layout")
    monkeypatch.setattr(stop.layout, "find_layout", lambda context: node.layout)
    assert stop.prepare_others(node.context, node.state_files, "rabbit@n1") is False and "drain" in node.names()
