# SPDX-License-Identifier: Apache-2.0
"""What was seen, to what is wrong, to a verdict. Pure: how long a symptom lasts is told by whoever keeps the notes.

The rules, in order: nothing alive is stopped, and only that is; what a restart mends at once is failed; what the service may
get over by itself is degraded first; what a restart cannot mend (broker or database away, a driver without its storage, a
queue with too many consumers) stays degraded. What is unknown never makes a verdict harder.
"""

from quorate.openstack import facts
from quorate.openstack.facts import Symptom

GRACE = 5.0             # seconds that a missing worker or listener may take to come back
SKEW = 30.0             # seconds that a heartbeat may lie in the future
STARTUP = 60.0          # seconds of its life in which a service writes its row although its driver may not have come up
EARLY = 5.0             # seconds that a row may seem older than the process that made it: two clocks
CONSUMERS = 2           # that one copy of cinder-volume has on the queue of a backend (two RPC servers of cinder/service.py)
CONSUMERS_LINGER = 200  # seconds that a broker may keep the consumers of a node that died: two missed heartbeats and a bit
_ORDER = {facts.FATAL: 0, facts.PASSING: 1, facts.OUTAGE: 2, facts.NOTICE: 3}


def symptoms(service, observed):
    """Everything that is wrong, as a tuple of Symptoms; the worst first. () when nothing runs: see judge."""
    if not observed.tree.all:
        return ()
    found = list(_processes(service, observed))
    if observed.tree.parent is not None and not any(one.kind == facts.FATAL for one in found):
        found += list(_workers(service, observed))
        found += list(_connections(service, observed))
        found += list(_listener(service, observed))
        for sense, look in ((facts.ROWS, _rows), (facts.RPC, _replies), (facts.PAGE, _page)):
            found += [one._replace(sense=sense) for one in look(service, observed)]
    return tuple(sorted(found, key=lambda one: _ORDER[one.kind]))


def _processes(service, observed):
    """A parent, no orphans, no copies, nobody frozen."""
    tree = observed.tree
    if tree.parent is None:
        yield Symptom("orphans", facts.FATAL, "The parent process of %s is gone, and %s without it." % (
            service.name, _lives(tree.orphans)))
        return
    if tree.copies:
        yield Symptom("copies", facts.FATAL, "A second copy of %s runs on this node: %s, beside pid %d. Find out who starts "
                      "it (systemctl is-enabled, cron, an administrator); the cluster stops them all." % (
                          service.name, _pids(tree.copies), tree.parent.pid))
    if tree.orphans:
        yield Symptom("orphans", facts.FATAL, "%s of an earlier %s beside the one that runs (pid %d)." % (
            _lives(tree.orphans).capitalize(), service.name, tree.parent.pid))
    for one in (tree.parent,) + tree.workers:
        if one.state in ("T", "t"):
            yield Symptom("frozen", facts.FATAL, "%s of %s is stopped by a signal (SIGSTOP): pid %d, state %s; it goes on "
                          "after 'kill -CONT %d'." % ("The parent process" if one == tree.parent else "A worker",
                                                      service.name, one.pid, one.state, one.pid))
            return


def alone(service, settings):
    """Whether the parent does the work itself, so that its children are connections: a service without workers, and an
    engine that was told to have one (oslo.service starts no child then)."""
    return service.workers in ("one", "any") or (service.workers == "engines" and settings.workers == 1)


def missing_workers(service, observed):
    """How many workers are not there that shall be; 0 where that is not known."""
    wanted = wanted_workers(observed)
    if service.workers in ("one", "any") or wanted is None or wanted < 2 and service.workers == "engines":
        return 0
    there = len([one for one in observed.tree.workers if one != observed.tree.parent])
    return max(0, wanted - there)


def wanted_workers(observed):
    """As many as configured, else as many as came up; None: not known."""
    return observed.baseline if observed.expected is None else observed.expected


def _database_away(observed):
    """Whether the database does not answer us, or not this question: the service is unlikely to fare better."""
    return observed.rows is not None and observed.rows.outcome != facts.ANSWERED


def _workers(service, observed):
    missing = missing_workers(service, observed)
    if not missing or _database_away(observed):
        return  # one without its database makes no workers and no connections; that is told of the database
    wanted = wanted_workers(observed)
    there = wanted - missing
    what = "backends" if service.workers == "backends" else "workers"
    if observed.baseline is not None and there >= observed.baseline and there and not observed.early:
        # It was so from the beginning: a restart would bring the same.
        yield Symptom("workers", facts.NOTICE, "Only %d of %d %s of %s came up at its start; its log says why, for example "
                      "that the class of a driver cannot be imported. After that is mended: pcs resource restart." % (
                          there, wanted, what, service.name))
    else:
        # One that never was complete may be waiting for its database; a backend that met one on its way down is not tried again.
        yield Symptom("workers", facts.PASSING, "%s has %d of %d worker processes." % (service.name, there, wanted),
                      GRACE if observed.linked and not observed.early else None)


def _connections(service, observed):
    """Every worker is connected to a broker."""
    if not service.amqp or (observed.tree.workers == (observed.tree.parent,) and not alone(service, observed.settings)):
        return  # a parent has no connections of its own: what is missing is its workers
    without = [one for one in observed.tree.workers
               if observed.sockets.get(one.pid) is not None and observed.sockets[one.pid].amqp == 0]
    if not without:
        if observed.broker is False:  # asked because it had not answered before
            yield Symptom("broker", facts.OUTAGE, "RabbitMQ (%s) does not answer this node, and the connections of %s there have "
                          "not noticed yet; it connects again by itself." % (_brokers(observed.settings), service.name), None, facts.KNOCK)
        return
    who = "%d of %d workers of %s (%s)" % (len(without), len(observed.tree.workers), service.name, _pids(without))
    if without == [observed.tree.parent]:
        who = "%s (pid %d)" % (service.name, without[0].pid)
    where = _brokers(observed.settings)
    if observed.broker and observed.linked and len(observed.tree.workers) - len(without) >= observed.linked:
        # Cinder connects a backend after its driver has come up, which waits for the storage.
        yield Symptom("linking", facts.NOTICE, "%s %s not connected to RabbitMQ since the start: %s" % (
            who, "has" if len(without) == 1 else "have", "its driver has not come up yet; is the storage of that backend there?"))
    elif observed.broker and _database_away(observed):
        return
    elif observed.broker:
        yield Symptom("amqp", facts.PASSING, "%s %s no connection to RabbitMQ, although %s answers." % (
            who, "has" if len(without) == 1 else "have", where))
    elif observed.broker is False:
        yield Symptom("broker", facts.OUTAGE, "RabbitMQ (%s) does not answer this node; %s connects again by itself." % (
            where, service.name), None, facts.KNOCK)
    else:
        yield Symptom("broker", facts.OUTAGE, "%s %s no connection to RabbitMQ, and whether it answers is not known." % (
            who, "has" if len(without) == 1 else "have"))


def _listener(service, observed):
    if service.port is None or observed.port_owner in (None, "ours"):
        return
    port = port_of(service, observed.settings)
    if observed.port_owner == "other":
        yield Symptom("port", facts.PASSING, "Another program holds port %d that %s needs; see 'ss -ltnp sport = :%d'." % (
            port, service.name, port), GRACE)
    else:
        yield Symptom("port", facts.PASSING, "%s runs (pid %d) and does not listen on port %d." % (
            service.name, observed.tree.parent.pid, port), GRACE)


def _rows(service, observed):
    """The heartbeat is fresh, by the database's clock."""
    rows = observed.rows
    if rows is None or service.row is None:
        return
    if rows.outcome == facts.UNREACHABLE:
        yield Symptom("database", facts.OUTAGE, "The database of %s does not answer (%s); it goes on by itself." % (
            service.name, rows.why))
    elif rows.outcome == facts.UNKNOWN:
        yield Symptom("heartbeat-unknown", facts.NOTICE, "The heartbeat of %s cannot be read: %s" % (service.name, rows.why))
    elif rows.outcome == facts.ANSWERED and observed.age >= max(30.0, 1.5 * observed.settings.interval):
        yield from (_engine_rows if service.row == "heat" else _named_rows)(service, observed)


def names(service, settings):
    """The names under which the workers report; for Heat that is the host's, for all its engines."""
    if service.workers == "backends":
        return tuple("%s@%s" % (host, section) for section, host in settings.backends)
    return (settings.host,) if settings.host else ()


def _named_rows(service, observed):
    """Cinder and Nova: one row a name, updated in place; the one that was updated last counts."""
    down, by_name = observed.settings.down, {}
    for row in observed.rows.rows:
        known = by_name.get(row.name)
        if known is None or (row.age is not None and (known.age is None or row.age < known.age)):
            by_name[row.name] = row
    wanted = names(service, observed.settings)
    stale, never, ahead = [], [], []
    for name in wanted:
        row = by_name.get(name)
        if row is None or row.age is None or (row.age > down and row.age > observed.age - STARTUP):
            never.append(name)
        elif row.age > down:
            stale.append(row)
        elif row.age < -SKEW:
            ahead.append(row)
    if stale and len(stale) + len(never) == len(wanted):
        yield Symptom("heartbeat", facts.PASSING, "%s has not reported for %d s (%s), although its database answers." % (
            service.name, stale[0].age, ", ".join(row.name for row in stale)))
    elif stale:
        yield Symptom("heartbeat-part", facts.NOTICE, "%s of %s has not reported for %d s; the others have." % (
            ", ".join(row.name for row in stale), service.name, stale[0].age))
    if never and observed.age > down + STARTUP:
        yield Symptom("heartbeat-never", facts.NOTICE, "%s of %s %s not yet reported since the start %d s ago: not "
                      "initialised%s. See its log; once that is mended: pcs resource restart." % (
                          ", ".join(never), service.name, "has" if len(never) == 1 else "have", observed.age,
                          " (is the storage of that backend there?)" if service.workers == "backends" else ""))
    for row in ahead:
        yield Symptom("clock", facts.NOTICE, "The heartbeat of %s lies %d s in the future: the clocks of this node and of the "
                      "database differ." % (row.name, -row.age))


def own_rows(observed):
    """Heat's rows of engines that were made since this parent's start, the newest first. A start soft-deletes those of dead
    ones, and until then they look as if they had just been updated (seen in Heat 19)."""
    rows = observed.rows.rows if observed.rows is not None else ()
    ours = [row for row in rows if row.created is not None and row.created <= observed.age + EARLY]
    return sorted(ours, key=lambda row: row.created)


def _engine_rows(service, observed):
    """Heat: a row for each engine that ever was. Only those made since this parent's start are of its workers."""
    down = observed.settings.down
    ours = own_rows(observed)
    fresh = [row for row in ours if row.age is not None and row.age <= down]
    wanted = len(observed.tree.workers)
    if len(fresh) < wanted and observed.age > down:
        if ours:
            yield Symptom("heartbeat", facts.PASSING, "%d of %d workers of %s reported within %d s (rows of dead ones not "
                          "counted)." % (len(fresh), wanted, service.name, down))
        else:
            yield Symptom("heartbeat-never", facts.NOTICE, "No worker of %s has yet reported since its start %d s ago; see "
                          "its log." % (service.name, observed.age))


def _replies(service, observed):
    """The RPC round trip, and who else takes calls."""
    away = _database_away(observed)  # one that was started without its database serves no queue, and a busy one waits for it
    unserved = [reply for reply in observed.replies if reply.consumers == 0 and missing_workers(service, observed)]  # told of its worker
    silent = [reply for reply in observed.replies if reply.outcome == facts.SILENT and reply not in unserved]
    if unserved:
        yield Symptom("queue-part", facts.NOTICE, "Queue %s has no consumer: the worker for it is not there." % (
            ", ".join(reply.target for reply in unserved)))
    if silent:
        yield Symptom("rpc-waiting" if away else "rpc", facts.NOTICE if away else facts.PASSING, "%s did not answer an RPC call to "
                      "%s, although RabbitMQ took it." % (service.name, ", ".join(reply.target for reply in silent)))
    missing = [reply for reply in observed.replies if reply.outcome == facts.MISSING]
    if missing:
        # One that others stand beside never came up: a restart would end those others for nothing.
        kind = facts.PASSING if len(missing) == len(observed.replies) and not away else facts.NOTICE
        yield Symptom("queue" if kind == facts.PASSING else "queue-part", kind, "RabbitMQ has no queue %s, so nobody takes calls "
                      "there." % ", ".join(reply.target for reply in missing))
    for reply in observed.replies:
        if reply.outcome == facts.UNREACHABLE:
            yield Symptom("broker", facts.OUTAGE, "RabbitMQ does not answer this node (%s); %s connects again by itself." % (
                reply.why, service.name))
            break
    for reply in observed.replies:
        if reply.outcome == facts.UNKNOWN:
            yield Symptom("rpc-unknown", facts.NOTICE, "%s could not be called: %s" % (service.name, reply.why))
            break
    for reply in observed.replies:
        if service.workers == "backends" and (reply.consumers or 0) > CONSUMERS and observed.age > CONSUMERS_LINGER:
            yield Symptom("consumers", facts.NOTICE, "Queue %s has %d consumers instead of %d: a second %s takes calls "
                          "somewhere else. Look on every node (ps -C %s), and stop what the cluster did not start." % (
                              reply.target, reply.consumers, CONSUMERS, service.name, service.name[:15]))
            break


def _page(service, observed):
    page = observed.page
    if page is None or page.outcome == facts.UNKNOWN or service.port is None:
        return
    port = port_of(service, observed.settings)
    if page.outcome == facts.ANSWERED:
        if page.status is not None and page.status >= 500:
            yield Symptom("page", facts.PASSING, "%s answers %d on port %d." % (service.name, page.status, port))
        elif page.status == 404 and service.workers == "one":
            yield Symptom("page-missing", facts.NOTICE, "%s answers on port %d and has no page %s: install novnc, or set "
                          "web to the directory of its pages." % (service.name, port, service.page))
        return
    yield Symptom("page", facts.PASSING, "%s does not answer an HTTP request on port %d%s." % (
        service.name, port, ": " + page.why if page.why else ""), GRACE)


def port_of(service, settings):
    """The port it listens on."""
    return settings.listen[1] if settings.listen else service.port


def _brokers(settings):
    return ", ".join(broker.shown for broker in settings.brokers) or "the broker"


def _pids(processes):
    return "pid " + ", ".join("%d" % one.pid for one in processes)


def _lives(processes):
    return "%s live%s on" % (_pids(processes), "s" if len(processes) == 1 else "")
