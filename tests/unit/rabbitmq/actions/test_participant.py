# SPDX-License-Identifier: Apache-2.0
"""This node's part in the election: what it reports, when it decides again, which commands it shows."""

import contextlib
import os
import pathlib
import pwd
import shutil
import tempfile

import pytest

from quorate.host.state_files import StateFiles
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions.launch import launch_as_decided
from quorate.rabbitmq.actions.serving import handle_serving
from quorate.rabbitmq.broker.settings import cookie
from quorate.rabbitmq.broker.observe import Observation
from tests.unit.rabbitmq.actions.nodes import Node, names, other, tools


def test_an_empty_disk(tmp_path):
    assert Node(tmp_path).participant.from_disk().data is False


def test_a_disk_with_data(tmp_path):
    report = Node(tmp_path).fill().participant.from_disk()
    assert report.data and report.members == names("n1", "n2", "n3") and report.store == facts.MNESIA
    assert report.launched and len(report.cookie) == cookie.DIGITS


def test_data_that_were_served_from_and_are_not_there_are_lost(tmp_path):
    """As with a file system that is not mounted. The state file is on another one. Also where another directory was
    configured meanwhile: the data may be in the old one."""
    node = Node(tmp_path).fill()
    assert not node.participant.from_disk().lost
    handle_serving(node.participant, Observation(facts.RUNNING, None, None, "It runs."))
    assert not node.participant.from_disk().lost
    node.directory.rename(tmp_path / "unmounted")
    assert node.participant.from_disk().lost
    assert node.participant.decide_and_publish().action == facts.WAIT, "two have not said anything"
    node.published.others = {name: other(name, facts.DOWN, data=False, members=None) for name in ("n2", "n3")}
    assert node.participant.decide_and_publish().action == facts.REFUSE
    node.participant._layout = node.layout._replace(directory=str(tmp_path / "elsewhere"))
    assert node.participant.decide_and_publish().action == facts.REFUSE


def renamed(node, name="rabbit@n1.example.org"):
    """The node has another Erlang name from now on."""
    node.participant._layout = node.layout._replace(nodename=name, directory=os.path.join(node.layout.base, name))
    return node.participant


@pytest.mark.parametrize("has_served", [True, False])
def test_a_renamed_node_neither_founds_nor_joins_beside_its_data(tmp_path, has_served):
    """USE_LONGNAME, or the host's name or domain changed: an empty cluster was founded beside the data, rc 0 (real)."""
    node = Node(tmp_path, [other(name, facts.DOWN, data=False, members=None) for name in ("n2", "n3")]).fill()
    if has_served:
        node.participant.disk.keep_served()
    report = renamed(node).from_disk()
    assert (report.data, report.lost, report.other) == (False, True, str(node.directory))
    assert report.former == ("rabbit@n1" if has_served else None)
    decision = node.participant.decide_and_publish()
    assert decision.action == facts.REFUSE and str(node.directory) in decision.reason and decision.command is None
    node.published.others = {"n2": other("n2", facts.RUNNING)}
    assert node.participant.decide_and_publish().action == facts.REFUSE
    node.published.ordered = facts.Override("n1", "root", 1, True)
    assert node.participant.decide_and_publish().action == facts.REFUSE, "the name is put right first"


def test_a_renamed_node_whose_data_were_moved_away_leaves_no_dead_member_behind(tmp_path):
    """One renamed of three joined as a stranger, and the dead member stayed."""
    node = Node(tmp_path, [other("n2", facts.RUNNING)]).fill()
    node.participant.disk.keep_served()
    renamed(node)
    node.directory.rename(str(node.directory) + ".old")
    decision = node.participant.decide_and_publish()
    assert (decision.action, decision.command) == (facts.REFUSE, "quorate rabbitmq replace n1")
    node.published.ordered = facts.Override("n1", "root", 1, False, True)
    decision = node.participant.decide_and_publish()
    assert (decision.action, decision.gone) == (facts.JOIN, ("rabbit@n1",))


@pytest.mark.parametrize("name", ["rabbit@n1-feature_flags", "rabbit@n1-plugins-expand", "rabbit@old.old",
                                  "schema_upgrade", "rabbit@n9.tar gz", "rabbit@empty"])
def test_what_lies_beside_and_is_no_data_directory(tmp_path, name):
    node = Node(tmp_path)
    (tmp_path / "mnesia" / name).mkdir(parents=True)
    if name != "rabbit@empty":
        (tmp_path / "mnesia" / name / "schema.DAT").write_text("x")
    assert node.participant.from_disk().other is None and not node.participant.from_disk().lost


def test_the_data_of_another_resource_are_not_this_ones(tmp_path):
    """Two brokers on one machine, with one directory for all nodes' data."""
    node = Node(tmp_path)
    (tmp_path / "mnesia" / "second@n1").mkdir(parents=True)
    (tmp_path / "mnesia" / "second@n1" / "schema.DAT").write_text("x")
    assert node.participant.from_disk().other == str(tmp_path / "mnesia" / "second@n1")
    second = StateFiles("rabbitmq", "mq2", str(tmp_path / "run"), str(tmp_path / "persistent"))
    second.write("served", {"directory": str(tmp_path / "mnesia" / "second@n1")}, persistent=True)
    assert node.participant.from_disk().other is None


def test_an_unmounted_disk_is_no_empty_one_beside_a_cluster_that_runs(tmp_path):
    """The classic queues at home on the intact disk were deleted by our own command."""
    node = Node(tmp_path, [other("n2", facts.RUNNING)]).fill()
    node.participant.disk.keep_served()
    node.directory.rename(tmp_path / "unmounted")
    decision = node.participant.decide_and_publish()
    assert (decision.action, decision.command, decision.urgent) == (facts.REFUSE, "quorate rabbitmq replace n1", True)
    (tmp_path / "unmounted").rename(node.directory)
    assert node.participant.decide_and_publish().action == facts.START, "mounted"


@pytest.mark.parametrize("now, stale", [("56.\n", True), ("57.\n", False), ("58.\n", False), ("", False), ("x", False)])
def test_data_older_than_those_that_served_are_not_the_same(tmp_path, now, stale):
    """What lies below the mount point may be a copy from before the disk was bought. RabbitMQ counts its boots."""
    node = Node(tmp_path, [other("n2", facts.RUNNING)]).fill()
    (node.directory / "rabbit_serial").write_text("57.\n")
    handle_serving(node.participant, Observation(facts.RUNNING, None, None, "It runs."))
    (node.directory / "rabbit_serial").write_text(now)
    report = node.participant.from_disk()
    assert (report.data, report.stale) == ((None, True) if stale else (True, False))
    assert node.participant.decide_and_publish().action == (facts.REFUSE if stale else facts.START)


def test_a_broker_that_was_reset_by_hand_is_not_older_than_itself(tmp_path):
    """rabbitmqctl reset removes the count; it serves, and what serves is recorded."""
    node = Node(tmp_path, [other("n2", facts.RUNNING)]).fill()
    for serial, members in (("57.\n", "rabbit@n1,rabbit@n2"), ("1.\n", "rabbit@n1,rabbit@n2")):
        node.fill(members)
        (node.directory / "rabbit_serial").write_text(serial)
        handle_serving(node.participant, Observation(facts.RUNNING, None, None, "It runs."))
    assert not node.participant.from_disk().stale


@pytest.mark.parametrize("action", [facts.JOIN, facts.FOUND])
def test_a_new_disk_counts_its_boots_anew_also_where_its_first_boot_is_cut_short(tmp_path, action):
    """A power cut between the launch and the first monitor: its new data were older than those that are gone."""
    node = Node(tmp_path, [other("n2", facts.RUNNING)])
    tools(node)
    node.fill()
    (node.directory / "rabbit_serial").write_text("57.\n")
    node.participant.disk.keep_served()
    shutil.rmtree(node.directory)
    launch_as_decided(node.participant, facts.Decision(action, peer="rabbit@n2", forget=True, gone=("rabbit@n1",)))
    report = node.participant.from_disk()
    assert (report.data, report.lost) == (False, True), "that there were data is known all the same"
    node.fill()
    (node.directory / "rabbit_serial").write_text("1.\n")
    report = node.participant.from_disk()
    assert (report.data, report.stale) == (True, False)


def test_a_node_that_was_replaced_with_khepri_learns_who_its_members_are(tmp_path):
    """The broker was reset by hand: its count of boots is not older than itself when that serves for the first time."""
    node = Node(tmp_path, [other("n2", facts.RUNNING, store=facts.KHEPRI, running=None)]).fill()
    (tmp_path / "mnesia" / "rabbit@n1-feature_flags").write_text("[khepri_db].\n")
    (node.directory / "rabbit_serial").write_text("1.\n")
    tools(node, out='{"disk_nodes": ["rabbit@n1", "rabbit@n2"]}')
    node.state_files.write("served", {"directory": str(node.directory), "name": "rabbit@n1", "serial": "57"},
                           persistent=True)
    handle_serving(node.participant, Observation(facts.RUNNING, None, None, "It runs."))
    assert node.published.own.members == names("n1", "n2")


def test_a_count_of_boots_is_on_the_disk_before_it_is_kept(tmp_path, monkeypatch):
    """RabbitMQ renames its file and does not sync the directory: after a power cut the older count may be there, and
    the node with its own newest data would count as one with a copy."""
    node = Node(tmp_path).fill()
    (node.directory / "rabbit_serial").write_text("57.\n")
    synced = []
    monkeypatch.setattr("os.fsync", lambda handle: synced.append(os.readlink("/proc/self/fd/%d" % handle)))
    node.participant.disk.keep_served()
    assert synced[0] == str(node.directory) and "served" in synced[1]


def test_a_served_file_of_the_released_version(tmp_path):
    node = Node(tmp_path)
    node.state_files.write("served", {"directory": str(tmp_path / "mnesia" / "rabbit@was")}, persistent=True)
    report = node.participant.from_disk()
    assert (report.lost, report.former, report.other, report.stale) == (True, "rabbit@was", None, False)


@contextlib.contextmanager
def another_user():
    """Root may read every directory; another user may not."""
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
        with another_user():
            assert node.participant.from_disk().data is True
        node.directory.chmod(0)
        with another_user():
            assert node.participant.from_disk().data is None
        node.directory.chmod(0o755)


def test_a_waiting_node_decides_again_when_a_report_changed_or_a_moment_has_passed(tmp_path):
    node = Node(tmp_path, [other("n2", facts.STARTING, members=names("n2"))])
    assert node.participant.reports_changed(), "it has not decided yet"
    assert node.participant.decide_and_publish().action == facts.WAIT
    assert not node.participant.reports_changed()
    node.published.others["n2"] = other("n2", facts.RUNNING, members=names("n2"))
    assert node.participant.reports_changed()
    assert node.participant.decide_and_publish().action == facts.JOIN
    assert not node.participant.reports_changed()
    node.clock.sleep(3)
    assert node.participant.reports_changed()


def test_a_command_can_be_typed_as_it_is_shown(tmp_path):
    """It once contained DATADIR, which no shell knows."""
    from quorate.rabbitmq.explain import screen
    node = Node(tmp_path, [other("n2", facts.RUNNING, members=names("n2", "n3"))]).fill()
    moves = "mv %s/mnesia/rabbit@n1 %s/mnesia/rabbit@n1.old" % (tmp_path, tmp_path)
    assert node.participant.decide_and_publish().command == moves and moves in node.published.statuses[-1]
    assert "to go on: " + moves in screen(node.published.snapshot(), 0, data_root=node.participant.data_root())


def test_explain_works_on_a_node_without_a_broker(tmp_path):
    node = Node(tmp_path, parameters={"binary": "/no/such/program"})
    node.participant._layout = None
    assert node.participant.data_root() == "DATADIR"
