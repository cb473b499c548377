# SPDX-License-Identifier: Apache-2.0
"""scripts/bench --service rabbitmq: the RabbitMQ agent beside ocf:heartbeat:rabbitmq-cluster, on one lab in one run.

Times are from the command (or the fault) until all three brokers answer a client and see each other running. What was
put into the cluster is counted after each case: users, permissions, vhosts, exchanges, bindings, policies, and 1,000
persistent messages in a durable classic and in a quorum queue. The seed chooses the moments of the kills between two
monitors; they are the same for both sides.
"""

import argparse
import os
import random
import signal
import subprocess
import sys

from bench import monitor
from bench.rabbitmq.cases import BEAM, CASES, OURS, SIDES, Bench
from bench.rabbitmq.report import text
from bench.run import package, say
from lab import ROOT, LabError, state
from lab.machines import cluster
from lab.services import rabbitmq

PACKAGES = ("quorate", "resource-agents", "pacemaker", "corosync", "rabbitmq-server", "erlang-base", "python3")


def monitors(lab, runs):
    """[Cost] of the recurring monitor of both agents, in turn, on one node of a cluster that the peer could have
    made."""
    node = lab.node_names[0]
    # The peer's monitor does something else unless its own node attribute says who is a member.
    lab.check(node, "for n in %s; do crm_attribute -N $n -l reboot -n rmq-node-attr-%s -v rabbit@$n; done; mkdir -p /run/rabbitmq"
              % (" ".join(lab.node_names), rabbitmq.RESOURCE))
    costs = monitor.measure(lab, node, [monitor.agent(side, 0) for side in SIDES], runs, rabbitmq.RESOURCE, 120
                            + runs * 60,
                            settle=0.3, server=[BEAM])
    for name in lab.node_names:
        lab.run(node, ["crm_attribute", "-N", name, "-l", "reboot", "-n", "rmq-node-attr-" + rabbitmq.RESOURCE, "-D"])
    return costs


def options_of(argv):
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench --service rabbitmq", description=__doc__.splitlines()[0])
    parser.add_argument("--service", default="rabbitmq", choices=("rabbitmq",))
    parser.add_argument("--runs", type=int, default=20, help="pairs of monitors")
    parser.add_argument("--rounds", type=int, default=1,
                        help="rounds of all cases under both (default 1: about 12 minutes)")
    parser.add_argument("--until", help="begin no case after HH:MM")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10 ** 6),
                        help="seed of the random moments")
    parser.add_argument("--only", choices=("monitor", "recovery"), action="append")
    parser.add_argument("--case", choices=tuple(CASES), action="append",
                        help="only this case; can be given more than once")
    parser.add_argument("--side", choices=[side.label for side in SIDES], help="only under this side")
    parser.add_argument("--suite", default="bookworm", choices=("bookworm", "trixie"))
    parser.add_argument("--name", default="bench", help="name of the lab")
    parser.add_argument("--keep", action="store_true", help="keep the lab, and use it if it exists")
    parser.add_argument("--output", default=os.path.join(ROOT, "build", "measurements-rabbitmq.md"))
    return parser.parse_args(argv)


def measure(lab, options, bench, costs):
    """Measure everything. The results up to an error are in `bench` and `costs`."""
    sides = [side for side in SIDES if options.side in (None, side.label)]
    parts = options.only or ["monitor", "recovery"]
    lab.check(lab.node_names[0], ["pcs", "property", "set", "load-threshold=0%"])
    if "monitor" in parts:
        if not bench.attempt("cold start", OURS, lambda: bench.cold(OURS, recorded=False)):
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
    for number in (signal.SIGINT, signal.SIGTERM):  # also where the shell had set it to be ignored
        signal.signal(number, signal.default_int_handler)
    lab, there = cluster.Lab(options.name), state.read(options.name) is not None
    versions, costs, bench = "", [], Bench(lab, options.seed, options.until)
    say("seed %d" % options.seed)
    made, code = not there and not options.keep, 0
    if there and not options.keep:
        sys.stderr.write("bench: lab %s exists; use it with --keep, or make another with --name\n" % options.name)
        return 1
    try:
        if made:
            lab.__enter__()
        lab.up(options.suite, deb=None if there else package(), say=say)
        if not there:
            rabbitmq.prepare(lab)
        versions = lab.run(lab.node_names[0], ["dpkg-query", "-W", "-f", "${Package} ${Version}, "]
                           + list(PACKAGES)).out
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
