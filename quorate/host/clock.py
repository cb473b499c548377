# SPDX-License-Identifier: Apache-2.0
"""The clock, as a thing that can be passed in."""

import time


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
