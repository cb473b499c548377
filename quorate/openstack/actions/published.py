# SPDX-License-Identifier: Apache-2.0
"""What has to be the same on every node of an active/passive service, told to the others as a private node attribute.

A private attribute stays out of the configuration and costs no run of the scheduler. It is set by the probe, which Pacemaker
runs on each node when the resource is made and when a node joins, and by each start. Names of hosts and backends are no
secrets; nothing else is in it.
"""

from quorate.openstack.symptoms import detect


def attribute(instance):
    return "%s-names" % "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in instance)


def value(service, settings):
    """The text that has to be the same everywhere: names of workers, and the cluster if one is set; None: nothing to say."""
    names = detect.names(service, settings)
    if service.workers != "backends" or not names:
        return None
    text = ",".join(sorted(names)) + (" cluster=%s" % settings.cluster if settings.cluster else "")
    if len(text) > 900:
        import hashlib
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    return text


def publish(context, service, settings):
    """Tell it; a cluster that cannot be asked is no reason to fail."""
    text = value(service, settings)
    if text is None:
        return
    from quorate.ocf.context import host_of_bundle
    from quorate.pacemaker.attributes import Attributes, plain
    from quorate.pacemaker.tools import Unavailable
    try:
        ours = Attributes(context.commands, context.deadline.part(5), host_of_bundle(context.environ))
        ours.set(attribute(context.instance), plain(text), private=True)
    except Unavailable as trouble:
        context.log.debug("Not published: %s" % trouble.reason)


def values(context):
    """What the nodes told: node to text; {} when the cluster cannot be asked."""
    from quorate.pacemaker.attributes import Attributes
    from quorate.pacemaker.tools import Unavailable
    try:
        return Attributes(context.commands, context.deadline.part(10)).all(attribute(context.instance))
    except Unavailable:
        return {}


def differing(values):
    """A sentence when the nodes do not say the same, None when they do. values: node to text."""
    if len(set(values.values())) < 2:
        return None
    return "The nodes have different names for the same volumes: %s. After a failover they would belong to nobody; set the " \
           "same host (or backend_host) and enabled_backends in cinder.conf everywhere." % "; ".join(
               "%s says %s" % item for item in sorted(values.items()))
