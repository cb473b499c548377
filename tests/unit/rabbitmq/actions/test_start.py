# SPDX-License-Identifier: Apache-2.0
"""Launch the broker as decided, wait for it, watch it boot, force its boot; on fakes and a directory of files."""

import pytest

from quorate.host.process import Process
from quorate.ocf import codes
from quorate.pacemaker.tools import Unavailable
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import start
from quorate.rabbitmq.actions.participant import NotNow
from quorate.rabbitmq.actions.boot import boot_error, force_boot_if_proven, step
from quorate.rabbitmq.actions.launch import launch_as_decided
from quorate.rabbitmq.actions.start import wait_until_serving
from quorate.rabbitmq.broker import layout
from quorate.rabbitmq.broker.observe import Observation
from tests.unit.rabbitmq.actions.nodes import ME, TOOLS, Node, names, other, quorum_queue, tools


def test_a_join_tells_the_broker_whom_to_join_and_never_to_fall_back(tmp_path):
    node = Node(tmp_path, [other("n2", facts.RUNNING, members=names("n2"))])
    tools(node)
    decision = node.participant.decide_and_publish()
    launch_as_decided(node.participant, decision)
    (argv, _log, env, user), = node.commands.spawned
    assert argv == ("/bin/true",) and user == ME
    assert env["RABBITMQ_SERVER_START_ARGS"] == ("-rabbit cluster_nodes {['rabbit@n2'],disc} -rabbit cluster_formation "
                                                 "[{discovery_retry_limit,1000000}]")
    assert node.published.own.state == facts.STARTING
    assert not node.state_files.read("grow", persistent=True), "no queue had a member here"


def test_a_former_self_is_forgotten_before_the_join(tmp_path):
    node = Node(tmp_path, [other("n2", facts.RUNNING)])
    queues = {"/": [quorum_queue("q", "n1", "n2"), quorum_queue("p", "n2", "n3"), {"name": "classic"}],
              "a b": [quorum_queue("x/y z.1", "n1")]}
    tools(node, queues=queues)
    for path in TOOLS:
        node.commands.allow(path, "-n", "rabbit@n2", "forget_cluster_node", ..., then=lambda *_: queues["/"][0].update(
            members=["rabbit@n2"]))
    launch_as_decided(node.participant, node.participant.decide_and_publish())
    called = [call[1:] for call in node.commands.calls]
    at = called.index(("-n", "rabbit@n2", "forget_cluster_node", "rabbit@n1"))
    assert all(call[:3] == ("-n", "rabbit@n2", "-q") for call in called[:at] + called[at + 1:]) and at == 1
    assert len(called) == 3, "which queues have it as a member is asked before and after"
    assert node.state_files.read("grow", persistent=True)["queues"] == "%2F/q a%20b/x%2Fy%20z.1"


@pytest.mark.parametrize("answer", [dict(rc=70, err="Error:\n{:failed_to_remove_node, :rabbit@n1, {:active, 'x'}}"),
                                    dict(rc=0, out="no list at all")], ids=["no", "which queues is unknown"])
def test_a_former_self_that_cannot_be_forgotten_keeps_it_from_joining(tmp_path, answer):
    node = Node(tmp_path, [other("n2", facts.RUNNING)])
    tools(node, **answer)
    with pytest.raises(NotNow) as turned:
        launch_as_decided(node.participant, node.participant.decide_and_publish())
    assert "which quorum queues have a member on this node is unknown" in str(turned.value) and node.commands.spawned == []
    assert not any("forget_cluster_node" in call for call in node.commands.calls)


def test_one_that_counts_as_active_is_not_forgotten(tmp_path):
    node = Node(tmp_path, [other("n2", facts.RUNNING)])
    tools(node)
    for path in TOOLS:
        node.commands.allow(path, "-n", "rabbit@n2", "forget_cluster_node", ..., rc=70, err="Error:\n{:active, 'x'}}")
    with pytest.raises(NotNow) as turned:
        launch_as_decided(node.participant, node.participant.decide_and_publish())
    assert "did not forget rabbit@n1" in str(turned.value) and node.commands.spawned == []


@pytest.mark.parametrize("helps", [True, False])
@pytest.mark.parametrize("known", [True, False], ids=["forgotten now", "forgotten before"])
def test_it_joins_when_no_queue_counts_on_its_lost_data(tmp_path, helps, known):
    """RabbitMQ 3.10 forgets a member and says of no queue that it could not let it go; 4.0 ends with an error after it
    forgot the member, and the next decision is to join without that."""
    node = Node(tmp_path, [other("n2", facts.RUNNING, members=names("n1", "n2") if known else names("n2"))])
    queues = {"/": [quorum_queue("a queue", "n1", "n2"), quorum_queue("its own", "n1"), quorum_queue("p", "n2")]}
    tools(node, queues=queues)
    for path in TOOLS:
        node.commands.allow(path, "-n", "rabbit@n2", "shrink", "rabbit@n1", then=lambda *_: queues["/"][0].update(
            members=["rabbit@n2"]) if helps else None)
    decision = node.participant.decide_and_publish()
    assert decision.forget is known
    assert node.published.statuses == [], "why it was put off stays to be seen while it is tried again"
    if helps:
        launch_as_decided(node.participant, decision)
        assert len(node.commands.spawned) == 1
        return
    with pytest.raises(NotNow) as turned:
        launch_as_decided(node.participant, decision)
    assert str(turned.value) == ("Not joined: its lost data count in quorum queue a queue of /: start the others, or: "
                                 "rabbitmq-queues shrink rabbit@n1")
    assert node.commands.spawned == []


def test_the_name_that_a_queue_counts_on_is_named(tmp_path):
    """Of a node that was renamed: the member that the queue has, not the first of its names."""
    node = Node(tmp_path, [other("n2", facts.RUNNING, members=names("n2"))])
    tools(node, queues={"/": [{"name": "q", "type": "quorum", "members": ["rabbit@n2", "rabbit@was"]}]})
    with pytest.raises(NotNow, match="rabbitmq-queues shrink rabbit@was$"):
        launch_as_decided(node.participant, facts.Decision(facts.JOIN, "x", peer="rabbit@n2", gone=("rabbit@was",)))


@pytest.mark.parametrize("place", ["persistent", "run"])
def test_nothing_is_launched_where_that_cannot_be_recorded(tmp_path, place):
    """A full /var: what the disk proves could not be kept. A full /run: a boot would be forced again by each monitor. The
    boot is put off, not begun without a record, and not a failed start either."""
    node = Node(tmp_path, [other("n2", facts.STARTING), other("n3", facts.STARTING)]).fill()
    decision = node.participant.decide_and_publish()
    (tmp_path / "full").write_text("")
    setattr(node.state_files, place, str(tmp_path / "full" / "x"))
    node.state_files.log = node.context.log

    with pytest.raises(NotNow) as put_off:
        launch_as_decided(node.participant, decision)

    assert "/full/x cannot be written" in str(put_off.value) and node.commands.spawned == []


def test_the_founder_is_the_one_who_claimed_it(tmp_path):
    empty = [other(name, facts.DOWN, data=False, members=None) for name in ("n2", "n3")]
    node = Node(tmp_path, empty)
    launch_as_decided(node.participant, node.participant.decide_and_publish())
    assert node.published.founder_node == "n1" and "RABBITMQ_SERVER_START_ARGS" not in node.commands.spawned[0][2]


def test_a_4_joins_only_what_is_older_by_its_own_clock(tmp_path):
    """Peer discovery of RabbitMQ 4 takes the node that started first; with a clock that is behind that would be
    itself."""
    node = Node(tmp_path, [other("n2", facts.RUNNING, members=names("n2"), since=1_700_000_003)])
    tools(node)
    node.participant._layout = node.layout._replace(version="4.0.5")
    launch_as_decided(node.participant, node.participant.decide_and_publish())
    assert node.clock.now() > 1_700_000_004
    ahead = Node(tmp_path, [other("n2", facts.RUNNING, members=names("n2"), since=1_700_009_999)])
    tools(ahead)
    ahead.participant._layout = node.layout._replace(version="4.0.5")
    with pytest.raises(NotNow) as later:
        launch_as_decided(ahead.participant, ahead.participant.decide_and_publish())
    assert "the clock of n1 says 2023-11-14 22:13:3" in str(later.value)
    assert "synchronised" in str(later.value)[:144 - len("controller-1")], "Pacemaker cuts it off"
    assert "that of n2 its broker has been up since 2023-11-15 00:59:59 UTC" in str(later.value)
    assert ahead.commands.spawned == []


def waiting(node):
    process = node.context.processes.add("/usr/bin/beam.smp -s rabbit boot", pid=400)
    node.state_files.write("server", {"pid": 400, "start": process.start, "session": 400})
    return Observation(facts.WAITING, process, facts.Broker(process, False), "It waits.")


def test_a_wait_is_published_at_once_and_degraded_when_it_lasts(tmp_path):
    node = Node(tmp_path, [other("n2", facts.WAITING)]).fill()
    seen = waiting(node)
    assert step(node.participant, seen).outcome.code == codes.SUCCESS
    assert "Waits for n3" in node.published.statuses[-1] and "quorate rabbitmq boot n1" in node.published.statuses[-1]
    node.clock.sleep(30)
    outcome = step(node.participant, seen).outcome
    assert outcome.code == codes.DEGRADED and "n3" in outcome.reason


def test_an_override_boots_a_broker_that_waits(tmp_path):
    override = facts.Override("n1", "root", 1)
    node = Node(tmp_path, [other("n2", facts.WAITING)], override=override).fill()
    node.commands.allow("rabbitmqctl", ...)
    for path in ("/usr/sbin/rabbitmqctl", "/usr/lib/rabbitmq/bin/rabbitmqctl"):
        node.commands.allow(path, ...)
    seen = waiting(node)
    node.participant.report(facts.WAITING)
    process = force_boot_if_proven(node.participant)
    assert isinstance(process, Process) and process.pid == 500
    assert seen.process.pid in [pid for pid, _ in node.context.processes.signals]
    assert [call[-1] for call in node.commands.calls] == ["force_boot"]
    assert node.published.current == 1 and node.published.ordered is None, "used up, and a new generation"


def test_a_forced_boot_is_on_record_before_rabbitmq_has_the_order(tmp_path):
    """If the agent is killed or loses the cluster between the two, the order waits on the disk for any later start,
    whatever others did meanwhile."""
    node = Node(tmp_path, override=facts.Override("n1", "root", 1)).fill()
    orders = []
    for path in ("rabbitmqctl", "/usr/sbin/rabbitmqctl", "/usr/lib/rabbitmq/bin/rabbitmqctl"):
        node.commands.allow(path, ..., then=lambda argv, _stdin: orders.append(node.published.current))

    def away():
        raise Unavailable("Pacemaker does not answer.")

    node.published.open_generation, really = away, node.published.open_generation
    with pytest.raises(Unavailable):
        launch_as_decided(node.participant, facts.Decision(facts.FORCE))
    assert orders == [] and node.commands.spawned == []

    node.published.open_generation = really
    launch_as_decided(node.participant, facts.Decision(facts.FORCE))
    assert orders == [1]


def test_without_proof_or_override_nothing_is_forced(tmp_path):
    node = Node(tmp_path, [other("n2", facts.WAITING)]).fill()
    waiting(node)
    node.participant.report(facts.WAITING)
    assert force_boot_if_proven(node.participant) is None
    assert node.commands.calls == [] and node.context.processes.signals == []


@pytest.mark.parametrize("reports, running, needs", [
    ([other("n2", facts.DOWN), other("n3", facts.DOWN)], "rabbit@n1,rabbit@n2", True),
    ([other("n2", facts.STARTING), other("n3", facts.STARTING)], "rabbit@n1,rabbit@n2", False),
    ([other("n2", facts.DOWN), other("n3", facts.RUNNING)], "rabbit@n1,rabbit@n2", False),
    ([other("n2", facts.DOWN), other("n3", facts.DOWN)], "rabbit@n1", False),
], ids=["they are down", "they boot", "one runs", "it was the last one"])
def test_whether_a_boot_will_wait_for_others(tmp_path, reports, running, needs):
    """SIGKILL of all: the first one to be started kept Pacemaker from starting the others until its whole boot was
    done."""
    node = Node(tmp_path, reports).fill(running=running)
    node.participant.report(facts.STARTING)
    assert start._needs_others(node.participant) is needs


@pytest.mark.parametrize("state, least, most", [(facts.DOWN, 0, 10), (facts.STARTING, 80, 91)],
                         ids=["those it needs are down", "all boot"])
def test_how_long_start_stays_with_a_boot(tmp_path, state, least, most):
    """Nothing listens on port 1, so the broker boots for ever. Time passes between two readings of a real clock: with a
    log that does not say that it waits, start stayed for 108 s, in which Pacemaker started nobody else."""
    node = Node(tmp_path, [other("n2", state), other("n3", state)]).fill()
    node.clock.monotonic = lambda: node.clock.sleep(0.001) or 1000.0 + node.clock.elapsed
    node.participant._layout = node.layout._replace(port=1)
    decision = node.participant.decide_and_publish()
    process = launch_as_decided(node.participant, decision)
    assert wait_until_serving(node.participant, process, decision, 90).code == codes.SUCCESS
    assert least <= node.clock.elapsed <= most


RACE = "error:{case_clause,{error,{node_not_running,rabbit@n1}}}"


@pytest.mark.parametrize("error, crashes, launches, code", [
    (RACE, 1, 2, codes.SUCCESS), (RACE, 2, 3, codes.SUCCESS), (RACE, 99, 3, codes.ERR_GENERIC),
    (None, 1, 2, codes.SUCCESS), (None, 4, 2, codes.SUCCESS),
    ("inconsistent_cluster: Node rabbit@n1 thinks it is in a cluster", 1, 1, codes.SUCCESS)],
    ids=["once", "twice", "always", "killed", "killed again: the monitor goes on", "excluded"])
def test_a_broker_that_ends_while_it_starts_is_launched_again(tmp_path, error, crashes, launches, code):
    """A start that failed would keep the node out, and the others wait for it: seen after a power cut of all, with
    4.0.5."""
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
        if error:
            with open(tmp_path / "log", "a", encoding="ascii") as log:
                log.write("2026-11-21 18:01:40.291378+00:00 [error] <0.216.0> %s\n" % error)

    node.commands.on_spawn = spawn
    decision = node.participant.decide_and_publish()
    outcome = wait_until_serving(node.participant, launch_as_decided(node.participant, decision), decision, 90)
    assert (outcome.code, len(started)) == (code, launches)
    assert code == codes.SUCCESS or error[:30] in outcome.reason


def test_a_start_that_cannot_record_that_it_is_started_says_so(tmp_path, monkeypatch):
    """The next monitor would say that nothing is started here."""
    node = Node(tmp_path).fill()
    (tmp_path / "full").write_text("")
    node.state_files.run = str(tmp_path / "full" / "x")
    monkeypatch.setattr(start, "StateFiles", lambda *_, **__: node.state_files)
    monkeypatch.setattr(start, "find_layout", lambda _: node.layout)
    monkeypatch.setattr(start, "layout_problems", lambda _: [])
    outcome = start.start(node.context)
    assert outcome.code == codes.ERR_GENERIC and "df %s" % node.state_files.run in outcome.reason
    assert node.commands.spawned == []


def test_exit_reason_of_a_broker_that_ended_while_it_started():
    assert "Nothing is removed" in boot_error("inconsistent_cluster: Node rabbit@n1 thinks ...",
                                              layout.Layout(*[None] * 13))
    assert "started again" in boot_error("{timeout_waiting_for_tables,[rabbit@n1]}", None)
