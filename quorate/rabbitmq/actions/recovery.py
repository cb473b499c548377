# SPDX-License-Identifier: Apache-2.0
"""Brokers that a restart may help: one that is partitioned, and one whose boot is stalled beside a running cluster.
docs/decisions/0011 says why they are treated so.

A stalled boot: RabbitMQ 3.10.8 on Erlang 25 that paused itself for a few seconds sometimes starts again and hangs for
ever in its boot ("Global hang workaround: global state on rabbit@n1 seems broken", seen in the lab), idle and without a
line in its log. A boot that rebuilds indices logs nothing for minutes either, but it works: so a boot counts as stalled
only when it makes no progress in its log, in processor time and on the disk.
"""

import os

from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.pacemaker.tools import Unavailable, this_node
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions.serving import handle_serving
from quorate.rabbitmq.broker import health
from quorate.rabbitmq.election.decide import cluster_elsewhere

STALE = 2           # intervals of the monitor until the others' reports are newer than this node's first observation
IDLE = "idle"       # name of the state file
STALLED_AFTER = 60  # seconds
BUSY = 0.05         # of one processor: an idle Erlang machine uses about 0.01
BYTES = 1 << 20     # from and to disks


def partitioned_by_files(participant, observed):
    """The Observation; PARTITIONED instead of RUNNING for a broker that by its own files sees fewer than half of the
    members, while another node reports a running one. Not used where the management API said which nodes it sees.

    Paused brokers that resume while another boots beside them can end as two clusters that both serve (RabbitMQ 3.10.8,
    seen in the lab after a partition of all three), and nothing that is asked without credentials shows it."""
    if observed.state != facts.RUNNING or observed.broker.running_nodes is not None:
        return observed
    members, running = participant.disk.mnesia_members()
    found = health.classify(observed.broker._replace(all_nodes=members, running_nodes=running))
    if found.code != health.MINORITY:
        return observed
    try:
        reports = participant.published.reports()
    except Unavailable:
        return observed
    if not any(one.state == facts.RUNNING for node, one in reports.items() if node != this_node(participant.context)):
        return observed  # the others are stopped: that is no partition, and the first of them to start is always alone
    return observed._replace(state=facts.PARTITIONED, sentence=found.sentence, code=found.code)


def monitor_partitioned(participant, observed):
    """The monitor of a broker in a minority: degraded while that may pass, failed when the cluster goes on without it.
    The Outcome."""
    context, state_files = participant.context, participant.state_files
    handle_serving(participant, observed)
    others = cluster_elsewhere(participant.published.snapshot())
    if not others:
        state_files.forget("cut-off")
        return Outcome(codes.DEGRADED, observed.sentence)
    if state_files.elapsed("cut-off", context.clock) < max(context.parameters.minority_wait, STALE * context.interval):
        return Outcome(codes.DEGRADED, observed.sentence)
    context.log.error(observed.sentence)
    # Pacemaker keeps 144 characters of it.
    return Outcome(codes.ERR_GENERIC, "Partitioned from the cluster on %s (%s); restarted, and waits until it can "
                   "connect." % (", ".join(others), observed.state))


def is_stalled(context, state_files, process, log):
    """Whether it made no progress for STALLED_AFTER seconds. False where that cannot be known."""
    work = context.processes.work(process)
    if work is None:
        return False
    cpu, moved = work
    now, size = context.clock.monotonic(), _size(log)
    last = state_files.read(IDLE)
    try:
        since, known = float(last["since"]), float(last["cpu"])
        idle = (since <= now and last["process"] == "%d.%d" % (process.pid, process.start) and int(last["log"]) == size
                and moved - int(last["bytes"]) < BYTES and cpu - known <= BUSY * max(1.0, now - since))
    except (KeyError, ValueError):
        idle = False
    if not idle:
        state_files.write(IDLE, {"since": now, "cpu": cpu, "bytes": moved, "log": size,
                                 "process": "%d.%d" % (process.pid, process.start)})
        return False
    return now - since >= STALLED_AFTER


def _size(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
