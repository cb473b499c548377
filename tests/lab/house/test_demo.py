# SPDX-License-Identifier: Apache-2.0
"""The demo: how it reports a failure, what it leaves behind, and for real the part that needs no cluster."""

import os
import shutil
import signal
import subprocess
import time

import pytest

from lab import LabError, state
from lab.demo import __main__
from lab.demo.alone_node import PROVIDER, SERVER
from lab.machines import cluster, names, requirements
from lab.services import galera, haproxy
from tests import ROOT

PYTHON = "/usr/bin/python3"


class Lines(list):
    """A Show that keeps its lines."""

    def __call__(self, text=""):
        self.append(text)

    title = __call__


class Recorded:
    """A client that has ended."""

    def __init__(self, record):
        self.record = record


class Drawn:
    """A lab on paper."""

    name, vip = "paper", "192.0.2.100"
    nodes = names.nodes("192.0.2.0/24", 3)
    node_names = [node.name for node in nodes]

    def __init__(self, check=0):
        self.check_found = check

    def run(self, node, argv, timeout=60.0, stdin=None):
        return type("Result", (), {"rc": self.check_found, "out": "", "err": ""})


def ended(tmp_path, missing):
    """Exit code and lines of the summary of a demo whose nodes lack `missing`."""
    record = tmp_path / "record"
    record.write_text("a-0-1\na-0-2\na-1-1\n")
    lines = Lines()
    one = __main__.Demo(Drawn(), lines)
    one.client = Recorded(str(record))
    return one.summary(missing), "\n".join(lines)


def test_demo_succeeds_when_every_node_has_every_acknowledged_write(tmp_path):
    code, text = ended(tmp_path, {"n1": [], "n2": [], "n3": []})

    assert (0, 3) == (code, text.count("3 of 3"))


def test_demo_fails_and_names_the_write_that_a_node_lacks(tmp_path):
    code, text = ended(tmp_path, {"n1": [], "n2": ["a-0-2"], "n3": []})

    assert 1 == code
    assert "n2 has 2 of 3" in text and "a-0-2" in text


def test_a_torn_line_of_the_record_was_not_acknowledged(tmp_path):
    record = tmp_path / "record"
    record.write_text("a-0-1\na-0-2\na-0")

    assert ["a-0-1", "a-0-2"] == galera.acknowledged(str(record))


@pytest.mark.skipif(shutil.which("haproxy", path="/usr/sbin:/usr/bin") is None,
                    reason="needs HAProxy; scripts/test installs it")
@pytest.mark.parametrize("check", [0, 1])
def test_haproxy_understands_its_configuration(tmp_path, check):
    """One active server and two backups, with the check of our package and without."""
    # what the machine of the test need not have: the account, the address of the stats socket
    text = haproxy.config(Drawn(check)).replace("/run/haproxy/", str(tmp_path) + "/")
    text = "\n".join(line for line in text.splitlines() if line.split()[:1] not in (["user"], ["group"])) + "\n"
    path = tmp_path / "haproxy.cfg"
    path.write_text(text)

    done = subprocess.run(["haproxy", "-c", "-f", str(path)], stderr=subprocess.STDOUT, stdout=subprocess.PIPE,
                          text=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})

    assert 0 == done.returncode, done.stdout
    assert 2 == text.count(" backup\n")
    assert (check == 0) == ("port 9200" in text)


@pytest.mark.skipif(os.geteuid() != 0 or SERVER is None or PROVIDER is None or not os.path.exists("/usr/sbin/haproxy"),
                    reason="needs root, a MariaDB server, the Galera provider and HAProxy; scripts/test installs them")
def test_one_machine_shows_what_it_can(tmp_path):
    done = subprocess.run([PYTHON, "-B", "-m", "lab.demo", "--alone", "--log", str(tmp_path / "log")],
                          cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=180)

    assert 0 == done.returncode, done.stdout
    seen = [line.split()[-1] for line in done.stdout.splitlines() if "HAProxy sees" in line]
    assert ["UP", "DOWN", "UP"] == seen
    assert "stop -> 0" in done.stdout


def able():
    """Why no lab can run here, None if one can."""
    try:
        requirements.check_able()
    except LabError as reason:
        return str(reason)
    return None


@pytest.mark.skipif(able() is not None, reason="no lab can run on this machine")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_demo_leaves_nothing(number, tmp_path):
    name = "demo-test-%d" % number
    demo_run = subprocess.Popen([PYTHON, "-B", "-m", "lab.demo", "--name", name, "--deb", "", "--log",
                                 str(tmp_path / "log")], cwd=ROOT,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        until(lambda: "daemon" in (state.read(name) or {}) or demo_run.poll() is not None, 300)
        assert demo_run.poll() is None, demo_run.communicate()[0].decode()
        demo_run.send_signal(number)
        demo_run.wait(60)

        until(lambda: state.read(name) is None, 60)
        assert not os.path.exists("/run/netns/" + names.network_namespace(name))
    finally:
        if demo_run.poll() is None:
            demo_run.kill()
        demo_run.communicate()
        cluster.Lab(name).destroy()


def until(condition, seconds):
    """Wait for a condition; fail when it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen within %d s" % seconds
        time.sleep(0.05)
