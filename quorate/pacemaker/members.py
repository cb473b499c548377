# SPDX-License-Identifier: Apache-2.0
"""Who is in the cluster at this moment, as crm_node knows it."""

from quorate.pacemaker.attributes import Unavailable, ask


def members(commands, deadline):
    """Names of the nodes in our partition, as a frozenset. Raises Unavailable.

    Remote and bundle nodes are not among them: they have no membership of their own.
    """
    names = ask(commands, deadline, ("crm_node", "-p")).out.split()
    found = frozenset(name for name in names if name != "(null)")  # a node that just joined may not have told its name
    if not found:
        raise Unavailable("crm_node -p names no members; is Pacemaker well on this node? Ask 'crm_mon -1'.")
    return found


def quorate(commands, deadline):
    """Whether our partition has quorum. Raises Unavailable."""
    answer = ask(commands, deadline, ("crm_node", "-q")).out.strip()
    if answer not in ("0", "1"):
        raise Unavailable("crm_node -q says neither 0 nor 1 but '%s'." % answer[:60])
    return answer == "1"


def local_node(commands, deadline):
    """The name of this node in the cluster. Raises Unavailable. (The host name need not be the same.)"""
    name = ask(commands, deadline, ("crm_node", "-n")).out.strip()
    if not name or name == "(null)":
        raise Unavailable("crm_node -n does not know the name of this node; is Pacemaker started?")
    return name
