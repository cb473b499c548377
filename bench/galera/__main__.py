# SPDX-License-Identifier: Apache-2.0
"""scripts/bench: the Galera agent beside ocf:heartbeat:galera on one lab, and the check on port 9200."""

import argparse
import os
import random
import subprocess
import sys

from bench import monitor
from bench.galera import sides, table
from bench.galera.cases import Bench
from bench.galera.watch import Watcher, all_synced
from bench.run import package, say
from lab import ROOT, LabError, state
from lab.machines import cluster
from lab.services import galera

CHECK = os.path.join(ROOT, "bench", "check_bench.py")
PROMOTED = 8  # the exit code of both agents
PARTS = ("monitor", "recovery", "killall", "check")


def parser():
    """The command line."""
    top = argparse.ArgumentParser(prog="scripts/bench",
                                  description="Measure this suite beside ocf:heartbeat:galera, on a lab.")
    top.add_argument("--quick", action="store_true", help="measure less: few runs, two seeds, in about five minutes")
    top.add_argument("--long", action="store_true", help="measure also what takes the peer more than five minutes")
    top.add_argument("--only", choices=PARTS, action="append", help="this part only; can be given more than once")
    top.add_argument("--runs", type=int, help="pairs of monitors (default 30)")
    top.add_argument("--rounds", type=int, help="rounds of bootstrap, restart, SIGKILL and SIGSTOP (default 3)")
    top.add_argument("--kills", type=int,
                     help="SIGKILLs of one in a round (default 3); the time depends mostly on when the next monitor comes")
    top.add_argument("--seeds", type=int, help="kills of all three under our agent (default 20)")
    top.add_argument("--peer-seeds", type=int, default=2, help="the same under the peer, with --long (default 2)")
    top.add_argument("--seed", type=int, default=None,
                     help="seed of the random moments (default: a new one, which is printed)")
    top.add_argument("--suite", default="bookworm", choices=("bookworm", "trixie"))
    top.add_argument("--name", default="bench", help="name of the lab")
    top.add_argument("--deb", help="our package (default: built from this checkout)")
    top.add_argument("--keep", action="store_true", help="keep the lab, and use it if it exists")
    top.add_argument("--output", default=os.path.join(ROOT, "build", "measurements.md"), help="file for the tables")
    return top


def options_of(argv):
    """The options of the command line, after --quick and defaults."""
    options = parser().parse_args(argv)
    few = options.quick
    options.runs = options.runs or (10 if few else 30)
    options.rounds = options.rounds or (1 if few else 3)
    options.kills = options.kills or (1 if few else 3)
    options.seeds = (2 if few else 20) if options.seeds is None else options.seeds
    options.seed = random.SystemRandom().randrange(10 ** 6) if options.seed is None else options.seed
    options.only = options.only or list(PARTS)
    return options


def monitors(lab, options, report):
    """Measure the cost of a monitor, while nothing else queries the server."""
    with Watcher(lab) as watcher:
        sides.take_down(lab, watcher)
        sides.create(lab, sides.OURS)
        sides.settle(lab, watcher, all_synced)
    cluster_address = "gcomm://" + ",".join(lab.node_names)
    agents = [monitor.agent(side, PROMOTED, wsrep_cluster_address=cluster_address) for side in sides.SIDES]
    report.costs = monitor.measure(lab, lab.node_names[0], agents, options.runs, galera.RESOURCE, 60 + options.runs * 5)
    for cost in report.costs:
        say("monitor, %d runs %-9s wall %.1f ms, CPU %.1f ms, server %.1f ms, %s programs" % (
            options.runs, cost.side, cost.wall, cost.cpu, cost.server, cost.execs))


def recoveries(lab, options, report):
    """Measure start and recovery, the two sides in turn."""
    with Watcher(lab) as watcher:
        bench = Bench(lab, watcher, say, options.seed)
        report.timings, report.problems = bench.timings, bench.problems
        for number in range(options.rounds if "recovery" in options.only else 0):
            for side in sides.SIDES if number % 2 == 0 else reversed(sides.SIDES):
                plan = ["restart"] + ["kill_one"] * options.kills
                if not options.quick and (number == 0 or side is sides.OURS):
                    plan.append("stop_one")  # the peer needs minutes, so once is enough
                bench.round(side, plan)
        if "killall" in options.only:
            bench.round(sides.OURS, ["kill_all"] * options.seeds)
            for _ in range(options.peer_seeds if options.long else 0):
                bench.round(sides.PEER, ["kill_all"])  # afterwards the cluster cannot be used any more


def check_table(options):
    """The output of bench/check_bench.py; None where that is missing."""
    if not os.path.exists(CHECK):
        return None
    say("the check on port 9200: bench/check_bench.py")
    done = subprocess.run(["/usr/bin/python3", CHECK] + (["--quick"] if options.quick else []), cwd=ROOT,
                          stdout=subprocess.PIPE,
                          text=True, check=False)
    return done.stdout if done.returncode == 0 else done.stdout + "\n(bench/check_bench.py ended with %d)\n" % done.returncode


def main(argv, lab_of=cluster.Lab, check=check_table):
    options = options_of(argv)
    report = table.Report("scripts/bench " + " ".join(argv), options)
    say("seed %d" % options.seed)
    lab = lab_of(options.name)
    code, made = 0, False
    try:
        if set(options.only) - {"check"}:
            there = state.read(options.name) is not None
            if there and not options.keep:
                raise LabError("lab %s exists; use it with --keep, or make another with --name" % options.name)
            made = not there and not options.keep
            if made:
                lab.__enter__()
            lab.up(options.suite, deb=None if there else options.deb or package(), say=say)
            report.versions = table.versions(lab)
            sides.prepare(lab)
            if "monitor" in options.only:
                monitors(lab, options, report)
            if {"recovery", "killall"} & set(options.only):
                recoveries(lab, options, report)
    except LabError as error:
        sys.stderr.write("bench: %s\n" % error)
        code = 1
    except KeyboardInterrupt:
        code = 130
    finally:
        if made:  # never a lab that another run is using
            lab.destroy()
    if "check" in options.only and code == 0:
        report.check = check(options)
    text = report.text()
    os.makedirs(os.path.dirname(os.path.abspath(options.output)), exist_ok=True)
    with open(options.output, "w", encoding="utf-8") as file:
        file.write(text)
    print(text)
    say("written to " + options.output)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
