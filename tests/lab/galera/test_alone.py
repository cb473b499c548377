# SPDX-License-Identifier: Apache-2.0
"""The agent's actions on a real server of this machine, without a cluster."""

import os
import shutil
import signal
import subprocess
import tempfile

import pytest

from lab.demo.alone_node import PROVIDER, SERVER, Alone, until

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or SERVER is None or PROVIDER is None,
    reason="needs root, a MariaDB server and the Galera provider; scripts/test installs them")


@pytest.fixture
def node():
    # Not pytest's own directory: the server's user has to get through, and pytest closes it to others at each start.
    home = tempfile.mkdtemp(prefix="quorate-test-")
    node = Alone(home)
    yield node
    node.end()
    shutil.rmtree(home)


@pytest.fixture
def running(node):
    node.up()
    return node


def test_life_of_a_node(node):
    """Probe, start, promote, monitor, demote, promote, stop: each is idempotent, and data stay."""
    assert node.act("monitor")[0] == 7
    assert node.act("start")[0] == 0
    assert node.act("start")[0] == 0
    assert node.act("monitor", recurring=True)[0] == 0
    assert node.act("promote")[0] == 0
    assert node.act("promote")[0] == 0
    assert node.act("monitor", recurring=True)[0] == 8
    assert node.act("monitor")[0] == 8
    assert node.act("demote")[0] == 0
    assert node.act("demote")[0] == 0
    assert node.act("monitor", recurring=True)[0] == 0
    assert node.pid() is None
    assert node.act("promote")[0] == 0
    assert node.act("stop")[0] == 0
    assert node.act("stop")[0] == 0
    assert node.act("monitor")[0] == 7
    assert node.pid() is None


def test_healthy_monitor_says_nothing_and_an_operator_gets_a_line(running):
    assert running.act("monitor", recurring=True)[2] == ""
    assert "State: synced." in running.act("monitor", interactive=True)[2]


def test_killed_server_is_down_with_a_reason_and_comes_back_from_its_recovered_position(running):
    running.kill()

    code, reason, _ = running.act("monitor", recurring=True)

    assert (7, True) == (code, "died" in reason)
    assert running.act("stop")[0] == 0
    running.up()
    assert "wsrep_start_position" not in running.log() or "Recovered position" not in running.log()


def test_frozen_server_fails_the_monitor_and_can_be_stopped(running):
    running.kill(signal.SIGSTOP)

    code, reason, _ = running.act("monitor", recurring=True)

    assert (9, True) == (code, "SIGSTOP" in reason)
    assert running.act("demote", timeout=60)[0] == 0
    assert running.pid() is None


def test_stop_finds_orphans_of_a_state_transfer(running):
    script = running.path("wsrep_sst_rsync")
    with open(script, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\nwhile :; do read line; done\n")
    os.chmod(script, 0o755)
    reader, writer = os.pipe()
    orphan = subprocess.Popen([script, "--role", "joiner", "--datadir", running.path("data")], stdin=reader)
    try:
        assert running.act("stop")[0] == 0
        until(lambda: orphan.poll() is not None)
    finally:
        if orphan.poll() is None:
            orphan.kill()
        orphan.wait()
        os.close(reader)
        os.close(writer)


def test_stop_needs_no_software_and_no_valid_parameters(running):
    assert running.act("stop", binary="/nonexistent/mariadbd", config="/nonexistent/my.cnf")[0] == 0
    assert running.pid() is None


def test_lost_state_files_do_not_hide_a_running_server(running):
    """A pid file proves nothing, so nothing depends on one."""
    shutil.rmtree("/run/quorate/galera-" + running.instance)

    assert running.act("monitor")[0] == 8
    assert running.act("stop")[0] == 0
    assert running.pid() is None


def test_refused_credentials_do_not_stop_a_database(running):
    codes = [running.act("monitor", recurring=True, check_user="nobody", check_passwd="wrong") for _ in range(3)]

    assert [8, 8, 191] == [code for code, _, _ in codes]
    assert "wrong" not in "".join(reason + text for _, reason, text in codes)


@pytest.mark.parametrize("damage, words", [
    (lambda node: shutil.rmtree(node.path("log")), "install -d"),
    (lambda node: os.chown(node.path("data"), 0, 0), "chown -R mysql"),
    (lambda node: _append(node.config, "no_such_option=1\n"), "no_such_option"),
])
def test_an_error_on_this_node_is_one_sentence(node, damage, words):
    damage(node)

    code, reason, _ = node.act("start")

    assert (True, True) == (code in (2, 5), words in reason), (code, reason)


def test_garbage_in_the_state_files_is_survived(running):
    running.kill()
    for name in ("grastate.dat", "gvwstate.dat"):
        with open(running.path("data", name), "wb") as file:
            file.write(os.urandom(200))
    assert running.act("stop")[0] == 0

    code, _, _ = running.act("start")

    assert code == 0
    assert running.act("monitor", recurring=True)[0] in (0, 190)


def test_a_server_that_cannot_start_says_the_cause(running):
    assert running.act("demote")[0] == 0
    with open(running.path("data", "ibdata1"), "r+b") as file:
        file.truncate(16384)

    code, reason, _ = running.act("promote")

    assert (1, True) == (code, "ended while it started" in reason)
    assert "ibdata1 is not as innodb_data_file_path says" in reason


def _append(path, text):
    with open(path, "a", encoding="ascii") as file:
        file.write(text)


def test_a_container_with_the_same_command_line_is_left_alone(node, tmp_path):
    """Found in the lab: a stop on the host ended the servers of all containers."""
    root = tmp_path / "root"
    (root / "usr").mkdir(parents=True)
    for name in ("bin", "lib", "lib64"):
        (root / name).symlink_to("usr/" + name)
    script = ("mount --bind /usr %s/usr && exec chroot %s /bin/bash -c "
              "'exec -a /usr/sbin/mariadbd /bin/bash -c \"read line\" --datadir=%s'" % (root, root, node.path("data")))
    reader, writer = os.pipe()
    container = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "bash", "-c", script], stdin=reader)
    try:
        until(lambda: open("/proc/%d/cmdline" % container.pid).read().startswith("/usr/sbin/mariadbd"))
        assert node.act("stop")[0] == 0
        assert container.poll() is None
    finally:
        container.kill()
        container.wait()
        os.close(reader)
        os.close(writer)
