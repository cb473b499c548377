# SPDX-License-Identifier: Apache-2.0
"""What a stop does, in its order and with the time it has: what is drained, kept, forgotten and judged."""

import os

import pytest

from quorate.galera import facts
from quorate.galera.actions import stop
from quorate.galera.declaration import PARAMETERS
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from tests import fakes

MEMBER = "6b1f0c2e-c6a1-11ef-9d1d-3b0d6f7a8c11"
VIEW = "my_uuid: %s\n#vwbeg\nview_id: 3 %s 7\nbootstrap: 0\nmember: %s 0\n#vwend\n" % (MEMBER, MEMBER, MEMBER)
STOPPED = ("started", "position", "untold")


class Node:
    """A node whose server ends when it is told to, and removes gvwstate.dat as it does."""

    def __init__(self, tmp_path, mocker, state, seconds, left=()):
        os.makedirs(tmp_path / "data")
        self.view = tmp_path / "data" / "gvwstate.dat"
        self.view.write_text(VIEW)
        self.files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
        self.context = fakes.context("stop", PARAMETERS, seconds=seconds, wsrep_cluster_address="gcomm://n1", user="root",
                                     datadir=tmp_path / "data", environ={"OCF_RESOURCE_INSTANCE": "db"})
        self.left, self.stops, self.judged = list(left), [], []
        mocker.patch.object(stop, "StateFiles", lambda *_, log: {self.context.log: self.files}[log])
        mocker.patch.object(stop, "state_before_stop",
                            lambda *of: {self.context.parameters.datadir: state}[of[2]])
        mocker.patch.object(stop.drain, "served", return_value=False)
        mocker.patch("quorate.galera.server.process.stop", self.end)
        mocker.patch("quorate.galera.actions.undo.judge", lambda *_, answered: self.judged.append(answered))
        for tool in ("attrd_updater", "crm_attribute", "crm_node"):
            self.context.commands.allow(tool, ..., rc=102)

    def end(self, _context, _state_files, datadir, budget, skip_grace=False):
        assert datadir == self.context.parameters.datadir
        self.stops.append((budget, skip_grace))
        if not self.left:
            self.view.unlink()
        return self.left


@pytest.mark.parametrize("seconds, of_stop, of_demote", [(100, 98, 70), (60, 58, 40), (9, 7, 6), (3, 2, 2), (1, 2, 2)])
def test_a_demote_leaves_time_to_read_the_position_and_a_stop_hardly_any(tmp_path, mocker, seconds, of_stop, of_demote):
    node = Node(tmp_path, mocker, facts.SYNCED, seconds, [fakes.FakeProcesses().add("mariadbd")])
    stop.stop(node.context)
    stop.demote(node.context)
    assert node.stops == [(pytest.approx(of_stop), False), (pytest.approx(of_demote), False)]


@pytest.mark.parametrize("action", [stop.stop, stop.demote])
def test_what_did_not_end_is_named_and_nothing_is_forgotten(tmp_path, mocker, action):
    process = fakes.FakeProcesses().add("mariadbd")
    node = Node(tmp_path, mocker, facts.SYNCED, 60, [process])
    node.files.write("started", {"at": 1})
    outcome = action(node.context)

    assert outcome.code == codes.ERR_GENERIC and ("mariadbd (pid %d" % process.pid) in outcome.reason
    assert node.files.has("started") and node.judged == []


@pytest.mark.parametrize("state, in_primary, answered, killed_early", [
    (facts.SYNCED, True, True, False), (facts.DONOR, True, True, False), (facts.JOINED, True, True, False),
    (facts.NONPRIMARY, False, True, False), (facts.STARTING, False, False, True), (facts.RECEIVING, False, False, True),
    (facts.HUNG, False, False, True), (facts.DOWN, False, False, True), (facts.UNKNOWN, False, False, False)])
def test_the_view_of_a_server_that_was_in_no_primary_component_is_kept(tmp_path, mocker, state, in_primary, answered,
                                                                       killed_early):
    """It says who may hold commits; of one that left a primary component in good order it says nothing any more. One that
    answered has proven that a bootstrap was ready."""
    node = Node(tmp_path, mocker, state, 60)
    stop.stop(node.context)

    assert (node.view.read_text() if node.view.exists() else None) == (None if in_primary else VIEW)
    assert node.judged == [answered]
    assert node.stops == [(pytest.approx(58), killed_early)]
    assert node.files.read("view", persistent=True)["seq"] == "7"


def test_nothing_of_the_server_is_remembered_after_a_stop(tmp_path, mocker):
    """Also where the cluster cannot be asked: what was published is published again at the next start."""
    node = Node(tmp_path, mocker, facts.SYNCED, 60)
    of_server = ("server", "progress", "unknown", "outside", "complete", "serving", "launched-from", "offered")
    for name in STOPPED + of_server + ("published",):
        node.files.write(name, {"at": 1})
    assert codes.SUCCESS == stop.stop(node.context).code
    assert [] == [name for name in STOPPED + of_server + ("published",) if node.files.has(name)]


@pytest.mark.parametrize("rows, count", [(None, 0), ([], 0), ([[0]], 0), ([[3]], 3)])
def test_a_server_that_does_not_answer_has_no_sessions_to_wait_for(tmp_path, mocker, rows, count):
    node = Node(tmp_path, mocker, facts.SYNCED, 60)
    mocker.patch("quorate.galera.server.sql.rows", return_value=rows)
    assert count == stop.sessions(node.context, node.files)


@pytest.mark.parametrize("seconds, waits", [(120, 10), (18, 5.4)])  # drain_timeout; a third of what is left
def test_sessions_get_their_time_and_leave_two_thirds_to_the_server(tmp_path, mocker, seconds, waits):
    node = Node(tmp_path, mocker, facts.SYNCED, seconds)
    mocker.patch.object(stop.drain, "served", return_value=True)
    flags = mocker.patch.object(stop.drain, "set"), mocker.patch.object(stop.drain, "clear")
    mocker.patch.object(stop, "sessions", return_value=1)
    noticed = stop.HAPROXY_INTERVAL + stop.drain.NOTICED
    began = node.context.clock.monotonic()
    with stop.drained(node.context, node.files, node.context.parameters.datadir):
        assert node.context.clock.monotonic() - began == pytest.approx(noticed + waits)
        assert flags[0].called and not flags[1].called
    flags[1].assert_called_once_with("db")
