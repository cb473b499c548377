# SPDX-License-Identifier: Apache-2.0
"""What a monitor answers for each thing that was observed, and what it does on the way; what observes is a stand-in."""

import pytest

from quorate.host import daemon
from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.pacemaker.tools import Unavailable
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import boot, launch, monitor, recovery, serving, silence, start
from quorate.rabbitmq.actions.participant import NotNow
from quorate.rabbitmq.broker import health
from quorate.rabbitmq.broker.layout import encode_layout
from quorate.rabbitmq.broker.log import ending
from quorate.rabbitmq.broker.observe import Observation
from tests.unit.rabbitmq.actions.nodes import Node


class Monitored(Node):
    """A node whose monitor finds what a test says; steps: (name, what was given) of what it calls, in order."""

    def __init__(self, tmp_path, monkeypatch):
        Node.__init__(self, tmp_path)
        self.fill()
        self.steps, self.answers = [], {}
        self.seen = Observation(facts.RUNNING, None, facts.Broker(), "It serves.", health.RUNNING)
        self.found = None
        self.context.is_probe, self.context.interactive = False, False
        monkeypatch.setattr(monitor, "StateFiles", self.instance_files)
        monkeypatch.setattr(monitor, "Participant", self.participant_of)
        monkeypatch.setattr(monitor, "find_layout", lambda context: self.step("find_layout", context, self.layout))
        monkeypatch.setattr(monitor.process, "find", self.find)
        monkeypatch.setattr(monitor.observe, "observe", self.observe)
        monkeypatch.setattr(monitor, "report_down", lambda *how: self.step("report_down", how, None))
        monkeypatch.setattr(ending, "died", lambda *how: self.step("died", how, "the cause"))
        for module, name in ((start, "adopt"), (start, "wait_until_serving"), (launch, "launch_as_decided"),
                             (boot, "step"), (boot, "launch_again"), (serving, "handle_serving"),
                             (recovery, "monitor_partitioned"),
                             (silence, "monitor_silent"), (recovery, "partitioned_by_files")):
            monkeypatch.setattr(module, name, self.stand_in(name))
        self.answers.update(handle_serving=Outcome(codes.SUCCESS), wait_until_serving=Outcome(codes.SUCCESS, "waited"))

    def step(self, name, given, answer):
        self.steps.append((name, given))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def stand_in(self, name):
        def called(*given, **named):
            default = given[1] if name == "partitioned_by_files" else None
            return self.step(name, given + tuple(sorted(named.items())), self.answers.get(name, default))
        return called

    def find(self, context, state_files, nodename):
        assert (context, state_files, nodename) == (self.context, self.state_files, "rabbit@n1")
        return self.found

    def observe(self, context, state_files, layout):
        assert (context, state_files, layout) == (self.context, self.state_files, self.layout)
        return self.seen

    def launched(self):
        """A broker that this agent launched."""
        self.state_files.write("layout", encode_layout(self.layout))
        process = self.context.processes.add("beam.smp -s rabbit boot", pid=400)
        self.state_files.write(daemon.PROCESS_FILE, {"pid": 400, "start": process.start, "session": 400})
        return self

    def died(self):
        self.launched().context.processes.remove(400)
        return self

    def sees(self, state, code=None):
        self.seen = Observation(state, None, facts.Broker(), "It is so.", code or health.UNKNOWN)
        return self

    def outcome(self):
        return monitor.monitor(self.context)

    def called(self, *but):
        return [name for name, _ in self.steps if name not in but]


@pytest.fixture
def node(tmp_path, monkeypatch):
    return Monitored(tmp_path, monkeypatch)


# -- a broker that runs

@pytest.mark.parametrize("state, code, outcome", [
    (facts.RUNNING, health.RUNNING, Outcome(codes.SUCCESS)),
    (facts.RUNNING, health.ALARM, Outcome(codes.DEGRADED, "It is so.")),
    (facts.DRAINING, health.DRAINING, Outcome(codes.DEGRADED, "It is so.")),
    (facts.DOWN, health.DOWN, Outcome(codes.NOT_RUNNING, "The broker died: the cause"))])
def test_the_outcome_of_a_state(node, state, code, outcome):
    assert node.launched().sees(state, code).outcome() == outcome
    assert ("died" in node.called()) is (state == facts.DOWN)
    assert [given for name, given in node.steps if name == "died"] in (
        [], [(node.context, node.state_files, node.layout)])


@pytest.mark.parametrize("served, outcome", [
    (Outcome(codes.ERR_GENERIC, "x"), Outcome(codes.ERR_GENERIC, "x")),
    (Outcome(codes.DEGRADED, "policy"), Outcome(codes.DEGRADED, "policy"))])
@pytest.mark.parametrize("state", [facts.RUNNING, facts.DRAINING])
def test_what_is_wrong_with_one_that_serves(node, served, outcome, state):
    node.answers["handle_serving"] = served
    wanted = outcome if state == facts.RUNNING or outcome.code == codes.ERR_GENERIC else Outcome(
        codes.DEGRADED, "It is so.")
    assert node.launched().sees(state, health.ALARM).outcome() == wanted
    assert [given for name, given in node.steps if name == "handle_serving"] == [(node.participant, node.seen)]


@pytest.mark.parametrize("state", [facts.PAUSED, facts.PARTITIONED])
def test_a_partition_is_recovery_s(node, state):
    node.answers["monitor_partitioned"] = Outcome(codes.DEGRADED, "recovery")
    assert node.launched().sees(state).outcome() == Outcome(codes.DEGRADED, "recovery")
    assert node.steps[-1] == ("monitor_partitioned", (node.participant, node.seen))
    assert "handle_serving" not in node.called()


def test_a_partition_that_only_its_files_show(node):
    by_files = Observation(facts.PARTITIONED, None, facts.Broker(), "By its files.", health.MINORITY)
    node.answers.update(partitioned_by_files=by_files, monitor_partitioned=Outcome(codes.DEGRADED, "recovery"))
    assert node.launched().outcome() == Outcome(codes.DEGRADED, "recovery")
    assert node.steps == [("partitioned_by_files", (node.participant, node.seen)),
                          ("monitor_partitioned", (node.participant, by_files))]


@pytest.mark.parametrize("state", [facts.STARTING, facts.WAITING])
def test_a_boot_is_boot_s_and_one_that_was_replaced_is_followed(node, state):
    node.answers["step"] = boot.Step(Outcome(codes.DEGRADED, "boots"))
    assert node.launched().sees(state).outcome() == Outcome(codes.DEGRADED, "boots")
    assert node.steps == [("step", (node.participant, node.seen))]
    node.answers["step"] = boot.Step(Outcome(codes.DEGRADED, "x"), "a process", "a decision")
    assert node.outcome() == Outcome(codes.SUCCESS, "waited")
    assert node.steps[-1] == (
        "wait_until_serving", (node.participant, "a process", "a decision", node.context.deadline.left() / 2))


def test_what_cannot_be_found_out_is_shown_when_it_lasts(node):
    node.launched().sees(facts.UNKNOWN)
    shown = Outcome(codes.DEGRADED, "It is so.")
    assert [node.outcome() for _ in range(4)] == [Outcome(codes.SUCCESS)] * 2 + [shown] * 2
    node.sees(facts.RUNNING, health.RUNNING).outcome()
    assert node.sees(facts.UNKNOWN).outcome() == Outcome(codes.SUCCESS), "it is counted anew"
    node.context.interactive = True
    assert node.outcome() == shown, "an operator sees it at once"


def test_a_broker_that_does_not_answer_is_silence_s(node):
    given = []
    node.answers["monitor_silent"] = Outcome(codes.DEGRADED, "silent")
    node.launched().sees(facts.HUNG)
    node.state_files.write("unknown", {"count": 2})
    node.state_files.write("silent", {"since": 1})
    assert node.outcome() == Outcome(codes.DEGRADED, "silent")
    name, (*given, answered) = node.steps[-1]
    assert name == "monitor_silent" and given == [node.context, node.state_files, node.layout, node.seen]
    assert node.state_files.has("silent") and not node.state_files.has("unknown")
    later = Observation(facts.DRAINING, None, facts.Broker(), "It drains.", health.DRAINING)
    assert answered(later) == Outcome(codes.DEGRADED, "It drains.") and node.state_files.has("silent")
    assert node.sees(facts.RUNNING, health.RUNNING).outcome() == Outcome(codes.SUCCESS)
    assert not node.state_files.has("silent"), "it answered in time"


@pytest.mark.parametrize("state, outcome", [
    (facts.RUNNING, Outcome(codes.SUCCESS)), (facts.STARTING, Outcome(codes.SUCCESS)),
    (facts.WAITING, Outcome(codes.SUCCESS)), (facts.PAUSED, Outcome(codes.DEGRADED, "It is so.")),
    (facts.DRAINING, Outcome(codes.DEGRADED, "It is so."))])
def test_a_cluster_that_does_not_answer_says_nothing_about_the_broker(node, state, outcome):
    for name in ("handle_serving", "step", "monitor_partitioned"):
        node.answers[name] = Unavailable("Pacemaker is away.")
    assert node.launched().sees(state).outcome() == outcome
    assert ("WARNING", "Pacemaker is away. The next monitor tries again.") in node.context.log.lines


@pytest.mark.parametrize("interactive, state, bounded", [
    (False, facts.RUNNING, True), (True, facts.RUNNING, False), (False, facts.DOWN, False)])
def test_what_it_prints_is_bounded(node, monkeypatch, interactive, state, bounded):
    asked = []
    monkeypatch.setattr(type(node.state_files), "bound", lambda _self, name: asked.append(name))
    node.context.interactive = interactive
    node.launched().sees(state).outcome()
    assert asked == (["output"] if bounded else [])
    assert "It is so. State: %s." % state in node.context.log.said


# -- no broker that this agent launched

def test_a_broker_that_somebody_else_started_is_taken_over(node):
    node.found = "a process"
    assert node.outcome() == Outcome(codes.SUCCESS)
    assert node.steps[:2] == [("find_layout", node.context),
                              ("adopt", (node.context, node.state_files, "a process", node.layout))]
    del node.steps[:]
    node.died()
    assert node.outcome() == Outcome(codes.SUCCESS)
    assert node.called()[0] == "adopt", "its layout is known"


@pytest.mark.parametrize("probe", [False, True])
def test_one_that_was_never_started(node, probe):
    node.context.is_probe = probe
    node.state_files.forget("started")
    assert node.outcome() == Outcome(codes.NOT_RUNNING)
    assert node.called() == ["find_layout"] + ["report_down"] * probe
    if probe:
        assert node.steps[-1] == ("report_down", (node.context, node.state_files))


@pytest.mark.parametrize("started, served, again", [
    (True, True, False), (True, False, True), (False, True, False), (False, False, False)])
def test_one_that_died(node, started, served, again):
    node.died()
    if not started:
        node.state_files.forget("started")
    if served:
        node.state_files.write("serving", {"mark": "x"})
    node.answers["launch_again"] = boot.Step(Outcome(codes.SUCCESS, "again"))
    assert node.outcome() == (Outcome(codes.SUCCESS, "again") if again else Outcome(
        codes.NOT_RUNNING, "The broker died: the cause"))
    assert node.called() == ["died", "launch_again" if again else "report_down"]
    assert node.steps[0][1] == (node.context, node.state_files, node.layout)
    assert node.steps[1][1] == ((node.participant, node.context.deadline.left()) if again else (
        node.context, node.state_files))
    assert ("ERROR", "The broker died: the cause") in node.context.log.lines


def test_a_probe_of_one_that_died_launches_nothing(node):
    node.died().context.is_probe = True
    assert node.outcome() == Outcome(codes.NOT_RUNNING)
    assert node.called() == ["report_down", "died", "report_down"]


@pytest.mark.parametrize("step, outcome", [
    (boot.Step(Outcome(codes.ERR_GENERIC, "never")), Outcome(codes.NOT_RUNNING, "never")),
    (boot.Step(Outcome(codes.DEGRADED, "later")), Outcome(codes.NOT_RUNNING, "later")),
    (Unavailable("Pacemaker is away."), Outcome(codes.SUCCESS))])
def test_a_broker_that_died_while_it_booted(node, step, outcome):
    node.answers["launch_again"] = step
    assert node.died().outcome() == outcome


# -- a started instance that waits

class Decided:
    """A Participant that decides what a test says."""

    def __init__(self, node, decision):
        self.context, self.state_files, self.published, self.decision = (
            node.context, node.state_files, node.published, decision)

    def decide_and_publish(self):
        if isinstance(self.decision, Exception):
            raise self.decision
        return self.decision


def deciding(node, decision):
    node.participant = Decided(node, decision)
    return node


@pytest.mark.parametrize("decision, outcome", [
    (facts.Decision(facts.WAIT, "x", ("n2", "n3"), True),
     Outcome(codes.DEGRADED, "Waits for n2, n3; an operator is needed: quorate explain test")),
    (facts.Decision(facts.REFUSE, "x", (), True),
     Outcome(codes.DEGRADED, "Waits for a decision; an operator is needed: quorate explain test")),
    (facts.Decision(facts.WAIT, "x", ("n2",)), Outcome(codes.SUCCESS)),
    (NotNow("n2 founds"), Outcome(codes.DEGRADED, "n2 founds")),
    (Unavailable("Pacemaker is away."), Outcome(codes.SUCCESS))])
def test_a_wait_that_lasts_is_shown(node, decision, outcome):
    deciding(node, decision)
    assert node.outcome() == Outcome(codes.SUCCESS)
    node.clock.sleep(19)
    assert node.outcome() == Outcome(codes.SUCCESS)
    node.clock.sleep(1)
    assert node.outcome() == outcome
    assert node.published.statuses == (["n2 founds"] * 3 if isinstance(decision, NotNow) else [])
    assert "wait_until_serving" not in node.called()


@pytest.mark.parametrize("action", [facts.START, facts.JOIN, facts.FOUND, facts.FORCE])
def test_what_may_be_launched_is_launched_and_awaited(node, action):
    decision = facts.Decision(action, "x")
    deciding(node, decision).answers["launch_as_decided"] = "a process"
    assert node.outcome() == Outcome(codes.SUCCESS, "waited")
    assert node.steps[-2:] == [
        ("launch_as_decided", (node.participant, decision)),
        ("wait_until_serving", (node.participant, "a process", decision, ("most", node.context.deadline.left() / 2)))]
    node.answers["launch_as_decided"] = NotNow("n2 was faster")
    assert node.outcome() == Outcome(codes.SUCCESS) and node.published.statuses == ["n2 was faster"]
