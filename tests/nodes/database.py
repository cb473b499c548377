# SPDX-License-Identifier: Apache-2.0
"""The database of one machine: its files, the programs that are run on them, the server when there is one."""

import os
import socket

from quorate.galera import facts
from quorate.galera.server import observe, process, sql
from quorate.host.command import Result
from tests.nodes.client import Driver
from tests.nodes.files import options_of, read, read_database, write_database
from tests.nodes.machine import Service, here
from tests.nodes.server import DatabaseServer

ERROR = "2026-11-28  4:00:00 0 [ERROR] %s\n"
SIGKILL, SIGTERM, SIGCONT = 9, 15, 18


class Launch:
    """What was so when a server was launched: options (dict), files (of the data directory), and the cluster's and
    the node's own records at that moment."""

    def __init__(self, machine, options, datadir):
        resource = machine.instance
        pacemaker = machine.cluster.pacemaker
        self.node = machine.name
        self.at = machine.clock.elapsed
        self.options = options
        self.files = frozenset(os.listdir(datadir)) if os.path.isdir(datadir) else frozenset()
        self.grastate = read(datadir, "grastate.dat")
        self.generation = pacemaker.properties.get(resource + "-generation")
        self.openings = pacemaker.properties.get(resource + "-openings")
        self.own_generation = pacemaker.permanent.get((machine.name, resource + "-generation"))
        self.override = pacemaker.properties.get(resource + "-override")
        self.report = pacemaker.transient.get(resource + "-report", {}).get(machine.name, "")

    @property
    def bootstraps(self):
        return "--wsrep-new-cluster" in self.options


class Database(Service):
    """The database of one machine: its files, the programs that are run on them, the server when there is one."""

    def __init__(self, machine, group, port, user):
        self.machine = machine
        self.group = group
        self.address = port             # (host, port) of group communication
        self.user = user
        self.server = None
        self.launches = []
        self.datadir = os.path.join(machine.root, "data")
        self.binary = os.path.join(machine.root, "bin", "mariadbd")
        self.log = os.path.join(machine.root, "error.log")
        # What it is like
        self.behind = 0                 # how many of the last commits of others are not on its disk yet
        self.incremental = True         # the donor still has what it lacks
        self.start_takes = 1.0          # seconds until it looks for the others
        self.transfer_takes = 3.0
        self.transfer_stalls = False
        self.fails = None               # error with which it ends after start_takes
        self.ready_takes = 0.1          # seconds from being a member to being ready for clients
        self.fails_late = None          # error with which it ends then
        self.recovery_fails = None      # error of --wsrep-recover
        self.recovery_takes = 0.5
        self.refuses = None             # (number, text) of the error with which it refuses every login
        self.sessions = 0               # of clients; None: that question fails
        self.applier_stands = False     # it applies nothing, so a question with wsrep_sync_wait gets no answer
        self.undecided = False          # a loss comes in a change of view, so it cannot tell whether others went on
        self.stop_takes = 1.0           # seconds from SIGTERM to its end
        self.logs_elsewhere = False     # its log is not in a file
        self.hangs = False              # it accepts connections and never answers
        self.survives = ()              # signals that it does not react to
        self._pid = 1000 + 1000 * len(group.servers)
        self._listener = None
        os.makedirs(os.path.dirname(self.binary))
        os.makedirs(os.path.join(machine.root, "socket"))
        with open(self.binary, "w", encoding="ascii"):
            os.chmod(self.binary, 0o755)
        self._listen(False)

    def create(self):
        """A database that was never in a cluster, as the distribution's package makes it."""
        os.makedirs(os.path.join(self.datadir, "mysql"), exist_ok=True)
        write_database(self.datadir, facts.ZERO_UUID, [])

    # Programs

    def command(self, argv, timeout):
        if os.path.basename(argv[0]) == "mariadb-install-db":
            self.machine.cluster.journal.add(self.machine.name, "program", "mariadb-install-db")
            self.create()
            return Result(argv, 0, "", "", False)
        if argv[0] != self.binary:
            return None
        options = options_of(argv)
        if "--help" in options:
            return Result(argv, 0, self._table(), "", False)
        raise AssertionError("run in place of begun: %s" % " ".join(argv))

    def _recover(self, argv, options):
        """A run that finds out the position. Its pid."""
        assert self.server is None and not self.recovering(), "InnoDB is recovered beside a server"
        self.machine.cluster.journal.add(self.machine.name, "program", "--wsrep-recover")
        process = self.machine.processes.add(argv)

        def end():
            if self.machine.processes.get(process.pid) == process:
                self._recovered(options)
                self.machine.processes.remove(process.pid)
        self.machine.processes.directories[process.pid] = self.datadir
        self.machine.clock.at(self.recovery_takes, end)
        return process.pid

    def recovering(self):
        return [one for one in self.machine.processes.all() if "--wsrep-recover" in one.argv]

    def _recovered(self, options):
        """Write down what InnoDB says. The exit code."""
        with open(options["--log-error"], "a", encoding="ascii") as log:
            if self.recovery_fails:
                log.write(ERROR % self.recovery_fails)
                return 1
            uuid, transactions = read_database(self.datadir)
            log.write("2026-11-28  4:00:00 0 [Note] WSREP: Recovered position: %s:%d\n" % (
                uuid, len(transactions) if uuid != facts.ZERO_UUID else -1))
        return 0

    def _table(self):
        run = os.path.join(self.machine.root, "socket")
        return "-----\n" + "".join("%s    %s\n" % pair for pair in (
            ("datadir", self.datadir + "/"), ("innodb-data-file-path", "ibdata1:12M:autoextend"),
            ("innodb-data-home-dir", "(No default value)"), ("innodb-log-group-home-dir", "(No default value)"),
            ("innodb-undo-directory", "(No default value)"), ("innodb-flush-log-at-trx-commit", "1"), ("log-error", self.log),
            ("pid-file", run + "/mysqld.pid"), ("socket", run + "/mysqld.sock"), ("wsrep-on", "TRUE"),
            ("wsrep-provider", "/usr/lib/galera/libgalera_smm.so"), ("wsrep-sst-method", "rsync")))

    # The server

    def launched(self, argv, output):
        assert self.server is None, "a second server on one data directory"
        assert argv[0] == self.binary, argv
        options = options_of(argv)
        if "--wsrep-recover" in options:
            return self._recover(argv, options)
        assert not self.recovering(), "a server beside a run that recovers InnoDB"
        launch = Launch(self.machine, options, self.datadir)
        self.launches.append(launch)
        self.machine.cluster.journal.add(self.machine.name, "launch", "bootstrap" if launch.bootstraps else "join")
        self._pid += 7
        pid = self.machine.processes.add(argv, pid=self._pid).pid
        self.machine.processes.directories[pid] = self.datadir
        self.machine.processes.sessions[pid] = pid
        self.server = DatabaseServer(self, pid, options)
        self.group.servers.append(self.server)
        self.server.begin()
        return pid

    def foreign(self):
        """A server that the cluster did not start (systemd), without Galera."""
        return self.machine.processes.directories.setdefault(
            self.machine.processes.add([self.binary], pid=self._pid + 1).pid, self.datadir)

    def signalled(self, process, number):
        server = self.server
        if server is None or process.pid != server.pid:
            if number in (SIGKILL, SIGTERM) and number not in self.survives:
                self.machine.processes.remove(process.pid)
                if server is not None and process.pid == server.child:
                    server.child = None
                    server.end("rsync was killed")
            return
        if number in self.survives:
            return
        if number == SIGKILL:
            server.die()
        elif number == SIGTERM:
            server.asked_to_stop()
        elif number == SIGCONT and process.state == "T":
            self.machine.processes.change(process.pid, state="S")

    def kill(self):
        """SIGKILL from outside."""
        self.server.die()

    def freeze(self):
        """SIGSTOP."""
        self.machine.processes.change(self.server.pid, state="T")

    def power_lost(self):
        if self.server is not None:
            self.server.die()

    def isolate(self):
        """The network between this server and the others is cut."""
        self.server.connected = False
        if self.server in self.group.members() and len(self.group.members()) > 1:
            view = self.group.view
            self.group.lost([self.server])
            self.server.lose_primary(view)

    def reconnect(self):
        self.server.connected = True
        if self.server.stage == "non-primary" and self.group.members():
            self.server.stage = "waiting"
        self.group.look_around()

    def ended(self):
        """The server's process is gone."""
        self.group.servers.remove(self.server)
        self.machine.processes.remove(self.server.pid)
        self.server = None
        self._listen(False)

    def _listen(self, accepting):
        """Group communication; where nobody listens, a connection is refused."""
        if self._listener is not None:
            self._listener.close()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(self.address)
        self.address = self._listener.getsockname()
        if accepting:
            self._listener.listen(4096)  # nobody accepts, and each that asks stays in the queue

    def listen(self):
        self._listen(True)

    def close(self):
        self._listener.close()


def installed(monkeypatch):
    """Replace what the Galera agent reaches the outside by, beside that of every agent."""
    def transferred(processes, process):
        return sum(processes.bytes.get(one.pid, 0) for one in [process] + processes.descendants(process.pid))

    monkeypatch.setattr(sql, "driver", lambda: Driver)
    monkeypatch.setattr(process, "same_directory", lambda pid, datadir: here().processes.directories.get(
        pid, "-").rstrip("/") == datadir.rstrip("/"))
    monkeypatch.setattr(process, "same_root", lambda pid, *_: True)
    monkeypatch.setattr(observe, "transferred_bytes", transferred)
