# SPDX-License-Identifier: Apache-2.0
"""The thread that asks the service; everybody else is answered from what it found last."""

import threading
from time import monotonic

from quorate.web.check import NOTHING_YET


class Poller(threading.Thread):
    """Looks again and again. `fact` is replaced as a whole, so readers need no lock."""

    def __init__(self, check, mark):
        """mark(): the reason of a drain, or None."""
        threading.Thread.__init__(self, daemon=True)
        self.fact, self.asked, self.version = NOTHING_YET, monotonic(), 0
        self._check, self._mark = check, mark
        self.observed, self.ended = threading.Event(), threading.Event()

    def run(self):
        while not self.ended.is_set():
            self.observe()
            self.ended.wait(self._check.interval)

    def observe(self):
        """One look: at the service, and at the mark of a drain."""
        fact = self._check.observe(self._check.timeout, self.fact)._replace(draining=self._mark())
        self.asked = monotonic()
        if self._deciding(fact) != self._deciding(self.fact):
            self.version += 1
        self.fact = fact
        self.observed.set()

    def _deciding(self, fact):
        return fact.health, fact.draining, fact.status is not None and self._check.fact_cache_key(fact)

    def stuck(self):
        """Whether no look has come to an end for too long: the poller hangs where it has no deadline (a name server)."""
        return monotonic() - self.asked > self._check.stuck
