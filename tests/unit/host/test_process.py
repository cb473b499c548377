# SPDX-License-Identifier: Apache-2.0
"""Processes: found, distinguished, signalled; the same answers from a real /proc and from one made up."""

import os
import signal
import subprocess

import pytest

from quorate.host.process import Process, Processes
from tests.waiting import within


@pytest.fixture
def child():
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def test_what_a_shell_started_leads_as_long_as_the_shell_is_alive():
    """As a service whose unit runs it in a shell; a worker whose parent is gone has no such leader."""
    shell = subprocess.Popen(["sh", "-c", "sleep 600 & echo $!; wait"], stdout=subprocess.PIPE, text=True,
                             start_new_session=True)
    with shell:
        pid = int(shell.stdout.readline())
        try:
            processes = Processes()
            assert processes.leads(processes.get(shell.pid)) and processes.leads(processes.get(pid))

            shell.kill()
            assert within(10, lambda: not processes.leads(processes.get(pid)))
        finally:
            os.kill(pid, signal.SIGKILL)


def test_a_real_process(child):
    processes = Processes()
    assert within(10, lambda: processes.get(child.pid).argv == ("sleep", "600"))  # the fork comes before the exec
    found = processes.get(child.pid)
    assert (found.pid, found.ppid) == (child.pid, os.getpid())
    assert child.pid in [process.pid for process in processes.descendants(os.getpid())]
    assert not processes.gone(found)


def test_the_work_of_a_process():
    processes = Processes()
    me = processes.get(os.getpid())
    before = processes.work(me)
    assert within(10, lambda: processes.work(me)[0] >= before[0] + 0.05)
    assert processes.work(me)[1] >= before[1] >= 0
    assert processes.work(me._replace(pid=2 ** 22 + 1)) is None


def test_a_zombie_is_gone(child):
    processes = Processes()
    found = processes.get(child.pid)
    assert processes.signal(found, signal.SIGKILL)
    assert within(10, lambda: processes.gone(found))       # nobody has waited for it: it is a zombie now
    assert processes.get(child.pid) is None
    assert processes.signal(found, signal.SIGKILL) is False


def test_a_stopped_process_is_there_and_says_so(child):
    processes = Processes()
    found = processes.get(child.pid)
    processes.signal(found, signal.SIGSTOP)
    assert within(10, lambda: processes.get(child.pid).state == "T")
    assert not processes.gone(found)


def test_another_process_with_the_same_pid_is_not_touched(child):
    processes = Processes()
    found = processes.get(child.pid)
    former = found._replace(start=found.start - 1)
    assert processes.gone(former)
    assert processes.signal(former, signal.SIGKILL) is False
    assert not processes.gone(found)


def test_no_such_pid():
    processes = Processes()
    never = Process(2 ** 22 + 5, 1, 1, "S", ())
    assert processes.get(never.pid) is None and processes.gone(never) and processes.signal(never, 15) is False


def stat(pid, name=b"mysqld", state=b"S", ppid=1, start=77):
    fields = [b"%d" % pid, b"(" + name + b")", state, b"%d" % ppid] + [b"0"] * 17 + [b"%d" % start] + [b"0"] * 20
    return b" ".join(fields) + b"\n"


@pytest.fixture
def proc(tmp_path):
    def add(pid, content, cmdline=b"mysqld\0--user=mysql\0", threads=1):
        directory = tmp_path / str(pid)
        for thread in range(threads):
            (directory / "task" / str(pid + thread)).mkdir(parents=True)
        (directory / "stat").write_bytes(content)
        (directory / "cmdline").write_bytes(cmdline)
    add.processes = Processes(str(tmp_path))
    return add


def test_a_process_of_a_container_is_not_of_this_machine(proc, tmp_path):
    for pid, namespace in (("self", "pid:[1]"), ("10", "pid:[1]"), ("20", "pid:[2]"), ("30", None)):
        if pid != "self":
            proc(int(pid), stat(int(pid)))
        (tmp_path / pid / "ns").mkdir(parents=True)
        if namespace:
            (tmp_path / pid / "ns" / "pid").symlink_to(namespace)
    processes = Processes(str(tmp_path))
    assert {process.pid for process in processes.all()} == {10, 30}   # of 30 we may not know: it counts as ours
    assert processes.get(20) is None


@pytest.mark.parametrize("name", [b"mysqld", b"a b", b"a) S 9 (b", b")", b"", b"\xff\xfe"])
def test_names_that_look_like_fields(proc, name):
    proc(10, stat(10, name))
    assert proc.processes.get(10) == Process(10, 1, 77, "S", ("mysqld", "--user=mysql"))


@pytest.mark.parametrize("content", [b"", b"garbage", b"10 (x)", b"10 (x) S", b"10 (x) S one two"])
def test_garbage_is_no_process(proc, content):
    proc(10, content)
    assert proc.processes.get(10) is None


def test_a_process_that_may_not_be_inspected_is_not_gone(proc, tmp_path):
    """As when the machine has no file left to open: a stop that took it for gone would leave a second copy."""
    proc(10, stat(10))
    seen = proc.processes.get(10)
    (tmp_path / "10" / "stat").unlink()
    (tmp_path / "10" / "stat").mkdir()
    with pytest.raises(OSError):
        proc.processes.gone(seen)
    with pytest.raises(OSError):
        proc.processes.mentioning(["mysqld"])


def test_a_kernel_thread_has_no_arguments(proc):
    proc(10, stat(10), cmdline=b"")
    assert proc.processes.get(10).argv == ()


def test_empty_arguments_are_kept(proc):
    proc(10, stat(10), cmdline=b"a\0\0b\0")
    assert proc.processes.get(10).argv == ("a", "", "b")


def test_a_zombie_with_living_threads_is_not_gone(proc):
    proc(10, stat(10, state=b"Z"), threads=3)
    proc(20, stat(20, state=b"Z"))
    assert proc.processes.get(10) is not None
    assert proc.processes.get(20) is None


def test_descendants_of_all_generations(proc):
    for pid, ppid in ((10, 1), (11, 10), (12, 11), (13, 10), (20, 1)):
        proc(pid, stat(pid, ppid=ppid))
    assert sorted(process.pid for process in proc.processes.descendants(10)) == [11, 12, 13]
    assert sorted(process.pid for process in proc.processes.all()) == [10, 11, 12, 13, 20]
