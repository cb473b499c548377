# SPDX-License-Identifier: Apache-2.0
"""The thread that asks the service. All clients are answered from what it found last."""

import threading
from time import monotonic

from quorate.web.check import NOTHING_YET


class Poller(threading.Thread):
    """Observes the service, waits for the check's interval, and repeats. `fact` is replaced as a whole, so readers need
    no lock."""

    def __init__(self, check, drain_reason):
        """drain_reason(): why this service drains, or None."""
        threading.Thread.__init__(self, daemon=True)
        self.fact, self.asked, self.version = NOTHING_YET, monotonic(), 0
        self._check, self._drain_reason = check, drain_reason
        self.observed, self.ended = threading.Event(), threading.Event()

    def run(self):
        while not self.ended.is_set():
            self.observe()
            self.ended.wait(self._check.interval)

    def observe(self):
        """Observe the service and the flags of a drain once."""
        fact = self._check.observe(self._check.timeout, self.fact)._replace(draining=self._drain_reason())
        self.asked = monotonic()
        if self._answer_key(fact) != self._answer_key(self.fact):
            self.version += 1
        self.fact = fact
        self.observed.set()

    def _answer_key(self, fact):
        """What answers depend on: when it changes, `version` does."""
        return fact.health, fact.draining, fact.status is not None and self._check.fact_cache_key(fact)

    def is_stalled(self):
        """Whether no observation has been completed for too long: the poller hangs where it has no deadline (a name
        server)."""
        return monotonic() - self.asked > self._check.stalled_after
