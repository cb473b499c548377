# SPDX-License-Identifier: Apache-2.0
"""What `quorate explain` prints of an OpenStack service. Pure."""


from quorate.text import columns


def screen(cluster, runs, names, diagnosis, found, observed, warnings):
    """The screen of one resource, as lines.

    cluster: quorate.pacemaker.crm_mon.Cluster; runs: node to role; names: node to the names it published; diagnosis,
    found, observed: of this node; warnings: texts.
    """
    rows = [("node", "runs", "names of its workers")]
    for node in cluster.nodes:
        state = "" if node.online else " (offline)"
        rows.append((node.name, runs.get(node.name, "-") + state, names.get(node.name, "-")))
    out = columns(rows)
    out += ["", "here:     %s%s" % (diagnosis.state, ": " + diagnosis.message if diagnosis.message else "")]
    if observed.tree.all:
        out.append("          %s, for %d s" % (", ".join("pid %d" % one.pid for one in observed.tree.all),
                                               observed.age))
    out += ["also:     %s" % one.message for one in found if one.message not in diagnosis.message]
    return out + ["warning:  %s" % text for text in warnings]
