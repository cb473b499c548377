# SPDX-License-Identifier: Apache-2.0
"""A broker that is partitioned from the others, and when a restart helps it. docs/decisions/0011 says why."""

from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.pacemaker.tools import Unavailable, this_node
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions.participant import URGENT_AFTER
from quorate.rabbitmq.actions.serving import handle_serving
from quorate.rabbitmq.broker import health
from quorate.rabbitmq.election.decide import cluster_elsewhere

STALE = 2  # intervals of the monitor until the others' reports are newer than this node's first observation


def partitioned_by_files(participant, observed):
    """The Observation; PARTITIONED instead of RUNNING for a broker that by its own files sees fewer than half of the
    members, while another node reports a running one that it does not see. Not used where the management API said which
    nodes it sees.

    Paused brokers that resume while another boots beside them can end as two clusters that both serve (RabbitMQ 3.10.8,
    seen in the lab after a partition of all three), and nothing that is asked without credentials shows it."""
    if observed.state != facts.RUNNING or observed.broker.running_nodes is not None:
        return observed
    members, running = participant.disk.mnesia_members()
    broker = observed.broker._replace(all_nodes=members, running_nodes=running)
    found = health.classify(broker)
    if found.code != health.MINORITY:
        return observed
    try:
        reports = participant.published.reports()
    except Unavailable:
        return observed
    if not any(one.state == facts.RUNNING and one.name not in running for node, one in reports.items()
               if node != this_node(participant.context)):
        return observed  # the others are stopped: that is no partition, and the first of them to start is always alone
    return observed._replace(state=facts.PARTITIONED, sentence=found.sentence, code=found.code, broker=broker)


def _seen(broker):
    """Erlang names of the brokers that this one is in one cluster with. One that it is partitioned from can be
    connected again, and counts as running (the management API, with ignore)."""
    if broker is None:
        return frozenset()
    return (broker.running_nodes or frozenset()) - (broker.partitions or frozenset())


def others_boot_too(participant):
    """Whether this broker serves since a moment, and others still boot: the first one of a cluster that starts is
    alone, and nothing is wrong with it. Not when an operator asks."""
    context = participant.context
    since = participant.state_files.read("serving").get("since", "")
    if context.interactive or not since.isdigit() or context.clock.monotonic() - int(since) >= URGENT_AFTER:
        return False
    return any(one.state in (facts.STARTING, facts.WAITING)
               for node, one in participant.published.reports().items() if node != this_node(context))


def monitor_partitioned(participant, observed):
    """The monitor of a broker in a minority: degraded while that may pass, failed when the cluster goes on without it.
    The Outcome."""
    context, state_files = participant.context, participant.state_files
    outcome = handle_serving(participant, observed)
    if outcome.code == codes.ERR_GENERIC:
        return outcome
    others = cluster_elsewhere(participant.published.snapshot(), _seen(observed.broker))
    if not others:
        state_files.forget("cut-off")
        return Outcome(codes.SUCCESS) if others_boot_too(participant) else Outcome(codes.DEGRADED, observed.sentence)
    if state_files.elapsed("cut-off", context.clock) < max(context.parameters.minority_wait, STALE * context.interval):
        return Outcome(codes.DEGRADED, observed.sentence)
    context.log.error(observed.sentence)
    # Pacemaker keeps 144 characters of it.
    return Outcome(codes.ERR_GENERIC, "Partitioned from the cluster on %s (%s); restarted, and waits until it can "
                   "connect." % (", ".join(others), observed.state))
