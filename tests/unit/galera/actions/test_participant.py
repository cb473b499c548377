# SPDX-License-Identifier: Apache-2.0
"""This node's part in the election: what it publishes when, and what it does at the point of no return."""

import os

import pytest

from quorate.galera import facts
from quorate.galera.actions.participant import JOIN_TOGETHER, TURN_BEGINS, TURN_MOST, Participant
from quorate.galera.declaration import PARAMETERS
from quorate.galera.election.decide import keeps_view
from quorate.galera.server import observe
from quorate.galera.server.data import recovery
from quorate.host.clock import Deadline
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from tests import fakes
from tests.unit.galera.actions.participants import ME, SERVER, UUID, Node, layout, participant
from tests.unit.galera.election.reports import alive, crashed, view


# Publishing

@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


def test_a_start_publishes_what_is_on_the_disk(node):
    node.participant("start").report_and_decide(layout(node.datadir))

    assert (facts.DOWN, UUID, 42) == node.published()[1:4]


def test_what_start_cannot_publish_the_next_monitor_publishes(node):
    """Seen on a busy machine: a node without a report, for which all others waited until somebody typed a cleanup."""
    node.attributes.unavailable = "The cluster did not answer attrd_updater in time."
    starting = node.participant("start")
    starting.report_and_decide(layout(node.datadir))
    assert any("A later monitor" in text for _, text in starting.context.log.lines)
    node.attributes.unavailable = None
    assert node.published() is None

    assert codes.SUCCESS == node.participant("monitor").wait().code
    assert (facts.DOWN, UUID, 42) == node.published()[1:4]

    node.participant("monitor").wait()
    assert 1 == len([name for name, _, _ in node.attributes.writes if name == "db-report"])


def test_a_report_that_the_cluster_lost_is_published_again(node):
    node.participant("start").report_and_decide(layout(node.datadir))
    node.attributes.shared["transient"].clear()  # pacemaker-attrd was started anew

    node.participant("monitor", interval=5).wait()

    assert (facts.DOWN, UUID, 42) == node.published()[1:4]


@pytest.mark.parametrize("fix", ["position", "view"])
def test_a_position_that_was_unknown_is_read_again_once_its_cause_is_gone(node, fix):
    """A file that belonged to root: the whole database stayed down, also after it had been put right."""
    if fix == "position":
        node.write_grastate(-1)
    else:
        with open(node.datadir + "/gvwstate.dat", "w", encoding="ascii") as file:
            file.write("half a view")
    one = node.participant("start")
    one.context.commands.allow(SERVER, "--datadir=" + node.datadir, ..., rc=1, err="[ERROR] Operating system error 13")
    one.report_and_decide(layout(node.datadir))
    assert node.published().data is None or node.published().state == facts.UNKNOWN
    if fix == "position":
        node.write_grastate(42)
    else:
        os.unlink(node.datadir + "/gvwstate.dat")

    found = []
    for seconds in (0, 59, 1):
        one.context.clock.sleep(seconds)
        one.context.deadline = Deadline(one.context.clock, 20)  # of the next monitor
        one.wait()
        found.append((node.published().state, node.published().seqno) == (facts.DOWN, 42))

    assert [False, False, True] == found


def test_a_server_that_ended_in_promote_receives_no_longer(node):
    """Its promote failed, and `pcs resource cleanup` came before the demote: "the others join after the state transfer to
    n1" was believed for ever, by n1 as well."""
    node.write_grastate(42)
    one = node.participant("start")
    one.report_and_decide(layout(node.datadir))
    one.state_files.forget("position")  # as a launch does
    one.publish_state(facts.RECEIVING)
    assert facts.RECEIVING == node.published().state

    one.context.deadline = Deadline(one.context.clock, 20)
    one.wait()

    assert (facts.DOWN, 42) == (node.published().state, node.published().seqno)


def test_a_wait_that_lasts_is_shown_whatever_it_is_for(node):
    """A member in standby, or one whose start failed, never reports; nothing in `pcs status` said that it was awaited."""
    node.participant("start").report_and_decide(layout(node.datadir))
    one = node.participant("monitor")

    def wait_after(seconds):
        one.context.clock.sleep(seconds)
        one.context.deadline = Deadline(one.context.clock, 20)  # of the next monitor
        return one.wait()

    assert [codes.SUCCESS] * 2 == [wait_after(0).code, wait_after(599).code]
    outcome = wait_after(1)
    assert (codes.DEGRADED, True) == (outcome.code, "for more than 10 minutes: quorate explain" in outcome.reason)


def test_a_recovery_of_the_position_leaves_time_to_publish_it(node):
    """InnoDB had more log to apply than start had time: nothing could be published any more, and the start failed."""
    node.write_grastate(-1)
    starting = node.participant("start")
    starting.context.commands.allow(SERVER, "--datadir=" + node.datadir, ..., takes=recovery.RECOVER_MOST * 2)

    starting.report_and_decide(layout(node.datadir))

    assert (facts.STARTING, None, None) == node.published()[1:4]  # and the recovery goes on
    assert not node.state_files.has("untold")


class Offers:
    """Counts how often the published attributes are written again."""

    def __init__(self):
        self.rewritten = 0

    def rewrite(self):
        self.rewritten += 1


class Offered(Participant):
    """A node whose promotion the election offers, or not."""

    allowed = True

    action = facts.JOIN

    def decide_and_publish(self):
        return facts.Decision(self.action, ("n1",) if self.allowed else ("n2",))


def test_an_offer_that_nobody_takes_is_written_again(tmp_path):
    """Found by scripts/faults: after the death of a controller the score was in pacemaker-attrd only, and n2 waited for
    ever."""
    context = fakes.context(parameters=PARAMETERS, environ={"OCF_RESKEY_CRM_meta_on_node": "n1"},
                            wsrep_cluster_address="gcomm://n1,n2")
    offers = Offers()
    one = Offered(context, StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent")), offers)

    assert [0, 1, 2] == [offers.rewritten for _ in range(3) if one.wait()]
    one.allowed = False
    one.wait()
    one.allowed = True
    assert [2, 3] == [offers.rewritten for _ in range(2) if one.wait()]
    one.action = facts.WAIT
    one.wait()
    one.action = facts.JOIN
    assert [3, 4] == [offers.rewritten for _ in range(2) if one.wait()]


# At the promotion

def test_a_primary_component_lost_while_it_waited_is_re_formed_and_not_joined(tmp_path):
    """Found by scripts/faults: n2 and n3 killed, n1's report late. Then n2 came as a new member, the old view could not
    come back without it, and all three waited for a minute."""
    late = [alive("n1", facts.SYNCED), crashed("n3", 5)]
    lost = [alive("n1", facts.NONPRIMARY), crashed("n3", 5)]

    decision, snapshot = participant(tmp_path, late, late, lost).confirm(None)

    assert (facts.RECOVER, True) == (decision.action, ME in decision.nodes)
    assert keeps_view(snapshot, ME, decision, frozenset({"n1"}))


def test_a_join_is_carried_out_on_the_snapshot_that_it_was_decided_on(tmp_path):
    late = [alive("n1", facts.SYNCED), crashed("n3", 5)]

    decision, snapshot = participant(tmp_path, late, late, late,
                                     [alive("n1", facts.NONPRIMARY), crashed("n3", 5)]).confirm(None)

    assert facts.JOIN == decision.action
    assert keeps_view(snapshot, ME, decision, frozenset({"n1"}))  # one of three may have lost it, and not know yet


def test_a_join_that_is_not_allowed_any_more_is_withdrawn(tmp_path):
    """Only n3's report is missing now: nobody may start, and nobody shall wait for one that says it starts."""
    one = participant(tmp_path, [alive("n1", facts.SYNCED)], [alive("n1", facts.SYNCED)], [crashed("n1", 5)])

    assert one.confirm(None) is None
    assert (facts.DOWN, True) == (one.published.own.state, one.published.withdrawn)


def test_a_bootstrap_is_confirmed_on_its_own_node_only(tmp_path):
    lower = [crashed("n1", 4, tried=True), crashed("n3", 4, tried=True)]
    decision, snapshot = participant(tmp_path / "best", lower).confirm(None)
    assert (facts.BOOTSTRAP, (ME,), True) == (decision.action, decision.nodes, decision.confirmed)
    assert snapshot.listening is not None

    higher = participant(tmp_path / "other", [crashed("n1", 9, tried=True), crashed("n3", 4, tried=True)])
    assert higher.confirm(None) is None and higher.published.withdrawn


STARTS = alive("n1", facts.STARTING, None)


@pytest.mark.parametrize("others, seconds", [
    ([crashed("n1", 9, tried=True), crashed("n3", 4, tried=True)], TURN_BEGINS),  # n1 bootstraps
    ([STARTS, crashed("n3", 4, tried=True)], TURN_MOST),                          # it has begun to
    ([crashed("n3", 4, tried=True)], 0), ([STARTS], 0),                           # n1, n3: not known when, if ever
    ([alive("n1", facts.UNKNOWN), crashed("n3", 4, tried=True)], 0),
    ([STARTS, alive("n3", facts.HUNG)], 0)])
def test_a_promotion_waits_only_for_what_comes_soon(tmp_path, others, seconds):
    one = participant(tmp_path, others)
    one.context.deadline, began = Deadline(one.context.clock, 100), one.context.clock.monotonic()
    assert one.confirm(None) is None
    assert seconds <= one.context.clock.monotonic() - began <= seconds + 1


def test_a_promotion_that_waits_for_its_turn_leaves_most_of_its_time(tmp_path):
    one = participant(tmp_path, [STARTS, crashed("n3", 4, tried=True)])
    one.context.deadline, began = Deadline(one.context.clock, 12), one.context.clock.monotonic()
    assert one.confirm(None) is None and 4 <= one.context.clock.monotonic() - began <= 4.5  # a third


@pytest.mark.parametrize("answering, confirmed", [((), True), (("n3",), False)])
def test_a_bootstrap_is_confirmed_only_after_the_ports_of_silent_nodes_were_tried(tmp_path, mocker, answering,
                                                                                  confirmed):
    """n3 was evicted before the last view and has not reported. Whether its mysqld runs only its port can tell."""
    tried = []
    mocker.patch.object(observe, "listening", lambda addresses, _: tried.append(set(addresses)) or frozenset(answering))
    one = participant(tmp_path, [crashed("n1", 4, view(8, "n1", "n2"), tried=True)])
    one.addresses = {name: (name, 4567) for name in ("n1", ME, "n3")}

    assert confirmed == (one.confirm(None) is not None)
    assert [{"n1", "n3"}] == tried and one.published.withdrawn != confirmed


@pytest.mark.parametrize("other, waits", [
    (alive("n1", facts.STARTING), True), (alive("n1", facts.RECEIVING), True), (alive("n3", facts.STARTING), False)])
def test_of_two_that_join_at_once_one_goes_first(tmp_path, other, waits):
    """A server that still starts after some seconds recovers InnoDB, or waits for exactly this node: it held up the
    others for as long as it took."""
    one = participant(tmp_path, [alive("n4", facts.SYNCED), other])
    one.context.deadline = Deadline(one.context.clock, 300)

    assert (other.state != facts.RECEIVING) == one._may_join()
    assert (one.context.clock.elapsed > 5) == waits
    assert one.context.clock.elapsed < 15 or other.state == facts.RECEIVING


def test_what_keeps_a_position_unknown_is_the_exit_reason(node):
    """Only the log of this node had it, and the others only said that they wait for it."""
    one = node.participant("monitor")
    with open(node.datadir + "/gvwstate.dat", "w", encoding="ascii") as file:
        file.write("my_uuid: garbage")
    one.report_position(layout(node.datadir))
    node.state_files.write("waiting", {"since": int(one.context.clock.monotonic()) - 30})

    outcome = one.wait()

    assert codes.DEGRADED == outcome.code
    assert outcome.reason.startswith("gvwstate.dat is")


@pytest.mark.parametrize("has_view, starting, waits", [
    (False, "n1", True), (True, "n1", False), (False, "n3", False)])
def test_whom_a_joiner_lets_go_first(tmp_path, has_view, starting, waits):
    """One that starts and comes first gets some seconds. Not from one that holds a view, for which it may wait; nor does
    one that comes later: of two that start at once one has to go."""
    os.makedirs(tmp_path / "data")
    if has_view:
        (tmp_path / "data" / "gvwstate.dat").write_text("a view")
    serving = "n3" if starting == "n1" else "n1"
    one = participant(tmp_path, [alive(serving, facts.SYNCED), alive(starting, facts.STARTING, None)])

    assert facts.JOIN == one.confirm(None)[0].action
    assert (JOIN_TOGETHER if waits else 0) <= one.context.clock.elapsed <= (JOIN_TOGETHER + 1 if waits else 0.1)


def test_a_joiner_lets_a_state_transfer_end_whoever_receives_it(tmp_path):
    one = participant(tmp_path, [alive("n1", facts.SYNCED), alive("n3", facts.RECEIVING)],
                      [alive("n1", facts.SYNCED), alive("n3", facts.RECEIVING)],
                      [alive("n1", facts.SYNCED), alive("n3", facts.SYNCED)])

    assert facts.JOIN == one.confirm(None)[0].action


def test_while_innodb_recovers_the_last_report_does_not_say_that_it_serves(node, mocker):
    """A demote whose recovery took long said synced meanwhile, and joiners waited for that node."""
    one, seen = node.participant("demote"), []
    one.published.publish(facts.Report("n1", facts.SYNCED, data=True))
    node.write_grastate(-1)
    mocker.patch("quorate.galera.server.data.disk.recover", side_effect=lambda *_: (
        seen.append(node.published().state), ((UUID, 43), None))[1])

    one.report_position(layout(node.datadir))

    assert [facts.STARTING] == seen
    assert (facts.DOWN, UUID, 43) == node.published()[1:4]


def test_a_recovery_that_goes_on_is_no_reason_to_call_the_operator(node, mocker):
    node.write_grastate(-1)
    node.state_files.write("recovering", {"pid": 4})
    mocker.patch("quorate.galera.server.data.disk.recover", return_value=(None, "InnoDB still applies its log."))
    node.participant("start").report_position(layout(node.datadir))

    assert (facts.STARTING, None, None) == node.published()[1:4]
