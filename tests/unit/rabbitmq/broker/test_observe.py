# SPDX-License-Identifier: Apache-2.0
"""The broker's process, and what rabbitmq-diagnostics adds; no broker is needed."""

import os
from types import SimpleNamespace

import pytest

from quorate.host.process import Process, Processes
from quorate.rabbitmq import facts
from quorate.rabbitmq.broker import observe
from quorate.rabbitmq.broker.process import find_by_pid_file, is_broker
from quorate.rabbitmq.facts import Broker
from tests.fakes import FakeCommands, FakeProcesses, context

BEAM = "/usr/lib/erlang/erts-13.1.5/bin/beam.smp -W w -- -root /usr/lib/erlang -noinput -s rabbit boot -boot start_sasl"
LAYOUT = SimpleNamespace(nodename="rabbit@n1", directory="/nonexistent/rabbit@n1", port=1, tls=False, log="/nonexistent/log")


@pytest.mark.parametrize("words, wanted", [
    (BEAM, True), ("/usr/lib64/erlang/bin/beam.smp -s rabbit boot", True), ("beam -s rabbit boot", True),
    ("/usr/lib/erlang/bin/beam.smp -s couch_app start", False), ("grep -s rabbit boot", False), ("", False),
    ("/usr/lib/erlang/bin/beam.smp -B -boot start_clean -s elixir start_cli -extra rabbitmqctl status", False),
])
def test_what_is_a_broker(words, wanted):
    assert wanted == is_broker(Process(os.getpid(), 1, 5, "S", tuple(words.split())), "rabbit@n1")


@pytest.fixture
def broker():
    """A process of this machine, so that it has an environment and a root; its words are a broker's."""
    processes = FakeProcesses()
    return processes, processes.add(BEAM, pid=os.getpid())


def test_found_by_its_pid_file_and_without(tmp_path, broker):
    processes, own = broker
    (tmp_path / "pid").write_text("%d\n" % own.pid)
    assert own == find_by_pid_file(processes, "rabbit@n1", str(tmp_path / "pid"))

    (tmp_path / "pid").write_text("nonsense")
    assert own == find_by_pid_file(processes, "rabbit@n1", str(tmp_path / "pid"))
    assert own == find_by_pid_file(processes, "rabbit@n1")
    assert find_by_pid_file(FakeProcesses(), "rabbit@n1") is None


def test_a_pid_that_is_somebody_elses_now(tmp_path):
    processes = FakeProcesses()
    other = processes.add("/usr/bin/sleep 100", pid=os.getpid())
    (tmp_path / "pid").write_text("%d\n" % other.pid)

    assert find_by_pid_file(processes, "rabbit@n1", str(tmp_path / "pid")) is None


class NoNotes:
    """A memory in which nothing was written."""

    @staticmethod
    def read(_name):
        return {}


def test_no_process_is_down_and_nothing_is_asked():
    seen = observe.observe(context(), NoNotes, LAYOUT)

    assert (facts.DOWN, None, "down") == (seen.state, seen.process, seen.code)


def test_a_stopped_process_is_hung_and_nothing_is_asked():
    processes = FakeProcesses()
    processes.add(BEAM, pid=os.getpid(), state="T")
    seen = observe.observe(context(processes=processes), NoNotes, LAYOUT)

    assert (facts.HUNG, "hung") == (seen.state, seen.code)
    assert "kill -CONT" in seen.sentence


SERVES = Broker(Process(7, 1, 5, "S", ()), True, True)


def cli(*results):
    commands = FakeCommands()
    for check, (rc, out, takes) in zip(("check_local_alarms", "check_virtual_hosts"), results):
        commands.expect("rabbitmq-diagnostics", "-q", check, rc=rc, out=out, takes=takes)
    asked = context(commands=commands, environ={"OCF_CHECK_LEVEL": "20"})
    commands.clock = asked.clock
    found = observe.observation(observe.with_diagnostics(asked, LAYOUT, SERVES))
    commands.done()
    assert all(env == {"RABBITMQ_NODENAME": "rabbit@n1"} for env in commands.environments)
    return found


def test_diagnostics_that_are_well():
    assert ("running", ()) == (cli((0, "", 1), (0, "", 1)).code, cli((0, "", 1), (0, "", 1)).broker.alarms)


def test_diagnostics_with_an_alarm():
    found = cli((69, "Error:\nNode rabbit@n1 reported the following local alarms:\n\n * memory\n", 1), (0, "", 1))

    assert ("alarm", ("memory",)) == (found.code, found.broker.alarms)


def test_a_virtual_host_that_is_down_is_said():
    assert "A virtual host is down" in cli((0, "", 1), (69, "Error:\nSome virtual hosts are down: nova", 1)).sentence


@pytest.mark.parametrize("result", [(1, "", 1), (64, "", 1), (70, "", 1), (75, "", 1), (127, "", 0), (0, "", 99)])
def test_a_failing_tool_is_unknown_and_not_down(result):
    """A wrong cookie, no epmd, no time: the broker serves all the same."""
    found = cli(result)

    assert (facts.RUNNING, None) == (found.state, found.broker.alarms)
    assert "rabbitmq-diagnostics check_local_alarms gave no result" in found.sentence


def test_open_files_of_this_very_process():
    count, limit = observe.open_files(os.getpid())
    assert 0 < count < limit
    assert observe.open_files(2 ** 22 + 1) is None


def test_the_log_of_an_earlier_process_says_nothing_of_this_one(tmp_path):
    """A broker that has just been launched has not written yet, and the last one's end is not its state."""
    log = tmp_path / "log"
    log.write_text("[info] <0.1.0> Successfully stopped RabbitMQ and its dependencies\n")
    me = Processes().get(os.getpid())
    assert facts.STOPPED_APP == observe.boot_stage(str(log), me)

    os.utime(log, (1, observe.started_at(me) - 10))
    assert observe.boot_stage(str(log), me) is None


@pytest.mark.parametrize("words, wanted", [(BEAM, None), (BEAM + " -epmd_port 14369 --", 14369), (BEAM + " -epmd_port", None)])
def test_port_of_epmd_that_the_machine_was_told(words, wanted):
    assert wanted == observe.epmd_port(Process(7, 1, 5, "S", tuple(words.split())))
    assert observe.epmd_port(None) is None


def test_stage_of_a_log_that_is_not_there(tmp_path):
    assert observe.boot_stage(None) is None
    assert observe.boot_stage(str(tmp_path / "none")) is None
    (tmp_path / "log").write_text("x" * 100000 + "\n [info] <0.1.0> Server startup complete; 3 plugins started.\n")
    assert facts.RUNNING == observe.boot_stage(str(tmp_path / "log"))
