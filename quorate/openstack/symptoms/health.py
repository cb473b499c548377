# SPDX-License-Identifier: Apache-2.0
"""What an observation of a service means for a check: a Health. Pure."""

from quorate.health import Health
from quorate.openstack import facts
from quorate.openstack.symptoms import detect

STILL_FIT = ("amqp", "heartbeat", "traced")  # the service recovers from these by itself, and clients may still come


def classify(service, observed):
    """The Health. An outage of broker or database takes no node out: it is the same on the others, and much still
    works."""
    page = observed.page
    answers = page is not None and page.outcome == facts.ANSWERED and (page.status or 0) < 500
    if not observed.tree.all and not answers:
        return Health("down", False, "%s does not run on this node." % service.name)
    found = detect.symptoms(service, observed)
    for one in found:
        if one.kind == facts.FATAL or (one.kind == facts.PASSING and one.key not in STILL_FIT):
            return Health(one.key, False, one.message)
    if page is not None and page.outcome == facts.UNKNOWN:
        return Health("unknown", False, "%s runs; whether it answers is not known: %s." % (service.name, page.reason))
    if found:
        return Health(found[0].key, True, "%s runs. %s" % (service.name, found[0].message))
    return Health("well", True, _well(service, observed))


def _well(service, observed):
    count, parts = len(observed.tree.all), []
    if count:
        parts.append("%d process%s" % (count, "" if count == 1 else "es"))
    if observed.page is not None and observed.page.status:
        parts.append("answers %d on port %d" % (observed.page.status, detect.listen_port(service, observed.settings)))
    if service.amqp and observed.sockets:
        known = any(one.amqp for one in observed.sockets.values())  # here all are unknown, or one would be missing
        parts.append("connected to RabbitMQ" if known else "its connections to RabbitMQ are not known")
    if observed.rows is not None and observed.rows.outcome == facts.ANSWERED:
        parts.append(_heartbeat(observed))
    if any(reply.outcome == facts.ANSWERED for reply in observed.replies):
        parts.append("answers RPC calls")
    return "%s works: %s." % (service.name, ", ".join(parts))


def _heartbeat(observed):
    """What is known of the heartbeat: that it goes on, where it was looked at before."""
    if any(row.changes for row in observed.rows.rows):
        return "its heartbeat is fresh"
    ages = [row.age for row in observed.rows.rows if row.age is not None]
    return "its last heartbeat is %d s old by the database's clock" % min(ages) if ages else "it has no heartbeat yet"
