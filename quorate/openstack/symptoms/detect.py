# SPDX-License-Identifier: Apache-2.0
"""An Observation to the symptoms in it: everything that is wrong. Pure.

The rules that the kinds of the symptoms follow: nothing alive is stopped, and only that is; what a restart fixes at
once is fatal; what the service may recover from by itself is passing; what a restart cannot fix (broker or database
away, a driver without its storage, a queue with too many consumers) is an outage or a notice, and stays degraded. What
is unknown is never a symptom that leads to a restart.
"""

from quorate.openstack import facts
from quorate.openstack.facts import Symptom

GRACE = 5.0             # seconds that a missing worker or listener may take to come back
STARTUP = 60.0          # seconds of its life in which a service writes its row although its driver may not have come up
CONSUMERS = 2           # of one copy of cinder-volume on the queue of a backend: two RPC servers (cinder/service.py)
CONSUMERS_LINGER = 200  # seconds that a broker may keep the consumers of a dead node: two missed heartbeats and a bit
_ORDER = {facts.FATAL: 0, facts.PASSING: 1, facts.OUTAGE: 2, facts.NOTICE: 3}


def symptoms(service, observed):
    """Everything that is wrong, as a tuple of Symptoms, the worst first. () when nothing runs: see
    diagnosis.diagnose()."""
    if not observed.tree.all:
        return ()
    found = list(_processes(service, observed))
    if observed.tree.parent is not None and not any(one.kind == facts.FATAL for one in found):
        found += list(_workers(service, observed))
        found += list(_connections(service, observed))
        found += list(_listener(service, observed))
        for source, detector in ((facts.DATABASE, heartbeat), (facts.RPC, _replies), (facts.HTTP, _page)):
            found += [one._replace(source=source) for one in detector(service, observed)]
    return tuple(sorted(found, key=lambda one: _ORDER[one.kind]))


def works_alone(service, settings):
    """Whether the parent does the work itself, so that its children are connections: a service without workers, and an
    engine that is configured to have one (oslo.service starts no child then)."""
    return service.workers in ("one", "any") or (service.workers == "engines" and settings.workers == 1)


def missing_workers(service, observed):
    """How many of the expected workers are not there; 0 where that is unknown."""
    expected = _expected_workers(observed)
    if service.workers in ("one", "any") or expected is None or expected < 2 and service.workers == "engines":
        return 0
    there = len([one for one in observed.tree.workers if one != observed.tree.parent])
    return max(0, expected - there)


def worker_names(service, settings):
    """The names under which the workers report; for Heat the host's name, for all its engines."""
    if service.workers == "backends":
        return tuple("%s@%s" % (host, section) for section, host in settings.backends)
    return (settings.host,) if settings.host else ()


def own_rows(observed):
    """Heat's rows of engines that live, the newest first: those that were updated while we looked, and lately. A row of
    a dead engine stays as it is."""
    rows = observed.rows.rows if observed.rows is not None else ()
    own = [row for row in rows if row.changes and row.unchanged is not None and row.unchanged <= observed.settings.down]
    return sorted(own, key=lambda row: row.created if row.created is not None else 0)


def listen_port(service, settings):
    """The port it listens on."""
    return settings.listen[1] if settings.listen else service.port


def _processes(service, observed):
    """A parent, no orphans, no copies, no process stopped by a signal or held by a debugger."""
    tree = observed.tree
    if tree.parent is None:
        yield Symptom("orphans", facts.FATAL, "The parent process of %s is gone, but its workers still run (%s)." % (
            service.name, _pids(tree.orphans)))
        return
    if tree.copies:
        yield Symptom("copies", facts.FATAL, "A second copy of %s runs on this node: %s. The cluster stops all; "
                      "what started it: systemctl status %d" % (
                          service.name, _pids(tree.copies, 20), tree.copies[0].pid))
    if tree.orphans:
        yield Symptom("orphans", facts.FATAL, "Processes of an earlier %s still run (%s) beside the present one "
                      "(pid %d)." % (service.name, _pids(tree.orphans), tree.parent.pid))
    ours = (tree.parent,) + tuple(one for one in tree.workers if one != tree.parent)
    traced = [one for one in ours if one.state == "t"]
    if traced:  # at nearly each look while strace or a debugger is attached to a busy one: an operator is at work
        yield Symptom("traced", facts.PASSING, "%s of %s is held by a debugger or by strace; which: grep TracerPid /proc/%d/"
                      "status" % (_pids(traced), service.name, traced[0].pid))
    for one in ours:
        if one.state == "T":
            yield Symptom("frozen", facts.FATAL, "%s of %s is stopped by a signal (SIGSTOP): pid %d, state %s. To "
                          "resume it: kill -CONT %d" % ("The parent process" if one == tree.parent else "A worker",
                                                        service.name, one.pid, one.state, one.pid))
            return


def _expected_workers(observed):
    """As many as configured, else as many as came up; None: unknown."""
    return observed.baseline if observed.expected is None else observed.expected


def _database_away(observed):
    """Whether the database does not answer us, or not this question, or takes no writes: the service probably has no
    more of it."""
    return observed.rows is not None and (observed.rows.outcome != facts.ANSWERED or bool(observed.rows.unwritable))


def _workers(service, observed):
    """All expected workers are there."""
    missing = missing_workers(service, observed)
    if not missing or _database_away(observed):
        return  # a service without its database makes no workers and no connections; the database has its own symptom
    expected = _expected_workers(observed)
    there = expected - missing
    noun = "backends" if service.workers == "backends" else "workers"
    if observed.baseline is not None and there >= observed.baseline and there and not observed.early:
        # It was so from the beginning: a restart would bring the same.
        yield Symptom("workers", facts.NOTICE, "Only %d of %d %s of %s came up at its start: see its log (a driver?), "
                      "mend it, then pcs resource restart." % (
                          there, expected, noun, service.name))
    else:
        # One that never was complete may be waiting for its database. A backend whose database went away during its
        # start is not tried again.
        yield Symptom("workers", facts.PASSING, "%s has %d of %d worker processes." % (service.name, there, expected),
                      GRACE if observed.connected and not observed.early else None)


def _connections(service, observed):
    """Every worker is connected to a broker."""
    workers, where = observed.tree.workers, _brokers(observed.settings)
    if not service.amqp or (workers == (observed.tree.parent,) and not works_alone(service, observed.settings)):
        return  # a parent has no connections of its own: what is missing is its workers
    without = [one for one in workers if observed.sockets.get(one.pid) is not None
               and observed.sockets[one.pid].amqp == 0]
    if not without:
        if observed.broker is False:  # it was asked, because it had not answered before
            yield Symptom("broker", facts.OUTAGE, "RabbitMQ (%s) does not answer this node. %s has not noticed yet, "
                          "and reconnects by itself." % (where, service.name), None, facts.REACHABILITY)
        return
    who = "%d of %d workers of %s (%s)" % (len(without), len(workers), service.name, _pids(without, 20))
    if without == [observed.tree.parent]:
        who = "%s (pid %d)" % (service.name, without[0].pid)
    who += " has" if len(without) == 1 else " have"
    if observed.broker and observed.connected and len(workers) - len(without) >= observed.connected:
        # Cinder connects a backend after its driver has come up, which waits for the storage.
        yield Symptom("linking", facts.NOTICE, "%s no connection to RabbitMQ since the start: its driver is not up "
                      "(storage?)." % who)
    elif observed.broker and _database_away(observed):
        return
    elif observed.broker:
        yield Symptom("amqp", facts.PASSING, "%s no connection to RabbitMQ, although %s answers." % (who, where))
    elif observed.refused:
        yield Symptom("broker", facts.OUTAGE, "RabbitMQ (%s) answers, but takes no connection of %s: %s" % (
            where, service.name, facts.short(observed.refused, 50)), None, facts.REACHABILITY)
    elif observed.broker is False:
        yield Symptom("broker", facts.OUTAGE, "RabbitMQ (%s) does not answer this node. %s reconnects by itself." % (
            where, service.name), None, facts.REACHABILITY)
    else:
        yield Symptom("broker", facts.OUTAGE,
                      "%s no connection to RabbitMQ. Whether RabbitMQ answers is unknown." % who)


def _listener(service, observed):
    """The port is its own."""
    if service.port is None or observed.port_owner in (None, "ours"):
        return
    port = listen_port(service, observed.settings)
    if observed.port_owner == "other":
        yield Symptom("port", facts.PASSING, "Another program holds port %d, which %s needs; see 'ss -ltnp "
                      "sport = :%d'." % (port, service.name, port), GRACE)
    else:
        yield Symptom("port", facts.PASSING, "%s runs (pid %d), but does not listen on port %d." % (
            service.name, observed.tree.parent.pid, port), GRACE)


def heartbeat(service, observed):
    """The heartbeat goes on. Clocks are not compared: see progress."""
    rows = observed.rows
    if rows is None or service.row is None:
        return
    if rows.outcome == facts.UNREACHABLE:
        yield Symptom("database", facts.OUTAGE, "The database of %s does not answer (%s). The service reconnects "
                      "by itself." % (service.name, facts.short(rows.reason, 56)))
    elif rows.outcome == facts.UNKNOWN:
        yield Symptom("heartbeat-unknown", facts.NOTICE, "The heartbeat of %s cannot be read: %s" % (
            service.name, facts.short(rows.reason, 90)))
    elif rows.unwritable:
        yield Symptom("database", facts.OUTAGE, "The database of %s can be read, but takes no writes: %s" % (
            service.name, facts.short(rows.unwritable, 70)))
    elif rows.outcome == facts.ANSWERED and observed.age >= max(30.0, 1.5 * observed.settings.interval):
        yield from (_engine_rows if service.row == "heat" else _named_rows)(service, observed)


def _named_rows(service, observed):
    """Cinder and Nova: one row a name, updated in place."""
    down, by_name = observed.settings.down, {row.name: row for row in observed.rows.rows}
    # The database compares without regard to case: a row that was made before `host` was written otherwise is used on.
    folded = {row.name.casefold(): row for row in observed.rows.rows}
    expected = worker_names(service, observed.settings)
    stale, never = [], []
    for name in expected:
        row = by_name.get(name) or folded.get(name.casefold())
        if row is None:
            never += [name] if observed.age > down + STARTUP else []
        elif row.unchanged is not None and row.unchanged > down:
            if row.changes == 2:
                stale.append(row)
            elif observed.age > down + STARTUP:
                never.append(name)
    if stale and len(stale) + len(never) == len(expected):
        yield Symptom("heartbeat", facts.PASSING, "%s has not reported for %d s (%s), although its database "
                      "answers." % (service.name, stale[0].unchanged, _some(row.name for row in stale)))
    elif stale:
        yield Symptom("heartbeat-part", facts.NOTICE, "%s of %s has not reported for %d s; the others have." % (
            _some(row.name for row in stale), service.name, stale[0].unchanged))
    if never:
        yield Symptom("heartbeat-never", facts.NOTICE, "%s of %s %s not reported since the start %d s ago%s: see its log, "
                      "then pcs resource restart." % (
                          _some(never, 24), service.name, "has" if len(never) == 1 else "have", observed.age,
                          " (storage?)" if service.workers == "backends" else ""))


def _engine_rows(service, observed):
    """Heat: a row for each engine that ever was. Only those that are updated are of engines that live."""
    down = observed.settings.down
    fresh, expected = own_rows(observed), len(observed.tree.workers)
    if len(fresh) < expected and min(observed.age, observed.rows.watched) > down:
        if any(row.changes for row in observed.rows.rows):
            yield Symptom("heartbeat", facts.PASSING, "Only %d of %d workers of %s reported within %d s (rows of dead "
                          "workers are not counted)." % (len(fresh), expected, service.name, down))
        else:
            yield Symptom("heartbeat-never", facts.NOTICE, "No worker of %s has reported since its start %d s ago; see "
                          "its log." % (service.name, observed.age))


def _replies(service, observed):
    """The RPC calls were answered, and no other copy takes calls."""
    # Without its database a service serves no queue if it was just started, and waits if it was busy.
    away = _database_away(observed)
    # A queue of a worker that is missing: that worker has its own symptom.
    unserved = [reply for reply in observed.replies if reply.consumers == 0 and missing_workers(service, observed)]
    silent = [reply for reply in observed.replies if reply.outcome == facts.SILENT and reply not in unserved]
    missing = [reply for reply in observed.replies if reply.outcome == facts.MISSING]
    unreachable = next((reply for reply in observed.replies if reply.outcome == facts.UNREACHABLE), None)
    unknown = next((reply for reply in observed.replies if reply.outcome == facts.UNKNOWN), None)
    if unserved:
        yield Symptom("queue-part", facts.NOTICE,
                      "Queue %s has no consumer: its worker is missing." % _targets(unserved))
    if silent:
        yield Symptom("rpc-waiting" if away else "rpc", facts.NOTICE if away else facts.PASSING, "%s did not answer an "
                      "RPC call to %s, although RabbitMQ accepted it." % (service.name, _targets(silent)))
    if missing:
        # If others have their queue, this worker never came up: a restart would end those others for nothing.
        kind = facts.PASSING if len(missing) == len(observed.replies) and not away else facts.NOTICE
        yield Symptom("queue" if kind == facts.PASSING else "queue-part", kind, "RabbitMQ has no queue %s, so nothing "
                      "takes calls there." % _targets(missing))
    if unreachable is not None and unreachable.reason.startswith(facts.UNSERVED):
        yield Symptom("broker", facts.OUTAGE, "RabbitMQ does not serve queue %s: %s" % (
            _targets([unreachable]), facts.short(unreachable.reason[len(facts.UNSERVED):], 72)))
    elif unreachable is not None:
        yield Symptom("broker", facts.OUTAGE, "RabbitMQ does not answer this node (%s). %s reconnects by itself." % (
            facts.short(unreachable.reason, 56), service.name))
    if unknown is not None:
        yield Symptom("rpc-unknown", facts.NOTICE, "%s could not be called: %s" % (service.name, facts.short(unknown.reason, 90)))
    if service.workers == "backends" and observed.age > CONSUMERS_LINGER:
        yield from _consumers(service, observed)


def _consumers(service, observed):
    for reply in observed.replies:
        if (reply.consumers or 0) > CONSUMERS:
            yield Symptom("consumers", facts.NOTICE, "Queue %s has %d consumers instead of %d: a second copy runs "
                          "elsewhere. Search every node: ps -C %s" % (
                              facts.short(reply.target, 36), reply.consumers, CONSUMERS, service.name[:15]))
            return


def _page(service, observed):
    """It answers HTTP."""
    page = observed.page
    if page is None or page.outcome == facts.UNKNOWN or service.port is None:
        return
    port = listen_port(service, observed.settings)
    if page.outcome == facts.ANSWERED:
        if page.status is not None and page.status >= 500:
            yield Symptom("page", facts.PASSING, "%s answers %d on port %d." % (service.name, page.status, port))
        elif page.status == 404 and service.workers == "one":
            yield Symptom("page-missing", facts.NOTICE, "%s answers on port %d, but has no page %s: install novnc, or "
                          "set web to the directory of its pages." % (service.name, port, service.page))
        return
    # One that is late may be busy, whatever check_timeout is: a restart would cut its clients off.
    late = page.reason.startswith(facts.NO_ANSWER)
    yield Symptom("page", facts.PASSING, "%s does not answer an HTTP request on port %d%s." % (
        service.name, port, ": " + facts.short(page.reason, 40) if page.reason else ""), None if late else GRACE)


def _brokers(settings):
    return _some((broker.shown for broker in settings.brokers), 28) or "the broker"


def _pids(processes, most=40):
    return "pid " + _some(("%d" % one.pid for one in processes), most)


def _targets(replies):
    return _some(reply.target for reply in replies)


def _some(texts, most=40):
    """As many of these texts, separated by commas, as fit into so many characters, and how many more there are."""
    texts = list(texts)
    text, count = ", ".join(texts), len(texts)
    while len(text) > most and count > 1:
        count -= 1
        text = "%s and %d more" % (", ".join(texts[:count]), len(texts) - count)
    return facts.short(text, most)
