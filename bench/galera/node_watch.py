# SPDX-License-Identifier: Apache-2.0
"""Runs inside a node: queries the node's own database server twenty times a second and prints each change.

Lines on standard output: `state MONOTONIC STATE`, where STATE is synced-N (N members), another state in lower case,
silent, or down. The monotonic clock is the kernel's, so the times of all nodes and of the host compare. Lines on
standard input: `signal NUMBER` sends that signal to every mariadbd of the node, answered by `sent MONOTONIC NUMBER
COUNT`. Started by `python3 -c`, with nothing of this project on the node.
"""

import glob
import os
import select
import sys
import time

import pymysql

EVERY = 0.05
TIMEOUT = 0.5  # seconds without an answer after which a server is silent
SOCKET = "/run/mysqld/mysqld.sock"
QUERY = "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_local_state', 'wsrep_cluster_status', 'wsrep_cluster_size')"
STATES = {"1": "joining", "2": "donor", "3": "joined"}


class Watch:
    """One connection, which is made again after an error."""

    def __init__(self):
        self.connection = None

    def observe(self):
        """The server's state."""
        try:
            if self.connection is None:
                self.connection = pymysql.connect(unix_socket=SOCKET, user="root", connect_timeout=TIMEOUT,
                                                  read_timeout=TIMEOUT, autocommit=True)
            with self.connection.cursor() as cursor:
                cursor.execute(QUERY)
                values = {name.lower(): value for name, value in cursor.fetchall()}
        except Exception as error:
            self._drop()
            return "silent" if "timed out" in str(error) else "down"
        if values.get("wsrep_cluster_status") != "Primary":
            return "non-primary"
        if values["wsrep_local_state"] == "4":
            return "synced-" + values["wsrep_cluster_size"]
        return STATES.get(values["wsrep_local_state"], "starting")

    def _drop(self):
        if self.connection is not None:
            try:
                self.connection._force_close()
            except Exception:
                pass
        self.connection = None


def servers():
    """pids of the node's database servers."""
    found = []
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            with open(path, encoding="ascii") as file:
                if file.read().strip() in ("mariadbd", "mysqld"):
                    found.append(int(path.split("/")[2]))
        except OSError:
            pass
    return found


def say(*words):
    print(*words, flush=True)


def obey(line):
    """Carry out a line of standard input."""
    word, number = line.split()
    if word == "signal":
        found = servers()
        now = time.monotonic()
        for pid in found:
            os.kill(pid, int(number))
        say("sent", "%.3f" % now, number, len(found))


def main():
    watch, before = Watch(), None
    while True:
        ready, _, _ = select.select([sys.stdin], [], [], EVERY)
        if ready:
            line = sys.stdin.readline()
            if not line:
                return
            obey(line)
        state = watch.observe()
        if state != before:
            say("state", "%.3f" % time.monotonic(), state)
            before = state


main()
