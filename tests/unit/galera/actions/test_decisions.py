# SPDX-License-Identifier: Apache-2.0
"""What a participant asks before it decides, what it publishes of its decision, and when a wait is shown."""

import pytest

from quorate.galera import facts
from quorate.galera.actions.participant import stable_reason, status_text
from quorate.galera.election.published import encode_report
from quorate.galera.facts import Decision, Override
from quorate.galera.server import greeting, observe
from quorate.host.clock import Deadline
from quorate.ocf import codes
from tests.unit.galera.actions.participants import ME, UUID, Node, layout, participant
from tests.unit.galera.election.reports import OTHER, U, alive, crashed, stopped

ORDER = Override("n1", "op", 1, False)
MEMBER = facts.mask(U)


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


@pytest.fixture
def asked(mocker):
    """Sets of names whose ports were asked, in order. None of them answers."""
    found = []

    def listening(addresses, seconds):
        assert 1.0 == seconds and all(address == (name, 4567) for name, address in addresses.items())
        found.append(set(addresses))
        return frozenset()
    mocker.patch.object(observe, "listening", listening)
    return found


def report(node, name, state, seqno=None):
    """Let this node have reported that."""
    one = facts.Report(name, state, data=True, my_uuid=MEMBER) if state != facts.DOWN else stopped(
        name, seqno, uuid=UUID)
    node.attributes.shared["transient"].setdefault("db-report", {})[name] = encode_report(one)


@pytest.mark.parametrize("own, other, order, ports, listening", [
    (facts.DOWN, None, False, {"n2"}, set()),
    (facts.DOWN, facts.DOWN, False, {"n2"}, set()),
    (facts.DOWN, facts.SYNCED, False, set(), set()),
    (facts.DOWN, facts.HUNG, False, set(), set()),
    (facts.DOWN, facts.SYNCED, True, {"n2"}, set()),       # its report may be that of a node that hangs
    (facts.NONPRIMARY, facts.SYNCED, True, {"n2"}, {"n1"}),
    (facts.NONPRIMARY, facts.SYNCED, False, set(), {"n1"})])
def test_whose_port_is_asked_before_a_bootstrap(node, asked, own, other, order, ports, listening):
    one = node.participant("monitor", 7)
    report(node, "n1", own, 5)
    if other:
        report(node, "n2", other, 5)
    if order:
        one.published.set_override(ORDER)

    snapshot = one.snapshot(listen=True)
    assert [ports] == asked and listening == snapshot.listening and {} == snapshot.arbitrators_alive
    assert (ORDER if order else None) == snapshot.override
    assert None is one.snapshot().listening and [ports] == asked


def test_an_order_that_is_about_to_be_given_is_judged_as_if_it_were(node, asked):
    one = node.participant("monitor", 7)
    report(node, "n2", facts.SYNCED)

    assert ORDER == one.snapshot(listen=True, override=ORDER).override
    assert [{"n2"}] == asked and one.published.override() is None


def test_members_that_have_not_reported_are_known_by_the_name_that_the_view_remembers(node, mocker):
    last = mocker.patch("quorate.galera.server.data.disk.last_view", return_value=(None, None, frozenset(), {"m3": "n3"}))
    one = node.participant("monitor", 7)
    report(node, "n2", facts.SYNCED)

    assert {"m3": "n3", MEMBER: "n2"} == one.snapshot().names
    assert (node.state_files, node.datadir) == last.call_args.args


def test_arbitrators_are_asked_before_a_bootstrap(node, asked, mocker):
    ask = mocker.patch.object(greeting, "arbitrators", return_value={"g9": None})
    one = node.participant("monitor", 7)
    one.context.parameters.arbitrators = ["g9"]

    assert {"g9": None} == one.snapshot(listen=True).arbitrators_alive
    assert (one.context.parameters, 4567, 1.0) == ask.call_args.args


@pytest.mark.parametrize("own, other, ports", [
    (facts.DOWN, facts.SYNCED, [{"n2"}]), (facts.SYNCED, facts.DONOR, [{"n2"}]), (facts.SYNCED, facts.NONPRIMARY, []),
    (facts.DOWN, None, [])])
def test_of_whom_a_joiner_asks_whether_they_are_there(node, asked, own, other, ports):
    report(node, "n1", own, 5)
    if other:
        report(node, "n2", other, 5)

    assert frozenset() == node.participant("monitor", 7).reachable_primary()
    assert ports == asked


# What is published of a decision

def test_a_bootstrap_is_decided_again_with_the_ports_and_offered(node, asked):
    one = node.participant("monitor", 7)
    one.published.set_own_generation(1)
    node.attributes.shared["property"]["db-generation"] = "1"
    one.report_position(layout(node.datadir))
    report(node, "n2", facts.DOWN, 41)

    decision = one.decide_and_publish()
    assert (facts.BOOTSTRAP, ("n1",), True) == (decision.action, decision.nodes, decision.confirmed)
    assert [{"n2"}] == asked
    assert decision.reason == node.attributes.shared["transient"]["db-status"]["n1"]
    assert {"n1"} == set(node.attributes.shared["transient"]["master-db"])
    assert ["Decision: bootstrap. " + decision.reason] == one.context.log.said[-1:]


def test_with_a_running_cluster_no_port_is_asked_unless_there_is_an_order(node, asked):
    one = node.participant("monitor", 7)
    one.report_position(layout(node.datadir))
    report(node, "n2", facts.SYNCED)

    assert facts.JOIN == one.decide_and_publish().action and [] == asked
    one.published.set_override(ORDER)
    one.decide_and_publish()
    assert [{"n2"}] == asked


@pytest.mark.parametrize("command, text", [(None, "It waits."), ("quorate bootstrap n1", "It waits. (quorate bootstrap n1)")])
def test_the_status_has_the_command_with_the_reason(command, text):
    assert text == status_text(Decision(facts.WAIT, reason="It waits.", command=command))


@pytest.mark.parametrize("missing, text", [(("n2", "n3"), "n2, n3"), ((), "a decision")])
def test_the_exit_reason_says_what_stays_true(missing, text):
    assert "Waits for %s; an operator is needed: quorate explain db" % text == stable_reason(
        Decision(facts.WAIT, missing=missing), "db")


# The wait

def waits(node, seconds, decision, problem=""):
    """The Outcome of a monitor that waits for so long already."""
    one = node.participant("monitor", 7)
    one.report_position(layout(node.datadir))
    node.state_files.write("position", dict(node.state_files.read("position"), problem=problem))
    node.state_files.write("waiting", {"since": int(one.context.clock.monotonic()) - seconds})
    if decision.action != facts.JOIN:
        node.state_files.write("offered", {"at": 1})
    one.decide_and_publish = lambda: decision
    return one.wait()[:2]


@pytest.mark.parametrize("seconds, urgent, problem, outcome", [
    (19, True, "The disk is full.", (codes.SUCCESS, None)),
    (20, True, "", (codes.DEGRADED, "Waits for n2; an operator is needed: quorate explain db")),
    (20, False, "The disk is full.", (codes.DEGRADED, "The disk is full.")),
    (20, True, "The disk is full.", (codes.DEGRADED, "The disk is full.")),
    (599, False, "", (codes.SUCCESS, None)),
    (600, False, "", (codes.DEGRADED, "Waits for n2 for more than 10 minutes: quorate explain db"))])
@pytest.mark.parametrize("action", [facts.WAIT, facts.REFUSE])
def test_when_a_wait_is_shown(node, action, seconds, urgent, problem, outcome):
    assert outcome == waits(node, seconds, Decision(action, missing=("n2",), urgent=urgent), problem)
    assert node.state_files.has("waiting") and not node.state_files.has("offered")


def test_a_long_wait_for_nobody_is_one_for_a_decision(node):
    assert (codes.DEGRADED, "Waits for a decision for more than 10 minutes: quorate explain db") == waits(
        node, 600, Decision(facts.WAIT))


@pytest.mark.parametrize("nodes, offered", [(("n1",), True), (("n2",), False)])
def test_a_wait_ends_with_a_decision(node, nodes, offered):
    assert (codes.SUCCESS, None) == waits(node, 600, Decision(facts.JOIN, nodes), "The disk is full.")
    assert not node.state_files.has("waiting") and offered == node.state_files.has("offered")


# At the promotion

def test_one_that_is_not_promoted_says_why(tmp_path):
    one, said = participant(tmp_path, [stopped("n1", 5, uuid=OTHER), crashed("n3", 5)]), []
    one.published.set_status = said.append

    assert one.confirm(None) is None
    assert crashed(ME, 5) == one.published.own and one.published.withdrawn
    assert said[-1].startswith("The nodes hold data of different histories (") and said[-1].endswith(
        "(quorate bootstrap NODE)")


@pytest.mark.parametrize("seconds, waited", [(300, 60), (60, 30)])
def test_how_long_a_joiner_waits_for_a_state_transfer(tmp_path, seconds, waited):
    one, said = participant(tmp_path, [alive("n1", facts.SYNCED), alive("n3", facts.RECEIVING)]), []
    one.published.set_status = said.append
    one.context.deadline = Deadline(one.context.clock, seconds)

    assert not one._may_join()
    assert waited <= one.context.clock.elapsed <= waited + 1
    assert ["waits to join: n3 joins first"] == sorted(set(said))
    assert facts.STARTING == one.published.own.state


# What was not known

@pytest.mark.parametrize("recovers", [True, False])
def test_the_result_of_a_recovery_is_taken_as_soon_as_it_is_there(node, mocker, recovers):
    one = node.participant("monitor", interval=5)
    one.state_files.write("recovering", {"pid": 4})
    mocker.patch.object(observe, "data_directory", lambda *of: {(one.context, one.state_files): "/recorded"}[of])
    mocker.patch("quorate.galera.server.settings.layout.find_layout", return_value="the layout")
    goes_on = mocker.patch("quorate.galera.server.data.recovery.goes_on", return_value=recovers)
    reads = mocker.patch.object(one, "report_position")
    one._read_again()

    goes_on.assert_called_once_with(one.context, one.state_files, "/recorded")
    assert ([] if recovers else [mocker.call("the layout")]) == reads.call_args_list


@pytest.mark.parametrize("change, seconds, again", [
    ({"data": None}, 60, True), ({"data": None}, 59, False), ({"state": facts.UNKNOWN}, 60, True),
    ({"data": None, "since": None}, 0, True), ({}, 900, False)])
def test_a_disk_that_did_not_yield_its_position_is_read_again_every_minute(node, mocker, change, seconds, again):
    one = node.participant("monitor", interval=5)
    own = crashed("n1", 5, since=int(one.context.clock.now()) - seconds)._replace(**change)
    mocker.patch.object(one, "own_report", return_value=own)
    mocker.patch("quorate.galera.server.settings.layout.find_layout", return_value="the layout")
    reads = mocker.patch.object(one, "report_position")
    one._read_again()

    assert ([mocker.call("the layout")] if again else []) == reads.call_args_list


# At the promotion

@pytest.mark.parametrize("action, nodes, confirmed", [
    (facts.RECOVER, ("n1", "n2"), True), (facts.RECOVER, ("n2", "n3"), False), (facts.BOOTSTRAP, ("n2",), False),
    (facts.BOOTSTRAP, ("n1",), True), (facts.WAIT, ("n1",), False), (facts.REFUSE, ("n1",), False)])
def test_a_server_is_launched_only_by_a_decision_that_names_this_node(node, mocker, action, nodes, confirmed):
    one = node.participant("promote")
    one.report_position(layout(node.datadir))
    decision = facts.Decision(action, nodes, "As decided.")
    mocker.patch.object(one, "_await_turn", return_value=("the snapshot", decision))

    assert one.confirm(layout(node.datadir)) == ((decision, "the snapshot") if confirmed else None)


def test_one_that_waits_for_its_turn_says_whose_it_is(node, mocker):
    """Pacemaker shows a promotion that takes time, and not what for."""
    one, said = node.participant("promote"), []
    mocker.patch("quorate.galera.actions.participant.decide", return_value=facts.Decision(
        facts.BOOTSTRAP, ("n2",), "n2 goes first."))
    mocker.patch.object(one, "snapshot", return_value="the snapshot")
    mocker.patch.object(one.published, "set_status", said.append)
    one._await_turn()

    assert {"n2 goes first."} == set(said)
