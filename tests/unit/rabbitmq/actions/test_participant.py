# SPDX-License-Identifier: Apache-2.0
"""This node's part in the election: what it reports, when it decides again, which commands it shows."""

import contextlib
import os
import pathlib
import pwd
import tempfile

from quorate.rabbitmq import facts
from quorate.rabbitmq.actions.serving import handle_serving
from quorate.rabbitmq.broker import layout
from quorate.rabbitmq.broker.observe import Observation
from tests.unit.rabbitmq.actions.nodes import Node, names, other


def test_an_empty_disk(tmp_path):
    assert Node(tmp_path).participant.from_disk().data is False


def test_a_disk_with_data(tmp_path):
    report = Node(tmp_path).fill().participant.from_disk()
    assert report.data and report.members == names("n1", "n2", "n3") and report.store == facts.MNESIA
    assert report.launched and len(report.cookie) == layout.DIGITS


def test_data_that_were_served_from_and_are_not_there_are_lost(tmp_path):
    """As with a file system that is not mounted. The state file is on another one, and is about one directory only."""
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
    assert node.participant.decide_and_publish().action == facts.FOUND


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
