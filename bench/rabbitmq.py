# SPDX-License-Identifier: Apache-2.0
"""scripts/bench --service rabbitmq: the RabbitMQ agent beside ocf:heartbeat:rabbitmq-cluster, on one lab in one run.

Times are from the command (or the fault) until all three brokers greet a client and see each other running. What was put
into the cluster is counted after each case: users, permissions, vhosts, exchanges, bindings, policies, and 1,000 persistent
messages in a durable classic and in a quorum queue. When a kill comes between two monitors is left to chance, by the seed,
the same for both sides.
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from typing import NamedTuple, Optional

from bench.galera import package, say
from bench.monitor import executed, summary
from bench.sides import Side
from lab import LabError, state
from lab.faults import machine
from lab.faults.fault import wait_for
from lab.machines import cluster
from lab.services import rabbitmq

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIMIT = 180.0
INTERVAL = 10.0  # seconds between two monitors
BEAM = "beam.smp"
CASES = {"restart": "enable, all serve", "kill_one": "SIGKILL of one", "kill_all": "SIGKILL of all three",
         "power_all": "power cut of all three", "replace": "a machine with an empty disk",
         "one_off": "power cut of all, one stays off: the two serve"}
PACKAGES = ("quorate", "resource-agents", "pacemaker", "corosync", "rabbitmq-server", "erlang-base", "python3")
ASIDE = "/root/aside"


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


def until_whole(lab, began, nodes=None):
    """Seconds since `began` until `nodes` (all) serve as one cluster; None when that takes too long. The last look tells:
    asking costs a second or more, which is not counted."""
    try:
        rabbitmq.wait_serving(lab, nodes, LIMIT - (time.monotonic() - began))
        seconds = time.monotonic() - began
        while not rabbitmq.one_cluster(lab, nodes):  # the peer's brokers greet before they join
            rabbitmq.wait_serving(lab, nodes, max(1.0, LIMIT - (time.monotonic() - began)))
            seconds = time.monotonic() - began
            if seconds > LIMIT:
                return None
        return seconds
    except LabError as error:
        say(str(error))
        return None


class Bench:
    """Runs cases and keeps their timings. until: no case begins after this HH:MM."""

    def __init__(self, lab, seed, until=None):
        self.lab, self.until, self.timings, self.remarks = lab, until, [], []
        self.seed, self.number, self.random = seed, 0, random.Random(seed)

    @property
    def over(self):
        return bool(self.until) and time.strftime("%H:%M") >= self.until

    def note(self, case, side, seconds, gone=None):
        self.timings.append(Timing(case, side.label, seconds, gone))
        say("%-46s %-9s %s%s" % (case, side.label, "not within %.0f s" % LIMIT if seconds is None else "%.1f s" % seconds,
                                 "" if gone is None else ", all kept" if not gone else ", GONE: " + "; ".join(gone[:6])))
        return seconds is not None

    def remark(self, side, text):
        self.remarks.append("%s: %s" % (side.label, text))
        say("    " + text)

    def after(self, case, side, began):
        """Wait, look what is left, and put it there again for the next case. Whether to go on."""
        seconds = until_whole(self.lab, began)
        gone = ["not looked: it does not serve"] if seconds is None else rabbitmq.missing(self.lab)
        fine = self.note(case, side, seconds, gone)
        if fine and gone:
            self.refurnish()
        return fine

    def refurnish(self):
        first = self.lab.node_names[0]
        self.lab.run(first, "for v in / /one /two; do rabbitmqctl -q delete_vhost $v; done; rabbitmqctl -q add_vhost /", 60)
        rabbitmq.furnish(self.lab)

    def settle(self):
        self.lab.run(self.lab.node_names[0], ["crm_resource", "--wait", "--timeout=90s"], 100)

    def cold(self, side, noted=True):
        take_down(self.lab)
        began = time.monotonic()
        rabbitmq.create(self.lab, side.agent, **side.parameters)
        self.lab.wait(lambda: rabbitmq.serving(self.lab), LIMIT, "no broker serves", every=0.1)
        first, all_three = time.monotonic() - began, until_whole(self.lab, began)
        if noted:
            self.note("cold start, first serves", side, first)
            self.note("cold start, all serve", side, all_three)
        if all_three is not None:
            rabbitmq.furnish(self.lab)
        return all_three is not None

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
        return self.after(CASES["restart"], side, began)

    def kill_one(self, side):
        time.sleep(self.random.uniform(0, INTERVAL))
        began = time.monotonic()
        machine.kill(self.lab, "n2", BEAM)
        self.lab.wait(lambda: "n2" not in rabbitmq.serving(self.lab), 10, "the kill is not felt", every=0.05)
        return self.after(CASES["kill_one"], side, began) and self.members(side, "SIGKILL of one")

    def kill_all(self, side):
        time.sleep(self.random.uniform(0, INTERVAL))
        began = time.monotonic()
        for node in self.lab.node_names:
            machine.kill(self.lab, node, BEAM)
        return self.after(CASES["kill_all"], side, began)

    def power_all(self, side):
        self.lab.power_cut(*self.lab.node_names, stay_off=True)
        began = time.monotonic()
        self.lab.power_on()
        return self.after(CASES["power_all"], side, began)

    def one_off(self, side):
        """All lose their power and n3 stays off: the two wait for what it may know, until the operator says otherwise."""
        rest = self.lab.node_names[:2]
        self.lab.power_cut(*self.lab.node_names, stay_off=True)
        began = time.monotonic()
        self.lab.power_on(*rest)
        if side is OURS:
            command = self.lab.wait(lambda: self.typed(rest[0]), LIMIT, "nobody says what to type", every=0.5)
            self.remark(side, "one stays off: after %.1f s it says what to type: %s" % (time.monotonic() - began, command))
            began = time.monotonic()
            self.lab.check(rest[0], command.split())
        seconds = until_whole(self.lab, began, rest)
        gone = ["not looked: it does not serve"] if seconds is None else rabbitmq.missing(self.lab, rest[0])
        fine = self.note(CASES["one_off"], side, seconds, gone)
        began = time.monotonic()
        self.lab.power_on()
        return self.after("the third is back", side, began) and fine

    def typed(self, node):
        """The command that explain shows for going on, None as long as it shows none."""
        try:
            words = self.lab.run(node, ["quorate", "explain"], 20).out.partition("to go on: ")[2].splitlines()
        except LabError:
            return None
        return words[0] if words else None

    def replace(self, side):
        """A machine is replaced by one of the same name with an empty disk. The lab keeps the old data."""
        began = time.monotonic()
        self.lab.run("n2", "d=%s/$(date +%%s%%N); mkdir -p $d; kill -KILL $(pidof %s); sleep 0.3; mv %s/* $d/" % (
            ASIDE, BEAM, rabbitmq.BASE))
        self.lab.wait(lambda: "n2" not in rabbitmq.serving(self.lab), 10, "the kill is not felt", every=0.05)
        return self.after(CASES["replace"], side, began) and self.members(side, "an empty disk")

    def members(self, side, what):
        began = time.monotonic()
        wait_for(lambda: self.count_members() == 3, 20, 1)
        self.remark(side, "after %s the quorum queue has %d members (looked for %.0f s)" % (
            what, self.count_members(), time.monotonic() - began))
        return True

    def count_members(self):
        try:
            return rabbitmq.quorum_members(self.lab, "n1")
        except (LabError, ValueError, KeyError):
            return 0

    def round(self, side, cases):
        """A cold start and all cases. One that fails is noted, and the next one begins with a cold start."""
        self.number += 1
        self.random = random.Random("%d %d" % (self.seed, (self.number + 1) // 2))
        begun = not self.over and self.tried("cold start, all serve", side, lambda: self.cold(side))
        for case in cases if begun else ():
            if self.over:
                return
            self.settle()
            if not self.tried(CASES[case], side, lambda case=case: getattr(self, case)(side)):
                self.lab.power_on()
                self.lab.wait_online()
                if not self.cold(side, noted=False):
                    return

    def tried(self, name, side, action):
        try:
            return action()
        except (LabError, ValueError) as error:
            self.remark(side, "%s: %s" % (name, error))
            self.note(name, side, None)
            return False


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


def text(versions, command, costs, bench):
    """The report in Markdown."""
    timings = bench.timings
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
                cells += _cells([one for one in timings if (one.case, one.side) == (case, side.label)])
            lines.append("| %s | %s |" % (case, " | ".join(cells)))
    return "\n".join(lines + [""] + ["- " + one for one in bench.remarks]) + "\n"


def _cells(mine):
    """How long one case took under one side, and what was left."""
    took = [timing.seconds for timing in mine if timing.seconds is not None]
    gone = {one for timing in mine for one in timing.gone or ()}
    times = "-" if not mine else "not within %.0f s" % LIMIT if not took else "%.1f s (%sn=%d%s)" % (
        statistics.median(took), "%.1f..%.1f, " % (min(took), max(took)) if len(took) > 1 else "", len(took),
        "" if len(took) == len(mine) else ", not in time: %d" % (len(mine) - len(took)))
    if not mine or all(timing.gone is None for timing in mine):
        return [times, ""]
    return [times, "all" if not gone else "%d things gone, such as %s" % (len(gone), ", ".join(sorted(gone)[:3]))]


def options_of(argv):
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench --service rabbitmq", description=__doc__.splitlines()[0])
    parser.add_argument("--service", default="rabbitmq", choices=("rabbitmq",))
    parser.add_argument("--runs", type=int, default=20, help="pairs of monitors")
    parser.add_argument("--rounds", type=int, default=1, help="rounds of all cases under both (default 1: about 12 minutes)")
    parser.add_argument("--until", help="begin no case after HH:MM")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10 ** 6), help="of the random moments")
    parser.add_argument("--only", choices=("monitor", "recovery"), action="append")
    parser.add_argument("--case", choices=tuple(CASES), action="append", help="this case only; can be given more than once")
    parser.add_argument("--side", choices=[side.label for side in SIDES], help="under this one only")
    parser.add_argument("--suite", default="bookworm", choices=("bookworm", "trixie"))
    parser.add_argument("--name", default="bench", help="of the lab")
    parser.add_argument("--keep", action="store_true", help="leave the lab up, and use it if it is there")
    parser.add_argument("--output", default=os.path.join(ROOT, "build", "measurements-rabbitmq.md"))
    return parser.parse_args(argv)


def measure(lab, options, bench, costs):
    """Everything; what was found until something went wrong stays in `bench` and `costs`."""
    sides = [side for side in SIDES if options.side in (None, side.label)]
    parts = options.only or ["monitor", "recovery"]
    lab.check(lab.node_names[0], ["pcs", "property", "set", "load-threshold=0%"])
    if "monitor" in parts:
        if not bench.tried("cold start", OURS, lambda: bench.cold(OURS, noted=False)):
            raise LabError("no cluster to measure monitors on")
        bench.settle()
        costs += monitors(lab, options.runs)
        for cost in costs:
            say("monitor %-9s CPU %.1f ms, of the server %.1f ms, %s programs" % (
                cost.side, cost.cpu, cost.server, cost.execs))
    for _ in range(options.rounds if "recovery" in parts else 0):
        for side in sides:
            bench.round(side, options.case or tuple(CASES))


def main(argv):
    options = options_of(argv)
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell had made it ignored
        signal.signal(number, signal.default_int_handler)
    lab, there = cluster.Lab(options.name), state.read(options.name) is not None
    versions, costs, bench = "", [], Bench(lab, options.seed, options.until)
    say("seed %d" % options.seed)
    made, code = not there and not options.keep, 0
    if there and not options.keep:
        sys.stderr.write("bench: lab %s is there; --keep uses it, --name makes another\n" % options.name)
        return 1
    try:
        if made:
            lab.__enter__()
        lab.up(options.suite, deb=None if there else package(), say=say)
        if not there:
            rabbitmq.prepare(lab)
        versions = lab.run(lab.node_names[0], ["dpkg-query", "-W", "-f", "${Package} ${Version}, "] + list(PACKAGES)).out
        measure(lab, options, bench, costs)
    except (LabError, KeyboardInterrupt, subprocess.SubprocessError, ValueError) as error:
        say("ended early: %s" % (error or type(error).__name__))
        code = 1
    finally:
        report = text(versions, "scripts/bench %s` with `--seed %d" % (" ".join(argv), options.seed), costs, bench)
        os.makedirs(os.path.dirname(os.path.abspath(options.output)), exist_ok=True)
        with open(options.output, "w", encoding="utf-8") as file:
            file.write(report)
        if made:
            lab.destroy()
    print(report)
    say("written to " + options.output)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
