# SPDX-License-Identifier: Apache-2.0
"""Launch the broker as the election decided: with its data, as a member that joins, as the founder, or by a forced
boot. Whatever can be tried again is NotNow, and no failed start, which would keep this node out until an operator
cleans up."""

from time import gmtime, strftime

from quorate.pacemaker.tools import this_node
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import membership
from quorate.rabbitmq.actions.participant import NotNow
from quorate.rabbitmq.broker import parse, process
from quorate.rabbitmq.broker.tools.ctl import Tools

RETRIES = 1000000     # of RabbitMQ's peer discovery, half a second each: it must not fall back to a cluster of its own
JOINS_OLDEST = (3, 13)  # from this release on peer discovery joins the node that started first, by the nodes' clocks
CLOCK_PATIENCE = 10   # seconds to wait until this node's clock is past the start of the other broker


def launch_as_decided(participant, decision):
    """Launch the broker as decided. Returns its Process. Raises Failed, NotNow."""
    context, state_files = participant.context, participant.state_files
    try:
        participant.disk.keep_evidence()
    except OSError as error:  # without it a broker that ends early takes with it what its disk proved
        raise NotNow("Not launched: %s cannot be written: %s." % (
            state_files.persistent, error.strerror)) from None
    arguments = ()
    if decision.action in (facts.JOIN, facts.FOUND):
        _require_no_other_place(participant)
    if decision.action == facts.JOIN:
        arguments = _prepare_join(participant, decision)
    elif decision.action == facts.FOUND:
        _claim_founding(participant)
    elif decision.action == facts.FORCE:
        _force_boot(participant)
    if decision.action in (facts.JOIN, facts.FOUND):
        _count_anew(participant)
    context.log.info("%s: %s" % (decision.action, decision.reason))
    for name in ("waiting", "complaint", "serving"):
        state_files.forget(name)
    try:
        state_files.write("launched-for", {"action": decision.action}, required=True)
    except OSError as error:  # then nor can it be recorded that its boot was forced, and it would be forced again
        raise NotNow("Not launched: %s cannot be written: %s." % (state_files.run, error.strerror)) from None
    participant.report(facts.STARTING)
    launched = process.launch(context, state_files, participant.layout, arguments)
    if decision.action == facts.FORCE:
        state_files.write("forced", {"process": identity(launched)})
    participant.published.set_status("starts")
    return launched


def _require_no_other_place(participant):
    """The unit of systemd does not say that the data of this node are elsewhere: then it is no node without data, which
    founds a cluster or joins as a new member beside them. Raises NotNow, also where systemd does not answer."""
    from quorate.errors import Unreadable
    from quorate.rabbitmq.broker.settings import unit
    try:
        problem = unit.contradiction(participant.context, participant.layout)
    except Unreadable as error:
        problem = error.reason
    if problem:
        raise NotNow(problem)


def _count_anew(participant):
    try:
        participant.disk.count_anew()
    except OSError as error:  # what it makes would count as an older copy, if it ends before it serves
        raise NotNow("Not launched: %s cannot be written: %s." % (
            participant.state_files.persistent, error.strerror)) from None


def identity(running):
    """A Process as text that no other one has."""
    return "%d.%d" % (running.pid, running.start)


def _prepare_join(participant, decision):
    """The arguments with which a broker without data joins the cluster before it listens to clients: they configure
    RabbitMQ's own peer discovery, which asks other nodes only while it has no data."""
    if decision.forget:
        _forget(participant, decision)
    membership.require_no_queue(participant, sorted({participant.layout.nodename, *decision.gone}), decision.peer)
    _wait_for_clock(participant, decision)
    return ("-rabbit", "cluster_nodes", "{['%s'],disc}" % decision.peer,
            "-rabbit", "cluster_formation", "[{discovery_retry_limit,%d}]" % RETRIES)


def _forget(participant, decision):
    """Make the cluster forget this node, which it knows with data that are gone. As a member of quorum queues it would
    vote on what it once acknowledged and no longer has: so it joins as a new member. Raises NotNow: a node that died a
    moment ago may still count as active, and a failed start would keep Pacemaker from this node."""
    context = participant.context
    try:
        membership.remember_queues(participant, decision.gone, decision.peer)
    except OSError as error:
        raise NotNow("Not joined: %s cannot be written: %s." % (
            participant.state_files.persistent, error.strerror)) from None
    for name in decision.gone:
        done, message = Tools(context, participant.layout).forget(name, decision.peer)
        if not done:
            raise NotNow(message)
        context.log.warning("%s Its disk is empty, and it joins as a new member." % message)
    override = participant.published.override()
    if override is not None and override.replace and override.node == this_node(context):
        _end_override(participant, override)


def _wait_for_clock(participant, decision):
    """Wait until this node's clock is past the start of the broker that it joins. RabbitMQ takes the older of two
    single nodes for the cluster: with a clock that is behind, that would be this node, which has no data. Raises NotNow
    while it is behind: clocks are set, and time passes."""
    context = participant.context
    peer = [one for one in participant.published.reports().values() if one.name == decision.peer]
    if parse.version_key(participant.layout.version) < JOINS_OLDEST or not peer or peer[0].since is None:
        return
    since = peer[0].since + 1
    patience = min(CLOCK_PATIENCE, context.deadline.left() / 4)
    if not context.deadline.poll(lambda: context.clock.now() > since, every=0.2, up_to=patience):
        # What to do first: Pacemaker keeps 144 characters of it.
        raise NotNow("It joins when clocks are synchronised: the clock of %s says %s, and by that of %s its broker has "
                     "been up since %s." % (this_node(context), _utc(context.clock.now()), peer[0].node,
                                            _utc(peer[0].since)))


def _utc(unix):
    return strftime("%Y-%m-%d %H:%M:%S UTC", gmtime(unix))


def _claim_founding(participant):
    """Become the founder: no other node can from now on. Raises NotNow."""
    me, override = this_node(participant.context), participant.published.override()
    if override is not None and override.node == me:
        participant.published.found_instead()
        _end_override(participant, override)
        return
    founder = participant.published.claim()
    if founder != me:
        raise NotNow("%s founds the cluster." % founder)


def _force_boot(participant):
    """Let this boot wait for no other node. The new generation is on record first: once RabbitMQ has the order, any
    later start obeys it, also one after other nodes went on. Raises NotNow where RabbitMQ does not take it."""
    if not participant.is_forcing():
        participant.keep_forcing(participant.published.open_generation())
    done, message = Tools(participant.context, participant.layout).force_boot()
    if not done:
        raise NotNow(message)
    override = participant.published.override()
    if override is not None and override.node == this_node(participant.context):
        _end_override(participant, override)


def _end_override(participant, override):
    participant.context.log.warning("The override by %s was carried out: %s %s." % (
        override.by, override.node, "is replaced" if override.replace else "boots"))
    participant.published.set_override(None)
