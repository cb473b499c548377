# SPDX-License-Identifier: Apache-2.0
"""start, step by step: what it records, when it launches, how long it stays with a boot; the broker is a stand-in."""

from types import SimpleNamespace

import pytest

from quorate.host import daemon
from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.pacemaker.tools import Unavailable
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import boot, start
from quorate.rabbitmq.actions.participant import NotNow
from quorate.rabbitmq.broker.layout import decode_layout
from tests.unit.rabbitmq.actions.nodes import Node, other

WAIT = facts.Decision(facts.WAIT, "x", ("n2",))
GO = facts.Decision(facts.START, "go")


class Started(Node):
    """A node that is started. decisions: (seconds, Decision): what is decided from then on; launches: what each launch
    gives; calls: (name, seconds, what was given)."""

    def __init__(self, tmp_path, monkeypatch, reports=()):
        Node.__init__(self, tmp_path, reports)
        self.fill()
        self.monkeypatch, self.calls, self.problems, self.running = monkeypatch, [], [], None
        self.decisions, self.launches, self.changed, self.starting = [(0, GO)], ["a process"], True, False
        monkeypatch.setattr(start, "StateFiles", self.instance_files)
        monkeypatch.setattr(start, "find_layout", lambda context: self.here(context) and self.layout)
        monkeypatch.setattr(start, "layout_problems", lambda layout: layout == self.layout and self.problems)
        monkeypatch.setattr(start.process, "find", self.find)
        monkeypatch.setattr(start, "launch_as_decided", self.launch)
        monkeypatch.setattr(self.participant, "decide_and_publish", self.decide, raising=False)
        monkeypatch.setattr(self.participant, "reports_changed", lambda: self.changed)
        monkeypatch.setattr(self.participant, "any_starting",
                            lambda nodes: self.add("any_starting", nodes) or self.starting)

    def here(self, context):
        assert context is self.context
        return True

    def add(self, name, *given):
        self.calls.append((name, round(self.clock.elapsed, 2), *given))

    def instance_files(self, *words, log):
        assert words == ("rabbitmq", self.context.instance) and log is self.context.log
        return self.state_files

    def find(self, context, state_files, nodename):
        assert self.here(context) and state_files is self.state_files and nodename == "rabbit@n1"
        return self.running

    def decide(self):
        self.add("decide")
        return [decision for at, decision in self.decisions if at <= self.clock.elapsed][-1]

    def launch(self, participant, decision):
        assert participant is self.participant
        self.add("launch", decision)
        answer = self.launches.pop(0) if len(self.launches) > 1 else self.launches[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def whole(self):
        """start() with a wait that is only recorded."""
        def participant_of(context, state_files, layout):
            assert self.here(context) and state_files is self.state_files and layout == self.layout
            return self.participant

        def waited(participant, running, decision, most):
            self.add("wait", participant, running, decision, most)
            if isinstance(self.waited, Exception):
                raise self.waited
            return self.waited

        self.waited = Outcome(codes.SUCCESS, "waited")
        self.monkeypatch.setattr(start, "Participant", participant_of)
        self.monkeypatch.setattr(start, "wait_until_serving", waited)
        return self

    def at(self, name):
        return [call[1] for call in self.calls if call[0] == name]


@pytest.fixture
def node(tmp_path, monkeypatch):
    return Started(tmp_path, monkeypatch)


# -- the whole of it

def test_what_start_records_and_how_long_it_may_wait(node):
    node.whole()
    for name in ("policy", "complaint", "waiting", "unknown", "cut-off") + boot.FILES:
        node.state_files.write(name, {"x": 1})
    node.state_files.forget("started")
    assert start.start(node.context) == Outcome(codes.SUCCESS, "waited")
    assert decode_layout(node.state_files.read("layout")) == node.layout
    assert node.state_files.read("started") == {"at": str(int(node.clock.now()))}
    assert not [name for name in ("policy", "complaint", "waiting", "unknown", "cut-off") + boot.FILES
                if node.state_files.has(name)]
    assert node.calls == [("decide", 0), ("launch", 0, GO), ("wait", 0, node.participant, "a process", GO, 94.0)]


@pytest.mark.parametrize("left, most", [(8.0, 2.0), (6.5, 1.0), (0.5, 1.0)])
def test_what_is_left_of_its_time(node, left, most):
    node.whole().clock.sleep(100 - left)
    start.start(node.context)
    assert node.calls[-1][-1] == pytest.approx(most)


def test_a_running_broker_is_taken_over(node):
    node.whole().running = node.context.processes.add("beam.smp -s rabbit boot", pid=400)
    assert start.start(node.context) == Outcome(codes.SUCCESS, "waited")
    assert node.calls == [("wait", 0, node.participant, node.running, facts.Decision(
        facts.START, "It runs already."), start.RESERVE)]
    assert node.state_files.read(daemon.PROCESS_FILE)["pid"] == "400"


def test_what_is_wrong_on_this_machine(node):
    node.problems = ["first", "second"]
    assert start.start(node.context) == Outcome(codes.ERR_INSTALLED, "first")


@pytest.mark.parametrize("name", ["layout", "started"])
def test_nothing_is_started_that_cannot_be_recorded(node, monkeypatch, name):
    written = type(node.state_files).write

    def write(self, which, values, persistent=False, required=False):
        if which == name:
            assert required is True
            raise OSError(28, "No space left on device")
        written(self, which, values, persistent, required)

    monkeypatch.setattr(type(node.state_files), "write", write)
    outcome = start.start(node.context)
    assert outcome.code == codes.ERR_GENERIC and "No space left on device; see: df %s" % node.state_files.run in (
        outcome.reason) and node.calls == []


def test_a_node_that_only_waits_is_started(node):
    node.whole().decisions = [(0, facts.Decision(facts.REFUSE, "x"))]
    assert start.start(node.context) == Outcome(codes.SUCCESS) and node.at("wait") == node.at("launch") == []


def test_a_cluster_that_does_not_answer_fails_no_start(node):
    node.whole().waited = Unavailable("Pacemaker is away.")
    assert start.start(node.context) == Outcome(codes.SUCCESS)
    assert ("WARNING", "Pacemaker is away. The next monitor tries again.") in node.context.log.lines


def test_taking_over(node):
    node.state_files.write("serving", {"mark": "x"})
    one = node.context.processes.add("beam.smp -s rabbit boot", pid=400)
    start.adopt(node.context, node.state_files, one, node.layout._replace(log=None))
    recorded = node.state_files.read(daemon.PROCESS_FILE)
    assert (recorded["pid"], recorded["log"]) == ("400", "") and not node.state_files.has("serving")
    assert decode_layout(node.state_files.read("layout")).log is None
    node.state_files.write("serving", {"mark": "x"})
    node.state_files.forget("layout")
    start.adopt(node.context, node.state_files, one, node.layout)
    assert node.state_files.has("serving") and not node.state_files.has("layout"), "it is known already"
    two = node.context.processes.add("beam.smp -s rabbit boot", pid=401)
    node.context.processes.remove(400)
    start.adopt(node.context, node.state_files, two, node.layout)
    assert node.state_files.read(daemon.PROCESS_FILE)["log"] == node.layout.log


# -- until it may launch

def test_what_is_launched_at_once(node):
    assert start._decide_and_launch(node.participant) == [GO, "a process"]
    assert node.calls == [("decide", 0), ("launch", 0, GO)]


def test_it_waits_a_little_for_others_that_have_not_begun(node):
    node.decisions = [(0, WAIT)]
    assert start._decide_and_launch(node.participant) == [WAIT, None]
    assert start.START_PATIENCE - 0.1 < node.clock.elapsed < start.START_PATIENCE + 0.4
    assert node.calls[-1] == ("any_starting", pytest.approx(3.0, abs=0.4), ("n2",))


def test_it_waits_longer_for_others_that_boot(node):
    node.decisions, node.starting = [(0, WAIT), (30, GO)], True
    assert start._decide_and_launch(node.participant) == [GO, "a process"]
    assert 30 <= node.clock.elapsed < 30.4
    node.clock.sleep(100 - 30 - 10)
    node.decisions = [(0, WAIT)]
    began = node.clock.elapsed
    assert start._decide_and_launch(node.participant) == [WAIT, None]
    assert node.clock.elapsed - began == pytest.approx((100 - began) * 2 / 3, abs=0.7)


def test_what_only_an_operator_ends_is_not_awaited(node):
    urgent = WAIT._replace(urgent=True)
    node.decisions, node.starting = [(0, urgent)], True
    assert start._decide_and_launch(node.participant) == [urgent, None] and node.clock.elapsed < 3.4
    node.decisions = [(0, facts.Decision(facts.REFUSE, "x"))]
    began = node.clock.elapsed
    assert start._decide_and_launch(node.participant)[1] is None and node.clock.elapsed == began


def test_it_decides_again_when_something_changed(node):
    node.decisions, node.changed = [(0, WAIT)], False
    start._decide_and_launch(node.participant)
    assert len(node.at("decide")) == 1
    node.changed = True
    start._decide_and_launch(node.participant)
    assert len(node.at("decide")) > 8


def test_a_launch_that_was_put_off_is_tried_again_ever_later(node):
    node.launches, node.changed = [NotNow("n2 founds")] * 7 + ["a process"], False
    assert start._decide_and_launch(node.participant) == [GO, "a process"]
    tries = node.at("launch")
    pauses = [after - before for before, after in zip(tries, tries[1:])]
    for pause, wanted in zip(pauses, (0.5, 1, 2, 4, 4, 4, 4)):
        assert wanted <= pause < wanted + 0.31
    assert node.published.statuses == ["n2 founds"] * 7 and len(node.at("decide")) == 8
    assert ("INFO", "n2 founds") in node.context.log.lines


# -- with the boot

class Booting(Started):
    """A node whose broker boots: state(seconds) is what is observed, step(seconds) what boot.step gives."""

    def __init__(self, tmp_path, monkeypatch, reports=()):
        Started.__init__(self, tmp_path, monkeypatch, reports)
        self.process = self.context.processes.add("beam.smp -s rabbit boot", pid=400)
        self.state, self.made, self.again = lambda now: facts.STARTING, lambda now: boot.Step(
            Outcome(codes.DEGRADED, "boots")), boot.Step(Outcome(codes.ERR_GENERIC, "never"))
        self.served = Outcome(codes.DEGRADED, "served")
        self.needs, self.missing = False, ()
        monkeypatch.setattr(start.observe, "observe", self.observe)
        monkeypatch.setattr(start.boot, "step", self.step)
        monkeypatch.setattr(start.boot, "launch_again", self.launch_again)
        monkeypatch.setattr(start, "handle_serving", self.handle_serving)
        monkeypatch.setattr(start, "_needs_others", lambda participant: self.add("needs") or self.needs)
        monkeypatch.setattr(start, "decide_waiting", lambda snapshot: SimpleNamespace(missing=self.missing))

    def observe(self, context, state_files, layout):
        assert self.here(context) and state_files is self.state_files and layout == self.layout
        self.add("observe")
        return SimpleNamespace(state=self.state(self.clock.elapsed), sentence="So.")

    def step(self, participant, observed):
        assert participant is self.participant and observed.sentence == "So."
        self.add("step", observed.state)
        return self.made(self.clock.elapsed)

    def launch_again(self, participant, seconds):
        assert participant is self.participant
        self.add("again", seconds)
        return self.again

    def handle_serving(self, participant, observed):
        assert participant is self.participant
        self.add("serving", observed.state)
        return self.served

    def wait(self, most=50, decision=GO):
        began = self.clock.elapsed
        outcome = start.wait_until_serving(self.participant, self.process, decision, most)
        return outcome, round(self.clock.elapsed - began, 2)


@pytest.fixture
def booting(tmp_path, monkeypatch):
    return Booting(tmp_path, monkeypatch)


@pytest.mark.parametrize("state", sorted(facts.BOOTED))
def test_one_that_serves_is_done(booting, state):
    booting.state = lambda now: state if now >= 4 else facts.STARTING
    assert booting.wait() == (booting.served, pytest.approx(4.0, abs=0.25))
    assert booting.calls[-1][2] == state and "So. State: %s." % state in booting.context.log.said
    booting.state_files.write("apart", {"process": "x"})
    assert booting.wait() == (Outcome(codes.SUCCESS), 0), "the next monitor says it"


def test_a_boot_is_looked_at_often_and_the_cluster_is_asked_rarely(booting):
    outcome, took = booting.wait(10)
    assert outcome == Outcome(codes.SUCCESS) and took == pytest.approx(10, abs=0.25)
    assert len(booting.at("observe")) == 51 and booting.at("step") == pytest.approx([0, 3, 6, 9], abs=0.3)
    booting.calls.clear()
    booting.state = lambda now: facts.STARTING if int(now) % 2 else facts.HUNG
    booting.wait(5)
    assert len(booting.at("step")) >= 5, "each change is looked at"


@pytest.mark.parametrize("action, needs, most, took", [
    (facts.START, True, 50, 3), (facts.START, False, 9, 9), (facts.FORCE, True, 9, 9)])
def test_a_boot_that_will_wait_for_others_is_not_awaited(booting, action, needs, most, took):
    booting.needs, booting.missing = needs, ("n2",)
    assert booting.wait(most, facts.Decision(action, "x")) == (Outcome(codes.SUCCESS), pytest.approx(took, abs=0.4))
    assert (min(booting.at("needs"), default=99) >= 3) or action != facts.START


@pytest.mark.parametrize("missing, took", [(("n2",), 5 + start.START_PATIENCE), ((), 5 + start.BOOT_PATIENCE)])
def test_how_long_it_stays_with_one_that_waits(booting, missing, took):
    booting.state, booting.missing = lambda now: facts.WAITING if now >= 5 else facts.STARTING, missing
    outcome, seconds = booting.wait(90)
    assert outcome == Outcome(codes.SUCCESS) and took <= seconds < took + 1.3
    late = [at for at in booting.at("observe") if at > 5.5]
    assert all(0.99 <= after - before <= 1.01 for before, after in zip(late, late[1:])), "and looks once a second"


def test_one_that_was_replaced_is_followed_from_its_beginning(booting):
    other_process = booting.context.processes.add("beam.smp -s rabbit boot", pid=401)
    booting.state = lambda now: facts.WAITING if now < 2 else facts.STARTING if now < 30 else facts.RUNNING

    def made(now):
        if now < 2:
            booting.clock.sleep(2)
            booting.context.processes.remove(400)
            return boot.Step(Outcome(codes.SUCCESS), other_process, GO)
        return boot.Step(Outcome(codes.SUCCESS))

    booting.made = made
    assert booting.wait(90) == (booting.served, pytest.approx(30, abs=0.3)), "it waits for nobody any more"
    assert booting.at("again") == []


def test_one_that_ended_is_launched_again(booting):
    booting.context.processes.remove(400)
    assert booting.wait(20) == (Outcome(codes.ERR_GENERIC, "never"), 0)
    assert booting.calls == [("again", 0, 20)]
    new = booting.context.processes.add("beam.smp -s rabbit boot", pid=401)
    booting.again = boot.Step(Outcome(codes.SUCCESS), new)
    booting.state = lambda now: facts.RUNNING
    assert booting.wait(20)[0] == booting.served
    gone = Booting.wait
    booting.state = lambda now: facts.STARTING
    booting.process = booting.context.processes.add("beam.smp -s rabbit boot", pid=402)
    booting.again = boot.Step(Outcome(codes.SUCCESS, "later"))
    booting.clock.at(booting.clock.elapsed + 5, lambda: booting.context.processes.remove(402))
    assert gone(booting, 20)[0] == Outcome(codes.SUCCESS, "later")
    assert booting.calls[-1][2] == pytest.approx(15, abs=0.3), "what is left of its time"


# -- whether others are needed

@pytest.mark.parametrize("store, members, others, running, needs", [
    (facts.KHEPRI, ("n1", "n2", "n3"), (facts.DOWN, facts.DOWN), ("n1",), True),
    (facts.KHEPRI, ("n1", "n2", "n3"), (facts.STARTING, facts.DOWN), ("n1",), False),
    (facts.KHEPRI, ("n1", "n2"), (facts.DOWN,), ("n1",), True), (facts.KHEPRI, None, (facts.DOWN,), ("n1",), False),
    (facts.MNESIA, ("n1", "n2"), (facts.DOWN,), None, False),
    (facts.MNESIA, ("n1", "n2"), (facts.DOWN,), ("n1",), False),
    (facts.MNESIA, ("n1", "n2"), (facts.DOWN,), ("n1", "n2"), True),
    (facts.MNESIA, ("n1", "n2"), (facts.STARTING,), ("n1", "n2"), False)])
def test_whether_a_boot_needs_others(tmp_path, store, members, others, running, needs):
    def names(nodes):
        return None if nodes is None else frozenset("rabbit@" + one for one in nodes)

    reports = [other("n%d" % (place + 2), state, members=names(members)) for place, state in enumerate(others)]
    node = Node(tmp_path, reports)
    assert start._needs_others(node.participant) is False, "it has not reported"
    node.published.own = other("n1", facts.STARTING, store=store, members=names(members), running=names(running))
    assert start._needs_others(node.participant) is needs
