# SPDX-License-Identifier: Apache-2.0
"""A planned stop drains first: the check answers 404, HAProxy keeps the open sessions and sends no new ones."""

from contextlib import contextmanager

from quorate.galera import probe, server

HAPROXY_INTERVAL = 1.2  # seconds; `check inter 1s` and a little: by then every HAProxy has asked once


@contextmanager
def drained(context, memory, datadir):
    """Drain around a stop, if a check is there to say so and the server is well enough to have sessions.

    The mark is taken away in any case afterwards: what the check says of a stopped server needs no drain.
    """
    try:
        from quorate.web import drain
    except ImportError:
        drain = None
    began = _begin(context, memory, datadir, drain)
    try:
        yield
    finally:
        if began:
            drain.clear(context.instance)


def _begin(context, memory, datadir, drain):
    limit = context.parameters.drain_timeout
    if drain is None or not limit or not drain.served():
        return False
    process = server.find(context, memory, datadir)
    if process is None or process.state in "Tt":
        return False
    from quorate.galera import facts
    if probe.ask(context, memory, process).state not in facts.IN_PRIMARY:
        return False
    drain.set(context.instance, "planned stop of %s" % context.instance)
    context.log.say("Draining: the check answers 404, sessions have %g s to end." % limit)
    context.clock.sleep(context.deadline.limit(HAPROXY_INTERVAL + drain.NOTICED))
    budget = min(limit, context.deadline.left() / 3)
    context.deadline.poll(lambda: not sessions(context, memory), every=0.2, up_to=budget)
    return True


def sessions(context, memory):
    """How many clients are connected; 0 when the server does not say (there is nothing to wait for then)."""
    from quorate.galera import sql
    rows = sql.rows(
        sql.settings(context.parameters, probe.socket(context, memory)),
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND NOT IN ('Daemon', 'Binlog Dump') "
        "AND USER NOT IN ('system user', 'event_scheduler') AND HOST NOT LIKE 'localhost' AND ID <> CONNECTION_ID()",
        context.deadline.limit(2))
    return rows[0][0] if rows else 0
