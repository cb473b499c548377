# SPDX-License-Identifier: Apache-2.0
"""What a plan may have, and what nevertheless costs availability: sentences for the operator. Pure.

Measured on two brokers in docs/rabbitmq.md ("Two nodes"); rabbit_node_monitor:majority/0 counts more than half of the
members.
"""


def advice(plan):
    """A list of sentences, each with the table of the plan that it is about."""
    rabbitmq = plan.service("rabbitmq")
    text = rabbitmq and brokers(rabbitmq.nodes)
    return ["services.rabbitmq: " + text] if text else []


def brokers(nodes):
    """What so many brokers cannot have, a sentence; None: an odd number, or a single one, has what it can."""
    if len(nodes) == 2:
        return ("Of two brokers (%s) with cluster_partition_handling = pause_minority both stop serving as soon as one "
                "or they lose each other, and quorum queues need both as well. Add a third node, even a small one, "
                "with role messaging; else set autoheal in rabbitmq.conf of both: then the one that is left goes on, "
                "and after a partition one side's messages are thrown away." % ", ".join(nodes))
    if nodes and len(nodes) % 2 == 0:
        return ("%d brokers survive no more failures than %d, and with pause_minority two halves that lose each other "
                "both stop serving. Run an odd number." % (len(nodes), len(nodes) - 1))
    return None
