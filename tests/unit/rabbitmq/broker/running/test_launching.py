# SPDX-License-Identifier: Apache-2.0
"""How the broker is launched, and which processes are taken for it, of which name, at which boot stage."""

import os
import pwd
import signal
import time

import pytest

from quorate.host import daemon
from quorate.host.process import Process, Processes
from quorate.ocf.codes import ERR_GENERIC, Failed
from quorate.rabbitmq import facts
from quorate.rabbitmq.broker import process
from tests import fakes
from tests.unit.rabbitmq.actions.nodes import ME, Node
from tests.unit.rabbitmq.broker.running import launched
from tests.unit.rabbitmq.broker.running.launched import BEAM

HERE = os.uname().nodename.partition(".")[0]


# -- launching

@pytest.fixture
def limits(monkeypatch):
    """The numbers of open files that were asked for."""
    asked = []
    monkeypatch.setattr(process.daemon, "allow_open_files", asked.append)
    return asked


@pytest.mark.parametrize("arguments, config", [((), None), (("-rabbit", "x"), None), ((), "/etc/other.conf")])
def test_what_is_started_as_whom_and_with_which_environment(tmp_path, limits, arguments, config):
    node = Node(tmp_path, parameters={"config": config} if config else None)
    here = node.layout._replace(config="/etc/other.conf", log=str(tmp_path / "logs" / "mq.log"))
    before = os.umask(0o022)
    masks = []
    node.commands.on_spawn = lambda _argv: (masks.append(os.umask(0o027)), node._spawn(_argv))[1]
    try:
        made = process.launch(node.context, node.state_files, here, arguments)
        assert os.umask(before) == 0o022, "our own files stay readable"
    finally:
        os.umask(before)
    wanted = dict(here.environment(), RUNNING_UNDER_SYSTEMD="true", OCF_ROOT=None, NOTIFY_SOCKET=None, LC_ALL="C.UTF-8")
    if arguments:
        wanted["RABBITMQ_SERVER_START_ARGS"] = "-rabbit x"
    if config:
        wanted["RABBITMQ_CONFIG_FILE"] = config
    assert node.commands.spawned == [(("/bin/true",), node.state_files.path("output"), wanted, ME)]
    assert made.pid == 500 and masks == [0o027] and limits == [process.OPEN_FILES]
    recorded = node.state_files.read(daemon.PROCESS_FILE)
    assert (recorded["pid"], recorded["session"], recorded["log"]) == ("500", "500", here.log)
    for path in (tmp_path / "mnesia", tmp_path / "logs"):
        assert path.is_dir() and path.stat().st_mode & 0o777 == 0o750 and path.stat().st_uid == os.getuid()


def test_one_that_logs_to_no_file(tmp_path, limits):
    node = Node(tmp_path)
    process.launch(node.context, node.state_files, node.layout._replace(log=None))
    assert node.state_files.read(daemon.PROCESS_FILE)["log"] == "" and limits


def test_directories_are_the_broker_s_user_s(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(process.daemon, "make_directories", lambda *how: made.append(how))
    here = Node(tmp_path).layout._replace(user="nobody", log="/var/log/x/mq.log")
    process.prepare_directories(here)
    account = pwd.getpwnam("nobody")
    paths, *rest = made[0]
    assert list(paths) == [here.home, here.base, "/var/log/x"]
    assert rest == [account.pw_uid, account.pw_gid, 0o750]
    process.prepare_directories(here._replace(log=None))
    assert list(made[1][0]) == [here.home, here.base]


def test_one_that_ends_at_once_says_why(tmp_path, limits):
    node = Node(tmp_path)

    def spawn(_argv):
        (tmp_path / "log").write_text("2026 [error] <0.1.0> the cause\n")
        return 4194304

    node.commands.on_spawn = spawn
    with pytest.raises(Failed) as failed:
        process.launch(node.context, node.state_files, node.layout)
    assert failed.value.code == ERR_GENERIC and failed.value.reason.startswith("/bin/true ended at once: ")
    assert "the cause" in failed.value.reason and limits


# -- finding

@pytest.mark.parametrize("given, wanted, same", [
    (None, "rabbit@n1", True), ("rabbit@n1", "rabbit@n1", True), ("rabbit@n1", "rabbit@n2", False),
    ("rabbit", "rabbit@" + HERE, True), ("rabbit@", "rabbit@" + HERE, True), ("bunny", "rabbit@" + HERE, False),
    ("rabbit@%s.example.org" % HERE, "rabbit@" + HERE, True), ("rabbit@" + HERE, "rabbit@%s.example.org" % HERE, True),
    ("rabbit@%s.b" % HERE, "rabbit@%s.a" % HERE, True), ("rabbit@other", "rabbit@" + HERE, False),
    ("rabbit@other." + HERE, "rabbit@" + HERE, False), ("rabbit@%s@x" % HERE, "rabbit@" + HERE, False),
    ("rabbit", "rabbit@other", False), ("rabbit@" + HERE, "rabbit@x@" + HERE, False),
    ("rabbit@%s.a.b" % HERE, "rabbit@" + HERE, True)])
def test_names_that_are_this_machine_s(given, wanted, same):
    assert process.is_same_name(given, wanted) is same


@pytest.fixture
def names(monkeypatch):
    """names[pid] = RABBITMQ_NODENAME of a process."""
    found = {}
    monkeypatch.setattr(process, "environment_nodename", found.get)
    monkeypatch.setattr(process, "same_root", lambda pid: True)
    return found


def test_of_several_brokers_the_one_of_the_name(tmp_path, names):
    processes = fakes.FakeProcesses()
    one, two = processes.add(BEAM, pid=7), processes.add(BEAM, pid=8)
    names.update({7: "a@n1", 8: "b@n1"})
    node = Node(tmp_path)
    node.context.processes = processes
    assert process.find(node.context, node.state_files, "b@n1") == two
    assert process.find_by_pid_file(processes, "b@n1") == two
    assert process.all_processes(node.context, node.state_files, "b@n1") == [two]
    for pid, found in (("8", two), ("7", two), (" 8 \n", two), ("", two), ("x", two), ("-1", two)):
        (tmp_path / "pid").write_text(pid)
        assert process.find_by_pid_file(processes, "b@n1", str(tmp_path / "pid")) == found
    assert process.only_broker(processes) is None
    processes.remove(8)
    assert process.only_broker(processes) == one
    processes.remove(7)
    assert process.only_broker(processes) is None


def test_the_pid_file_names_one_of_two_of_the_same_name(tmp_path, names):
    processes = fakes.FakeProcesses()
    processes.add(BEAM, pid=7)
    second = processes.add(BEAM, pid=8)
    (tmp_path / "pid").write_bytes(b"8\n")
    assert process.find_by_pid_file(processes, "rabbit@n1", str(tmp_path / "pid")) == second
    (tmp_path / "pid").write_bytes(b"\xff")
    assert process.find_by_pid_file(processes, "rabbit@n1", str(tmp_path / "pid")).pid == 7


@pytest.mark.parametrize("words, session, left", [
    ("erl_child_setup 1024", 400, True), ("/usr/lib/erlang/bin/inet_gethost 4", 400, True),
    ("/usr/bin/epmd -daemon", 400, False), ("erl_child_setup 1024", 9, False), ("sleep 9", 400, False),
    ("x erl_child_setup", 400, False), ("erl_child_setup", None, False)])
def test_what_a_broker_left_behind(monkeypatch, words, session, left):
    asked = []
    monkeypatch.setattr(process.daemon, "session", lambda pid: (asked.append(pid), session)[1])
    assert process.is_orphan(Process(71, 1, 5, "S", tuple(words.split())), {400, 401}) is left
    assert asked in ([], [71])


def test_orphans_of_the_launched_session_are_processes_of_the_broker(tmp_path, names, monkeypatch):
    node = launched.Node(tmp_path)
    left = node.processes.add("/usr/lib/erlang/bin/inet_gethost 4", pid=410)
    monkeypatch.setattr(process.daemon, "session", {410: 400}.get)
    found = process.all_processes(node.context, node.state_files, "rabbit@n1")
    assert [one.pid for one in found] == [400, 401, 410]
    node.processes.remove(400)
    assert [one.pid for one in process.all_processes(node.context, node.state_files, "rabbit@n1")] == [410]
    names[400] = "other@n1"
    node.processes.add(BEAM, pid=400)
    assert process.all_processes(node.context, node.state_files, "rabbit@n1") == [left], "a new one of that number"


def test_a_broker_of_another_name_is_not_stopped(tmp_path, names):
    node = launched.Node(tmp_path)
    node.state_files.forget(daemon.PROCESS_FILE)
    names[400] = "other@n1"
    assert node.stop() == [] and node.processes.signals == []


def test_only_erlang_machines_are_asked_to_stop(tmp_path):
    node = launched.Node(tmp_path, after=1.0)
    node.processes.add("", pid=403, ppid=400, dies_of=(9,))
    node.clock.at(1.2, lambda: [node.processes.remove(pid) for pid in (401, 403)])
    assert node.stop() == []
    assert node.processes.signals == [(400, signal.SIGTERM), (400, signal.SIGCONT)]


def test_a_stop_that_is_hurried_gives_it_less_time(tmp_path):
    slow, hurried = (launched.Node(tmp_path / name, dies_of=(9,)) for name in ("slow", "hurried"))
    assert slow.stop() == hurried.stop(skip_grace=True) == []
    assert slow.clock.elapsed > hurried.clock.elapsed + 5


# -- the boot stage

WAITS = "2026 [info] <0.1.0> Starting RabbitMQ 3.10.8\n2026 [info] <0.1.0> Waiting for Mnesia tables for 30000 ms\n"


def written(path, text, seconds):
    """The path of a log that was written to so many seconds ago."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.utime(path, (time.time() - seconds,) * 2)
    return str(path)


def test_how_long_ago_the_log_was_written_to(tmp_path):
    assert process.boot_stage(written(tmp_path / "a", WAITS, 60)) == facts.WAITING
    assert process.boot_stage(written(tmp_path / "a", WAITS, -60)) == facts.STARTING
    assert process.boot_stage(None) is process.boot_stage("") is process.boot_stage(str(tmp_path / "none")) is None


def test_the_end_of_a_long_log(tmp_path):
    filler = b"\xff" * 30 + b"\n"
    start = b"[info] Starting RabbitMQ 3.10.8\n"
    assert process.boot_stage(written(tmp_path / "a", start + filler * 100, 9)) == facts.STARTING
    at_the_edge = start + b"x" * (process.TAIL - len(start))
    assert process.boot_stage(written(tmp_path / "a", b"y" * 9 + at_the_edge, 9)) == facts.STARTING
    assert process.boot_stage(written(tmp_path / "a", b"y" * 9 + at_the_edge[:-1] + b"xx", 9)) == facts.STARTING
    assert process.boot_stage(written(tmp_path / "a", start + b"x" * process.TAIL, 9)) is None


def test_a_log_that_this_process_has_not_written_to(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "started_at", lambda _one: 1000.0)
    log = written(tmp_path / "a", WAITS, 0)
    for at, stage in ((999.0, None), (1000.0, facts.WAITING), (1001.0, facts.WAITING)):
        os.utime(log, (at, at))
        assert process.boot_stage(log, object()) == stage
    os.utime(log, (999.0, 999.0))
    assert process.boot_stage(log) == facts.WAITING


def test_when_a_process_started():
    own = Processes().get(os.getpid())
    with open("/proc/uptime", encoding="ascii") as file:
        up = float(file.read().split()[0])
    began = time.time() - up + own.start / os.sysconf("SC_CLK_TCK")
    assert abs(process.started_at(own) - began) < 600
    assert abs(process.started_at(own._replace(start=own.start + 360000)) - began - 3600) < 600
