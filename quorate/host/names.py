# SPDX-License-Identifier: Apache-2.0
"""Host names resolved, and connections made by name, within a limit of time.

getaddrinfo has no limit: with a name server that does not answer it takes 5 s for each server and attempt
(resolv.conf(5)), which is longer than a monitor may take; and a name server is away when the machine is that it runs
on.
"""

import _thread  # threading costs a millisecond, and nothing waits for the end of this thread
import socket
from time import monotonic


class Unresolved(OSError):
    """A name that was not resolved: nothing is known about the machine."""


def lookup(host, port, seconds, resolve=socket.getaddrinfo):
    """The result of getaddrinfo for a TCP server, within so many seconds. Raises OSError; Unresolved: not in time."""
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
        except RuntimeError as error:  # the limit of processes is reached
            raise Unresolved("the name %s cannot be resolved: no thread (%s)" % (host, error)) from None
    if not done.acquire(timeout=max(0.0, seconds)):
        raise Unresolved("the name %s was not resolved within %.2g s" % (host, seconds))
    if isinstance(found[0], OSError):
        raise found[0]
    if isinstance(found[0], Exception):
        raise Unresolved("%s is not a valid host name (%s)" % (host, found[0]))
    return found[0]


def numeric(host):
    """Whether this is an address, which needs no name server."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
            return True
        except (OSError, ValueError):
            continue
    return False


def connect(host, port, seconds):
    """A socket connected to a TCP server, within so many seconds in all. Raises OSError as socket.create_connection
    does."""
    end, failure = monotonic() + seconds, None
    for family, kind, protocol, _, address in lookup(host, port, seconds):
        one = socket.socket(family, kind, protocol)
        try:
            one.settimeout(max(0.01, end - monotonic()))
            one.connect(address)
            return one
        except OSError as error:
            failure = error
            one.close()
    raise failure or OSError("%s has no address" % host)
