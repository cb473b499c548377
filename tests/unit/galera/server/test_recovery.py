# SPDX-License-Identifier: Apache-2.0
"""A recovery of the position that takes longer than the action that began it."""

import os
from types import SimpleNamespace

import pytest

from quorate.galera.declaration import PARAMETERS
from quorate.galera.server import process, recovery
from quorate.galera.server.settings import command_line
from quorate.galera.server.settings.layout import Layout
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
        mocker.patch("quorate.galera.server.kept_position.is_untouched_since", return_value=False)
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


def test_it_is_no_server(node):
    node.begin((SERVER, "--datadir=" + node.datadir, "--wsrep-recover"))
    context = node.action()

    assert process.find(context, node.state_files, node.datadir) is None
    assert [node.spawned] == process.all_processes(context, node.state_files, node.datadir)
