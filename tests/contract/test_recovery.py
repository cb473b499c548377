# SPDX-License-Identifier: Apache-2.0
"""The real server, where it is installed: it is asked for its settings, makes a database, and tells the position of one
that was killed, whatever its configuration says about logs and places. Loopback only, in a directory of its own."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

import pytest

from quorate.galera.declaration import PARAMETERS
from quorate.galera.server import process
from quorate.galera.server.data import disk, kept_position, recovery
from quorate.galera.server.settings import command_line, options
from quorate.galera.server.settings.layout import find_layout, galera_problems
from quorate.host.clock import Clock, Deadline
from quorate.host.command import Commands
from quorate.host.process import Processes
from quorate.host.state_files import StateFiles
from tests import fakes
from tests.waiting import within

SERVER, PROVIDER = "/usr/sbin/mariadbd", "/usr/lib/galera/libgalera_smm.so"

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not os.access(SERVER, os.X_OK) or not os.path.exists(PROVIDER)
    or not any(entry.pw_name == "mysql" for entry in pwd.getpwall()),
    reason="needs root, the user mysql, MariaDB and galera-4; scripts/test installs them")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Machine:
    """A configuration file, a data directory, and a redo log elsewhere."""

    def __init__(self, root):
        self.root = root
        self.port = free_port()
        os.chmod(self.root, 0o755)
        for name in ("data", "redo", "run", "logs"):
            os.makedirs(os.path.join(self.root, name), exist_ok=True)
            shutil.chown(os.path.join(self.root, name), "mysql")
        self.state_files = StateFiles("galera", "db", self.path("state"), self.path("persistent"))

    def path(self, name):
        return os.path.join(self.root, name)

    def configure(self, *lines):
        own = ("datadir=" + self.path("data"), "socket=" + self.path("run/s.sock"), "pid-file=" + self.path("run/pid"),
               "bind-address=127.0.0.1", "port=%d" % free_port(), "wsrep_node_address=127.0.0.1:%d" % self.port,
               "innodb_buffer_pool_size=16M", "binlog_format=ROW", "innodb_autoinc_lock_mode=2",
               "wsrep_provider_options=gcache.size=1M")
        with open(self.path("my.cnf"), "w", encoding="ascii") as file:
            file.write("[mariadbd]\n" + "".join(line + "\n" for line in own + lines))

    def context(self, additional, **values):
        values.setdefault("wsrep_cluster_address", "gcomm://127.0.0.1")
        context = fakes.context(
            "start", PARAMETERS, seconds=120, config=self.path("my.cnf"),
            log=self.path("logs/error.log"), additional_parameters=additional, enable_creation="true", **values)
        context.commands, context.processes = Commands(os.environ), Processes()
        context.deadline = Deadline(Clock(), 120)
        return context

    def layout(self, additional):
        context = self.context(additional)
        return context, find_layout(context)

    def run_and_kill(self, layout, text="CREATE DATABASE x; CREATE TABLE x.t (a INT PRIMARY KEY); INSERT INTO x.t VALUES (1); "
                                        "SHOW STATUS LIKE 'wsrep_last_committed'; "
                                        "SHOW STATUS LIKE 'wsrep_cluster_state_uuid'",
                     address="gcomm://127.0.0.1"):
        """Open a primary component, ask, and end the server with SIGKILL. dict of what it answers."""
        argv = command_line.start(layout, ["--wsrep_cluster_address=" + address, "--wsrep-new-cluster"])
        with open(self.path("logs/printed"), "wb") as printed, subprocess.Popen(argv, stdout=printed, stderr=printed) as server:
            try:
                assert within(60, lambda: self.sql(layout, "SELECT 1").returncode == 0 or server.poll() is not None)
                done = self.sql(layout, text)
            finally:
                server.send_signal(signal.SIGKILL)
        assert done.returncode == 0, done.stderr
        return dict(line.split("\t") for line in done.stdout.splitlines())

    @staticmethod
    def sql(layout, text):
        return subprocess.run(["mariadb", "--no-defaults", "-uroot", "-S", layout.socket, "-BNe", text], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30, text=True)


TOLD = "--wsrep_on=ON --wsrep_provider=%s --innodb_log_group_home_dir='%%s' --log-bin=%%s" % PROVIDER


@pytest.fixture(scope="module")
def machine():
    with tempfile.TemporaryDirectory(prefix="quorate-") as root:  # pytest's own directories are closed to the server's user
        yield Machine(root)


@pytest.fixture(scope="module")
def other():
    with tempfile.TemporaryDirectory(prefix="quorate-") as root:
        one = Machine(root)
        one.configure()
        disk.create_database(*one.layout(""))
        yield one


@pytest.fixture(scope="module")
def killed(machine):
    """(Machine, its additional_parameters, the position) of a server that was killed. Galera, redo log and binary log are
    told in additional_parameters only."""
    told = TOLD % (machine.path("redo"), machine.path("redo/bin"))
    machine.configure()
    context, layout = machine.layout(told)
    assert [] == galera_problems(layout)
    disk.create_database(context, layout)
    assert os.path.exists(machine.path("redo/ib_logfile0")) and not os.path.exists(machine.path("data/ib_logfile0"))
    said = machine.run_and_kill(layout)
    return machine, told, (said["wsrep_cluster_state_uuid"], int(said["wsrep_last_committed"]))


@pytest.mark.parametrize("lines, more", [
    ((), ""),
    (("silent-startup",), ""),
    (("silent-startup", "log_warnings=0", "console"), ""),
    (("log_error=/dev/null",), ""),
    (("skip-log-error",), ""),
    (("wsrep_on=OFF", "skip-networking"), ""),
    ((), "--silent-startup --log-warnings=0 --skip-log-warnings"),
    ((), "--wsrep_on=OFF"),
])
def test_the_position_is_found_whatever_the_configuration_says_about_logs(killed, lines, more):
    machine, told, position = killed
    machine.configure(*lines)
    context, layout = machine.layout("%s %s" % (told, more))
    machine.state_files.forget("recovered")

    found, problem = recovery.recover(context, machine.state_files, layout)

    assert (position, None) == (found, problem)


def test_a_recovery_that_outlasts_the_action_goes_on_by_itself(killed):
    """A run that is killed begins anew, so with a long log no monitor would ever have seen its end."""
    machine, told, position = killed
    machine.configure()
    context, layout = machine.layout(told)
    context.deadline = Deadline(Clock(), 0.01)
    machine.state_files.forget("recovered")

    nothing, problem = recovery.recover(context, machine.state_files, layout)
    assert nothing is None and "still applies its log" in problem
    assert within(60, lambda: not process.recoveries(context, machine.state_files, layout.datadir))

    later, _ = machine.layout(told)
    later.commands = fakes.FakeCommands()  # nothing is run
    assert (position, None) == recovery.recover(later, machine.state_files, layout)


def test_what_was_recovered_is_kept_until_a_server_has_run(killed):
    """The look-up of the settings, which every action makes, is no such server."""
    machine, told, position = killed
    machine.configure()
    context, layout = machine.layout(told)
    assert {machine.path("data"), machine.path("redo"), machine.path("data/ibdata1")} == set(layout.innodb)
    machine.state_files.forget("recovered")
    assert (position, None) == recovery.recover(context, machine.state_files, layout)

    later, layout = machine.layout(told)
    assert position == kept_position.position(later, machine.state_files, layout)

    # A server that the cluster did not start, and that commits nothing.
    argv = command_line.start(layout, ["--wsrep_cluster_address=gcomm://127.0.0.1", "--wsrep_on=OFF"])
    with open(machine.path("logs/printed"), "wb") as printed, subprocess.Popen(argv, stdout=printed, stderr=printed) as server:
        assert within(60, lambda: machine.sql(layout, "SELECT 1").returncode == 0 or server.poll() is not None)
        server.send_signal(signal.SIGKILL)
    assert kept_position.position(later, machine.state_files, layout) is None
    assert (position, None) == recovery.recover(later, machine.state_files, layout)


def test_a_recovery_under_way_is_no_server_and_ends_for_one(killed):
    machine, told, _ = killed
    machine.configure()
    context, layout = machine.layout(told)
    with subprocess.Popen(command_line.recover(layout, machine.path("logs/two"))) as run:
        os.kill(run.pid, signal.SIGSTOP)  # so that it does not end meanwhile

        assert within(30, lambda: process.recoveries(context, machine.state_files, layout.datadir))
        assert process.find(context, machine.state_files, layout.datadir) is None
        assert [run.pid] == [one.pid for one in process.all_processes(context, machine.state_files, layout.datadir)]
        reaper = threading.Thread(target=run.wait)
        reaper.start()
        process.end_recovery(context, machine.state_files, layout.datadir)
        reaper.join()
    assert -signal.SIGKILL == run.returncode


def test_a_look_up_knows_what_is_told_in_all_places(killed):
    machine, told, _ = killed
    machine.configure("log_error=quiet", "[mariadbd_two]", "wsrep_provider_options=base_port=5999;pc.weight=3")
    _, layout = machine.layout(told + " --defaults-group-suffix=_two")

    assert (PROVIDER, "TRUE", 5999, 3) == (layout.provider, layout.wsrep_on, layout.galera.base_port, layout.galera.weight)
    assert "pc.weight" in galera_problems(layout)[0]
    machine.configure()
    assert machine.port == machine.layout(told)[1].galera.base_port  # of wsrep_node_address


def test_a_server_without_galera_is_not_started(killed):
    machine, _, _ = killed
    machine.configure()

    assert "without Galera" in galera_problems(machine.layout("")[1])[0]


@pytest.mark.parametrize("told, query", [
    ("gcache.size=1M", ""), ("base_port = %d; pc.weight = 3 ;", ""), ("gmcast.listen_addr=tcp://127.0.0.1:%d;pc.weight=0", ""),
    ("pc.ignore_quorum=Yes", ""), ("pc.ignore_quorum=on;pc.ignore_sb=nope;pc.recovery=0", ""),
    ("pc.ignore_sb=no;pc.weight=2", "?pc.ignore_sb=yes&pc.weight=1"), ("base_port=%d", "?gmcast.listen_addr=tcp://127.0.0.1"),
])
def test_what_galera_says_of_its_settings_is_what_was_read(other, told, query):
    other.configure("wsrep_on=ON", "wsrep_provider=" + PROVIDER, "wsrep_provider_options='%s'" % (
        told % free_port() if "%d" in told else told))
    address = "gcomm://127.0.0.1" + query
    layout = find_layout(other.context("", wsrep_cluster_address=address))
    said = other.run_and_kill(layout, "SHOW VARIABLES LIKE 'wsrep_provider_options'", address)["wsrep_provider_options"]

    found = options.provider(said, {}, None)
    if layout.galera.listen_port != layout.galera.base_port:
        found = found._replace(base_port=layout.galera.base_port)  # Galera shows its own port there (gmcast.cpp)
    assert (None, found) == (layout.misunderstood, layout.galera)


@pytest.mark.parametrize("line", ["wsrep_provider_options=base_port=%d;gmcast.listen_addr=tcp://127.0.0.1:%d",
                                  "wsrep_node_address=127.0.0.1:%d"])
def test_a_joiner_asks_the_others_at_the_port_that_was_read(other, line):
    """Where wsrep_cluster_address has none. The port at which it listens itself says nothing of theirs."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.2", 0))
        listener.listen()
        listener.settimeout(60)
        port = listener.getsockname()[1]
        other.configure("wsrep_on=ON", "wsrep_provider=" + PROVIDER,
                        "wsrep_provider_options=gmcast.listen_addr=tcp://127.0.0.1",
                        line % ((port, free_port()) if line.count("%d") == 2 else port))
        layout = find_layout(other.context(""))
        with subprocess.Popen(command_line.start(layout, ["--wsrep_cluster_address=gcomm://127.0.0.2"]),
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                listener.accept()[0].close()
            finally:
                server.kill()
    assert port == layout.galera.base_port
