# SPDX-License-Identifier: Apache-2.0
"""A seeded random campaign of faults against a real cluster: rounds, evidence, repair, report. What it is a campaign of, says
a subclass (galera_campaign, rabbitmq_campaign).

After each fault the cluster must be whole again within the fault's limit. The seed chooses faults, victims and offsets; it is
printed. However a campaign ends, what was found is reported.
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

from lab import ROOT, LabError
from lab.machines.cluster import Lab

SETTLE = 8.0        # most seconds of quiet between two faults: more than the interval of a monitor
REPAIRED = 180.0    # seconds for each way to bring the cluster back after a round that failed
HELP_EVERY = 10.0   # seconds between two looks at what a person would do at once
NOT_INJECTED = "not injected"


class Round(NamedTuple):
    """One fault and what came of it. took: seconds until whole again; None: not within limit and mercy."""

    number: int
    fault: str
    what: str
    took: Optional[float]
    limit: float
    mistakes: List[str]
    helped: List[str]


class Account(NamedTuple):
    """What the clients have to say at the end. fine: whether they lost nothing; lines: for the report, in Markdown."""

    sentence: str
    fine: bool = True
    lines: tuple = ()


class Campaign:
    """The cluster under test and what was found so far. A subclass says:

    title, prefix   what the command is called; the beginning of the evidence's directory
    faults          tuple of campaign_faults.Fault
    count           how many faults a campaign has
    mercy           seconds beyond a limit, to learn whether it would have come back at all
    packages        whose versions the report names
    log             command that shows the end of the service's own log
    """

    title, prefix, faults, count, mercy, packages, log = "", "", (), 100, 120.0, "", "true"

    def __init__(self, lab, seed, say, output):
        self.lab, self.say, self.output = lab, say, output
        self.random = random.Random(seed)
        self.rounds = []

    # What the subclass knows

    @staticmethod
    def set_up(lab, say):
        """Make the cluster in a lab that is up, until it is whole."""
        raise NotImplementedError

    def start(self):
        """Start clients and whatever watches the cluster."""

    def inject(self, fault, mistakes):
        """Inject it and end it; what was done to whom. Raises LabError when it could not be injected."""
        raise NotImplementedError

    def await_whole(self, seconds):
        """Look, for so many seconds at the most; the time.monotonic() at which it was whole, None: it was not."""
        raise NotImplementedError

    def await_noticed(self):
        """A death is not seen at once, so first it has to be seen or to be survived for a moment."""
        time.sleep(1.5)

    def suspect(self, mistakes):
        """Note what must not be, while the cluster is not whole."""

    def owed(self, done):
        """Note in done.mistakes what is owed to the clients after this Round."""

    def why(self):
        """What the cluster itself says of its state, for a mistake."""
        return ""

    def ways(self):
        """(name, function) of what may bring it back after a round that failed, the mildest first."""
        raise NotImplementedError

    def stop(self):
        """End clients and watch. Their Account."""
        return Account("")

    # What is the same for all

    def one(self, number, fault):
        """Inject one fault, wait, look for what is owed. Returns its Round."""
        mistakes, helped = [], []
        self.say("%d: %s" % (number, fault.name))
        try:
            what = self.inject(fault, mistakes)
        except LabError as error:
            what = "%s: %s" % (NOT_INJECTED, error)
        began = time.monotonic()
        took = self._until_whole(fault.limit, mistakes, helped)
        if took is None:
            mistakes.append("not whole after %g s%s" % (fault.limit, self.why()))
            self._evidence(number)
            if self._until_whole(self.mercy, mistakes, helped) is not None:
                took = time.monotonic() - began
        done = Round(number, fault.name, what, took, fault.limit, mistakes, helped)
        self.owed(done)
        self.say("   %s: %s%s%s" % (what, "whole after %.1f s" % took if took is not None else "NOT WHOLE",
                                    "".join("; helped: " + text for text in helped),
                                    "".join("\n   WRONG: " + text for text in mistakes)))
        return done

    def _until_whole(self, limit, mistakes, helped):
        """Seconds until it is whole, None: not within the limit."""
        began = last_help = time.monotonic()
        self.await_noticed()
        while time.monotonic() - began < limit:
            found = self.await_whole(0.5)
            if found is not None:
                return found - began
            self.suspect(mistakes)
            if time.monotonic() - last_help > HELP_EVERY:
                last_help = time.monotonic()
                self._help(helped)
        return None

    def _help(self, helped):
        """What a person would do at once: power a node that nothing has powered, start a Pacemaker that gave up because it
        was told of its own fencing (the lab's power-on is faster than that message)."""
        for node in self.lab.node_names:
            try:
                if not self.lab.is_on(node):
                    self.lab.power_on(node)
                    helped.append("power-on of " + node)
                elif self.lab.run(node, "systemctl is-active -q pacemaker", 10).rc not in (0, None):
                    self.lab.run(node, "systemctl reset-failed; systemctl start corosync pacemaker", 30)
                    helped.append("start of Pacemaker on " + node)
            except LabError:
                pass

    def _evidence(self, number):
        """Keep what explains a cluster that did not come back."""
        path = os.path.join(self.output, "round-%d.txt" % number)
        with open(path, "w", encoding="utf-8") as file:
            for node in self.lab.node_names:
                for argv in (["quorate", "explain"], ["crm_mon", "-1Afr"], "journalctl -b --no-pager | tail -300", self.log):
                    try:
                        done = self.lab.run(node, argv, 30)
                        file.write("== %s: %s\n%s%s\n" % (node, argv, done.out, done.err))
                    except LabError as error:
                        file.write("== %s: %s\n%s\n" % (node, argv, error))
        self.say("   evidence: %s" % path)

    def repair(self):
        """Bring the cluster back after a round that failed, so that the next one starts from a whole one. What helped, None:
        nothing did."""
        for name, way in self.ways():
            self.say("   repair: " + name)
            try:
                way()
            except (LabError, OSError) as error:
                self.say("   repair: %s" % error)
            if self._until_whole(REPAIRED, [], []) is not None:
                return name
        return None

    def versions(self):
        """What is tested, in one line."""
        return self.lab.run(self.lab.node_names[0], "dpkg-query -W -f '${Package} ${Version}, ' quorate pacemaker %s; "
                            "cat /etc/debian_version" % self.packages).out.strip()

    def choose(self, options):
        """The faults of a campaign, by its seed alone, with their limits as the options want them."""
        known = [fault._replace(limit=fault.limit * options.patience) for fault in self.faults if options.only in fault.name]
        if not known:
            raise LabError("no fault has '%s' in its name" % options.only)
        return random.Random("faults %d" % options.seed).choices(known, [fault.weight for fault in known], k=options.faults)

    def run(self, options):
        """The campaign on a cluster that is whole. The exit code: 0 only if nothing was wrong."""
        chosen, tested, began = self.choose(options), self.versions(), time.monotonic()
        ended = None
        self.start()
        try:
            for number, fault in enumerate(chosen, 1):
                if options.until and time.strftime("%H:%M") >= options.until:
                    break
                if not self._round(number, fault):
                    self.say("it could not be repaired; the campaign ends here")
                    break
                time.sleep(self.random.uniform(0, SETTLE))
        except KeyboardInterrupt:
            self.say("interrupted; what was found so far:")
        except (LabError, OSError, ValueError) as error:
            ended = "the campaign itself ended early: %s" % error
            self.say(ended)
        account = self.stop()
        text = self.report(tested, options.seed, account, ended, (time.monotonic() - began) / 60)
        with open(os.path.join(self.output, "report.md"), "w", encoding="utf-8") as file:
            file.write(text)
        print(text, flush=True)
        return 0 if account.fine and ended is None and not any(one.mistakes for one in self.rounds) else 1

    def _round(self, number, fault):
        """One round, and a repair where that is needed. Whether the next one can begin."""
        done = self.one(number, fault)
        self.rounds.append(done)
        fit = done.took is not None
        if not fit:
            helped = self.repair()
            fit = helped is not None
            done.mistakes.append("repaired by: %s" % helped)
        with open(os.path.join(self.output, "rounds.jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps(done._asdict()) + "\n")
        return fit

    def report(self, tested, seed, account, ended, minutes):
        """The result in Markdown."""
        wrong = [one for one in self.rounds if one.mistakes]
        lines = ["%s, seed %d, %d faults in %.0f min, %d with something wrong; %s." % (
            datetime.date.today(), seed, len(self.rounds), minutes, len(wrong), account.sentence), tested, ""]
        lines += self.table()
        lines += ["- round %d, %s, %s: %s" % (one.number, one.fault, one.what, "; ".join(one.mistakes)) for one in wrong]
        lines += account.lines + (() if ended is None else ("- " + ended,))
        return "\n".join(lines) + "\n"

    def table(self):
        """Markdown lines: what was done how often, and how long it took."""
        lines = ["| fault | times | whole again: median | slowest | limit | wrong |", "|---|---|---|---|---|---|"]
        for fault in self.faults:
            mine = [one for one in self.rounds if one.fault == fault.name and not one.what.startswith(NOT_INJECTED)]
            took = [one.took for one in mine if one.took is not None]
            if mine:
                lines.append("| %s | %d | %s | %s | %g s | %d |" % (
                    fault.name, len(mine), "%.1f s" % statistics.median(took) if took else "-",
                    "%.1f s" % max(took) if took else "-", mine[0].limit, sum(bool(one.mistakes) for one in mine)))
        return lines


def main(kind, document):
    """The command of a kind of campaign. document: what it is for, in the first line."""
    parser = argparse.ArgumentParser(prog=kind.title, description=document.splitlines()[0])
    parser.add_argument("--service", help="rabbitmq or openstack: how scripts/faults chooses the campaign (default Galera's)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1000000))
    parser.add_argument("--faults", type=int, default=kind.count)
    parser.add_argument("--until", help="begin no fault after HH:MM")
    parser.add_argument("--only", default="", help="only faults with this in their name")
    parser.add_argument("--patience", type=float, default=1.0, help="limits times this, for a machine that has other work")
    parser.add_argument("--name", default="faults", help="of the lab")
    parser.add_argument("--here", action="store_true", help="use the lab that is there, with its cluster")
    parser.add_argument("--deb", default=os.path.join(ROOT, "build", "quorate_0.1.0_all.deb"))
    parser.add_argument("--output", help="directory for the evidence (default build/%s-SEED)" % kind.prefix)
    parser.add_argument("--suite", default="bookworm")
    options = parser.parse_args()
    say = lambda text: print("%s %s" % (time.strftime("%H:%M:%S"), text), flush=True)
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell had made it ignored
        signal.signal(number, signal.default_int_handler)
    output = options.output or os.path.join(ROOT, "build", "%s-%d" % (kind.prefix, options.seed))
    os.makedirs(output, exist_ok=True)
    say("seed %d, %d faults; evidence in %s" % (options.seed, options.faults, output))
    try:
        if options.here:
            return kind(Lab(options.name), options.seed, say, output).run(options)
        with Lab(options.name) as lab:
            lab.up(options.suite, deb=options.deb, say=say)
            kind.set_up(lab, say)
            return kind(lab, options.seed, say, output).run(options)
    except LabError as error:
        sys.stderr.write("faults: %s\n" % error)
        return 2
