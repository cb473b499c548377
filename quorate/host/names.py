# SPDX-License-Identifier: Apache-2.0
"""Host names resolved, and connections made by name, within a limit of time.

getaddrinfo has no limit: with a name server that does not answer it takes 5 s for each server and attempt
(resolv.conf(5)), which is longer than a monitor may take; and a name server is away when the machine is that it runs
on.
"""

import _thread  # threading costs a millisecond, and nothing waits for the end of this thread
import errno
import os
import socket
from time import monotonic


STAGGER = 0.25  # seconds until the next address is tried beside the first (RFC 8305, section 5), at most
NO_WAY = (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT)


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


def connect(host, port, seconds, resolve=socket.getaddrinfo):
    """A socket connected to a TCP server, within so many seconds in all. Raises OSError as socket.create_connection
    does.

    Of a name with several addresses the next one is tried beside those that have not answered, as RFC 8305 has it: an
    address whose packets are dropped (IPv6 without a route on the way, a node that is off) would take all the time.
    """
    end = monotonic() + seconds
    places = list(dict.fromkeys(one[:3] + one[4:] for one in lookup(host, port, seconds, resolve)))
    if len(places) > 1:
        return _first(places, end)
    for family, kind, protocol, address in places:
        one = socket.socket(family, kind, protocol)
        try:
            one.settimeout(max(0.01, end - monotonic()))
            one.connect(address)
            return one
        except OSError:
            one.close()
            raise
    raise OSError("%s has no address" % host)


def _first(places, end):
    """A socket that is connected to the first of these (family, kind, protocol, address) that answers."""
    import select
    share = max(0.01, (end - monotonic()) / (len(places) + 1))
    waiting, failures, following = {}, [], list(places)
    begin = monotonic()
    poll = select.poll()
    try:
        while (waiting or following) and monotonic() < end:
            if following and (not waiting or monotonic() >= begin):
                begin = monotonic() + min(STAGGER, share)
                _begin(following.pop(0), waiting, failures, poll)
                continue
            until = min(begin, end) if following else end
            for number, _event in poll.poll(max(1, int((until - monotonic()) * 1000))):
                one = waiting.pop(number)
                poll.unregister(number)
                error = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not error:
                    one.settimeout(max(0.01, end - monotonic()))
                    return one
                one.close()
                failures.append(OSError(error, os.strerror(error)))
        raise _worst(failures, bool(waiting or following))
    finally:
        for one in waiting.values():
            one.close()


def _begin(place, waiting, failures, poll):
    """Begin a connection, which is then in `waiting`, or its error in `failures`."""
    try:
        one = socket.socket(*place[:3])
    except OSError as error:
        failures.append(error)
        return
    one.setblocking(False)
    error = one.connect_ex(place[3])
    if error in (0, errno.EINPROGRESS):
        waiting[one.fileno()] = one
        poll.register(one, 4)  # POLLOUT; an error is always told
    else:
        one.close()
        failures.append(OSError(error, os.strerror(error)))


def _worst(failures, silent):
    """The error of a connection that none of the addresses accepted. Refused is only what all refuse: an address that
    was silent is unknown. What this machine has no way to (an IPv6 address, without IPv6) does not count."""
    if silent:
        return socket.timeout("timed out")
    known = [one for one in failures if one.errno not in NO_WAY] or failures
    return next((one for one in known if not isinstance(one, ConnectionRefusedError)), known[0])
