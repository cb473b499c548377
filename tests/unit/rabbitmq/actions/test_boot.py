# SPDX-License-Identifier: Apache-2.0
"""How a boot is judged: progress and standstill, the one forced boot of a broker that waits, a broker that ends."""

import pytest

from quorate.ocf import codes
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import boot
from quorate.rabbitmq.actions.boot import step
from quorate.rabbitmq.actions.launch import launch_as_decided
from quorate.rabbitmq.broker import layout
from quorate.rabbitmq.broker.observe import Observation, observation
from tests.unit.rabbitmq.actions.nodes import Node, other, tools


def booting(node):
    process = node.context.processes.get(400) or node.context.processes.add("/usr/bin/beam.smp -s rabbit boot", pid=400)
    node.state_files.write("server", {"pid": 400, "start": process.start, "session": 400})
    return Observation(facts.STARTING, process, facts.Broker(process, False), "It starts.")


def test_a_boot_beside_a_running_cluster_that_does_nothing_is_restarted(tmp_path):
    node = Node(tmp_path, [other("n2", facts.RUNNING), other("n3", facts.RUNNING)]).fill()
    seen, cpu = booting(node), 3.0
    codes_seen = []
    for _ in range(8):
        cpu += 0.1
        node.context.processes.works[400] = (cpu, 5000)
        codes_seen.append(step(node.participant, seen).outcome.code)
        node.clock.sleep(10)
    assert codes_seen == [codes.SUCCESS] * 6 + [codes.ERR_GENERIC] * 2


def test_standing_still_beside_a_cluster_counts_from_when_it_runs(tmp_path):
    """It waited for an hour, and was killed in the second in which the cluster came up."""
    node = Node(tmp_path, [other("n2", facts.STARTING)]).fill()
    seen = booting(node)
    node.context.processes.works[400] = (1.0, 0)
    for number in range(30):
        if number == 20:
            node.published.others["n2"] = other("n2", facts.RUNNING)
        code = step(node.participant, seen).outcome.code
        assert (code == codes.ERR_GENERIC) == (number >= 26), number
        node.clock.sleep(10)


def test_a_broker_that_is_up_and_listens_nowhere_is_shown_and_left_alone(tmp_path):
    """suspend_listeners, only plugins that listen, or a place that is not found: an idle one was killed each minute,
    as a boot that is stalled."""
    node = Node(tmp_path, [other("n2", facts.RUNNING)]).fill()
    process = booting(node).process
    seen = observation(facts.Broker(process, False, stage=facts.RUNNING))
    assert seen.state == facts.STARTING
    node.context.processes.works[400] = (1.0, 0)
    for _ in range(30):
        outcome = step(node.participant, seen).outcome
        assert outcome.code in (codes.SUCCESS, codes.DEGRADED)
        node.clock.sleep(10)
    assert (outcome.code, outcome.reason) == (codes.DEGRADED, seen.sentence)


def test_a_boot_whose_disk_hangs_is_not_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(boot, "waits_for_machine", lambda running: True)
    node = Node(tmp_path, [other("n2", facts.RUNNING)]).fill()
    assert codes.ERR_GENERIC not in [one.code for one in watched(node, facts.STARTING, 300)[0]]


def test_a_minute_of_work_shows_after_an_hour_of_standstill(tmp_path):
    node = Node(tmp_path, [other("n2", facts.RUNNING)]).fill()
    running = booting(node).process
    work = node.context.processes.works
    work[400] = (1.0, 0)
    for _ in range(360):
        found = boot.standstill(node.context, node.state_files, "idle", running)
        node.clock.sleep(10)
    assert found == 3590
    work[400] = (3.0, 0)
    assert boot.standstill(node.context, node.state_files, "idle", running) == 0


def test_a_boot_that_works_is_not_idle_because_the_clock_was_set(tmp_path):
    node = Node(tmp_path, [other("n2", facts.RUNNING)]).fill()
    seen = booting(node)
    for cpu in (1.0, 6.0):
        node.context.processes.works[400] = (cpu, 0)
        assert step(node.participant, seen).outcome.code == codes.SUCCESS
        node.clock.sleep(5)
        node.clock.step(3600)


@pytest.mark.parametrize("reports, cpu, moved, logs", [
    ([other("n2", facts.RUNNING)], 5.0, 0, 0), ([other("n2", facts.RUNNING)], 0.1, 1 << 22, 0),
    ([other("n2", facts.RUNNING)], 0.1, 0, 1), ([other("n2", facts.RUNNING)], None, 0, 0),
    ([other("n2", facts.STARTING)], 0.1, 0, 0),
], ids=["it computes", "it reads its disk", "it writes into its log", "it cannot be known",
        "none runs: all wait for each other"])
def test_a_boot_that_takes_long_is_left_alone(tmp_path, reports, cpu, moved, logs):
    node = Node(tmp_path, reports).fill()
    seen, done = booting(node), [0.0, 0]
    for _ in range(20):
        if cpu is not None:
            done = [done[0] + cpu, done[1] + moved]
            node.context.processes.works[400] = tuple(done)
        if logs:
            with open(node.layout.log, "a", encoding="ascii") as file:
                file.write("2026-11-21 [info] a line\n")
        assert step(node.participant, seen).outcome.code != codes.ERR_GENERIC
        node.clock.sleep(10)


# -- a forced boot

def proven(tmp_path, **more):
    """n1 saw n3 stop, and n2 as well: nothing is lost when n1 goes on."""
    tmp_path.mkdir(exist_ok=True)
    node = Node(tmp_path, [other("n2", facts.WAITING, running=frozenset(("rabbit@n1", "rabbit@n2")))], **more)
    tools(node)
    return node.fill(running="rabbit@n1,rabbit@n2")


def killed(node):
    return [pid for pid, _ in node.context.processes.signals]


def watched(node, state, seconds, cpu_each=0.0, every=10):
    """Monitors of a broker in this state for so long. The Outcomes, and the Process that replaced it."""
    seen, outcomes = booting(node)._replace(state=state), []
    cpu = node.context.processes.works.get(400, (0.0, 0))[0]
    for _ in range(0, seconds, every):
        cpu += cpu_each
        node.context.processes.works[400] = (cpu, 0)
        found = step(node.participant, seen)
        outcomes.append(found.outcome)
        if found.launched is not None:
            return outcomes, found.launched
        node.clock.sleep(every)
    return outcomes, None


def test_who_waits_and_stands_still_is_replaced_where_that_loses_nothing(tmp_path):
    node = proven(tmp_path)
    outcomes, launched = watched(node, facts.WAITING, 60)
    assert launched.pid == 500 and killed(node) == [400] and len(outcomes) == 3, "after recovery_wait, 20 s"
    assert node.published.current == 1


@pytest.mark.parametrize("state, cpu", [(facts.STARTING, 0.0), (facts.STARTING, 9.0), (facts.WAITING, 9.0)],
                         ids=["starts, still", "recovers its store", "loads its own tables"])
def test_a_boot_that_is_not_known_to_wait_is_never_replaced(tmp_path, state, cpu):
    """Elapsed time was counted as waiting: a boot that recovered its store for 150 s was killed each 45 s, for ever."""
    node = proven(tmp_path)
    outcomes, launched = watched(node, state, 900, cpu)
    assert launched is None and killed(node) == []
    assert {one.code for one in outcomes} <= {codes.SUCCESS, codes.DEGRADED}


def test_time_before_the_wait_does_not_count(tmp_path):
    node = proven(tmp_path)
    watched(node, facts.WAITING, 20)
    watched(node, facts.STARTING, 600)
    outcomes, launched = watched(node, facts.WAITING, 20)
    assert launched is None and len(outcomes) == 2
    assert watched(node, facts.WAITING, 20)[1] is not None


def test_a_boot_is_forced_once_whatever_it_does_then(tmp_path):
    """24 s after SIGKILL of all on 4.0.5 the forced broker recovered its store: SIGTERM every 38 s, seven times."""
    node = proven(tmp_path)
    _, launched = watched(node, facts.WAITING, 60)
    seen = Observation(facts.WAITING, launched, facts.Broker(launched, False), "It waits.")
    for _ in range(100):
        node.context.processes.works[500] = (1.0, 0)
        node.published.current = 0  # so that the records still prove it
        assert step(node.participant, seen).launched is None
        node.clock.sleep(10)
    assert killed(node) == [400] and "waits nevertheless" in node.published.statuses[-1]


def test_the_operators_order_replaces_no_boot_that_makes_progress(tmp_path):
    override = facts.Override("n1", "root", 1)
    node = proven(tmp_path, override=override)
    assert watched(node, facts.STARTING, 600, cpu_each=5.0)[1] is None and killed(node) == []
    assert watched(node, facts.STARTING, 60)[1] is not None, "its log says nothing, but it stands still"
    node = proven(tmp_path / "other", override=override)
    outcomes, launched = watched(node, facts.WAITING, 60)
    assert launched is not None and len(outcomes) == 1, "at once where it waits"


def test_a_long_boot_says_so(tmp_path):
    node = Node(tmp_path, [other("n2", facts.STARTING), other("n3", facts.STARTING)]).fill()
    watched(node, facts.STARTING, 900, cpu_each=5.0)
    assert len(set(node.published.statuses[20:])) == 1, "each change costs a run of the scheduler"
    node.state_files.write("server", {"pid": 400, "start": 1, "launched": int(node.clock.now())})
    node.clock.sleep(90)
    (tmp_path / "log").write_text("it boots\n")
    node.context.processes.works[400] = (99999.0, 0)
    step(node.participant, Observation(facts.STARTING, node.context.processes.get(400), facts.Broker(),
                                       "It starts."))
    assert "makes progress" in node.published.statuses[-1] and str(node.layout.log) in node.published.statuses[-1]


def test_a_boot_that_stands_still_is_shown_and_left_alone(tmp_path):
    node = Node(tmp_path, [other("n2", facts.STARTING), other("n3", facts.STARTING)]).fill()
    outcomes, launched = watched(node, facts.STARTING, 600)
    assert launched is None and killed(node) == []
    assert outcomes[0].code == codes.SUCCESS and outcomes[-1].code == codes.DEGRADED
    assert "stands still" in outcomes[-1].reason and len(outcomes[-1].reason) <= 144 + len(str(tmp_path))


def test_a_boot_whose_log_does_not_say_that_it_waits_names_who_is_away(tmp_path):
    """log.file.level = error, the console, syslog: after a minute of standstill the status hid the node that it waits
    for, and what to type."""
    node = Node(tmp_path, [other("n2", facts.STARTING)]).fill()
    seen, began = booting(node), int(node.clock.now())
    for after, words in ((10, "Waits for n3"), (90, "Waits for n3"), (200, "Waits for n3"), (300, "stands still")):
        if words == "stands still":  # all are there: nobody is waited for
            node.published.others["n3"] = other("n3", facts.STARTING)
        node.clock.sleep(began + after - node.clock.now())
        node.state_files.write("server", {"pid": 400, "start": seen.process.start, "session": 400, "launched": began})
        node.context.processes.works[400] = (1.0, 0)
        found = step(node.participant, seen)
        assert words in node.published.statuses[-1] and found.launched is None, after
    assert killed(node) == []


def test_a_disk_that_hangs_is_no_boot_that_hangs(tmp_path):
    proc = tmp_path / "proc"
    for number, state in (("7", "S"), ("8", "D")):
        (proc / "7" / "task" / number).mkdir(parents=True)
        (proc / "7" / "task" / number / "stat").write_text("%s (beam.smp) %s 1 1 1" % (number, state))
    running = type("Running", (), {"pid": 7})
    assert boot.waits_for_machine(running, str(proc))
    (proc / "7" / "task" / "8" / "stat").write_text("8 (beam) D (x) S 1 1 1")
    assert not boot.waits_for_machine(running, str(proc))
    assert not boot.waits_for_machine(type("Gone", (), {"pid": 9}), str(proc))


def test_a_forced_boot_that_rabbitmq_does_not_take_is_tried_again(tmp_path):
    """The generation is open by then, so that the records prove nothing any more: without a note of it the next try
    would need an operator. And it was a failed start: a ban until cleanup."""
    node = proven(tmp_path)
    tools(node, rc=75, err="Error: operation force_boot timed out")
    outcomes, launched = watched(node, facts.WAITING, 30)
    assert launched is None and killed(node) == [400] and outcomes[-1].code in (codes.SUCCESS, codes.DEGRADED)
    assert node.commands.spawned == [] and node.published.current == 1
    tools(node)
    decision = node.participant.decide_and_publish()
    assert decision.action == facts.FORCE
    launch_as_decided(node.participant, decision)
    assert node.published.current == 1, "the same generation"
    node.published.generations = {"n2": 1}
    assert node.participant.decide_and_publish().action == facts.START, "n2 went on in it"
    node.published.generations, node.published.current = {}, 2
    assert node.participant.decide_and_publish().action == facts.START, "another one went on since"


# -- a broker that ends while it boots

def test_a_broker_that_gave_up_waiting_is_launched_again(tmp_path):
    """After ten tries, five minutes, it ends. A monitor that fails each time comes to migration-threshold, and then the
    node is left out until an operator cleans up."""
    node = Node(tmp_path, [other("n2", facts.WAITING)]).fill()
    for _ in range(9):
        with open(node.layout.log, "a", encoding="ascii") as log:
            log.write("2026-11-21 18:01:40.291378+00:00 [error] <0.216.0> BOOT FAILED\n"
                      "2026-11-21 18:01:40.291378+00:00 [error] <0.216.0> {timeout_waiting_for_tables,[rabbit@n1]}\n")
        found = boot.launch_again(node.participant, 30)
        assert found.launched is not None and found.outcome.code == codes.SUCCESS
        node.context.processes.remove(500)


def test_where_no_time_is_left_the_monitor_launches_it(tmp_path):
    node = Node(tmp_path, [other("n2", facts.WAITING)]).fill()
    node.state_files.write("server", {"pid": 400, "start": 1})
    found = boot.launch_again(node.participant, 10)
    assert found.launched is None and found.outcome.code == codes.SUCCESS and not node.state_files.has("server")


# what it logs to

def test_a_boot_without_a_log_file_names_none(tmp_path):
    """log.file = false, log.console, log.journald: the messages named a file that was not there."""
    node = Node(tmp_path, [other("n2", facts.STARTING), other("n3", facts.STARTING)]).fill()
    for log in (node.layout.log, None):  # configured and not there, and none
        node.participant._layout = node.layout._replace(log=log)
        outcomes, _ = watched(node, facts.STARTING, 200)
        assert outcomes[-1].reason.endswith("see journalctl")
    printed = tmp_path / "run" / "rabbitmq-mq" / "output"
    printed.write_text("[info] Starting RabbitMQ\n")
    assert watched(node, facts.STARTING, 200)[0][-1].reason.endswith("see %s" % printed)


def test_what_a_broker_without_a_log_file_prints_is_progress(tmp_path):
    node = Node(tmp_path, [other("n2", facts.RUNNING)]).fill()
    node.participant._layout = node.layout._replace(log=None)
    seen, printed = booting(node), tmp_path / "run" / "rabbitmq-mq" / "output"
    node.context.processes.works[400] = (1.0, 0)
    for _ in range(20):
        with open(printed, "a", encoding="ascii") as file:
            file.write("[info] a line\n")
        assert step(node.participant, seen).outcome.code == codes.SUCCESS
        node.clock.sleep(10)


def test_a_broker_without_a_log_file_is_launched_and_its_end_told(tmp_path):
    node = Node(tmp_path, [other("n2", facts.STARTING), other("n3", facts.STARTING)]).fill()
    node.participant._layout = node.layout._replace(log=None)
    launch_as_decided(node.participant, node.participant.decide_and_publish())
    assert node.state_files.read("server")["log"] == ""
    node.context.processes.remove(500)
    for _ in range(boot.KILLS + 1):
        found = boot.launch_again(node.participant, 30)
        node.context.processes.remove(500)
    assert "None" not in found.outcome.reason and "killed 5 times" in found.outcome.reason


# the 144 characters of an exit reason that Pacemaker keeps

DIRECTORY = "/var/lib/rabbitmq/mnesia/rabbit@controller-01"


@pytest.mark.parametrize("error, wanted", [
    ("inconsistent_cluster: Node 'rabbit@controller-01' thinks it's clustered with node 'rabbit@controller-02', but "
     "'rabbit@controller-02' disagrees", "quorate explain"),
    ("{timeout_waiting_for_tables,['rabbit@controller-02','rabbit@controller-01']}" + "x" * 200, "it is started again")])
def test_the_command_is_in_what_pacemaker_keeps_of_a_reason(error, wanted):
    place = layout.Layout(*[None] * 3 + [DIRECTORY] + [None] * 9)
    assert wanted in boot.boot_error(error, place)[:144]


def test_the_reason_of_a_boot_that_was_killed_fits(tmp_path):
    for why in ("the kernel killed it for want of memory: free -m; journalctl -k",
                "it left no error in /var/log/rabbitmq/rabbit@ctl-01.log, so it was probably killed: see 'journalctl -k'"):
        assert "journalctl -k" in boot.killed_reason(5, why)[:144], len(boot.killed_reason(5, why))
