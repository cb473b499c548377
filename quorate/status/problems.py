# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a control plane, and the command that fixes it. Pure."""

from quorate.pacemaker.crm_mon import DEGRADED
from quorate.status.facts import BAD, MOVES, PAST, PLANNED, WELL, Problem


def find_problems(observed, rows):
    """Every Problem in an Observation, a generator. rows: dict name of a service -> its Row."""
    yield from _of_cluster(observed.cluster)
    yield from _of_nodes(observed.cluster)
    yield from _of_services(observed, rows)
    for one in observed.explanations:
        if not one.whole:
            yield Problem(one.level, "%s: %s" % (one.service, one.text), one.command)
    yield from _of_failures(observed, rows)
    if observed.drained is not None:
        yield Problem(PLANNED, "%s is drained: %s" % (observed.node or "This node", observed.drained),
                      "galera-check undrain")
    for sentence in observed.gaps:
        yield Problem(BAD, sentence)


def _of_cluster(cluster):
    if cluster.dc is None:
        yield Problem(BAD, "No node is elected as designated controller (DC): the cluster is starting, or its nodes do "
                           "not reach each other.", "corosync-cfgtool -s")
    if cluster.quorate is False:
        yield Problem(BAD, "This part of the cluster has no quorum, so it starts nothing: more than half of the nodes "
                           "are needed.", "pcs quorum status")
    if cluster.fencing is False:
        yield Problem(BAD, "Fencing is disabled: the cluster cannot recover from a node that hangs.",
                      "pcs property set stonith-enabled=true")
    if cluster.maintenance:
        yield Problem(PLANNED, "The cluster is in maintenance mode: nothing is monitored or recovered.",
                      "pcs property set maintenance-mode=false")
    if cluster.stop_all:
        yield Problem(PLANNED, "stop-all-resources is set: the cluster stops everything.",
                      "pcs property set stop-all-resources=false")
    for one in cluster.fencings:
        yield _of_fencing(cluster, one)


def _of_fencing(cluster, fencing):
    """Of an attempt that is under way or failed. A failed one is past unless the node still waits to be fenced."""
    if fencing.status == "failed":
        unclean = any(node.name == fencing.target and node.unclean for node in cluster.nodes)
        level, text = BAD if unclean else PAST, "Fencing of %s (%s) failed at %s." % (fencing.target, fencing.action,
                                                                                      fencing.when)
    else:
        level, text = MOVES, "%s is being fenced (%s)." % (fencing.target, fencing.action)
    return Problem(level, text, "pcs stonith history show " + fencing.target)


def _of_nodes(cluster):
    for node in cluster.nodes:
        if node.unclean and cluster.fencing is not False:
            yield Problem(BAD, "%s is unclean: until it is fenced, what ran there is started nowhere else. If you are "
                               "sure that it is off:" % node.name, "pcs stonith confirm " + node.name)
        elif node.online and node.standby:
            yield Problem(PLANNED, "%s is in standby and runs nothing." % node.name, "pcs node unstandby " + node.name)
        elif node.online and node.maintenance and not cluster.maintenance:
            yield Problem(PLANNED, "%s is in maintenance: what runs there is not monitored." % node.name,
                          "pcs node unmaintenance " + node.name)
        elif not node.online and not node.pending and node.type == "member":
            yield Problem(BAD, "%s is off, or its cluster software is not started." % node.name,
                          "pcs cluster start " + node.name)


def _of_services(observed, rows):
    for service in observed.cluster.services:
        row = rows.get(service.name)
        top = service.parent or service.name
        if row is None:
            continue
        if row.word == "disabled":
            yield Problem(PLANNED, "%s is disabled." % top, "pcs resource enable " + top)
        elif row.word == "unmanaged" and not observed.cluster.maintenance and not any(
                node.maintenance for node in observed.cluster.nodes):
            yield Problem(PLANNED, "%s is unmanaged: it is not recovered." % top, "pcs resource manage " + top)
        elif row.word == "orphan":
            yield Problem(BAD, "%s runs although the configuration does not have it any more." % service.name,
                          "pcs resource cleanup " + service.name)
        elif row.word == "FAILED" and any(one.blocked for one in service.instances):
            yield Problem(BAD, "%s is blocked: the cluster cannot stop it and does nothing more with it."
                          % service.name,
                          "pcs resource cleanup " + service.name)


def _of_failures(observed, rows):
    """One Problem for all failures of a service that say the same.

    A service that explains itself needs no second reason for being degraded.
    """
    explained = {one.service for one in observed.explanations if not one.whole}
    alike = {}
    for failure in sorted(observed.cluster.failures):
        problem = _of_failure(observed.cluster, failure, rows)
        if failure.code not in DEGRADED or problem.level == PAST or failure.service not in explained:
            alike.setdefault((failure.service, problem), []).append(failure)
    for (service, problem), failures in alike.items():
        yield problem._replace(text="%s on %s (%s): %s" % (
            service, " ".join(sorted({one.node for one in failures})), _when(failures), problem.text))


def _of_failure(cluster, failure, rows):
    """Of a failed action that still matters, or of one that is over and only recorded. Without where and when."""
    reason, cleanup = failure.reason or failure.word, "pcs resource cleanup " + failure.service
    if failure.code in DEGRADED:
        latest = cluster.latest.get((failure.service, failure.node), ())
        if any(one.code in DEGRADED for one in latest):
            return Problem(BAD, "degraded. " + reason)
        return Problem(PAST, "was degraded and has recovered. " + reason, cleanup)
    row = rows.get(failure.service)
    return Problem(PAST if row is not None and row.level in (WELL, PAST) else BAD,
                   "%s failed. %s" % (failure.action, reason), cleanup)


def _when(failures):
    """One moment, or the first and the last."""
    times = sorted({one.when for one in failures if one.when})
    return " to ".join(times[:1] + times[1:][-1:]) or "time unknown"
