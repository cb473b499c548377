# SPDX-License-Identifier: Apache-2.0
"""The machine's clock, and the deadline that all waits of an action share. Both are passed in, so that tests replace
them."""

import time


class Clock:
    """The machine's clock."""

    __slots__ = ()

    def now(self):
        """Unix time in seconds. It may be set: for time stamps that leave this machine, never for waiting."""
        return time.time()

    def monotonic(self):
        """Seconds since some point in the past; never goes back."""
        return time.monotonic()

    def sleep(self, seconds):
        if seconds > 0:
            time.sleep(seconds)


class Deadline:
    """The time at which an action has to be over. Every wait and every command of the action is limited by it."""

    __slots__ = ("clock", "_end")

    def __init__(self, clock, seconds):
        self.clock = clock
        self._end = clock.monotonic() + seconds

    def left(self):
        """Seconds left; 0.0 once it has passed."""
        return max(0.0, self._end - self.clock.monotonic())

    def limit(self, seconds):
        """The shorter of `seconds` and what is left: the time limit for a command or a socket."""
        return min(seconds, self.left())

    @property
    def expired(self):
        return self.left() <= 0.0

    def part(self, seconds):
        """A Deadline for one step: `seconds` from now, and never later than this one."""
        return Deadline(self.clock, self.limit(seconds))

    def poll(self, condition, every=0.1, up_to=None):
        """Call `condition` until it returns something true, and return that.

        At the deadline, or after `up_to` seconds if that is sooner, return the last (false) answer. The condition is
        called at least once, and once more at the very end. every: seconds between two calls.
        """
        end = self if up_to is None else self.part(up_to)
        while True:
            last_round = end.expired
            answer = condition()
            if answer or last_round:
                return answer
            self.clock.sleep(end.limit(every))
