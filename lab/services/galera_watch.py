# SPDX-License-Identifier: Apache-2.0
"""What the database servers themselves say, all the time: the eyes of the campaign and of the lab's tests.

    python3 -m lab.services.galera_watch USER PASSWORD_FILE n1=ADDRESS n2=ADDRESS ...

Run in the lab's network, asks each server four times a second (each in its own thread: one that hangs delays nobody) and
prints a line of JSON whenever an answer differs from the one before. Nothing here asks Pacemaker or our agent.
"""

import json
import subprocess
import sys
import threading
import time

from lab import ROOT
from lab.services.galera_state import Seen

EVERY = 0.25
LIMIT = 1.0
_QUERY = ("SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_status','wsrep_local_state','wsrep_cluster_state_uuid',"
          "'wsrep_cluster_size','wsrep_last_committed','wsrep_cluster_conf_id','wsrep_gcomm_uuid','uptime')")
_VOLATILE = ("at", "committed")


def answer(pymysql, connection, user, password, address):
    """(connection, what the server says as a dict)."""
    if connection is None:
        connection = pymysql.connect(host=address, user=user, password=password, connect_timeout=LIMIT, read_timeout=LIMIT,
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
    """Ask one server for ever."""
    import pymysql
    connection, before = None, None
    while True:
        try:
            connection, seen = answer(pymysql, connection, user, password, address)
        except (pymysql.err.Error, OSError) as error:
            number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
            seen = {"status": None, "state": 0, "error": "%s %d" % (type(error).__name__, number)}
            if connection is not None:
                try:
                    connection.close()
                except (pymysql.err.Error, OSError):
                    pass
                connection = None
        mark = {key: value for key, value in seen.items() if key not in ("committed", "born")}
        if mark != before:
            before = mark
            with lock:
                sys.stdout.write(json.dumps(dict(seen, node=name, at=round(time.time(), 2))) + "\n")
                sys.stdout.flush()
        time.sleep(EVERY)


class Watch:
    """Runs the poller beside the lab; `seen` is a dict node -> the last Seen."""

    def __init__(self, lab, user, password_file, journal=None):
        self.seen, self.history, self.journal = {}, [], journal
        self.changed = threading.Condition()
        targets = ["%s=%s" % (node.name, node.address) for node in lab.nodes]
        here = ROOT
        self.process = subprocess.Popen(
            lab.client(["setpriv", "--pdeathsig", "KILL", "/usr/bin/python3", "-m", "lab.services.galera_watch", user, password_file]
                       + targets),
            stdout=subprocess.PIPE, text=True, cwd=here, start_new_session=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            said = json.loads(line)
            seen = Seen(said["node"], said["at"], said["status"], said["state"], said.get("uuid"), said.get("size"),
                        said.get("conf"), said.get("member"), said.get("committed"), said.get("born"), said.get("error"))
            with self.changed:
                self.seen[seen.node] = seen
                self.history.append(seen)
                if self.journal:
                    self.journal.write(line)
                    self.journal.flush()
                self.changed.notify_all()

    def await_(self, condition, timeout):
        """Wait until condition(dict of Seen) is true; seconds it took, or None when it was not in time."""
        began = time.monotonic()
        with self.changed:
            while not condition(self.seen):
                left = began + timeout - time.monotonic()
                if left <= 0:
                    return None
                self.changed.wait(min(left, 0.5))
        return time.monotonic() - began

    def close(self):
        """End the poller."""
        self.process.terminate()
        self.process.wait()


def main(argv):
    """Entry of the poller process."""
    user, password_file = argv[:2]
    with open(password_file, encoding="utf-8") as file:
        password = file.read().strip()
    lock = threading.Lock()
    threads = [threading.Thread(target=poll, args=tuple(target.split("=")) + (user, password, lock)) for target in argv[2:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(sys.argv[1:])
