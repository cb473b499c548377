# SPDX-License-Identifier: Apache-2.0
"""The states of the nodes' own database servers, from bench/galera/node_watch.py in every node of the lab."""

import os
import subprocess
import threading
import time

from lab import ROOT, LabError

_SCRIPT = os.path.join(ROOT, "bench", "galera", "node_watch.py")
OFF = "off"


class Watcher:
    """Watches the servers of all nodes inside `with`. states: {node: state}."""

    def __init__(self, lab):
        self.lab = lab
        self.states = {name: OFF for name in lab.node_names}
        self.cuts = []          # (node, time) of nodes that went off: fenced, unless the benchmark cut their power
        self._sent = {}
        self._processes = {}
        self._changed = threading.Condition()
        self._ending = False

    def __enter__(self):
        for name in self.lab.node_names:
            threading.Thread(target=self._attend, args=(name,), daemon=True).start()
        return self

    def __exit__(self, *exc):
        self._ending = True
        for process in list(self._processes.values()):
            process.kill()

    def _attend(self, name):
        with open(_SCRIPT, encoding="utf-8") as file:
            script = file.read()
        while not self._ending:
            try:
                process = self.lab.popen(name, ["/usr/bin/python3", "-c", script], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1)
            except (LabError, OSError):
                time.sleep(0.2)
                continue
            self._processes[name] = process
            for line in process.stdout:
                self._take(name, line.split())
            process.wait()
            if not self._ending:
                self._note(name, OFF)
                with self._changed:
                    self.cuts.append((name, time.monotonic()))
                time.sleep(0.2)

    def _take(self, name, words):
        if words[0] == "state":
            self._note(name, words[2])
        elif words[0] == "sent":
            with self._changed:
                self._sent[name] = (float(words[1]), int(words[3]))
                self._changed.notify_all()

    def _note(self, name, state):
        with self._changed:
            self.states[name] = state
            self._changed.notify_all()

    def signal(self, number, *nodes):
        """Send a signal to the servers of `nodes`; the monotonic time of the first. LabError if a node has no
        server."""
        with self._changed:
            self._sent.clear()
            for name in nodes:
                self._processes[name].stdin.write("signal %d\n" % number)
            end = time.monotonic() + 10
            while set(self._sent) != set(nodes):
                if not self._changed.wait(max(0.01, end - time.monotonic())) and time.monotonic() > end:
                    raise LabError("the watch in %s does not answer" % ", ".join(set(nodes) - set(self._sent)))
            for name in nodes:
                if not self._sent[name][1]:
                    raise LabError("no database server runs on %s" % name)
            return min(at for at, _ in self._sent.values())

    def until(self, condition, since, limit):
        """Wait until condition(states) holds; the seconds from `since` (monotonic) till then, None after `limit`."""
        with self._changed:
            while not condition(self.states):
                left = since + limit - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)
            return time.monotonic() - since

    def text(self):
        """The states, for a message."""
        return ", ".join("%s %s" % pair for pair in sorted(self.states.items()))


def all_synced(states):
    """Every node synced, in one component of them all."""
    return all(state == "synced-%d" % len(states) for state in states.values())


def any_synced(states):
    """At least one is synced."""
    return any(state.startswith("synced-") for state in states.values())


def all_down(states):
    """No server runs."""
    return all(state == "down" for state in states.values())
