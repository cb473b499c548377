# SPDX-License-Identifier: Apache-2.0
"""What the kernel's log says of a process. The lines are those of Linux 5.10 and 6.1."""

import os

import pytest

from quorate.host.system import kernel

KILLED = ("Out of memory: Killed process 812 (mariadbd) total-vm:2891236kB, anon-rss:1713480kB, file-rss:0kB, "
          "shmem-rss:0kB, UID:107 pgtables:3624kB oom_score_adj:0")
IN_A_GROUP = ("Memory cgroup out of memory: Killed process 812 (mariadbd) total-vm:2891236kB, anon-rss:1713480kB, "
              "file-rss:0kB, shmem-rss:0kB, UID:107 pgtables:3624kB oom_score_adj:0")
DENIED = ('audit: type=1400 audit(1732822222.123:44): apparmor="DENIED" operation="mknod" profile="/usr/sbin/mariadbd" '
          'name="/srv/db/grastate.dat" pid=812 comm="mariadbd" requested_mask="c" denied_mask="c" fsuid=107 ouid=107')
AVC = ('audit: type=1400 audit(1732822222.123:44): avc:  denied  { write } for  pid=812 comm="mysqld" name="mysql" '
       'dev="dm-0" ino=7 scontext=system_u:system_r:mysqld_t:s0 tcontext=x tclass=dir permissive=%d')


@pytest.mark.parametrize("text, pid, killed", [
    (KILLED, 812, True), (IN_A_GROUP, 812, True), (KILLED, 81, False), (KILLED, 8123, False),
    ("oom_reaper: reaped process 812 (mariadbd), now anon-rss:0kB", 812, False), ("", 812, False),
])
def test_a_process_that_was_killed_for_want_of_memory(text, pid, killed):
    assert killed == kernel.killed_for_memory(["x", text, "y"], pid)


@pytest.mark.parametrize("text, found", [
    (DENIED, ("AppArmor", "/srv/db/grastate.dat")), (AVC % 0, ("SELinux", "mysql")), (AVC % 1, None),
    (DENIED.replace("mariadbd", "cupsd"), None), (DENIED.replace("DENIED", "ALLOWED"), None), (KILLED, None),
])
def test_a_file_that_a_security_module_refused(text, found):
    assert found == kernel.denied(["x", text], ("mariadbd", "mysqld"))


def test_the_records_of_the_kernel(tmp_path):
    """One record a read, as /dev/kmsg gives them: a packet socket's file is not at hand, so a pipe in packet mode."""
    reader, writer = os.pipe2(os.O_DIRECT | os.O_NONBLOCK)
    for record in (b"6,1,1000000,-;early\n", b"6,2,5000000,-;" + KILLED.encode() + b"\n SUBSYSTEM=x\n",
                   b"no record", b"6,3,x,-;odd\n", b"6,4,6000000,-;\xff\n", b"6,5,7000000,-;\n"):
        os.write(writer, record)
    path = "/proc/self/fd/%d" % reader

    assert [KILLED, "\ufffd", ""] == kernel.messages(2.0, path)
    os.close(writer)
    os.close(reader)
    assert [] == kernel.messages(path=str(tmp_path / "none"))
