# SPDX-License-Identifier: Apache-2.0
"""Which processes are a daemon's, how long it has to end, and what is made for it before its launch."""

import os
import resource
import stat

import pytest

from quorate.errors import NotLaunched
from quorate.host import daemon
from quorate.host.state_files import StateFiles
from tests import fakes


@pytest.fixture
def node(tmp_path):
    clock = fakes.FakeClock()
    context = fakes.context(processes=fakes.FakeProcesses(clock), clock=clock, seconds=100)
    context.state_files = StateFiles("some", "one", str(tmp_path / "run"), str(tmp_path / "persistent"))
    return context


def is_one(process):
    return process.argv[:1] == ("daemon",)


def all_of(node, is_orphan=lambda process, sessions: False):
    return sorted(one.pid for one in daemon.find_all(node, node.state_files, is_one, is_orphan))


# Which processes

def test_the_one_that_was_launched_goes_before_one_that_is_older(node):
    node.processes.add("daemon --other", start=1)
    launched = node.processes.add("daemon --ours", start=5)
    daemon.record(node, node.state_files, launched, "/log")
    assert launched == daemon.find(node, node.state_files, is_one)


def test_of_those_that_nobody_recorded_the_oldest_is_the_daemon(node):
    """The others are what it has forked."""
    oldest = node.processes.add("daemon", pid=900, start=1)
    node.processes.add("daemon", pid=100, start=2)
    assert oldest == daemon.find(node, node.state_files, is_one)
    assert None is daemon.find(node, node.state_files, lambda process: False)


def test_a_launched_one_that_is_ending_still_belongs_to_it(node):
    """Its command line is gone, and its files are open."""
    launched = node.processes.add((), pid=500)
    daemon.record(node, node.state_files, launched, "/log")
    child = node.processes.add("copier", ppid=500)
    assert daemon.is_ending(launched) and not daemon.is_ending(child)
    assert [child.pid, 500] == all_of(node)


def test_orphans_are_known_by_the_sessions_of_the_daemon(node):
    launched = node.processes.add("daemon", pid=500)
    daemon.record(node, node.state_files, launched, "/log", session=400)
    orphan = node.processes.add("copier", pid=600)
    node.processes.add((), pid=601)             # a kernel thread
    node.processes.add("us", pid=os.getpid())
    asked = []

    def is_orphan(process, sessions):
        asked.append((process.pid, sessions))
        return True

    assert [500, orphan.pid] == all_of(node, is_orphan)
    assert [(600, {400, 500})] == asked


@pytest.mark.parametrize("recorded", [{}, {"pid": 7, "start": 8}, {"pid": 7, "start": 8, "session": "many"}])
def test_without_a_recorded_session_the_daemon_is_found_too(node, recorded):
    if recorded:
        node.state_files.write(daemon.PROCESS_FILE, recorded)
    node.processes.add("daemon", pid=500)
    orphan, asked = node.processes.add("copier", pid=600), []
    assert [500] == all_of(node, lambda process, sessions: asked.append((process.pid, sessions)))
    assert [(orphan.pid, {500})] == asked


def test_the_session_of_a_process(tmp_path):
    assert os.getsid(0) == daemon.session(os.getpid())
    with open("/proc/sys/kernel/pid_max", encoding="ascii") as file:
        assert None is daemon.session(int(file.read()) + 1)


# How long it has

@pytest.mark.parametrize("budget, skip_grace, seconds", [(30, False, 20), (30, True, 3), (6, True, 2), (9, False, 6)])
def test_sigkill_comes_when_most_of_the_time_is_over(node, budget, skip_grace, seconds):
    node.processes.add("daemon", dies_of=(daemon.SIGKILL,))
    killed = []
    signal = node.processes.signal
    node.processes.signal = lambda process, number: killed.append(node.clock.elapsed) or signal(process, number)
    left = daemon.stop(node, lambda: [one for one in node.processes.all() if is_one(one)], lambda processes: None,
                       "The daemon", budget, skip_grace)
    assert [] == left and 1 == len(killed)
    assert seconds - 0.01 <= killed[0] <= seconds + 0.3
    assert "The daemon did not end within %d s of SIGTERM; sending SIGKILL." % seconds in node.log.lines[-1][1]


@pytest.mark.parametrize("after", [0.25, 5.0])
def test_one_that_ends_when_it_is_asked_is_not_killed_and_not_waited_for(node, after):
    one = node.processes.add("daemon", after=after, dies_of=(daemon.SIGTERM,))
    left = daemon.stop(node, lambda: [each for each in node.processes.all() if is_one(each)],
                       lambda processes: daemon.signal(node, processes[0], daemon.SIGTERM), "The daemon", 30)
    assert [] == left and [(one.pid, daemon.SIGTERM)] == node.processes.signals
    assert after <= node.clock.elapsed <= after + 0.2 and [] == node.log.lines


def test_one_that_dies_of_sigkill_is_not_waited_for(node):
    """A stop is a part of every failover."""
    node.processes.add("daemon", after=0.25, dies_of=(daemon.SIGKILL,))
    assert [] == daemon.stop(node, lambda: [each for each in node.processes.all() if is_one(each)],
                             lambda processes: None, "The daemon", 30, skip_grace=True)
    assert daemon.SHORT_GRACE < node.clock.elapsed <= daemon.SHORT_GRACE + 0.7


def test_what_does_not_end_is_returned_as_it_is_now_and_within_the_time(node):
    node.processes.add("daemon", pid=500, dies_of=())
    node.clock.at(25, lambda: node.processes.add("daemon", pid=500, dies_of=(), state="D", start=5010))
    process = node.processes.get(500)
    node.processes._table[500] = process._replace(start=5010)
    left = daemon.stop(node, lambda: [one for one in node.processes.all() if one.state != "D"], lambda processes: None,
                       "The daemon", 30)
    assert [(500, "D")] == [(one.pid, one.state) for one in left]
    assert 29 <= node.clock.elapsed <= 31


def test_a_signal_that_is_not_permitted_is_no_error(node):
    def refuse(process, number):
        raise PermissionError()
    node.processes.signal = refuse
    daemon.signal(node, node.processes.add("daemon"), daemon.SIGTERM)


def test_what_is_left_is_named_with_the_command_that_shows_it():
    processes = fakes.FakeProcesses()
    left = [processes.add("/usr/sbin/daemon -x", pid=7, state="D"), processes.add((), pid=8, state="R")]
    assert ("Not stopped: daemon (pid 7, state D), ? (pid 8, state R) still there after SIGKILL; see "
            "'ps -o pid,stat,wchan,cmd -p 7,8'.") == daemon.not_stopped(left)
    assert "the broker (pid 7, state D)" in daemon.not_stopped(left[:1], "the broker")


# Before the launch

def test_directories_are_made_where_they_are_missing_and_left_alone_where_not(tmp_path, mocker):
    chown = mocker.patch("os.fchown")
    there, missing = str(tmp_path / "there"), str(tmp_path / "above" / "missing")
    os.makedirs(there, 0o700)
    before = os.umask(0)
    try:
        daemon.make_directories([there, missing], 12, 34, 0o751)
    finally:
        os.umask(before)
    assert 0o751 == stat.S_IMODE(os.stat(missing).st_mode) and 0o700 == stat.S_IMODE(os.stat(there).st_mode)
    chown.assert_called_once_with(mocker.ANY, 12, 34)


def test_a_directory_that_cannot_be_made_is_told_in_one_sentence(tmp_path):
    """A bug would be reported with a traceback; a link that root does not follow is none."""
    (tmp_path / "link").write_text("")

    with pytest.raises(NotLaunched) as raised:
        daemon.make_directories([str(tmp_path / "link" / "mysqld")], 12, 34, 0o755)
    assert "Not started: the directory %s cannot be made" % (tmp_path / "link" / "mysqld") in raised.value.reason


def test_a_directory_that_another_makes_at_the_same_moment_is_no_error(tmp_path, mocker):
    mocker.patch("os.fchown")
    answers = [False]
    is_there = os.path.isdir
    mocker.patch("os.path.isdir", lambda path: answers.pop() if answers else is_there(path))
    daemon.make_directories([str(tmp_path)], 12, 34, 0o755)


@pytest.mark.parametrize("limits, refused, wanted", [
    ((1024, 4096), (), (9000, 9000)), ((1024, 20000), (), (9000, 20000)),
    ((1024, 4096), ((9000, 9000),), (4096, 4096)), ((9000, 9000), (), None)])
def test_the_limit_of_open_files_is_raised_as_far_as_it_goes(monkeypatch, limits, refused, wanted):
    done = []

    def setrlimit(which, values):
        assert resource.RLIMIT_NOFILE == which
        if values in refused:
            raise ValueError()
        done.append(values)
    monkeypatch.setattr(resource, "getrlimit", {resource.RLIMIT_NOFILE: limits}.get)
    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    daemon.allow_open_files(9000)
    assert ([wanted] if wanted else []) == done


@pytest.mark.parametrize("asked, umask", [({"umask": 0o027}, 0o027), ({}, 0o022)])
def test_a_launch_is_recorded_with_its_session_and_with_the_umask_for_it(node, tmp_path, asked, umask):
    masks = []

    def spawn(argv):
        masks.append(os.umask(0))
        os.umask(masks[0])
        return node.processes.add(argv, pid=700).pid
    node.commands.on_spawn = spawn
    log = tmp_path / "log"
    log.write_text("old\n")
    process = daemon.launch(node, node.state_files, ["/usr/sbin/daemon"], str(log), {"A": None}, "somebody", port=1,
                            **asked)
    assert 700 == process.pid and [umask] == masks
    known = node.state_files.read(daemon.PROCESS_FILE)
    assert ("700", str(process.start), "700", str(log), "1") == tuple(
        known[key] for key in ("pid", "start", "session", "log", "port"))
    assert [(("/usr/sbin/daemon",), node.state_files.path("output"), {"A": None}, "somebody")] == node.commands.spawned
    log.write_text("old\nnew\n")
    assert "new\n" == daemon.new_log(node.state_files, str(log), 100)


def test_one_that_cannot_be_launched_says_why_and_the_umask_is_as_before(node):
    def spawn(argv):
        raise OSError(12, "Cannot allocate memory")
    node.commands.on_spawn = spawn
    before = os.umask(0o022)
    try:
        with pytest.raises(NotLaunched) as failed:
            daemon.launch(node, node.state_files, ["/usr/sbin/daemon"], "/log", None, umask=0o077)
        assert 0o022 == os.umask(0o022)
    finally:
        os.umask(before)
    assert "/usr/sbin/daemon cannot be started: Cannot allocate memory." == failed.value.reason


def test_what_it_printed_is_that_of_the_last_launch(node):
    path = daemon.new_output_file(node.state_files)
    assert "" == daemon.printed_output(node.state_files)
    with open(path, "wb") as file:
        file.write(b"no memory \xff\n")
    assert "no memory \ufffd\n" == daemon.printed_output(node.state_files)
    daemon.new_output_file(node.state_files)
    assert "" == daemon.printed_output(node.state_files)


def test_of_endless_output_the_beginning_is_read(node):
    with open(daemon.new_output_file(node.state_files), "w", encoding="ascii") as file:
        file.write("why" + "." * 100000)
    assert "why" + "." * 65533 == daemon.printed_output(node.state_files)


def test_what_was_printed_is_in_a_directory_of_root(node):
    before = os.umask(0)
    try:
        path = daemon.new_output_file(node.state_files)
    finally:
        os.umask(before)
    assert 0o755 == stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode)
