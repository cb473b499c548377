# SPDX-License-Identifier: Apache-2.0
"""A daemon that an agent launched: stopped with all that belongs to it, within its time, and told truly when it is
not."""

import os

import pytest

from quorate.host import daemon
from quorate.host.state_files import StateFiles
from tests import fakes


class Node:
    """A daemon that was launched, with a child whose name says nothing."""

    def __init__(self, tmp_path, **how):
        self.clock = fakes.FakeClock()
        self.processes = fakes.FakeProcesses(self.clock)
        self.context = fakes.context(processes=self.processes, clock=self.clock, seconds=60)
        self.state_files = StateFiles("some", "one", str(tmp_path / "run"), str(tmp_path / "persistent"))
        self.parent = self.processes.add("daemon --serve", pid=500)
        self.child = self.processes.add("copier", pid=501, ppid=500, **how)
        daemon.record(self.context, self.state_files, self.parent, "/nonexistent", session=500)

    def all_processes(self):
        return daemon.find_all(self.context, self.state_files, lambda process: process.argv[:1] == ("daemon",),
                             lambda process, sessions: False)

    def ask(self, processes):
        for process in processes:
            if process.pid == 500:
                daemon.signal(self.context, process, daemon.SIGTERM)
                orphan = self.processes.get(501)
                self.processes.remove(501)
                self.processes.add(orphan.argv, 501, 1, dies_of=self.dies_of, start=orphan.start)  # init adopts it

    def stop(self, dies_of, budget=30):
        self.dies_of = dies_of
        return daemon.stop(self.context, self.all_processes, self.ask, "The daemon", budget)


def test_a_child_that_its_parent_left_behind_is_killed_too(tmp_path):
    """It is below nobody any more and cannot be recognised: only the first search finds it as one of the daemon."""
    node = Node(tmp_path)

    assert [] == node.stop(dies_of=(9,))
    assert (501, daemon.SIGKILL) in node.processes.signals


def test_a_child_that_survives_everything_is_reported(tmp_path):
    node = Node(tmp_path)

    left = node.stop(dies_of=(), budget=10)

    assert [501] == [one.pid for one in left]
    assert node.clock.elapsed <= 11
    assert daemon.not_stopped(left) == ("Not stopped: copier (pid 501, state S) still there after SIGKILL; see "
                                        "'ps -o pid,stat,wchan,cmd -p 501'.")


def test_a_pid_that_is_used_again_is_not_the_daemon(tmp_path):
    node = Node(tmp_path)
    assert daemon.launched_process(node.context, node.state_files) == node.parent
    node.processes.remove(500)
    node.processes.add("daemon of somebody else", pid=500)

    assert daemon.launched_process(node.context, node.state_files) is None


@pytest.mark.parametrize("text, found", [("before\n", ""), ("before\nand after\n", "and after\n"), ("new\n", "new\n")])
def test_only_what_was_logged_since_the_launch_counts(tmp_path, text, found):
    """Also when the log was rotated meanwhile."""
    node = Node(tmp_path)
    log = tmp_path / "log"
    log.write_text("before\n")
    node.context.commands.on_spawn = lambda argv: 500
    assert daemon.launch(node.context, node.state_files, ["daemon"], str(log), {}) == node.parent
    log.write_text(text)

    assert daemon.new_log(node.state_files, str(log), 1000) == found


def launched_with(tmp_path, before):
    """(Node, path of the log) of a daemon that was launched when its log held this."""
    node, log = Node(tmp_path), tmp_path / "log"
    log.write_text(before)
    node.context.commands.on_spawn = lambda argv: 500
    daemon.launch(node.context, node.state_files, ["daemon"], str(log), {})
    return node, log


def test_a_log_that_was_rotated_and_has_grown_beyond_the_old_one(tmp_path):
    """What is behind the old file's length in the new one is not what the daemon wrote since."""
    node, log = launched_with(tmp_path, "before\n")
    with log.open("a") as file:
        file.write("the end of the old one\n")
    log.rename(tmp_path / "log.1")
    log.write_text("the new one is longer than the old one was\n")

    assert "the end of the old one\nthe new one is longer than the old one was\n" == daemon.new_log(
        node.state_files, str(log), 1000)
    (tmp_path / "log.1").unlink()
    assert "the new one is longer than the old one was\n" == daemon.new_log(node.state_files, str(log), 1000)


def test_a_log_that_was_rotated_and_is_still_written_to_under_its_old_name(tmp_path):
    node, log = launched_with(tmp_path, "before\n")
    log.rename(tmp_path / "log.1")
    with (tmp_path / "log.1").open("a") as file:
        file.write("after\n")

    assert "after\n" == daemon.new_log(node.state_files, str(log), 1000)


def test_a_record_of_a_version_that_knew_no_inode(tmp_path):
    node, log = launched_with(tmp_path, "before\n")
    node.state_files.write("log-offset", {"bytes": 7})
    log.write_text("before\nafter\n")

    assert "after\n" == daemon.new_log(node.state_files, str(log), 1000)


def test_of_a_long_log_both_ends_are_read(tmp_path):
    node, log = launched_with(tmp_path, "before\n")
    with log.open("a") as file:
        file.write("first\n" + "in between\n" * 1000 + "last\n")

    found = daemon.new_log(node.state_files, str(log), 100, 50)
    assert found.startswith("first\n") and found.endswith("last\n") and len(found) <= 101
    assert daemon.new_log(node.state_files, str(log), 100).startswith("first") is False


WRITTEN = "first of all, " + "then all the others, " * 4 + ".\n"


@pytest.mark.parametrize("limits, found", [
    ((100,), WRITTEN), ((100, 9), WRITTEN), ((99,), WRITTEN[1:]), ((99, 9), "first of \n" + WRITTEN[10:])])
def test_a_log_is_cut_only_where_it_is_longer_than_wanted(tmp_path, limits, found):
    """What was there before the launch does not count."""
    assert 100 == len(WRITTEN)
    node, log = launched_with(tmp_path, "before\n" * 10)
    with log.open("a") as file:
        file.write(WRITTEN)

    assert found == daemon.new_log(node.state_files, str(log), *limits)


def test_of_a_long_log_that_was_rotated_both_ends_are_read(tmp_path):
    node, log = launched_with(tmp_path, "before\n")
    with log.open("a") as file:
        file.write("first\n" + "in between\n" * 1000)
    log.rename(tmp_path / "log.1")
    log.write_text("new\n")

    assert "first\n\nbetween\nnew\n" == daemon.new_log(node.state_files, str(log), 14, 6)


@pytest.mark.parametrize("rotated, found", [(False, "after\n"), (True, "before\nafter\n")])
def test_an_older_log_that_was_rotated_before_the_launch_is_not_read(tmp_path, rotated, found):
    node, log = launched_with(tmp_path, "before\n")
    (tmp_path / "log.1").write_text("of last week\n" * 10)
    if rotated:
        log.rename(tmp_path / "log.2")  # two rotations
    with log.open("a") as file:
        file.write("before\nafter\n" if rotated else "after\n")

    assert found == daemon.new_log(node.state_files, str(log), 1000)


@pytest.mark.parametrize("launched", [True, False])
def test_a_log_that_was_not_there_yet_is_read_from_its_first_byte(tmp_path, launched):
    """Also that of a daemon which nobody recorded. What is no UTF-8 hides nothing."""
    node, log = Node(tmp_path), tmp_path / "log"
    if launched:
        node.context.commands.on_spawn = lambda argv: 500
        daemon.launch(node.context, node.state_files, ["daemon"], str(log), {})
    log.write_bytes(b"first \xff\n")

    assert "first \ufffd\n" == daemon.new_log(node.state_files, str(log), 1000)


LONG = "before\n" * daemon.DIGESTED


@pytest.mark.parametrize("before, now, whole", [
    ("before\n", "before\nafter\n", True), ("before\n", "before\n", True), ("before\n", "befor", False),
    ("before\n", "another\nand more\n", False), ("", "after\n", True), ("", "", True), (LONG, LONG + "after\n", True),
    (LONG, "x" * len(LONG), False), (LONG, LONG[:-2] + "x\nafter\n", False), (LONG, "x" + LONG[1:], True),
    (None, "after\n", True), (None, None, True), ("before\n", None, False)])
def test_whether_a_log_still_holds_what_was_before(tmp_path, before, now, whole):
    """Of a long one only the end of it is remembered. (None: there is no log.)"""
    log, state_files = tmp_path / "log", Node(tmp_path).state_files
    if before is not None:
        log.write_text(before)
    daemon.record_end_of_log(state_files, str(log))
    if now is not None:
        with log.open("r+" if before is not None else "w") as file:
            file.write(now)
            file.truncate(len(now))
    elif before is not None:
        log.unlink()
    assert whole == daemon.is_whole(state_files.read("log-offset"), str(log))


@pytest.mark.parametrize("changed", [{"inode": 1}, {"bytes": "many"}, {"bytes": 6}, {"before": "x"}, {"before": None}])
def test_a_log_that_is_another_or_of_which_little_is_known_is_not_whole(tmp_path, changed):
    log, state_files = tmp_path / "log", Node(tmp_path).state_files
    log.write_text("before\n")
    daemon.record_end_of_log(state_files, str(log))
    known = state_files.read("log-offset")
    assert daemon.is_whole(known, str(log))
    assert not daemon.is_whole(dict(known, **changed), str(log))


def test_of_a_log_that_nobody_recorded_nothing_is_known(tmp_path):
    (tmp_path / "log").write_text("")
    digest = Node(tmp_path).state_files
    daemon.record_end_of_log(digest, str(tmp_path / "log"))
    assert not daemon.is_whole({}, str(tmp_path / "log"))
    assert daemon.is_whole({"before": digest.read("log-offset")["before"]}, str(tmp_path / "log"))


def test_a_log_that_cannot_be_read_is_not_whole_however_often_it_is_asked(tmp_path):
    state_files = Node(tmp_path).state_files
    daemon.record_end_of_log(state_files, str(tmp_path))
    assert daemon.UNREADABLE == state_files.read("log-offset")["before"]
    assert not daemon.is_whole(state_files.read("log-offset"), str(tmp_path))


@pytest.mark.parametrize("path", ["/nonexistent/log", "/", "/dev/null", ""])
def test_a_log_that_is_no_file(tmp_path, path):
    node = Node(tmp_path)

    assert "" == daemon.new_log(node.state_files, path, 1000)


def test_a_log_that_is_a_pipe_does_not_hang(tmp_path):
    node, pipe = Node(tmp_path), tmp_path / "pipe"
    os.mkfifo(pipe)

    assert "" == daemon.new_log(node.state_files, str(pipe), 1000)
    daemon.record_end_of_log(node.state_files, str(pipe))
    assert daemon.UNREADABLE == node.state_files.read("log-offset")["before"]


def test_one_that_ends_at_once_is_not_recorded(tmp_path):
    node = Node(tmp_path)
    node.state_files.forget(daemon.PROCESS_FILE)

    assert daemon.launch(node.context, node.state_files, ["daemon"], str(tmp_path / "log"), {}) is None
    assert not node.state_files.has(daemon.PROCESS_FILE)
