# SPDX-License-Identifier: Apache-2.0
"""A slow and lossy network: relays the frames between a node's interface and its bridge, for kernels without tc's
netem.

    wire.py PORT OUTER INNER BRIDGE DELAY LOSS     frames between PORT and OUTER-INNER (made here, OUTER in BRIDGE)

It runs in the lab's network namespace until SIGTERM, and then makes PORT a port of the bridge again; or until PORT is
gone. DELAY in seconds, LOSS in per cent. Frames keep the kernel's virtio header, so that segments whose checksum or
segmentation is left to the hardware pass unchanged.
"""

import heapq
import random
import select
import signal
import socket
import subprocess
import sys
import time

SOL_PACKET, PACKET_VNET_HDR, ETH_P_ALL, PACKET_OUTGOING = 263, 15, 3, 4
LARGEST = 10 + 65550  # virtio header and the largest segment


def tap(interface):
    """A raw socket that sees every frame of `interface`."""
    found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    found.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    found.bind((interface, ETH_P_ALL))
    found.setblocking(False)
    return found


def ip(*words):
    """Run ip(8); its exit code."""
    return subprocess.call(("ip",) + words, stderr=subprocess.DEVNULL)


def relay(port, inner, delay, loss):
    """Pass frames between `port` and `inner` until one of them is gone or SIGTERM comes."""
    ends = [tap(port), tap(inner)]
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    waiting, number, ended = [], 0, []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    while not ended:
        left = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 1.0
        for end in select.select(ends, [], [], left)[0]:
            while True:
                try:
                    frame, address = end.recvfrom(LARGEST)
                except BlockingIOError:
                    break
                if address[2] != PACKET_OUTGOING and random.random() * 100 >= loss:
                    number += 1
                    heapq.heappush(waiting, (time.monotonic() + delay, number, other[end], frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, end, frame = heapq.heappop(waiting)
            try:
                end.send(frame)
            except BlockingIOError:
                pass  # frames that do not fit into the queue are lost, as in a switch


def main():
    """Put the relay between port and bridge, run it, and remove it again."""
    port, outer, inner, bridge, delay, loss = sys.argv[1:7]
    ip("link", "delete", outer)
    ip("link", "add", outer, "type", "veth", "peer", "name", inner)
    ip("link", "set", port, "nomaster", "promisc", "on")
    ip("link", "set", inner, "up", "promisc", "on")
    ip("link", "set", outer, "up", "master", bridge)
    try:
        relay(port, inner, float(delay), float(loss))
    except OSError:
        pass  # the node is off, and its interface gone
    finally:
        master = master_of(outer) or bridge
        ip("link", "delete", outer)
        ip("link", "set", port, "promisc", "off", "master", master)


def master_of(interface):
    """The bridge of `interface` now: a partition may have moved it."""
    command = ["ip", "-o", "link", "show", "dev", interface]
    shown = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.split()
    return shown[shown.index("master") + 1] if "master" in shown else None


if __name__ == "__main__":
    main()
