# SPDX-License-Identifier: Apache-2.0
"""Why the launched broker ended: by what it printed, by its log, by the kernel's log and by who has its port."""

import glob
import json
import os
import re
import socket
from types import SimpleNamespace

import pytest

from quorate.cli.rabbitmq import ended
from quorate.host import daemon
from quorate.host.system import kernel
from quorate.host.process import Process, Processes
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import boot, monitor
from quorate.rabbitmq.broker import parse
from quorate.rabbitmq.broker.log import ending
from tests.unit.rabbitmq.actions.nodes import Node
from tests.unit.rabbitmq.broker.log.test_causes import LOGS, log as real_log

KILLED = "Out of memory: Killed process 500 (beam.smp) total-vm:2891236kB, anon-rss:1713480kB"


class Died(Node):
    """A node whose broker was launched, and is gone. kernel: what /dev/kmsg holds."""

    def __init__(self, tmp_path, monkeypatch):
        Node.__init__(self, tmp_path)
        self.kernel = []
        monkeypatch.setattr(kernel, "messages", lambda since: list(self.kernel))
        daemon.new_output_file(self.state_files)
        self.state_files.write("log-offset", {"bytes": 0})
        self.layout = self.layout._replace(user="rabbitmq", log=str(tmp_path / "rabbit@n1.log"),
                                           config="/etc/rabbitmq/rabbitmq.conf")
        daemon.record(self.context, self.state_files, Process(500, 1, 100, "S", ("beam.smp",)), self.layout.log)

    def logs(self, text):
        with open(self.layout.log, "w", encoding="utf-8") as file:
            file.write(text)

    def prints(self, text):
        with open(self.state_files.path("output"), "w", encoding="utf-8") as file:
            file.write(text)

    def died(self):
        return ending.died(self.context, self.state_files, self.layout)


@pytest.fixture(name="node")
def a_node(tmp_path, monkeypatch):
    return Died(tmp_path, monkeypatch)


@pytest.mark.parametrize("where", ["logs", "prints"])
def test_the_cause_in_its_log_or_in_what_it_printed(node, where):
    getattr(node, where)(real_log("mq310_conf_syntax"))

    assert node.died() == ("/etc/rabbitmq/rabbitmq.conf line 2 is not understood: sed -n 2p "
                           "/etc/rabbitmq/rabbitmq.conf")


def test_what_was_logged_before_the_launch_is_no_cause(node):
    node.logs(real_log("mq310_conf_syntax"))
    node.state_files.write("log-offset", {"bytes": os.stat(node.layout.log).st_size})

    assert "probably killed" in node.died()


def test_a_cause_that_is_not_known_is_the_broker_s_own_error(node):
    node.logs("2026-11-29 02:31:27.7+00:00 [error] <0.1.0> Nothing works with default_pass = s3cr3tWord\n")

    assert node.died().startswith("Nothing works with") and "s3cr3tWord" not in node.died()


@pytest.mark.parametrize("name", ["mq310_erl_missing", "mq310_env_conf_syntax", "mq310_erl_args"])
def test_what_calls_itself_no_error_is_one(node, name):
    """So that such a broker is not taken for one that was killed, and launched for ever."""
    node.prints(real_log(name))

    assert ending.logged_error(node.state_files, node.layout.log) == node.died()


PLAIN = re.compile(r"(\S+) (\S+) \[(\w+)\] (<[\d.]+>) ?(.*)")


def as_json(text, **names):
    """The lines of a log as log.file.formatter = json writes them (3.10.8); names: field_map."""
    return "".join(json.dumps({names.get(name, name): value for name, value in (
        ("time", line[1] + " " + line[2]), ("level", line[3]), ("msg", line[5]), ("pid", line[4]))},
        separators=(",", ":")) + "\n" for line in map(PLAIN.match, text.splitlines()) if line)


def as_plain(text, form):
    """The lines of a log in another form of the plain formatter."""
    return "".join(form.format(date=line[1], time=line[2], level=line[3], upper=line[3].upper(), short=line[3][:3],
                               pid=line[4], text=line[5]) + "\n"
                   for line in map(PLAIN.match, text.splitlines()) if line)


FORMS = ["{date} {time} [{level}] {pid} {text}", "{date} {time} [{upper}] {pid} {text}",
         "{date}T{time} [{short}] {pid} {text}", "1795920000 [{level}] {pid} {text}"]


@pytest.mark.parametrize("path", sorted(glob.glob(LOGS + "/*/*.log")), ids=os.path.basename)
def test_the_format_of_a_log_changes_no_error(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    wanted = parse.last_error(as_plain(text, FORMS[0]))
    found = [parse.last_error(as_plain(text, form)) for form in FORMS[1:]] + [parse.last_error(as_json(text))]
    assert found == [wanted] * len(FORMS)


@pytest.mark.parametrize("printed", [False, True])
@pytest.mark.parametrize("name, impatient", [("mq40_waits_gives_up", True), ("mq310_inconsistent_cluster", False)])
@pytest.mark.parametrize("change", [
    as_json, lambda text: as_json(text, msg="message", level="severity"),
    lambda text: as_plain(text, FORMS[2]), lambda text: as_plain(text, "{time} {level}: {text}")],
    ids=["json", "json with other names", "words of its own", "a format of its own"])
def test_one_that_gives_up_is_judged_alike_whatever_the_format_of_its_log(node, name, impatient, printed, change):
    """With a log in JSON a node that waited for others counted as one that crashes, and failed at the third time."""
    text = real_log(name)
    if impatient:  # the log of the collection is cut there
        text += "2026-11-29 03:00:24.427833+00:00 [error] <0.216.0> Timeout contacting cluster nodes: [rabbit2@n1].\n"
    node.logs(change(text))
    if printed:
        node.prints("".join(line + "\n" for line in text.splitlines() if not PLAIN.match(line)))
    error = ending.logged_error(node.state_files, node.layout.log)
    assert (boot.is_impatient(error), boot.is_excluded(error)) == (impatient, not impatient), error


def test_an_end_of_its_own_format_is_no_kill(node):
    node.logs("now oops: BOOT FAILED\nnow oops: what nobody knows\n")
    assert ending.logged_error(node.state_files, node.layout.log) == "BOOT FAILED"
    node.logs("now fine: Starting RabbitMQ 4.0.5\n")
    assert ending.logged_error(node.state_files, node.layout.log) is None


def test_without_a_word_it_was_probably_killed(node):
    node.logs(real_log("mq310_sigkill"))

    assert "probably killed" in node.died() and node.layout.log in node.died()
    assert ending.logged_error(node.state_files, node.layout.log) is None


def test_the_kernel_killed_it(node):
    node.logs(real_log("mq310_port_taken"))
    node.kernel = [KILLED]
    assert node.died() == "the kernel killed it for want of memory: free -m; journalctl -k"
    node.kernel = [KILLED.replace("500", "501")]
    assert "memory" not in node.died()


def test_somebody_stopped_it(node):
    node.logs(real_log("mq40_sigterm"))

    assert node.died().startswith("it was stopped, and not by the cluster (SIGTERM)")


def test_who_has_the_port(node, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        node.logs(real_log("mq310_port_taken").replace("5672", str(port)))
        assert node.died() == "Port %d is taken: ss -ltnp sport = :%d" % (port, port)  # the fakes know no such process
        node.context.processes = Processes()
        assert "Port %d is taken by " % port in node.died() and "(pid %d)" % os.getpid() in node.died()


def test_a_broker_without_a_log(node):
    node.layout = node.layout._replace(log=None)
    node.prints(real_log("mq310_port_taken"))

    assert node.died().startswith("Port 5672 is taken")


def test_explain_says_it_of_this_node(node):
    node.logs(real_log("mq310_read_only"))
    node.fill().participant._layout = node.layout
    snapshot = node.published.snapshot()
    assert ended(node.participant, snapshot) == []  # it has reported nothing
    node.participant.report(facts.DOWN)
    (line,) = ended(node.participant, node.published.snapshot())
    assert line.startswith("n1: its broker ended: The file system of cluster_nodes.config is read-only: findmnt")
    node.participant.report(facts.RUNNING)
    assert ended(node.participant, node.published.snapshot()) == []


def test_explain_says_nothing_where_nothing_is_known(node):
    node.logs(real_log("mq310_sigterm"))
    node.fill().participant._layout = node.layout
    node.participant.report(facts.DOWN)

    assert ended(node.participant, node.published.snapshot()) == []


def test_the_monitor_says_it(node):
    node.logs(real_log("mq310_read_only"))
    outcome = monitor.outcome_of(node.context, node.state_files, node.layout, SimpleNamespace(state=facts.DOWN))

    assert outcome.reason.startswith("The broker died: The file system of cluster_nodes.config is read-only: findmnt")
