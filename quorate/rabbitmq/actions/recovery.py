# SPDX-License-Identifier: Apache-2.0
"""A broker that lost sight of its cluster: how that is found without credentials, and when the cluster goes on without it.
Why it is done so: docs/decisions/0011.

Whether a broker that boots beside a running cluster does anything at all.

RabbitMQ 3.10.8 on Erlang 25 that paused itself for a few seconds sometimes starts again and hangs for ever in its boot ("Global
hang workaround: global state on rabbit@n1 seems broken", seen in the lab), idle and without a word. A boot that rebuilds
indices is silent as well, for minutes, but it works; so a boot counts as stuck only when it is silent, idle and off the disk.
"""

import os

from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.pacemaker.tools import Unavailable, this_node
from quorate.rabbitmq import facts
from quorate.rabbitmq.broker import health
from quorate.rabbitmq.election.decide import gives_way

STALE = 2  # intervals of the monitor: by then what the others reported is from after what was seen here
NOTE = "idle"
STUCK_AFTER = 60    # seconds
BUSY = 0.05         # of one processor: an idle Erlang machine uses about 0.01
BYTES = 1 << 20     # from and to disks


def by_its_files(participant, observed):
    """The Observation; PARTITIONED instead of RUNNING for a broker that by its own files sees fewer than half of the members,
    while another node reports one that runs. Not asked of one that told the management API whom it sees.

    Paused brokers that resume while another boots beside them can end as two clusters that both serve (RabbitMQ 3.10.8, seen
    on the lab after a cut between all three), and nothing that is asked without credentials shows it."""
    if observed.state != facts.RUNNING or observed.broker.running_nodes is not None:
        return observed
    members, running = participant.disk.mnesia()
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


def cut_off(participant, observed):
    """The monitor of a broker in a minority: degraded while that may pass, failed when the cluster goes on without it.
    Its Outcome."""
    context, state_files = participant.context, participant.state_files
    participant.served(observed)
    beside = gives_way(participant.published.snapshot())
    if not beside:
        state_files.forget("cut-off")
        return Outcome(codes.DEGRADED, observed.sentence)
    if state_files.elapsed("cut-off", context.clock) < max(context.parameters.minority_wait, STALE * context.interval):
        return Outcome(codes.DEGRADED, observed.sentence)
    context.log.error(observed.sentence)
    # Pacemaker keeps 144 characters of it.
    return Outcome(codes.ERR_GENERIC, "Cut off from %s, where the cluster runs (%s); restarted, and waits until it gets "
                   "through." % (", ".join(beside), observed.state))


def stuck(context, state_files, process, log):
    """Whether it has done nothing for STUCK_AFTER. What cannot be known is no reason."""
    work = context.processes.work(process)
    if work is None:
        return False
    cpu, moved = work
    now, words = context.clock.monotonic(), _size(log)
    note = state_files.read(NOTE)
    try:
        since, known = float(note["since"]), float(note["cpu"])
        idle = (since <= now and note["process"] == "%d.%d" % (process.pid, process.start) and int(note["log"]) == words
                and moved - int(note["bytes"]) < BYTES and cpu - known <= BUSY * max(1.0, now - since))
    except (KeyError, ValueError):
        idle = False
    if not idle:
        state_files.write(NOTE, {"since": now, "cpu": cpu, "bytes": moved, "log": words,
                            "process": "%d.%d" % (process.pid, process.start)})
        return False
    return now - since >= STUCK_AFTER


def _size(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
