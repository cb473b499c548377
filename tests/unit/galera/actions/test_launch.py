# SPDX-License-Identifier: Apache-2.0
"""What promote does between its decision and the launch of the server: with which options, in which order, and which
files the server starts with."""

import os

import pytest

from quorate.galera import facts
from quorate.galera.actions import start
from quorate.galera.election.published import encode_report
from quorate.galera.facts import BOOTSTRAP, JOIN, RECOVER, Decision, Override
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.ocf.codes import Failed
from tests.unit.galera.actions.participants import UUID, Node, layout
from tests.unit.galera.election.reports import U, alive, snapshot_of

VIEW = "my_uuid: %s\n#vwbeg\nview_id: 3 %s 7\nbootstrap: 0\nmember: %s 0\nmember: %s 0\n#vwend\n"
GENERATION, START = "db-generation", "2:%s:42:1" % UUID


class Launching:
    """n1 at its promotion. launch() returns the options of the server; `effects` are those that others see, in order."""

    def __init__(self, tmp_path, mocker):
        self.node = Node(tmp_path)
        self.layout = layout(self.node.datadir)
        self.one = self.node.participant("promote")
        self.one.published.set_own_generation(1)
        self.node.attributes.shared["property"][GENERATION] = "1"
        self.one.report_position(self.layout)
        self.reported = self.one.own_report()
        self.reachable = mocker.patch.object(self.one, "reachable_primary", return_value=frozenset())
        self.before_launch = mocker.patch.object(start.identity, "before_launch")
        self.launched = mocker.patch.object(start, "launch", side_effect=self._launch)
        self.seen = None
        del self.node.attributes.writes[:]

    def _launch(self, context, state_files, server, options):
        assert (self.one.context, self.one.state_files, self.layout) == (context, state_files, server)
        self.seen = os.listdir(self.node.datadir)
        return "the process"

    def launch(self, action, own=None, *others):
        own = own or self.reported
        snapshot = snapshot_of(own, *others, configured=("n1", "n2"))
        assert "the process" == start.launch_as_decided(self.one, Decision(action, ("n1",), "As decided."), snapshot, own,
                                                        self.layout)
        return self.launched.call_args.args[3]

    def write_view(self):
        with open(self.node.datadir + "/gvwstate.dat", "w", encoding="ascii") as file:
            file.write(VIEW % (U, U, U, U.replace("6", "7")))


@pytest.fixture
def launching(tmp_path, mocker):
    return Launching(tmp_path, mocker)


@pytest.mark.parametrize("action", [JOIN, RECOVER, BOOTSTRAP])
@pytest.mark.parametrize("source", [facts.GRASTATE, facts.RECOVERED])
def test_the_options_of_a_launch(launching, action, source):
    """Only a bootstrap is one; and a position that grastate.dat does not hold has to be told."""
    own = launching.reported._replace(source=source)

    assert ["--wsrep_cluster_address=gcomm://n1,n2"] + ["--wsrep-new-cluster"] * (action == BOOTSTRAP) + [
        "--wsrep_start_position=%s:42" % UUID] * (source == facts.RECOVERED) == launching.launch(action, own)


@pytest.mark.parametrize("action", [JOIN, BOOTSTRAP])
def test_what_is_on_record_when_the_server_runs(launching, action):
    for name in ("waiting", "progress", "survivor", "offered", "tried", "failed"):
        launching.node.state_files.write(name, {"at": 1})
    launching.node.state_files.write("changes", {"uuid": UUID, "seqnos": "42"}, persistent=True)
    launching.launch(action)

    files = launching.node.state_files
    # A bootstrap may be undone, and then they still hold.
    assert (action == BOOTSTRAP) == bool(files.read("changes", persistent=True))
    assert {"report": encode_report(launching.reported), "action": action, "log": launching.layout.log,
            "socket": launching.layout.socket} == files.read("launched-from")
    assert not [name for name in ("position", "waiting", "progress", "survivor", "offered") if files.has(name)]
    assert files.has("failed") and files.has("tried") == (action != BOOTSTRAP)
    assert facts.STARTING == launching.node.published().state
    assert "starts" == launching.node.attributes.shared["transient"]["db-status"]["n1"]


def test_a_bootstrap_is_on_record_in_this_order(launching):
    """Killed between the first two, no node may vote; in the other order a node would be ahead of the cluster."""
    launching.launch(BOOTSTRAP)

    assert [("db-openings", "cluster", START), ("db-generation", "cluster", "2"), ("db-generation", "n1", "2")] == (
        launching.node.attributes.writes[:3])
    assert {"generation": "2", "own": "1", "cluster": "1", "uuid": UUID, "seqno": "42", "most": "43", "safe": "0"} == (
        launching.node.state_files.read("opening", persistent=True))
    with open(launching.node.datadir + "/grastate.dat", encoding="ascii") as file:
        assert "safe_to_bootstrap: 1" in file.read()


def test_a_join_opens_no_generation(launching):
    launching.launch(JOIN)

    assert ["db-report", "db-status"] == [name for name, _, _ in launching.node.attributes.writes]
    with open(launching.node.datadir + "/grastate.dat", encoding="ascii") as file:
        assert "safe_to_bootstrap: 0" in file.read()


def test_an_order_ends_with_the_bootstrap_that_it_led_to(launching):
    launching.one.published.set_override(Override("n1", "op", 1, False))
    launching.launch(BOOTSTRAP)

    assert launching.one.published.override() is None
    assert any(text == "Override carried out, as ordered by op: As decided."
               for _, text in launching.one.context.log.lines)


def test_a_bootstrap_that_cannot_be_recorded_is_carried_out_and_stands(launching, mocker):
    """/var is full; and an earlier record is not that of this bootstrap."""
    launching.node.state_files.write("opening", {"generation": 1}, persistent=True)
    mocker.patch.object(start.undo, "record", side_effect=OSError(28, "No space left on device"))
    launching.launch(BOOTSTRAP)

    assert {} == launching.node.state_files.read("opening", persistent=True)
    assert any("cannot be recorded: [Errno 28] No space" in text for _, text in launching.one.context.log.lines)


@pytest.mark.parametrize("action, receives", [(JOIN, True), (RECOVER, False), (BOOTSTRAP, False)])
def test_a_name_of_the_data_directory_that_cannot_be_kept_prevents_no_launch(launching, action, receives):
    launching.before_launch.side_effect = OSError(28, "No space left on device")
    launching.launch(action)

    context, state_files, datadir, told = launching.before_launch.call_args.args
    assert (launching.one.context, launching.one.state_files, launching.node.datadir, receives) == (
        context, state_files, datadir, told)
    assert any("cannot be kept: [Errno 28] No space" in text for _, text in launching.one.context.log.lines)


@pytest.mark.parametrize("action, others, reachable, own_generation, kept", [
    (RECOVER, [], [], 1, {"gvwstate.dat", "grastate.dat"}),
    (JOIN, [alive("n2", facts.SYNCED, None)], [], 1, {"grastate.dat"}),   # of another view
    (JOIN, [alive("n2", facts.SYNCED, None, my_uuid=facts.mask(U.replace("6", "7")))], [], 1,
     {"gvwstate.dat", "grastate.dat"}),
    (JOIN, [alive("n2", facts.SYNCED, None)], [], 0, set()),              # of an older generation, whose end is not known
    (BOOTSTRAP, [], [], 1, {"gvwstate.dat", "grastate.dat"}),             # its view is removed by the server itself
])
def test_the_files_that_a_server_starts_with(launching, action, others, reachable, own_generation, kept):
    launching.write_view()
    launching.one.published.set_own_generation(own_generation)
    launching.reachable.return_value = frozenset(reachable)
    launching.one.report_position(launching.layout)
    options = launching.launch(action, launching.one.own_report()._replace(source=facts.RECOVERED), *others)

    found = {"gvwstate.dat", "grastate.dat"}
    assert kept == found.intersection(launching.seen)
    assert ("grastate.dat" in kept) == any(text.startswith("--wsrep_start_position=") for text in options)
    assert found - kept == {name for name in found if launching.node.state_files.kept(name) is not None}


@pytest.mark.parametrize("change, kept", [
    ({}, True), ({"seqno": 43}, False),                     # the disk has what no other node has
    ({"uuid": None, "seqno": None}, False)])                # it cannot be read
def test_a_joiner_whose_disk_has_another_position_than_it_reported_receives_everything(launching, change, kept):
    launching.launch(JOIN, launching.reported._replace(**change), alive("n2", facts.SYNCED, None))

    assert kept == ("grastate.dat" in launching.seen)


def test_what_cannot_be_set_aside_prevents_the_launch(launching, mocker):
    launching.write_view()
    mocker.patch.object(StateFiles, "keep", side_effect=OSError(28, "No space left on device"))
    with pytest.raises(Failed) as failed:
        launching.launch(JOIN, None, alive("n2", facts.SYNCED, None))

    path = launching.node.datadir + "/gvwstate.dat"
    assert (codes.ERR_GENERIC, "%s cannot be copied to %s (No space left on device), so no server is launched." % (
        path, launching.node.state_files.persistent)) == (failed.value.code, failed.value.reason)
    assert os.path.exists(path) and not launching.launched.called


# The position that the disk really has

@pytest.mark.parametrize("action", [JOIN, RECOVER, BOOTSTRAP])
def test_one_that_joins_needs_no_position(launching, mocker, action):
    """What cannot be read is replaced by a full transfer."""
    mocker.patch.object(start.disk, "true_position", side_effect=Failed(codes.ERR_GENERIC, "It cannot be read."))
    launching.one.confirm = lambda _: (Decision(action, ("n1",)), "the snapshot")
    if action != JOIN:
        with pytest.raises(Failed):
            start.confirm(launching.one, launching.layout)
        return
    decision, snapshot, own = start.confirm(launching.one, launching.layout)

    assert (JOIN, "the snapshot") == (decision.action, snapshot)
    assert launching.reported._replace(uuid=None, seqno=None, source=None) == own


@pytest.mark.parametrize("first, then", [(BOOTSTRAP, JOIN), (JOIN, BOOTSTRAP)])
def test_whether_the_position_is_needed_is_decided_again_as_well(launching, mocker, first, then):
    launching.one.confirm = mocker.Mock(side_effect=[(Decision(action, ("n1",)), action) for action in (first, then)])
    mocker.patch.object(start.disk, "true_position", side_effect=[launching.reported, Failed(codes.ERR_GENERIC, "No.")])
    launching.one.context.clock.monotonic = mocker.Mock(side_effect=[0, 1])
    if then == JOIN:
        assert None is start.confirm(launching.one, launching.layout)[2].uuid
    else:
        with pytest.raises(Failed):
            start.confirm(launching.one, launching.layout)


@pytest.mark.parametrize("then, calls", [(JOIN, 1), (BOOTSTRAP, 2), (None, 1)])
def test_the_position_is_read_again_for_another_decision(launching, mocker, then, calls):
    first, second = [(Decision(action, ("n1",)), action) if action else None for action in (JOIN, then)]
    launching.one.confirm = mocker.Mock(side_effect=[first, second])
    position = mocker.patch.object(start.disk, "true_position", side_effect=lambda *_: (
        launching.one.context.clock.sleep(1), "position %d" % position.call_count)[1])
    mocker.patch.object(start.disk, "create_database")

    found = start.confirm(launching.one, launching.layout)

    assert found == (second and (*second, "position %d" % calls)) and calls == position.call_count
    assert [mocker.call(launching.layout)] * 2 == launching.one.confirm.call_args_list
    assert (launching.one.context, launching.one.state_files, launching.layout, launching.reported) == (
        position.call_args.args)


@pytest.mark.parametrize("action, database, created", [
    (BOOTSTRAP, False, True), (BOOTSTRAP, True, False), (JOIN, False, False)])
def test_a_database_is_made_where_there_is_none_to_bootstrap(launching, mocker, action, database, created):
    create = mocker.patch.object(start.disk, "create_database")
    if not database:
        os.rmdir(launching.node.datadir + "/mysql")
    launching.one.confirm = lambda _: (Decision(action, ("n1",)), None)
    start.confirm(launching.one, launching.layout)

    assert ([mocker.call(launching.one.context, launching.layout)] if created else []) == create.call_args_list


@pytest.mark.parametrize("action", [JOIN, RECOVER, BOOTSTRAP])
def test_files_on_which_a_server_refuses_to_start_are_removed(launching, action):
    """An empty gvwstate.dat, and a tc.log that was closed and could not be deleted."""
    for name, content in (("gvwstate.dat", b""), ("tc.log", b"A\x23\x05\x74")):
        with open(os.path.join(launching.node.datadir, name), "wb") as file:
            file.write(content)
    launching.launch(action)
    assert not {"gvwstate.dat", "tc.log"}.intersection(launching.seen)


@pytest.mark.parametrize("reachable, kept", [((), True), (("n2",), True), (("n2", "n3"), False)])
def test_the_view_is_not_needed_where_most_of_its_members_can_be_joined(launching, reachable, kept):
    """With it the server joins under its former UUID, which the others first have to declare dead."""
    second, third = U.replace("6", "7"), U.replace("6", "8")
    with open(launching.node.datadir + "/gvwstate.dat", "w", encoding="ascii") as file:
        file.write((VIEW % (U, U, U, second)).replace("#vwend", "member: %s 0\n#vwend" % third))
    launching.reachable.return_value = frozenset(reachable)
    launching.one.report_position(launching.layout)
    launching.launch(JOIN, launching.one.own_report(), alive("n2", facts.SYNCED, None, my_uuid=facts.mask(second)),
                     alive("n3", facts.SYNCED, None, my_uuid=facts.mask(third)))

    assert kept == ("gvwstate.dat" in launching.seen)
