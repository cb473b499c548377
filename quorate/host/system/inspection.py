# SPDX-License-Identifier: Apache-2.0
"""What a running process shows of itself: its environment, its listening sockets, its open files. By psutil, whose
import takes 20 ms of CPU: so not for a monitor or a check of a service that is well, which has host.process and
host.connections. The sockets are read by the latter here, too: psutil looks them up in the network namespace of whoever
asks, in which those of another one do not exist.

Each function takes a quorate.host.process.Process, and answers None where nothing can be found out: it has ended, its
pid belongs to another process by now, only root or its owner may look, or there is no psutil.
"""

import os
from collections import namedtuple


class Address(namedtuple("Address", "host port")):
    """host: the address of a listening socket as text, '0.0.0.0' or '::' for all of a family; port: number."""

    __slots__ = ()


class OpenFile(namedtuple("OpenFile", "path number appends")):
    """A regular file that is open: path; number of the descriptor; appends: everything written goes to its end."""

    __slots__ = ()


def environment(process):
    """Dict of the environment with which the process started."""
    return _ask(process, lambda one: one.environ())


def listening(process):
    """A sorted list of the Addresses of its listening TCP sockets."""
    from quorate.host.connections import LISTEN, Connections
    from quorate.host.process import Processes
    found = Connections().of(process.pid)
    if found is None or Processes().gone(process):  # the pid may have been used again meanwhile
        return None
    return sorted({Address(one.address, one.port) for one in found if one.state == LISTEN})


def open_files(process):
    """A list of the OpenFiles."""
    return _ask(process, lambda one: [OpenFile(found.path, found.fd, found.mode.startswith("a"))
                                      for found in one.open_files()])


def _ask(process, question):
    from quorate.host.process import Processes
    try:
        import psutil
    except ImportError:  # not installed, or of another Python: no reason to call a service that is well broken
        return None
    try:
        answer = question(psutil.Process(process.pid))
    except (psutil.Error, OSError, ValueError):
        return None
    now = Processes().get(process.pid)  # after the question: the pid may have been used again meanwhile
    return answer if now is not None and now.start == process.start else None


def both_families(proc="/proc"):
    """Whether a socket that listens on '::' accepts IPv4 as well (ip(7), bindv6only)."""
    try:
        with open(os.path.join(proc, "sys/net/ipv6/bindv6only"), encoding="ascii") as file:
            return file.read().strip() != "1"
    except OSError:
        return True
