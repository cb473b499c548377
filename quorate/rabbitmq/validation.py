# SPDX-License-Identifier: Apache-2.0
"""validate-all: errors in the parameters (level 0), and what will cause problems on this node (level 10)."""

from quorate.ocf.codes import Failed
from quorate.rabbitmq.broker import parse
from quorate.rabbitmq.broker.tools import policy
from quorate.rabbitmq.facts import KHEPRI


def errors(context):
    """Messages about parameters that are wrong on every node. Reads nothing of this machine."""
    parameters, found = context.parameters, []
    if parameters.set_policy:
        try:
            policy.parse(parameters.set_policy)
        except policy.Unclear as error:
            found.append(str(error))
    if parameters.nodename and not all(letter.isalnum() or letter in "_-.@" for letter in parameters.nodename):
        found.append("Parameter nodename: '%s' is no Erlang name; write for example rabbit." % parameters.nodename[:40])
    return found


def warnings(context):
    """Messages about what works now and will cause problems later."""
    from quorate.rabbitmq.broker.settings import cookie
    from quorate.rabbitmq.broker.layout import find_layout, layout_problems
    try:
        layout = find_layout(context)
    except Failed as failed:
        return [failed.reason]
    found = layout_problems(layout) + cookie.advice(layout) + _unit_s_variables(context, layout)
    if context.parameters.set_policy:
        problem = policy.unsupported(policy.parse(context.parameters.set_policy), parse.version_key(layout.version))
        found += [problem] if problem else []
    known = _known_nodes(context)
    return (found + _configuration(context, layout, _count(context, known)) + _enabled_unit(context)
            + _cluster(context, known))


def _known_nodes(context):
    """dict of the cluster's nodes: name -> type; None when there is no cluster to ask."""
    from quorate.pacemaker import crm_mon
    from quorate.pacemaker.tools import Unavailable
    try:
        return {node.name: node.type for node in crm_mon.status(context.commands, context.deadline).nodes}
    except Unavailable:
        return None


def _count(context, known):
    """How many nodes may run a broker; None: unknown."""
    named = (context.parameters.nodes or "").replace(",", " ").split()
    return len(named) or (None if known is None else list(known.values()).count("member"))


def partition_advice(handling, count, where, khepri=False):
    """A message about cluster_partition_handling for so many nodes (None: unknown); None: it is well. khepri: whether
    the metadata store is Khepri, which needs more than half of the nodes and obeys no such setting.

    A node pauses itself when it does not see more than half of the members (rabbit_node_monitor:majority/0): of two,
    the one that is left when the other dies. docs/rabbitmq.md, "Two nodes", has what was measured.
    """
    if khepri:
        return ("With Khepri a cluster of two nodes serves only while both run, whatever cluster_partition_handling "
                "is. Add a third node." if count == 2 else None)
    if count == 2 and handling == "pause_minority":
        return ("cluster_partition_handling is 'pause_minority' in %s: of two nodes, the one that is left pauses "
                "when the other dies, so nothing serves. Add a third node, or set it to autoheal: then both go on when "
                "they lose each other, and what one of them took is thrown away." % where)
    if count is not None and count > 2 and count % 2 == 0 and handling == "pause_minority":
        return ("cluster_partition_handling is 'pause_minority' in %s, and there are %d nodes: two halves that lose "
                "each other both pause themselves. Run an odd number of nodes." % (where, count))
    if handling == "ignore":
        return ("cluster_partition_handling is 'ignore' in %s: in a network partition both sides go on, and their data "
                "diverge. Set it to %s." % (where, "autoheal, or add a third node and set it to pause_minority"
                                            if count == 2 else "pause_minority"))
    return None


def _configuration(context, layout, count):
    """Messages about RabbitMQ's own configuration, in all of its files. count: of the nodes that may run a broker."""
    from quorate.errors import Unreadable
    from quorate.rabbitmq.broker.settings.files import Files
    from quorate.rabbitmq.broker.settings.places import Wanted, places
    from quorate.rabbitmq.broker.settings.variables import Variables
    parameters, found = context.parameters, []
    try:
        files = Files(Variables(), parameters.config)
        problem = places(Wanted(parameters.nodename, parameters.datadir, parameters.config)).problem
    except Unreadable as error:
        return [error.reason]
    if problem:
        found.append("RabbitMQ's configuration is not understood, so a running broker is asked: %s" % problem)
        if files.problem:
            return found  # what the other files say may be replaced there
    handling, where = files.setting("cluster_partition_handling", "rabbit", "ignore")
    advice = partition_advice(handling, count, where or layout.config, _has_khepri(layout))
    found += [advice] if advice else []
    formation = [setting.path for name, setting in files.conf.items() if name.startswith("cluster_formation.")]
    if formation or "cluster_formation" in files.terms.get("rabbit", {}):
        found.append("cluster_formation is set in %s, but this agent decides which node founds the cluster and which "
                     "joins: remove it." % (formation[0] if formation else files.terms_path))
    return found


def _has_khepri(layout):
    """Whether this node's data are in Khepri: 4.3 and later have nothing else."""
    if parse.version_key(layout.version)[:2] >= (4, 3):
        return True
    from quorate.rabbitmq.broker.layout import text_of
    # A node without data has no such file, and Mnesia then obeys the setting.
    return parse.store(text_of(layout.feature_flags())) == KHEPRI


def _unit_s_variables(context, layout):
    """A message if systemd would start the broker with another name, or other data."""
    from quorate.errors import Unreadable
    from quorate.rabbitmq.broker.settings import unit
    try:
        problem = unit.contradiction(context, layout)
    except Unreadable as error:
        return [error.reason]
    return [problem] if problem else []


def _enabled_unit(context):
    """A message if systemd would start the broker as well."""
    result = context.commands.run(["systemctl", "is-enabled", "rabbitmq-server.service"], context.deadline.limit(5))
    if result.out.strip() != "enabled":
        return []
    return ["systemd starts rabbitmq-server.service at boot, but the cluster starts the broker: "
            "systemctl disable rabbitmq-server"]


def _cluster(context, known):
    """Messages about the cluster's own settings; none when there is no cluster to ask. known: its nodes."""
    from quorate.pacemaker import fencing
    found = fencing.warnings(context, "the broker", "go on serving beside the cluster")
    for name in (context.parameters.nodes or "").replace(",", " ").split():
        if known is not None and name not in known:
            found.append("%s of the parameter nodes is no node of the cluster; the first start would wait for it."
                         % name)
    return found
