# SPDX-License-Identifier: Apache-2.0
"""explain, boot, replace, forget, cookie and upgrade-check for RabbitMQ. They read and decide as the agent does, from
this node."""

import sys

from quorate.cli.resources import contexts, who
from quorate.errors import Refused
from quorate.rabbitmq import facts
from quorate.rabbitmq.declaration import PARAMETERS

AGENT = "ocf:quorate:rabbitmq"
FORGOTTEN_WITHIN = 25.0  # seconds for the monitors of the other nodes to report the members without the forgotten one


def participants(resource=None):
    """A Participant of this node for each RabbitMQ resource, or for the named one."""
    from quorate.host.state_files import StateFiles
    from quorate.rabbitmq.actions.participant import Participant
    return [Participant(context, StateFiles("rabbitmq", context.instance))
            for context in contexts(AGENT, PARAMETERS, resource)]


def one(resource):
    """The Participant of the only resource, or of the named one. Raises Refused when there are several."""
    found = participants(resource)
    if len(found) > 1:
        raise Refused("There are several RabbitMQ resources; name one with --resource: %s" % ", ".join(
            participant.context.instance for participant in found))
    return found[0]


def views(resource=None):
    """(name, agent, lines, data) of each RabbitMQ resource, for `quorate explain`."""
    from quorate.rabbitmq.explain import conclusion, screen
    from quorate.web.check import as_data
    found = []
    for participant in participants(resource):
        snapshot = participant.with_unreachable(participant.published.snapshot())
        now, name = participant.context.clock.now(), participant.context.instance
        data = {"resource": name, "time": int(now), "generation": snapshot.generation, "founder": snapshot.founder,
                "members": sorted(snapshot.members), "nodes": sorted(snapshot.nodes),
                "decisions": {node: as_data(participant.with_data_root(decision))
                              for node, decision in conclusion(snapshot)},
                "reports": {node: as_data(report) for node, report in snapshot.reports.items()}}
        lines = screen(snapshot, now, participant.published.statuses(), participant.data_root())
        found.append((name, AGENT, lines + ended(participant, snapshot), data))
    return found


def ended(participant, snapshot):
    """A line about why this node's broker ended, where none runs and its log tells; of another node its own monitor
    says it."""
    from quorate.rabbitmq.broker.log import ending
    own = snapshot.reports.get(snapshot.me)
    cause = ending.cause(participant.state_files, participant.layout) if own and own.state == facts.DOWN else None
    return ["%s: its broker ended: %s" % (snapshot.me, cause)] if cause else []


def boot(node, resource, force):
    """quorate rabbitmq boot NODE: set the override on the only resource, or on the named one."""
    if force is not None and force != node:
        raise Refused("--force needs the name of the node again: quorate rabbitmq boot %s --force %s" % (node, node))
    return set_override(one(resource), node, force)


def set_override(participant, node, force):
    """Set the override that `node` boots without the missing nodes. Raises Refused when it would not be obeyed."""
    from quorate.rabbitmq.election.decide import decide, decide_waiting
    override = facts.Override(node, who(), int(participant.context.clock.now()), force is not None)
    snapshot = participant.published.snapshot()._replace(me=node, override=override)
    report = snapshot.reports.get(node)
    if report is None:
        raise Refused("Not done: %s has reported nothing; is it a node of the cluster, and is it online?" % node)
    if any(other.state in facts.BOOTED for other in snapshot.reports.values()):
        raise Refused("Not done: brokers run on %s, and the others join them." % ", ".join(
            sorted(name for name, other in snapshot.reports.items() if other.state in facts.BOOTED)))
    decision = (decide_waiting if report.state in (facts.STARTING, facts.WAITING) else decide)(snapshot)
    if decision.action not in (facts.FORCE, facts.FOUND):
        raise Refused("Not done. %s%s" % (decision.reason, " Command: " + decision.command if decision.command else ""))
    participant.context.log.warning("quorate rabbitmq boot %s, by %s%s"
                                    % (node, override.by, " (forced)" if override.forced else ""))
    participant.published.set_override(override)
    if any(other.state in facts.BOOTED for other in participant.published.reports().values()):
        # It started meanwhile, and its monitor may have found no override that it could end.
        participant.published.set_override(None)
        raise Refused("Not done: a broker runs by now, and %s joins it." % node)
    lost = " What only %s may know is given up." % ", ".join(decision.missing) if decision.missing else ""
    sys.stdout.write("%s boots at its next monitor.%s Follow it with: quorate explain\n" % (node, lost))
    return 0


def replace(node, resource):
    """quorate rabbitmq replace NODE: the data of a node without a broker are gone for good; the cluster that runs
    forgets the member that had them, and the node joins with its empty disk as a new one."""
    from quorate.rabbitmq.election.decide import decide
    participant = one(resource)
    override = facts.Override(node, who(), int(participant.context.clock.now()), False, True)
    snapshot = participant.published.snapshot()._replace(me=node, override=override)
    report = snapshot.reports.get(node)
    if report is None:
        raise Refused("Not done: %s has reported nothing; is it a node of the cluster, and is it online?" % node)
    if report.state != facts.DOWN:
        raise Refused("Not done: the broker of %s is %s." % (node, report.state))
    decision = decide(snapshot)
    if report.data or decision.action != facts.JOIN:
        raise Refused("Not done. %s" % decision.reason)
    participant.context.log.warning("quorate rabbitmq replace %s, by %s" % (node, override.by))
    participant.published.set_override(override)
    report = participant.published.reports().get(node)
    if report is not None and report.state in facts.BOOTED:
        # Its data came back meanwhile, and its monitor may have found no order that it could end.
        participant.published.set_override(None)
        raise Refused("Not done: the broker of %s serves by now." % node)
    sys.stdout.write("At its next monitor %s joins as a new member, and the cluster forgets %s. Follow it with: "
                     "quorate explain\n" % (node, ", ".join(decision.gone) or "nothing"))
    return 0


def forget(node, resource):
    """quorate rabbitmq forget NODE: remove a node that is gone for good from the cluster. Queues that were only there
    are deleted with it."""
    from quorate.rabbitmq.broker.tools.ctl import Tools
    participant = one(resource)
    snapshot = participant.published.snapshot()
    report = snapshot.reports.get(node)
    members = frozenset().union(*(other.members or () for other in snapshot.reports.values()))
    name = report.name if report is not None and report.name else next(
        (member for member in sorted(members) if member == node or member.partition("@")[2] == node), None)
    if name is None or name not in members:
        raise Refused("Not done: %s is no member of the cluster; its members are %s." % (
            node, ", ".join(sorted(members)) or "not known"))
    if report is not None and (report.state in facts.ALIVE or report.state == facts.WAITING):
        raise Refused("Not done: the broker of %s is %s. Stop it first: pcs resource ban %s-clone %s" % (
            node, report.state, participant.context.instance, node))
    running = [other for _, other in sorted(snapshot.reports.items())
               if other.state == facts.RUNNING and name in (other.members or ())]
    if not running:
        raise Refused("Not done: no broker runs that could forget %s." % node)
    participant.context.log.warning("quorate rabbitmq forget %s, by %s" % (node, who()))
    done, message = Tools(participant.context, participant.layout).forget(name, running[0].name)
    if not done:
        raise Refused(message)
    sys.stdout.write("%s Its data stay on its disk, and the agent does not start it with them. If it comes back as a "
                     "new member, quorum queues are extended to it by: rabbitmq-queues grow %s all\n" % (message, name))
    sys.stdout.write(_left_behind(participant, name, running[0].name))
    if not participant.context.deadline.poll(lambda: is_forgotten(participant.published.reports(), name), every=0.5,
                                             up_to=FORGOTTEN_WITHIN):
        sys.stdout.write("Before you let it start again, wait until 'quorate explain' no longer counts it: a "
                         "minute, with Khepri.\n")
    return 0


def _left_behind(participant, name, peer):
    """A sentence about the quorum queues that still have the member `name`: RabbitMQ 3.10 forgets it and says of none
    that it could not let it go. '' when there are none."""
    from quorate.rabbitmq.actions import membership
    from quorate.rabbitmq.actions.participant import NotNow
    try:
        left = membership.still_members(participant, peer, [name])
    except NotNow as error:
        return "%s\n" % error
    if not left:
        return ""
    return ("Still a member of %s: they have no majority now. Start their other members, then type: rabbitmq-queues "
            "shrink %s\n" % (", ".join("%s of %s" % (queue, vhost) for vhost, queue in sorted(left)), name))


def is_forgotten(reports, name):
    """Whether no running broker reports `name` among its members any more: started before that, the node would try to
    rejoin with its data."""
    return not any(name in (one.members or ()) for one in reports.values() if one.state == facts.RUNNING)


def cookie(resource):
    """quorate rabbitmq cookie: make an Erlang cookie on this node, where there is none."""
    from quorate.rabbitmq.broker.settings.cookie import create
    layout = one(resource).layout
    try:
        create(layout)
    except FileExistsError:
        raise Refused("Not done: there is an Erlang cookie %s already." % layout.cookie) from None
    except (OSError, KeyError) as error:
        raise Refused("The Erlang cookie %s could not be made: %s" % (layout.cookie, error)) from None
    sys.stdout.write("Made %s. Copy it to the other nodes, with owner and mode.\n" % layout.cookie)
    return 0


def upgrade_check(resource, to):
    """quorate rabbitmq upgrade-check: what stands in the way of a newer RabbitMQ. 2: it could not be found out."""
    from quorate.cli.upgrade_check import check
    from quorate.pacemaker.tools import Unavailable
    try:
        return check(one(resource), to)
    except (Refused, Unavailable) as error:  # 1 would say that something stands in the way
        sys.stderr.write("quorate: %s\n" % error)
        return 2


def main(argv):
    """Run `quorate rabbitmq ARGV`: boot NODE, replace NODE, forget NODE, cookie or upgrade-check, with --resource,
    --force and --to. The exit code; None: not understood."""
    words, options, names = list(argv), {}, []
    while words:
        word = words.pop(0)
        if word in ("--resource", "--force", "--to") and words:
            options[word[2:]] = words.pop(0)
        elif word.startswith("-"):
            return None
        else:
            names.append(word)
    if names == ["upgrade-check"] and "force" not in options:
        return upgrade_check(options.get("resource"), options.get("to"))
    if "to" in options:
        return None
    if len(names) == 2 and names[0] == "boot":
        return boot(names[1], options.get("resource"), options.get("force"))
    if len(names) == 2 and names[0] == "replace" and "force" not in options:
        return replace(names[1], options.get("resource"))
    if len(names) == 2 and names[0] == "forget" and "force" not in options:
        return forget(names[1], options.get("resource"))
    if names == ["cookie"] and "force" not in options:
        return cookie(options.get("resource"))
    return None
