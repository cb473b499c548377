# SPDX-License-Identifier: Apache-2.0
"""Running real programs: what comes back, and what does not stay behind."""

import grp
import os
import pwd
import signal

import psutil
import pytest

from quorate.host import command
from quorate.host.command import Commands
from quorate.host.process import Processes
from tests.waiting import within


def test_who_writes_for_ever_into_what_a_program_left_open_holds_nobody_up():
    """A grandchild that goes on writing after the program has ended: there was always more to read."""
    pipes = command._Pipes(None)
    try:
        for number in list(pipes._ours):
            os.close(number)
        pipes._ours = {os.open("/dev/zero", os.O_RDONLY): 1}
        pipes.exchange(0)
        assert 1 <= pipes._size[1] // 65536 <= 64
    finally:
        pipes.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may start a daemon as somebody else")
def test_a_daemon_has_the_groups_that_its_unit_would_give_it(tmp_path):
    """A key that the group ssl-cert can read, and a broker that could not."""
    user = next((group.gr_mem[0] for group in grp.getgrall() if group.gr_mem and group.gr_mem[0] != "root"), "daemon")
    output = tmp_path / "output"

    pid = Commands().spawn(["id", "-G"], str(output), user=user)

    assert within(10, lambda: output.exists() and output.read_text().endswith("\n"))
    os.waitpid(pid, 0)
    account = pwd.getpwnam(user)
    assert set(os.getgrouplist(user, account.pw_gid)) == set(map(int, output.read_text().split()))


@pytest.fixture
def commands():
    return Commands()


def sleepers(mark):
    return [process for process in Processes().all() if process.argv == ("sleep", mark)]


def test_output_error_and_code(commands):
    result = commands.run(["sh", "-c", "echo out; echo err >&2; exit 5"], 10)
    assert result == (("sh", "-c", "echo out; echo err >&2; exit 5"), 5, "out\n", "err\n", False)
    assert not result.ok and commands.run(["true"], 10).ok


def test_there_is_no_shell(commands):
    assert commands.run(["echo", "$HOME; `id` | &"], 10).out == "$HOME; `id` | &\n"


def test_a_missing_program_is_127_and_says_so(commands):
    result = commands.run(["no-such-program-here"], 10)
    assert result.rc == 127 and "no-such-program-here" in result.err
    assert commands.run(["/no/such/program"], 10).rc == 127


def test_what_cannot_be_executed_is_126(commands, tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    assert commands.run([str(script)], 10).rc == 126
    assert commands.run([str(tmp_path)], 10).rc == 126


def test_stdin_is_empty_unless_given(commands):
    assert commands.run(["cat"], 10).out == ""
    assert commands.run(["cat"], 10, stdin="hello").out == "hello"


def test_much_data_both_ways_does_not_block(commands):
    data = "0123456789" * 300000
    result = commands.run(["sh", "-c", "tee /dev/stderr"], 60, stdin=data)
    assert result.out == data and result.err == data


def test_a_program_that_does_not_read_its_stdin(commands):
    assert commands.run(["true"], 10, stdin="x" * 1000000).rc == 0


def test_bytes_that_are_not_utf_8_survive(commands):
    result = commands.run(["printf", r"a\377b"], 10)
    assert result.out.encode("utf-8", "surrogateescape") == b"a\xffb"


def test_the_end_by_a_signal_is_negative(commands):
    assert commands.run(["sh", "-c", "kill -9 $$"], 10).rc == -9


def test_at_the_limit_the_whole_group_is_killed(commands):
    mark = "31415.%d" % os.getpid()
    result = commands.run(["sh", "-c", "trap '' TERM; echo before; sleep %s & sleep %s; echo after" % (mark, mark)],
                          0.5)
    assert result.rc is None and result.timed_out and result.out == "before\n"
    assert within(10, lambda: not sleepers(mark))


def test_a_limit_of_zero_ends_at_once(commands):
    assert commands.run(["sleep", "100"], 0).timed_out


def test_a_grandchild_that_keeps_the_output_open_does_not_keep_us(commands):
    mark = "27182.%d" % os.getpid()
    try:
        result = commands.run(["sh", "-c", "sleep %s & echo done" % mark], 60)
        assert (result.rc, result.out, result.timed_out) == (0, "done\n", False)
    finally:
        for process in sleepers(mark):
            Processes().signal(process, 9)


def test_a_program_that_closes_its_output_and_goes_on_is_waited_for(commands, tmp_path):
    mark = tmp_path / "mark"
    result = commands.run(["sh", "-c", "exec >&- 2>&-; sleep 0.3; touch %s; exit 4" % mark], 30)
    assert result.rc == 4 and mark.exists()


def test_no_child_and_no_descriptor_is_left(commands):
    """Children that were there before are others': of a first process, as in a container, every orphan becomes one."""
    before, children = len(os.listdir("/proc/self/fd")), set(psutil.Process().children())
    for argv, limit in ((["true"], 10), (["sleep", "9"], 0.05), (["nope"], 10), (["cat"], 10)):
        commands.run(argv, limit, stdin="x")
    assert len(os.listdir("/proc/self/fd")) == before
    assert set(psutil.Process().children()) <= children


def test_an_exception_in_the_middle_leaves_nothing_behind():
    mark = "16180.%d" % os.getpid()

    class Interrupted(BaseException):
        pass

    def end(_number, _frame):
        raise Interrupted()
    before = signal.signal(signal.SIGALRM, end)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(Interrupted):
            Commands().run(["sleep", mark], 60)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert within(10, lambda: not sleepers(mark))


def test_the_environment_has_no_parameters_and_the_c_locale():
    given = {"PATH": "/opt/bin:.:relative", "LC_ALL": "de_DE.UTF-8", "LANGUAGE": "de", "OCF_RESKEY_password": "hunter2",
             "OCF_RESKEY_CRM_meta_on_node": "n1", "OCF_RESOURCE_INSTANCE": "db", "HOME": "/root"}
    out = Commands(given).run(["/usr/bin/env"], 10, env={"EXTRA": "1", "HOME": None}).out.splitlines()
    assert sorted(out) == ["EXTRA=1", "LC_ALL=C", "OCF_RESKEY_CRM_meta_on_node=n1", "OCF_RESOURCE_INSTANCE=db",
                           "PATH=/opt/bin:/usr/sbin:/usr/bin:/sbin:/bin"]


def test_a_program_gets_a_group_of_its_own_and_default_signals(commands):
    group = commands.run(["sh", "-c", "ps -o pgid= -p $$; echo $$"], 10).out.split()
    assert group[0] == group[1]
    ignored = int(commands.run(["grep", "SigIgn", "/proc/self/status"], 10).out.split()[1], 16)
    assert not ignored & 1 << signal.SIGPIPE - 1       # which Python ignores for itself


def test_commands_are_traced():
    lines = []
    Commands(trace=lines.append).run(["echo", "hi"], 10)
    assert len(lines) == 1 and lines[0].startswith("ran echo hi: rc 0") and "hi" in lines[0]


def test_a_daemon_is_detached_and_its_output_goes_to_the_log(commands, tmp_path):
    log = tmp_path / "log"
    log.write_text("before\n")
    pid = commands.spawn(["sh", "-c", "echo $$; ps -o sid= -p $$; readlink /proc/self/fd/0; exec sleep 60"], str(log))
    processes = Processes()
    try:
        assert within(10, lambda: len(log.read_text().split()) == 4)
        assert log.read_text().split() == ["before", str(pid), str(pid), "/dev/null"]
    finally:
        daemon = processes.get(pid)
        assert processes.signal(daemon, 9)
    assert within(10, lambda: processes.gone(daemon))
    os.waitpid(pid, 0)


def test_a_daemon_that_does_not_exist_is_an_error_at_once(commands):
    with pytest.raises(OSError):
        commands.spawn(["/no/such/daemon"], None)
