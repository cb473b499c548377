# SPDX-License-Identifier: Apache-2.0
"""Which service runs on which node, ten times a second, read from the kernel: neither Pacemaker nor our agent is
asked."""

import os
import threading
import time

from lab.machines import cgroups, machine

EVERY = 0.1  # seconds
YOUNG = 1.0  # seconds for which a process may still execute another program


def service_of(argv, names):
    """Which of `names` a command line runs, None: none of them. Agents, shells and init scripts are not the service."""
    for word in argv[:2]:
        name = os.path.basename(word)
        if name in names and not word.startswith("/etc/init.d/"):
            return name
    return None


class Watch:
    """Takes samples until close(). samples: how many; slowest: the longest pause between two, seconds; changes: each
    sample that differs from the one before, as (unix seconds, {service: {node: number of processes}}); doubles: those
    of them with a service on two nodes."""

    def __init__(self, lab, names):
        self._lab, self._names, self._known = lab, frozenset(names), {}
        self.samples, self.slowest, self.changes, self.doubles = 0, 0.0, [], []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def now(self):
        """The last sample: {service: {node: number of processes}}."""
        return self.changes[-1][1] if self.changes else {}

    def processes(self, node, service):
        """{pid on this machine: pid of its parent} of the service's processes on `node`, read now."""
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
            sample = self._sample(now)
            self.samples += 1
            if not self.changes or self.changes[-1][1] != sample:
                self.changes.append((time.time(), sample))
                if any(len(nodes) > 1 for nodes in sample.values()):
                    self.doubles.append(self.changes[-1])

    def _sample(self, now):
        sample, known = {}, {}
        for node in self._lab.node_names:
            for pid in cgroups.processes(machine.group(self._lab.name, node)):
                service, since = self._known.get((node, pid), (None, now))
                if now - since < YOUNG:
                    try:
                        with open("/proc/%d/cmdline" % pid, "rb") as file:
                            service = service_of(file.read().decode("utf-8", "replace").split("\0"), self._names)
                    except OSError:
                        continue
                known[node, pid] = (service, since)
                if service:
                    counts = sample.setdefault(service, {})
                    counts[node] = counts.get(node, 0) + 1
        self._known = known
        return sample

    def close(self):
        """Stop sampling."""
        self._ended.set()
        self._thread.join()
