# SPDX-License-Identifier: Apache-2.0
"""What stands in the way of a newer RabbitMQ: `quorate rabbitmq upgrade-check`. Pure: what a running cluster holds
(broker.contents) and this node's configuration in, findings out.

Sources: RabbitMQ's release notes of 3.11.0 to 4.3.0; rabbit_core_ff.erl and the deprecated features (attribute
rabbit_deprecated_feature) of 3.13.7, 4.0.5, 4.1.8, 4.2.9 and 4.3.5. What is true from a release on is known with that
release: for an earlier target it is said as something that comes later.
"""

from collections import namedtuple
from shlex import quote

from quorate.rabbitmq.broker import parse
from quorate.rabbitmq.broker.tools import contents
from quorate.text import one_line

# Release series -> the series from which RabbitMQ is upgraded to it in place, the newest first.
UPGRADES = {
    (3, 11): ((3, 10),), (3, 12): ((3, 11),), (3, 13): ((3, 12),), (4, 0): ((3, 13),), (4, 1): ((4, 0), (3, 13)),
    (4, 2): ((4, 1), (4, 0), (3, 13)), (4, 3): ((4, 2),),
}
KHEPRI_ONLY = (4, 3)
# Deprecated feature -> (from when on RabbitMQ denies it or has it no more, what it is, what to do). Those that the
# cluster's own objects show are found there: see _objects.
DEPRECATED = {
    "classic_queue_mirroring": ((4, 0), "mirrored classic queues", "use quorum queues"),
    "ram_node_type": ((4, 3), "nodes without a disk", "rabbitmqctl change_cluster_node_type disc, on each"),
    "transient_nonexcl_queues": ((4, 3), "transient queues that are not exclusive", "declare them durable"),
    "queue_master_locator": ((4, 3), "queue-master-locator", "use queue-leader-locator"),
    "global_qos": ((4, 3), "global QoS", "let clients set basic.qos without global"),
    "amqp_address_v1": ((4, 3), "AMQP 1.0 addresses of version 1", "let clients use version 2"),
    "amqp_filter_set_bug": ((4, 3), "AMQP 1.0 filters in the old form", "upgrade those clients"),
}
UNSEEN = ("global_qos", "amqp_address_v1", "amqp_filter_set_bug")  # what clients do, which RabbitMQ does not record
SHOWN = {"classic_queue_mirroring", "ram_node_type", "transient_nonexcl_queues", "queue_master_locator"}
PERMIT = "deprecated_features.permit."
REMOVED_SETTINGS = "cluster_formation.randomized_startup_delay_range."
MOST_NAMES = 20  # names in one line
IN_THE_WAY, UNKNOWN, LATER, NOTE = "in the way", "unknown", "later", "note"


class Finding(namedtuple("Finding", "kind text since", defaults=((),))):
    """kind: IN_THE_WAY, UNKNOWN, LATER (a release behind the target) or NOTE; text: what it is, and what to do; since:
    the release, a tuple, () where it has none."""
    __slots__ = ()


class Held(namedtuple("Held", "status queues policies deprecated", defaults=(None, (), (), {}))):
    """status: contents.Status; queues, policies: sequences of contents.Queue and Policy; deprecated: dict. What was not
    answered is empty here and among the findings as UNKNOWN."""
    __slots__ = ()


class Settings(namedtuple("Settings", "path partitions permitted locator classic_version removed",
                          defaults=(None, frozenset(), None, None, ()))):
    """Of this node's configuration. path: the file; partitions: cluster_partition_handling, None: not set; permitted:
    names of deprecated features that it permits; locator: queue_master_locator; classic_version:
    classic_queue.default_version as text; removed: names of settings that later releases refuse."""
    __slots__ = ()


def series(version):
    """(4, 0) for '4.0.5'; () for what is no version."""
    return parse.version_key(version)[:2]


def shown(release):
    """'4.0' for (4, 0)."""
    return ".".join(map(str, release))


def next_series(version):
    """The newest series to which one of this version is upgraded in place; None: none is known."""
    found = [target for target, before in UPGRADES.items() if series(version) in before]
    return max(found) if found else None


def findings(held, settings, target):
    """List of Findings about an upgrade to the series `target`, the worst first. held: Held; settings: Settings, or
    None where the configuration could not be read."""
    status = held.status
    found = _cluster(status) + _path(status, target) + _flags(status, target) if status else []
    found += _objects(held, settings or Settings("")) + _deprecated(held, settings or Settings(""))
    if settings is not None:
        found += _configuration(settings, status)
    if status:
        found += _khepri(status, target)
    found = [one._replace(kind=LATER) if one.kind == IN_THE_WAY and one.since > target else one for one in found]
    return sorted(found, key=lambda one: ((IN_THE_WAY, UNKNOWN, LATER, NOTE).index(one.kind), one.since))


def _way(text, since=()):
    return Finding(IN_THE_WAY, text, since)


def _named(names):
    """Some names, for one line."""
    names = sorted(names)
    more = len(names) - MOST_NAMES
    return ", ".join(map(one_line, names[:MOST_NAMES])) + (" and %d more" % more if more > 0 else "")


# the cluster as a whole

def _cluster(status):
    found = [_way("%s is a member and does not run: start it, or type: quorate rabbitmq forget NODE" % name)
             for name in sorted(status.members - status.running)]
    if status.partitions:
        found.append(_way("The cluster is partitioned: quorate explain"))
    if status.alarms:
        found.append(_way("An alarm is set: rabbitmq-diagnostics alarms"))
    return found


def _path(status, target):
    versions = {series(version) for version in status.versions.values()}
    if len(versions) > 1:
        return [_way("Not all nodes run the same release (%s): finish that upgrade first" % ", ".join(
            "%s %s" % pair for pair in sorted(status.versions.items())))]
    now = versions.pop() if versions else ()
    if not now or now in UPGRADES[target]:
        return []
    if now >= target:
        return [_way("The cluster runs %s already" % shown(now))]
    return [_way("RabbitMQ is upgraded to %s only from %s, and this is %s: upgrade to %s first, or build a second "
                 "cluster and move the clients (blue/green)" % (
                     shown(target), " or ".join(map(shown, UPGRADES[target])), shown(now),
                     shown(next_series(shown(now)) or UPGRADES[target][0])))]


def _flags(status, target):
    """A feature flag that is stable and off: a later release requires it, and refuses to start without."""
    found = [_way("The feature flag %s is not enabled: rabbitmqctl enable_feature_flag %s" % (name, name))
             for name, (state, stability) in sorted(status.flags.items())
             if state != "enabled" and stability in ("stable", "required") and name != "khepri_db"
             and name not in DEPRECATED]
    khepri = status.flags.get("khepri_db", (None,))[0] == "enabled"
    if khepri and (3, 13) in {series(version) for version in status.versions.values()}:
        found.append(_way("The metadata store is Khepri, which no release can take over from 3.13: build a second "
                          "cluster and move the clients (blue/green)"))
    return found


def _khepri(status, target):
    if status.flags.get("khepri_db", (None,))[0] == "enabled":
        return []
    known = "khepri_db" in status.flags and status.versions and min(map(series, status.versions.values())) >= (4, 2)
    found = [_way("The metadata store is Mnesia, and %s has only Khepri: %s" % (
        shown(KHEPRI_ONLY), "rabbitmqctl enable_feature_flag khepri_db" if known else "enable khepri_db once all nodes "
        "run 4.2"), KHEPRI_ONLY)]
    if len(status.members) < 3:
        found.append(Finding(NOTE, "With Khepri a cluster of %d serves only while all of its nodes run: add nodes, up "
                             "to three" % len(status.members) if len(status.members) > 1 else
                             "A cluster of one node is away while it is upgraded"))
    return found


# what is in the cluster

def _objects(held, settings):
    found = []
    for one in held.policies:
        clear = "rabbitmqctl %s -p %s %s" % ("clear_operator_policy" if one.operator else "clear_policy",
                                             quote(one.vhost), quote(one.name))
        what = "The %spolicy %s of vhost %s" % ("operator " if one.operator else "", one.name, one.vhost)
        if any(key.startswith("ha-") for key in one.definition):
            queues = [queue.name for queue in held.queues if not one.operator and queue.type == contents.CLASSIC
                      and (queue.vhost, queue.policy) == (one.vhost, one.name)]
            found.append(_way("%s mirrors classic queues%s: replace them by quorum queues, then %s" % (
                what, " (%s)" % _named(queues) if queues else "", clear), (4, 0)))
        if "queue-master-locator" in one.definition:
            found.append(_way("%s sets queue-master-locator: use queue-leader-locator, or %s" % (what, clear), (4, 3)))
        if one.definition.get("queue-version") == 1:
            found.append(_way("%s sets queue-version to 1: set it to 2, or %s" % (what, clear), (4, 3)))
    found += _queues(held, settings)
    for name in sorted(held.status.ram) if held.status else ():
        found.append(_way("%s has no disk (RAM node): on it, rabbitmqctl stop_app; rabbitmqctl "
                          "change_cluster_node_type disc; rabbitmqctl start_app" % name, (4, 3)))
    return found


def _queues(held, settings):
    """Findings about queues, one for each virtual host and reason: OpenStack has hundreds of the same kind."""
    groups = {}
    for queue in held.queues:
        if queue.durable is False and queue.exclusive is not True and queue.type == contents.CLASSIC:
            groups.setdefault((queue.vhost, _transient), []).append(queue)
        if queue.arguments.get("x-queue-master-locator") is not None:
            groups.setdefault((queue.vhost, _located), []).append(queue)
        if queue.arguments.get("x-queue-version") == 1:
            groups.setdefault((queue.vhost, _old_store), []).append(queue)
    found = [reason("vhost %s: %s" % (vhost, _named(queue.name for queue in queues)), vhost, settings)
             for (vhost, reason), queues in groups.items()]
    return found + (_replicas(held) if held.status else [])


def _transient(which, vhost, settings):
    return _permitted("transient_nonexcl_queues", settings, "Transient queues that are not exclusive, which RabbitMQ "
                      "denies from 4.3 on, in %s. Let clients declare them durable, or set %stransient_nonexcl_queues "
                      "= true on all nodes; all of them: rabbitmqctl list_queues -p %s name durable exclusive" % (
                          which, PERMIT, quote(vhost)))


def _located(which, vhost, settings):
    return _permitted("queue_master_locator", settings, "Queues with x-queue-master-locator in %s. Let clients declare "
                      "x-queue-leader-locator; all of them: rabbitmqctl list_queues -p %s name arguments" % (
                          which, quote(vhost)))


def _old_store(which, vhost, _settings):
    return _way("Queues with x-queue-version 1 in %s. Let clients declare them without; all of them: rabbitmqctl "
                "list_queues -p %s name arguments" % (which, quote(vhost)), (4, 3))


def _permitted(feature, settings, text):
    """A Finding about a deprecated feature; a note where this node's configuration permits it."""
    if feature in settings.permitted:
        return Finding(NOTE, "%s (permitted in %s; is it on all nodes?)" % (text, settings.path))
    return _way(text, DEPRECATED[feature][0])


def _replicas(held):
    """Quorum queues and streams that a restart of one node after the other would stop, or leaves behind."""
    members, running, groups = held.status.members, held.status.running, {}
    least = min(3, len(members))
    for queue in held.queues:
        if queue.type not in (contents.QUORUM, contents.STREAM) or not queue.members:
            continue
        for name in queue.members - members:
            groups.setdefault((queue.vhost, queue.type, name, _strange), []).append(queue)
        for name in queue.members & members - running:
            groups.setdefault((queue.vhost, queue.type, name, _away), []).append(queue)
        if len(queue.members & members) < least and running - queue.members:
            groups.setdefault((queue.vhost, queue.type, min(running - queue.members), _few), []).append(queue)
    return [reason("%ss of vhost %s (%s)" % ("Quorum queue" if kind == contents.QUORUM else "Stream", vhost,
                                             _named(queue.name for queue in queues)), vhost, kind, name, least)
            for (vhost, kind, name, reason), queues in sorted(groups.items(), key=lambda pair: pair[0][:3])]


def _strange(which, vhost, kind, name, _least):
    return _way("%s have a member on %s, which is no node of the cluster: %s --vhost %s QUEUE %s" % (
        which, name, "rabbitmq-queues delete_member" if kind == contents.QUORUM else "rabbitmq-streams delete_replica",
        quote(vhost), name))


def _away(which, _vhost, _kind, name, _least):
    return _way("%s have a member on %s, which does not run: start it first" % (which, name))


def _few(which, vhost, kind, name, least):
    return _way("%s have fewer than %d members, so the restart of a node may stop them: %s --vhost %s QUEUE %s" % (
        which, least, "rabbitmq-queues add_member" if kind == contents.QUORUM else "rabbitmq-streams add_replica",
        quote(vhost), name))


def _deprecated(held, settings):
    found = []
    for name, phase in sorted(held.deprecated.items()):
        if name in SHOWN and (held.queues or held.policies or held.status):
            continue  # the objects that use it are named
        if name in DEPRECATED:
            since, what, remedy = DEPRECATED[name]
            found.append(_permitted(name, settings, "In use: %s (%s), denied from %s on: %s" % (
                what, name, shown(since), remedy)))
        else:
            found.append(Finding(NOTE, "In use, and deprecated (%s): %s" % (phase.replace("_", " "), name)))
    unseen = [name for name in UNSEEN if name not in held.deprecated and name not in settings.permitted]
    if unseen:
        found.append(Finding(NOTE, "From 4.3 on RabbitMQ denies %s; it does not record which clients use that: grep "
                             "-i deprecated /var/log/rabbitmq/*.log" % ", ".join(unseen)))
    return found


# this node's configuration

def _configuration(settings, status):
    found = [_way("%s is set in %s, and RabbitMQ 4.0 does not start with it: remove it on all nodes" % (
        name, settings.path), (4, 0)) for name in settings.removed]
    if settings.classic_version == "1":
        found.append(_way("classic_queue.default_version is 1 in %s, and RabbitMQ 4.0 does not start with it: remove "
                          "it on all nodes" % settings.path, (4, 0)))
    if settings.locator is not None:
        found.append(_permitted("queue_master_locator", settings, "queue_master_locator is set in %s: use "
                                "queue_leader_locator" % settings.path))
    if settings.partitions is not None:
        khepri = status is not None and status.flags.get("khepri_db", (None,))[0] == "enabled"
        found.append(Finding(NOTE, "cluster_partition_handling = %s in %s %s with Khepri: more than half of the nodes "
                             "go on, the others wait" % (settings.partitions, settings.path,
                                                      "is not obeyed" if khepri else "will not be obeyed")))
    return found
