# SPDX-License-Identifier: Apache-2.0
"""A planned stop drains first: the check answers 404, HAProxy keeps the open sessions and sends no new ones."""

from contextlib import contextmanager

from quorate.galera import facts, probe, server
from quorate.host import drain

HAPROXY_INTERVAL = 1.2  # seconds; `check inter 1s` and a little: by then every HAProxy has asked once


@contextmanager
def drained(context, memory, datadir):
    """Drain around a stop, if a check is there to say so and the server is well enough to have sessions. Yields the
    server's state.

    The mark is taken away in any case afterwards, also one that was left when an earlier stop was killed: what the check
    says of a stopped server needs no drain, and a node that comes back must not stay drained.
    """
    state = facts.UNKNOWN
    try:
        state = state_before(context, memory, datadir)
        if state in facts.IN_PRIMARY and context.parameters.drain_timeout and drain.served():
            _begin(context, memory)
    except Exception as error:  # whatever it is: nothing about draining may keep a stop from stopping
        context.log.warning("Not drained: %s" % error)
    try:
        yield state
    finally:
        drain.clear(context.instance)


def state_before(context, memory, datadir):
    """The server's state. A frozen one cannot be asked."""
    process = server.find(context, memory, datadir)
    if process is None:
        return facts.DOWN
    return facts.HUNG if process.state in "Tt" else probe.ask(context, memory, process).state


def _begin(context, memory):
    """Mark the drain, let every HAProxy see it, and give the sessions their time."""
    limit = context.parameters.drain_timeout
    drain.set(context.instance, "planned stop of %s" % context.instance)
    context.log.say("Draining: the check answers 404, sessions have %g s to end." % limit)
    context.clock.sleep(context.deadline.limit(HAPROXY_INTERVAL + drain.NOTICED))
    budget = min(limit, context.deadline.left() / 3)
    context.deadline.poll(lambda: not sessions(context, memory), every=0.2, up_to=budget)


def sessions(context, memory):
    """How many clients are connected; 0 when the server does not say (there is nothing to wait for then)."""
    from quorate.galera import sql
    rows = sql.rows(
        sql.settings(context.parameters, probe.socket(context, memory)),
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND NOT IN ('Daemon', 'Binlog Dump') "
        "AND USER NOT IN ('system user', 'event_scheduler') AND HOST NOT LIKE 'localhost' AND ID <> CONNECTION_ID()",
        context.deadline.limit(2))
    return rows[0][0] if rows else 0
