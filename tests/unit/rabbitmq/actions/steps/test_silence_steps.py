# SPDX-License-Identifier: Apache-2.0
"""Monitors of a broker that does not answer: one that is slow is left alone, one that hangs is restarted."""

import pytest

from quorate.host.clock import Deadline
from quorate.host.process import Process
from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import silence
from quorate.rabbitmq.broker import health
from quorate.rabbitmq.broker.observe import Observation
from tests.unit.rabbitmq.actions.nodes import Node

BROKER = Process(400, 1, 5, "S", ("beam.smp", "-s", "rabbit", "boot"))
SAID = ("RabbitMQ does not answer. The broker accepted a connection on port 5672 and did not answer for 3 s.")
HUNG = Observation(facts.HUNG, BROKER, facts.Broker(BROKER, True, False), SAID, health.HUNG)
SERVES = Observation(facts.RUNNING, BROKER, facts.Broker(BROKER, True, True), "It serves.", health.RUNNING)
SHOWN = Outcome(codes.DEGRADED, SAID + " Restarted if it is idle: top -p 400")
FAILED = Outcome(codes.ERR_GENERIC, SAID + " The broker is restarted.")
SLOW = Outcome(codes.DEGRADED, "RabbitMQ serves clients, and needs more than 3 s to answer: top -p 400")


class Silent(Node):
    """A broker that answers no ordinary question. patient: what the patient question gives; asked: how long it waits;
    states: of its threads; used: seconds of CPU, bytes of disk; handed: what answered() was given."""

    def __init__(self, tmp_path, monkeypatch):
        Node.__init__(self, tmp_path)
        self.patient, self.asked, self.states, self.handed, self.process = HUNG, [], b"S", [], BROKER
        self.outcome = Outcome(codes.SUCCESS)
        self.used = [10.0, 0]
        monkeypatch.setattr(silence.observe, "ask", self.ask)
        monkeypatch.setattr(silence.boot, "waits_for_machine", lambda process, states=b"DR": (
            process == self.process and any(one in states for one in self.states)))

    def ask(self, context, layout, process, seconds):
        assert (context, layout, process) == (self.context, self.layout, self.process)
        self.asked.append(round(seconds, 1))
        return self.patient

    def answered(self, observed):
        self.handed.append(observed)
        return self.outcome

    def monitor(self, after=10, cpu=0.0, disk=0, left=100):
        """The Outcome of a monitor with so much time left, so many seconds after the one before, in which the broker
        used so much."""
        if after:
            self.clock.sleep(after)
        self.context.deadline = Deadline(self.clock, left)
        self.used = [self.used[0] + cpu, self.used[1] + disk]
        self.context.processes.works[400] = tuple(self.used)
        return silence.monitor_silent(self.context, self.state_files, self.layout, HUNG._replace(process=self.process),
                                      self.answered)


@pytest.fixture
def node(tmp_path, monkeypatch):
    return Silent(tmp_path, monkeypatch)


def test_one_that_stands_still_is_restarted_by_the_second_monitor(node):
    assert [node.monitor(), node.monitor(cpu=0.3)] == [SHOWN, FAILED]
    assert node.asked == [15], "the second one asks with more patience"
    assert len(SHOWN.reason) <= 144 and len(FAILED.reason) <= 144


@pytest.mark.parametrize("work", [{"cpu": 0.6}, {"disk": 1 << 20}])
def test_one_that_works_is_slow(node, work):
    assert [node.monitor(**work) for _ in range(20)] == [SHOWN] * 20
    assert node.monitor() == FAILED, "until it does nothing for the time from one monitor to the next"


@pytest.mark.parametrize("states", [b"SD", b"SR"])
def test_one_that_waits_for_the_machine_is_slow(node, states):
    """It swaps, or gets no processor from a busy machine: then it uses nothing."""
    node.states = states
    assert [node.monitor() for _ in range(20)] == [SHOWN] * 20
    node.states = b"S"
    assert node.monitor() == FAILED


def test_one_that_answers_the_patient_question_is_slow(node):
    """It does nothing while it looks up a name (reverse_dns_lookups)."""
    node.monitor()
    node.patient = SERVES
    assert [node.monitor() for _ in range(80)] == [SLOW] * 80 and node.handed == [SERVES] * 80
    node.outcome = Outcome(codes.DEGRADED, "policy")
    assert node.monitor() == Outcome(codes.DEGRADED, "policy")
    node.patient, node.outcome = SERVES._replace(state=facts.STARTING), Outcome(codes.SUCCESS)
    assert node.monitor() == Outcome(codes.SUCCESS)
    node.patient = HUNG
    assert node.monitor() == FAILED


@pytest.mark.parametrize("states, last", [(b"SR", FAILED), (b"SD", SHOWN)])
def test_ten_minutes_without_any_answer_are_no_slowness(node, states, last):
    """But what waits for a disk is not helped by a restart, and does not end by SIGKILL."""
    node.states = states
    assert [node.monitor(cpu=9) for _ in range(60)] == [SHOWN] * 60
    assert node.monitor(cpu=9) == last


@pytest.mark.parametrize("letter", ["T", "t"])
def test_one_that_is_stopped_by_a_signal_is_not_slow(node, letter):
    node.process = BROKER._replace(state=letter)
    assert node.monitor() == FAILED and not node.asked and not node.state_files.has("silent")


def test_two_monitors_at_once_are_one(node):
    """Those of two levels, or of an operator."""
    assert [node.monitor(), node.monitor(1), node.monitor(3), node.monitor(1)] == [SHOWN] * 3 + [FAILED]


def test_another_process_is_looked_at_anew(node):
    node.monitor()
    node.process = BROKER._replace(start=6)
    assert [node.monitor(), node.monitor()] == [SHOWN, FAILED] and node.asked == [15]


def test_what_it_did_before_it_was_silent_does_not_count(node):
    """One that was silent and answered again is judged by what it does from now on."""
    node.monitor()
    node.state_files.forget("silent")
    node.clock.sleep(3600)
    assert node.monitor(cpu=20) == SHOWN
    assert node.monitor(cpu=0.6) == SHOWN and node.monitor() == FAILED


def test_what_cannot_be_looked_at_is_not_still(node):
    node.context.processes.work = lambda process: None
    assert [node.monitor() for _ in range(3)] == [SHOWN] * 3


@pytest.mark.parametrize("left, asked", [(100, [15]), (25, [12.5]), (6.5, [3.2]), (6, [])])
def test_how_much_patience_the_time_allows(node, left, asked):
    node.monitor()
    assert node.monitor(left=left) == FAILED and node.asked == asked
