# SPDX-License-Identifier: Apache-2.0
"""A seeded random campaign of faults against a real cluster: rounds, evidence, repair, report. The subclasses in galera
and rabbitmq know the service.

After each fault the cluster must be whole again within the fault's limit. The seed, which is printed, chooses faults,
nodes and offsets. However a campaign ends, its results are reported.
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

SETTLE = 8.0        # most seconds between two faults: more than the interval of a monitor
REPAIRED = 180.0    # seconds for each way to bring the cluster back after a round that failed
HELP_EVERY = 10.0   # seconds between two checks for what an operator would do at once
NOT_INJECTED = "not injected"


class Round(NamedTuple):
    """One fault and its result. took: seconds until the cluster was whole again; None: not within limit and mercy."""

    number: int
    fault: str
    what: str
    took: Optional[float]
    limit: float
    mistakes: List[str]
    helped: List[str]


class Account(NamedTuple):
    """The clients' results at the end. fine: whether they lost nothing; lines: for the report, in Markdown."""

    sentence: str
    fine: bool = True
    lines: tuple = ()


class Campaign:
    """The cluster under test, and the results so far. A subclass sets:

    title, prefix   name of the command; beginning of the name of the directory with the evidence
    faults          tuple of lab.faults.fault.Fault
    count           how many faults a campaign has
    mercy           seconds beyond a limit, to learn whether the cluster would come back at all
    packages        whose versions the report names
    log             command that shows the end of the service's own log
    """

    title, prefix, faults, count, mercy, packages, log = "", "", (), 100, 120.0, "", "true"

    def __init__(self, lab, seed, say, output):
        self.lab, self.say, self.output = lab, say, output
        self.random = random.Random(seed)
        self.rounds = []

    # What subclasses implement

    @staticmethod
    def add_options(parser):
        """Add the options of this kind of campaign."""

    @staticmethod
    def set_up(lab, say):
        """Make the cluster in a lab that is up, and wait until it is whole."""
        raise NotImplementedError

    def before(self, number, options):
        """Called before round `number`, from 1. LabError ends the campaign."""

    def start(self):
        """Start the clients, and what watches the cluster."""

    def inject(self, fault, mistakes):
        """Inject the fault and end it; what was done to whom. LabError if it could not be injected. Adds to
        `mistakes`."""
        raise NotImplementedError

    def await_whole(self, seconds):
        """Wait at most `seconds`; the time.monotonic() at which the cluster was whole, None: it was not."""
        raise NotImplementedError

    def await_noticed(self):
        """Wait until the fault shows, or a moment has passed without that: until then a cluster may seem whole."""
        time.sleep(1.5)

    def suspect(self, mistakes):
        """Add to `mistakes` what must not be, while the cluster is not whole."""

    def owed(self, done):
        """Add to done.mistakes what the clients have lost after this Round."""

    def why(self):
        """What the cluster itself says of its state, as a suffix for a mistake."""
        return ""

    def ways(self):
        """Tuples of (name, function): what may bring the cluster back after a failed round, the mildest first."""
        raise NotImplementedError

    def stop(self):
        """End the clients and the watch; their Account."""
        return Account("")

    # What all campaigns share

    def one(self, number, fault):
        """Inject one fault, wait until the cluster is whole, and check the clients' data; its Round."""
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
        """Seconds until the cluster is whole; None: not within the limit."""
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
        """Do what an operator would do at once: switch on a node that nothing has switched on, and start a Pacemaker
        that ended because it learned of its own fencing (the lab switches a node on faster than that message
        arrives)."""
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
        """Save what explains why the cluster did not come back."""
        path = os.path.join(self.output, "round-%d.txt" % number)
        with open(path, "w", encoding="utf-8") as file:
            for node in self.lab.node_names:
                for argv in (["quorate", "explain"], ["crm_mon", "-1Afr"], "journalctl -b --no-pager | tail -300",
                             self.log):
                    try:
                        done = self.lab.run(node, argv, 30)
                        file.write("== %s: %s\n%s%s\n" % (node, argv, done.out, done.err))
                    except LabError as error:
                        file.write("== %s: %s\n%s\n" % (node, argv, error))
        self.say("   evidence: %s" % path)

    def repair(self):
        """Bring the cluster back after a failed round, so that the next one starts from a whole cluster. What helped;
        None: nothing did."""
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
        """The faults of a campaign, which depend on its seed alone; with limits times options.patience."""
        known = [fault._replace(limit=fault.limit * options.patience) for fault in self.faults
                 if options.only in fault.name]
        if not known:
            raise LabError("no fault has '%s' in its name" % options.only)
        return random.Random("faults %d" % options.seed).choices(known, [fault.weight for fault in known],
                                                                 k=options.faults)

    def run(self, options):
        """Run the campaign on a cluster that is whole. The exit code: 0 only if nothing was wrong."""
        chosen, tested, began = self.choose(options), self.versions(), time.monotonic()
        ended = None
        self.start()
        try:
            for number, fault in enumerate(chosen, 1):
                if options.until and datetime.datetime.now() >= options.until:
                    break
                self.before(number, options)
                if not self._round(number, fault):
                    self.say("the cluster could not be repaired; the campaign ends here")
                    break
                time.sleep(self.random.uniform(0, SETTLE))
        except KeyboardInterrupt:
            self.say("interrupted; results so far:")
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
        """Run one round, and repair the cluster if that is needed. Whether the next round can begin."""
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
        lines += ["- round %d, %s, %s: %s" % (one.number, one.fault, one.what, "; ".join(one.mistakes))
                  for one in wrong]
        lines += account.lines + (() if ended is None else ("- " + ended,))
        return "\n".join(lines) + "\n"

    def table(self):
        """Markdown lines: for each fault how often it was injected, and how long the cluster took."""
        lines = ["| fault | times | whole again: median | slowest | limit | wrong |", "|---|---|---|---|---|---|"]
        for fault in self.faults:
            mine = [one for one in self.rounds if one.fault == fault.name and not one.what.startswith(NOT_INJECTED)]
            took = [one.took for one in mine if one.took is not None]
            if mine:
                lines.append("| %s | %d | %s | %s | %g s | %d |" % (
                    fault.name, len(mine), "%.1f s" % statistics.median(took) if took else "-",
                    "%.1f s" % max(took) if took else "-", mine[0].limit, sum(bool(one.mistakes) for one in mine)))
        return lines


def next_time(text, now=None):
    """The datetime at which it is HH:MM next. Raises ValueError."""
    now = now or datetime.datetime.now()
    at = datetime.datetime.combine(now.date(), datetime.datetime.strptime(text, "%H:%M").time())
    return at if at > now else at + datetime.timedelta(days=1)


def main(kind, document):
    """The command of a kind of campaign. document: its first line is the description."""
    parser = argparse.ArgumentParser(prog=kind.title, description=document.splitlines()[0])
    parser.add_argument("--service",
                        help="rabbitmq or openstack: which campaign scripts/faults runs (default: Galera's)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1000000))
    parser.add_argument("--faults", type=int, default=kind.count)
    parser.add_argument("--until", type=next_time, metavar="HH:MM", help="begin no fault after that, tomorrow if it is past")
    parser.add_argument("--only", default="", help="only faults with this in their name")
    parser.add_argument("--patience", type=float, default=1.0, help="multiplies the limits, for a busy machine")
    parser.add_argument("--name", default="faults", help="name of the lab")
    parser.add_argument("--here", action="store_true", help="use an existing lab, with its cluster")
    parser.add_argument("--deb", default=os.path.join(ROOT, "build", "quorate_0.1.0_all.deb"))
    parser.add_argument("--output", help="directory for the evidence (default build/%s-SEED)" % kind.prefix)
    parser.add_argument("--suite", default="bookworm")
    kind.add_options(parser)
    options = parser.parse_args()
    say = lambda text: print("%s %s" % (time.strftime("%H:%M:%S"), text), flush=True)
    for number in (signal.SIGINT, signal.SIGTERM):  # also where the shell had set it to be ignored
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
