# SPDX-License-Identifier: Apache-2.0
"""A seeded random campaign of faults against a real RabbitMQ cluster, with a client that publishes with confirms and
consumes with acknowledgements all the time.

    scripts/faults --service rabbitmq [--seed N] [--faults 100] [--until HH:MM] [--only TEXT] [--name LAB] [--suite SUITE]

After each fault all brokers must serve again as one cluster within the fault's limit, and in the end every message that was
confirmed must have been delivered. The seed chooses faults, victims and offsets. Ends with 0 only if nothing was wrong.
"""

import argparse
import datetime
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from typing import NamedTuple, Optional

from lab import LabError, faults, rabbitmq, state
from lab.campaign_faults import Fault, wait_for
from lab.cluster import Lab

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CLIENT = os.path.join(HERE, "lab", "confirming.py")
SETTLE = 8.0
MERCY = 240.0
BEAM = "beam.smp"
ASIDE = "/root/aside"  # where a lost disk's data go: the lab, too, removes no data directory


class Round(NamedTuple):
    """One fault and what came of it. took: seconds until whole again; None: not within limit and mercy."""

    number: int
    fault: str
    what: str
    took: Optional[float]
    limit: float
    mistakes: list


class Client:
    """lab/confirming.py at work, in the lab's network, with all hosts in its list."""

    def __init__(self, lab, directory=None, rate=20):
        self.directory = directory or os.path.join(state.directory(lab.name), "client")
        os.makedirs(self.directory, exist_ok=True)
        for name in ("confirmed", "received"):
            open(os.path.join(self.directory, name), "w").close()
        hosts = ",".join(node.address for node in lab.nodes)
        argv = lab.client(["setpriv", "--pdeathsig", "KILL", "/usr/bin/python3", CLIENT, hosts, rabbitmq.USER,
                           rabbitmq.password_file(lab), self.directory, str(rate)])
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                        start_new_session=True)

    def numbers(self, name):
        """The numbers in one of its records. A torn last line does not count."""
        with open(os.path.join(self.directory, name), encoding="ascii") as file:
            return {int(line) for line in file if line.endswith("\n")}

    def stop(self):
        """End it; (its figures, the numbers of messages that were confirmed and never delivered)."""
        self.process.send_signal(signal.SIGTERM)
        out = self.process.communicate(timeout=180)[0]
        return json.loads(out), sorted(self.numbers("confirmed") - self.numbers("received"))


class World(NamedTuple):
    """What a fault works on."""

    lab: object
    random: random.Random
    say: object

    def pick(self):
        return self.random.choice(self.lab.node_names)

    def without(self, node):
        return [other for other in self.lab.node_names if other != node]


def kill(lab, *nodes):
    """SIGKILL of the brokers; nothing where there is none."""
    for node in nodes:
        try:
            faults.kill(lab, node, BEAM)
        except LabError:
            pass


def kill_one(world):
    node = world.pick()
    kill(world.lab, node)
    return node


def kill_two(world):
    nodes = world.random.sample(world.lab.node_names, 2)
    for node in nodes:
        kill(world.lab, node)
        time.sleep(world.random.choice((0, 0, 3)))
    return " ".join(nodes)


def kill_all(world):
    nodes = world.random.sample(world.lab.node_names, 3)
    for node in nodes:
        kill(world.lab, node)
        time.sleep(world.random.choice((0, 0, 0, 2, 8)))
    return " ".join(nodes)


def freeze(world):
    node = world.pick()
    try:
        faults.stop(world.lab, node, BEAM)
    except LabError:
        return "no broker on " + node
    time.sleep(2)
    return node


def pcs(world, *words):
    """A command of pcs on the first node that carries it out."""
    for node in world.lab.node_names:
        try:
            world.lab.check(node, ["pcs"] + list(words), 120)
            return
        except LabError as error:
            last = error
    raise last


def disable_enable(world):
    pcs(world, "resource", "disable", rabbitmq.RESOURCE + "-clone")
    wait_for(lambda: not rabbitmq.serving(world.lab), 100)
    time.sleep(world.random.uniform(0, 3))
    pcs(world, "resource", "enable", rabbitmq.RESOURCE + "-clone")
    return "all"


def standby(world):
    node = world.pick()
    pcs(world, "node", "standby", node)
    time.sleep(world.random.uniform(0, 15))
    pcs(world, "node", "unstandby", node)
    return node


def rolling(world):
    for node in world.lab.node_names:
        pcs(world, "node", "standby", node, "--wait=100")
        pcs(world, "node", "unstandby", node, "--wait=100")
    return "one after the other"


def power_one(world):
    node = world.pick()
    world.lab.power_cut(node)
    return node


def power_two(world):
    nodes = world.random.sample(world.lab.node_names, 2)
    world.lab.power_cut(*nodes)
    time.sleep(world.random.uniform(0, 10))
    world.lab.power_on(*nodes)
    return " ".join(nodes)


def power_all(world):
    world.lab.power_cut(*world.lab.node_names, stay_off=True)
    for node in world.random.sample(world.lab.node_names, 3):
        world.lab.power_on(node)
        time.sleep(world.random.choice((0, 0, 3)))
    return "all"


def power_all_gone_before(world):
    """One goes first, the other two lose their power together later and come back without it."""
    node = world.pick()
    rest = world.without(node)
    world.lab.power_cut(node, stay_off=True)
    wait_for(lambda: set(rest) <= set(rabbitmq.serving(world.lab)) and rabbitmq.running(world.lab, rest[0]) == sorted(rest), 60)
    time.sleep(world.random.uniform(3, 15))
    world.lab.power_cut(*rest, stay_off=True)
    world.lab.power_on(*rest)
    back = wait_for(lambda: set(rest) <= set(rabbitmq.serving(world.lab)), 150)
    world.lab.power_on(node)
    if not back:
        raise Wrong("%s did not come back without %s, which was gone before" % (" ".join(rest), node))
    return "%s was gone before" % node


def partition(world):
    node = world.pick()
    faults.partition(world.lab, node)
    lasted = world.random.choice((1, 3, 10, 30))
    time.sleep(lasted)
    faults.heal(world.lab)
    return "%s for %d s" % (node, lasted)


def replace(world):
    """A machine loses its disk, and comes back under its name with an empty one."""
    node = world.pick()
    world.lab.run(node, "d=%s/$(date +%%s); mkdir -p $d; kill -KILL $(pidof %s); sleep 0.3; mv %s/* $d/" % (
        ASIDE, BEAM, rabbitmq.BASE))
    return node


class Wrong(Exception):
    """A fault itself saw something that must not be."""


FAULTS = (
    Fault("SIGKILL of one", 4, 90, kill_one),
    Fault("SIGKILL of two", 3, 90, kill_two),
    Fault("SIGKILL of all", 4, 120, kill_all),
    Fault("SIGSTOP of one", 3, 120, freeze),
    Fault("disable, enable", 3, 90, disable_enable),
    Fault("standby, unstandby", 2, 90, standby),
    Fault("rolling restart", 1, 90, rolling),
    Fault("power cut of one", 3, 150, power_one),
    Fault("power cut of two", 2, 150, power_two),
    Fault("power cut of all", 3, 150, power_all),
    Fault("power cut of two, the third was gone before", 1, 180, power_all_gone_before),
    Fault("partition of one", 3, 180, partition),
    Fault("disk of one lost", 2, 150, replace),
)


def whole(lab):
    """Whether all brokers serve, as one cluster, and Pacemaker has nothing to do."""
    names = lab.node_names
    return set(names) <= set(rabbitmq.serving(lab)) and all(rabbitmq.running(lab, node) == names for node in names)


def operator(lab):
    """What a person would do at once: power a node that nothing has powered, start a Pacemaker that gave up because it was
    told of its own fencing."""
    for node in lab.node_names:
        try:
            if not lab.is_on(node):
                lab.power_on(node)
            elif lab.run(node, "systemctl is-active -q pacemaker", 10).rc not in (0, None):
                lab.run(node, "systemctl reset-failed; systemctl start corosync pacemaker", 30)
        except LabError:
            pass


def one(world, number, fault, output):
    """Inject one fault and wait. Returns its Round."""
    mistakes, lab = [], world.lab
    world.say("%d: %s" % (number, fault.name))
    began = time.monotonic()
    try:
        what = fault.inject(world)
    except Wrong as wrong:
        what = str(wrong)
        mistakes.append(what)
    except LabError as error:
        what = "not injected: %s" % error
    ended, took = time.monotonic(), None
    time.sleep(1.5)  # a death is not felt at once
    while time.monotonic() - ended < fault.limit + MERCY:
        if whole(lab):
            took = time.monotonic() - ended
            break
        operator(lab)
        time.sleep(0.5)
    if took is None or took > fault.limit:
        mistakes.append("not whole within %g s" % fault.limit)
        evidence(lab, number, output)
    world.say("   %s: %s (%.0f s in all)%s" % (what, "NOT WHOLE" if took is None else "whole after %.1f s" % took,
                                               time.monotonic() - began, "".join("\n   WRONG: " + text for text in mistakes)))
    return Round(number, fault.name, what, took, fault.limit, mistakes)


def evidence(lab, number, output):
    """Keep what explains a cluster that did not come back."""
    with open(os.path.join(output, "round-%d.txt" % number), "w", encoding="utf-8") as file:
        for node in lab.node_names:
            for argv in (["quorate", "explain"], ["crm_mon", "-1Afr"], "journalctl -b --no-pager | tail -300",
                         "tail -120 /var/log/rabbitmq/rabbit@*.log"):
                try:
                    done = lab.run(node, argv, 30)
                    file.write("== %s: %s\n%s%s\n" % (node, argv, done.out, done.err))
                except LabError as error:
                    file.write("== %s: %s\n%s\n" % (node, argv, error))


def report(lab, options, rounds, figures, lost, minutes):
    """The result in Markdown."""
    wrong = [one for one in rounds if one.mistakes]
    versions = lab.run(lab.node_names[0], "dpkg-query -W -f '${Package} ${Version}, ' quorate pacemaker rabbitmq-server "
                       "erlang-base; cat /etc/debian_version").out.strip()
    lines = ["%s, seed %d, %d faults in %.0f min, %d with something wrong; %d messages confirmed, %d of them lost, %d publishes "
             "failed, %d delivered again." % (datetime.date.today(), options.seed, len(rounds), minutes, len(wrong),
                                              figures["confirmed"], len(lost), figures["failed"], figures["again"]),
             versions, "", "| fault | times | whole again: median | slowest | limit | wrong |", "|---|---|---|---|---|---|"]
    for fault in FAULTS:
        mine = [one for one in rounds if one.fault == fault.name and not one.what.startswith("not injected")]
        took = [one.took for one in mine if one.took is not None]
        if mine:
            lines.append("| %s | %d | %s | %s | %g s | %d |" % (
                fault.name, len(mine), "%.1f s" % statistics.median(took) if took else "-",
                "%.1f s" % max(took) if took else "-", mine[0].limit, sum(bool(one.mistakes) for one in mine)))
    lines += ["- round %d, %s, %s: %s" % (one.number, one.fault, one.what, "; ".join(one.mistakes)) for one in wrong]
    if lost:
        lines.append("- confirmed and never delivered: %s" % lost[:20])
    return "\n".join(lines) + "\n", not wrong and not lost


def run(lab, options, say, output):
    """The campaign on a cluster that is whole. The exit code."""
    chance = random.Random("faults %d" % options.seed)
    known = [fault._replace(limit=fault.limit * options.patience) for fault in FAULTS if options.only in fault.name]
    world, rounds, began = World(lab, random.Random(options.seed), say), [], time.monotonic()
    client = Client(lab, os.path.join(output, "client"))
    try:
        for number, fault in enumerate(chance.choices(known, [fault.weight for fault in known], k=options.faults), 1):
            if options.until and time.strftime("%H:%M") >= options.until:
                break
            rounds.append(one(world, number, fault, output))
            if rounds[-1].took is None:
                say("not whole; the campaign ends here")
                break
            time.sleep(world.random.uniform(0, SETTLE))
    except KeyboardInterrupt:
        say("interrupted; what was found so far:")
    figures, lost = client.stop()
    text, fine = report(lab, options, rounds, figures, lost, (time.monotonic() - began) / 60)
    with open(os.path.join(output, "report.md"), "w", encoding="utf-8") as file:
        file.write(text)
    print(text)
    return 0 if fine else 1


def main():
    parser = argparse.ArgumentParser(prog="scripts/faults --service rabbitmq", description=__doc__.splitlines()[0])
    parser.add_argument("--service", default="rabbitmq", choices=("rabbitmq",))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1000000))
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--until", help="begin no fault after HH:MM")
    parser.add_argument("--only", default="", help="only faults with this in their name")
    parser.add_argument("--patience", type=float, default=1.0, help="limits times this, for a machine that has other work")
    parser.add_argument("--name", default="faults", help="of the lab")
    parser.add_argument("--here", action="store_true", help="use the lab that is there, with its cluster")
    parser.add_argument("--deb", default=os.path.join(HERE, "build", "quorate_0.1.0_all.deb"))
    parser.add_argument("--output", help="directory for the evidence (default build/faults-rabbitmq-SEED)")
    parser.add_argument("--suite", default="bookworm")
    options = parser.parse_args()
    say = lambda text: print("%s %s" % (time.strftime("%H:%M:%S"), text), flush=True)
    output = options.output or os.path.join(HERE, "build", "faults-rabbitmq-%d" % options.seed)
    os.makedirs(output, exist_ok=True)
    say("seed %d, %d faults; evidence in %s" % (options.seed, options.faults, output))
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell had made it ignored
        signal.signal(number, signal.default_int_handler)
    try:
        if options.here:
            return run(Lab(options.name), options, say, output)
        with Lab(options.name) as lab:
            lab.up(options.suite, deb=options.deb, say=say)
            rabbitmq.prepare(lab)
            rabbitmq.create(lab, say=say)
            say("whole after %.1f s" % rabbitmq.wait_whole(lab))
            rabbitmq.furnish(lab)
            return run(lab, options, say, output)
    except LabError as error:
        sys.stderr.write("faults: %s\n" % error)
        return 2


if __name__ == "__main__":
    sys.exit(main())
