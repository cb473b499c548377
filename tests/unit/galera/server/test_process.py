# SPDX-License-Identifier: Apache-2.0
"""Which processes belong to a server on one data directory, and which to its neighbours."""

import os

import pytest

from quorate.galera.server import process as server
from quorate.galera.server.process import is_orphan, mentions
from quorate.galera.server.settings import command_line
from quorate.galera.server.settings.layout import Layout
from quorate.host import daemon
from quorate.host.process import Process
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.ocf.codes import Failed
from tests import fakes


@pytest.mark.parametrize("argv, ours", [
    ("rsync --daemon --config /var/lib/mysql//rsync_sst.conf", True),
    ("mariabackup --backup --datadir=/var/lib/mysql --target-dir=/tmp/x", True),
    ("/bin/bash /usr/bin/wsrep_sst_rsync --role joiner --datadir /var/lib/mysql/ --parent 7", True),
    ("rsync -a host:/var/lib/mysql /srv", True),
    ("rsync --daemon --config /var/lib/mysql2/rsync_sst.conf", False),
    ("mariabackup --backup --datadir=/var/lib/mysql-b --target-dir=/var/lib/mysql.old", False),
    ("rsync -a /srv/backup/var/lib/mysql/ /srv/other", False),
    ("vi /var/lib/mysql/my.cnf", False), ("vi one two rsync /var/lib/mysql", False),
])
def test_what_a_state_transfer_left_behind(argv, ours):
    """A stop of one instance once took the state transfer of another with it, whose directory has a longer name."""
    process = Process(os.getpid(), 1, 1, "S", tuple(argv.split()))

    assert ours == is_orphan(process, "/var/lib/mysql", frozenset())


@pytest.mark.parametrize("argv, found", [
    ("/d", True), ("x /d", True), ("x /d2 /d /d3", True), ("x /d2 /d3", False), ("--datadir=/d", True),
    ("a:/d/x y", True), ("x2/d", False), ("b-/d", False), ("//d", False), ("/a/d", False), ("x", False),
    ("/d-b", False), ("/d.old", False)])
def test_which_command_lines_name_a_directory(argv, found):
    assert found == mentions(tuple(argv.split()), "/d")


@pytest.mark.parametrize("argv, sees_it, session, ours", [
    ("rsync --daemon --config /d/x", True, None, True), ("rsync --daemon --config /d/x", False, None, False),
    ("rsync --daemon", True, 400, True), ("rsync --daemon", True, 401, False), ("rsync --daemon", True, None, False),
    ("vi /d/x", True, 400, False)])
def test_a_transfer_is_known_by_its_session_or_by_a_directory_that_it_sees(mocker, argv, sees_it, session, ours):
    """A container has another directory of the same name."""
    mocker.patch("quorate.galera.server.process.same_root", lambda pid: sees_it)
    mocker.patch("quorate.host.daemon.session", lambda pid: session)
    assert ours == is_orphan(Process(4000, 1, 1, "S", tuple(argv.split())), "/d", {400})


def test_a_transfer_that_works_in_the_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_orphan(Process(os.getpid(), 1, 1, "S", ("rsync",)), str(tmp_path), frozenset())
    assert not is_orphan(Process(os.getpid(), 1, 1, "S", ("rsync",)), str(tmp_path.parent), frozenset())


class Node:
    """A node with the data directory /d, whose processes all see the same file system."""

    def __init__(self, root, mocker):
        mocker.patch("quorate.galera.server.process.same_root", lambda pid: True)
        self.limits = mocker.patch("quorate.host.daemon.allow_open_files")
        self.clock = fakes.FakeClock()
        self.processes = fakes.FakeProcesses(self.clock)
        self.context = fakes.context(processes=self.processes, clock=self.clock, seconds=200)
        self.files = StateFiles("galera", "db", str(root / "run"), str(root / "persistent"))
        self.layout = Layout("/usr/sbin/mariadbd", None, "/d", str(root / "s" / "socket"), str(root / "p" / "pid"),
                             str(root / "log"), "root", "root", "1", "TRUE", "galera", "rsync")

    def add(self, options="", **more):
        return self.processes.add("/usr/sbin/mariadbd --datadir=/d " + options, **more)


@pytest.fixture
def node(tmp_path, mocker):
    return Node(tmp_path, mocker)


def test_a_server_is_found_whoever_started_it_and_a_run_for_the_position_is_none(node):
    node.processes.add("/usr/sbin/mariadbd --datadir=/d2")
    node.processes.add("/usr/sbin/mariadbd --datadir=/d2 --wsrep-recover")
    first, second = node.add("--wsrep-recover"), node.add("--wsrep-recover")
    assert None is server.find(node.context, node.files, "/d")
    for known in (first, node.processes.add("/usr/local/bin/wrapper")):
        node.files.write("recovering", {"pid": known.pid, "start": known.start})
        assert sorted({known, first, second}) == sorted(server.recoveries(node.context, node.files, "/d"))
    one = node.add()
    assert one == server.find(node.context, node.files, "/d")


def test_what_a_stop_has_to_end(node, mocker):
    mocker.patch("quorate.host.daemon.session", lambda pid: 400 if pid == 603 else pid)
    daemon.record(node.context, node.files, node.add(pid=500), "/log", session=400)
    for pid, ppid, argv in ((501, 500, "copier"), (601, 1, "rsync --daemon --config /d/x"), (602, 1, "rsync --daemon"),
                            (603, 1, "socat -u"), (604, 1, "/usr/sbin/mariadbd --datadir=/d2")):
        node.processes.add(argv, pid=pid, ppid=ppid)
    node.add("--wsrep-recover", pid=700)
    assert [500, 501, 601, 603, 700] == sorted(
        one.pid for one in server.all_processes(node.context, node.files, "/d"))


# Launching

def test_a_launch_is_all_that_the_settings_say(node):
    node.files.write("recovered", {"seqno": 1})
    node.files.write("recovering", {"pid": 1})
    recovery = node.add("--wsrep-recover")
    node.context.commands.on_spawn = lambda argv: node.processes.add(argv, pid=500).pid

    assert 500 == server.launch(node.context, node.files, node.layout, ["--wsrep_cluster_address=gcomm://n1"]).pid
    argv = tuple(command_line.start(node.layout, ["--wsrep_cluster_address=gcomm://n1"]))
    assert [(argv, node.files.path("output"), {"OCF_ROOT": None}, None)] == node.context.commands.spawned
    known = node.files.read(daemon.PROCESS_FILE)
    assert ("500", "/d", node.layout.socket, node.layout.log) == tuple(
        known[name] for name in ("pid", "datadir", "socket", "log"))
    assert [(recovery.pid, daemon.SIGKILL)] == node.processes.signals
    assert not node.files.has("recovered") and not node.files.has("recovering")
    for path in (node.layout.socket, node.layout.pid):
        assert os.path.isdir(os.path.dirname(path)) and 0o755 == os.stat(os.path.dirname(path)).st_mode & 0o777
    node.limits.assert_called_once_with(server.OPEN_FILES)
    assert ["Starting %s" % " ".join(argv)] == node.context.log.said


def test_one_that_ends_at_once_is_a_failure_with_its_cause(node):
    def spawn(argv):
        with open(node.layout.log, "w", encoding="ascii") as file:
            file.write("2026-11-28 22:59:00 0 [ERROR] The disk is on fire\n")
        return 500
    node.context.commands.on_spawn = spawn
    with pytest.raises(Failed) as failed:
        server.launch(node.context, node.files, node.layout, [])
    assert codes.ERR_GENERIC == failed.value.code
    assert failed.value.reason.startswith("mariadbd ended at once: ") and "The disk is on fire" in failed.value.reason


def test_a_run_for_the_position_that_does_not_end_is_said(node):
    recovery = node.add("--wsrep-recover", dies_of=())
    node.files.write("recovering", {"pid": recovery.pid, "start": recovery.start})
    with pytest.raises(Failed) as failed:
        server.end_recovery(node.context, node.files, "/d")
    assert codes.ERR_GENERIC == failed.value.code and "mariadbd (pid %d" % recovery.pid in failed.value.reason
    assert server.ENDING_MOST - 1 < node.clock.elapsed < server.ENDING_MOST + 1 and node.files.has("recovering")


# Stopping

def test_servers_are_asked_to_end_and_their_children_are_theirs(node):
    """One that a SIGSTOP holds receives nothing until it goes on."""
    node.add(pid=500, dies_of=(daemon.SIGTERM,))
    node.add("--wsrep-recover", pid=600, dies_of=(daemon.SIGTERM,))
    node.processes.add("copier", pid=501, ppid=500, dies_of=(daemon.SIGKILL,))
    node.files.write("recovering", {"pid": 600})

    node.clock.at(2, lambda: node.processes.remove(501))
    assert [] == server.stop(node.context, node.files, "/d", 30)
    assert [(500, daemon.SIGTERM), (600, daemon.SIGTERM)] == node.processes.signals
    assert ["Sent SIGTERM to pid %d (/usr/sbin/mariadbd)." % pid for pid in (500, 600)] == node.context.log.said
    assert not node.files.has("recovering")


def test_a_run_for_the_position_is_asked_whatever_it_looks_like(node):
    """The parameter binary may name a script."""
    script = node.processes.add("/usr/local/bin/wrapper --wsrep-recover", pid=600, dies_of=(daemon.SIGTERM,))
    node.files.write("recovering", {"pid": 600, "start": script.start})
    assert [] == server.stop(node.context, node.files, "/d", 30)
    assert [(600, daemon.SIGTERM)] == node.processes.signals and not node.files.has("recovering")


@pytest.mark.parametrize("skip_grace, after", [({}, 20), ({"skip_grace": True}, 3)])
def test_one_that_does_not_end_is_killed(node, skip_grace, after):
    node.add(pid=500, dies_of=())
    assert [500] == [one.pid for one in server.stop(node.context, node.files, "/d", 30, **skip_grace)]
    assert [daemon.SIGTERM, daemon.SIGCONT, daemon.SIGKILL] == [number for _, number in node.processes.signals[:3]]
    assert [("WARNING", "The database server did not end within %d s of SIGTERM; sending SIGKILL." % after)] == (
        node.context.log.lines)


def test_of_a_long_log_the_end_is_read(node):
    with open(node.layout.log, "w", encoding="ascii") as file:
        file.write("x" * (server.LOG_MOST + 10) + "end")
    assert "x" * (server.LOG_MOST - 3) + "end" == server.new_log(node.files, node.layout.log)
