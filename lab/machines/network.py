# SPDX-License-Identifier: Apache-2.0
"""A lab's network: one namespace with a bridge, separate from the rest of the machine.

The nodes' interfaces (vb-n1, made by systemd-nspawn) are ports of br0, which carries the client's address; those of
nodes that are cut off are ports of another bridge. Labs reach neither each other nor the host's network.
"""

import subprocess

from lab import LabError
from lab.machines import names

BRIDGE = "br0"


def ip(*words, namespace=None, check=True):
    """Run ip(8), in `namespace` if given; its output. LabError with its error message if it fails, unless not
    `check`."""
    command = ["ip"] + (["-n", namespace] if namespace else []) + list(words)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if check and done.returncode != 0:
        raise LabError("%s: %s" % (" ".join(command), done.stderr.strip() or "failed"))
    return done.stdout


def routes_of_host():
    """The networks this machine has addresses in or routes to, as a.b.c.d/n."""
    found = []
    for line in ip("-4", "route", "show", "table", "all").splitlines():
        words = line.split() + ["", ""]
        word = words[1] if words[0] in ("local", "broadcast", "unicast", "blackhole", "unreachable") else words[0]
        if word and word[0].isdigit():
            found.append(word)
    return found


def exists(namespace):
    """Whether `namespace` exists."""
    return any(line.split()[0] == namespace for line in ip("netns", "list").splitlines() if line.strip())


def create(namespace, subnet):
    """Make `namespace`, the bridge in it, and the client's address on the bridge. LabError if the namespace exists."""
    if exists(namespace):
        raise LabError("network namespace %s exists and no lab has it on record; see `ip netns`" % namespace)
    ip("netns", "add", namespace)
    ip("link", "set", "lo", "up", namespace=namespace)
    add_bridge(namespace, BRIDGE)
    prefix = subnet.partition("/")[2]
    ip("address", "add", "%s/%s" % (names.address(subnet, names.CLIENT), prefix), "dev", BRIDGE, namespace=namespace)


def add_bridge(namespace, bridge):
    """Make a bridge in the lab's namespace, unless it exists."""
    if bridge not in [line.split()[0] for line in ip("-br", "link", namespace=namespace).splitlines()]:
        ip("link", "add", bridge, "type", "bridge", "forward_delay", "0", "stp_state", "0", namespace=namespace)
        ip("link", "set", bridge, "up", namespace=namespace)


def attach(namespace, interface, bridge):
    """Plug `interface` into `bridge`."""
    ip("link", "set", interface, "master", bridge, "up", namespace=namespace)


def remove(namespace):
    """Remove the namespace with everything in it. Nothing if it does not exist."""
    if exists(namespace):
        ip("netns", "delete", namespace)
