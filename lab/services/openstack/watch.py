# SPDX-License-Identifier: Apache-2.0
"""What runs where, ten times a second on all nodes, read from the kernel: neither Pacemaker nor our agent is asked."""

import os
import threading
import time

from lab.machines import cgroups, machine

EVERY = 0.1  # seconds
YOUNG = 1.0  # seconds for which a process may still become another program


def service_of(argv, names):
    """Which of `names` a command line runs, None: none of them. An agent, a shell or an init script is not the service."""
    for word in argv[:2]:
        name = os.path.basename(word)
        if name in names and not word.startswith("/etc/init.d/"):
            return name
    return None


class Watch:
    """Samples until close(). `samples`: how many; `slowest`: the longest pause between two; `changes`: each new picture as
    (unix seconds, {service: {node: number of processes}}); `doubles`: those with a service on two nodes."""

    def __init__(self, lab, names):
        self._lab, self._names, self._known = lab, frozenset(names), {}
        self.samples, self.slowest, self.changes, self.doubles = 0, 0.0, [], []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def now(self):
        """The last picture."""
        return self.changes[-1][1] if self.changes else {}

    def processes(self, node, service):
        """{pid as the host numbers it: pid of its parent} of the service on `node`, looked at now."""
        found = {}
        for pid in cgroups.processes(machine.group(self._lab.name, node)):
            try:
                with open("/proc/%d/cmdline" % pid, "rb") as file:
                    argv = file.read().decode("utf-8", "replace").split("\0")
                if service_of(argv, (service,)):
                    with open("/proc/%d/stat" % pid, "rb") as file:
                        found[pid] = int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, IndexError):
                continue
        return found

    def _run(self):
        last = time.monotonic()
        while not self._ended.wait(max(0.0, last + EVERY - time.monotonic())):
            now = time.monotonic()
            if self.samples:
                self.slowest = max(self.slowest, now - last)
            last = now
            picture = self._sample(now)
            self.samples += 1
            if not self.changes or self.changes[-1][1] != picture:
                self.changes.append((time.time(), picture))
                if any(len(nodes) > 1 for nodes in picture.values()):
                    self.doubles.append(self.changes[-1])

    def _sample(self, now):
        picture, seen = {}, {}
        for node in self._lab.node_names:
            for pid in cgroups.processes(machine.group(self._lab.name, node)):
                service, since = self._known.get((node, pid), (None, now))
                if now - since < YOUNG:
                    try:
                        with open("/proc/%d/cmdline" % pid, "rb") as file:
                            service = service_of(file.read().decode("utf-8", "replace").split("\0"), self._names)
                    except OSError:
                        continue
                seen[node, pid] = (service, since)
                if service:
                    counts = picture.setdefault(service, {})
                    counts[node] = counts.get(node, 0) + 1
        self._known = seen
        return picture

    def close(self):
        """End it."""
        self._ended.set()
        self._thread.join()
