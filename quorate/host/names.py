# SPDX-License-Identifier: Apache-2.0
"""Names of machines looked up, and connected to, within a limit of time.

getaddrinfo has none: with a name server that is silent it takes 5 s for each server and attempt (resolv.conf(5)), which is
more than the time of a monitor; and name servers are away when the machines are that they run on.
"""

import _thread
import socket
from time import monotonic


class Unresolved(OSError):
    """A name that was not resolved in time: nothing is known of the machine."""


def lookup(host, port, seconds, resolve=socket.getaddrinfo):
    """What getaddrinfo gives for a TCP server, within so many seconds. Raises OSError; Unresolved: not in time."""
    done, found = _thread.allocate_lock(), []
    done.acquire()

    def work():
        try:
            # Bytes: for a name that is text Python imports its IDNA codec, and re with it.
            found.append(resolve(host.encode(), port, 0, socket.SOCK_STREAM))
        except Exception as error:
            found.append(error)
        done.release()

    if numeric(host):
        work()
    else:
        try:
            _thread.start_new_thread(work, ())
        except RuntimeError as error:  # a limit of processes
            raise Unresolved("the name %s was not looked up (%s)" % (host, error)) from None
    if not done.acquire(timeout=max(0.0, seconds)):
        raise Unresolved("the name %s was not resolved within %.2g s" % (host, seconds))
    if isinstance(found[0], OSError):
        raise found[0]
    if isinstance(found[0], Exception):
        raise Unresolved("%s is no name of a machine (%s)" % (host, found[0]))
    return found[0]


def numeric(host):
    """Whether this is an address, for which nobody has to be asked."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
            return True
        except (OSError, ValueError):
            continue
    return False


def connect(host, port, seconds):
    """A socket connected to a TCP server, within so many seconds in all. Raises OSError as socket.create_connection does."""
    end, trouble = monotonic() + seconds, None
    for family, kind, protocol, _, where in lookup(host, port, seconds):
        one = socket.socket(family, kind, protocol)
        try:
            one.settimeout(max(0.01, end - monotonic()))
            one.connect(where)
            return one
        except OSError as error:
            trouble = error
            one.close()
    raise trouble or OSError("there is no address of %s" % host)
