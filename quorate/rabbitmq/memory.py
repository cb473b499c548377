# SPDX-License-Identifier: Apache-2.0
"""What the agent writes down on its own node (see quorate.host.state_files).

Lasting are what the disk said of the others before a launch, the members where they stand in no file of RabbitMQ's, that
quorum queues are still to be extended to a node that joined, and which data directory was served from.
"""

from quorate.host import state_files
from quorate.host.state_files import LASTING, RUN


class Memory(state_files.Memory):
    """Files of one RabbitMQ resource on this node."""

    __slots__ = ()

    def __init__(self, instance, run=RUN, lasting=LASTING):
        state_files.Memory.__init__(self, "rabbitmq", instance, run, lasting)
