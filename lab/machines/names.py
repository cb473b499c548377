# SPDX-License-Identifier: Apache-2.0
"""Names and addresses that follow from a lab's name. Pure: what is in use on this machine is passed in."""

import hashlib
import ipaddress
from typing import Iterable, List, NamedTuple

from lab import LabError

MOST_NODES = 5
CLIENT, FIRST_NODE, VIP = 1, 11, 100  # host parts of the addresses in a lab's /24
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


class Node(NamedTuple):
    """A machine of the lab: its name, its number from 1, its address."""

    name: str
    number: int
    address: str


def check_name(name: str) -> str:
    """`name`, if it is valid: up to 16 of a-z, 0-9 and -, a letter first. Otherwise LabError."""
    if not 0 < len(name) <= 16 or not name[0].isalpha() or not set(name) <= _LETTERS:
        raise LabError("a lab's name is up to 16 of a-z, 0-9 and -, a letter first; %r is not" % name)
    return name


def network_namespace(name: str) -> str:
    """The network namespace (as `ip netns` names it) that holds the bridge of lab `name`."""
    return "quorate-lab-" + name


def cgroup(name: str) -> str:
    """The control group of lab `name` below the root of each hierarchy."""
    return "quorate-lab-" + name


def subnet_of(name: str, taken: Iterable[str]) -> str:
    """A 10.x.y.0/24 that overlaps no network in `taken` (a.b.c.d/n each); where it is free, always the same for a name.

    LabError when `taken` covers 10.0.0.0/8, as on hosts with a route for all of it.
    """
    used = [ipaddress.ip_network(text, strict=False) for text in taken]
    used = [network for network in used if network.prefixlen > 0]
    start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:2], "big")
    for step in range(1 << 16):
        number = (start + step) & 0xFFFF
        candidate = ipaddress.ip_network("10.%d.%d.0/24" % (number >> 8, number & 255))
        if not any(candidate.overlaps(network) for network in used):
            return str(candidate)
    raise LabError("no network below 10.0.0.0/8 is free on this machine")


def address(subnet: str, host: int) -> str:
    """The address with the last number `host` in `subnet`."""
    return str(ipaddress.ip_network(subnet)[host])


def nodes(subnet: str, count: int) -> List[Node]:
    """n1, n2, ... with their addresses in `subnet`. LabError unless there are 1 to 5."""
    if not 1 <= count <= MOST_NODES:
        raise LabError("a lab has 1 to %d nodes, not %d" % (MOST_NODES, count))
    return [Node("n%d" % number, number, address(subnet, FIRST_NODE + number - 1)) for number in range(1, count + 1)]


def hosts_file(subnet: str, members: Iterable[Node]) -> str:
    """/etc/hosts of every node: the nodes, the client's host (`client`) and the address for a VIP (`vip`)."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost"]
    lines += ["%s %s" % (node.address, node.name) for node in members]
    lines += ["%s client" % address(subnet, CLIENT), "%s vip" % address(subnet, VIP)]
    return "\n".join(lines) + "\n"
