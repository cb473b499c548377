# SPDX-License-Identifier: Apache-2.0
"""How the cluster fences, where that endangers what runs in it. For validate-all."""


def warnings(context, what, danger):
    """A list of sentences about the cluster's fencing; [] when there is no cluster to ask. what: runs on the nodes;
    danger: what can happen on one that does not stop."""
    from quorate.pacemaker import cib, crm_mon
    from quorate.pacemaker.tools import Unavailable
    try:
        if cib.stonith_enabled(context.commands, context.deadline) is False:
            return ["Fencing is off: a node that does not stop can %s. pcs property set stonith-enabled=true" % danger]
        nodes = crm_mon.status(context.commands, context.deadline).nodes
        return advice(cib.configuration(context.commands, context.deadline), [
            one.name for one in nodes if one.type == "member"], what)
    except Unavailable:
        return []


def advice(configuration, nodes, what):
    """A list of sentences for a cib.Configuration in which fencing is on. nodes: names of the nodes; what: runs on them.

    Two nodes that lose sight of each other must not fence each other at the same moment (Pacemaker's fencing delays;
    corosync's two_node)."""
    if len(nodes) != 2:
        return []
    devices = [one for one in configuration.resources if one.agent.startswith("stonith:")]
    base = [one.parameters.get("pcmk_delay_base") or "" for one in devices]
    # The same delay for both is none: 10s of one device that fences both, or of each of two.
    if (not devices or is_time(configuration.properties.get("priority-fencing-delay")) or len(set(base)) > 1
            or any(is_time(one.parameters.get("pcmk_delay_max")) for one in devices)
            or any(is_time(part.rpartition(":")[2]) for text in base if ":" in text
                   for part in text.replace(";", " ").replace(",", " ").split())):
        return []
    return ["When the two nodes lose sight of each other, they fence each other at the same moment, and %s is gone: "
            "pcs stonith update %s pcmk_delay_base=%s" % (
                what, devices[0].id, "10s" if len(devices) > 1 else "'%s:10s;%s:0'" % tuple(sorted(nodes)))]


def is_time(text):
    """Whether an interval or a delay is set and not zero: '10', '10s', 'PT10S'."""
    return any(letter in "123456789" for letter in text or "")
