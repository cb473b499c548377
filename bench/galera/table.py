# SPDX-License-Identifier: Apache-2.0
"""The measurements as tables in Markdown, with what they were taken on."""

import os
import platform
import statistics
import time

from bench.galera.sides import OURS, PEER

PACKAGES = ("quorate", "resource-agents", "pacemaker", "corosync", "mariadb-server", "galera-4", "python3",
            "python3-pymysql")


def versions(lab):
    """Versions of what was measured, from a node; a dict."""
    out = lab.run(lab.node_names[0], ["dpkg-query", "-W", "-f", "${Package} ${Version}\n"] + list(PACKAGES)).out
    return dict(line.split(" ", 1) for line in out.splitlines() if " " in line)


class Report:
    """Collects results; text() is the report of the results so far."""

    def __init__(self, command, options):
        self.command, self.options = command.strip(), options
        self.began, self.load = time.time(), os.getloadavg()
        self.versions, self.costs, self.timings, self.problems, self.check = {}, [], [], [], None

    def text(self):
        parts = [self.head()]
        if self.costs:
            parts.append(self.monitors())
        if self.timings:
            parts.append(self.cases())
        if self.check:
            parts.append("## Check on port 9200\n\n" + self.check)
        return "\n".join(parts)

    def head(self):
        """When, on what machine, by which command."""
        lines = [
            "Command: `%s` (seed %d), %s to %s UTC." % (
                self.command, self.options.seed, time.strftime("%Y-%m-%d %H:%M", time.gmtime(self.began)),
                time.strftime("%H:%M", time.gmtime())),
            "Machine: %d processors, Linux %s; load average %.1f at the start, %.1f at the end." % (
                os.cpu_count(), platform.release(), self.load[0], os.getloadavg()[0])]
        if self.versions:
            lines.append("Nodes: %s, %s." % (self.options.suite,
                                             ", ".join("%s %s" % pair for pair in self.versions.items())))
        return "\n".join(lines) + "\n"

    def monitors(self):
        """The costs of a monitor."""
        lines = ["## Monitor of a promoted node", "",
                 "Median of %d runs of each, in turn, on the same server; CPU is user and system time of the agent and all it "
                 "starts." % self.options.runs, "",
                 "| agent | wall | CPU (min..max) | CPU of the server | programs executed |", "|---|---|---|---|---|"]
        lines += ["| %s | %.1f ms | %.1f ms (%s) | %.1f ms | %s |" % (
            cost.side, cost.wall, cost.cpu, cost.spread, cost.server, "not counted: no strace" if cost.execs is None
            else cost.execs)
            for cost in self.costs]
        by_side = {cost.side: cost for cost in self.costs}
        if len(by_side) == 2:
            ours, peer = by_side[OURS.label], by_side[PEER.label]
            lines += ["", "Less than the peer by: wall %.0f %%, CPU %.0f %%, CPU with the server's %.0f %%." % (
                less(ours.wall, peer.wall), less(ours.cpu, peer.cpu),
                less(ours.cpu + ours.server, peer.cpu + peer.server))]
        return "\n".join(lines) + "\n"

    def cases(self):
        """The times of recovery."""
        names = list(dict.fromkeys(timing.case for timing in self.timings))
        lines = ["## Start and recovery", "",
                 "Seconds until the nodes' own servers say that all three are synced (wsrep_local_state 4, "
                 "three members of a primary component): median (min..max) of n.", "",
                 "| case | %s | %s |" % (OURS.label, PEER.label), "|---|---|---|"]
        lines += ["| %s | %s | %s |" % (name, self._of(name, OURS), self._of(name, PEER)) for name in names]
        notes = ["%s, %s: %s" % (one.case, one.side, one.note) for one in self.timings if one.note] + self.problems
        return "\n".join(lines + ([""] + ["- " + note for note in notes] if notes else [])) + "\n"

    def _of(self, name, side):
        found = [one for one in self.timings if one.case == name and one.side == side.label]
        if not found:
            return "-"
        ended = sorted(one.seconds for one in found if one.seconds is not None)
        never = len(found) - len(ended)
        words = []
        if ended:
            words.append("%.1f" % statistics.median(ended) + (" (%.1f..%.1f)" % (ended[0], ended[-1]) if len(ended) > 1
                                                              else ""))
            words.append("of %d" % len(ended))
        if never:
            words.append("%d times not within %.0f s" % (never, max(one.limit for one in found)))
        return ", ".join(words).replace(", of", " of")


def less(ours, peer):
    """By how many percent ours is below."""
    return 100.0 * (1 - ours / peer)
