# SPDX-License-Identifier: Apache-2.0
"""What the agent writes down on its own node (see quorate.host.state_files).

Lasting is the last primary view, since a server that stops cleanly removes its gvwstate.dat, with the names and
arbitrators among its members.
"""

from quorate.host import state_files
from quorate.host.state_files import LASTING, RUN


class Memory(state_files.Memory):
    """Files of one Galera resource on this node."""

    __slots__ = ()

    def __init__(self, instance, run=RUN, lasting=LASTING):
        state_files.Memory.__init__(self, "galera", instance, run, lasting)
