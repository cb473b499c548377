# SPDX-License-Identifier: Apache-2.0
"""What was seen of a server at a moment, and what must hold of all that was seen. Pure."""

from typing import NamedTuple, Optional


class Seen(NamedTuple):
    """One answer of one server. at: unix seconds; status: wsrep_cluster_status or None (no answer); state:
    wsrep_local_state; member: wsrep_gcomm_uuid; born: unix seconds at which this server started."""

    node: str
    at: float
    status: Optional[str]
    state: int
    uuid: Optional[str] = None
    size: Optional[int] = None
    conf: Optional[str] = None
    member: Optional[str] = None
    committed: Optional[int] = None
    born: Optional[int] = None
    error: Optional[str] = None


def synced(seen, nodes):
    """Whether all `nodes` are synced members of one primary component of just so many or more members."""
    found = [seen.get(node) for node in nodes]
    return all(one is not None and one.status == "Primary" and one.state == 4 and (one.size or 0) >= len(nodes)
               for one in found) and len({one.uuid for one in found}) == 1


def primaries(seen):
    """The nodes that say they are in a primary component."""
    return sorted(node for node, one in seen.items() if one.status == "Primary")


def split(seen):
    """In words: more nodes say that they are in a primary component than fit into one. None: no sign of that.

    For a moment, while a view changes, this is nothing; when it lasts there are two.
    """
    found = {node: one for node, one in seen.items() if one.status == "Primary"}
    if len({one.uuid for one in found.values()}) > 1 or any((one.size or 0) < len(found) for one in found.values()):
        return ", ".join("%s: %s of %s" % (node, one.size, (one.uuid or "?")[:8]) for node, one in sorted(found.items()))
    return None
