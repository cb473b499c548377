# SPDX-License-Identifier: Apache-2.0
"""A bootstrap whose server never was ready is undone, and no other is."""

import os
import pwd

import pytest

from quorate.galera import facts
from quorate.galera.actions import undo
from quorate.galera.declaration import PARAMETERS
from quorate.galera.server.data import disk
from quorate.host import daemon
from quorate.host.state_files import StateFiles
from quorate.pacemaker.tools import Unavailable
from tests import fakes
from tests.unit.galera.election.reports import U, stopped

SOCKET = "/run/mysqld/mysqld.sock"
# MariaDB 10.11.18, started with --wsrep-new-cluster while another process had its port.
NEVER_READY = """\
2026-11-28 19:39:46 0 [Note] WSREP: New COMPONENT: primary = yes, bootstrap = no, my_idx = 0, memb_num = 1
2026-11-28 19:39:46 0 [Note] Server socket created on IP: '127.0.0.1', port: '23306'.
2026-11-28 19:39:46 0 [ERROR] Can't start server: Bind on TCP/IP port. Got error: 98: Address already in use
2026-11-28 19:39:46 2 [ERROR] WSREP: View callback failed. This is unrecoverable, restart required. (FATAL)
"""
# The same server with silent-startup and lc-messages=de_DE.
READY = """\
2026-11-28 19:39:50 0 [Note] /usr/sbin/mariadbd: bereit für Verbindungen.
Version: '10.11.18-MariaDB-0+deb12u1'  Socket: '%s'  Port: 3306  Debian 12
""" % SOCKET
BEFORE = "my_uuid: %s\n#vwbeg\nview_id: 3 %s 7\nbootstrap: 0\nmember: %s 0\nmember: %s 0\n#vwend\n" % (
    U, U, U, U.replace("1", "2"))
SINCE = BEFORE.replace(" 7\n", " 9\n")
GRASTATE = "# GALERA saved state\nversion: 2.1\nuuid:    %s\nseqno:   -1\nsafe_to_bootstrap: %d\n"


class PublishedState:
    """Records what is written, in its order."""

    def __init__(self):
        self.effects, self.away, self.entered, self.own = [], None, False, 3

    def _written(self, *effect):
        if effect[0] == self.away:
            raise Unavailable("The cluster cannot be asked.")
        self.effects.append(effect)

    def is_entered(self, generation):
        return self.entered and generation == 3

    def own_generation(self):
        return self.own

    def set_own_generation(self, generation):
        self._written("own", generation)
        self.own = generation

    def close_generation(self, generation, before):
        self._written("cluster", generation, before)


class Node:
    """A node that was about to open generation 3 from position U:41, whose server has ended."""

    def __init__(self, tmp_path, log=NEVER_READY, safe=0):
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", user=self.user)
        self.state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
        self.datadir, self.published = tmp_path / "data", PublishedState()
        os.makedirs(self.datadir / "mysql")
        self.write("gvwstate.dat", BEFORE)
        self.write("grastate.dat", GRASTATE % (U, safe))
        self.state_files.write("view", {"my": U, "seq": 7}, persistent=True)
        self.record()
        self.write("grastate.dat", GRASTATE % (U, 1))
        self.log = tmp_path / "error.log"
        self.log.write_text("of an earlier start: '%s'\n" % SOCKET)
        daemon.record_end_of_log(self.state_files, str(self.log))
        self.state_files.write("launched-from", {
            "action": facts.BOOTSTRAP, "log": self.log, "socket": SOCKET, "report": ""})
        with open(self.log, "a", encoding="utf-8") as file:
            file.write(log)
        self.write("gvwstate.dat", SINCE)
        self.state_files.write("view", {"my": U, "seq": 9}, persistent=True)

    def record(self):
        undo.record(self.state_files, str(self.datadir), (3, U, 41, 2), 2, stopped("n1", 41, generation=2), 41)

    def write(self, name, text):
        (self.datadir / name).write_text(text)

    def judge_and_undo(self):
        undo.judge(self.state_files)
        self.undo()
        return self.published.effects

    def undo(self):
        undo.undo(self.context, self.state_files, self.published, str(self.datadir))


def test_it_is_undone_in_the_reverse_order(tmp_path):
    """Its own generation first: killed after that, it is in no generation that is newer than the others'."""
    assert [("own", 2), ("cluster", 3, 2)] == Node(tmp_path).judge_and_undo()


@pytest.mark.parametrize("action, answered, name", [
    (facts.JOIN, False, "old"), (facts.JOIN, True, "new"), (facts.BOOTSTRAP, False, "new"),
    (facts.RECOVER, False, "new")])
def test_only_a_join_that_never_was_ready_takes_back_the_name_of_its_directory(tmp_path, action, answered, name):
    node = Node(tmp_path)
    node.state_files.write("launched-from", {"action": action, "log": node.log, "socket": SOCKET})
    node.state_files.write("disk", {"id": "new", "before": "old"}, persistent=True)
    undo.judge(node.state_files, answered=answered)
    assert {"id": name} == node.state_files.read("disk", persistent=True)


def test_the_files_say_again_what_they_said_before(tmp_path):
    node = Node(tmp_path)
    node.judge_and_undo()

    assert BEFORE == (node.datadir / "gvwstate.dat").read_text()
    assert "safe_to_bootstrap: 0" in (node.datadir / "grastate.dat").read_text()
    assert {"my": U, "seq": "7"} == node.state_files.read("view", persistent=True)


def test_a_view_that_did_not_exist_does_not_exist_again(tmp_path):
    node = Node(tmp_path)
    for name in (undo.VIEW_COPY, "opening-view"):
        node.state_files.discard(name)
    node.judge_and_undo()

    assert not (node.datadir / "gvwstate.dat").exists()
    assert {} == node.state_files.read("view", persistent=True)


def test_a_view_of_an_earlier_bootstrap_is_not_restored(tmp_path):
    """Of this one there was none: the copy that was kept of the earlier one is not its view."""
    node = Node(tmp_path)
    os.unlink(node.datadir / "gvwstate.dat")
    node.record()
    node.write("gvwstate.dat", SINCE)
    node.judge_and_undo()

    assert not (node.datadir / "gvwstate.dat").exists()


def test_the_view_belongs_to_the_server_again(tmp_path, mocker):
    """As root's, the next server could not read it."""
    owners = mocker.patch.object(undo, "replace", wraps=undo.replace)
    Node(tmp_path).judge_and_undo()

    assert (os.getuid(), pwd.getpwuid(os.getuid()).pw_gid) == owners.call_args.args[2]


@pytest.mark.parametrize("safe", [0, 1])
def test_a_node_that_left_last_is_still_the_one_that_left_last(tmp_path, safe):
    node = Node(tmp_path, safe=safe)
    node.judge_and_undo()

    assert "safe_to_bootstrap: %d" % safe in (node.datadir / "grastate.dat").read_text()


@pytest.mark.parametrize("text", [None, "half"])
def test_a_grastate_that_says_nothing_does_not_say_that_it_left_last(tmp_path, text):
    """It was missing, or damaged, before the bootstrap; the server that was launched has written one."""
    node = Node(tmp_path)
    if text is None:
        os.unlink(node.datadir / "grastate.dat")
    else:
        node.write("grastate.dat", text)
    node.record()
    node.write("grastate.dat", GRASTATE % (U, 1))
    node.judge_and_undo()

    assert "safe_to_bootstrap: 0" in (node.datadir / "grastate.dat").read_text()


def test_grastate_of_a_server_that_was_in_no_cluster_stays(tmp_path):
    """With a U of zero, safe_to_bootstrap: 0 says that a state transfer broke off, and that this node has no data."""
    node = Node(tmp_path)
    node.write("grastate.dat", GRASTATE % (facts.ZERO_UUID, 1))
    node.judge_and_undo()

    assert "safe_to_bootstrap: 1" in (node.datadir / "grastate.dat").read_text()


@pytest.mark.parametrize("log", [READY, NEVER_READY + READY + NEVER_READY, "", "x" * (1 << 20) + READY])
def test_what_may_have_been_ready_is_not_undone(tmp_path, log):
    """In whatever language it says so. A log without a word proves nothing: the server may log elsewhere."""
    node = Node(tmp_path, log)

    assert [] == node.judge_and_undo()
    assert SINCE == (node.datadir / "gvwstate.dat").read_text()


@pytest.mark.parametrize("moved", [False, True])
def test_nor_where_the_log_was_rotated(tmp_path, moved):
    node = Node(tmp_path)
    if moved:
        node.log.rename(tmp_path / "error.log.1")
    node.log.write_text("new\n" * moved * 99)

    assert [] == node.judge_and_undo()


def test_nor_after_a_reboot(tmp_path):
    """What was not synced to the disk may be missing from the log."""
    node = Node(tmp_path)
    for name in os.listdir(node.state_files.run):
        node.state_files.forget(name)

    assert [] == node.judge_and_undo()


@pytest.mark.parametrize("answered", [False, True])
def test_it_is_told_whether_there_is_a_bootstrap_to_be_undone(tmp_path, answered):
    """What its server logged of views is not believed then; nor when it is asked again."""
    node = Node(tmp_path)

    assert [not answered] * 2 == [undo.judge(node.state_files, answered), undo.judge(node.state_files, answered)]
    undo.forget(node.state_files)
    assert undo.judge(node.state_files) is False


def test_what_was_judged_before_a_reboot_is_undone_after_it(tmp_path):
    """The cluster was away until then."""
    node = Node(tmp_path)
    undo.judge(node.state_files)
    for name in os.listdir(node.state_files.run):
        node.state_files.forget(name)

    assert [("own", 2), ("cluster", 3, 2)] == node.judge_and_undo()


@pytest.mark.parametrize("name", ["log", "socket"])
def test_nor_where_the_launch_does_not_say_where_the_server_logs(tmp_path, name):
    node = Node(tmp_path)
    launched = node.state_files.read("launched-from")
    del launched[name]
    node.state_files.write("launched-from", launched)

    assert [] == node.judge_and_undo()


def test_nor_once_it_served(tmp_path):
    node = Node(tmp_path)
    undo.forget(node.state_files)

    assert [] == node.judge_and_undo()


def test_a_server_that_was_never_launched_was_never_ready(tmp_path):
    node = Node(tmp_path)
    node.state_files.forget("launched-from")

    assert [("own", 2), ("cluster", 3, 2)] == node.judge_and_undo()


def test_one_that_was_launched_to_join_is_another_matter(tmp_path):
    node = Node(tmp_path)
    node.state_files.write("launched-from", dict(node.state_files.read("launched-from"), action=facts.JOIN))

    assert [] == node.judge_and_undo()


@pytest.mark.parametrize("away, before", [("own", []), ("cluster", [("own", 2)])])
def test_where_the_cluster_is_away_it_is_undone_later(tmp_path, away, before):
    """The server's log is not needed again: it may be gone by then."""
    node = Node(tmp_path)
    node.published.away = away
    with pytest.raises(Unavailable):
        node.judge_and_undo()
    assert before == node.published.effects
    node.published.away = None
    node.log.unlink()

    assert before + [("own", 2), ("cluster", 3, 2)] == node.judge_and_undo()
    assert before + [("own", 2), ("cluster", 3, 2)] == node.judge_and_undo()  # and only once


def test_what_cannot_be_restored_leaves_the_bootstrap_as_it_is(tmp_path, mocker):
    node = Node(tmp_path)
    mocker.patch.object(undo, "replace", side_effect=OSError(28, "No space left on device"))

    assert [] == node.judge_and_undo()
    assert any("No space left on device" in text for _, text in node.context.log.lines)


@pytest.mark.parametrize("on_disk, reported", [((U, 42), (U, 41)), ((U, 41), (U, 41)), (None, (U, 41)),
                                               ((U, 43), (U, 43)), ((facts.ZERO_UUID, 42), (facts.ZERO_UUID, 42))])
def test_the_position_is_that_of_before(tmp_path, on_disk, reported):
    """The view that the server opened took seqno 42. Others stand at 41, and one of them can bootstrap instead; also
    where the disk cannot be read, which is why this server ended."""
    node = Node(tmp_path)
    assert on_disk == disk.before_the_undone(node.state_files, on_disk)
    node.judge_and_undo()

    assert reported == disk.before_the_undone(node.state_files, on_disk)


def test_its_server_is_started_with_what_the_disk_has(tmp_path, mocker):
    node, own = Node(tmp_path), stopped("n1", 41, generation=2)
    layout = mocker.Mock(datadir=str(node.datadir))
    recover = mocker.patch.object(disk, "recover", return_value=((U, 42), None))
    assert own == disk.true_position(node.context, node.state_files, layout, own)
    node.judge_and_undo()

    assert (42, facts.RECOVERED) == disk.true_position(node.context, node.state_files, layout, own)[3:5]
    recover.return_value = (None, "The position could not be recovered: ibdata1 is root's.")
    with pytest.raises(disk.Failed) as failed:
        disk.true_position(node.context, node.state_files, layout, own)
    assert "ibdata1" in failed.value.reason


def test_a_bootstrap_that_another_node_has_joined_stands(tmp_path):
    """n2 was starting when n1 opened the component, joined before n1's server was ready, and has committed since."""
    node = Node(tmp_path)
    node.published.entered = True

    assert [] == node.judge_and_undo()
    assert SINCE == (node.datadir / "gvwstate.dat").read_text()
    node.published.entered = False
    assert [] == node.judge_and_undo()  # nor later


def test_the_generation_that_another_node_has_opened_since_is_not_closed(tmp_path):
    """The agent was killed after it had closed generation 3, before that was on record; then n2 opened another 3."""
    node = Node(tmp_path)
    node.published.away = "cluster"
    with pytest.raises(Unavailable):
        node.judge_and_undo()
    node.published.entered, node.published.away = True, None

    assert [("own", 2)] == node.judge_and_undo()
    assert (U, 41) == disk.before_the_undone(node.state_files, (U, 42))
    node.published.entered = False
    assert [("own", 2)] == node.judge_and_undo()


def test_one_whose_server_answered_is_not_undone(tmp_path):
    """Its log may be incomplete: on a full /var/log."""
    node = Node(tmp_path)
    undo.judge(node.state_files, answered=True)

    assert [] == node.judge_and_undo()


def test_a_record_of_an_earlier_bootstrap_undoes_no_later_one(tmp_path, mocker):
    """/var is read-only: neither can the record of the later one be written, nor that of the earlier one be removed."""
    node = Node(tmp_path)
    undo.judge(node.state_files)
    mocker.patch.object(StateFiles, "keep", side_effect=OSError(30, "Read-only file system"))
    mocker.patch.object(StateFiles, "discard")
    with pytest.raises(OSError):
        undo.record(node.state_files, str(node.datadir), (4, U, 41, 2), 3, stopped("n1", 41, generation=3), 41)

    assert [] == node.judge_and_undo()


def test_a_generation_that_is_unknown_cannot_be_given_back(tmp_path):
    """The operator forced it. With a generation that is no number the stop raised, and the node was fenced."""
    node = Node(tmp_path)
    undo.record(node.state_files, str(node.datadir), (3, U, 41, 2), 2, stopped("n1", 41, generation=2)._replace(
        generation=None), 41)

    assert [] == node.judge_and_undo()


def test_a_record_that_is_damaged_is_none(tmp_path):
    node = Node(tmp_path)
    undo.judge(node.state_files)
    node.state_files.write("opening", dict(node.state_files.read("opening", persistent=True), own="None"), persistent=True)

    assert [] == node.judge_and_undo()
    assert {} == node.state_files.read("opening", persistent=True)


def test_a_full_var_fails_no_start(tmp_path, mocker):
    """start keeps its state files without a log: what cannot be written is an error there."""
    node = Node(tmp_path)
    mocker.patch.object(StateFiles, "write", side_effect=OSError(28, "No space left on device"))

    assert [] == node.judge_and_undo()


def test_a_log_that_is_a_pipe_is_not_waited_for(tmp_path):
    node = Node(tmp_path)
    node.log.unlink()
    os.mkfifo(node.log)

    assert [] == node.judge_and_undo()
