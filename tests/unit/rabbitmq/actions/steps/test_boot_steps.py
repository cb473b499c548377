# SPDX-License-Identifier: Apache-2.0
"""One look at a broker that boots, and the launch of one that ended: each boundary and each sentence, on stand-ins."""

from time import localtime, strftime
from types import SimpleNamespace

import pytest

from quorate.host import daemon
from quorate.host.process import Process
from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import boot
from quorate.rabbitmq.actions.boot import STALLED_AFTER, URGENT_AFTER, Step
from quorate.rabbitmq.actions.participant import NotNow
from quorate.rabbitmq.broker.log import ending
from quorate.rabbitmq.broker.observe import Observation
from tests.unit.rabbitmq.actions.nodes import Node, other

BROKER = Process(400, 1, 5, "S", ("beam.smp", "-s", "rabbit", "boot"))
PLAIN = facts.Decision(facts.WAIT, "Waits for n2.", ("n2",), True, "type this")
CALM = facts.Decision(facts.WAIT, "All boot.")
FORCE = facts.Decision(facts.FORCE, "proven", ("n2",))


class Booting(Node):
    """A node whose broker boots; idle, quiet, waited: seconds; decision: of decide_waiting; forced: what
    force_boot_if_proven gives."""

    def __init__(self, tmp_path, monkeypatch, reports=(), **more):
        Node.__init__(self, tmp_path, reports, **more)
        self.fill()
        self.idle = self.quiet = self.waited = 0
        self.decision, self.forced, self.disk_waits, self.asked = CALM, None, False, []
        monkeypatch.setattr(boot, "standstill", self.standstill)
        monkeypatch.setattr(boot, "decide_waiting", lambda snapshot: self.decision)
        monkeypatch.setattr(boot, "force_boot_if_proven", lambda participant: self.asked.append("force") or self.forced)
        monkeypatch.setattr(boot, "waits_for_machine", lambda one: self.disk_waits)

    def standstill(self, context, state_files, name, running, log=None):
        assert (context, state_files, running) == (self.context, self.state_files, BROKER)
        assert log == (self.participant.layout.log_file(state_files.path("output")) if name == "idle" else None)
        return {"idle": self.idle, "quiet": self.quiet}[name]

    def look(self, state=facts.STARTING, **how):
        """The Step of one look at the broker."""
        for name, value in how.items():
            setattr(self, name, value)
        if self.waited:
            self.state_files.write("waiting", {"since": int(self.clock.monotonic()) - self.waited})
        stage = {"up": facts.RUNNING, "failed": facts.FAILED_APP}.get(state)
        state = facts.STARTING if stage else state
        broker = facts.Broker(BROKER, False, stage=stage)
        return boot.step(self.participant, Observation(state, BROKER, broker, "It boots."))

    def was_forced(self):
        self.state_files.write("forced", {"process": "400.5"})
        return self


@pytest.fixture
def node(tmp_path, monkeypatch):
    return lambda *reports, **more: Booting(tmp_path, monkeypatch, reports, **more)


def test_what_is_published_of_a_boot(node):
    one = node()
    one.state_files.write("waiting", {"since": 0})
    assert one.look() == Step(Outcome(codes.SUCCESS), None, CALM)
    assert one.published.own.state == facts.STARTING and one.published.statuses == ["starts"]
    assert not one.state_files.has("waiting")
    assert one.look(facts.WAITING) == Step(Outcome(codes.SUCCESS), None, CALM)
    assert one.published.own.state == facts.WAITING and one.published.statuses[-1] == "All boot."
    assert one.state_files.has("waiting")


NEEDED = Outcome(codes.DEGRADED, "Waits for n2; an operator is needed: quorate explain test")
STILL = Outcome(codes.DEGRADED, "Its boot stands still: it uses neither processor nor disk and logs nothing; see "
                "journalctl")
FINE = Outcome(codes.SUCCESS)


@pytest.mark.parametrize("decision, state, waited, idle, outcome", [
    (PLAIN, facts.WAITING, URGENT_AFTER - 1, 0, FINE), (PLAIN, facts.WAITING, URGENT_AFTER, 0, NEEDED),
    (PLAIN, facts.STARTING, 0, URGENT_AFTER - 1, FINE), (PLAIN, facts.STARTING, 0, URGENT_AFTER, NEEDED),
    (CALM, facts.WAITING, 999, 999, FINE), (CALM, facts.STARTING, 0, STALLED_AFTER - 1, FINE),
    (CALM, facts.STARTING, 0, STALLED_AFTER, STILL), (CALM, "up", 0, STALLED_AFTER - 1, FINE),
    (CALM, "up", 0, STALLED_AFTER, Outcome(codes.DEGRADED, "It boots.")), (PLAIN, "up", 0, 30, FINE)])
def test_when_a_boot_is_shown(node, decision, state, waited, idle, outcome):
    assert node().look(state, decision=decision, waited=waited, idle=idle) == Step(outcome, None, decision)


@pytest.mark.parametrize("beside, idle, disk, code", [
    (STALLED_AFTER, STALLED_AFTER, False, codes.ERR_GENERIC), (STALLED_AFTER - 1, 999, False, codes.DEGRADED),
    (999, STALLED_AFTER - 1, False, codes.SUCCESS), (999, 999, True, codes.DEGRADED)])
def test_when_a_stalled_boot_is_restarted(node, beside, idle, disk, code):
    one = node(other("n3", facts.RUNNING), other("n2", facts.RUNNING))
    one.look()
    one.clock.sleep(beside)
    outcome = one.look(idle=idle, disk_waits=disk).outcome
    assert outcome.code == code
    if code == codes.ERR_GENERIC:
        assert outcome.reason == (
            "Its boot is stalled for 60 s, and it is restarted, because the cluster runs on n2, n3.")


@pytest.mark.parametrize("beside, code", [(STALLED_AFTER, codes.ERR_GENERIC), (STALLED_AFTER - 1, codes.SUCCESS)])
def test_a_broker_whose_boot_failed_and_which_goes_on_is_restarted(node, beside, code):
    """It resumed after a pause and could not import its definitions. Its Erlang machine took part in quorum queues, so its
    boot "made progress" for ever (campaign, 4.0.5)."""
    one = node(other("n3", facts.RUNNING))
    one.look("failed")
    assert one.published.statuses == ["It boots."], "what the observation says, not that it makes progress"
    one.clock.sleep(beside)
    outcome = one.look("failed", idle=0).outcome
    assert outcome.code == code and (outcome.reason or "").startswith(
        "Its boot failed, and it is restarted, because the cluster runs on n3: see " if code else "")
    one.published.others["n3"] = other("n3", facts.STARTING)
    assert one.look("failed").outcome.code == codes.SUCCESS, "where no cluster runs, its data may be needed as they are"


def test_only_a_cluster_that_runs_now_counts(node):
    one = node(other("n2", facts.RUNNING))
    one.look()
    one.clock.sleep(50)
    one.published.others["n2"] = other("n2", facts.STARTING)
    one.look()
    assert not one.state_files.has("beside")
    one.published.others["n2"] = other("n2", facts.RUNNING)
    one.published.others["n1"] = other("n1", facts.RUNNING)
    one.clock.sleep(50)
    assert one.look(idle=999).outcome.code == codes.DEGRADED


# -- when it is forced

@pytest.mark.parametrize("state, waited, quiet, forces", [
    (facts.WAITING, 45, 45, True), (facts.WAITING, 44, 99, False), (facts.WAITING, 99, 44, False),
    (facts.STARTING, 0, 999, False)])
def test_what_is_proven_is_forced_when_it_waits_and_is_still(node, state, waited, quiet, forces):
    one = node(parameters={"recovery_wait": 45})
    made = one.look(state, decision=FORCE, forced=BROKER, waited=waited, quiet=quiet)
    assert made == (Step(Outcome(codes.SUCCESS), BROKER, FORCE) if forces else Step(FINE, None, FORCE))
    assert one.asked == ["force"] * forces
    if forces:
        assert one.look(state, forced=None) == Step(FINE, None, FORCE), "it could not be done"
        assert one.was_forced().look(state, quiet=URGENT_AFTER - 1) == Step(FINE, None, FORCE) and len(one.asked) == 2


@pytest.mark.parametrize("state, idle, forces", [
    (facts.WAITING, 0, True), (facts.STARTING, URGENT_AFTER, True), (facts.STARTING, URGENT_AFTER - 1, False)])
def test_what_is_ordered_is_forced_sooner(node, state, idle, forces):
    one = node(override=facts.Override("n1", "root", 1))
    one.look(state, decision=FORCE, idle=idle)
    assert one.asked == ["force"] * forces
    one.published.ordered = facts.Override("n2", "root", 1)
    one.look(state)
    assert one.asked == ["force"] * forces, "the order is another node's"


def test_a_boot_that_was_forced_in_vain(node):
    one = node().was_forced()
    shown = Outcome(codes.DEGRADED, "Its boot was forced, and it waits nevertheless. To force it again: quorate "
                    "rabbitmq boot n1 (see journalctl)")
    assert one.look(facts.WAITING, decision=FORCE, waited=URGENT_AFTER, quiet=URGENT_AFTER - 1).outcome == FINE
    assert one.look(facts.WAITING, waited=URGENT_AFTER - 1, quiet=URGENT_AFTER).outcome == FINE
    assert one.look(facts.WAITING, waited=URGENT_AFTER, quiet=URGENT_AFTER) == Step(shown, None, FORCE)
    assert one.asked == [] and one.published.statuses[-1] == (
        "Its boot was forced, and it waits nevertheless. See journalctl; to force it again once it stands still: "
        "quorate rabbitmq boot n1")
    one.published.ordered = facts.Override("n1", "root", 1)
    assert one.look(facts.WAITING, forced=BROKER) == Step(FINE, BROKER, FORCE), "an order of now is about this boot"
    one.published.ordered = None
    one.state_files.write("forced", {"process": "399.5"})
    assert one.look(facts.WAITING, forced=None).outcome == FINE


def test_one_that_is_stalled_is_restarted_although_it_was_forced(node):
    one = node(other("n2", facts.RUNNING)).was_forced()
    one.look(facts.WAITING)
    one.clock.sleep(60)
    assert one.look(facts.WAITING, waited=99, quiet=99, idle=99).outcome.code == codes.ERR_GENERIC


@pytest.mark.parametrize("kills, outcome", [
    (1, FINE), (2, Outcome(codes.DEGRADED, "Its boot was killed 2 times: memory")), (None, FINE)])
def test_one_that_was_killed_before_is_shown(node, kills, outcome):
    one = node()
    if kills is not None:
        one.state_files.write("crashed", {"killed": kills, "why": "memory"})
    assert one.look().outcome == outcome
    if kills == 2:
        assert one.look(decision=PLAIN, idle=URGENT_AFTER).outcome == NEEDED, "what is worse is said first"
        one.state_files.write("crashed", {"killed": kills})
        assert one.look(decision=CALM, idle=0).outcome.reason == "Its boot was killed 2 times: "


PROGRESS = "boots since %s and makes progress, which may take hours where a store is recovered: see journalctl"


@pytest.mark.parametrize("decision, age, idle, status", [
    (CALM, None, 0, "starts"), (PLAIN, None, 0, "Waits for n2. (type this)"), (CALM, 59, 0, "starts"),
    (PLAIN, 59, 0, "Waits for n2. (type this)"), (FORCE, 59, 0, "starts"),
    (CALM, 60, 0, PROGRESS), (PLAIN, 60, STALLED_AFTER - 1, PROGRESS),
    (PLAIN, 60, STALLED_AFTER, "Waits for n2. (type this)"),
    (CALM, 60, STALLED_AFTER, "boots since %s, and stands still: see journalctl")])
def test_the_status_of_a_boot(node, decision, age, idle, status):
    one = node()
    began = one.clock.now()
    if age is not None:
        one.state_files.write(daemon.PROCESS_FILE, {"launched": began})
        one.clock.sleep(age)
    one.look(decision=decision, idle=idle)
    assert one.published.statuses == [status.replace("%s", strftime("%H:%M", localtime(began)))]


# -- standing still

@pytest.fixture
def still(tmp_path):
    """still(cpu, moved, log): seconds of standing still by one more look, ten seconds after the last."""
    node = Node(tmp_path)
    log = tmp_path / "broker.log"

    def look(cpu=1.0, moved=0, size=5, seconds=10, process=BROKER, path=log):
        node.clock.sleep(seconds)
        node.context.processes.works[400] = (cpu, moved)
        log.write_text("x" * size)
        return boot.standstill(node.context, node.state_files, "idle", process, path and str(path))

    look.node = node
    return look


def test_what_stands_still(still):
    assert [still(), still(), still(cpu=1.5), still(cpu=2.0)] == [0, 10, 20, 30]
    assert still(cpu=2.0 + 0.5001) == 0, "more than a twentieth of a processor since the last look"
    assert still(cpu=2.5) == 10


def test_what_a_boot_writes(still):
    assert [still(), still(moved=boot.BYTES - 1), still(moved=boot.BYTES)] == [0, 10, 0]
    assert [still(moved=2 * boot.BYTES - 1), still(moved=2 * boot.BYTES)] == [10, 0], "since it stood still"
    assert [still(moved=2 * boot.BYTES, size=6), still(moved=2 * boot.BYTES, size=6)] == [0, 10]
    assert still(moved=2 * boot.BYTES, path=None) == 0 and still(moved=2 * boot.BYTES, path=None) == 10
    assert still(moved=2 * boot.BYTES, path="/nonexistent") == 20, "both have no size"


def test_another_process_or_none_begins_anew(still):
    still()
    assert still(process=BROKER._replace(start=6)) == 0
    assert still(process=None) == 0 and not still.node.state_files.has("idle")
    still()
    del still.node.context.processes.works[400]
    assert boot.standstill(still.node.context, still.node.state_files, "idle", BROKER) == 0


def test_a_short_look_allows_what_a_second_would(still):
    still()
    assert still(cpu=1.05, seconds=0.5) == 0 and still(cpu=1.05) == 10
    assert still(cpu=1.05 + 0.051, seconds=0.5) == 0 and still(cpu=1.101) == 10, "a twentieth of a second"


def test_what_was_remembered_is_wrong(still):
    still()
    known = still.node.state_files.read("idle")
    for values in (dict(known, since="x"), dict(known, at=99999.0), dict(known, since=99999.0), {}):
        still.node.state_files.write("idle", values)
        assert still() == 0
    without = {key: value for key, value in known.items() if key != "at"}
    still.node.state_files.write("idle", dict(without, since=still.node.clock.monotonic()))
    assert still() == 10, "as 0.1.0 wrote it"


def test_a_thread_that_waits_for_a_disk_or_a_processor(tmp_path):
    for number, stat in ((400, "400 (beam (x)) S 1"), (401, "401 (D D) S 1")):
        path = tmp_path / "400" / "task" / str(number)
        path.mkdir(parents=True)
        (path / "stat").write_text(stat)
    assert boot.waits_for_machine(BROKER, str(tmp_path)) is False
    (tmp_path / "400" / "task" / "401" / "stat").write_text("401 (x) S) D 1")
    assert boot.waits_for_machine(BROKER, str(tmp_path)) is True
    assert boot.waits_for_machine(BROKER, str(tmp_path), b"R") is False
    (tmp_path / "400" / "task" / "401" / "stat").write_text("401 (x) S) R 1")
    assert boot.waits_for_machine(BROKER, str(tmp_path)) is True, "it gets no processor"
    assert boot.waits_for_machine(BROKER, str(tmp_path), b"D") is False
    assert boot.waits_for_machine(BROKER._replace(pid=401), str(tmp_path)) is False
    (tmp_path / "400" / "task" / "400" / "stat").write_text("nonsense")
    (tmp_path / "400" / "task" / "401" / "stat").write_text("nonsense")
    assert boot.waits_for_machine(BROKER, str(tmp_path)) is False


# -- forcing

class Forced(Node):
    """A node whose waiting broker is stopped; left: what survives; launch: what its launch gives."""

    def __init__(self, tmp_path, monkeypatch):
        Node.__init__(self, tmp_path)
        self.left, self.launch, self.stops = [], BROKER, []
        self.state_files.write(daemon.PROCESS_FILE, {"pid": 400})
        monkeypatch.setattr(boot, "decide_waiting", lambda snapshot: self.decision)
        monkeypatch.setattr(boot.process, "stop", lambda *how, **more: (self.stops.append((how, more)), self.left)[1])
        monkeypatch.setattr(boot, "launch_as_decided", self.launched)
        self.decision = FORCE

    def launched(self, participant, decision):
        assert participant is self.participant and decision == FORCE and not self.state_files.has(daemon.PROCESS_FILE)
        if isinstance(self.launch, Exception):
            raise self.launch
        return self.launch


@pytest.mark.parametrize("spent, budget", [(0, 20.0), (70, 15.0), (95, 5.0)])
def test_how_a_broker_that_waits_is_replaced(tmp_path, monkeypatch, spent, budget):
    node = Forced(tmp_path, monkeypatch)
    if spent:
        node.clock.sleep(spent)
    assert boot.force_boot_if_proven(node.participant) == BROKER
    assert node.stops == [((node.context, node.state_files, "rabbit@n1", budget), {"skip_grace": True})]
    assert ("WARNING", "proven") in node.context.log.lines and node.published.statuses == []


def test_one_that_is_not_replaced(tmp_path, monkeypatch):
    node = Forced(tmp_path, monkeypatch)
    node.decision = PLAIN
    assert boot.force_boot_if_proven(node.participant) is None and node.stops == []
    node.decision, node.left = FORCE, [BROKER]
    assert boot.force_boot_if_proven(node.participant) is None and node.state_files.has(daemon.PROCESS_FILE)
    assert node.published.statuses == ["The broker that waits did not end, so its boot is not forced yet."]
    node.left, node.launch = [], NotNow("disk full")
    assert boot.force_boot_if_proven(node.participant) is None and node.published.statuses[-1] == "disk full"
    assert ("WARNING", "disk full") in node.context.log.lines


@pytest.mark.parametrize("process, kept, forced", [
    (BROKER, "400.5", True), (BROKER, "400.6", False), (BROKER, None, False), (None, "400.5", False)])
def test_whether_a_boot_was_forced(tmp_path, process, kept, forced):
    node = Node(tmp_path)
    if kept:
        node.state_files.write("forced", {"process": kept})
    assert boot.was_forced(node.state_files, process) is forced


# -- one that ended while it booted

EXCLUDED = "inconsistent_cluster: x"


class Ended(Forced):
    """A node whose broker ended; error: its last one."""

    def __init__(self, tmp_path, monkeypatch):
        Forced.__init__(self, tmp_path, monkeypatch)
        self.error, self.decision = None, facts.Decision(facts.START, "go")
        monkeypatch.setattr(ending, "logged_error", self.logged_error)
        monkeypatch.setattr(ending, "died", self.died)
        monkeypatch.setattr(self.participant, "decide_and_publish", lambda: self.decision, raising=False)

    def logged_error(self, state_files, log):
        assert (state_files, log) == (self.state_files, self.layout.log)
        return self.error

    def died(self, context, state_files, layout):
        assert (context, state_files, layout) == (self.context, self.state_files, self.layout)
        return "the\ncause"

    def launched(self, participant, decision):
        assert participant is self.participant and decision == self.decision
        if isinstance(self.launch, Exception):
            raise self.launch
        return self.launch

    def again(self, left=90):
        return boot.launch_again(self.participant, left)


@pytest.fixture
def ended(tmp_path, monkeypatch):
    return Ended(tmp_path, monkeypatch)


def test_how_often_a_killed_broker_is_launched_again(ended):
    steps = [ended.again() for _ in range(5)]
    later = Step(Outcome(codes.SUCCESS), None, ended.decision)
    assert steps == [Step(Outcome(codes.SUCCESS), BROKER, ended.decision), later, later, later,
                     Step(Outcome(codes.ERR_GENERIC, "Its boot was killed 5 times: the\ncause"))]
    assert ended.clock.elapsed == pytest.approx(1.0), "it is no busy loop"
    assert ended.published.statuses == ["Its boot was killed %d times: the\ncause" % number for number in (2, 3, 4)]
    assert ended.state_files.read("crashed") == {"count": "0", "killed": "5", "why": "the cause"}
    assert not ended.state_files.has(daemon.PROCESS_FILE)
    assert ("WARNING", "The broker was killed while it started; it is launched again.") in ended.context.log.lines


def test_how_often_one_that_ended_with_an_error_is_launched_again(ended):
    ended.error = "an error"
    steps = [ended.again() for _ in range(3)]
    assert steps == [Step(Outcome(codes.SUCCESS), BROKER, ended.decision)] * 2 + [
        Step(Outcome(codes.ERR_GENERIC, "The broker ended while it started: the\ncause"))]
    assert ("WARNING", "The broker ended (the cause) while it started; it is launched again.") in [
        (level, " ".join(text.split())) for level, text in ended.context.log.lines]
    assert ended.state_files.read("crashed")["count"] == "3" and ended.published.statuses == []


def test_impatience_is_not_counted(ended):
    ended.error = "timeout_waiting_for_tables"
    assert [ended.again().launched for _ in range(5)] == [BROKER] * 5 and not ended.state_files.has("crashed")


@pytest.mark.parametrize("left, launched", [(boot.RELAUNCH_TIME, True), (boot.RELAUNCH_TIME - 0.1, False)])
def test_a_launch_needs_some_time(ended, left, launched):
    assert (ended.again(left).launched == BROKER) is launched


@pytest.mark.parametrize("action", [facts.WAIT, facts.REFUSE])
def test_what_may_not_be_launched_now_waits(ended, action):
    ended.decision = facts.Decision(action, "x")
    assert ended.again() == Step(Outcome(codes.SUCCESS), None, ended.decision)


def test_a_launch_that_is_put_off(ended):
    ended.launch = NotNow("disk full")
    assert ended.again() == Step(Outcome(codes.SUCCESS), None, ended.decision)
    assert ("WARNING", "disk full") in ended.context.log.lines


@pytest.mark.parametrize("action, said", [(facts.START, True), (facts.JOIN, False)])
def test_one_that_another_broker_does_not_know(ended, action, said):
    ended.error, ended.decision = EXCLUDED, facts.Decision(action, "x")
    reason = ("A broker of its cluster does not know this node: quorate explain. It was forgotten there, or that one "
              "runs without its disk (Nothing is removed. inconsistent_cluster: x)")
    assert ended.again() == Step(Outcome(codes.SUCCESS), None, ended.decision)
    assert ended.published.statuses == [reason] * said
    ended.again()
    assert ended.again().outcome == Outcome(codes.ERR_GENERIC, reason)


@pytest.mark.parametrize("error, why, reason", [
    ("x disagrees y", None, "A broker of its cluster does not know this node"),
    ("Timeout contacting cluster nodes: x", "why",
     "The broker waited for other nodes of its cluster until it gave up; it is started again. Timeout contacting "
     "cluster nodes: x"),
    ("timeout_waiting_for_leader", None, "The broker waited for other nodes"),
    ("an error", "why", "The broker ended while it started: why"),
    ("an error", None, "The broker ended while it started: an error")])
def test_why_a_start_failed(error, why, reason):
    assert boot.boot_error(error, SimpleNamespace(), why).startswith(reason)
