# SPDX-License-Identifier: Apache-2.0
"""What the agent writes down on its own node (see quorate.host.memory). Nothing of it has to survive a power cut."""

from quorate.host import memory
from quorate.host.memory import LASTING, RUN


class Memory(memory.Memory):
    """Files of one RabbitMQ resource on this node."""

    __slots__ = ()

    def __init__(self, instance, run=RUN, lasting=LASTING):
        memory.Memory.__init__(self, "rabbitmq", instance, run, lasting)
