# SPDX-License-Identifier: Apache-2.0
"""The measurements on RabbitMQ as tables in Markdown, with what they were taken on."""

import os
import statistics
import time

from bench.rabbitmq.cases import LIMIT, OURS, PEER, SIDES


def text(versions, command, costs, bench):
    """The report in Markdown."""
    timings = bench.timings
    lines = ["Command: `%s`, %s UTC; %d processors, load average %.1f at the end." % (
        command, time.strftime("%Y-%m-%d %H:%M", time.gmtime()), os.cpu_count(), os.getloadavg()[0]), versions, ""]
    if costs:
        lines += ["| monitor | wall | CPU (min..max) | CPU of the server | programs executed |",
                  "|---|---|---|---|---|"]
        lines += ["| %s | %.0f ms | %.1f ms (%s) | %.1f ms | %s |"
                  % (cost.side, cost.wall, cost.cpu, cost.spread, cost.server,
                                                                    cost.execs) for cost in costs] + [""]
    if timings:
        lines += ["| case | %s | kept | %s | kept |" % (OURS.label, PEER.label), "|---|---|---|---|---|"]
        for case in dict.fromkeys(timing.case for timing in timings):
            cells = []
            for side in SIDES:
                cells += _cells([one for one in timings if (one.case, one.side) == (case, side.label)])
            lines.append("| %s | %s |" % (case, " | ".join(cells)))
    return "\n".join(lines + [""] + ["- " + one for one in bench.remarks]) + "\n"


def _cells(mine):
    """Two cells: how long one case took under one side, and what was kept."""
    took = [timing.seconds for timing in mine if timing.seconds is not None]
    gone = {one for timing in mine for one in timing.gone or ()}
    times = "-" if not mine else "not within %.0f s" % LIMIT if not took else "%.1f s (%sn=%d%s)" % (
        statistics.median(took), "%.1f..%.1f, " % (min(took), max(took)) if len(took) > 1 else "", len(took),
        "" if len(took) == len(mine) else ", not in time: %d" % (len(mine) - len(took)))
    if not mine or all(timing.gone is None for timing in mine):
        return [times, ""]
    return [times, "all" if not gone else "%d things gone, such as %s" % (len(gone), ", ".join(sorted(gone)[:3]))]
