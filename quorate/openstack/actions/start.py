# SPDX-License-Identifier: Apache-2.0
"""start: launch the service where nothing of it is alive, and wait until every worker is connected."""

from quorate.host import daemon
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.openstack import facts
from quorate.openstack.actions import published
from quorate.openstack.facts import SERVICE_FILE
from quorate.openstack.service import observe, process, unit as units
from quorate.openstack.service.sources import Sources
from quorate.openstack.symptoms import detect

SETTLED = 6.0        # seconds after which a service without its broker or database counts as started all the same
PATIENCE = 30.0      # seconds to wait for a backend without a worker while others work


def start(context, service, state_files=None, sources=None):
    """Start it where nothing of it is alive, and wait until every worker is connected. An Outcome."""
    state_files = state_files or StateFiles(service.name, context.instance)
    sources = sources or Sources(context.commands)
    process.additional_options(context.parameters)
    error = process.installation_error(context, service, sources)
    if error:
        return Outcome(codes.ERR_INSTALLED, error)
    observed = observe.observe(context, service, state_files, sources)
    if observed.tree.all:
        return _already_there(context, service, state_files, sources, observed)
    published.publish(context, service, observed.settings)
    elsewhere = _answers_elsewhere(context, service, sources, observed.settings)
    if elsewhere:
        return Outcome(codes.ERR_GENERIC, elsewhere)
    process.prevent_second_copy(context, service, state_files, sources)
    process.launch(context, service, state_files, sources)
    return _wait_until_serving(context, service, state_files, sources)


def record_start(context, service, state_files, observed, **known):
    """Record in SERVICE_FILE which process it is and how many workers came up; write the pid file, if one is wanted.
    known: what else to record."""
    parent = observed.tree.parent
    workers = len([one for one in observed.tree.workers if one != parent]) or 1
    recorded = state_files.read(SERVICE_FILE)
    recorded.update({"pid": parent.pid, "start": parent.start, "workers": workers,
                     "linked": observe.count_connected(service, observed)}, **known)
    state_files.write(SERVICE_FILE, recorded)
    if context.parameters.pid:
        from quorate.host.state_files import replace
        try:
            # The directory may belong to the service, so no link is followed.
            replace(context.parameters.pid, "%d\n" % parent.pid)
        except OSError as error:
            context.log.warning("The pid file %s cannot be written: %s." % (context.parameters.pid, error.strerror))


def _already_there(context, service, state_files, sources, observed):
    """Something of it is alive: a single complete copy is taken over, anything else is refused."""
    tree = observed.tree
    if tree.parent is not None and not tree.orphans and not tree.copies:
        _record_launch(context, state_files, tree.parent)
        for unit in units.take_over(context, service, state_files, sources, (tree.parent,)):
            state_files.write(SERVICE_FILE, dict(state_files.read(SERVICE_FILE), unit=unit.name))
        return _wait_until_serving(context, service, state_files, sources)
    left = tree.orphans + tree.copies + ((tree.parent,) if tree.parent else ())
    by_hand = "kill " + " ".join(sorted(str(one.pid) for one in left)) if len(left) < 4 else "ps -C " + service.name[:15]
    return Outcome(codes.ERR_GENERIC, "Not started: %d process%s of an earlier %s still run%s. The cluster's stop ends "
                   "them; by hand: %s" % (len(left), "" if len(left) == 1 else "es", service.name,
                                          "s" if len(left) == 1 else "", by_hand))


def _record_launch(context, state_files, parent):
    """Record when a parent that somebody else launched began: without that nobody would ask whether its broker or
    database is away, and the start would wait for them until it fails."""
    if state_files.number(SERVICE_FILE, "launched") is None:
        began = int(context.clock.monotonic() - context.processes.age(parent))
        state_files.write(SERVICE_FILE, {"pid": parent.pid, "start": parent.start, "launched": began})


def _answers_elsewhere(context, service, sources, settings):
    """The message when another copy of an active/passive service answers calls; None: none does, or that is unknown.

    Pacemaker and fencing are the first guarantee that there is none, this is the second. A broker keeps the consumers
    of a node that lost its power for some minutes, so only an answer proves a copy; the same call also proves that the
    first one is gone.
    """
    if service.workers != "backends" or not settings.brokers or not settings.backends:
        return None
    targets = tuple("%s.%s" % (service.topic, name) for name in detect.worker_names(service, settings))
    limit = context.deadline.limit(min(3.0, context.parameters.check_timeout))
    replies = sources.replies(settings.brokers, settings.exchange, targets, limit, service.call)
    alive = [reply for reply in replies if reply.outcome == facts.ANSWERED]
    if alive:
        return "Not started: another %s answers calls to %s. Find it on every node and stop it: ps -C %s" % (
            service.name, facts.short(alive[0].target, 34), service.name[:15])
    lingering = [reply for reply in replies if reply.consumers]
    if lingering:
        context.log.warning("Queue %s still has %d consumers and none of them answers: they belong to a node that is "
                            "gone, and RabbitMQ will remove them." % (lingering[0].target, lingering[0].consumers))
    return None


def _wait_until_serving(context, service, state_files, sources):
    """Wait until every worker is connected. An Outcome."""
    last = []

    def settled():
        since = _seconds_since_launch(context, state_files)
        if since > SETTLED:
            context.clock.sleep(context.deadline.limit(0.75))  # from now on broker and database are asked each time
        observed = observe.observe(context, service, state_files, sources, ask=since > SETTLED)
        found = detect.symptoms(service, observed)
        last[:] = [observed, found]
        if observed.tree.parent is None and _take_for_parent(state_files, observed.tree.orphans):
            return None
        return _settled(context, service, state_files, sources, observed, found, since)

    outcome = context.deadline.poll(settled, every=0.25)
    if outcome:
        return outcome
    observed, found = last
    if observed.tree.parent is None:
        return Outcome(codes.ERR_GENERIC, _why_it_ended(context, service, state_files, sources))
    message = found[0].message if found else "no worker is connected."
    return Outcome(codes.ERR_GENERIC, "%s is not ready: %s See /var/log/%s." % (
        service.name, facts.short(message, 90), service.project))


def _take_for_parent(state_files, orphans):
    """Record the only process that is there after a launch as the parent; whether that was done. start-stop-daemon forks
    twice, as daemons do: what it starts leads no process group, like a worker whose parent is gone. But nothing was
    alive before the launch."""
    recorded = state_files.read(SERVICE_FILE)
    if len(orphans) != 1 or "launched" not in recorded or "pid" in recorded:
        return False
    state_files.write(SERVICE_FILE, dict(recorded, pid=orphans[0].pid, start=orphans[0].start))
    return True


def _seconds_since_launch(context, state_files):
    launched = state_files.number(SERVICE_FILE, "launched")
    return context.clock.monotonic() - launched if launched is not None else 0.0


def _settled(context, service, state_files, sources, observed, found, since):
    """The Outcome once it is decided, else None. since: seconds since the launch."""
    if observed.tree.parent is None:
        # systemd has gone through the unit, or the program has ended: nothing follows any more.
        if since <= SETTLED:
            return None
        return Outcome(codes.ERR_GENERIC, _why_it_ended(context, service, state_files, sources))
    fatal = next((one for one in found if one.kind == facts.FATAL), None)
    if fatal is not None:  # what a fork explains is over after SETTLED seconds
        return Outcome(codes.ERR_GENERIC, "Not started: %s" % facts.short(fatal.message, 130)) if since > SETTLED else None
    if not found and _is_ready(service, observed):
        record_start(context, service, state_files, observed)
        return Outcome(codes.SUCCESS)
    outage = next((one for one in found if one.kind == facts.OUTAGE), None)
    if outage is not None and since > SETTLED and (outage.key == "database" or observed.broker is False):
        # A failed start would ban every node until somebody cleans up, and one that waits would hold up the cluster,
        # which may be about to bring that very database back.
        record_start(context, service, state_files, observed, early=1)
        context.log.warning("Started, but: %s" % outage.message)
        return Outcome(codes.SUCCESS)
    if not found and since > PATIENCE and _is_unknown(service, observed):
        record_start(context, service, state_files, observed)
        why = "; ".join(observed.settings.problems) or "%s names no broker" % context.parameters.config
        context.log.warning("Started. Whether it is connected to RabbitMQ is not known: %s." % why)
        return Outcome(codes.SUCCESS)
    if outage is None and found and since > PATIENCE and observe.count_connected(service, observed):
        # Some backends came up and shall serve. The monitor reports the others, as degraded.
        record_start(context, service, state_files, observed)
        context.log.warning(found[0].message)
        return Outcome(codes.SUCCESS)
    return None


def _is_ready(service, observed):
    """Whether every worker is connected, or the port is its own. What could not be observed counts as not yet."""
    if service.amqp:
        return all((observed.sockets[one.pid].amqp or 0) > 0 for one in observed.tree.workers
                   if one.pid in observed.sockets)
    return observed.port_owner == "ours" or service.port is None


def _is_unknown(service, observed):
    """Whether nothing says that it is not ready: its connections can be observed, and none of them is known to lead to a
    broker, since the brokers are not known. For the monitor such a service is well."""
    return bool(service.amqp and observed.sockets) and all(
        one.amqp is None and one.sql is not None for one in observed.sockets.values())


def _why_it_ended(context, service, state_files, sources):
    """The message about a service of which nothing is left after its start."""
    unit = state_files.read(SERVICE_FILE).get("unit")
    unknown = units.unrecognised(context, service, state_files, sources) if unit else None
    if unknown:
        return unknown
    if unit and service.name == "nova-novncproxy" and not units.novnc_chosen():
        return ("%s ended at once: set NOVA_CONSOLE_PROXY_TYPE=novnc in /etc/default/nova-consoleproxy on every node."
                % facts.short(unit, 50))
    settings = sources.settings(service, context.parameters.config)
    unwritable = settings.database is not None and service.row and sources.refuses_writes(
        service, settings.database, context.deadline.limit(context.parameters.check_timeout))
    if unwritable:
        return "%s ended at once; its database can be read, but takes no writes: %s" % (
            service.name, facts.short(unwritable, 60))
    if unit:
        return "%s ended at once; see 'journalctl -u %s' and /var/log/%s." % (service.name, unit, service.project)
    lines = daemon.printed_output(state_files).strip().splitlines()  # before it had a log
    return "%s ended at once%s See /var/log/%s." % (
        service.name, ": " + facts.short(lines[-1].strip(), 70) if lines else ".", service.project)
