# SPDX-License-Identifier: Apache-2.0
"""scripts/bench --service rabbitmq: the RabbitMQ agent beside ocf:heartbeat:rabbitmq-cluster, on one lab in one run.

Times are from the command (or the fault) until all three brokers greet a client and see each other running. What was put
into the cluster is counted after each case: users, permissions, vhosts, exchanges, bindings, policies, and 1,000 persistent
messages in a durable classic and in a quorum queue.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Dict, NamedTuple, Optional

from bench.galera import package, say
from bench.monitor import executed, summary
from lab import LabError, cluster, faults, rabbitmq, state

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIMIT = 240.0
BEAM = "beam.smp"
CASES = ("restart", "kill_one", "kill_all", "power_all")
PACKAGES = ("quorate", "resource-agents", "pacemaker", "corosync", "rabbitmq-server", "erlang-base", "python3")
ASIDE = "/root/aside"


class Side(NamedTuple):
    """label: its name in the tables. provider, type: of the agent. parameters: what an operator has to give."""

    label: str
    provider: str
    type: str
    parameters: Dict[str, str]

    @property
    def agent(self):
        return "ocf:%s:%s" % (self.provider, self.type)


OURS = Side("quorate", "quorate", "rabbitmq", {})
PEER = Side("heartbeat", "heartbeat", "rabbitmq-cluster", {"set_policy": 'ha-all ^ha\\. {"ha-mode":"all"}'})
SIDES = (OURS, PEER)


class Timing(NamedTuple):
    """One measurement. seconds None: not within LIMIT. left: what of the furniture was gone afterwards, None: not looked."""

    case: str
    side: str
    seconds: Optional[float]
    gone: Optional[list]


def take_down(lab):
    """No resource, no broker, nothing remembered, empty disks (the old data go aside)."""
    first = lab.node_names[0]
    if lab.run(first, ["pcs", "resource", "config", rabbitmq.RESOURCE + "-clone"]).rc == 0:
        lab.run(first, ["pcs", "resource", "disable", rabbitmq.RESOURCE + "-clone"], 60)
        lab.run(first, ["crm_resource", "--wait", "--timeout=150s"], 160)
        lab.check(first, ["pcs", "resource", "delete", "--force", rabbitmq.RESOURCE + "-clone"], 120)
        lab.run(first, ["crm_resource", "--wait", "--timeout=60s"], 70)
    for node in lab.node_names:
        lab.run(node, "pkill -KILL beam; sleep 0.3; d=%s/$(date +%%s%%N); mkdir -p $d; mv %s/* $d/ 2>/dev/null; "
                "rm -rf /run/quorate/rabbitmq-* /var/lib/quorate/rabbitmq-*; attrd_updater -D -p -n %s-report; "
                "attrd_updater -D -n %s-status; crm_attribute -q -l forever -n %s-generation -N %s -D"
                % ((ASIDE, rabbitmq.BASE) + (rabbitmq.RESOURCE,) * 3 + (node,)))
    lab.run(first, "for set in quorate %s-founder; do cibadmin -D -o crm_config --xml-text "
                   "\"<cluster_property_set id='$set'/>\"; done" % rabbitmq.RESOURCE)


def until_whole(lab, began):
    """Seconds since `began` until all serve as one cluster; None when that takes too long. The last look tells: asking costs
    a second or more, which is not counted."""
    names = lab.node_names
    try:
        rabbitmq.wait_serving(lab, timeout=LIMIT - (time.monotonic() - began))
        seconds = time.monotonic() - began
        while not all(rabbitmq.running(lab, node) == names for node in names):  # the peer's brokers greet before they join
            rabbitmq.wait_serving(lab, timeout=max(1.0, LIMIT - (time.monotonic() - began)))
            seconds = time.monotonic() - began
            if seconds > LIMIT:
                return None
        return seconds
    except LabError as error:
        say(str(error))
        return None


class Bench:
    """Runs cases and keeps their timings."""

    def __init__(self, lab):
        self.lab, self.timings = lab, []

    def note(self, case, side, seconds, gone=None):
        self.timings.append(Timing(case, side.label, seconds, gone))
        say("%-28s %-9s %s%s" % (case, side.label, "more than %.0f s" % LIMIT if seconds is None else "%.1f s" % seconds,
                                 "" if gone is None else ", all kept" if not gone else ", GONE: " + "; ".join(gone[:6])))
        return seconds is not None

    def after(self, case, side, began):
        """Wait, look what is left, and put it there again for the next case. Whether to go on."""
        seconds = until_whole(self.lab, began)
        gone = ["not looked: it does not serve"] if seconds is None else rabbitmq.missing(self.lab)
        fine = self.note(case, side, seconds, gone)
        if fine and gone:
            self.lab.run(self.lab.node_names[0], "rabbitmqctl delete_vhost /one; rabbitmqctl delete_vhost /two")
            rabbitmq.furnish(self.lab)
        return fine

    def settle(self):
        self.lab.run(self.lab.node_names[0], ["crm_resource", "--wait", "--timeout=120s"], 130)

    def cold(self, side):
        take_down(self.lab)
        began = time.monotonic()
        rabbitmq.create(self.lab, side.agent, **side.parameters)
        self.lab.wait(lambda: rabbitmq.serving(self.lab), LIMIT, "no broker serves", every=0.1)
        self.note("cold start, first serves", side, time.monotonic() - began)
        if not self.note("cold start, all serve", side, until_whole(self.lab, began)):
            return False
        rabbitmq.furnish(self.lab)
        return True

    def restart(self, side):
        first = self.lab.node_names[0]
        began = time.monotonic()
        self.lab.check(first, ["pcs", "resource", "disable", rabbitmq.RESOURCE + "-clone"])
        self.lab.wait(lambda: all(self.lab.run(node, ["pidof", BEAM]).rc for node in self.lab.node_names), LIMIT,
                      "the brokers do not stop", every=0.1)
        self.note("disable, all stopped", side, time.monotonic() - began)
        self.settle()
        began = time.monotonic()
        self.lab.check(first, ["pcs", "resource", "enable", rabbitmq.RESOURCE + "-clone"])
        return self.after("enable, all serve", side, began)

    def kill_one(self, side):
        began = time.monotonic()
        faults.kill(self.lab, "n2", BEAM)
        self.lab.wait(lambda: "n2" not in rabbitmq.serving(self.lab), 10, "the kill is not felt", every=0.05)
        fine = self.after("SIGKILL of one", side, began)
        if fine:
            say("    members of the quorum queue: %d" % rabbitmq.quorum_members(self.lab, "n1"))
        return fine

    def kill_all(self, side):
        began = time.monotonic()
        for node in self.lab.node_names:
            faults.kill(self.lab, node, BEAM)
        return self.after("SIGKILL of all three", side, began)

    def power_all(self, side):
        self.lab.power_cut(*self.lab.node_names, stay_off=True)
        began = time.monotonic()
        self.lab.power_on()
        return self.after("power cut of all three", side, began)

    def round(self, side, cases):
        if self.cold(side):
            for case in cases:
                self.settle()
                if not getattr(self, case)(side):
                    break


def monitors(lab, runs):
    """[Cost] of the recurring monitor of both agents, in turn, on one node of a cluster that the peer could have made."""
    agents = [{"label": side.label, "provider": side.provider, "type": side.type, "wanted": 0, "parameters": side.parameters}
              for side in SIDES]
    node = lab.node_names[0]
    # The peer wants its own note of who is a member, or its monitor does something else.
    lab.check(node, "for n in %s; do crm_attribute -N $n -l reboot -n rmq-node-attr-%s -v rabbit@$n; done; mkdir -p /run/rabbitmq"
              % (" ".join(lab.node_names), rabbitmq.RESOURCE))
    spec = {"runs": runs, "agents": agents, "node": node, "instance": rabbitmq.RESOURCE, "settle": 0.3, "server": [BEAM]}
    with open(os.path.join(ROOT, "bench", "node_monitor.py"), encoding="utf-8") as file:
        script = file.read()
    rows = json.loads(lab.check(node, ["/usr/bin/python3", "-I", "-", json.dumps(spec)], 120 + runs * 60, stdin=script))
    execs = {agent["label"]: executed(lab, node, spec, agent, script) for agent in agents}
    for name in lab.node_names:
        lab.run(node, ["crm_attribute", "-N", name, "-l", "reboot", "-n", "rmq-node-attr-" + rabbitmq.RESOURCE, "-D"])
    return [summary(side.label, [row for row in rows if row["label"] == side.label], execs[side.label]) for side in SIDES]


def text(lab, command, costs, timings):
    """The report in Markdown."""
    versions = lab.run(lab.node_names[0], ["dpkg-query", "-W", "-f", "${Package} ${Version}, "] + list(PACKAGES)).out
    lines = ["Command: `%s`, %s UTC; %d processors, load average %.1f at the end." % (
        command, time.strftime("%Y-%m-%d %H:%M", time.gmtime()), os.cpu_count(), os.getloadavg()[0]), versions, ""]
    if costs:
        lines += ["| monitor | wall | CPU (min..max) | CPU of the server | programs executed |", "|---|---|---|---|---|"]
        lines += ["| %s | %.0f ms | %.1f ms (%s) | %.1f ms | %s |" % (cost.side, cost.wall, cost.cpu, cost.spread, cost.server,
                                                                    cost.execs) for cost in costs] + [""]
    if timings:
        lines += ["| case | %s | kept | %s | kept |" % (OURS.label, PEER.label), "|---|---|---|---|---|"]
        for case in dict.fromkeys(timing.case for timing in timings):
            cells = []
            for side in SIDES:
                mine = [timing for timing in timings if (timing.case, timing.side) == (case, side.label)]
                took = [timing.seconds for timing in mine if timing.seconds is not None]
                gone = {one for timing in mine for one in timing.gone or ()}
                cells.append("-" if not mine else "%.1f s (n=%d)" % (statistics.median(took), len(took)) if took else "never")
                cells.append("" if not mine or mine[0].gone is None else "all" if not gone else "%d things gone, such as %s" % (
                    len(gone), ", ".join(sorted(gone)[:3])))
            lines.append("| %s | %s |" % (case, " | ".join(cells)))
    return "\n".join(lines) + "\n"


def main(argv):
    parser = argparse.ArgumentParser(prog="scripts/bench --service rabbitmq", description=__doc__.splitlines()[0])
    parser.add_argument("--service", default="rabbitmq", choices=("rabbitmq",))
    parser.add_argument("--runs", type=int, default=20, help="pairs of monitors")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", choices=("monitor", "recovery"), action="append")
    parser.add_argument("--suite", default="bookworm", choices=("bookworm", "trixie"))
    parser.add_argument("--name", default="bench", help="of the lab")
    parser.add_argument("--keep", action="store_true", help="leave the lab up, and use it if it is there")
    parser.add_argument("--output", default=os.path.join(ROOT, "build", "measurements-rabbitmq.md"))
    options = parser.parse_args(argv)
    parts = options.only or ["monitor", "recovery"]
    lab, there = cluster.Lab(options.name), state.read(options.name) is not None
    costs, bench = [], Bench(lab)
    try:
        if not there:
            lab.__enter__()
            lab.up(options.suite, deb=package(), say=say)
            rabbitmq.prepare(lab)
        lab.check(lab.node_names[0], ["pcs", "property", "set", "load-threshold=0%"])
        for number in range(options.rounds if "recovery" in parts else 0):
            for side in SIDES if number % 2 else reversed(SIDES):
                bench.round(side, CASES)
        if "monitor" in parts:
            bench.settle()
            if not rabbitmq.serving(lab):
                bench.cold(OURS)
            costs = monitors(lab, options.runs)
    except (LabError, KeyboardInterrupt, subprocess.SubprocessError) as error:
        say("ended early: %s" % error)
    finally:
        report = text(lab, "scripts/bench " + " ".join(argv), costs, bench.timings)
        if not there and not options.keep:
            lab.destroy()
    with open(options.output, "w", encoding="utf-8") as file:
        file.write(report)
    print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
