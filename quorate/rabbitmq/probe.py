# SPDX-License-Identifier: Apache-2.0
"""Host to facts: what this node's broker does at this moment. How it is asked is in look.py, which the check shares. Only
level 20 runs rabbitmq-diagnostics.
"""

from collections import namedtuple

from quorate.rabbitmq import facts, health, where as places
from quorate.rabbitmq.look import look

FAILED_CHECK = 69  # EX_UNAVAILABLE: the check of rabbitmq-diagnostics ran, and says no; other codes say nothing


class Observation(namedtuple("Observation", "state process broker sentence code", defaults=(health.UNKNOWN,))):
    """state: of facts; process: the broker or None; broker: Broker; sentence: in words; code: of health."""

    __slots__ = ()


def observe(context, memory, layout):
    """The state of this node's broker, by process first and then by its own word."""
    from quorate.rabbitmq import server
    process = server.find(context, memory, layout.nodename)
    if process is None:
        broker = facts.Broker(listening=False)
        return Observation(facts.DOWN, None, broker, health.classify(broker).sentence, health.DOWN)
    if process.state in "Tt":
        return judged(facts.Broker(process))  # no question can be answered; asking only costs the time to find that out
    try:
        place, trouble = of_layout(layout, context.parameters), None
    except places.Unreadable as error:
        place, trouble = of_layout(layout), error.reason
    limit = context.parameters.check_timeout
    seen = judged(_with(look(place, process, context.check_level, context.deadline.limit(limit)), trouble))
    if seen.code == health.HUNG and not context.deadline.expired:  # one slow answer is no hang
        seen = judged(_with(look(place, process, context.check_level, context.deadline.limit(limit)), trouble))
    if context.check_level >= 20 and seen.broker.answered:
        seen = judged(diagnosed(context, layout, seen.broker))
    return seen


def judged(broker):
    """The Observation of a Broker."""
    found = health.classify(broker)
    # On the larger side of a partition it is fit: to the others it is the cluster that runs.
    state = facts.RUNNING if found.ok else health.STATES[found.code]
    return Observation(state, broker.process, broker, found.sentence, found.code)


def _with(broker, trouble):
    return broker._replace(error=broker.error or trouble) if trouble else broker


def of_layout(layout, parameters=None):
    """The Where of an agent. Raises where.Unreadable for its file of credentials."""
    place = places.Where(port=layout.port, tls=layout.tls, node=layout.nodename, log=layout.log)
    if parameters is None:
        return place
    place = place._replace(management_port=parameters.management_port)
    wanted = parameters.credentials
    return places.with_file(place, wanted or places.CREDENTIALS, bool(wanted))


def diagnosed(context, layout, broker):
    """The Broker with what rabbitmq-diagnostics adds. It starts an Erlang machine each time. Its failure is unknown: it may
    have the wrong cookie, no epmd, or no time."""
    for check, understand in (("check_local_alarms", _cli_alarms), ("check_virtual_hosts", _cli_hosts)):
        result = context.commands.run(["rabbitmq-diagnostics", "-q", check], context.deadline.limit(15),
                                      env={"RABBITMQ_NODENAME": layout.nodename})
        if result.rc == FAILED_CHECK:
            broker = understand(broker, " ".join((result.out + " " + result.err).split()))
        elif result.rc == 0 and check == "check_local_alarms":
            broker = broker._replace(alarms=())
        elif result.rc != 0:
            return broker._replace(error="rabbitmq-diagnostics %s says nothing of it (%s)." % (
                check, "it took too long" if result.timed_out else "code %s" % result.rc))
    return broker


def _cli_alarms(broker, text):
    words = tuple(word for word in ("disk", "file_descriptor", "memory") if word in text.lower())
    return broker._replace(alarms=words or ("unknown kind",))


def _cli_hosts(broker, text):
    return broker._replace(error="A virtual host is down on this node: %s" % text[:200].rstrip(".") + ".")
