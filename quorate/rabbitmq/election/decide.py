# SPDX-License-Identifier: Apache-2.0
"""What a node is to do, from what all nodes have said. Pure; the same facts give the same decision on every node.

Bold are three things, and each needs proof: to found a cluster (all nodes that may hold data have said that they hold
none), to join with an empty disk (only ever a node without data does), to force a boot without those that are missing
(see outlast). To start with one's own data is not bold: RabbitMQ itself then waits for whom it needs.
"""

from quorate.rabbitmq.election.proof import absent, designated, outlived, survivors
from quorate.rabbitmq.facts import (
    BOOTED, FORCE, FOUND, JOIN, KHEPRI, PARTITIONED, PAUSED, REFUSE, RUNNING, START, WAIT, Decision)

BOOT = "quorate rabbitmq boot %s"


def decide(snapshot):
    """The Decision for a node (snapshot.me) that runs no broker."""
    own = snapshot.reports.get(snapshot.me)
    if own is None or own.data is None or own.name is None:
        return Decision(WAIT, "It could not be found out what is on the disk of %s." % snapshot.me, (snapshot.me,), True)
    trouble = cookies(snapshot) or names_twice(snapshot)
    if trouble:
        return Decision(REFUSE, trouble, urgent=True)
    booted = _others(snapshot, lambda one: one.state in BOOTED)
    if own.data:
        return _with_data_beside(snapshot, own, booted) if booted else _with_data(snapshot, own)
    return _join(snapshot, own, booted) if booted else _without_data(snapshot, own)


def _others(snapshot, wanted):
    """Reports of other nodes, by name, that are wanted."""
    return [one for node, one in sorted(snapshot.reports.items()) if node != snapshot.me and wanted(one)]


def cookies(snapshot):
    """A sentence when this node's Erlang cookie is not the one that most have (of as many, the one of the first node)."""
    own = snapshot.reports[snapshot.me].cookie
    counted = {}
    for node in sorted(snapshot.reports):
        mark = snapshot.reports[node].cookie
        if mark is not None:
            counted.setdefault(mark, []).append(node)
    if own is None or len(counted) < 2:
        return None
    best = max(counted, key=lambda mark: (len(counted[mark]), -sorted(snapshot.reports).index(counted[mark][0])))
    if own == best:
        return None
    return "The Erlang cookie of %s differs from that of %s, so they cannot talk: copy the file from there." % (
        snapshot.me, ", ".join(counted[best]))


def names_twice(snapshot):
    """A sentence when another node has the same Erlang name."""
    own = snapshot.reports[snapshot.me].name
    same = _others(snapshot, lambda one: one.name == own and (one.launched or one.data))
    if not same:
        return None
    return "%s and %s have the same Erlang name %s: set NODENAME in rabbitmq-env.conf." % (snapshot.me, same[0].node, own)


def _with_data_beside(snapshot, own, booted):
    """It has data, and a cluster runs: can it be reached, and is it a member of that cluster?"""
    if all(one.name in snapshot.unreachable for one in booted):
        # What it saw at the end is that the others went. So it would wait for nobody, and be a cluster beside the other one.
        return Decision(WAIT, "%s run%s, but %s does not get through to the broker there (TCP ports 4369 and 25672): started "
                        "now it would be a cluster of its own." % (_list(booted), "" if len(booted) > 1 else "s", snapshot.me),
                        tuple(one.node for one in booted), urgent=True)
    known = [one for one in booted if one.members is not None]
    if not known and (own.members is None or any(one.name in own.members for one in booted)):
        return Decision(START, "%s has its data, and starts with them beside the cluster that runs." % snapshot.me)
    if not known:
        return Decision(WAIT, "Who belongs to the cluster of %s could not be found out." % _list(booted), urgent=True,
                        missing=tuple(one.node for one in booted))
    if any(own.name in one.members for one in known):
        return Decision(START, "%s has its data and is a member of the cluster that runs." % snapshot.me)
    return Decision(
        REFUSE, "%s has data, but the cluster of %s does not know it (it was forgotten, or has always been a cluster of its "
        "own). Nothing is removed: if its data are not needed, move them away and it joins anew." % (
            snapshot.me, _list(known)), urgent=True, command="mv DATADIR/%s DATADIR/%s.old" % (own.name, own.name))


def _with_data(snapshot, own):
    """It has data, and nobody runs."""
    word = snapshot.override
    if word is not None and word.node == snapshot.me:
        return _by_word(snapshot, own, word)
    if own.members is not None:
        excluded = _others(snapshot, lambda one: one.data and one.members is not None
                           and own.name not in one.members)
        if excluded and any(one.name in own.members for one in excluded):
            return Decision(
                REFUSE, "%s has data, but %s no longer count it among the cluster's members." % (
                    snapshot.me, _list(excluded)), urgent=True, command=BOOT % excluded[0].node)
        if excluded:
            return _two_clusters(snapshot, own, excluded)
    return Decision(START, "%s has data and starts with them." % snapshot.me)


def _two_clusters(snapshot, own, excluded):
    """Two clusters that do not know each other: the one with most of the nodes is the one that is meant."""
    ours = [one for one in snapshot.reports.values() if one.data and one.members is not None and own.name in one.members]
    if len(ours) > len(excluded):
        return Decision(START, "%s has data and starts with them; %s belong to another cluster." % (
            snapshot.me, _list(excluded)))
    return Decision(
        REFUSE, "%s and %s have data of two clusters that do not know each other; which one is right only an operator can "
        "say." % (_list(sorted(ours)), _list(excluded)), urgent=True, command=BOOT % snapshot.me)


def _by_word(snapshot, own, word):
    """The operator says that this node boots without those that are missing."""
    if own.store == KHEPRI:
        return Decision(REFUSE, "With Khepri a boot cannot be forced: RabbitMQ needs more than half of the cluster's nodes.",
                        urgent=True, missing=absent(snapshot, own))
    better = [one.node for one in outlived(snapshot, own)]
    if better and not word.forced:
        return Decision(
            REFUSE, "%s stopped before %s, which know of newer changes." % (snapshot.me, ", ".join(better)), urgent=True,
            command=BOOT % better[0])
    return Decision(FORCE, "Boots without those that are missing, by the word of %s." % word.by,
                    absent(snapshot, own))


def _join(snapshot, own, booted):
    """It has no data, and a cluster runs."""
    able = [one for one in booted if one.state == RUNNING and one.name is not None]
    if not able:
        return Decision(WAIT, "Joins the cluster once a node of it serves: %s." % ", ".join(
            "%s is %s" % (one.node, one.state) for one in booted), tuple(one.node for one in booted))
    peer = max(able, key=lambda one: (len(one.members or ()), [-ord(letter) for letter in one.node]))
    strangers = [one for one in able if one.members and not (one.members & peer.members)]
    if strangers:
        return Decision(REFUSE, "%s and %s run as two clusters; which one %s is to join only an operator can say." % (
            peer.node, _list(strangers), snapshot.me), urgent=True)
    return Decision(JOIN, "%s has no data and joins the cluster of %s." % (snapshot.me, peer.node), peer=peer.name,
                    forget=peer.members is None or own.name in peer.members)


def _without_data(snapshot, own):
    """It has no data, and nobody runs."""
    holders = _others(snapshot, lambda one: one.data)
    silent = tuple(sorted(snapshot.nodes - set(snapshot.reports))) + tuple(
        one.node for one in _others(snapshot, lambda one: one.data is None))
    word = snapshot.override
    if word is not None and word.node == snapshot.me and (word.forced or not holders):
        return Decision(FOUND, "Founds the cluster by the word of %s." % word.by)
    if holders:
        coming = all(one.launched for one in holders)
        return Decision(WAIT, "%s has no data and joins once the cluster of %s runs." % (snapshot.me, _list(holders)),
                        tuple(one.node for one in holders), urgent=not coming)
    if silent:
        return Decision(
            WAIT, "%s did not say whether there are data; without that no first cluster is founded." % ", ".join(silent),
            silent, True, BOOT % snapshot.me)
    lost = sorted(node for node, one in snapshot.reports.items() if one.lost)
    if lost:
        return Decision(REFUSE, "Nobody has data, and %s had some; is a file system not mounted? The command founds the cluster "
                        "anew, empty." % ", ".join(lost), urgent=True, command=BOOT % snapshot.me)
    launched = sorted(node for node, one in snapshot.reports.items() if one.launched)
    if snapshot.founder == "?":
        return Decision(WAIT, "Who founds the cluster could not be read.", urgent=True)
    if snapshot.founder == snapshot.me or (snapshot.founder is None and launched[:1] == [snapshot.me]):
        return Decision(FOUND, "Nobody has data: %s founds the cluster." % snapshot.me)
    first = snapshot.founder or (launched + ["?"])[0]
    gone = first not in launched
    return Decision(WAIT, "Nobody has data: %s founds the cluster, the others join it." % first, (first,), gone,
                    BOOT % snapshot.me if gone else None)


def outlast(snapshot):
    """The Decision for a node whose broker boots and waits for others: FORCE, or WAIT for those that are missing.

    FORCE goes to one node only. With Khepri there is nothing to force: more than half of the nodes suffice.
    """
    own = snapshot.reports.get(snapshot.me)
    if own is None:
        return Decision(WAIT, "It could not be found out what is on the disk of %s." % snapshot.me, (snapshot.me,), True)
    missing = absent(snapshot, own)
    if any(one.state in BOOTED for one in snapshot.reports.values()):
        return Decision(WAIT, "Starts; the cluster runs.", ())
    word = snapshot.override
    if word is not None and word.node == snapshot.me and own.data:
        return _by_word(snapshot, own, word)
    if own.store != KHEPRI:
        chosen = designated(snapshot)
        if chosen == snapshot.me:
            return Decision(FORCE, "Boots without waiting for %s: %s saw all others go, so nothing is lost by it." % (
                ", ".join(missing) or "the others", ", ".join(sorted(survivors(snapshot)))), missing)
        if chosen is not None:
            return Decision(WAIT, "%s boots first, and the others follow it." % chosen, (chosen,))
    if not missing:
        return Decision(WAIT, "All nodes of the cluster boot; each waits for the others.", ())
    best = own.node if not outlived(snapshot, own) else next(
        (one.node for one in outlived(snapshot, own) if not outlived(snapshot, one)), own.node)
    return Decision(WAIT, _why(own, missing), missing, True, None if own.store == KHEPRI else BOOT % best)


def _why(own, missing):
    if own.store == KHEPRI:
        return "Waits for %s: RabbitMQ with Khepri needs more than half of its %d nodes." % (
            " or ".join(missing), len(own.members or ()))
    return "Waits for %s, which may know of changes and messages that nobody else has." % ", ".join(missing)


def stopping(snapshot):
    """What a planned stop of this node means to the others: (critical, alone). critical: without it fewer than half of the
    cluster's nodes, or just half, would run, and so quorum queues would stop; alone: nobody else runs, or all the others
    that run are stopping as well, so there is nobody to hand over to and nothing to wait for."""
    own = snapshot.reports.get(snapshot.me)
    staying = _others(snapshot, lambda one: one.state == RUNNING)
    total = len(own.members) if own is not None and own.members else len(snapshot.nodes)
    return 2 * len(staying) <= total, not staying


def gives_way(snapshot):
    """Nodes that run the cluster from which this node's broker is cut off, so that a restart of it can help and costs nothing
    that still works; () when there is none: then it is all that is left, or comes back by itself.

    Of brokers that are parted from each other without any that runs well, the first one by its name stays."""
    own = snapshot.reports.get(snapshot.me)
    if own is None or own.state not in (PAUSED, PARTITIONED):
        return ()
    running = _others(snapshot, lambda one: one.state == RUNNING)
    if not running and own.state == PARTITIONED:
        running = _others(snapshot, lambda one: one.state == PARTITIONED and one.node < snapshot.me)
    return tuple(one.node for one in running)


def _list(reports):
    return ", ".join(one.node for one in reports)
