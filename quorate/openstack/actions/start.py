# SPDX-License-Identifier: Apache-2.0
"""start: launch the service where nothing of it is alive, and wait until every worker is connected."""

import os

from quorate.host import daemon
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.openstack import facts
from quorate.openstack.facts import SERVICE_FILE
from quorate.openstack.service import observe
from quorate.openstack.service.sources import Sources
from quorate.openstack.symptoms import detect

SETTLED = 6.0        # seconds after which a service that lacks its broker or database counts as started all the same
PATIENCE = 30.0      # seconds that a backend without a worker is waited for while others work


def start(context, service, sources=None, state_files=None):
    """Start it where nothing of it is alive, and wait until every worker is connected."""
    from quorate.openstack.service import process
    sources, state_files = sources or Sources(context.commands), state_files or StateFiles(service.name, context.instance)
    obstacle = process.obstacles(context, service, sources)
    if obstacle:
        return Outcome(codes.ERR_INSTALLED, obstacle)
    observed = observe.observe(context, service, state_files, sources)
    if observed.tree.all:
        return _already(context, service, state_files, sources, observed)
    from quorate.openstack.actions.published import publish
    publish(context, service, observed.settings)
    elsewhere = answers_elsewhere(context, service, sources, observed.settings)
    if elsewhere:
        return Outcome(codes.ERR_GENERIC, elsewhere)
    unit = process.begin(context, service, state_files, sources)
    return wait(context, service, state_files, sources, unit)


def _already(context, service, state_files, sources, observed):
    """Something of it is alive: the one copy is taken over, anything else is refused."""
    tree = observed.tree
    if tree.parent is not None and not tree.orphans and not tree.copies:
        return wait(context, service, state_files, sources, None)
    left = tree.orphans + tree.copies + ((tree.parent,) if tree.parent else ())
    return Outcome(codes.ERR_GENERIC, "Not started, because of an earlier %s there %s still %s. The cluster's stop ends it; by "
                   "hand: kill %s" % (service.name, "are" if len(left) > 1 else "is",
                                         ", ".join("pid %d (state %s)" % (one.pid, one.state) for one in left),
                                         " ".join(str(one.pid) for one in left)))


def answers_elsewhere(context, service, sources, settings):
    """A sentence when another copy of an active/passive service answers calls; None: none does, or it is not known.

    Pacemaker and fencing are the first witness, this is the second. A broker keeps the consumers of a node that lost its
    power for some minutes, so only an answer proves a copy; the same call also proves that the first one is gone.
    """
    if service.workers != "backends" or not settings.brokers or not settings.backends:
        return None
    targets = tuple("%s.%s" % (service.topic, name) for name in detect.names(service, settings))
    replies = sources.replies(settings.brokers, settings.exchange, targets,
                           context.deadline.limit(min(3.0, context.parameters.check_timeout)), service.call)
    alive = [reply for reply in replies if reply.outcome == facts.ANSWERED]
    if alive:
        return ("Not started, because another %s answers calls to %s: it runs on another node, without the cluster's knowledge "
                "if the cluster wants this one. Find it (ps -C %s on every node that uses this broker) and stop it." % (
                    service.name, alive[0].target, service.name))
    lingering = [reply for reply in replies if reply.consumers]
    if lingering:
        context.log.warning("Queue %s still has %d consumers and none of them answers: of a node that is gone, RabbitMQ "
                            "will notice." % (lingering[0].target, lingering[0].consumers))
    return None


def wait(context, service, state_files, sources, unit):
    """Until every worker is connected. An Outcome."""
    last = []

    def settled():
        since = _since_launch(context, state_files)
        if since > SETTLED:
            context.clock.sleep(context.deadline.limit(0.75))  # from now on broker and database are asked each time
        observed = observe.observe(context, service, state_files, sources, ask=since > SETTLED)
        found = detect.symptoms(service, observed)
        last[:] = [observed, found]
        return _settled(context, service, state_files, observed, found, since)

    outcome = context.deadline.poll(settled, every=0.25)
    if outcome:
        return outcome
    observed, found = last
    if observed.tree.parent is None:
        return Outcome(codes.ERR_GENERIC, died(context, service, state_files, unit))
    return Outcome(codes.ERR_GENERIC, "%s runs (pid %d) and is not ready: %s See its log in /var/log/%s." % (
        service.name, observed.tree.parent.pid, found[0].sentence if found else "no worker is connected.", service.project))


def _since_launch(context, state_files):
    launched = state_files.number(SERVICE_FILE, "launched")
    return context.clock.monotonic() - launched if launched is not None else 0.0


def _settled(context, service, state_files, observed, found, since):
    """The Outcome once it is decided, else None."""
    if observed.tree.parent is None:
        # systemd has gone through the unit, or the program has ended: nothing comes any more.
        return Outcome(codes.ERR_GENERIC, died(context, service, state_files, None)) if since > SETTLED else None
    fatal = next((one for one in found if one.kind == facts.FATAL), None)
    if fatal is not None:  # what a fork explains is over by then
        return Outcome(codes.ERR_GENERIC, "Not started: %s" % fatal.sentence) if since > SETTLED else None
    if not found and connected(service, observed):
        remember(context, service, state_files, observed)
        return Outcome(codes.SUCCESS)
    outage = next((one for one in found if one.kind == facts.OUTAGE), None)
    if outage is not None and since > SETTLED and (outage.key == "database" or observed.broker is False):
        # A failed start would ban every node until somebody cleans up, and one that waits would hold up the cluster, which may
        # be about to bring that very database back.
        remember(context, service, state_files, observed, early=1)
        context.log.warning("Started, but: %s" % outage.sentence)
        return Outcome(codes.SUCCESS)
    if outage is None and found and since > PATIENCE and observe.connected(service, observed):
        # Some backends came up: they shall serve. The monitor shows which did not, as degraded.
        remember(context, service, state_files, observed)
        context.log.warning(found[0].sentence)
        return Outcome(codes.SUCCESS)
    return None


def connected(service, observed):
    """Whether it can be seen to work. What the kernel did not show counts as not yet, and the deadline decides."""
    if service.amqp:
        return all((observed.sockets[one.pid].amqp or 0) > 0 for one in observed.tree.workers if one.pid in observed.sockets)
    return observed.port_owner == "ours" or service.port is None


def remember(context, service, state_files, observed, **known):
    """Note which process it is and how many workers came up; write the pid file, if one is wanted. known: what else is to be
    noted."""
    parent = observed.tree.parent
    workers = len([one for one in observed.tree.workers if one != parent]) or 1
    note = state_files.read(SERVICE_FILE)
    note.update({"pid": parent.pid, "start": parent.start, "workers": workers, "linked": observe.connected(service, observed)}, **known)
    state_files.write(SERVICE_FILE, note)
    if context.parameters.pid:
        from quorate.host.state_files import replace
        try:
            replace(context.parameters.pid, "%d\n" % parent.pid)  # its directory may be the service's: no link is followed
        except OSError as error:
            context.log.warning("The pid file %s cannot be written: %s." % (context.parameters.pid, error.strerror))


def died(context, service, state_files, unit):
    """A sentence about a service of which nothing is left after its start."""
    unit = state_files.read(SERVICE_FILE).get("unit")
    if unit and service.name == "nova-novncproxy" and not novnc_chosen():
        return ("%s ended at once and reports success: Debian starts this proxy only if /etc/default/nova-consoleproxy says "
                "NOVA_CONSOLE_PROXY_TYPE=novnc. Set it on every node." % unit)
    if unit:
        return "%s ended at once; see 'journalctl -u %s' and /var/log/%s." % (service.name, unit, service.project)
    lines = daemon.printed(state_files).strip().splitlines()  # before it had a log
    return "%s ended at once%s See /var/log/%s." % (
        service.name, ": " + lines[-1].strip()[:200] if lines else ".", service.project)


def novnc_chosen(path="/etc/default/nova-consoleproxy"):
    """Whether Debian's unit starts the noVNC proxy; True where the unit is not Debian's."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file]
    except OSError:
        return not os.path.isfile("/etc/init.d/nova-novncproxy")  # only Debian's unit reads it
    values = [line.partition("=")[2].strip("\"' ") for line in lines if line.startswith("NOVA_CONSOLE_PROXY_TYPE=")]
    return bool(values) and values[-1] == "novnc"
