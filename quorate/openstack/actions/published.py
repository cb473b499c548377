# SPDX-License-Identifier: Apache-2.0
"""What has to be the same on every node of an active/passive service, published as a private node attribute.

A private attribute stays out of the configuration and costs no run of the scheduler. It is set by the probe, which
Pacemaker runs on each node when the resource is made and when a node joins, and by each start. It holds names of hosts
and backends, which are no secrets, and nothing else.
"""

from quorate.openstack.symptoms import detect


def attribute(instance):
    """The name of the node attribute."""
    return "%s-names" % "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in instance)


def value(service, settings):
    """The text that has to be the same everywhere: names of workers, and the cluster if one is set; None: nothing to
    publish."""
    names = detect.worker_names(service, settings)
    if service.workers != "backends" or not names:
        return None
    text = ",".join(sorted(names)) + (" cluster=%s" % settings.cluster if settings.cluster else "")
    if len(text) > 900:
        import hashlib
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    return text


def publish(context, service, settings):
    """Set the attribute of this node. If the cluster cannot be asked, nothing is published, and that is no failure."""
    text = value(service, settings)
    if text is None:
        return
    from quorate.ocf.context import host_of_bundle
    from quorate.pacemaker.attributes import Attributes, plain
    from quorate.pacemaker.tools import Unavailable
    try:
        own = Attributes(context.commands, context.deadline.part(5), host_of_bundle(context.environ))
        own.set(attribute(context.instance), plain(text), private=True)
    except Unavailable as error:
        context.log.debug("Not published: %s" % error.reason)


def values(context):
    """What the nodes have published: node to text; {} when the cluster cannot be asked."""
    from quorate.pacemaker.attributes import Attributes
    from quorate.pacemaker.tools import Unavailable
    try:
        return Attributes(context.commands, context.deadline.part(10)).all(attribute(context.instance))
    except Unavailable:
        return {}


def differing(values):
    """The message when the nodes have not published the same, None when they have. values: node to text."""
    if len(set(values.values())) < 2:
        return None
    return ("The nodes have different names for the same volumes, so none would manage them after a failover: %s. Set "
            "the same host (or backend_host) and enabled_backends in cinder.conf on every node." % "; ".join(
                "%s has %s" % item for item in sorted(values.items())))
