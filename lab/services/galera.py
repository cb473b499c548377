# SPDX-License-Identifier: Apache-2.0
"""A Galera cluster on the nodes of a lab, set up as an operator would, for the demo, tests, faults and benchmarks.

    galera.prepare(lab)                    # my.cnf of every node
    galera.create(lab, say=print)          # one pcs command
    galera.wait_synced(lab)
    galera.users(lab)                      # an application's user, and the table of lab/programs/writer.py
    haproxy.set_up(lab, say=print)         # HAProxy on every node, a VIP in front
    with galera.Client(lab) as client:     # writes until the end of the block
        ...
    galera.verify(lab, client.record)      # acknowledged rows that a node lacks
"""

import json
import os
import secrets
import shlex
import signal
import subprocess
import threading
import time
from typing import Dict, List, NamedTuple, Optional

from lab import PROGRAMS, LabError, quiet, state

RESOURCE = "db"
USER = "app"
CONFIG_PATH = "/etc/mysql/mariadb.conf.d/60-galera.cnf"
WRITER = os.path.join(PROGRAMS, "writer.py")
SYNC_TIMEOUT = 120.0
_STATES = {"1": "joining", "2": "donor", "3": "joined", "4": "synced"}

CONFIG = """\
[mysqld]
bind-address = %(address)s
binlog_format = ROW
default_storage_engine = InnoDB
innodb_autoinc_lock_mode = 2
innodb_flush_log_at_trx_commit = 1
innodb_buffer_pool_size = 64M
log_error = /var/log/mysql/error.log
wsrep_on = ON
wsrep_provider = /usr/lib/galera/libgalera_smm.so
wsrep_cluster_name = %(cluster)s
wsrep_cluster_address = gcomm://%(members)s
wsrep_node_name = %(node)s
wsrep_node_address = %(address)s
wsrep_sst_method = %(sst)s
"""
# Shows what the server logged last. The agent knows where the configuration lets it log; after a stop it does not.
LOGS = ("for file in $(sed -n 's/^log //p' /run/quorate/galera-*/server) /var/log/mysql/error.log; do "
        "echo $file; tail -n 120 $file; done")


class Server(NamedTuple):
    """What a node's own database server answers. state: off (no power), down (no answer, or none in time), non-primary,
    joining, donor, joined, synced."""

    state: str
    size: int = 0      # members of its primary component
    sessions: int = 0  # of the application: more than 0 where HAProxy sends the writes
    vip: bool = False  # whether the node has the VIP; its database need not answer for that


# -- set it up

def prepare(lab, sst="rsync"):
    """Write the database's configuration on every node, as an operator's deployment tool would."""
    members = ",".join(lab.node_names)
    for node in lab.nodes:
        text = CONFIG % {"address": node.address, "node": node.name, "members": members, "cluster": lab.name,
                         "sst": sst}
        if sst.startswith("maria"):
            text += "wsrep_sst_auth = mysql:\n"  # by the socket: no password
        lab.check(node.name, "cat >%s && install -d -o mysql -g adm -m 2750 /var/log/mysql" % CONFIG_PATH, stdin=text)


def create_command(lab, agent="ocf:quorate:galera", **parameters):
    """The pcs command that creates the resource, a list."""
    given = dict({"wsrep_cluster_address": "gcomm://" + ",".join(lab.node_names)}, **parameters)
    return (["pcs", "resource", "create", RESOURCE, agent] + ["%s=%s" % pair for pair in given.items()]
            + ["promotable", "promoted-max=%d" % len(lab.nodes)])


def create(lab, agent="ocf:quorate:galera", say=quiet, **parameters):
    """Create the resource `db` with `parameters`."""
    argv = create_command(lab, agent, **parameters)
    say(shlex.join(argv))
    lab.check(lab.node_names[0], argv)


def password_file(lab):
    """The file with the application's password, on this machine; only root may read it."""
    return os.path.join(state.directory(lab.name), "app.password")


def users(lab, node=None):
    """Make the application's user and the table that lab/programs/writer.py writes to, on `node` or on any node that is
    synced."""
    password = secrets.token_hex(16)
    with os.fdopen(os.open(password_file(lab), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(password + "\n")
    sql(lab, node or any_synced(lab), """
CREATE DATABASE IF NOT EXISTS quorate_lab;
CREATE TABLE IF NOT EXISTS quorate_lab.ledger (id VARCHAR(64) NOT NULL PRIMARY KEY, at DOUBLE NOT NULL) ENGINE=InnoDB;
CREATE OR REPLACE USER '%s'@'%%' IDENTIFIED BY '%s';
GRANT ALL ON quorate_lab.* TO '%s'@'%%';
""" % (USER, password, USER))


# -- ask

def sql(lab, node, text, timeout=30.0):
    """Run statements on `node`'s own server as root, through its socket; the rows, a line each, with tabs between
    values."""
    return lab.check(node, ["mariadb", "--batch", "--skip-column-names", "--connect-timeout=5"], timeout, stdin=text)


_QUERY = """SHOW GLOBAL STATUS WHERE Variable_name IN
('wsrep_local_state', 'wsrep_cluster_status', 'wsrep_cluster_size');
SELECT 'sessions', COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = '%s';
""" % USER


def ask(lab, node, timeout=2.0):
    """The Server of `node`: what its own database server answers in at most `timeout` seconds."""
    client = ("ip -o -4 address show to %s; "
              "exec mariadb --batch --skip-column-names --force --connect-timeout=2" % lab.vip)
    try:
        done = lab.run(node, client, timeout, stdin=_QUERY)
    except LabError:
        return Server("off")
    vip = lab.vip + "/" in done.out
    values = dict(line.split("\t", 1) for line in done.out.splitlines() if "\t" in line)
    if "wsrep_local_state" not in values:
        return Server("down", vip=vip)
    if values.get("wsrep_cluster_status") != "Primary":
        return Server("non-primary", vip=vip)
    return Server(_STATES.get(values["wsrep_local_state"], "joining"), int(values.get("wsrep_cluster_size", 0)),
                  int(values.get("sessions", 0)), vip)


def ask_all(lab, timeout=2.0) -> Dict[str, Server]:
    """{node: Server}, all nodes asked at the same time."""
    found = {}

    def one(name):
        found[name] = ask(lab, name, timeout)

    threads = [threading.Thread(target=one, args=(name,), daemon=True) for name in lab.node_names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {name: found.get(name, Server("down")) for name in lab.node_names}


def synced(lab, nodes=None):
    """Whether the servers of `nodes` (default: all) are synced, in a primary component of at least as many."""
    wanted = list(nodes or lab.node_names)
    found = ask_all(lab)
    return all(found[name].state == "synced" and found[name].size >= len(wanted) for name in wanted)


def any_synced(lab):
    """The name of a node whose server is synced. LabError if no server is."""
    for name, server in ask_all(lab).items():
        if server.state == "synced":
            return name
    raise LabError("no node of lab %s has a synced database" % lab.name)


def writer_node(lab) -> Optional[str]:
    """The node to which HAProxy sends the writes: the one with most sessions of the application. None if it has
    none."""
    found = [(server.sessions, name) for name, server in ask_all(lab).items() if server.sessions]
    return max(found)[1] if found else None


def wait_synced(lab, nodes=None, timeout=SYNC_TIMEOUT, every=0.2):
    """Wait until the servers of `nodes` (default: all) are synced; the seconds it took. LabError after `timeout`
    seconds."""
    began = time.monotonic()
    while not synced(lab, nodes):
        if time.monotonic() - began > timeout:
            found = ", ".join("%s %s" % (name, server.state) for name, server in ask_all(lab).items())
            raise LabError("not synced after %.0f s: %s; `lab run --name %s %s quorate explain` says why"
                           % (timeout, found, lab.name, lab.node_names[0]))
        time.sleep(every)
    return time.monotonic() - began


# -- the client

class Client:
    """Runs lab/programs/writer.py in the lab's network. It writes to the VIP, or to `host`."""

    def __init__(self, lab, directory=None, host=None, rate=100, workers=2):
        base = directory or state.directory(lab.name)
        self.record, self._state = os.path.join(base, "acknowledged"), os.path.join(base, "client.json")
        self._lab, self._scene = lab, 0
        self._options = ["--host", host or lab.vip, "--password-file", password_file(lab), "--record", self.record,
                         "--state", self._state, "--rate", str(rate), "--workers", str(workers)]
        self._process = None

    def __enter__(self):
        if os.path.exists(self._state):
            os.unlink(self._state)
        self._process = subprocess.Popen(self._lab.client(["setpriv", "--pdeathsig", "KILL", "/usr/bin/python3", WRITER]
                                                          + self._options),
                                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                         start_new_session=True)
        self._lab.wait(self.figures, 10, "the writing client did not start")
        return self

    def __exit__(self, *exc):
        self.stop()

    def figures(self):
        """Its figures so far, at most half a second old: a dict as lab/programs/writer.py writes it. {} before the
        first."""
        try:
            with open(self._state, encoding="ascii") as file:
                return json.load(file)
        except (OSError, ValueError):
            return {}

    def scene(self):
        """Begin a new scene: figures()["scene"] counts from here. Returns the figures of the scene before."""
        self._scene += 1
        self._process.send_signal(signal.SIGUSR1)
        return self._lab.wait(self._before, 10, "the writing client does not answer", every=0.1)["before"]

    def _before(self):
        """The figures once the client has begun the new scene, else None."""
        figures = self.figures()
        return figures if figures.get("scene", {}).get("number") == self._scene else None

    def stop(self):
        """End it; its last figures, {} if it did not print any."""
        if self._process is None:
            return {}
        process, self._process = self._process, None
        process.send_signal(signal.SIGTERM)
        try:
            out = process.communicate(timeout=30)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            out = process.communicate()[0]
        try:
            return json.loads(out)
        except ValueError:
            return {}


def acknowledged(record) -> List[str]:
    """The rows that were acknowledged to the client. An incomplete last line is not one of them."""
    with open(record, encoding="ascii") as file:
        return [line[:-1] for line in file if line.endswith("\n")]


def verify(lab, record, timeout=60.0) -> Dict[str, List[str]]:
    """For each node, the acknowledged rows of the file `record` that it lacks. LabError if a node cannot be asked."""
    owed = set(acknowledged(record))
    missing = {}
    for name in lab.node_names:
        there = sql(lab, name, "SET SESSION wsrep_sync_wait = 1; SELECT id FROM quorate_lab.ledger;", timeout).split()
        missing[name] = sorted(owed.difference(there))
    return missing
