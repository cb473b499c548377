# SPDX-License-Identifier: Apache-2.0
"""The broker's processes: found, and stopped with proof, also frozen and in the midst of a boot."""

import os
import signal

import pytest

from quorate.host import daemon
from quorate.host.process import Process
from quorate.rabbitmq.broker.process import find_by_pid_file, is_broker
from tests import fakes
from tests.unit.rabbitmq.broker.running.launched import BEAM, Node


@pytest.mark.parametrize("parent", [1, 400])
def test_it_ends_on_sigterm_with_its_children_and_epmd_stays(tmp_path, parent):
    """Also an epmd that has just been started, and is not yet its own parent's orphan."""
    node = Node(tmp_path, after=1.0)
    node.epmd = node.processes.add("/usr/bin/epmd -daemon", pid=402, ppid=parent)
    node.clock.at(1.2, lambda: node.processes.remove(401))
    assert node.stop() == []
    assert (400, signal.SIGTERM) in node.processes.signals
    assert signal.SIGKILL not in [number for _, number in node.processes.signals]
    assert not node.processes.gone(node.epmd)


def test_a_frozen_one_is_woken_and_killed_within_its_time(tmp_path):
    node = Node(tmp_path, state="T", dies_of=(9,))
    assert node.stop(skip_grace=True) == []
    assert (400, signal.SIGCONT) in node.processes.signals and (400, signal.SIGKILL) in node.processes.signals
    assert node.clock.elapsed <= daemon.SHORT_GRACE + 1


def test_one_that_survives_sigkill_is_returned(tmp_path):
    node = Node(tmp_path, state="D", dies_of=())
    left = node.stop()
    assert [process.pid for process in left] == [400, 401]
    assert node.clock.elapsed <= 31


def test_no_broker_is_no_work(tmp_path):
    node = Node(tmp_path)
    node.processes.remove(400)
    node.processes.remove(401)
    assert node.stop() == [] and node.processes.signals == []


def test_the_broker_of_another_name_is_left_alone():
    process = fakes.FakeProcesses().add(BEAM, pid=os.getpid())
    assert is_broker(process, "rabbit@n1"), "its environment has no name"
    assert not is_broker(process._replace(argv=("/usr/bin/beam.smp", "-s", "couch", "boot")), "rabbit@n1")
    assert not is_broker(process._replace(argv=()), "rabbit@n1")


# -- finding it

@pytest.mark.parametrize("words, wanted", [
    (BEAM, True), ("/usr/lib64/erlang/bin/beam.smp -s rabbit boot", True), ("beam -s rabbit boot", True),
    ("/usr/lib/erlang/bin/beam.smp -s couch_app start", False), ("grep -s rabbit boot", False), ("", False),
    ("/usr/lib/erlang/bin/beam.smp -B -boot start_clean -s elixir start_cli -extra rabbitmqctl status", False),
])
def test_what_is_a_broker(words, wanted):
    assert wanted == is_broker(Process(os.getpid(), 1, 5, "S", tuple(words.split())), "rabbit@n1")


@pytest.fixture
def broker():
    """A process of this machine, so that it has an environment and a root; its command line is a broker's."""
    processes = fakes.FakeProcesses()
    return processes, processes.add(BEAM, pid=os.getpid())


def test_found_by_its_pid_file_and_without(tmp_path, broker):
    processes, own = broker
    (tmp_path / "pid").write_text("%d\n" % own.pid)
    assert own == find_by_pid_file(processes, "rabbit@n1", str(tmp_path / "pid"))

    (tmp_path / "pid").write_text("nonsense")
    assert own == find_by_pid_file(processes, "rabbit@n1", str(tmp_path / "pid"))
    assert own == find_by_pid_file(processes, "rabbit@n1")
    assert find_by_pid_file(fakes.FakeProcesses(), "rabbit@n1") is None


def test_a_pid_that_another_process_has_now(tmp_path):
    processes = fakes.FakeProcesses()
    other = processes.add("/usr/bin/sleep 100", pid=os.getpid())
    (tmp_path / "pid").write_text("%d\n" % other.pid)

    assert find_by_pid_file(processes, "rabbit@n1", str(tmp_path / "pid")) is None
