# SPDX-License-Identifier: Apache-2.0
"""explain, boot, forget and cookie for RabbitMQ: the agent's own eyes and decision, and the operator's word."""

import sys

from quorate.cli.resources import contexts, plain, who
from quorate.errors import Refused
from quorate.rabbitmq import facts
from quorate.rabbitmq.declaration import PARAMETERS

AGENT = "ocf:quorate:rabbitmq"
TOLD_WITHIN = 25.0  # seconds for the monitors of the others to report whom they count since


def participants(resource=None):
    """A Cluster for each RabbitMQ resource (or the named one), seen from this node."""
    from quorate.rabbitmq.actions.participant import Participant
    from quorate.host.state_files import StateFiles
    return [Participant(context, StateFiles("rabbitmq", context.instance)) for context in contexts(AGENT, PARAMETERS, resource)]


def one(resource):
    """The Cluster of the only resource, or of the named one."""
    found = participants(resource)
    if len(found) > 1:
        raise Refused("There are several RabbitMQ resources; name one with --resource: %s" % ", ".join(
            participant.context.instance for participant in found))
    return found[0]


def views(resource=None):
    """(name, agent, lines, data) of each RabbitMQ resource, for `quorate explain`."""
    from quorate.rabbitmq.explain import conclusion, table
    found = []
    for participant in participants(resource):
        snapshot, now, name = participant.reached(participant.published.snapshot()), participant.context.clock.now(), participant.context.instance
        data = {"resource": name, "time": int(now), "generation": snapshot.generation, "founder": snapshot.founder,
                "members": sorted(snapshot.members), "nodes": sorted(snapshot.nodes),
                "decisions": {node: plain(participant.at_home(decision)) for node, decision in conclusion(snapshot)},
                "reports": {node: plain(report) for node, report in snapshot.reports.items()}}
        found.append((name, AGENT, table(snapshot, now, participant.published.statuses(), participant.home()), data))
    return found


def boot(node, resource, force):
    """Leave the operator's word on the resource that is meant."""
    if force is not None and force != node:
        raise Refused("--force needs the name of the node once more: quorate rabbitmq boot %s --force %s" % (node, node))
    return leave_word(one(resource), node, force)


def leave_word(participant, node, force):
    """Leave the operator's word: `node` boots without those that are missing."""
    from quorate.rabbitmq.election.decide import decide, outlast
    word = facts.Override(node, who(), int(participant.context.clock.now()), force is not None)
    snapshot = participant.published.snapshot()._replace(me=node, override=word)
    report = snapshot.reports.get(node)
    if report is None:
        raise Refused("Not done: %s has reported nothing; is it a node of the cluster, and is it online?" % node)
    if any(other.state in facts.BOOTED for other in snapshot.reports.values()):
        raise Refused("Not done: brokers run on %s; the others join them." % ", ".join(
            sorted(name for name, other in snapshot.reports.items() if other.state in facts.BOOTED)))
    decision = (outlast if report.state in (facts.STARTING, facts.WAITING) else decide)(snapshot)
    if decision.action not in (facts.FORCE, facts.FOUND):
        raise Refused("Not done. %s%s" % (decision.reason, " Command: " + decision.command if decision.command else ""))
    participant.context.log.warning("quorate rabbitmq boot %s, by %s%s" % (node, word.by, " (forced)" if word.forced else ""))
    participant.published.set_override(word)
    if any(other.state in facts.BOOTED for other in participant.published.reports().values()):
        participant.published.set_override(None)  # it came up while we looked, and may have seen no word that it could end
        raise Refused("Not done: a broker runs by now; %s joins it." % node)
    lost = " It gives up what only %s may know." % ", ".join(decision.missing) if decision.missing else ""
    sys.stdout.write("%s boots at its next monitor.%s Follow it with: quorate explain\n" % (node, lost))
    return 0


def forget(node, resource):
    """Let the cluster forget a node that is gone for good: queues that had their only home there are deleted with it."""
    from quorate.rabbitmq.broker.ctl import Tools
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
    done, words = Tools(participant.context, participant.layout).forget(name, running[0].name)
    if not done:
        raise Refused(words)
    sys.stdout.write("%s What is on its disk stays there, and the agent does not start with it.\n" % words)
    if not participant.context.deadline.poll(lambda: told(participant.published.reports(), name), every=0.5, up_to=TOLD_WITHIN):
        sys.stdout.write("Wait until 'quorate explain' no longer counts it before you let it start again.\n")
    return 0


def told(reports, name):
    """Whether no broker that runs still counts `name` among its members: started before that, it would try to come back."""
    return not any(name in (one.members or ()) for one in reports.values() if one.state == facts.RUNNING)


def cookie(resource):
    """Make an Erlang cookie on this node, where there is none."""
    from quorate.rabbitmq.broker.layout import create_cookie
    layout = one(resource).layout
    try:
        create_cookie(layout)
    except FileExistsError:
        raise Refused("Not done: there is an Erlang cookie %s already." % layout.cookie) from None
    except (OSError, KeyError) as error:
        raise Refused("The Erlang cookie %s could not be made: %s" % (layout.cookie, error)) from None
    sys.stdout.write("Made %s. Copy it to the other nodes, with owner and mode.\n" % layout.cookie)
    return 0


def main(argv):
    """boot NODE, forget NODE, cookie; with --resource and --force. None: not understood."""
    words, options, names = list(argv), {}, []
    while words:
        word = words.pop(0)
        if word in ("--resource", "--force") and words:
            options[word[2:]] = words.pop(0)
        elif word.startswith("-"):
            return None
        else:
            names.append(word)
    if len(names) == 2 and names[0] == "boot":
        return boot(names[1], options.get("resource"), options.get("force"))
    if len(names) == 2 and names[0] == "forget" and "force" not in options:
        return forget(names[1], options.get("resource"))
    if names == ["cookie"] and "force" not in options:
        return cookie(options.get("resource"))
    return None
