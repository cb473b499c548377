# SPDX-License-Identifier: Apache-2.0
"""What `quorate explain` prints about a RabbitMQ cluster. Pure: a Snapshot in, lines out."""

from quorate.rabbitmq.election.decide import decide, decide_waiting, stop_impact
from quorate.rabbitmq.election.proof import node_of
from quorate.rabbitmq.facts import BOOTED, DOWN, PARTITIONED, RUNNING, STARTING, WAIT, WAITING, Decision
from quorate.text import age, columns

NOT_STARTED = "It is not started."
_COLUMNS = ("node", "member", "state", "data", "cluster of", "saw running", "store", "forced boot", "age")


def conclusion(snapshot):
    """(node, Decision) of every node that runs no broker, or one that boots. By name."""
    found = []
    for node in sorted(snapshot.reports):
        of_node, report = snapshot._replace(me=node), snapshot.reports[node]
        if node != snapshot.me:
            of_node = of_node._replace(unreachable=frozenset())  # that is known of this node only
        if report.state in (STARTING, WAITING):
            found.append((node, decide_waiting(of_node)))
        elif report.stale:
            found.append((node, decide(of_node)))
        elif report.state == DOWN:
            found.append((node, decide(of_node) if report.launched else Decision(WAIT, NOT_STARTED)))
    return found


def screen(snapshot, now, statuses=None, data_root="DATADIR"):
    """The screen of one resource, as lines. now: unix seconds, for the age of the reports; statuses: dict node -> its
    published status; data_root: directory of the nodes' data, for a command that can be typed.

    The status of another node is shown where it is not what follows from the reports: that node may be unable to
    connect, which no report says."""
    nodes = sorted(set(snapshot.nodes) | set(snapshot.reports))
    lines = columns([_COLUMNS] + [_row(snapshot, node, now) for node in nodes]) + [""] + _cluster(snapshot)
    commands = []
    for node, decision in conclusion(snapshot):
        lines.append("%s: %s (%s)" % (node, decision.action, decision.reason.rstrip(".")))
        status = (statuses or {}).get(node)
        if status and node != snapshot.me and not status.startswith(decision.reason):
            lines.append("    %s itself: %s" % (node, status))
        if decision.command and decision.command not in commands:
            commands.append(decision.command)
    lines += ["to go on: " + command.replace("DATADIR", data_root) for command in commands]
    if snapshot.override is not None:
        lines.append("override by %s: %s %s; not carried out yet" % (
            snapshot.override.by, snapshot.override.node,
            "joins as a new member" if snapshot.override.replace else "boots without the missing nodes"))
    return lines


def _cluster(snapshot):
    """List of lines about the cluster as a whole."""
    running = [node for node in sorted(snapshot.reports) if snapshot.reports[node].state == RUNNING]
    members = frozenset().union(*(one.members or () for one in snapshot.reports.values() if one.data))
    names = {one.name: node for node, one in snapshot.reports.items() if one.name}
    away = sorted(names.get(name) or node_of(name, snapshot) for name in members
                  if name not in names or snapshot.reports[names[name]].state not in BOOTED)
    lines = ["running: %d of %d members%s" % (len(running), len(members), "; away: " + ", ".join(away) if away else "")]
    critical = [node for node in running if stop_impact(snapshot._replace(me=node))[0]]
    if critical and len(members) > 1:
        lines.append("quorum-critical: %s (without one of them just half of the members, or fewer, would run)"
                     % ", ".join(critical))
    partitioned = [node for node in sorted(snapshot.reports) if snapshot.reports[node].state == PARTITIONED]
    if partitioned:
        lines.append("partitioned: %s; restarted after minority_wait if the cluster runs elsewhere"
                     % ", ".join(partitioned))
    return lines


def _row(snapshot, node, now):
    report = snapshot.reports.get(node)
    member = "yes" if node in snapshot.members else "no"
    if report is None:
        return (node, member, "no report") + ("-",) * 6
    state = report.state if report.launched or report.state != DOWN else "not started"
    data = ("wrong" if report.stale else "renamed" if report.other else "lost" if report.lost
            else {True: "yes", False: "none", None: "?"}[report.data])
    generation = "?" if report.generation is None else str(report.generation or "-")
    if snapshot.generation and report.generation is not None and report.generation < snapshot.generation:
        generation += " of %d" % snapshot.generation
    return (node, member, state, data, _short(report.members), _short(report.running), report.store or "-", generation,
            age(report.since, now))


def _short(names):
    """Erlang names as text, without the 'rabbit@' that most have."""
    if not names:
        return "-"
    return " ".join(sorted(name.partition("@")[2] if name.startswith("rabbit@") else name for name in names))
