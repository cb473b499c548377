# SPDX-License-Identifier: Apache-2.0
"""What is done to a cluster, and how long its servers take to recover, by their own answers (bench/galera/watch.py)."""

import random
import signal
import time
from typing import NamedTuple, Optional

from bench.galera import sides
from bench.galera.watch import all_down, all_synced, any_synced
from lab import LabError
from lab.services import galera

LIMIT = 330.0           # seconds after which a case is given up
NOTICED = 10.0          # seconds within which the watch has to notice a signal to a server
BETWEEN_MONITORS = 12.0  # a kill comes at a random moment of these seconds: longer than a monitor's interval


class Timing(NamedTuple):
    """One measurement. seconds None: not within `limit`."""

    case: str
    side: str
    seconds: Optional[float]
    limit: float
    note: str = ""


class Bench:
    """Runs cases and keeps their timings. say: called with a line for each timing."""

    def __init__(self, lab, watcher, say, seed):
        self.lab, self.watcher, self.say = lab, watcher, say
        self.random = random.Random(seed)
        self.timings = []
        self.problems = []

    def note(self, case, side, seconds, note="", limit=LIMIT):
        self.timings.append(Timing(case, side.label, seconds, limit, note))
        self.say("%-34s %-9s %s %s" % (case, side.label, "more than %.0f s" % limit if seconds is None else "%.1f s"
                                       % seconds, note))
        return seconds is not None

    def settle(self):
        sides.settle(self.lab, self.watcher, all_synced)

    def cold(self, side):
        """Three empty nodes, timed from `pcs resource create`. Whether all came up."""
        began = sides.create(self.lab, side)
        self.note("cold bootstrap, first synced", side, self.watcher.until(any_synced, began, LIMIT))
        return self.note("cold bootstrap, all synced", side, self.watcher.until(all_synced, began, LIMIT))

    def restart(self, side):
        """pcs resource disable, then enable."""
        self.settle()
        began, first = time.monotonic(), self.lab.node_names[0]
        self.lab.check(first, ["pcs", "resource", "disable", galera.RESOURCE])
        if not self.note("disable, all stopped", side, self.watcher.until(all_down, began, LIMIT)):
            return False
        self.lab.run(first, ["crm_resource", "--wait", "--timeout=60s"], 70)
        began = time.monotonic()
        self.lab.check(first, ["pcs", "resource", "enable", galera.RESOURCE])
        return self.note("enable, all synced", side, self.watcher.until(all_synced, began, LIMIT))

    def _hit(self, case, side, number, nodes):
        """Send a signal at a random moment and wait until all are synced again."""
        self.settle()
        time.sleep(self.random.uniform(0, BETWEEN_MONITORS))
        fenced = len(self.watcher.cuts)
        began = self.watcher.signal(number, *nodes)
        self.watcher.until(lambda states: not any(states[name].startswith("synced-") for name in nodes), began, NOTICED)
        seconds = self.watcher.until(all_synced, began, LIMIT)
        if not self.lab.nodes:  # raises as well: a lab that is gone is no result of an agent
            raise LabError("lab %s has no nodes" % self.lab.name)
        cut = [name for name, _ in self.watcher.cuts[fenced:]]
        return self.note(case, side, seconds, "went off (fenced): " + ", ".join(cut) if cut else ""
                         if seconds is not None else self.watcher.text())

    def kill_one(self, side):
        return self._hit("SIGKILL of one", side, signal.SIGKILL, [self.random.choice(self.lab.node_names)])

    def kill_all(self, side):
        return self._hit("SIGKILL of all three", side, signal.SIGKILL, self.lab.node_names)

    def stop_one(self, side):
        """A server that hangs."""
        return self._hit("SIGSTOP of one", side, signal.SIGSTOP, [self.random.choice(self.lab.node_names)])

    def round(self, side, plan):
        """A new cluster under `side`, and the cases of `plan` on it, names of methods. Ends at the first that is given
        up."""
        try:
            sides.take_down(self.lab, self.watcher)
            if self.cold(side):
                for name in plan:
                    if not getattr(self, name)(side):
                        break
        except LabError as error:
            self.problems.append("%s: a round ended early: %s" % (side.label, error))
            self.say(self.problems[-1])
