# SPDX-License-Identifier: Apache-2.0
"""What the RabbitMQ agent does with what it sees: reports, waits, launches, forces; on fakes and a directory of files."""

import contextlib
import os
import pathlib
import pwd
import tempfile

import pytest

from quorate.host.process import Process
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.ocf.codes import Failed
from quorate.pacemaker.cib import parse_nodes
from quorate.pacemaker.tools import Unavailable
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import serving
from quorate.rabbitmq.actions.participant import NotNow, ended
from quorate.rabbitmq.actions.recovery import by_its_files, cut_off
from quorate.rabbitmq.broker import layout
from quorate.rabbitmq.broker.ctl import Tools
from quorate.rabbitmq.broker.layout import as_note, from_note
from quorate.rabbitmq.broker.observe import Observation
from quorate.rabbitmq.declaration import PARAMETERS
from quorate.rabbitmq.election.published import PublishedState
from tests import fakes
from tests.unit.rabbitmq.actions.nodes import ME, Node, names, other


# -- what is on the disk

def test_an_empty_disk(tmp_path):
    assert Node(tmp_path).participant.from_disk().data is False


def test_a_disk_with_data(tmp_path):
    report = Node(tmp_path).fill().participant.from_disk()
    assert report.data and report.members == names("n1", "n2", "n3") and report.store == facts.MNESIA
    assert report.launched and len(report.cookie) == layout.DIGITS


def test_data_that_were_served_from_and_are_not_there_are_lost(tmp_path):
    """As with a file system that is not mounted. The note is on another one, and is about one directory only."""
    node = Node(tmp_path).fill()
    assert not node.participant.from_disk().lost
    node.participant.served(Observation(facts.RUNNING, None, None, "It runs."))
    assert not node.participant.from_disk().lost
    node.directory.rename(tmp_path / "unmounted")
    assert node.participant.from_disk().lost
    assert node.participant.turn().action == facts.WAIT, "two have not said anything"
    node.published.others = {name: other(name, facts.DOWN, data=False, members=None) for name in ("n2", "n3")}
    assert node.participant.turn().action == facts.REFUSE
    node.participant._layout = node.layout._replace(directory=str(tmp_path / "elsewhere"))
    assert node.participant.turn().action == facts.FOUND


@contextlib.contextmanager
def nobody_special():
    """Root may read every directory; somebody else may not."""
    was = os.geteuid()
    try:
        if was == 0:
            os.seteuid(pwd.getpwnam("nobody").pw_uid)
        yield
    finally:
        os.seteuid(was)


def test_a_disk_that_cannot_be_read_is_unknown():
    with tempfile.TemporaryDirectory() as home:  # pytest's own directory is closed to others
        os.chmod(home, 0o755)
        node = Node(pathlib.Path(home)).fill()
        with nobody_special():
            assert node.participant.from_disk().data is True
        node.directory.chmod(0)
        with nobody_special():
            assert node.participant.from_disk().data is None
        node.directory.chmod(0o755)


def test_what_was_seen_before_a_launch_counts_until_the_broker_served(tmp_path):
    """While it boots RabbitMQ writes down only who else boots: two could then prove that nobody is missing."""
    node = Node(tmp_path).fill()
    node.participant.disk.keep_evidence()
    node.fill(running="rabbit@n1,rabbit@n2")
    assert node.participant.from_disk().running == names("n1", "n2", "n3")
    serving.keep_record(node.participant, Observation(facts.RUNNING, None, None, "It runs."))
    assert node.published.own.running == names("n1", "n2")


# -- looking

def test_who_waits_looks_again_when_another_says_something_new_or_a_moment_has_passed(tmp_path):
    node = Node(tmp_path, [other("n2", facts.STARTING, members=names("n2"))])
    assert node.participant.moved(), "it has not looked yet"
    assert node.participant.turn().action == facts.WAIT
    assert not node.participant.moved()
    node.published.others["n2"] = other("n2", facts.RUNNING, members=names("n2"))
    assert node.participant.moved()
    assert node.participant.turn().action == facts.JOIN
    assert not node.participant.moved()
    node.clock.sleep(3)
    assert node.participant.moved()


def test_a_command_can_be_typed_as_it_is_shown(tmp_path):
    """DATADIR stood there, and no shell knows that."""
    from quorate.rabbitmq.explain import table
    node = Node(tmp_path, [other("n2", facts.RUNNING, members=names("n2", "n3"))]).fill()
    moves = "mv %s/mnesia/rabbit@n1 %s/mnesia/rabbit@n1.old" % (tmp_path, tmp_path)
    assert node.participant.turn().command == moves and moves in node.published.said[-1]
    assert "to go on: " + moves in table(node.published.snapshot(), 0, home=node.participant.home())


def test_who_explains_from_a_node_without_a_broker_is_told_as_well(tmp_path):
    node = Node(tmp_path, parameters={"binary": "/no/such/program"})
    node.participant._layout = None
    assert node.participant.home() == "DATADIR"


# -- launching

def test_a_join_tells_the_broker_whom_to_join_and_never_to_fall_back(tmp_path):
    node = Node(tmp_path, [other("n2", facts.RUNNING, members=names("n2"))])
    decision = node.participant.turn()
    node.participant.carry_out(decision)
    (argv, _log, env, user), = node.commands.spawned
    assert argv == ("/bin/true",) and user == ME
    assert env["RABBITMQ_SERVER_START_ARGS"] == ("-rabbit cluster_nodes {['rabbit@n2'],disc} -rabbit cluster_formation "
                                                 "[{discovery_retry_limit,1000000}]")
    assert node.state_files.read("grow", persistent=True) and node.published.own.state == facts.STARTING


def test_a_former_self_is_forgotten_before_the_join(tmp_path):
    node = Node(tmp_path, [other("n2", facts.RUNNING)])
    node.commands.allow("rabbitmqctl", ...)
    for path in ("/usr/sbin/rabbitmqctl", "/usr/lib/rabbitmq/bin/rabbitmqctl"):
        node.commands.allow(path, ...)
    node.participant.carry_out(node.participant.turn())
    assert node.commands.calls[0][1:] == ("-n", "rabbit@n2", "forget_cluster_node", "rabbit@n1")


def test_a_former_self_that_cannot_be_forgotten_keeps_it_from_joining(tmp_path):
    node = Node(tmp_path, [other("n2", facts.RUNNING)])
    for path in ("rabbitmqctl", "/usr/sbin/rabbitmqctl", "/usr/lib/rabbitmq/bin/rabbitmqctl"):
        node.commands.allow(path, ..., rc=70, err="Error:\n{:failed_to_remove_node, :rabbit@n1, {:active, 'x'}}")
    with pytest.raises(NotNow) as turned:
        node.participant.carry_out(node.participant.turn())
    assert "did not forget rabbit@n1" in str(turned.value) and node.commands.spawned == []
    assert "did not forget" in node.published.said[-1]


@pytest.mark.parametrize("rc, out, critical", [
    (0, '{"result":"ok"}', False), (69, '{"result":"error","message":"Node x reported local queues with minimum online quorum"}', True),
    (69, "Error: unable to perform an operation on node 'rabbit@n1'.", None), (127, "", None)])
def test_a_tool_that_fails_is_no_answer(tmp_path, rc, out, critical):
    node = Node(tmp_path)
    for path in ("rabbitmq-queues", "/usr/sbin/rabbitmq-queues", "/usr/lib/rabbitmq/bin/rabbitmq-queues"):
        node.commands.allow(path, ..., rc=rc, out=out)
    assert Tools(node.context, node.layout).critical() is critical


def test_the_founder_is_the_one_who_claimed_it(tmp_path):
    empty = [other(name, facts.DOWN, data=False, members=None) for name in ("n2", "n3")]
    node = Node(tmp_path, empty)
    node.participant.carry_out(node.participant.turn())
    assert node.published.who == "n1" and "RABBITMQ_SERVER_START_ARGS" not in node.commands.spawned[0][2]


def test_a_4_joins_only_what_is_older_by_its_own_clock(tmp_path):
    """Peer discovery of RabbitMQ 4 takes the node that started first; with a clock that is behind that would be itself."""
    node = Node(tmp_path, [other("n2", facts.RUNNING, members=names("n2"), since=1_700_000_003)])
    node.participant._layout = node.layout._replace(version="4.0.5")
    node.participant.carry_out(node.participant.turn())
    assert node.clock.now() > 1_700_000_004
    ahead = Node(tmp_path, [other("n2", facts.RUNNING, members=names("n2"), since=1_700_009_999)])
    ahead.participant._layout = node.layout._replace(version="4.0.5")
    with pytest.raises(Failed) as failed:
        ahead.participant.carry_out(ahead.participant.turn())
    assert "clock" in failed.value.reason


# -- waiting

def waiting(node):
    process = node.context.processes.add("/usr/bin/beam.smp -s rabbit boot", pid=400)
    node.state_files.write("server", {"pid": 400, "start": process.start, "session": 400})
    return Observation(facts.WAITING, process, None, "It waits.")


def test_a_wait_is_said_at_once_and_shown_when_it_lasts(tmp_path):
    node = Node(tmp_path, [other("n2", facts.WAITING)]).fill()
    seen = waiting(node)
    assert node.participant.watch(seen).code == codes.SUCCESS
    assert "Waits for n3" in node.published.said[-1] and "quorate rabbitmq boot n1" in node.published.said[-1]
    node.clock.sleep(30)
    outcome = node.participant.watch(seen)
    assert outcome.code == codes.DEGRADED and "n3" in outcome.reason


def test_the_operators_word_boots_a_broker_that_waits(tmp_path):
    word = facts.Override("n1", "root", 1)
    node = Node(tmp_path, [other("n2", facts.WAITING)], override=word).fill()
    node.commands.allow("rabbitmqctl", ...)
    for path in ("/usr/sbin/rabbitmqctl", "/usr/lib/rabbitmq/bin/rabbitmqctl"):
        node.commands.allow(path, ...)
    seen = waiting(node)
    node.participant.report(facts.WAITING)
    process = node.participant.boot_alone_if_proven()
    assert isinstance(process, Process) and process.pid == 500
    assert seen.process.pid in [pid for pid, _ in node.context.processes.signals]
    assert [call[-1] for call in node.commands.calls] == ["force_boot"]
    assert node.published.number == 1 and node.published.word is None, "used up, and a new generation"


def test_a_forced_boot_is_on_record_before_rabbitmq_has_the_order(tmp_path):
    """Killed or cut off between the two, the order would wait on the disk for any later start, whatever others did meanwhile."""
    node = Node(tmp_path, override=facts.Override("n1", "root", 1)).fill()
    orders = []
    for path in ("rabbitmqctl", "/usr/sbin/rabbitmqctl", "/usr/lib/rabbitmq/bin/rabbitmqctl"):
        node.commands.allow(path, ..., then=lambda argv, _stdin: orders.append(node.published.number))

    def away():
        raise Unavailable("Pacemaker does not answer.")

    node.published.open_generation, really = away, node.published.open_generation
    with pytest.raises(Unavailable):
        node.participant.carry_out(facts.Decision(facts.FORCE))
    assert orders == [] and node.commands.spawned == []

    node.published.open_generation = really
    node.participant.carry_out(facts.Decision(facts.FORCE))
    assert orders == [1]


def test_without_proof_or_word_nothing_is_forced(tmp_path):
    node = Node(tmp_path, [other("n2", facts.WAITING)]).fill()
    waiting(node)
    node.participant.report(facts.WAITING)
    assert node.participant.boot_alone_if_proven() is None
    assert node.commands.calls == [] and node.context.processes.signals == []


@pytest.mark.parametrize("reports, running, needs", [
    ([other("n2", facts.DOWN), other("n3", facts.DOWN)], "rabbit@n1,rabbit@n2", True),
    ([other("n2", facts.STARTING), other("n3", facts.STARTING)], "rabbit@n1,rabbit@n2", False),
    ([other("n2", facts.DOWN), other("n3", facts.RUNNING)], "rabbit@n1,rabbit@n2", False),
    ([other("n2", facts.DOWN), other("n3", facts.DOWN)], "rabbit@n1", False),
], ids=["they are down", "they boot", "one runs", "it was the last one"])
def test_whether_a_boot_will_wait_for_others(tmp_path, reports, running, needs):
    """SIGKILL of all: the first one to be started kept Pacemaker from starting the others until its whole boot was done."""
    node = Node(tmp_path, reports).fill(running=running)
    node.participant.report(facts.STARTING)
    assert node.participant._needs_others() is needs


@pytest.mark.parametrize("state, least, most", [(facts.DOWN, 0, 10), (facts.STARTING, 80, 91)],
                         ids=["those it needs are down", "all boot"])
def test_how_long_start_stays_with_a_boot(tmp_path, state, least, most):
    """Nothing listens on port 1, so the broker boots for ever."""
    node = Node(tmp_path, [other("n2", state), other("n3", state)]).fill()
    node.participant._layout = node.layout._replace(port=1)
    decision = node.participant.turn()
    process = node.participant.carry_out(decision)
    assert node.participant.accompany(process, decision, 90).code == codes.SUCCESS
    assert least <= node.clock.elapsed <= most


RACE = "error:{case_clause,{error,{node_not_running,rabbit@n1}}}"


@pytest.mark.parametrize("words, crashes, launches, code", [
    (RACE, 1, 2, codes.SUCCESS), (RACE, 2, 3, codes.SUCCESS), (RACE, 99, 3, codes.ERR_GENERIC), (None, 4, 5, codes.SUCCESS),
    ("inconsistent_cluster: Node rabbit@n1 thinks it is in a cluster", 1, 1, codes.ERR_GENERIC)],
    ids=["once", "twice", "always", "killed", "excluded"])
def test_a_broker_that_ends_while_it_starts_is_launched_again(tmp_path, words, crashes, launches, code):
    """A start that failed would keep the node out, and the others wait for it: seen after a power cut of all, with 4.0.5."""
    node, started = Node(tmp_path, [other("n2", facts.STARTING), other("n3", facts.STARTING)]).fill(), []
    node.participant._layout = node.layout._replace(port=1)

    def spawn(argv):
        started.append(argv)
        process = node.context.processes.add("/usr/bin/beam.smp -s rabbit boot", pid=500 + len(started))
        if len(started) <= crashes:
            node.clock.at(node.clock.elapsed + 1, lambda: end(process.pid))
        return process.pid

    def end(pid):
        node.context.processes.remove(pid)
        if words:
            with open(tmp_path / "log", "a", encoding="ascii") as log:
                log.write("2026-11-21 18:01:40.291378+00:00 [error] <0.216.0> %s\n" % words)

    node.commands.on_spawn = spawn
    decision = node.participant.turn()
    outcome = node.participant.accompany(node.participant.carry_out(decision), decision, 90)
    assert (outcome.code, len(started)) == (code, launches)
    assert code == codes.SUCCESS or words[:30] in outcome.reason


def test_words_of_a_broker_that_ended():
    assert "Nothing is removed" in ended("inconsistent_cluster: Node rabbit@n1 thinks ...", layout.Layout(*[None] * 13))
    assert "started again" in ended("{timeout_waiting_for_tables,[rabbit@n1]}", None)


# -- a minority

PAUSED = Observation(facts.PAUSED, None, None, "It paused itself.")


def test_a_paused_broker_fails_when_the_cluster_goes_on_without_it(tmp_path):
    node = Node(tmp_path, [other("n2", facts.RUNNING), other("n3", facts.RUNNING)]).fill()
    assert cut_off(node.participant, PAUSED) == (codes.DEGRADED, "It paused itself.")
    node.clock.sleep(61)
    outcome = cut_off(node.participant, PAUSED)
    assert outcome.code == codes.ERR_GENERIC and "Cut off from n2, n3, where the cluster runs" in outcome.reason
    assert len(outcome.reason) <= 144, "Pacemaker cuts it off"


def test_an_interruption_that_passes_begins_anew(tmp_path):
    node = Node(tmp_path, [other("n2", facts.RUNNING)]).fill()
    cut_off(node.participant, PAUSED)
    node.clock.sleep(50)
    node.participant.served(Observation(facts.RUNNING, None, None, "It runs."))
    node.clock.sleep(50)
    assert cut_off(node.participant, PAUSED).code == codes.DEGRADED


def test_who_is_alone_because_the_others_are_stopped_does_not_fail(tmp_path):
    node = Node(tmp_path, [other("n2", facts.DOWN), other("n3", facts.DOWN)]).fill()
    for _ in range(20):
        assert cut_off(node.participant, PAUSED).code == codes.DEGRADED
        node.clock.sleep(10)


def test_a_minority_does_not_fail_because_somebody_set_the_clock(tmp_path):
    node = Node(tmp_path, [other("n2", facts.RUNNING)]).fill()
    cut_off(node.participant, PAUSED)
    node.clock.step(3600)
    assert cut_off(node.participant, PAUSED).code == codes.DEGRADED


def test_what_the_others_reported_has_to_be_newer_than_what_was_seen(tmp_path):
    """All may have paused at once; each learns it of the others only by their next monitor."""
    node = Node(tmp_path, [other("n2", facts.RUNNING)], parameters={"minority_wait": "3s", "CRM_meta_interval": "10000"}).fill()
    cut_off(node.participant, PAUSED)
    node.clock.sleep(10)
    assert cut_off(node.participant, PAUSED).code == codes.DEGRADED
    node.clock.sleep(11)
    assert cut_off(node.participant, PAUSED).code == codes.ERR_GENERIC


@pytest.mark.parametrize("running, beside, told, state", [
    ("rabbit@n1", facts.RUNNING, None, facts.PARTITIONED),
    ("rabbit@n1,rabbit@n3", facts.RUNNING, None, facts.RUNNING),
    ("rabbit@n1", facts.DOWN, None, facts.RUNNING),
    ("rabbit@n1", facts.RUNNING, names("n1", "n2", "n3"), facts.RUNNING),
    ("not a term", facts.RUNNING, None, facts.RUNNING),
], ids=["two clusters", "a majority", "alone", "it was asked", "unknown"])
def test_two_clusters_are_found_without_credentials(tmp_path, running, beside, told, state):
    node = Node(tmp_path, [other("n2", beside)]).fill(running=running)
    serving = Observation(facts.RUNNING, None, facts.Broker(answered=True, running_nodes=told), "It serves.")
    seen = by_its_files(node.participant, serving)
    assert seen.state == state
    assert (seen == serving) == (state == facts.RUNNING) and (state == facts.RUNNING or "only 1 of the 3" in seen.sentence)


def test_with_khepri_the_files_of_mnesia_tell_nothing(tmp_path):
    """A node that joined has them from the moment before, when it was alone: it was called a minority, and restarted (4.0.5)."""
    node = Node(tmp_path, [other("n2", facts.RUNNING)]).fill("rabbit@n1", "")
    serves = Observation(facts.RUNNING, None, facts.Broker(answered=True), "It serves.")
    assert by_its_files(node.participant, serves).state == facts.PARTITIONED, "without Khepri"

    (tmp_path / "mnesia" / "rabbit@n1-feature_flags").write_text("[khepri_db,\n quorum_queue].\n")
    (node.directory / "coordination").mkdir()
    assert by_its_files(node.participant, serves).state == facts.RUNNING
    assert (node.participant.from_disk().members, node.participant.from_disk().running) == (None, None)
    node.participant.disk.keep_members(names("n1", "n2"))
    assert (node.participant.from_disk().data, node.participant.from_disk().members) == (True, names("n1", "n2"))


def test_a_cluster_that_cannot_be_asked_is_no_partition(tmp_path):
    node = Node(tmp_path).fill(running="rabbit@n1")
    node.published.reports = _unavailable
    serving = Observation(facts.RUNNING, None, facts.Broker(answered=True), "It serves.")
    assert by_its_files(node.participant, serving) == serving


def _unavailable():
    raise Unavailable("Pacemaker does not answer.")


def test_beside_a_cluster_that_it_cannot_reach_a_node_is_not_launched(tmp_path):
    """It saw the others go, so it would wait for nobody and serve beside them."""
    node = Node(tmp_path, [other("n2", facts.RUNNING), other("n3", facts.RUNNING)]).fill(running="rabbit@n1")
    node.cut = {"rabbit@n2", "rabbit@n3"}
    assert node.participant.wait().code == codes.SUCCESS
    node.clock.sleep(30)
    outcome = node.participant.wait()
    assert outcome.code == codes.DEGRADED and node.commands.spawned == []
    assert "would be a cluster of its own" in node.published.said[-1]
    node.cut.clear()
    assert node.participant.turn().action == facts.START


# -- a boot that hangs

def booting(node):
    process = node.context.processes.add("/usr/bin/beam.smp -s rabbit boot", pid=400)
    node.state_files.write("server", {"pid": 400, "start": process.start, "session": 400})
    return Observation(facts.STARTING, process, None, "It starts.")


def test_a_boot_beside_a_running_cluster_that_does_nothing_is_restarted(tmp_path):
    node = Node(tmp_path, [other("n2", facts.RUNNING), other("n3", facts.RUNNING)]).fill()
    seen, cpu = booting(node), 3.0
    codes_seen = []
    for _ in range(8):
        cpu += 0.1
        node.context.processes.works[400] = (cpu, 5000)
        codes_seen.append(node.participant.watch(seen).code)
        node.clock.sleep(10)
    assert codes_seen == [codes.SUCCESS] * 6 + [codes.ERR_GENERIC] * 2


def test_a_boot_that_works_is_not_idle_because_somebody_set_the_clock(tmp_path):
    node = Node(tmp_path, [other("n2", facts.RUNNING)]).fill()
    seen = booting(node)
    for cpu in (1.0, 6.0):
        node.context.processes.works[400] = (cpu, 0)
        assert node.participant.watch(seen).code == codes.SUCCESS
        node.clock.sleep(5)
        node.clock.step(3600)


@pytest.mark.parametrize("reports, cpu, moved, said", [
    ([other("n2", facts.RUNNING)], 5.0, 0, 0), ([other("n2", facts.RUNNING)], 0.1, 1 << 22, 0),
    ([other("n2", facts.RUNNING)], 0.1, 0, 1), ([other("n2", facts.RUNNING)], None, 0, 0),
    ([other("n2", facts.STARTING)], 0.1, 0, 0),
], ids=["it computes", "it reads its disk", "it writes into its log", "it cannot be known", "nobody runs: all wait for each other"])
def test_a_boot_that_takes_long_is_left_alone(tmp_path, reports, cpu, moved, said):
    node = Node(tmp_path, reports).fill()
    seen, done = booting(node), [0.0, 0]
    for _ in range(20):
        if cpu is not None:
            done = [done[0] + cpu, done[1] + moved]
            node.context.processes.works[400] = tuple(done)
        if said:
            with open(node.layout.log, "a", encoding="ascii") as file:
                file.write("2026-11-21 [info] a word\n")
        assert node.participant.watch(seen).code != codes.ERR_GENERIC
        node.clock.sleep(10)


# -- the policy

def test_a_policy_is_set_once(tmp_path):
    node = Node(tmp_path, parameters={"set_policy": 'ha-all ^(?!amq\\.).* {"ha-mode":"all"}'})
    node.commands.allow("rabbitmqctl", ...)
    for path in ("/usr/sbin/rabbitmqctl", "/usr/lib/rabbitmq/bin/rabbitmqctl"):
        node.commands.allow(path, ...)
    serving.apply_policy(node.participant)
    assert node.commands.calls[0][1:] == ("set_policy", "ha-all", "^(?!amq\\.).*", '{"ha-mode":"all"}')
    serving.apply_policy(node.participant)
    assert len(node.commands.calls) == 1 and not node.state_files.has("complaint")


def test_a_cluster_that_is_founded_anew_gets_its_policy(tmp_path):
    """All disks were replaced, and the cluster's configuration still says that it was set."""
    node = Node(tmp_path, parameters={"set_policy": 'ttl ^ {"message-ttl":60000}'})
    for path in ("rabbitmqctl", "/usr/sbin/rabbitmqctl", "/usr/lib/rabbitmq/bin/rabbitmqctl"):
        node.commands.allow(path, ...)
    serving.apply_policy(node.participant)
    node.state_files.forget("policy")
    serving.apply_policy(node.participant)
    assert len(node.commands.calls) == 1

    node.state_files.write("launched-for", {"action": facts.FOUND})
    serving.apply_policy(node.participant)
    assert len(node.commands.calls) == 2


def test_queues_are_extended_to_a_node_that_lost_its_power_while_it_joined(tmp_path):
    """The note was in /run: after a reboot quorum queues stayed with two members, and nobody said so."""
    node = Node(tmp_path, [other("n2", facts.RUNNING, members=names("n2"))])
    node.participant.carry_out(node.participant.turn())
    rebooted = Node(tmp_path).fill()
    rebooted.participant.state_files = StateFiles("rabbitmq", "mq", str(tmp_path / "run of the next boot"), str(tmp_path / "lasting"))
    for path in ("rabbitmq-queues", "/usr/sbin/rabbitmq-queues", "/usr/lib/rabbitmq/bin/rabbitmq-queues"):
        rebooted.commands.allow(path, ...)

    serving.after_boot(rebooted.participant)
    serving.after_boot(rebooted.participant)

    assert [call[1:] for call in rebooted.commands.calls] == [("grow", "rabbit@n1", "all")]


def test_a_policy_that_could_not_be_set_is_tried_again(tmp_path):
    node = Node(tmp_path, parameters={"set_policy": 'ttl ^ {"message-ttl":60000}'})
    tools = ("rabbitmqctl", "/usr/sbin/rabbitmqctl", "/usr/lib/rabbitmq/bin/rabbitmqctl")
    for path in tools:
        node.commands.allow(path, ..., rc=1, err="Error: timeout")
    serving.after_boot(node.participant)
    assert "ttl was not set" in node.state_files.read("complaint")["text"]
    for path in tools:
        node.commands.allow(path, ...)
    serving.after_boot(node.participant)
    serving.after_boot(node.participant)
    assert len(node.commands.calls) == 2 and not node.state_files.has("complaint")


def test_mirroring_on_4_is_a_complaint_and_no_reason_not_to_serve(tmp_path):
    node = Node(tmp_path, parameters={"set_policy": 'ha-all ^ {"ha-mode":"all"}'})
    node.participant._layout = node.layout._replace(version="4.0.5")
    serving.apply_policy(node.participant)
    assert node.commands.calls == [] and "quorum queues" in node.state_files.read("complaint")["text"]


# -- the cookie

def test_a_cookie_that_others_can_read_is_named(tmp_path):
    node = Node(tmp_path)
    path = tmp_path / "cookie"
    path.chmod(0o640)
    assert "chmod 400" in layout.cookie_problems(node.layout, os.getuid())[0]
    path.chmod(0o400)
    assert layout.cookie_problems(node.layout, os.getuid()) == []
    assert "belongs to uid" in layout.cookie_problems(node.layout, os.getuid() + 1)[0]
    os.unlink(path)
    assert "quorate rabbitmq cookie" in layout.cookie_problems(node.layout, os.getuid())[0]


def test_a_cookie_is_made_once_and_by_nobody_else_readable(tmp_path):
    node = Node(tmp_path)
    os.unlink(node.layout.cookie)
    layout.create_cookie(node.layout)
    assert os.stat(node.layout.cookie).st_mode & 0o777 == 0o400 and os.path.getsize(node.layout.cookie) == 64
    with pytest.raises(FileExistsError):
        layout.create_cookie(node.layout)


def test_the_mark_of_a_cookie_tells_nothing_of_it(tmp_path):
    node = Node(tmp_path)
    mark = layout.cookie_fingerprint(node.layout, "mq")
    assert mark == layout.cookie_fingerprint(node.layout, "mq") != layout.cookie_fingerprint(node.layout, "other")
    assert "secret" not in mark


# -- the board

def test_a_claim_is_lost_to_who_was_faster():
    commands = fakes.FakeCommands()
    context = fakes.context("start", PARAMETERS, commands=commands, environ={"OCF_RESOURCE_INSTANCE": "mq"})
    commands.expect("cibadmin", "--create", ..., rc=108, err="File exists")
    commands.expect("crm_attribute", "-t", "crm_config", "-s", "mq-founder", "-n", "mq-founder", "-G", "-q", out="n2\n")
    assert PublishedState(context, None).claim() == "n2"
    commands.done()


def test_the_nodes_of_the_configuration():
    text = """<nodes><node id="1" uname="n1"><instance_attributes id="nodes-1"><nvpair id="x" name="mq-generation" value="2"/>
    </instance_attributes></node><node id="r" type="remote" uname="r1"/></nodes>"""
    assert parse_nodes(text, "mq-generation") == (["n1", "r1"], {"n1": 2})


def test_the_layout_survives_its_note(tmp_path):
    layout = Node(tmp_path).layout
    note = {key: str(value) for key, value in as_note(layout).items()}
    assert from_note(note) == layout
    assert from_note({}) is None


@pytest.mark.parametrize("wanted, env, name", [
    (None, {}, "rabbit@n1"), ("mq", {}, "mq@n1"), ("mq@x", {}, "mq@x"), (None, {"NODENAME": "r@y"}, "r@y"),
    (None, {"USE_LONGNAME": "true"}, "rabbit@n1.example.org"),
])
def test_the_name_of_a_node(wanted, env, name):
    assert layout.nodename(wanted, env, "n1.example.org") == name


def test_a_name_that_only_a_shell_knows():
    with pytest.raises(Failed) as failed:
        layout.nodename(None, {"NODENAME": None}, "n1")
    assert "nodename=" in failed.value.reason
