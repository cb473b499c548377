# SPDX-License-Identifier: Apache-2.0
"""Whether a broker that boots beside a running cluster does anything at all.

RabbitMQ 3.10.8 on Erlang 25 that paused itself for a few seconds sometimes starts again and hangs for ever in its boot ("Global
hang workaround: global state on rabbit@n1 seems broken", seen in the lab), idle and without a word. A boot that rebuilds
indices is silent as well, for minutes, but it works; so a boot counts as stuck only when it is silent, idle and off the disk.
"""

import os

NOTE = "idle"
STUCK_AFTER = 60    # seconds
BUSY = 0.05         # of one processor: an idle Erlang machine uses about 0.01
BYTES = 1 << 20     # from and to disks


def stuck(context, memory, process, log):
    """Whether it has done nothing for STUCK_AFTER. What cannot be known is no reason."""
    work = context.processes.work(process)
    if work is None:
        return False
    cpu, moved = work
    now, words = context.clock.monotonic(), _size(log)
    note = memory.read(NOTE)
    try:
        since, known = float(note["since"]), float(note["cpu"])
        idle = (since <= now and note["process"] == "%d.%d" % (process.pid, process.start) and int(note["log"]) == words
                and moved - int(note["bytes"]) < BYTES and cpu - known <= BUSY * max(1.0, now - since))
    except (KeyError, ValueError):
        idle = False
    if not idle:
        memory.write(NOTE, {"since": now, "cpu": cpu, "bytes": moved, "log": words,
                            "process": "%d.%d" % (process.pid, process.start)})
        return False
    return now - since >= STUCK_AFTER


def _size(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
