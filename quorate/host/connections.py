# SPDX-License-Identifier: Apache-2.0
"""TCP sockets of processes, as the kernel has them: /proc/PID/fd says which, /proc/PID/net/tcp and tcp6 say what they are.

No program is started: netstat and ss cost more than the whole of a monitor, and print names where numbers are wanted.
The format is that of net/ipv4/tcp_ipv4.c (get_tcp4_sock): fields by blanks, addresses as hex, inode in the tenth.

Connections that the kernel has made for a process and that it has not taken yet: who waits there waits for the process.

The column rx_queue of a listening socket in /proc/PID/net/tcp is the length of that queue (net/ipv4/tcp_ipv4.c,
get_tcp4_sock: sk_ack_backlog).
"""

import os
from collections import namedtuple

ESTABLISHED, LISTEN = "established", "listen"
_STATES = {b"01": ESTABLISHED, b"0A": LISTEN}  # include/net/tcp_states.h; the others are sockets that come or go


class Socket(namedtuple("Socket", "state port remote_port inode", defaults=(0,))):
    """A TCP socket: state ESTABLISHED or LISTEN, local port, remote port (0 for a listener), inode."""

    __slots__ = ()


class Connections:
    """Looks up sockets. A table is read once for each network namespace and kept: make a new one for a new look."""

    __slots__ = ("_proc", "_tables")

    def __init__(self, proc="/proc"):
        self._proc = proc
        self._tables = {}

    def of(self, pid):
        """Tuple of the Sockets of a process; None when it is gone or may not be looked at (not root)."""
        inodes = self._inodes(pid)
        if inodes is None:
            return None
        if not inodes:
            return ()
        table = self._table(pid)
        if table is None:
            return None
        return tuple(table[inode] for inode in sorted(inodes) if inode in table)

    def listeners(self, pid, port):
        """Whether anybody in the network namespace of `pid` listens on the port; None: unknown."""
        table = self._table(pid)
        if table is None:
            return None
        return any(one.state == LISTEN and one.port == port for one in table.values())

    def listening(self, inodes, pid="self"):
        """Those of these listening sockets that somebody still holds: whoever inherited one keeps the port."""
        table = self._table(pid) or {}
        return frozenset(inode for inode in inodes if inode in table and table[inode].state == LISTEN)

    def _inodes(self, pid):
        directory = "%s/%s/fd" % (self._proc, pid)
        found = set()
        try:
            for name in os.listdir(directory):
                try:
                    target = os.readlink(directory + "/" + name)
                except FileNotFoundError:
                    continue  # closed meanwhile
                if target.startswith("socket:["):
                    found.add(int(target[8:-1]))
        except OSError:
            return None
        return found

    def _table(self, pid):
        try:
            namespace = os.readlink("%s/%s/ns/net" % (self._proc, pid))
        except OSError:
            namespace = None
        if namespace is None or namespace not in self._tables:
            table = self._read(pid)
            if namespace is None or table is None:
                return table
            self._tables[namespace] = table
        return self._tables[namespace]

    def _read(self, pid):
        table, seen = {}, False
        for name in ("tcp", "tcp6"):
            try:
                with open("%s/%s/net/%s" % (self._proc, pid, name), "rb") as file:
                    lines = file.read().splitlines()
            except OSError:
                continue  # a kernel without IPv6 has no tcp6
            seen = True
            for line in lines[1:]:
                fields = line.split(None, 10)
                state = _STATES.get(fields[3])
                if state is not None:
                    inode = int(fields[9])
                    table[inode] = Socket(state, _port(fields[1]), _port(fields[2]), inode)
        return table if seen else None


def _port(address):
    return int(address.rpartition(b":")[2], 16)


def waiting(pid, proc="/proc"):
    """{inode: how many wait} of the TCP sockets that a process listens on; None when it is gone, or may not be looked at."""
    base = "%s/%d" % (proc, pid)
    try:
        held = {_target(base + "/fd/" + name) for name in os.listdir(base + "/fd")}
    except OSError:
        return None
    found, seen = {}, False
    for name in ("tcp", "tcp6"):
        try:
            with open("%s/net/%s" % (base, name), "rb") as file:
                lines = file.read().splitlines()
        except OSError:
            continue  # a kernel without IPv6 has no tcp6
        seen = True
        for line in lines[1:]:
            fields = line.split(None, 10)
            if fields[3] == b"0A" and fields[9] in held:
                found[int(fields[9])] = int(fields[4].partition(b":")[2], 16)
    return found if seen else None


def _target(path):
    """The inode of a socket as bytes; None for other files, and for one that was closed meanwhile."""
    try:
        text = os.readlink(path)
    except OSError:
        return None
    return text[8:-1].encode("ascii") if text.startswith("socket:[") else None
