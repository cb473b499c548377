# SPDX-License-Identifier: Apache-2.0
"""What was seen of a service, in a word and a sentence for a check. Pure."""

from quorate.health import Health
from quorate.openstack import facts
from quorate.openstack.symptoms import detect

PATIENCE = ("amqp", "heartbeat")  # what the service gets over by itself, while clients may still come


def classify(service, seen):
    """The Health. An outage of broker or database takes no node out: it is the same on the others, and much still works."""
    answers = seen.page is not None and seen.page.outcome == facts.ANSWERED and (seen.page.status or 0) < 500
    if not seen.tree.all and not answers:
        return Health("down", False, "%s does not run on this node." % service.name)
    found = detect.symptoms(service, seen)
    for one in found:
        if one.kind == facts.FATAL or (one.kind == facts.PASSING and one.key not in PATIENCE):
            return Health(one.key, False, one.sentence)
    if found:
        return Health(found[0].key, True, "%s runs. %s" % (service.name, found[0].sentence))
    return Health("well", True, _well(service, seen))


def _well(service, seen):
    parts = ["%d process%s" % (len(seen.tree.all), "" if len(seen.tree.all) == 1 else "es")] if seen.tree.all else []
    if seen.page is not None and seen.page.status:
        parts.append("answers %d on port %d" % (seen.page.status, detect.port_of(service, seen.settings)))
    if service.amqp and seen.sockets:
        parts.append("connected to RabbitMQ")
    if seen.rows is not None and seen.rows.outcome == facts.ANSWERED:
        parts.append("its heartbeat is fresh")
    if any(reply.outcome == facts.ANSWERED for reply in seen.replies):
        parts.append("answers RPC calls")
    return "%s works: %s." % (service.name, ", ".join(parts))
