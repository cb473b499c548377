# SPDX-License-Identifier: Apache-2.0
"""What a participant writes into its report, and when a report of a running server is written again."""

import os

import pytest

from quorate.galera import facts
from quorate.galera.actions import participant
from quorate.galera.actions.participant import addresses, unpublished
from quorate.galera.declaration import PARAMETERS
from quorate.galera.election.published import decode_report, encode_report
from quorate.ocf import codes
from quorate.ocf.codes import Failed
from quorate.pacemaker.tools import Unavailable
from tests import fakes
from tests.unit.galera.actions.participants import UUID, Node, layout
from tests.unit.galera.election.reports import U, crashed

VIEW = "my_uuid: %s\n#vwbeg\nview_id: 3 %s %d\nbootstrap: 0\nmember: %s 0\nmember: %s 0\n#vwend\n"
OTHER_MEMBER = U.replace("6", "7")


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


def write_view(node, seq):
    with open(node.datadir + "/gvwstate.dat", "w", encoding="ascii") as file:
        file.write(VIEW % (U, U, seq, U, OTHER_MEMBER))


def view_of(node):
    """The View that gvwstate.dat of the node shows."""
    write_view(node, 7)
    from quorate.galera.server.data import disk
    return disk.last_view(node.state_files, node.datadir)[1]


# What is on the disk

@pytest.mark.parametrize("name", ["tried", "survivor", "failed", None])
def test_what_happened_to_the_last_server_is_reported_with_the_position(node, name):
    if name:
        node.state_files.write(name, {"at": 1})
    one = node.participant("start")
    one.report_position(layout(node.datadir))

    report = node.published()
    assert {name} - {None} == {flag for flag in ("tried", "survivor", "failed") if getattr(report, flag)}
    assert False is report.failed or name == "failed", "None would say that this version does not tell"
    assert ("n1", int(one.context.clock.now())) == (report.node, report.since)
    assert encode_report(report) == node.state_files.read("position")["report"]
    assert "" == node.state_files.read("position").get("problem", "")


@pytest.mark.parametrize("seqnos, written", [("40 41 42", 39), ("41", 42)])
def test_the_changes_of_the_view_at_the_end_of_the_position_are_reported(node, seqnos, written):
    node.state_files.write("changes", {"uuid": UUID, "seqnos": seqnos}, persistent=True)
    node.participant("start").report_position(layout(node.datadir))

    assert (42, written) == (node.published().seqno, node.published().written)


def test_a_bootstrap_that_came_to_nothing_is_undone_before_the_disk_is_read(node, mocker):
    calls = mocker.Mock()
    calls.read.side_effect = KeyError("enough is known")
    mocker.patch.object(participant, "undo", calls)
    mocker.patch.object(participant.disk, "read_report", calls.read)
    one, place = node.participant("start"), layout(node.datadir)
    with pytest.raises(KeyError):
        one.report_position(place)

    assert [mocker.call.judge(node.state_files),
            mocker.call.undo(one.context, node.state_files, one.published, node.datadir),
            mocker.call.read(one.context, node.state_files, place)] == calls.mock_calls


def test_what_is_reported_is_decided_upon_at_once(node):
    node.participant("start").report_and_decide(layout(node.datadir))
    assert node.attributes.shared["transient"]["db-status"]["n1"].startswith("Waiting for n2 ")


@pytest.mark.parametrize("generation", [0, 3])
def test_the_generation_is_the_nodes_own(node, generation):
    one = node.participant("start")
    one.published.set_own_generation(generation)
    one.report_position(layout(node.datadir))

    assert generation == node.published().generation


def test_a_transfer_that_broke_off_is_of_no_generation(node):
    """Whatever is on record of the node: the donor has all that it had."""
    one = node.participant("start")
    one.published.set_own_generation(3)
    node.write_grastate(-1)
    with open(node.datadir + "/grastate.dat", "w", encoding="ascii") as file:
        file.write("version: 2.1\nuuid:    %s\nseqno:   -1\nsafe_to_bootstrap: 0\n" % facts.ZERO_UUID)
    one.report_position(layout(node.datadir))

    assert (0, False) == (node.published().generation, node.published().data)


@pytest.mark.parametrize("state, clean, states", [
    (facts.SYNCED, False, [facts.STARTING, facts.DOWN]), (facts.SYNCED, True, [facts.DOWN]),
    (facts.DOWN, False, [facts.DOWN]), (None, False, [facts.DOWN])])
def test_while_innodb_tells_the_position_only_the_report_of_a_server_is_replaced(node, mocker, state, clean, states):
    mocker.patch("quorate.galera.server.data.disk.recover", return_value=((UUID, 42), None))
    one = node.participant("demote")
    if state:
        one.published.publish(facts.Report("n1", state, data=True))
    if not clean:
        node.write_grastate(-1)
    before = len(node.attributes.writes)
    one.report_position(layout(node.datadir))

    assert states == [decode_report("n1", text).state for name, _, text in node.attributes.writes[before:]
                      if name == "db-report"]


# A server that runs

def test_a_report_is_written_again_only_when_it_says_something_else(node):
    """Each write makes every node of the cluster work."""
    one, found = node.participant("monitor", interval=5), []
    began = int(one.context.clock.now()) + 5

    def publish(state):
        before = len(node.attributes.writes)
        one.context.clock.sleep(5)
        one.publish_state(state)
        found.append((len([name for name, _, _ in node.attributes.writes[before:] if name == "db-report"]),
                      node.published().since - began))
    publish(facts.NONPRIMARY)
    publish(facts.NONPRIMARY)
    write_view(node, 7)
    publish(facts.NONPRIMARY)
    one.published.set_own_generation(2)
    publish(facts.NONPRIMARY)
    publish(facts.SYNCED)
    publish(facts.SYNCED)

    assert [(1, 0), (0, 0), (1, 0), (1, 0), (1, 20), (0, 20)] == found
    assert (7, 2) == (node.published().view.seq, node.published().generation)


@pytest.mark.parametrize("interval, lost", [(0, False), (5, True)])
def test_a_probe_writes_its_report_whatever_was_written(node, interval, lost):
    """The cluster may have lost it."""
    node.participant("monitor", interval=5).publish_state(facts.SYNCED)
    node.attributes.shared["transient"].clear()
    node.participant("monitor", interval=interval).publish_state(facts.SYNCED)

    assert lost == (node.published() is None)


def test_the_report_of_a_server_holds_no_position(node):
    """It is not on the disk yet."""
    view = view_of(node)
    one = node.participant("monitor")
    one.published.set_own_generation(4)
    one.publish_state(facts.SYNCED)

    assert facts.Report(
        "n1", facts.SYNCED, data=True, my_uuid=facts.mask(U), view=view, generation=4, recorded=True, failed=False,
        since=int(one.context.clock.now())) == node.published()


@pytest.mark.parametrize("same_view, settled, expected", [
    (True, True, True), (True, False, False), (False, True, False)])
@pytest.mark.parametrize("source", ["launched-from", "position"])
def test_one_that_starts_still_counts_with_what_its_disk_held(node, source, same_view, settled, expected):
    """It was in no primary component since. A view that it has not reached yet may be in its file already."""
    view = view_of(node)
    held = crashed("n1", 5, view if same_view else view._replace(seq=6), settled=settled)
    one = node.participant("monitor")
    node.state_files.write(source, {"report": encode_report(held)})
    if source == "launched-from":
        node.state_files.write("position", {"report": encode_report(held._replace(seqno=4))})
    one.publish_state(facts.STARTING)

    found = node.published()
    assert (facts.STARTING, U, 5, view, facts.mask(U), True) == (
        found.state, found.uuid, found.seqno, found.view, found.my_uuid, found.recorded)
    assert (expected, int(one.context.clock.now())) == (bool(found.settled), found.since)


def test_one_that_was_launched_by_an_earlier_version_starts_with_nothing(node):
    one = node.participant("monitor")
    one.publish_state(facts.STARTING)

    assert (facts.STARTING, None, None) == node.published()[1:4]


@pytest.mark.parametrize("state, left_synced, settled", [
    (facts.NONPRIMARY, True, True), (facts.NONPRIMARY, False, None), (facts.HUNG, True, None),
    (facts.SYNCED, True, None)])
def test_only_one_without_a_quorum_says_what_it_holds_by_its_log(node, mocker, state, left_synced, settled):
    """Of any other state an earlier version makes something else, and the log says what was before."""
    mocker.patch.object(participant.observe, "left_synced", return_value=left_synced)
    one = node.participant("monitor")
    one.publish_state(state)
    assert settled == node.published().settled


@pytest.mark.parametrize("state, stands", [
    (facts.SYNCED, True), (facts.DONOR, True), (facts.JOINED, True), (facts.RECEIVING, True), (facts.STARTING, False),
    (facts.NONPRIMARY, False)])
def test_which_states_prove_that_a_bootstrap_stands(node, state, stands):
    node.state_files.write("opening", {"generation": 2}, persistent=True)
    node.state_files.write("changes", {"uuid": UUID, "seqnos": "42"}, persistent=True)  # of an earlier run
    node.participant("monitor").publish_state(state)

    for name in ("opening", "changes"):
        assert stands == (node.state_files.read(name, persistent=True) == {})


# Errors

@pytest.mark.parametrize("error, runs, code", [
    (Unavailable("Not now."), True, codes.RUNNING_PROMOTED), (Unavailable("Not now."), False, codes.SUCCESS),
    (Failed(codes.ERR_ARGS, "Not understood."), True, codes.DEGRADED_PROMOTED)])
def test_what_says_nothing_of_the_server_is_no_failure_of_it(node, error, runs, code):
    outcome = unpublished(node.participant("monitor").context, "a process" if runs else None, error)

    assert (code, "Not understood." if code == codes.DEGRADED_PROMOTED else None) == outcome[:2]


@pytest.mark.parametrize("error, runs", [
    (Failed(codes.ERR_ARGS, "Not understood."), False), (Failed(codes.ERR_GENERIC, "Broken."), True), (OSError(5, "x"), True)])
def test_every_other_error_is_one(node, error, runs):
    with pytest.raises(type(error)):
        unpublished(node.participant("monitor").context, "a process" if runs else None, error)


def test_the_ports_are_those_of_the_layout(node):
    node.state_files.write("layout", {"base_port": 5000})
    assert {"n1": ("n1", 5000), "n2": ("n2", 5000)} == node.participant("monitor").addresses


def test_the_published_state_is_that_of_the_cluster(node, mocker):
    made = mocker.patch.object(participant, "PublishedState")
    context = node.participant("monitor").context
    one = participant.Participant(context, node.state_files)
    assert [mocker.call(context, node.state_files)] == made.call_args_list and one.published is made.return_value


@pytest.mark.parametrize("address, port, expected", [
    ("gcomm://n1,n2", None, {"n1": ("n1", 4567), "n2": ("n2", 4567)}),
    ("gcomm://n1,n2:6000", 5000, {"n1": ("n1", 5000), "n2": ("n2", 6000)})])
def test_addresses_have_the_servers_own_port_where_the_address_names_none(address, port, expected):
    parameters = fakes.context(parameters=PARAMETERS, wsrep_cluster_address=address).parameters
    assert expected == (addresses(parameters) if port is None else addresses(parameters, port))


def test_an_address_that_is_not_understood_is_no_error_for_the_other_nodes():
    with pytest.raises(Failed) as failed:
        addresses(fakes.context(parameters=PARAMETERS, wsrep_cluster_address="n1,n2").parameters)
    assert codes.ERR_ARGS == failed.value.code and "must begin with gcomm://" in failed.value.reason


def test_the_last_position_is_that_which_was_reported(node):
    one = node.participant("monitor")
    assert one.own_report() is None
    one.report_position(layout(node.datadir))
    assert (UUID, 42) == one.own_report()[2:4]
    assert decode_report("n1", node.state_files.read("position")["report"]) == one.own_report()


@pytest.mark.parametrize("action", [facts.JOIN, facts.BOOTSTRAP, facts.RECOVER, None])
def test_what_a_server_was_launched_for(node, action):
    if action:
        node.state_files.write("launched-from", {"action": action})
    one = node.participant("monitor")
    assert (action == facts.JOIN, action == facts.BOOTSTRAP) == (one.never_synced(), one.launched_to_bootstrap())


@pytest.mark.parametrize("state", [facts.SYNCED, facts.NONPRIMARY, facts.STARTING])
@pytest.mark.parametrize("has_file", [True, False])
def test_a_report_says_whether_the_server_can_re_form_the_view_and_who_of_it_is_an_arbitrator(node, state, has_file):
    """Without gvwstate.dat Galera re-forms nothing, whatever the disk held before; and an arbitrator reports nothing."""
    view = view_of(node)
    node.state_files.write("view", {"my": facts.mask(U), "uuid": view.uuid, "seq": view.seq,
                                    "members": " ".join(view.members), "arbitrators": facts.mask(OTHER_MEMBER)},
                           persistent=True)
    if not has_file:
        os.unlink(node.datadir + "/gvwstate.dat")
    node.state_files.write("launched-from", {"report": encode_report(crashed(
        "n1", 5, view, recorded=not has_file, arbitrators=frozenset([facts.mask(OTHER_MEMBER)])))})
    node.participant("monitor").publish_state(state)

    report = node.published()
    assert (has_file, view, frozenset([facts.mask(OTHER_MEMBER)])) == (report.recorded, report.view, report.arbitrators)
