# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, with a limit."""

import time


def within(seconds, condition):
    """Whether the condition comes true in that time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
