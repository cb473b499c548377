# SPDX-License-Identifier: Apache-2.0
"""Reports as nodes in known situations publish them, and what one node knows from them."""

from quorate.galera.facts import DOWN, RECOVERED, ZERO_UUID, Report, Snapshot, View

U = "6b1f0c2e-c6a1-11ef-9d1d-3b0d6f7a8c11"
OTHER = "a0000000-c6a1-11ef-9d1d-3b0d6f7a8c11"
ALL = ("n1", "n2", "n3")


def view(seq, *members):
    return View("m" + members[0][1:], seq, frozenset("m" + member[1:] for member in members))


LAST = view(7, *ALL)


def crashed(node, seqno, last=LAST, **change):
    """Killed while it was a member of `last`."""
    report = Report(node, DOWN, U, seqno, RECOVERED, False, False, True, "m" + node[1:], last, generation=1, since=100,
                    settled=True, recorded=True)
    return report._replace(**change)


def stopped(node, seqno, **change):
    """Stopped cleanly."""
    return crashed(node, seqno, None, clean=True, my_uuid=None, settled=None, recorded=False)._replace(**change)


def fresh(node, **change):
    """Never was in a cluster."""
    report = Report(node, DOWN, ZERO_UUID, -1, clean=False, safe=True, data=True, generation=0, recorded=False)
    return report._replace(**change)


def empty(node, **change):
    return fresh(node, data=False, safe=None)._replace(**change)


def alive(node, state, last=LAST, **change):
    report = Report(node, state, data=True, my_uuid="m" + node[1:], view=last, generation=1, recorded=last is not None)
    return report._replace(**change)


def snapshot_of(*reports, **change):
    """What the reporters, who are the members, know. Ports were looked at and nobody listens."""
    nodes = {report.node: report for report in reports}
    names = {"m1": "n1", "m2": "n2", "m3": "n3"}
    snapshot = Snapshot("n1", ALL, nodes, frozenset(nodes), 1, names, listening=frozenset())
    return snapshot._replace(**change)
