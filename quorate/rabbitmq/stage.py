# SPDX-License-Identifier: Apache-2.0
"""How far a broker is that has a process and listens to nobody, by the end of its log. Pure.

It boots, waits for other nodes, paused itself, is in maintenance or was stopped inside its Erlang machine: from outside all
of these look the same, and the broker's own tools that tell them apart start an Erlang machine each. Lines are those of
RabbitMQ 3.10.8 and 4.0.5, seen; a log without any of them, or none, is *unknown*.
"""

from quorate.rabbitmq import facts

# Each line and what the broker is after it; the last one in the log counts.
MARKS = (
    ("Starting RabbitMQ ", facts.STARTING),
    ("configured log handlers are now ACTIVE", facts.STARTING),  # the first line of a start
    ("Waiting for Mnesia tables for ", facts.WAITING),           # also in passing: see below
    ("Error while waiting for Mnesia tables", facts.WAITING),
    ("Waiting for Khepri leader", facts.WAITING),
    ("starting Ra system: coordination", facts.WAITING),         # 4.0 with Khepri: the last words before it waits for a leader
    ("Server startup complete", facts.RUNNING),
    ("Cluster minority/secondary status detected", facts.PAUSED),
    ("This node is being put into maintenance", facts.DRAINING),
    ("Marked this node as undergoing maintenance", facts.DRAINING),
    ("Marked this node as back from maintenance", facts.RUNNING),
    ("Successfully stopped RabbitMQ and its dependencies", facts.STOPPED_APP),
)
SILENT = 4.0  # seconds without a word after which a boot waits, and did not only pass by


def of(log, silent):
    """The stage by the end of a log, None: it does not say. silent: seconds since the log was written to, None: unknown.

    A broker that pauses itself stops its applications a moment later, in other words than an operator who stops them.
    """
    found = sorted((log.rfind(text), stage) for text, stage in MARKS if text in log)
    if not found:
        return None
    at, stage = found[-1]
    if stage == facts.STOPPED_APP:
        before = [one for one in found[:-1] if one[1] in (facts.PAUSED, facts.RUNNING, facts.STARTING)]
        return facts.PAUSED if before and before[-1][1] == facts.PAUSED else stage
    if stage == facts.WAITING and "\n" in log[at:].rstrip("\n") or stage == facts.WAITING and (silent is None or silent < SILENT):
        return facts.STARTING
    return stage
