# SPDX-License-Identifier: Apache-2.0
"""A seeded random campaign of faults against a real cluster, with clients that write to all three nodes all the time.

    scripts/faults [--seed N] [--faults 200] [--until HH:MM] [--only TEXT] [--name LAB] [--report FILE] [--keep]

After each fault the cluster must be whole again within the fault's limit (synced by the servers' own word), and every
acknowledged write must be on every node. Never may there be two primary components, or two histories. The seed chooses
faults, victims and offsets; it is printed. Ends with 0 only if nothing was wrong.
"""

import argparse
import datetime
import json
import os
import random
import signal
import statistics
import sys
import time
from typing import List, NamedTuple, Optional

from lab import LabError, faults, galera
from lab.campaign_faults import FAULTS, Unfit, World, reasons
from lab.campaign_state import split, synced
from lab.campaign_watch import Watch
from lab.cluster import Lab

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SETTLE = 8.0        # most seconds of quiet between two faults: more than the interval of a monitor
MERCY = 240.0       # seconds beyond the limit, to learn whether it would have come back at all


class Round(NamedTuple):
    """One fault and what came of it. took: seconds until whole again; None: not within limit and mercy."""

    number: int
    fault: str
    what: str
    took: Optional[float]
    limit: float
    mistakes: List[str]
    helped: List[str]


class Campaign:
    """The cluster under test, its clients and what was found so far."""

    def __init__(self, lab, seed, say, output):
        self.lab, self.say, self.output = lab, say, output
        self.rounds, self.mistakes = [], []
        self.random = random.Random(seed)
        self.watch = Watch(lab, galera.USER, galera.password_file(lab), open(os.path.join(output, "servers.jsonl"), "w"))
        self.clients = []
        for node in lab.nodes:
            directory = os.path.join(output, "client-" + node.name)
            os.makedirs(directory, exist_ok=True)
            self.clients.append(galera.Client(lab, directory, node.address, rate=10, workers=1))
        self.histories = set()

    def start(self):
        for client in self.clients:
            client.__enter__()
        if self.watch.await_(lambda seen: synced(seen, self.lab.node_names), 120) is None:
            raise LabError("the cluster is not whole to begin with")

    def one(self, number, fault):
        """Inject one fault, wait, look for what is owed. Returns its Round."""
        mistakes, helped = [], []
        world = World(self.lab, self.watch, self.random, self.say, mistakes)
        self.say("%d: %s" % (number, fault.name))
        before = len(self.watch.history)
        try:
            what = fault.inject(world)
        except Unfit as error:
            what = "not injected: %s" % error
        began = time.monotonic()
        took = self._whole(fault.limit, mistakes, helped)
        if took is None:
            mistakes.append("not whole after %d s: %s" % (fault.limit, reasons(world)))
            self._evidence(number)
            took = self._whole(MERCY, mistakes, helped)
            took = None if took is None else time.monotonic() - began
        self._histories(before, mistakes)
        self._owed(mistakes)
        done = Round(number, fault.name, what, took, fault.limit, mistakes, helped)
        self.say("   %s: %s%s%s" % (what, "whole after %.1f s" % took if took is not None else "NOT WHOLE",
                                    "".join("; helped: " + text for text in helped),
                                    "".join("\n   WRONG: " + text for text in mistakes)))
        self.rounds.append(done)
        with open(os.path.join(self.output, "rounds.jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps(done._asdict()) + "\n")
        return done

    def _whole(self, limit, mistakes, helped):
        """Seconds until all are synced, None when not within the limit. Looks for two primary components meanwhile."""
        began, suspicious = time.monotonic(), None
        last_help = began
        # A death is not seen at once, so first it has to be seen or to be survived for a moment.
        self.watch.await_(lambda seen: not synced(seen, self.lab.node_names), 1.5)
        while time.monotonic() - began < limit:
            if self.watch.await_(lambda seen: synced(seen, self.lab.node_names), 0.5) is not None:
                return time.monotonic() - began
            two = split(self.watch.seen)
            suspicious = (suspicious or time.monotonic()) if two else None
            if suspicious and time.monotonic() - suspicious > 8:
                mistakes.append("two primary components: %s" % two)
                suspicious = None
            if time.monotonic() - last_help > 10:
                last_help = time.monotonic()
                self._operator(helped)
        return None

    def _operator(self, helped):
        """What a person would do at once: power a node that nothing has powered, start a Pacemaker that gave up because it
        was told of its own fencing (the lab's power-on is faster than that message)."""
        for node in self.lab.node_names:
            try:
                if not self.lab.is_on(node):
                    self.lab.power_on(node)
                    helped.append("power-on of " + node)
                elif self.lab.run(node, "systemctl is-active -q pacemaker || ! systemctl is-system-running --quiet && "
                                        "systemctl is-failed -q pacemaker corosync", 10).rc == 0:
                    if self.lab.run(node, "systemctl is-active -q pacemaker", 10).rc not in (0, None):
                        self.lab.run(node, "systemctl reset-failed; systemctl start corosync pacemaker", 30)
                        helped.append("start of Pacemaker on " + node)
            except LabError:
                pass

    def _histories(self, before, mistakes):
        """One state UUID, for ever."""
        for seen in self.watch.history[before:]:
            if seen.status == "Primary" and seen.uuid:
                self.histories.add(seen.uuid)
        if len(self.histories) > 1:
            mistakes.append("more than one history: %s" % sorted(self.histories))
            self.histories = {self.watch.history[-1].uuid}

    def _owed(self, mistakes):
        """Look for every acknowledged write on every node, and for writes that are not on all."""
        owed = set()
        for client in self.clients:
            owed.update(galera.acknowledged(client.record))
        held = {}
        for node in self.lab.node_names:
            try:
                held[node] = set(galera.sql(self.lab, node, "SET SESSION wsrep_sync_wait = 1; "
                                            "SELECT id FROM quorate_lab.ledger;", 60).split())
            except LabError as error:
                self.say("   %s could not be asked for its rows: %s" % (node, error))
                continue
            lost = owed - held[node]
            if lost:
                mistakes.append("%d acknowledged writes are not on %s, such as %s" % (len(lost), node, sorted(lost)[:3]))

    def _evidence(self, number):
        """Keep what explains a cluster that did not come back."""
        path = os.path.join(self.output, "round-%d.txt" % number)
        with open(path, "w", encoding="utf-8") as file:
            for node in self.lab.node_names:
                for argv in (["quorate", "explain"], ["crm_mon", "-1Afr"], "journalctl -b --no-pager | tail -300",
                             "tail -80 /var/log/mysql/error.log"):
                    try:
                        done = self.lab.run(node, argv, 20)
                        file.write("== %s: %s\n%s%s\n" % (node, argv, done.out, done.err))
                    except LabError as error:
                        file.write("== %s: %s\n%s\n" % (node, argv, error))
        self.say("   evidence: %s" % path)

    def repair(self):
        """Bring the cluster back after a round that failed, so that the next one starts from a whole one."""
        faults.undo_all(self.lab)
        self.lab.power_cut(*self.lab.node_names, stay_off=True)
        self.lab.power_on()
        return self.watch.await_(lambda seen: synced(seen, self.lab.node_names), 180) is not None

    def stop(self):
        """End clients and watch; the figures of the clients, summed up."""
        total = {"acked": 0, "failed": 0, "unknown": 0}
        for client in self.clients:
            figures = client.stop()
            for key in total:
                total[key] += figures.get(key, 0)
        self.watch.close()
        return total


def versions(lab):
    """What was tested, in one line."""
    return lab.run(lab.node_names[0], "dpkg-query -W -f '${Package} ${Version}, ' quorate pacemaker corosync mariadb-server "
                   "galera-4; cat /etc/debian_version").out.strip()


def table(rounds):
    """Markdown lines: what was done how often, and how long it took."""
    lines = ["| fault | times | whole again: median | slowest | limit | wrong |", "|---|---|---|---|---|---|"]
    for fault in FAULTS:
        mine = [one for one in rounds if one.fault == fault.name and not one.what.startswith("not injected")]
        took = [one.took for one in mine if one.took is not None]
        if mine:
            lines.append("| %s | %d | %s | %s | %g s | %d |" % (
                fault.name, len(mine), "%.1f s" % statistics.median(took) if took else "-",
                "%.1f s" % max(took) if took else "-", fault.limit, sum(bool(one.mistakes) for one in mine)))
    return lines


def choose(seed, count, only, patience=1.0):
    """The faults of a campaign, by its seed alone."""
    chance = random.Random("faults %d" % seed)
    known = [fault._replace(limit=fault.limit * patience) for fault in FAULTS if not only or only in fault.name]
    return chance.choices(known, [fault.weight for fault in known], k=count)


def main():
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1000000))
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--until", help="begin no fault after HH:MM")
    parser.add_argument("--only", default="", help="only faults with this in their name")
    parser.add_argument("--patience", type=float, default=1.0, help="limits times this, for a machine that has other work")
    parser.add_argument("--name", default="faults", help="of the lab")
    parser.add_argument("--deb", default=os.path.join(HERE, "build", "quorate_0.1.0_all.deb"))
    parser.add_argument("--output", help="directory for the evidence (default build/faults-SEED)")
    parser.add_argument("--suite", default="bookworm")
    options = parser.parse_args()
    say = lambda text: print("%s %s" % (time.strftime("%H:%M:%S"), text), flush=True)
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell had made it ignored
        signal.signal(number, signal.default_int_handler)
    output = options.output or os.path.join(HERE, "build", "faults-%d" % options.seed)
    os.makedirs(output, exist_ok=True)
    say("seed %d, %d faults; evidence in %s" % (options.seed, options.faults, output))
    try:
        with Lab(options.name) as lab:
            lab.up(options.suite, deb=options.deb, say=say)
            galera.prepare(lab)
            galera.create(lab, say=say)
            say("synced after %.1f s" % galera.wait_synced(lab))
            galera.users(lab)
            return _run(Campaign(lab, options.seed, say, output), options, say)
    except LabError as error:
        sys.stderr.write("faults: %s\n" % error)
        return 2


def _run(campaign, options, say):
    tested, began = versions(campaign.lab), time.monotonic()
    campaign.start()
    try:
        for number, fault in enumerate(choose(options.seed, options.faults, options.only, options.patience), 1):
            if options.until and time.strftime("%H:%M") >= options.until:
                break
            if campaign.one(number, fault).took is None and not campaign.repair():
                say("the cluster could not be repaired; the campaign ends here")
                break
            time.sleep(campaign.random.uniform(0, SETTLE))
    except KeyboardInterrupt:
        say("interrupted; what was found so far:")
    finally:
        figures = campaign.stop()
    wrong = [one for one in campaign.rounds if one.mistakes]
    report = ["%s, seed %d, %d faults in %.0f min, %d with something wrong; %d writes acknowledged, %d failed, %d unknown." % (
        datetime.date.today(), options.seed, len(campaign.rounds), (time.monotonic() - began) / 60, len(wrong),
        figures["acked"], figures["failed"], figures["unknown"]), tested, ""] + table(campaign.rounds)
    for one in wrong:
        report.append("- round %d, %s, %s: %s" % (one.number, one.fault, one.what, "; ".join(one.mistakes)))
    text = "\n".join(report) + "\n"
    with open(os.path.join(campaign.output, "report.md"), "w", encoding="utf-8") as file:
        file.write(text)
    print(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
