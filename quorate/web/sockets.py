# SPDX-License-Identifier: Apache-2.0
"""The listening socket: from systemd (Accept=no), from xinetd (wait = yes), or our own; and notifications to
systemd."""

import os
import socket
import stat

FIRST_PASSED = 3  # SD_LISTEN_FDS_START
READY_PATIENCE = 5.0  # seconds for the service manager to take READY=1
BACKLOG = 4096    # connections that wait to be accepted; net.core.somaxconn limits it


def from_systemd(environ=os.environ):
    """(HTTP sockets, sockets named 'agent') that systemd passed to this very process, by sd_listen_fds(3)."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return [], []
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    http, agents = [], []
    count = environ.get("LISTEN_FDS", "")
    for number in range(int(count) if count.isdigit() else 0):
        one = socket.socket(fileno=FIRST_PASSED + number)
        (agents if number < len(names) and names[number] == "agent" else http).append(one)
    return http, agents


def standard_input():
    """The socket that is file descriptor 0, as xinetd and inetd pass it; else None. A connected socket of the Unix
    family is none of theirs: sshd gives one to the commands it runs."""
    try:
        if not stat.S_ISSOCK(os.fstat(0).st_mode):
            return None
        one = socket.socket(fileno=os.dup(0))
    except OSError:
        return None
    return one if is_listening(one) or one.family in (socket.AF_INET, socket.AF_INET6) else None


def is_listening(one):
    """Whether a socket accepts connections; else it is a connection (systemd's Accept=yes, xinetd's wait = no)."""
    return bool(one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def port(one):
    """The port that a socket listens on; None for one of the Unix family."""
    address = one.getsockname()
    return address[1] if isinstance(address, tuple) and len(address) > 1 else None


def silence():
    """Put /dev/null in place of the socket on 0, 1 and 2: under xinetd it is all three, and what we print would go to a
    client. A standard error that is something else stays."""
    passed = _identity(0)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        if _identity(number) == passed:
            os.dup2(null, number)
    if null > 2:
        os.close(null)


def _identity(number):
    try:
        found = os.fstat(number)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def listen(address):
    """A listening socket on 'HOST:PORT', '[V6]:PORT' or 'PORT' (all addresses of both families). Raises OSError or
    ValueError."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("not HOST:PORT: '%s'" % address)
    if not host and socket.has_dualstack_ipv6():
        return socket.create_server(("", int(port)), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
    family, kind, protocol, _, resolved = socket.getaddrinfo(host or None, int(port), 0, socket.SOCK_STREAM, 0,
                                                             socket.AI_PASSIVE)[0]
    one = socket.socket(family, kind, protocol)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(resolved)
    one.listen(BACKLOG)
    return one


def notify(text, environ=os.environ):
    """sd_notify(3): READY=1, WATCHDOG=1, STATUS=... Nothing without a service manager."""
    path = environ.get("NOTIFY_SOCKET")
    if not path:
        return
    if path.startswith("@"):
        path = "\0" + path[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        # A service manager may be busy and not read for a minute, and no client shall wait for an answer that long.
        # READY=1 is sent once, before there are clients, so it may wait.
        one.settimeout(READY_PATIENCE if text.startswith("READY") else 0)
        try:
            one.sendto(text.encode(), path)
        except OSError:
            pass  # the check works without it
