# SPDX-License-Identifier: Apache-2.0
"""Connections that the kernel has made for a process and that it has not taken yet: who waits there waits for the process.

The column rx_queue of a listening socket in /proc/PID/net/tcp is the length of that queue (net/ipv4/tcp_ipv4.c,
get_tcp4_sock: sk_ack_backlog).
"""

import os


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
