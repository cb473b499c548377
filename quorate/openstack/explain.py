# SPDX-License-Identifier: Apache-2.0
"""What `quorate explain` prints of an OpenStack service. Pure."""


def lines(status, runs, told, verdict, found, observed, warnings):
    """The screen of one resource. Pure."""
    rows = [("node", "runs", "names of its workers")]
    for node in status.nodes:
        state = "" if node.online else " (offline)"
        rows.append((node.name, runs.get(node.name, "-") + state, told.get(node.name, "-")))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    out = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    out += ["", "here:     %s%s" % (verdict.state, ": " + verdict.sentence if verdict.sentence else "")]
    if observed.tree.all:
        out.append("          %s, for %d s" % (", ".join("pid %d" % one.pid for one in observed.tree.all), observed.age))
    out += ["also:     %s" % one.sentence for one in found if one.sentence not in verdict.sentence]
    return out + ["warning:  %s" % sentence for sentence in warnings]
