# SPDX-License-Identifier: Apache-2.0
"""What the server's processes and its log prove."""

import os

import pytest

from quorate.galera.server import observe
from quorate.host import daemon
from quorate.host.process import Processes
from quorate.host.state_files import StateFiles
from tests import fakes


@pytest.fixture
def state_files(tmp_path):
    return StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))


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
