# SPDX-License-Identifier: Apache-2.0
"""A recovery of the position that takes longer than the action that began it."""

import os
from types import SimpleNamespace

import pytest

from quorate.galera.declaration import PARAMETERS
from quorate.galera.server import process
from quorate.galera.server.data import recovery
from quorate.galera.server.settings import command_line
from quorate.galera.server.settings.layout import Layout
from quorate.host.clock import Deadline
from quorate.host.state_files import StateFiles
from quorate.ocf.codes import Failed
from tests import fakes

UUID = "6d9b2f0c-9f5e-11ee-8c90-0242ac120002"
SERVER = "/usr/sbin/mariadbd"
POSITION = "2026-01-01  0:00:00 0 [Note] WSREP: Recovered position: %s:7\n" % UUID


class Node:
    def __init__(self, tmp_path):
        self.datadir = str(tmp_path)
        self.state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
        self.clock = fakes.FakeClock()
        self.processes = fakes.FakeProcesses(self.clock)
        self.layout = Layout(SERVER, None, self.datadir, self.datadir + "/s", self.datadir + "/p", self.datadir + "/l",
                             "root", "root", "1", "TRUE", "galera", "rsync")
        self.spawned = None
        self.begin_as = ()

    def action(self, **run):
        """A Context of the next action, in which a run of the server ends so."""
        context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", clock=self.clock, seconds=20,
                                processes=self.processes)
        context.commands.on_spawn = self.begin
        if run:
            context.commands.allow(SERVER, ..., **run)
        self.commands = context.commands
        return context

    def begin(self, argv):
        self.spawned = self.processes.add(self.begin_as + tuple(argv))
        return self.spawned.pid

    def argv(self):
        return command_line.recover(self.layout, self.state_files.path(recovery.RECOVER_LOG))

    def log(self, text):
        with open(self.state_files.path(recovery.RECOVER_LOG), "w", encoding="ascii") as file:
            file.write(text)

    def recover(self, **run):
        return recovery.recover(self.action(**run), self.state_files, self.layout)


@pytest.fixture
def node(tmp_path, mocker):
    mocker.patch.object(process, "same_root", lambda _: True)
    return Node(tmp_path)


def test_it_goes_on_and_the_next_monitor_takes_its_result(node):
    """It was killed at the end of each action and begun anew by the next, so it never ended."""
    first = node.recover(takes=9999)
    assert first[0] is None and "still applies its log (pid %d)" % node.spawned.pid in first[1]
    assert "--wsrep-recover" in node.spawned.argv

    still = node.recover()  # no other run beside it
    assert first == still

    node.log("notes\n" * 100000 + POSITION)
    node.processes.remove(node.spawned.pid)
    assert ((UUID, 7), None) == node.recover()
    assert ((UUID, 8), None) == node.recover(err=POSITION.replace(":7", ":8"))  # taken once; then it is asked again


def test_a_full_file_system_is_said_at_once(node, mocker):
    """The server waits for free space, and looks for it once a minute: the demote of a killed server took 92 s, and its
    report said all the time that it was synced."""
    mocker.patch("os.statvfs", return_value=SimpleNamespace(f_bavail=2, f_frsize=4096))
    found, problem = node.recover(takes=9999)
    assert found is None and node.spawned is None
    assert "The file system of %s is full (8 KiB free)" % node.datadir in problem


def test_it_ends_before_the_next_monitor(node):
    node.recover(takes=9999)
    node.log(POSITION)
    node.processes.remove(node.spawned.pid)

    assert ((UUID, 7), None) == node.recover()


def test_it_ends_while_a_monitor_waits(node):
    node.recover(takes=9999)
    node.log(POSITION)
    node.clock.at(node.clock.elapsed + 5, lambda: node.processes.remove(node.spawned.pid))

    assert ((UUID, 7), None) == node.recover()


def test_one_that_came_to_nothing_is_run_again_for_its_reason(node):
    node.recover(takes=9999)
    node.log("[ERROR] InnoDB: page 3 is corrupt\n")
    node.processes.remove(node.spawned.pid)
    found, problem = node.recover(rc=1, err="[ERROR] InnoDB: page 3 is corrupt\n")

    assert found is None and "could not be recovered" in problem


def test_one_that_an_action_left_when_it_was_killed_is_waited_for(node):
    """Pacemaker kills the agent at a timeout, not what it runs. A second run could not lock the files."""
    node.state_files.write("waiting", {})
    node.log(POSITION)
    left = node.begin(node.argv())
    node.clock.at(3, lambda: node.processes.remove(left))

    assert ((UUID, 7), None) == node.recover()


def test_one_that_was_left_goes_on_as_well(node):
    node.state_files.write("waiting", {})
    left = node.begin(node.argv())
    assert "pid %d" % left in node.recover()[1]

    node.log(POSITION)
    node.processes.remove(left)
    assert ((UUID, 7), None) == node.recover()


def test_the_log_of_somebody_elses_run_is_not_ours(node):
    """galera_recovery of systemd's unit: it was waited for, and then the log of our last run was read."""
    node.state_files.write("waiting", {})
    node.log(POSITION)
    other = node.begin((SERVER, "--datadir=" + node.datadir, "--wsrep-recover", "--log-error=/tmp/wsrep_recovery.1"))
    assert "pid %d" % other in node.recover()[1] and not node.state_files.has("recovering")
    node.clock.at(node.clock.elapsed + 3, lambda: node.processes.remove(other))

    assert ((UUID, 8), None) == node.recover(err=POSITION.replace(":7", ":8"))


@pytest.mark.parametrize("what", ["written", "clock", "old version"])
def test_the_result_of_a_run_whose_end_nobody_saw_counts_only_if_nothing_was_written_since(node, mocker, what):
    """A server that was started by hand, and ended, before the next monitor: the position would be that before it."""
    node.recover(takes=9999)
    node.log(POSITION)
    node.processes.remove(node.spawned.pid)
    if what == "written":
        mocker.patch("quorate.galera.server.data.kept_position.is_untouched_since", return_value=False)
    elif what == "clock":
        node.clock.step(-3600)
    else:
        node.state_files.write("recovering", {"pid": node.spawned.pid})

    assert ((UUID, 8), None) == node.recover(err=POSITION.replace(":7", ":8"))


def test_a_run_by_a_script_is_known_by_its_pid(node):
    """The parameter binary may name one, which looks like no server before it runs it. It was begun twice, and a stop
    left it."""
    node.layout = node.layout._replace(server="/usr/local/bin/slow-mariadbd")
    node.begin_as = ("/bin/sh",)
    assert "still applies its log" in node.recover()[1]
    context, first = node.action(), node.spawned
    assert [first] == process.recoveries(context, node.state_files, node.datadir)
    assert recovery.goes_on(context, node.state_files, node.datadir)
    assert "pid %d" % first.pid in node.recover()[1] and first == node.spawned

    assert [] == process.stop(context, node.state_files, node.datadir, 10)
    assert node.processes.gone(first) and not recovery.goes_on(context, node.state_files, node.datadir)


def test_the_result_of_a_run_whose_end_was_seen_counts_whatever_its_command_line(node, mocker):
    """A script that replaced its own words: it is known by its pid, and nobody wrote between its end and now."""
    mocker.patch("quorate.galera.server.data.kept_position.is_untouched_since", return_value=False)
    node.recover(takes=9999)
    recorded = node.state_files.read("recovering")
    node.processes.remove(node.spawned.pid)
    script = node.processes.add("/usr/local/bin/slow-mariadbd")
    node.state_files.write("recovering", dict(recorded, pid=script.pid, start=script.start))
    node.log(POSITION)
    node.clock.at(node.clock.elapsed + 3, lambda: node.processes.remove(script.pid))

    assert ((UUID, 7), None) == node.recover(err=POSITION.replace(":7", ":8"))


def test_another_process_with_the_pid_of_a_run_is_none(node):
    node.recover(takes=9999)
    node.processes.remove(node.spawned.pid)
    node.processes.add("/usr/bin/vi", pid=node.spawned.pid)
    context = node.action()

    assert [] == process.recoveries(context, node.state_files, node.datadir)
    assert [] == process.all_processes(context, node.state_files, node.datadir)


def test_it_is_not_run_again_while_nothing_has_written(node):
    node.layout = node.layout._replace(innodb=(node.datadir + "/data",))
    os.makedirs(node.datadir + "/data")
    for text in ("one", "two"):
        with open(node.datadir + "/data/ibdata1", "w", encoding="ascii") as file:
            file.write(text)
        assert ((UUID, 7), None) == node.recover(err=POSITION), text
        runs = len(node.commands.spawned)
        assert (1, ((UUID, 7), None), 0) == (runs, node.recover(), len(node.commands.spawned))


def test_the_log_of_a_run_before_a_stop_or_a_launch_counts_no_more(node):
    for ends in (process.stop, lambda *words: process.end_recovery(*words[:3])):
        node.recover(takes=9999)
        node.log(POSITION)
        ends(node.action(), node.state_files, node.datadir, 10)

        assert node.processes.gone(node.spawned)
        assert (None, None) == recovery._of_an_earlier_run(node.action(), node.state_files, node.layout)


def test_no_server_is_launched_beside_one_that_cannot_be_ended(node):
    node.processes.add((SERVER, "--datadir=" + node.datadir, "--wsrep-recover"), dies_of=())
    with pytest.raises(Failed) as failed:
        process.launch(node.action(), node.state_files, node.layout, [])

    assert "still there after SIGKILL" in failed.value.reason


def test_one_that_cannot_be_begun(node, mocker):
    mocker.patch.object(fakes.FakeCommands, "spawn", side_effect=OSError(12, "Cannot allocate memory"))
    found, problem = node.recover(takes=9999)

    assert found is None and "Cannot allocate memory" in problem
    assert not node.state_files.has("recovering")


# What belongs to a run

@pytest.mark.parametrize("recorded, other, expected", [
    (True, None, True), (False, None, False),
    (False, "data", False),       # somebody else's: nobody need look for its result
    (False, "elsewhere", False), (True, "elsewhere", True)])
def test_only_a_run_that_an_action_began_goes_on(node, recorded, other, expected):
    if recorded:
        node.recover(takes=9999)
    if other:
        datadir = node.datadir if other == "data" else "/elsewhere"
        node.processes.add((SERVER, "--datadir=" + datadir, "--wsrep-recover"))
    assert expected == recovery.goes_on(node.action(), node.state_files, node.datadir)


def test_a_run_of_another_database_is_none_of_an_ended_one(node):
    node.recover(takes=9999)
    node.processes.remove(node.spawned.pid)
    node.processes.add((SERVER, "--datadir=/elsewhere", "--wsrep-recover"))
    assert not recovery.goes_on(node.action(), node.state_files, node.datadir)


@pytest.mark.parametrize("seconds, waited", [(20, 16), (100, 80), (2000, 600)])
def test_an_action_waits_so_long_that_it_can_still_publish_what_it_knows(node, seconds, waited):
    context = node.action(takes=9999)
    context.deadline = Deadline(node.clock, seconds)
    recovery.recover(context, node.state_files, node.layout)
    assert waited == pytest.approx(node.clock.elapsed, abs=0.01)


@pytest.mark.parametrize("blocks, runs", [(15, False), (16, True)])
def test_it_needs_64_kib_and_not_what_a_start_needs(node, mocker, blocks, runs):
    mocker.patch("os.statvfs", return_value=SimpleNamespace(f_bavail=blocks, f_frsize=4096, f_fsid=1))
    assert runs == (((UUID, 7), None) == node.recover(err=POSITION))


@pytest.mark.parametrize("seconds, taken", [(0, True), (1, True), (-1, True), (2, False), (-2, False)])
def test_a_clock_that_was_set_by_more_than_a_rounded_second_makes_the_times_of_files_void(node, seconds, taken):
    node.recover(takes=9999)
    node.log(POSITION)
    node.processes.remove(node.spawned.pid)
    node.clock.step(seconds)
    assert (UUID, 7 if taken else 8) == node.recover(err=POSITION.replace(":7", ":8"))[0]


def test_what_a_run_finds_when_it_begins(node, mocker):
    """After a boot /run is empty; an agent's environment is not the server's; and an old log is not this run's."""
    node.layout = node.layout._replace(socket=node.datadir + "/s/s", pid=node.datadir + "/p/p", user="mysql")
    mocker.patch("quorate.galera.server.settings.layout.account", return_value=(os.getuid(), os.getgid()))
    replace = mocker.spy(recovery, "replace")
    context, log = node.action(err=""), node.state_files.path(recovery.RECOVER_LOG)
    before = os.umask(0)
    try:
        recovery._make_ready(node.state_files, node.layout)  # the directory is root's, whatever the umask is
    finally:
        os.umask(before)
    assert 0o755 == os.stat(node.state_files.run).st_mode & 0o777
    node.log(POSITION)
    replace.reset_mock()

    found, problem = recovery.recover(context, node.state_files, node.layout)

    assert found is None and "could not be recovered" in problem
    assert [log, "", (os.getuid(), os.getgid())] == list(replace.call_args_list[0].args)
    assert os.path.isdir(node.datadir + "/s") and os.path.isdir(node.datadir + "/p")
    assert [(log, {"OCF_ROOT": None})] == [(path, env) for _, path, env, _ in context.commands.spawned]


def test_the_last_telling_lines_of_a_log_are_read_whatever_its_bytes(node, mocker):
    mocker.patch.object(recovery, "RECOVER_LINES", 2)
    log = node.datadir + "/log"
    with open(log, "wb") as file:
        file.write(b"note\n[ERROR] 1\n[ERROR] 2 \xff\nnote\n" + POSITION.encode() + b"note\n")
    assert "[ERROR] 2 \ufffd\n" + POSITION == recovery._telling_lines(log)
    assert "" == recovery._telling_lines(node.datadir + "/nowhere")


def test_a_log_that_was_closed_is_out_of_the_way_before_the_run(node):
    path = node.datadir + "/tc.log"
    with open(path, "wb") as file:
        file.write(bytes(24576))
    seen = []
    context = node.action()
    context.commands.allow(SERVER, ..., err=POSITION, then=lambda *_: seen.append(os.path.exists(path)))
    assert ((UUID, 7), None) == recovery.recover(context, node.state_files, node.layout) and [False] == seen


PREPARED = "[Note] Found 3 prepared transactions! It means that the server was not shut down properly\n"


@pytest.mark.parametrize("runs, options, expected", [
    ([PREPARED + POSITION], [False], 7),                  # they are not in the way
    ([PREPARED, "", POSITION], [False, True, False], 7),
    ([PREPARED, None], [False, True], None),              # the rollback goes on: nothing is begun beside it
])
def test_prepared_transactions_are_rolled_back_where_there_is_no_position(node, runs, options, expected):
    context = node.action()
    for text in runs:
        context.commands.expect(SERVER, ..., err=text or "", takes=9999 if text is None else 0)
    found, problem = recovery.recover(context, node.state_files, node.layout)

    assert expected == (found and found[1]) and (problem is None or "still applies its log" in problem)
    assert options == ["--tc-heuristic-recover=rollback" in argv for argv, *_ in context.commands.spawned]
    context.commands.done()


def test_it_is_no_server(node):
    node.begin((SERVER, "--datadir=" + node.datadir, "--wsrep-recover"))
    context = node.action()

    assert process.find(context, node.state_files, node.datadir) is None
    assert [node.spawned] == process.all_processes(context, node.state_files, node.datadir)
