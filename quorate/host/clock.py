# SPDX-License-Identifier: Apache-2.0
"""The clock, as a thing that can be passed in."""

import time

DEFAULT_TIMEOUT = 20.0  # seconds; Pacemaker's own default for an operation
RESERVE_SHARE = 0.1     # of the timeout, kept to finish in and to say why ...
RESERVE_MOST = 5.0      # ... but never more seconds than this


class Clock:
    """The machine's clock."""

    __slots__ = ()

    def now(self):
        """Unix time in seconds. May jump; for time stamps that leave this machine, never for waiting."""
        return time.time()

    def monotonic(self):
        """Seconds since some point; never goes back."""
        return time.monotonic()

    def sleep(self, seconds):
        if seconds > 0:
            time.sleep(seconds)


class Deadline:
    """A point in time that every wait of an action shares."""

    __slots__ = ("clock", "_end")

    def __init__(self, clock, seconds):
        self.clock = clock
        self._end = clock.monotonic() + seconds

    def left(self):
        """Seconds left, 0.0 once it is over."""
        return max(0.0, self._end - self.clock.monotonic())

    def limit(self, seconds):
        """The shorter of `seconds` and what is left: what to give to a command or a socket."""
        return min(seconds, self.left())

    @property
    def expired(self):
        return self.left() <= 0.0

    def part(self, seconds):
        """A deadline of its own for one step: at most `seconds`, and never later than this one."""
        return Deadline(self.clock, self.limit(seconds))

    def poll(self, condition, every=0.1, up_to=None):
        """Call `condition` until it returns something true, and return that.

        At the deadline, or after `up_to` seconds if that is sooner, return the last (false) answer. The condition is
        asked at least once, and once more at the very end.
        """
        end = self if up_to is None else self.part(up_to)
        while True:
            last_round = end.expired
            answer = condition()
            if answer or last_round:
                return answer
            self.clock.sleep(end.limit(every))
