# SPDX-License-Identifier: Apache-2.0
"""Why the launched server ended or does not come up: by its log, by what it printed, by the kernel's log and by who has
its port."""

import os
import socket
from types import SimpleNamespace

import pytest

from quorate.galera.declaration import PARAMETERS
from quorate.galera.server.log import ending
from quorate.host import daemon
from quorate.host.system import kernel
from quorate.host.process import Process, Processes
from quorate.host.state_files import StateFiles
from tests import fakes
from tests.unit.galera.server.log.test_causes import log as real_log

KILLED = "Out of memory: Killed process 500 (mariadbd) total-vm:2891236kB, anon-rss:1713480kB"
DENIED = 'apparmor="DENIED" operation="open" profile="/usr/sbin/mariadbd" name="/srv/db/grastate.dat" comm="mariadbd"'


class Node:
    """A node whose server was launched. kernel: what /dev/kmsg holds."""

    def __init__(self, tmp_path, monkeypatch, processes=None):
        self.log = tmp_path / "error.log"
        self.state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
        self.context = fakes.context(processes=processes, parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1")
        self.layout = SimpleNamespace(log=str(self.log), datadir="/var/lib/mysql", user="mysql")
        self.kernel = []
        monkeypatch.setattr(kernel, "messages", lambda since: list(self.kernel))
        daemon.new_output_file(self.state_files)
        self.state_files.write("log-offset", {"bytes": 0})
        daemon.record(self.context, self.state_files, Process(500, 1, 100, "S", ("mariadbd",)), str(self.log),
                      datadir="/var/lib/mysql")

    def logs(self, text):
        self.log.write_text(text)

    def prints(self, text):
        with open(self.state_files.path("output"), "w", encoding="utf-8") as file:
            file.write(text)

    def died(self):
        return ending.died(self.context, self.state_files)

    def not_started(self):
        return ending.not_started(self.context, self.state_files, self.layout)

    def stuck(self):
        return ending.stuck(self.context, self.state_files)


@pytest.fixture(name="node")
def a_node(tmp_path, monkeypatch):
    return Node(tmp_path, monkeypatch)


def test_the_cause_of_its_log(node):
    node.logs(real_log("mariadb10_page_size"))
    sentence = "innodb_page_size is 8192, but the data have 16384: set innodb_page_size=16384"

    assert [sentence] * 3 == [node.died(), node.not_started(), node.stuck()]


def test_the_remedy_names_the_user_of_the_resource(node):
    node.logs(real_log("mariadb10_ibdata1_root"))
    node.layout.user = "mariadb"

    assert "chown -R mariadb:" in node.not_started() and "chown -R mysql:" in node.died()


def test_what_it_printed_before_it_had_a_log(node):
    node.prints(real_log("mariadb10_datadir_missing"))

    assert node.not_started().startswith("/var/lib/mysql is missing")
    assert node.died().startswith("/var/lib/mysql is missing")


def test_its_last_line_where_nothing_is_an_error(node):
    node.prints("one\nmariadbd: Strange thing with --wsrep_sst_auth=sst:geheim\n")
    assert "mariadbd: Strange thing with ..." == node.not_started()

    node.prints("")
    assert "it left no error in %s" % node.log == node.not_started()


def test_one_that_left_nothing_was_probably_killed(node):
    node.logs(real_log("mariadb10_killed"))

    assert "SIGKILL, or out of memory" in node.died()


def test_one_that_the_kernel_killed_for_want_of_memory(node):
    node.logs(real_log("mariadb10_killed"))
    node.kernel = ["x", KILLED]

    assert node.died().startswith("the kernel killed it for want of memory")
    assert node.not_started().startswith("the kernel killed it for want of memory")
    node.kernel = [KILLED.replace("500", "501")]
    assert "SIGKILL, or out of memory" in node.died()


def test_one_that_somebody_stopped(node):
    node.logs(real_log("mariadb10_healthy"))

    assert node.died() == "it was stopped, and not by the cluster (SIGTERM): systemctl disable --now mariadb"


def test_of_one_that_runs_nobody_says_that_it_was_killed(node):
    """A transfer that stood still said: it left no error, so it was probably killed."""
    node.logs(real_log("mariadb10_killed"))

    assert "its log tells no error: %s" % node.log == node.stuck()


def test_what_a_security_module_forbids_is_not_put_right_by_chown(node):
    node.logs(real_log("mariadb10_grastate_root"))
    assert "chown" in node.died()

    node.kernel = [DENIED]
    forbidden = "AppArmor forbids the server /srv/db/grastate.dat: journalctl -k | grep -i denied"
    assert forbidden == node.died()
    node.logs(real_log("mariadb10_ib_logfile_root"))
    assert forbidden == node.died()
    node.logs(real_log("mariadb10_page_size"))
    assert "innodb_page_size" in node.died()


def test_without_a_record_nothing_is_claimed(node):
    node.state_files.forget(daemon.PROCESS_FILE)
    node.kernel = [KILLED, DENIED]

    assert "SIGKILL, or out of memory" in node.died()
    assert "it has none" in node.stuck()


# Who has the port

def with_port(text):
    """(listening socket, the text with its port)"""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen(1)
    return taken, text.replace("3306", str(taken.getsockname()[1]))


def test_who_has_the_port_is_named(tmp_path, monkeypatch):
    node = Node(tmp_path, monkeypatch, Processes())
    taken, text = with_port(real_log("mariadb10_port_taken"))
    node.logs(text)
    with taken:
        port, name = taken.getsockname()[1], os.path.basename(Processes().get(os.getpid()).argv[0])
        assert node.died() == "Port %d is taken by %s (pid %d): ps -fp %d" % (port, name[:20], os.getpid(), os.getpid())

        # The server itself, which hangs, is no answer.
        daemon.record(node.context, node.state_files, Processes().get(os.getpid()), str(node.log))
        assert node.died() == "Port %d is taken: ss -ltnp sport = :%d" % (port, port)


@pytest.mark.parametrize("argv, pid, unit, words", [
    ("/usr/sbin/mariadbd", 812, "mariadb.service", "by mariadbd (pid 812): systemctl disable --now mariadb.service"),
    ("/usr/sbin/mysqld", 812, "mysql.service", "by mysqld (pid 812): systemctl disable --now mysql.service"),
    ("/usr/sbin/mariadbd --datadir=/srv/other", 812, "pacemaker.service", "by mariadbd (pid 812): ps -fp 812"),
    ("/usr/sbin/mariadbd --datadir=/srv/other", 812, None, "by mariadbd (pid 812): ps -fp 812"),
    ("/usr/bin/socat TCP-LISTEN:3306 -", 812, "session.service", "by socat (pid 812): ps -fp 812"),
    ("/sbin/init", 1, None, "by systemd: systemctl list-sockets"),
])
def test_what_is_typed_depends_on_who_it_is(tmp_path, monkeypatch, argv, pid, unit, words):
    from quorate.host import connections
    from quorate.host.system import units
    monkeypatch.setattr(units.Units, "of", lambda _, of: unit)
    node = Node(tmp_path, monkeypatch)
    node.context.commands.allow("systemctl")
    monkeypatch.setattr(connections, "listener", lambda port, processes: Process(pid, 1, 1, "S", tuple(argv.split())))
    node.logs(real_log("mariadb10_port_taken"))

    assert node.died() == "Port 3306 is taken " + words


def test_a_socket_unit_that_has_the_port_is_named(tmp_path, monkeypatch):
    from quorate.galera.server.settings import layout
    from quorate.host import connections
    node = Node(tmp_path, monkeypatch)
    monkeypatch.setattr(layout, "listening_units", lambda units, timeout: "systemctl disable --now mariadb.socket")
    monkeypatch.setattr(connections, "listener", lambda port, processes: Process(1, 0, 1, "S", ("/sbin/init",)))
    node.logs(real_log("mariadb10_port_taken"))

    assert "systemctl disable --now mariadb.socket" == node.died()


def test_galera_that_ended_without_a_word_because_its_port_is_taken(tmp_path, monkeypatch):
    """MariaDB 11.8: the error is that of a thread that had ended; who has the port tells the rest."""
    from quorate.host import connections
    node = Node(tmp_path, monkeypatch)
    node.logs(real_log("mariadb11_galera_port_taken"))
    monkeypatch.setattr(connections, "listener", lambda port, processes: None)
    assert node.died().startswith("Galera ended at once")

    monkeypatch.setattr(connections, "listener", lambda port, processes: Process(812, 1, 1, "S", ("socat",)))
    assert node.died() == "Port 4567 is taken by socat (pid 812): ps -fp 812"


@pytest.mark.parametrize("name", ["mariadb10_undo_missing", "mariadb10_unknown_variable"])
def test_with_what_precedes_it_it_fits_what_pacemaker_keeps(node, name):
    node.logs(real_log(name))

    for prefix, text in (("The database server ended while it started: ", node.not_started()),
                         ("The database server died: ", node.died()),
                         ("The bootstrap made no progress for 1200 s: ", node.stuck()),
                         ("The transfer made no progress for 1200 s: ", node.stuck())):
        assert len(prefix + text) <= 144
