# SPDX-License-Identifier: Apache-2.0
"""A broker that runs and does not answer: one that hangs is told from one that is slow.

A broker may need seconds for its greeting: all clients connect again at once, the machine swaps, or names are looked up
for each connection (reverse_dns_lookups). A restart would only send its clients to the others, and it would be slower
afterwards. So one monitor decides nothing. The second one in a row asks with more patience, and fails only where the
broker has done nothing since the first, or has given no answer for ten minutes.
"""

from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import boot
from quorate.rabbitmq.actions.launch import identity
from quorate.rabbitmq.broker import observe

STILL_FOR = 5     # seconds without work from one look to the next, at least
PATIENCE = 15     # seconds for the answer to the patient question: RabbitMQ itself drops a handshake after 10
LONGEST = 600     # seconds without any answer until a broker that works is restarted, too

STILL = "still"   # state file: what it had used when it stood still; "silent": since when it gives no answer


def monitor_silent(context, state_files, layout, observed, answered):
    """The Outcome of a monitor whose broker did not answer. answered(Observation): the Outcome where it did after
    all."""
    process = observed.process
    failed = Outcome(codes.ERR_GENERIC, "%s The broker is restarted." % observed.sentence)
    if process.state in "Tt":  # stopped by a signal: it is not slow
        return failed
    since = state_files.elapsed("silent", context.clock, process=identity(process))
    still = stands_still(context, state_files, process)
    # Pacemaker keeps showing the first reason, and 144 characters of it.
    shown = Outcome(codes.DEGRADED, "%s Restarted if it is idle: top -p %d" % (observed.sentence, process.pid))
    if since < STILL_FOR:
        return shown
    seconds = min(PATIENCE, context.deadline.left() / 2)
    if seconds > context.parameters.check_timeout:
        again = observe.ask(context, layout, process, seconds)
        if again.state != facts.HUNG:
            outcome = answered(again)
            return outcome if again.state != facts.RUNNING or outcome.code != codes.SUCCESS else Outcome(
                codes.DEGRADED, "RabbitMQ serves clients, and needs more than %g s to answer: top -p %d" % (
                    context.parameters.check_timeout, process.pid))
    if still or since >= LONGEST and not boot.waits_for_machine(process, states=b"D"):
        return failed
    return shown


def look(context, state_files, process):
    """Before a stop: note what a broker has used, where no monitor did so since it gives no answer."""
    if not state_files.has("silent"):
        state_files.forget(STILL)
        boot.standstill(context, state_files, STILL, process)


def stands_still(context, state_files, process):
    """Whether a broker has done nothing since the look before. What it logs does not count: it may be about our own
    questions."""
    idle = boot.standstill(context, state_files, STILL, process)
    return idle >= STILL_FOR and not boot.waits_for_machine(process)
