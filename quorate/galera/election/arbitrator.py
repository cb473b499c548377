# SPDX-License-Identifier: Apache-2.0
"""Whether an arbitrator (garbd) stands in the way of a bootstrap. Pure."""

from quorate.galera.election import proof


def outlived_by(snapshot, electorate):
    """The arbitrators that may keep the old primary component, of which they are the only members: a dict of host to
    whether that is certain. A new one must not be opened beside it: when the two meet, Galera ends the servers of the newer
    one, and no server can join an arbitrator that is alone (it has lost what protocol the data nodes speak).

    The arbitrator keeps it where the last data node left cleanly: whoever leaves is not counted. Where that one died, the
    arbitrator has no majority, and joins whatever is opened. So it is asked whether it is the process that was a member of
    the last view that a node left cleanly; one that was restarted since is another member.
    """
    views = [(report, report.view) for report in electorate.voters if report.view is not None]
    last = max((view.seq for _, view in views), default=None)
    left = frozenset().union(*(view.members for report, view in views
                               if view.seq == last and report.clean and not report.recorded))
    without_data = left & proof.arbitrators(electorate.reports) or left - {
        report.my_uuid for report in electorate.reports.values()}
    return {host: member is not None for host, member in sorted(snapshot.arbitrators_alive.items())
            if (member in left if member is not None else without_data)}
