# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, with a limit."""

import threading
import time


def within(seconds, condition):
    """Whether the condition comes true in that time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def ends(seconds, function):
    """What a function returns, or raises; fails when it does not end in that time (far more than it may take)."""
    found = []

    def work():
        try:
            found.append((function(), None))
        except BaseException as error:
            found.append((None, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    assert found, "it has not ended within %g s" % seconds
    if found[0][1] is not None:
        raise found[0][1]
    return found[0][0]
