# SPDX-License-Identifier: Apache-2.0
"""A broker that lost sight of its cluster: how that is found without credentials, and when the cluster goes on without it.
Why it is done so: docs/decisions/0011.
"""

from quorate.ocf import codes
from quorate.ocf.agent import Outcome
from quorate.pacemaker.attributes import Unavailable
from quorate.rabbitmq import facts, health
from quorate.rabbitmq.decide import gives_way

STALE = 2  # intervals of the monitor: by then what the others reported is from after what was seen here


def by_its_files(cluster, seen):
    """The Observation; PARTITIONED instead of RUNNING for a broker that by its own files sees fewer than half of the members,
    while another node reports one that runs. Not asked of one that told the management API whom it sees.

    Paused brokers that resume while another boots beside them can end as two clusters that both serve (RabbitMQ 3.10.8, seen
    on the lab after a cut between all three), and nothing that is asked without credentials shows it."""
    if seen.state != facts.RUNNING or seen.broker.running_nodes is not None:
        return seen
    members, running = cluster.disk.mnesia()
    found = health.classify(seen.broker._replace(all_nodes=members, running_nodes=running))
    if found.code != health.MINORITY:
        return seen
    try:
        reports = cluster.board.reports()
    except Unavailable:
        return seen
    if not any(one.state == facts.RUNNING for node, one in reports.items() if node != cluster.context.node):
        return seen  # the others are stopped: that is no partition, and the first of them to start is always alone
    return seen._replace(state=facts.PARTITIONED, sentence=found.sentence, code=found.code)


def cut_off(cluster, seen):
    """The monitor of a broker in a minority: degraded while that may pass, failed when the cluster goes on without it.
    Its Outcome."""
    context, memory = cluster.context, cluster.memory
    cluster.served(seen)
    beside = gives_way(cluster.board.snapshot())
    if not beside:
        memory.forget("cut-off")
        return Outcome(codes.DEGRADED, seen.sentence)
    if memory.lasts("cut-off", context.clock) < max(context.parameters.minority_wait, STALE * context.interval):
        return Outcome(codes.DEGRADED, seen.sentence)
    context.log.error(seen.sentence)
    # Pacemaker keeps 144 characters of it.
    return Outcome(codes.ERR_GENERIC, "Cut off from %s, where the cluster runs (%s); restarted, and waits until it gets "
                   "through." % (", ".join(beside), seen.state))
