# SPDX-License-Identifier: Apache-2.0
"""What the database servers themselves answer, all the time, for the campaign and the lab's tests; Pacemaker and our
agent are not asked.

    python3 -m lab.services.galera_watch USER PASSWORD_FILE n1=ADDRESS n2=ADDRESS ...

Runs in the lab's network and asks each server four times a second, each in a thread of its own: one that hangs delays
no other. Prints a line of JSON whenever an answer differs from the one before.
"""

import json
import subprocess
import sys
import threading
import time
from typing import NamedTuple, Optional

from lab import ROOT

EVERY = 0.25  # seconds between two questions to one server
LIMIT = 1.0   # seconds for a connection or an answer
_QUERY = ("SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_status','wsrep_local_state','wsrep_cluster_state_uuid',"
          "'wsrep_cluster_size','wsrep_last_committed','wsrep_cluster_conf_id','wsrep_gcomm_uuid','uptime')")
_VOLATILE = ("committed", "born")  # they change all the time and make no answer a new one


class Observation(NamedTuple):
    """One answer of one server. at: unix seconds; status: wsrep_cluster_status or None (no answer); state:
    wsrep_local_state; member: wsrep_gcomm_uuid; born: unix seconds at which this server started."""

    node: str
    at: float
    status: Optional[str]
    state: int
    uuid: Optional[str] = None
    size: Optional[int] = None
    conf: Optional[str] = None
    member: Optional[str] = None
    committed: Optional[int] = None
    born: Optional[int] = None
    error: Optional[str] = None


# -- what must hold of {node: Observation}. Pure.

def synced(observed, nodes):
    """Whether all `nodes` are synced members of one primary component of at least as many members."""
    found = [observed.get(node) for node in nodes]
    return all(one is not None and one.status == "Primary" and one.state == 4 and (one.size or 0) >= len(nodes)
               for one in found) and len({one.uuid for one in found}) == 1


def primaries(observed):
    """The nodes whose servers say that they are in a primary component."""
    return sorted(node for node, one in observed.items() if one.status == "Primary")


def split(observed):
    """In words: more servers say that they are in a primary component than fit into one. None: no sign of that.

    While a view changes this is so for a moment and means nothing; when it lasts there are two primary components.
    """
    found = {node: one for node, one in observed.items() if one.status == "Primary"}
    if len({one.uuid for one in found.values()}) > 1 or any((one.size or 0) < len(found) for one in found.values()):
        return ", ".join("%s: %s of %s" % (node, one.size, (one.uuid or "?")[:8]) for node,
                         one in sorted(found.items()))
    return None


class Watch:
    """Runs the poller beside the lab. observed: {node: its last Observation}; history: all of them, in their order.
    journal: a file for every line of the poller."""

    def __init__(self, lab, user, password_file, journal=None):
        self.observed, self.history, self.journal = {}, [], journal
        self.changed = threading.Condition()
        targets = ["%s=%s" % (node.name, node.address) for node in lab.nodes]
        self.process = subprocess.Popen(
            lab.client(["setpriv", "--pdeathsig", "KILL", "/usr/bin/python3", "-m", "lab.services.galera_watch", user,
                        password_file]
                       + targets),
            stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            observation = Observation(**json.loads(line))
            with self.changed:
                self.observed[observation.node] = observation
                self.history.append(observation)
                if self.journal:
                    self.journal.write(line)
                    self.journal.flush()
                self.changed.notify_all()

    def wait_until(self, condition, timeout):
        """Wait until condition({node: Observation}) is true; seconds it took, or None when it was not in time."""
        began = time.monotonic()
        with self.changed:
            while not condition(self.observed):
                left = began + timeout - time.monotonic()
                if left <= 0:
                    return None
                self.changed.wait(min(left, 0.5))
        return time.monotonic() - began

    def close(self):
        """End the poller."""
        self.process.terminate()
        self.process.wait()


# -- the poller

def ask(pymysql, connection, user, password, address):
    """(connection, the server's answer as a dict)."""
    if connection is None:
        connection = pymysql.connect(host=address, user=user, password=password, connect_timeout=LIMIT,
                                     read_timeout=LIMIT,
                                     write_timeout=LIMIT, autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute(_QUERY)
        rows = {name.lower(): value for name, value in cursor.fetchall()}
    return connection, {"status": rows.get("wsrep_cluster_status"), "state": int(rows.get("wsrep_local_state", 0)),
                        "uuid": rows.get("wsrep_cluster_state_uuid"), "size": int(rows.get("wsrep_cluster_size", 0)),
                        "conf": rows.get("wsrep_cluster_conf_id"), "member": rows.get("wsrep_gcomm_uuid"),
                        "committed": int(rows.get("wsrep_last_committed", -1)),
                        "born": round(time.time() - int(rows.get("uptime", 0)))}


def poll(name, address, user, password, lock):
    """Ask one server for ever. lock: held while a line is printed."""
    import pymysql
    connection, before = None, None
    while True:
        try:
            connection, answer = ask(pymysql, connection, user, password, address)
        except (pymysql.err.Error, OSError) as error:
            number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
            answer = {"status": None, "state": 0, "error": "%s %d" % (type(error).__name__, number)}
            if connection is not None:
                try:
                    connection.close()
                except (pymysql.err.Error, OSError):
                    pass
                connection = None
        compared = {key: value for key, value in answer.items() if key not in _VOLATILE}
        if compared != before:
            before = compared
            with lock:
                sys.stdout.write(json.dumps(dict(answer, node=name, at=round(time.time(), 2))) + "\n")
                sys.stdout.flush()
        time.sleep(EVERY)


def main(argv):
    """Entry of the poller process."""
    user, password_file = argv[:2]
    with open(password_file, encoding="utf-8") as file:
        password = file.read().strip()
    lock = threading.Lock()
    threads = [threading.Thread(target=poll, args=tuple(target.split("=")) + (user, password, lock))
               for target in argv[2:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(sys.argv[1:])
