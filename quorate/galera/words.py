# SPDX-License-Identifier: Apache-2.0
"""Words of the election's sentences. Pure."""

from quorate.galera.read import short


def forced(node):
    """The command that insists."""
    return "quorate bootstrap %s --force %s" % (node, node)


def in_order(snapshot, nodes):
    """The nodes in the order of the configuration, others after them."""
    wanted = set(nodes)
    return tuple([node for node in snapshot.configured if node in wanted]
                 + sorted(wanted.difference(snapshot.configured)))


def names(found, ordered=True):
    """'n1, n2 and n3'."""
    found = sorted(found) if ordered else list(found)
    return found[0] if len(found) == 1 else "%s and %s" % (", ".join(found[:-1]), found[-1]) if found else "nobody"


def positions(reports):
    """'n1 1e5a:7, n2 1e5a:9'."""
    return ", ".join("%s %s:%s" % (report.node, short(report.uuid) or "?",
                                   "?" if report.seqno is None else report.seqno)
                     for report in sorted(reports, key=lambda report: report.node))


def states(snapshot, nodes):
    """What these nodes report, each state once."""
    return ", ".join(sorted({snapshot.reports[node].state for node in nodes}))
