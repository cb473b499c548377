# SPDX-License-Identifier: Apache-2.0
"""What every kind of fault consists of."""

import time
from typing import Callable, NamedTuple


class Fault(NamedTuple):
    """One kind of fault. weight: how often, among all; limit: seconds in which the cluster must be whole again; inject:
    does it, ends it, and returns what was done to whom."""

    name: str
    weight: int
    limit: float
    inject: Callable


def wait_for(condition, timeout, every=0.5):
    """Poll condition() each `every` seconds; whether it became true within `timeout` seconds."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True
