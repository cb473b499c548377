# SPDX-License-Identifier: Apache-2.0
"""A lab's network: one namespace with a bridge, invisible to the rest of the machine.

The machines' interfaces (vb-n1, made by systemd-nspawn) hang on br0, which carries the client's address; a node that is
cut off hangs on a bridge of its own group instead. Two labs cannot touch each other, nor the host's network.
"""

import subprocess

from lab import LabError
from lab.machines import names

BRIDGE = "br0"


def ip(*words, namespace=None, check=True):
    """Run ip(8), in `namespace` if given; its output. LabError with ip's own words if it fails and `check`."""
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
    """Whether `namespace` is there."""
    return any(line.split()[0] == namespace for line in ip("netns", "list").splitlines() if line.strip())


def create(namespace, subnet):
    """Make `namespace` with the bridge in it and the client's address on that. LabError if it is there already."""
    if exists(namespace):
        raise LabError("network namespace %s is already there and not recorded as ours; see `ip netns`" % namespace)
    ip("netns", "add", namespace)
    ip("link", "set", "lo", "up", namespace=namespace)
    add_bridge(namespace, BRIDGE)
    prefix = subnet.partition("/")[2]
    ip("address", "add", "%s/%s" % (names.address(subnet, names.CLIENT), prefix), "dev", BRIDGE, namespace=namespace)


def add_bridge(namespace, bridge):
    """One more bridge in the lab's namespace; nothing if it is there."""
    if "%s" % bridge not in [line.split()[0] for line in ip("-br", "link", namespace=namespace).splitlines()]:
        ip("link", "add", bridge, "type", "bridge", "forward_delay", "0", "stp_state", "0", namespace=namespace)
        ip("link", "set", bridge, "up", namespace=namespace)


def attach(namespace, interface, bridge):
    """Plug `interface` into `bridge`."""
    ip("link", "set", interface, "master", bridge, "up", namespace=namespace)


def remove(namespace):
    """Remove the namespace; what is in it goes with it. Nothing if it is gone."""
    if exists(namespace):
        ip("netns", "delete", namespace)
