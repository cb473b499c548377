# SPDX-License-Identifier: Apache-2.0
"""When an action has to be over.

Pacemaker kills the whole process group with SIGKILL at the timeout, and what the agent had to say is lost. An action
therefore ends a little earlier, by itself, with a reason.
"""

DEFAULT_TIMEOUT = 20.0  # seconds; Pacemaker's own default for an operation
RESERVE_SHARE = 0.1     # of the timeout, kept to finish in and to say why ...
RESERVE_MOST = 5.0      # ... but never more seconds than this


def action_seconds(timeout_ms):
    """Seconds an action may use, from OCF_RESKEY_CRM_meta_timeout (text, milliseconds; None or nonsense: the default)."""
    try:
        timeout = int(timeout_ms) / 1000.0
    except (TypeError, ValueError):
        timeout = 0.0
    if timeout <= 0:
        timeout = DEFAULT_TIMEOUT
    return timeout - min(RESERVE_MOST, timeout * RESERVE_SHARE)


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
