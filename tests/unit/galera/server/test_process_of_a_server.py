# SPDX-License-Identifier: Apache-2.0
"""What the server's processes and its log prove."""

import os

import pytest

from quorate.galera.server import observe, process
from quorate.host import daemon
from quorate.host.process import Processes
from quorate.host.state_files import StateFiles
from tests import fakes

SOCKET = "/run/mysqld/mysqld.sock"
READY = "Version: '10.11.18'  socket: '%s'  port: 3306\n"


@pytest.fixture
def state_files(tmp_path):
    return StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))


@pytest.mark.parametrize("text, never", [
    ("[Note] Starting\n[ERROR] no\n", True), ("[Note] Starting\n" + READY % SOCKET, False), ("", False),
    ("[Note] Starting\n" + READY % "/another", True)])
def test_only_its_own_log_proves_that_a_server_never_was_ready(state_files, tmp_path, text, never):
    log = tmp_path / "log"
    log.write_text(READY % SOCKET)  # of an earlier one
    size, inode = os.stat(log).st_size, os.stat(log).st_ino
    state_files.write("log-offset", {"bytes": size, "inode": inode})
    log.write_text(READY % SOCKET + text)
    assert never == process.never_ready(state_files, str(log), SOCKET)
    assert not process.never_ready(state_files, str(log), "")
    assert not process.never_ready(state_files, "", SOCKET)
    assert not process.never_ready(state_files, str(tmp_path / "none"), SOCKET)


def test_a_log_that_was_rotated_proves_nothing(state_files, tmp_path):
    log = tmp_path / "log"
    log.write_text("[Note] Starting\n")
    state_files.write("log-offset", {"bytes": 0, "inode": 1})
    assert not process.never_ready(state_files, str(log), SOCKET)
    state_files.write("log-offset", {"bytes": 1000, "inode": os.stat(log).st_ino})
    assert not process.never_ready(state_files, str(log), SOCKET)


@pytest.mark.parametrize("child, receives", [
    ("/bin/sh /usr/bin/wsrep_sst_rsync --role joiner", True), ("/bin/sh /usr/bin/wsrep_sst_rsync --role donor", False),
    ("/usr/bin/carpenter --role joiner", False)])
def test_a_joiners_script_means_a_state_transfer(state_files, child, receives):
    processes = fakes.FakeProcesses()
    server = processes.add("/usr/sbin/mariadbd", pid=500)
    processes.add(child, ppid=500)
    assert receives == observe.is_receiving(state_files, processes, server)


def test_what_a_process_reads_is_progress():
    processes = Processes()
    mine = processes.get(os.getpid())
    before = observe.transferred_bytes(processes, mine)
    with open("/proc/self/status", "rb") as file:
        text = file.read()
    assert 0 < before and before + len(text) <= observe.transferred_bytes(processes, mine)
    assert 0 == observe.transferred_bytes(fakes.FakeProcesses(), mine._replace(pid=2 ** 22 + 1))
    assert daemon.session(2 ** 22 + 1) is None
