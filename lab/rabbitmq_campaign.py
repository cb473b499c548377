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
from lab.campaign_faults import wait_for
from lab.cluster import Lab
from lab.confirming import QUEUE
from lab.rabbitmq_faults import FAULTS, World, Wrong, join_brokers, pcs, power_all

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CLIENT = os.path.join(HERE, "lab", "confirming.py")
SETTLE = 8.0
MERCY = 120.0        # seconds beyond the limit, to learn whether it would have come back at all
REPAIRED = 150.0     # seconds for each way to bring it back after that
MEMBERS_WITHIN = 60  # seconds until the client's quorum queue has three members again


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


def whole(lab):
    """Whether all brokers serve, as one cluster, and Pacemaker has all instances started."""
    return set(lab.node_names) <= set(rabbitmq.serving(lab)) and started(lab) and rabbitmq.one_cluster(lab)


def started(lab):
    """Whether Pacemaker has an instance started on every node, and nothing under way with them."""
    seen = lab.cluster_xml()
    mine = [one for one in (seen.iter("resource") if seen is not None else ())
            if one.get("id", "").split(":")[0] == rabbitmq.RESOURCE]
    return len([one for one in mine if one.get("role") == "Started" and not one.get("pending")]) == len(lab.node_names)


def members(lab):
    """How many members the client's quorum queue has; 0 when nobody says."""
    for node in lab.node_names:
        try:
            return rabbitmq.quorum_members(lab, node, QUEUE)
        except (LabError, ValueError, KeyError):
            pass
    return 0


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
    time.sleep(1.5)  # a death is not felt at once
    took = until_whole(lab, fault.limit + MERCY)
    if took is None or took > fault.limit:
        mistakes.append("not whole within %g s" % fault.limit)
        evidence(lab, number, output)
    if took is not None and not wait_for(lambda: members(lab) == len(lab.node_names), MEMBERS_WITHIN, 1):
        mistakes.append("the quorum queue has %d members" % members(lab))
    world.say("   %s: %s (%.0f s in all)%s" % (
        what, "NOT WHOLE" if took is None else "whole after %.1f s" % took, time.monotonic() - began,
        "".join("\n   WRONG: " + text for text in mistakes)))
    return Round(number, fault.name, what, took, fault.limit, mistakes)


def until_whole(lab, limit):
    """Seconds until it is whole, None: not within so many."""
    began = time.monotonic()
    while time.monotonic() - began < limit:
        asked = time.monotonic()
        try:
            if whole(lab):
                return asked - began
        except LabError:
            pass
        operator(lab)
        time.sleep(0.5)
    return None


def repair(world):
    """Bring the cluster back after a round that failed, so that the next one starts from a whole one: what a person would
    try, from the mildest on. What helped, None: nothing did."""
    ways = (("undone, cleaned up", cleaned), ("power cut of all", power_all), ("the operator's word", said))
    for name, way in ways:
        world.say("   repair: " + name)
        try:
            way(world)
        except (LabError, OSError) as error:
            world.say("   repair: %s" % error)
        if until_whole(world.lab, REPAIRED) is not None:
            return name
    return None


def cleaned(world):
    """No fault is left, no node in standby, nothing disabled, no failure remembered."""
    faults.undo_all(world.lab)
    for node in world.lab.node_names:
        join_brokers(world.lab, node)
    operator(world.lab)
    for words in (["node", "unstandby", "--all"], ["resource", "enable", rabbitmq.RESOURCE + "-clone"],
                  ["resource", "cleanup", rabbitmq.RESOURCE]):
        pcs(world, *words)


def said(world):
    """The command that explain shows."""
    for node in world.lab.node_names:
        words = world.lab.run(node, ["quorate", "explain"], 30).out.partition("to go on: ")[2].splitlines()
        if words and words[0].startswith("quorate rabbitmq boot"):
            world.lab.check(node, words[0].split())
            return


def evidence(lab, number, output):
    """Keep what explains a cluster that did not come back."""
    with open(os.path.join(output, "round-%d.txt" % number), "w", encoding="utf-8") as file:
        for node in lab.node_names:
            for argv in (["quorate", "explain"], ["crm_mon", "-1Afr"], "journalctl -b --no-pager | tail -300",
                         "tail -n 200 /var/log/rabbitmq/rabbit@*.log"):
                try:
                    done = lab.run(node, argv, 30)
                    file.write("== %s: %s\n%s%s\n" % (node, argv, done.out, done.err))
                except LabError as error:
                    file.write("== %s: %s\n%s\n" % (node, argv, error))


def versions(lab):
    """What is tested, in one line."""
    return lab.run(lab.node_names[0], "dpkg-query -W -f '${Package} ${Version}, ' quorate pacemaker rabbitmq-server "
                   "erlang-base; cat /etc/debian_version").out.strip()


def report(tested, options, rounds, client, gone, minutes):
    """(the result in Markdown, whether nothing was wrong). client: (figures, lost) or None: it gave no account."""
    wrong = [one for one in rounds if one.mistakes]
    figures, lost = client or ({}, [])
    lines = ["%s, seed %d, %d faults in %.0f min, %d with something wrong; %s messages confirmed, %s of them lost, "
             "%s publishes failed, %s delivered again." % (
                 datetime.date.today(), options.seed, len(rounds), minutes, len(wrong), figures.get("confirmed", "?"),
                 len(lost) if client else "?", figures.get("failed", "?"), figures.get("again", "?")),
             tested, "", "| fault | times | whole again: median | slowest | limit | wrong |", "|---|---|---|---|---|---|"]
    for fault in FAULTS:
        mine = [one for one in rounds if one.fault == fault.name and not one.what.startswith("not injected")]
        took = [one.took for one in mine if one.took is not None]
        if mine:
            lines.append("| %s | %d | %s | %s | %g s | %d |" % (
                fault.name, len(mine), "%.1f s" % statistics.median(took) if took else "-",
                "%.1f s" % max(took) if took else "-", mine[0].limit, sum(bool(one.mistakes) for one in mine)))
    lines += ["", "Of what was put there before the first fault (%d disks were lost since): %s." % (
        sum(one.fault == "disk of one lost" for one in rounds), "all is there" if not gone else "gone: " + "; ".join(gone))]
    lines += ["- round %d, %s, %s: %s" % (one.number, one.fault, one.what, "; ".join(one.mistakes)) for one in wrong]
    if lost:
        lines.append("- confirmed and never delivered: %s" % lost[:20])
    return "\n".join(lines) + "\n", not wrong and not lost and client is not None


def run(lab, options, say, output):
    """The campaign on a cluster that is whole. The exit code. However it ends, what was found is reported."""
    chance = random.Random("faults %d" % options.seed)
    known = [fault._replace(limit=fault.limit * options.patience) for fault in FAULTS if options.only in fault.name]
    world, rounds, began = World(lab, random.Random(options.seed), say), [], time.monotonic()
    tested, client = versions(lab), Client(lab, os.path.join(output, "client"))
    try:
        for number, fault in enumerate(chance.choices(known, [fault.weight for fault in known], k=options.faults), 1):
            if options.until and time.strftime("%H:%M") >= options.until:
                break
            rounds.append(one(world, number, fault, output))
            with open(os.path.join(output, "rounds.jsonl"), "a", encoding="utf-8") as file:
                file.write(json.dumps(rounds[-1]._asdict()) + "\n")
            if rounds[-1].took is None:
                helped = repair(world)
                rounds[-1].mistakes.append("repaired by: %s" % helped)
                if helped is None:
                    say("it could not be repaired; the campaign ends here")
                    break
            time.sleep(world.random.uniform(0, SETTLE))
    except KeyboardInterrupt:
        say("interrupted; what was found so far:")
    except (LabError, OSError, ValueError) as error:
        say("ended early: %s" % error)
        rounds.append(Round(len(rounds) + 1, "the campaign itself", "ended early", None, 0, [str(error)]))
    finally:
        text, fine = report(tested, options, rounds, account(client, say), left(lab), (time.monotonic() - began) / 60)
        with open(os.path.join(output, "report.md"), "w", encoding="utf-8") as file:
            file.write(text)
        print(text, flush=True)
    return 0 if fine else 1


def account(client, say):
    """What the client has to say at its end, None when it does not."""
    try:
        return client.stop()
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        say("the client gave no account: %s" % error)
        client.process.kill()
        return None


def left(lab):
    """What is gone of what was put there."""
    try:
        return rabbitmq.missing(lab)
    except (LabError, ValueError) as error:
        return ["could not be asked: %s" % error]


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
            rabbitmq.create(lab, say=say, minority_wait="10s")  # a partition of 45 s shall see the failure
            say("whole after %.1f s" % rabbitmq.wait_whole(lab))
            rabbitmq.furnish(lab)
            return run(lab, options, say, output)
    except LabError as error:
        sys.stderr.write("faults: %s\n" % error)
        return 2


if __name__ == "__main__":
    sys.exit(main())
