# SPDX-License-Identifier: Apache-2.0
"""What a node must do, by the reports of all nodes. Pure; the same facts give the same decision on every node.

Three decisions are risky, and each needs proof: to found a cluster (all nodes that may hold data reported that they
hold none), to join with an empty disk (only a node without data does), and to force a boot without the missing nodes
(see decide_waiting). To start with one's own data is safe: RabbitMQ itself then waits for the nodes that it needs.
"""

from quorate.rabbitmq.election.proof import absent, forced_boot_node, stopped_later, last_running
from quorate.rabbitmq.facts import (
    ALIVE, BOOTED, FORCE, FOUND, JOIN, KHEPRI, PARTITIONED, PAUSED, REFUSE, RUNNING, START, WAIT, Decision)

AWAY = "mv DATADIR/%s DATADIR/%s.old"
BOOT = "quorate rabbitmq boot %s"
REPLACE = "quorate rabbitmq replace %s"


def decide(snapshot):
    """The Decision for a node (snapshot.me) that runs no broker."""
    own = snapshot.reports.get(snapshot.me)
    if own is not None and own.stale:
        return Decision(
            REFUSE, "The data of %s are not those of its cluster, or older: is a file system not mounted, or a copy in "
            "its place? Mount it. If they are right, remove /var/lib/quorate/rabbitmq-*/served on it; if not needed, "
            "move them away." % snapshot.me, urgent=True)
    if own is None or own.data is None or own.name is None:
        return _unknown_disk(snapshot)
    problem = cookie_problem(snapshot) or name_problem(snapshot)
    if problem:
        return Decision(REFUSE, problem, urgent=True)
    booted = _others(snapshot, lambda one: one.state in BOOTED and not one.stale)
    if own.data:
        return _with_data_beside(snapshot, own, booted) if booted else _with_data(snapshot, own)
    if own.other:
        return Decision(
            REFUSE, "%s has no data under the name %s, but there are data in %s: was it renamed? Set the parameter "
            "nodename to that name, or move that directory away if it is not needed." % (
                snapshot.me, own.name, own.other), urgent=True)
    return _join(snapshot, own, booted) if booted else _without_data(snapshot, own)


def _unknown_disk(snapshot):
    return Decision(WAIT, "It is unknown what is on the disk of %s." % snapshot.me, (snapshot.me,), True)


def _others(snapshot, wanted):
    """List of the other nodes' reports for which `wanted` is true, by name."""
    return [one for node, one in sorted(snapshot.reports.items()) if node != snapshot.me and wanted(one)]


def cookie_problem(snapshot):
    """A message when this node's Erlang cookie is not the one that most nodes have (in a tie: that of the first node),
    else None."""
    own = snapshot.reports[snapshot.me].cookie
    nodes = {}  # by fingerprint
    for node in sorted(snapshot.reports):
        fingerprint = snapshot.reports[node].cookie
        if fingerprint is not None:
            nodes.setdefault(fingerprint, []).append(node)
    if own is None or len(nodes) < 2:
        return None
    best = max(nodes, key=lambda one: (len(nodes[one]), -sorted(snapshot.reports).index(nodes[one][0])))
    if own == best:
        return None
    return "The Erlang cookie of %s differs from that of %s, so they cannot communicate: copy the file from there." % (
        snapshot.me, ", ".join(nodes[best]))


def name_problem(snapshot):
    """A message when another node has the same Erlang name, else None."""
    own = snapshot.reports[snapshot.me].name
    same = _others(snapshot, lambda one: one.name == own and (one.launched or one.data))
    if not same:
        return None
    return "%s and %s have the same Erlang name %s: set NODENAME in rabbitmq-env.conf." % (
        snapshot.me, same[0].node, own)


def _with_data_beside(snapshot, own, booted):
    """It has data, and a cluster runs: can this node connect to it, and is it a member?"""
    if all(one.name in snapshot.unreachable for one in booted):
        # It may have seen the others stop before it. Then it would wait for no node, and be a cluster beside the
        # running one.
        return Decision(
            WAIT, "%s run%s, but %s cannot connect to the broker there (TCP ports 4369 and 25672): started now, it "
            "would be a cluster of its own." % (_list(booted), "" if len(booted) > 1 else "s", snapshot.me),
            tuple(one.node for one in booted), urgent=True)
    known = [one for one in booted if one.members is not None]
    if not known and (own.members is None or any(one.name in own.members for one in booted)):
        return Decision(START, "%s has data, and starts with them beside the running cluster." % snapshot.me)
    if not known:
        return Decision(WAIT, "The members of the cluster of %s are unknown." % _list(booted), urgent=True,
                        missing=tuple(one.node for one in booted))
    from quorate.rabbitmq.election.apart import founded_beside  # not at the top: no healthy monitor needs it
    if founded_beside(own, snapshot.reports):
        return Decision(
            REFUSE, "The data of %s know none of %s, whose cluster counts on it: is a file system not mounted? If they "
            "are not needed, move them away, and it joins." % (
                snapshot.me, _list(known)), urgent=True, command=AWAY % (own.name, own.name))
    if any(own.name in one.members for one in known):
        return Decision(START, "%s has data and is a member of the running cluster." % snapshot.me)
    theirs = (own.members or frozenset()) & frozenset().union(*(one.members for one in known))
    if theirs and 2 * len(theirs) <= len(own.members):
        # The others of its cluster are not there to say the same. So it is not told to move away what may be the newer.
        return Decision(
            REFUSE, "%s has data, but the cluster of %s does not know it: it was forgotten, or %s runs without its own "
            "disk: then stop that and mount it. If its data are not needed, move them away, and it joins as a new "
            "member." % (
                snapshot.me, _list(known), _list(known)), urgent=True)
    return Decision(
        REFUSE, "%s has data, but the cluster of %s does not know it (it was forgotten, or has always been a cluster "
        "of its own). Nothing is removed: if its data are not needed, move them away, and it joins as a new member." % (
            snapshot.me, _list(known)), urgent=True, command=AWAY % (own.name, own.name))


def _with_data(snapshot, own):
    """It has data, and no broker of its cluster runs."""
    apart = _others(snapshot, lambda one: one.stale and one.state in ALIVE and one.name in (own.members or ()))
    if apart:
        # RabbitMQ would ask it, and end: inconsistent_cluster (rabbit_mnesia.erl, check_cluster_consistency/0).
        return Decision(
            WAIT, "The broker that runs on %s is not the cluster's, and %s cannot boot beside it. On %s: systemctl "
            "disable --now rabbitmq-server" % (_list(apart), snapshot.me, _list(apart)),
            tuple(one.node for one in apart), True)
    if is_ordered(snapshot):
        return _as_ordered(snapshot, own, snapshot.override)
    if own.members is not None:
        excluded = _others(snapshot, lambda one: one.data and one.members is not None
                           and own.name not in one.members)
        if excluded and any(one.name in own.members for one in excluded):
            return Decision(
                REFUSE, "%s has data, but %s no longer count it among the cluster's members: it was forgotten there, "
                "or a file system is not mounted there." % (snapshot.me, _list(excluded)), urgent=True,
                command=BOOT % excluded[0].node)
        if excluded:
            return _two_clusters(snapshot, own, excluded)
    return Decision(START, "%s has data and starts with them." % snapshot.me)


def _two_clusters(snapshot, own, excluded):
    """Two clusters that do not know each other: the one with most nodes is taken."""
    ours = [one for one in snapshot.reports.values() if one.data and one.members is not None
            and own.name in one.members]
    if len(ours) > len(excluded):
        return Decision(START, "%s has data and starts with them; %s belong to another cluster." % (
            snapshot.me, _list(excluded)))
    return Decision(
        REFUSE, "%s and %s have data of two clusters that do not know each other; an operator must choose one."
        % (_list(sorted(ours)), _list(excluded)), urgent=True, command=BOOT % snapshot.me)


def is_ordered(snapshot, replace=False):
    """Whether the operator ordered that this node boots without the missing ones; replace: that it is replaced."""
    override = snapshot.override
    return override is not None and override.node == snapshot.me and override.replace == replace


def _as_ordered(snapshot, own, override):
    """The operator ordered that this node boots without the missing nodes."""
    if own.store == KHEPRI:
        return Decision(
            REFUSE, "With Khepri a boot cannot be forced: RabbitMQ needs more than half of the cluster's nodes.",
            urgent=True, missing=absent(snapshot, own))
    better = [one.node for one in stopped_later(snapshot, own)]
    if better and not override.forced:
        return Decision(
            REFUSE, "%s stopped before %s, which know of newer changes." % (snapshot.me, ", ".join(better)),
            urgent=True, command=BOOT % better[0])
    return Decision(FORCE, "Boots without the missing nodes, as ordered by %s." % override.by, absent(snapshot, own))


def _join(snapshot, own, booted):
    """It has no data, and a cluster runs."""
    able = [one for one in booted if one.state == RUNNING and one.name is not None]
    if not able:
        return Decision(WAIT, "Joins the cluster once a node of it serves: %s." % ", ".join(
            "%s is %s" % (one.node, one.state) for one in booted), tuple(one.node for one in booted))
    peer = max(able, key=lambda one: (len(one.members or ()), [-ord(letter) for letter in one.node]))
    strangers = [one for one in able if one.members and not (one.members & peer.members)]
    if strangers:
        return Decision(REFUSE, "%s and %s run as two clusters; an operator must choose which one %s joins." % (
            peer.node, _list(strangers), snapshot.me), urgent=True)
    known_as = {own.name, own.former} - {None}
    gone = tuple(sorted(known_as if peer.members is None else known_as & peer.members))
    if own.lost and gone and not is_ordered(snapshot, replace=True):
        return Decision(
            REFUSE, "%s served with data that are not there now, and the cluster still counts on them: is a file "
            "system not mounted? If they are gone for good, the command makes it a new member." % (
                snapshot.me), urgent=True, command=REPLACE % snapshot.me)
    return Decision(JOIN, "%s has no data and joins the cluster of %s." % (snapshot.me, peer.node), peer=peer.name,
                    forget=bool(gone), gone=gone)


def _without_data(snapshot, own):
    """It has no data, and no broker runs."""
    holders = _others(snapshot, lambda one: one.data or one.other)
    silent = tuple(sorted(snapshot.nodes - set(snapshot.reports))) + tuple(
        one.node for one in _others(snapshot, lambda one: one.data is None))
    if is_ordered(snapshot) and (snapshot.override.forced or not holders):
        return Decision(FOUND, "Founds the cluster, as ordered by %s." % snapshot.override.by)
    if holders:
        return Decision(WAIT, "%s has no data and joins once the cluster of %s runs." % (snapshot.me, _list(holders)),
                        tuple(one.node for one in holders), urgent=not all(one.launched for one in holders))
    if silent:
        return Decision(
            WAIT, "%s did not report whether there are data; until then no first cluster is founded."
            % ", ".join(silent), silent, True, BOOT % snapshot.me)
    lost = sorted(node for node, one in snapshot.reports.items() if one.lost)
    if lost:
        return Decision(
            REFUSE, "No node has data, but %s had some: is a file system not mounted? The command founds a new, empty "
            "cluster." % ", ".join(lost), urgent=True, command=BOOT % snapshot.me)
    launched = sorted(node for node, one in snapshot.reports.items() if one.launched)
    if snapshot.founder == snapshot.me or (snapshot.founder is None and launched[:1] == [snapshot.me]):
        return Decision(FOUND, "No node has data: %s founds the cluster." % snapshot.me)
    first = snapshot.founder or (launched + ["?"])[0]
    gone = first not in launched
    return Decision(WAIT, "No node has data: %s founds the cluster, the others join it." % first, (first,), gone,
                    BOOT % snapshot.me if gone else None)


def decide_waiting(snapshot):
    """The Decision for a node whose broker boots and waits for others: FORCE, or WAIT for the missing nodes.

    Only one node gets FORCE. With Khepri there is nothing to force: more than half of the nodes suffice.
    """
    own = snapshot.reports.get(snapshot.me)
    if own is None:
        return _unknown_disk(snapshot)
    missing = absent(snapshot, own)
    if any(one.state in BOOTED and not one.stale for one in snapshot.reports.values()):
        return Decision(WAIT, "Starts beside the running cluster.", ())
    if is_ordered(snapshot) and own.data:
        return _as_ordered(snapshot, own, snapshot.override)
    if own.store != KHEPRI:
        chosen = forced_boot_node(snapshot)
        if chosen == snapshot.me:
            return Decision(FORCE, "Boots without waiting for %s: %s saw all others stop, so nothing is lost." % (
                ", ".join(missing) or "the others", ", ".join(sorted(last_running(snapshot)))), missing)
        if chosen is not None:
            return Decision(WAIT, "%s boots first, and the others follow." % chosen, (chosen,))
    if not missing:
        return Decision(WAIT, "All nodes of the cluster boot; each waits for the others.", ())
    best = own.node if not stopped_later(snapshot, own) else next(
        (one.node for one in stopped_later(snapshot, own) if not stopped_later(snapshot, one)), own.node)
    return Decision(WAIT, _why(own, missing), missing, True, None if own.store == KHEPRI else BOOT % best)


def _why(own, missing):
    if own.store == KHEPRI:
        return "Waits for %s: RabbitMQ with Khepri needs more than half of its %d nodes." % (
            " or ".join(missing), len(own.members or ()))
    return "Waits for %s, which may know of changes and messages that nobody else has." % ", ".join(missing)


def stop_impact(snapshot):
    """What a planned stop of this node costs the others: (critical, alone). critical: without it just half of the
    cluster's nodes, or fewer, would run, so quorum queues would stop; alone: no other broker runs, or all the others
    that run are stopping as well, so there is no node to hand over to and nothing to wait for."""
    own = snapshot.reports.get(snapshot.me)
    staying = _others(snapshot, lambda one: one.state == RUNNING)
    total = len(own.members) if own is not None and own.members else len(snapshot.nodes)
    return 2 * len(staying) <= total, not staying


def cluster_elsewhere(snapshot, seen=frozenset()):
    """Nodes that run the cluster that this node's broker is partitioned from, so that its restart can help and costs
    nothing that works; () when there are none: then this broker is the last one, or comes back by itself.

    seen: Erlang names of the brokers that this one sees: it is partitioned from none of them, also where all together
    are a minority because the others have no power. Where all are partitioned from each other and none runs well, the
    first one by its name stays."""
    own = snapshot.reports.get(snapshot.me)
    if own is None or own.state not in (PAUSED, PARTITIONED):
        return ()
    running = _others(snapshot, lambda one: one.state == RUNNING and one.name not in seen)
    if not running and own.state == PARTITIONED:
        running = _others(snapshot, lambda one: one.state == PARTITIONED and one.node < snapshot.me
                          and one.name not in seen)
    return tuple(one.node for one in running)


def _list(reports):
    return ", ".join(one.node for one in reports)
