# SPDX-License-Identifier: Apache-2.0
"""A database server that runs, as the agent, its disk and the other servers see it.

It reads and writes grastate.dat and gvwstate.dat as galera 26.4 does (also gcomm pc.cpp).
"""

import os

import pymysql

from quorate.galera import facts
from tests.nodes.files import (
    bumped, parse_view, read, read_database, read_grastate, write, write_database, write_grastate)

TERM_WHILE_WAITING = 57.0   # seconds that a server that waits for a primary component ignores SIGTERM (observed)


class DatabaseServer:
    """A server that runs. stage: init, waiting, receiving, synced, non-primary."""

    def __init__(self, database, pid, options):
        self.database = database
        self.machine = database.machine
        self.group = database.group
        self.pid = pid
        self.options = options
        self.stage = "init"
        self.child = None               # pid of its joiner script
        self.donates = False
        self.ready = False              # for clients
        self.connected = True
        self.undecided = False
        self.last_view = None
        self.view_seq = self.old_uuid = None
        self.saved_members = frozenset()
        self.applied_members = ()
        self.state_uuid, self.disk = read_database(database.datadir)
        self.received = list(self.disk)
        self.position_unknown = False
        self.uuid = self.group.new("aaaa")

    @property
    def datadir(self):
        return self.database.datadir

    # Its start

    def begin(self):
        self._log("[Note] Starting MariaDB 10.11.18-MariaDB source revision as process %d" % self.pid)
        self._later(self.database.start_takes, self._started)

    def _later(self, seconds, effect):
        self.machine.clock.at(seconds, lambda: effect() if self.database.server is self else None)

    def _started(self):
        if self.database.fails:
            self.end(self.database.fails)
            return
        problem = self._read_files()
        if problem:
            self.end(problem)
            return
        self.database.listen()
        if "--wsrep-new-cluster" in self.options:
            self.group.bootstrap(self)
        else:
            self.stage = "waiting"
            self.group.look_around()

    def _read_files(self):
        """Read grastate.dat and gvwstate.dat. What keeps the server from starting, or None."""
        if (read(self.datadir, "tc.log") or "").startswith("A#"):  # closed, and not deleted
            return "Bad magic header in tc log"
        view = read(self.datadir, "gvwstate.dat")
        if view == "":
            return "WSREP: std::exception: Unable to restore the view"
        if view:
            mine, members, seq = parse_view(view)
            self.old_uuid, self.saved_members, self.view_seq = facts.mask(mine), members, seq
            self.uuid = bumped(mine)
        grastate = read_grastate(self.datadir)
        if "--wsrep-new-cluster" in self.options:
            if grastate and grastate["safe_to_bootstrap"] == "0":
                return ("WSREP: It may not be safe to bootstrap the cluster from this node. It was not the last one to "
                        "leave the cluster and may not contain all the updates.")
            if not os.path.exists(os.path.join(self.datadir, "ibdata1")):
                return "Could not open mysql.plugin table"
        start = self.options.get("--wsrep_start_position")
        if grastate and int(grastate["seqno"]) >= 0:
            self.state_uuid = grastate["uuid"]
        elif start and not start.startswith(facts.ZERO_UUID):
            self.state_uuid = start.partition(":")[0]
            if int(start.partition(":")[2]) != len(self.disk):
                self.group._harm("%s starts with a position that is not its own" % self.machine.name)
        else:
            self.position_unknown = bool(self.disk) or bool(grastate and grastate["uuid"] != facts.ZERO_UUID)
            self.state_uuid = facts.ZERO_UUID
        if grastate is None:
            write_grastate(self.datadir, facts.ZERO_UUID, -1, 1)
        else:
            write_grastate(self.datadir, grastate["uuid"], -1, 0)
        return None

    # In the group

    def write_view(self, view):
        self.last_view, self.view_seq = view, view.seq
        self._log("[Note] WSREP: view(view_id(PRIM,%s,%d) memb {" % (view.representative[:13], view.seq))
        text = "my_uuid: %s\n#vwbeg\nview_id: 3 %s %d\nbootstrap: 0\n%s#vwend\n" % (
            self.uuid, view.representative, view.seq, "".join("member: %s 0\n" % one.uuid for one in view.members))
        write(self.datadir, "gvwstate.dat", text)
        if self.group.counts_changes:
            self._log_view("primary", "no", len(view.members))
        if len(self.disk) == len(self.received):
            self.applied_members = view.members

    def receive(self, donor, full):
        self.stage = "receiving"
        donor.donates = True
        processes = self.machine.processes
        if full:
            write_grastate(self.datadir, facts.ZERO_UUID, -1, 0)
            write(self.datadir, "sst_in_progress", "")
            if os.path.exists(os.path.join(self.datadir, "ibdata1")):
                os.unlink(os.path.join(self.datadir, "ibdata1"))
            self.child = processes.add(["/bin/bash", "/usr/bin/wsrep_sst_rsync", "--role", "joiner", "--datadir",
                                        self.datadir], ppid=self.pid).pid
            processes.directories[self.child] = self.datadir
        else:
            self._log("[Note] WSREP: Receiving IST: %d writesets, seqnos 1-9" % len(self.group.log))
        if self.database.transfer_stalls:
            return
        for second in range(int(self.database.transfer_takes)):
            self._later(second, self._work)
        self._later(self.database.transfer_takes, lambda: self._received(donor, full))

    def _work(self):
        self.machine.processes.bytes[self.pid] = self.machine.processes.bytes.get(self.pid, 0) + 4096

    def _received(self, donor, full):
        donor.donates = False
        if donor not in self.group.members() or self not in self.group.members():
            if full:
                self.end("WSREP: Failed to receive the state transfer: the donor is gone")
            return
        if self.child is not None:
            self.machine.processes.remove(self.child)
            self.child = None
        if full:
            os.unlink(os.path.join(self.datadir, "sst_in_progress"))
            os.makedirs(os.path.join(self.datadir, "mysql"), exist_ok=True)
        else:
            self._log("[Note] WSREP: IST received: %s:9" % self.group.state_uuid)
        self.state_uuid, self.received = self.group.state_uuid, list(self.group.log)
        self.synced()

    def synced(self):
        self.stage = "synced"
        self.state_uuid = self.group.state_uuid
        self.received = list(self.group.log)
        self.flush()
        write_grastate(self.datadir, self.state_uuid, -1, 0)
        self._later(self.database.ready_takes, self._ready)
        self.group.look_around()

    def _ready(self):
        if self.ready:
            return
        if self.database.fails_late:
            self.end(self.database.fails_late)
            return
        self.ready = True
        self._log("[Note] %s: ready for connections." % self.database.binary)
        self._log("Version: '10.11.18-MariaDB'  socket: '%s'  port: 3306" % self.options["--socket"])

    def lose_primary(self, view):
        self.last_view = view
        if self.stage == "receiving":
            self.end("WSREP: Lost the primary component during the state transfer")
        else:
            self.stage, self.undecided = "non-primary", self.database.undecided
            self._log("[Note] WSREP: Shifting SYNCED -> OPEN (TO: %d)" % len(self.received))

    def flush(self, behind=None):
        """Put what was received on the disk, but for the last `behind` transactions."""
        wanted = self.received[:max(len(self.disk), len(self.received) - (behind or 0))]
        self.disk = list(wanted)
        if len(wanted) == len(self.received) and self.last_view is not None:
            self.applied_members = self.last_view.members  # a change of view is applied after what came before it
        write_database(self.datadir, self.state_uuid, self.disk)

    # Its end

    def die(self):
        """At once, as by SIGKILL. (Its child goes on, as a real one does.)"""
        self.database.ended()
        self.group.lost([self])
        self.group.look_around()

    def end(self, error):
        """By itself, with an error."""
        self._log("[ERROR] " + error)
        self.die()

    def asked_to_stop(self):
        """SIGTERM."""
        if self.stage in ("waiting", "init"):
            self._later(TERM_WHILE_WAITING, lambda: self._stop(False))
        else:
            self._later(self.database.stop_takes, lambda: self._stop(self.stage in ("synced", "non-primary")))

    def _stop(self, clean):
        view = os.path.join(self.datadir, "gvwstate.dat")
        if os.path.exists(view):
            os.unlink(view)
        if clean:
            alone = self.stage == "synced" and len(self.group.members()) == 1
            if alone and self.group.counts_changes:
                self.group.count_change()
                self.received = list(self.group.log)
                self._log("[Note] WSREP: Shifting SYNCED -> CLOSED (TO: %d)" % len(self.received))
                self._log_view("non-primary", "yes", 0)
            self.flush()
            write_grastate(self.datadir, self.state_uuid, len(self.disk), int(alone))
        self.database.ended()
        self.group.lost([self], True)
        self.group.look_around()

    def _log_view(self, status, final, members):
        self._log("[Note] WSREP: Quorum results:\n\tprotocols  = 5/11/4 (gcs/repl/appl),")
        self._log("[Note] WSREP: %s\nView:\n  id: %s:%d\n  status: %s\n  final: %s\n  members(%d):%s\n%s" % (
            "=" * 48, self.group.state_uuid, len(self.group.log), status, final, members,
            "".join("\n\t%d: %s, n%d" % (one, self.uuid, one) for one in range(members)), "=" * 49))

    def _log(self, line):
        if self.database.logs_elsewhere:
            return
        with open(self.database.log, "a", encoding="ascii") as file:
            file.write("2026-11-28  4:00:00 0 %s\n" % line)

    # What it answers

    def status(self):
        """Rows of its status, or None: its socket does not accept yet."""
        if not self.ready or self.stage not in ("synced", "non-primary"):
            return None
        primary = self.stage == "synced"
        members = self.last_view.members
        return {
            "wsrep_ready": "ON" if primary else "OFF", "wsrep_cluster_status": "Primary" if primary else "non-Primary",
            "wsrep_local_state": "2" if self.donates else "4" if primary else "0",
            "wsrep_local_state_comment": "Synced" if primary else "Initialized",
            "wsrep_local_index": str(members.index(self)) if self in members else "0",
            "wsrep_cluster_size": str(len(members if primary else self.group.met(self))),
            "wsrep_cluster_conf_id": str(self.view_seq),
            "wsrep_cluster_state_uuid": self.state_uuid, "wsrep_last_committed": str(len(self.disk)),
            "wsrep_incoming_addresses": ",".join(one.machine.name + ":3306" for one in members),
            "wsrep_connected": "ON",
            "wsrep_reject_queries": "NONE", "wsrep_desync": "OFF", "read_only": "OFF", "wsrep_sst_method": "rsync"}

    def catch_up(self):
        """Apply all that was delivered. Whether it could."""
        if not self.database.applier_stands:
            self.flush()
        return not self.database.applier_stands

    def answer(self, statement):
        if statement.startswith("SET "):
            return []
        if "GLOBAL_STATUS" in statement:
            return sorted(self.status().items())
        if "wsrep_cluster_members" in statement:
            return [(one.uuid, one.machine.name, one.machine.name + ":3306") for one in self.applied_members]
        if "PROCESSLIST" in statement:
            if self.database.sessions is None:
                raise pymysql.OperationalError(1317, "Query execution was interrupted")
            return [(self.database.sessions,)]
        raise AssertionError("an unknown statement: %s" % statement)
