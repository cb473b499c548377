# SPDX-License-Identifier: Apache-2.0
"""TCP sockets of processes, from the kernel's tables: /proc/PID/fd says which sockets a process holds,
/proc/PID/net/tcp and tcp6 say what they are.

No program is started: netstat and ss cost more CPU than a whole monitor, and print names where numbers are wanted. The
format is that of net/ipv4/tcp_ipv4.c (get_tcp4_sock): fields separated by blanks, addresses in hexadecimal, the inode
in the tenth field. In the row of a listening socket, rx_queue (behind the colon of the fifth field) is the number of
connections that the kernel has completed and the process has not accepted yet (sk_ack_backlog).
"""

import os
from collections import namedtuple

ESTABLISHED, LISTEN = "established", "listen"
_STATES = {b"01": ESTABLISHED, b"0A": LISTEN}  # include/net/tcp_states.h; the others are being opened or closed


class Socket(namedtuple("Socket", "state port remote_port inode local", defaults=(0, b"00000000"))):
    """A TCP socket: state ESTABLISHED or LISTEN, local port, remote port (0 for a listener), inode, local address as
    the kernel writes it: see address()."""

    __slots__ = ()

    @property
    def address(self):
        """The local address, such as '192.0.2.1' or '::'."""
        import socket
        import sys
        raw = bytes.fromhex(self.local.decode("ascii"))
        if sys.byteorder == "little":  # the kernel writes words of 32 bits in the order of the machine
            raw = b"".join(raw[at:at + 4][::-1] for at in range(0, len(raw), 4))
        if raw.startswith(bytes(10) + b"\xff\xff"):
            raw = raw[12:]
        return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


class Connections:
    """Sockets at one moment. The tables of each network namespace are read once and kept: make a new object for a new
    observation."""

    __slots__ = ("_proc", "_tables")

    def __init__(self, proc="/proc"):
        self._proc = proc
        self._tables = {}

    def of(self, pid):
        """Tuple of the Sockets of a process; None when it is gone or may not be inspected (by others than root)."""
        inodes = _inodes(self._proc, pid)
        if inodes is None:
            return None
        if not inodes:
            return ()
        table = self._table(pid)
        if table is None:
            return None
        return tuple(table[inode] for inode in sorted(inodes) if inode in table)

    def listeners(self, pid, port):
        """Whether any process in the network namespace of `pid` listens on the port; None: unknown."""
        table = self._table(pid)
        if table is None:
            return None
        return any(one.state == LISTEN and one.port == port for one in table.values())

    def of_users(self, users):
        """(address, port) of every socket in our own network namespace that listens and was made by one of these users
        (ids), sorted. Who is not root sees of other users' processes no sockets, but this."""
        found = set()
        for row in _rows(self._proc, "self") or []:
            fields = row.split(None, 10)
            if _STATES.get(fields[3]) == LISTEN and int(fields[7]) in users:
                one = Socket(LISTEN, _port(fields[1]), 0, 0, fields[1].rpartition(b":")[0])
                found.add((one.address, one.port))
        return sorted(found)

    def listening(self, inodes, pid="self"):
        """Those of these listening sockets (inodes) that some process still holds: a child that inherited one keeps the
        port."""
        table = self._table(pid) or {}
        return frozenset(inode for inode in inodes if inode in table and table[inode].state == LISTEN)

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
        """{inode: Socket} of the network namespace, None when it cannot be read."""
        rows, table = _rows(self._proc, pid), {}
        if rows is None:
            return None
        for row in rows:
            fields = row.split(None, 10)
            state = _STATES.get(fields[3])
            if state is not None:
                inode = int(fields[9])
                table[inode] = Socket(state, _port(fields[1]), _port(fields[2]), inode, fields[1].rpartition(b":")[0])
        return table


def listener(port, processes, proc="/proc"):
    """The Process that listens on this TCP port in our network namespace: of several the oldest, as a child may have
    inherited it. None: none does, or it may not be inspected. processes: host.process.Processes."""
    rows = _rows(proc, "self") or []
    inodes = set()
    for row in rows:
        fields = row.split(None, 10)
        if _STATES.get(fields[3]) == LISTEN and _port(fields[1]) == port:
            inodes.add(int(fields[9]))
    if not inodes:
        return None
    found = [process for process in processes.all() if (_inodes(proc, process.pid) or set()) & inodes]
    return min(found, key=lambda process: process.start) if found else None


def waiting(pid, proc="/proc"):
    """{inode: number of connections that wait to be accepted} of the TCP sockets that a process listens on; None when
    it is gone or may not be inspected."""
    inodes = _inodes(proc, pid, closed=OSError)
    rows = None if inodes is None else _rows(proc, pid)
    if rows is None:
        return None
    found = {}
    for row in rows:
        fields = row.split(None, 10)
        if _STATES.get(fields[3]) == LISTEN and int(fields[9]) in inodes:
            found[int(fields[9])] = int(fields[4].partition(b":")[2], 16)
    return found


def _inodes(proc, pid, closed=FileNotFoundError):
    """The inodes of all sockets of a process; None when it is gone or may not be inspected. closed: the error of a
    single descriptor that is passed over, since it was closed meanwhile."""
    directory = "%s/%s/fd" % (proc, pid)
    found = set()
    try:
        for name in os.listdir(directory):
            try:
                target = os.readlink(directory + "/" + name)
            except closed:
                continue
            if target.startswith("socket:["):
                found.add(int(target[8:-1]))
    except OSError:
        return None
    return found


def _rows(proc, pid):
    """The rows of both tables as bytes; None when neither can be read. A kernel without IPv6 has no tcp6."""
    rows = None
    for name in ("tcp", "tcp6"):
        try:
            with open("%s/%s/net/%s" % (proc, pid, name), "rb") as file:
                rows = (rows or []) + file.read().splitlines()[1:]
        except OSError:
            continue
    return rows


def _port(address):
    return int(address.rpartition(b":")[2], 16)
