# SPDX-License-Identifier: Apache-2.0
"""What is found out about the broker of this node, and what rabbitmq-diagnostics adds; no broker is needed."""

import os
import socket
import subprocess
import threading
from datetime import datetime, timezone
from types import SimpleNamespace

import pytest

from quorate.host.process import Process, Processes
from quorate.rabbitmq import facts
from quorate.rabbitmq.broker import observe, process
from quorate.rabbitmq.facts import Broker
from tests import ROOT
from tests.fakes import FakeCommands, FakeProcesses, context
from tests.unit.rabbitmq.broker.ports import GREETING, node, nodes


BEAM = "/usr/lib/erlang/erts-13.1.5/bin/beam.smp -W w -- -root /usr/lib/erlang -noinput -s rabbit boot -boot start_sasl"
LAYOUT = SimpleNamespace(nodename="rabbit@n1", directory="/nonexistent/rabbit@n1", port=1, tls=False,
                         log="/nonexistent/log", listener=None,
                         environment=lambda: {"RABBITMQ_NODENAME": "rabbit@n1"})


class NoStateFiles:
    """State files in which nothing was written."""

    @staticmethod
    def read(_name):
        return {}


def test_no_process_is_down_and_nothing_is_asked():
    seen = observe.observe(context(), NoStateFiles, LAYOUT)

    assert (facts.DOWN, None, "down") == (seen.state, seen.process, seen.code)


def test_a_stopped_process_is_hung_and_nothing_is_asked():
    processes = FakeProcesses()
    processes.add(BEAM, pid=os.getpid(), state="T")
    seen = observe.observe(context(processes=processes), NoStateFiles, LAYOUT)

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


def test_a_virtual_host_that_is_down_is_named():
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
    assert facts.STOPPED_APP == process.boot_stage(str(log), me)

    os.utime(log, (1, process.started_at(me) - 10))
    assert process.boot_stage(str(log), me) is None


LINES = {  # RabbitMQ 3.10.8 and 4.0.5; log.file.formatter = json
    "plain": "%s [%s] <0.1.0> %s\n", "json": '{"time":"%s","level":"%s","msg":"%s","domain":"rabbitmq"}\n'}


def said(form, at, *texts):
    """Lines of a log, so many seconds after the process of the test began."""
    when = datetime.fromtimestamp(process.started_at(Processes().get(os.getpid())) + at, timezone.utc)
    return "".join(LINES[form] % (when.isoformat(" ", "microseconds"), "info", text) for text in texts)


@pytest.mark.parametrize("form", sorted(LINES))
@pytest.mark.parametrize("before, now, stage", [
    (("Cluster minority/secondary status detected",), (), None),
    (("Cluster minority/secondary status detected",), ("Recovering queue 7",), None),
    (("Marked this node as undergoing maintenance", "Successfully stopped RabbitMQ and its dependencies"), ("x",), None),
    (("Cluster minority/secondary status detected",), ("Starting RabbitMQ 3.10.8 on Erlang",), facts.STARTING),
    (("BOOT FAILED",), ("x",), None), (("x",), ("Starting RabbitMQ 4.0.5", "BOOT FAILED"), facts.FAILED_APP),
    (("Starting RabbitMQ 3.10.8 on Erlang",), ("Cluster minority/secondary status detected",), facts.PAUSED)])
def test_what_an_earlier_process_wrote_last_is_not_about_this_one(tmp_path, form, before, now, stage):
    """A broker that booted slowly was killed as a minority: the one before it had paused, and the log had not one line of
    this one but what its start script wrote (campaign, slow-boot)."""
    log = tmp_path / "log"
    log.write_text(said(form, -30, *before) + said(form, 0.5, *now))
    assert process.boot_stage(str(log), Processes().get(os.getpid())) == stage
    assert process.boot_stage(str(log)) is not None


def test_lines_without_a_time_belong_to_the_line_before(tmp_path):
    old, new = said("plain", -30, "a crash"), said("plain", 9, "Starting RabbitMQ 3.10.8")
    began = process.started_at(Processes().get(os.getpid()))
    assert process.written_since(old + "  in detail\n" + new + "  ##  ##\n", began) == (
        "  in detail\n" + new + "  ##  ##\n")  # of no account: it is no stage
    for text in ("no time at all\n", "1795943146 [info] epoch\n", "2026-13-41 09:00:00+00:00 [info] no day\n", ""):
        assert process.written_since(text, began) == text


@pytest.mark.parametrize("words, wanted", [(BEAM, None), (BEAM + " -epmd_port 14369 --", 14369),
                                           (BEAM + " -epmd_port", None)])
def test_port_of_epmd_on_the_command_line(words, wanted):
    assert wanted == observe.epmd_port(Process(7, 1, 5, "S", tuple(words.split())))
    assert observe.epmd_port(None) is None


def test_boot_stage_of_a_log_that_is_not_there(tmp_path):
    assert process.boot_stage(None) is None
    assert process.boot_stage(str(tmp_path / "none")) is None
    (tmp_path / "log").write_text("x" * 100000 + "\n [info] <0.1.0> Server startup complete; 3 plugins started.\n")
    assert facts.RUNNING == process.boot_stage(str(tmp_path / "log"))


ASKS = """
import sys
sys.path.insert(0, %r)
before = set(sys.modules)
from quorate.rabbitmq.broker import credentials, health, observe
place = credentials.Endpoint(port=%d, management_port=%d, epmd_port=%d, node="rabbit@n1", user="u", password="p")
broker = observe.observe_broker(place, None, 0, 20)
assert health.classify(broker) == ("running", True, "RabbitMQ serves clients."), broker
print(" ".join(sorted(name for name in set(sys.modules) - before if not name.startswith(("quorate", "_")))))
"""


def test_observing_a_healthy_broker_imports_nothing_that_costs(serve):
    """With the management API asked, and in a fresh interpreter, as each monitor is."""
    listener, api = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    answers = [b'{"status":"ok"}', nodes(node("rabbit@n1"), node("rabbit@n2")).body]

    def serve_both():
        with listener.accept()[0] as one:
            one.recv(100)
            one.sendall(GREETING)
        for body in answers:
            with api.accept()[0] as one:
                one.recv(4096)
                one.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + body)
    thread = threading.Thread(target=serve_both, daemon=True)
    thread.start()
    done = subprocess.run(["/usr/bin/python3", "-I", "-c", ASKS % (
        ROOT, listener.getsockname()[1], api.getsockname()[1], serve(b"\0\0\x11\x11name rabbit at port 25672\n"))],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    listener.close()
    api.close()

    assert "" == done.stderr
    allowed = set("array binascii collections enum errno functools itertools keyword math operator os reprlib select "
                  "selectors socket time types collections.abc".split())
    assert set() == set(done.stdout.split()) - allowed
