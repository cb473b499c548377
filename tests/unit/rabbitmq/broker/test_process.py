# SPDX-License-Identifier: Apache-2.0
"""The broker's processes: stopped with proof, also frozen and in the midst of a boot; and what a stop does first."""

import os
import pwd
import signal

import pytest

from quorate.host import daemon
from quorate.ocf import codes
from quorate.rabbitmq.actions import stop
from quorate.rabbitmq.broker import process
from quorate.rabbitmq.broker.process import is_broker
from quorate.rabbitmq.declaration import PARAMETERS
from quorate.host.state_files import StateFiles
from tests import fakes

ME = pwd.getpwuid(os.getuid()).pw_name
BEAM = "/usr/lib/erlang/erts-13.1.5/bin/beam.smp -W w -- -root /usr/lib/erlang -noinput -s rabbit boot -boot start_sasl"


class Node:
    """A broker that was launched, among other processes of the machine."""

    def __init__(self, tmp_path, **how):
        self.clock = fakes.FakeClock()
        self.processes = fakes.FakeProcesses(self.clock)
        self.commands = fakes.FakeCommands(self.clock)
        self.context = fakes.context("stop", PARAMETERS, clock=self.clock, commands=self.commands, processes=self.processes,
                                     seconds=60, user=ME)
        self.state_files = StateFiles("rabbitmq", "test", str(tmp_path / "run"), str(tmp_path / "lasting"))
        self.broker = self.processes.add(BEAM, pid=400, **how)
        self.child = self.processes.add("erl_child_setup 1024", pid=401, ppid=400, **how)
        self.epmd = self.processes.add("/usr/bin/epmd -daemon", pid=402)
        self.state_files.write(daemon.PROCESS_FILE, {"pid": 400, "start": self.broker.start, "session": 400})

    def stop(self, **how):
        return process.stop(self.context, self.state_files, "rabbit@n1", 30, **how)


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


def test_one_that_does_not_even_die_is_told(tmp_path):
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
    assert is_broker(process, "rabbit@n1"), "it was told no name"
    assert not is_broker(process._replace(argv=("/usr/bin/beam.smp", "-s", "couch", "boot")), "rabbit@n1")
    assert not is_broker(process._replace(argv=()), "rabbit@n1")


def test_a_stop_whose_broker_survives_is_no_success(tmp_path):
    node = Node(tmp_path, state="D", dies_of=())
    node.commands.allow("attrd_updater", ..., rc=102)
    node.commands.allow("crm_attribute", ..., rc=102)
    outcome = stop.stop_instance(node.context, node.state_files)
    assert outcome.code == codes.ERR_GENERIC and "pid 400" in outcome.reason and "still there" in outcome.reason


def test_nothing_about_handing_over_keeps_a_stop_from_stopping(tmp_path):
    node = Node(tmp_path)  # no tool, no cluster, no layout: every call of it fails
    node.commands.allow("crm_node", ..., rc=1)
    stop.hand_over(node.context, node.state_files, "rabbit@n1")
    assert node.stop() == []
