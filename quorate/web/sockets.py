# SPDX-License-Identifier: Apache-2.0
"""Where the listening socket comes from: systemd (Accept=no), xinetd (wait = yes), or our own; and telling systemd."""

import os
import socket
import stat

FIRST_PASSED = 3  # SD_LISTEN_FDS_START


def from_systemd(environ=os.environ):
    """Sockets that systemd passed to this very process, by sd_listen_fds(3); []. Those named 'agent' come second."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return [], []
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    http, agents = [], []
    for number in range(int(environ.get("LISTEN_FDS", "0"))):
        one = socket.socket(fileno=FIRST_PASSED + number)
        (agents if number < len(names) and names[number] == "agent" else http).append(one)
    return http, agents


def standard_input():
    """('listening' or 'connected', socket) when file descriptor 0 is one, as xinetd and inetd hand it over; else (None, None)."""
    try:
        if not stat.S_ISSOCK(os.fstat(0).st_mode):
            return None, None
        one = socket.socket(fileno=os.dup(0))
        if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return "listening", one
        one.getpeername()
        return "connected", one
    except OSError:
        return None, None


def silence():
    """Put /dev/null on 0, 1 and 2: under xinetd all three are the socket, and a stray word would go to a client."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    if null > 2:
        os.close(null)


def listen(address):
    """A listening socket on 'HOST:PORT', '[V6]:PORT' or 'PORT' (all addresses). Raises OSError or ValueError."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("not HOST:PORT: '%s'" % address)
    family, kind, protocol, _, where = socket.getaddrinfo(host or None, int(port), 0, socket.SOCK_STREAM, 0,
                                                          socket.AI_PASSIVE)[0]
    one = socket.socket(family, kind, protocol)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(where)
    one.listen(4096)
    return one


def notify(text, environ=os.environ):
    """sd_notify(3): READY=1, WATCHDOG=1, STATUS=... Nothing without a service manager."""
    path = environ.get("NOTIFY_SOCKET")
    if not path:
        return
    if path.startswith("@"):
        path = "\0" + path[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        try:
            one.sendto(text.encode(), path)
        except OSError:
            pass  # it is told for its sake, not for ours
