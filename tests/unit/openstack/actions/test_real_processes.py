# SPDX-License-Identifier: Apache-2.0
"""start, monitor and stop on a real process tree with real sockets: a forking program stands in for the service, a
listening socket for the broker. What the real services do is tried in the lab."""

import os
import pwd
import signal
import socket
import subprocess
import sys
import threading

import pytest

from quorate.host.clock import Clock, Deadline
from quorate.host.command import Commands
from quorate.host.process import Processes
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.ocf.context import Context
from quorate.ocf.declaration import read_all
from quorate.openstack import catalog
from quorate.openstack.actions import monitor, start, stop
from quorate.openstack.declaration import parameters
from quorate.openstack.facts import SERVICE_FILE
from quorate.openstack.service import process
from quorate.openstack.service.sources import Sources
from tests.fakes import FakeLog
from tests.unit.openstack.service.stand_ins import SOURCE, Broker
from tests.waiting import within


PTRACE_ATTACH, PTRACE_DETACH, WALL = 16, 17, 0x40000000  # linux/ptrace.h, linux/wait.h


class NoUnits(Sources):
    """A machine without systemd, and nobody who answers RPC."""

    def __init__(self, commands):
        Sources.__init__(self, commands)
        self.units._root = "/nonexistent"

    def replies(self, *_words, **_options):
        return ()


class Service:
    """One instance of the forking service, run by the actions."""

    def __init__(self, directory, broker, name="cinder-volume", **test):
        self.service = {one.name: one for one in (catalog.CINDER_VOLUME, catalog.NOVA_NOVNCPROXY)}[name]
        self.directory, self.broker = directory, broker
        self.program = directory / name
        self.program.write_text("#!%s\n%s" % (sys.executable, open(SOURCE).read()))
        self.program.chmod(0o755)
        self.config = directory / "service.conf"
        self.state_files = StateFiles(name, "test", str(directory / "run"))
        self.write(**test)

    def write(self, backends="a,b", **test):
        self.config.write_text("[DEFAULT]\nhost=ha\ntransport_url = "
                               "rabbit://u:p@127.0.0.1:%d/v\nenabled_backends=%s\n[vnc]\nnovncproxy_port=%s\n[test]\n%s" % (
                                   self.broker.port, backends, test.get("listen", 0),
                                   "".join("%s=%s\n" % item for item in test.items())))

    def context(self, action, seconds=60.0, **values):
        environ = {"OCF_RESOURCE_INSTANCE": "test", "OCF_RESKEY_CRM_meta_on_node": "n1",
                   "OCF_RESKEY_CRM_meta_interval": "10000", "OCF_RESKEY_binary": str(self.program),
                   "OCF_RESKEY_config": str(self.config), "OCF_RESKEY_user": pwd.getpwuid(os.geteuid()).pw_name}
        environ.update(("OCF_RESKEY_" + name, str(value)) for name, value in values.items())
        typed, problems = read_all(parameters(self.service), environ)
        assert not problems
        clock = Clock()
        return Context(typed, action, environ, FakeLog(), Commands(environ), Processes(), clock,
                       Deadline(clock, seconds))

    def run(self, action, seconds=60.0, **values):
        context = self.context(action, seconds, **values)
        self.log = context.log
        action = {"start": start.start, "stop": stop.stop, "monitor": monitor.monitor}[action]
        return action(context, self.service, self.state_files, NoUnits(context.commands))

    def processes(self):
        context = self.context("monitor")
        return process.all_processes(context, self.service, NoUnits(context.commands))

    def parent(self):
        return int(self.state_files.read(SERVICE_FILE)["pid"])

    def children(self):
        return [one.pid for one in self.processes() if one.ppid == self.parent()]

    def clean(self):
        for one in self.processes():
            Processes().signal(one, signal.SIGKILL)
        assert within(60, lambda: not self.processes())


def freeze(pid):
    """SIGSTOP, and until it shows: the signal takes its time, and a monitor in this very process does not."""
    os.kill(pid, signal.SIGSTOP)
    assert within(60, lambda: Processes().get(pid).state in "Tt")


def kill(pid):
    """SIGKILL, and until it shows."""
    os.kill(pid, signal.SIGKILL)
    assert within(60, lambda: Processes().get(pid) is None)


@pytest.fixture
def broker():
    made = Broker()
    yield made
    made.close()


@pytest.fixture
def service(tmp_path, broker):
    made = Service(tmp_path, broker)
    yield made
    made.clean()


def test_from_start_to_stop(service):
    assert service.run("monitor").code == codes.NOT_RUNNING
    assert service.run("start").code == codes.SUCCESS
    assert 2 == len(service.children())
    assert service.run("monitor") == (codes.SUCCESS, None)
    assert service.run("start").code == codes.SUCCESS, "a second start finds it and has nothing to do"
    assert 3 == len(service.processes())
    assert service.run("stop").code == codes.SUCCESS
    assert [] == service.processes() and {} == service.state_files.read(SERVICE_FILE)
    assert service.run("stop").code == codes.SUCCESS
    assert service.run("monitor").code == codes.NOT_RUNNING


def test_start_waits_until_every_worker_is_connected(service):
    service.broker.listener.close()  # accepts nobody: neither the workers nor us
    service.run("start", seconds=8)

    assert "does not answer this node" in " ".join(text for _level, text in service.log.lines)


@pytest.mark.parametrize("who", ["parent", "child"])
def test_a_frozen_process_is_failed_named_and_stopped(service, who):
    service.run("start")
    pid = service.parent() if who == "parent" else service.children()[0]
    freeze(pid)
    outcome = service.run("monitor")

    assert outcome.code == codes.ERR_GENERIC
    assert "SIGSTOP" in outcome.reason and "pid %d" % pid in outcome.reason
    assert service.run("stop").code == codes.SUCCESS
    assert [] == service.processes()


def test_a_process_that_somebody_looks_at_with_a_debugger_is_not_killed(service):
    """gdb -p and strace -p stop it, for as long as it pleases the operator, or for moments: state t."""
    import ctypes
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    service.run("start")
    pid = service.children()[0]
    if ptrace(PTRACE_ATTACH, pid, None, None):
        pytest.skip("a process may not be traced here")
    try:
        assert within(60, lambda: Processes().get(pid).state == "t")
        outcome = service.run("monitor")
        assert outcome.code == codes.DEGRADED and "pid %d" % pid in outcome.reason and "SIGSTOP" not in outcome.reason
    finally:
        os.waitpid(pid, WALL)
        ptrace(PTRACE_DETACH, pid, None, None)
    assert within(60, lambda: service.run("monitor").code == codes.SUCCESS)


def test_a_lost_parent_is_failed_not_stopped(service):
    service.run("start")
    orphans = service.children()
    kill(service.parent())
    outcome = service.run("monitor")

    assert outcome.code == codes.ERR_GENERIC
    assert "parent" in outcome.reason and all(str(pid) in outcome.reason for pid in orphans)


def test_start_refuses_beside_orphans_and_stop_ends_them(tmp_path, broker):
    service = Service(tmp_path, broker, linger=60)
    try:
        service.run("start")
        kill(service.parent())
        assert within(60, lambda: len(service.processes()) == 2)
        outcome = service.run("start")
        assert outcome.code == codes.ERR_GENERIC and "still run" in outcome.reason
        assert service.run("stop").code == codes.SUCCESS
        assert [] == service.processes()
    finally:
        service.clean()


def test_a_frozen_orphan_is_found_and_ended(tmp_path, broker):
    service = Service(tmp_path, broker, linger=1)
    try:
        service.run("start")
        frozen = service.children()[0]
        freeze(frozen)
        kill(service.parent())
        assert within(60, lambda: [one.pid for one in service.processes()] == [frozen])
        assert service.run("monitor").code == codes.ERR_GENERIC
        assert service.run("stop").code == codes.SUCCESS and [] == service.processes()
    finally:
        service.clean()


def test_a_second_copy_is_failed_named_and_stopped(service):
    service.run("start")
    second = subprocess.Popen([str(service.program), "--config-file=%s" % service.config], start_new_session=True)
    try:
        assert within(60, lambda: len(service.processes()) == 6)
        outcome = service.run("monitor")
        assert outcome.code == codes.ERR_GENERIC
        assert "second copy" in outcome.reason and str(second.pid) in outcome.reason
        threading.Thread(target=second.wait, daemon=True).start()
        assert service.run("stop").code == codes.SUCCESS and [] == service.processes()
    finally:
        second.kill()


def test_a_copy_with_another_configuration_is_not_ours(service, tmp_path):
    service.run("start")
    other = tmp_path / "other.conf"
    other.write_text(service.config.read_text())
    foreign = subprocess.Popen([str(service.program), "--config-file=%s" % other], start_new_session=True)
    try:
        assert service.run("monitor").code == codes.SUCCESS
        assert service.run("stop").code == codes.SUCCESS
        assert foreign.poll() is None
    finally:
        os.killpg(foreign.pid, signal.SIGKILL)
        foreign.wait()


def test_a_wrong_pid_file_is_ignored(service, tmp_path):
    """It holds the pid of init, which runs; the old agent took it for the service."""
    pid = tmp_path / "service.pid"
    pid.write_text("1\n")
    assert service.run("monitor", pid=pid).code == codes.NOT_RUNNING
    service.run("start", pid=pid)
    assert pid.read_text() == "%d\n" % service.parent()
    pid.write_text("1\n")
    assert service.run("monitor", pid=pid).code == codes.SUCCESS
    assert service.run("stop", pid=pid).code == codes.SUCCESS
    assert [] == service.processes() and not pid.exists()


def test_a_killed_worker_is_replaced_and_no_failure(service):
    service.run("start")
    victim = service.children()[0]
    kill(victim)
    assert within(60, lambda: len(service.children()) == 2 and victim not in service.children())
    assert within(60, lambda: service.run("monitor").code == codes.SUCCESS)


def test_a_lost_broker_is_degraded_and_never_stopped(service):
    service.run("start")
    service.broker.close()
    assert within(60, lambda: service.run("monitor").code == codes.DEGRADED)
    outcome = service.run("monitor")
    assert "RabbitMQ" in outcome.reason and "by itself" in outcome.reason
    assert within(60, lambda: service.run("monitor", outage_tolerance="1ms").code == codes.ERR_GENERIC)


def test_one_that_ignores_sigterm_is_killed(tmp_path, broker):
    service = Service(tmp_path, broker, stubborn="true")
    try:
        service.run("start")
        outcome = service.run("stop", seconds=14)
        assert outcome.code == codes.SUCCESS and [] == service.processes()
        assert "SIGKILL" in " ".join(text for _level, text in service.log.lines)
    finally:
        service.clean()


def test_a_program_that_ends_at_once_is_reported_with_its_last_line(service):
    service.program.write_text("#!/bin/sh\necho 'no such driver' >&2\nexit 3\n")
    outcome = service.run("start", seconds=12)

    assert outcome.code == codes.ERR_GENERIC
    assert "ended at once: no such driver" in outcome.reason


def test_a_listener_without_workers(tmp_path, broker):
    free = socket.socket()
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    service = Service(tmp_path, broker, "nova-novncproxy", backends="", listen=port)
    try:
        assert service.run("start").code == codes.SUCCESS
        assert service.run("monitor").code == codes.SUCCESS
        context = service.context("monitor")
        context.check_level = 10
        assert monitor.monitor(context, service.service, service.state_files,
                               NoUnits(context.commands)).code == codes.SUCCESS
        assert service.run("stop").code == codes.SUCCESS
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", port))
    finally:
        service.clean()
