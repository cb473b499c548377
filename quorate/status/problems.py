# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a control plane, and the command that fixes it. Pure."""

from quorate.status.facts import BAD, DEGRADED, MOVES, PAST, PLANNED, WELL, Trouble


# -- why

def _troubles(observed, rows):
    yield from _of_cluster(observed.cluster)
    yield from _of_nodes(observed.cluster)
    yield from _of_services(observed, rows)
    for one in observed.explanations:
        if not one.whole:
            yield Trouble(one.level, "%s: %s" % (one.service, one.text), one.command)
    explained = {one.service for one in observed.explanations if not one.whole}
    alike = {}
    for failure in sorted(observed.cluster.failures):
        trouble = _of_failure(observed.cluster, failure, rows)
        if failure.code not in DEGRADED or trouble.level == PAST or failure.service not in explained:
            alike.setdefault((failure.service, trouble), []).append(failure)
    for (service, trouble), failures in alike.items():
        yield trouble._replace(text="%s on %s (%s): %s" % (
            service, " ".join(sorted({one.node for one in failures})), _when(failures), trouble.text))
    if observed.drained is not None:
        yield Trouble(PLANNED, "%s drains: %s" % (observed.node or "This node", observed.drained), "galera-check undrain")
    for sentence in observed.gaps:
        yield Trouble(BAD, sentence)


def _of_cluster(cluster):
    if cluster.dc is None:
        yield Trouble(BAD, "No node is elected to decide (DC): the cluster starts, or its nodes do not see each other.",
                      "corosync-cfgtool -s")
    if cluster.quorate is False:
        yield Trouble(BAD, "This part of the cluster has no quorum, so it starts nothing: more than half of the nodes are "
                           "needed.", "pcs quorum status")
    if cluster.fencing is False:
        yield Trouble(BAD, "Fencing is off: a node that hangs cannot be recovered from.",
                      "pcs property set stonith-enabled=true")
    if cluster.maintenance:
        yield Trouble(PLANNED, "The cluster is in maintenance mode: nothing is watched and nothing is recovered.",
                      "pcs property set maintenance-mode=false")
    if cluster.stop_all:
        yield Trouble(PLANNED, "stop-all-resources is set: the cluster stops everything.",
                      "pcs property set stop-all-resources=false")
    for one in cluster.fencings:
        word = "Fencing of %s (%s) failed at %s" if one.status == "failed" else "%s is being fenced (%s)%s"
        text = word % (one.target, one.action, one.when if one.status == "failed" else "")
        still = any(node.name == one.target and node.unclean for node in cluster.nodes)
        yield Trouble(MOVES if one.status == "pending" else BAD if still else PAST, text + ".",
                      "pcs stonith history show " + one.target)


def _of_nodes(cluster):
    for node in cluster.nodes:
        if node.unclean and cluster.fencing is not False:
            yield Trouble(BAD, "%s is unclean: until it is fenced, what ran there is started nowhere else. If it is off "
                               "for sure:" % node.name, "pcs stonith confirm " + node.name)
        elif node.online and node.standby:
            yield Trouble(PLANNED, "%s is in standby and runs nothing." % node.name, "pcs node unstandby " + node.name)
        elif node.online and node.maintenance and not cluster.maintenance:
            yield Trouble(PLANNED, "%s is in maintenance: what runs there is not watched." % node.name,
                          "pcs node unmaintenance " + node.name)
        elif not node.online and not node.pending and node.type == "member":
            yield Trouble(BAD, "%s is off, or its cluster software is not started." % node.name,
                          "pcs cluster start " + node.name)


def _of_services(observed, rows):
    for service in observed.cluster.services:
        row = rows.get(service.name)
        top = service.parent or service.name
        if row is None:
            continue
        if row.word == "disabled":
            yield Trouble(PLANNED, "%s is disabled." % top, "pcs resource enable " + top)
        elif row.word == "unmanaged" and not observed.cluster.maintenance and not any(
                node.maintenance for node in observed.cluster.nodes):
            yield Trouble(PLANNED, "%s is unmanaged: it is not recovered." % top, "pcs resource manage " + top)
        elif row.word == "orphan":
            yield Trouble(BAD, "%s runs and is not in the configuration any more." % service.name,
                          "pcs resource cleanup " + service.name)
        elif row.word == "FAILED" and any(one.blocked for one in service.instances):
            yield Trouble(BAD, "%s is blocked: the cluster cannot stop it and does nothing more with it." % service.name,
                          "pcs resource cleanup " + service.name)


def _of_failure(cluster, failure, rows):
    """A failed action: it still matters, or it is over and only remembered. Where and when is added later."""
    reason, mend = failure.reason or failure.word, "pcs resource cleanup " + failure.service
    if failure.code in DEGRADED:
        latest = cluster.latest.get((failure.service, failure.node), ())
        if any(one.code in DEGRADED for one in latest):
            return Trouble(BAD, "degraded. " + reason)
        return Trouble(PAST, "was degraded, and that is over. " + reason, mend)
    row = rows.get(failure.service)
    return Trouble(PAST if row is not None and row.level in (WELL, PAST) else BAD,
                   "%s failed. %s" % (failure.action, reason), mend)


def _when(failures):
    """One moment, or the first and the last."""
    times = sorted({one.when for one in failures if one.when})
    return " to ".join(times[:1] + times[1:][-1:]) or "time unknown"
