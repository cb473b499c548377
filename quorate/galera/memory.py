# SPDX-License-Identifier: Apache-2.0
"""What the agent writes down on its own node (see quorate.host.memory).

Lasting is the last primary view, since a server that stops cleanly removes its gvwstate.dat, with the names and
arbitrators among its members.
"""

from quorate.host import memory
from quorate.host.memory import LASTING, RUN, content, replace


class Memory(memory.Memory):
    """Files of one Galera resource on this node."""

    __slots__ = ()

    def __init__(self, instance, run=RUN, lasting=LASTING):
        memory.Memory.__init__(self, "galera", instance, run, lasting)


__all__ = ["Memory", "content", "replace"]
