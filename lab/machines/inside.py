# SPDX-License-Identifier: Apache-2.0
"""Calls from this process into the lab's network, as a client there would make them."""

import os
import threading

from lab import LabError


def in_network(lab, function):
    """The value of `function()`, called in a thread in the lab's network namespace: setns(2) moves one thread only."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    result = []

    def enter():
        try:
            with open("/run/netns/" + lab.namespace) as file:
                if libc.setns(file.fileno(), 0x40000000) != 0:  # CLONE_NEWNET
                    raise LabError("cannot enter the network of lab %s: %s"
                                   % (lab.name, os.strerror(ctypes.get_errno())))
            result.append((function(), None))
        except BaseException as error:  # goes to the caller
            result.append((None, error))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    value, error = result[0]
    if error is not None:
        raise error
    return value


class Inside:
    """Calls the methods of `target` in the lab's network."""

    def __init__(self, lab, target):
        self._lab, self._target = lab, target

    def __getattr__(self, name):
        value = getattr(self._target, name)
        if not callable(value):
            return value
        return lambda *args, **more: in_network(self._lab, lambda: value(*args, **more))
