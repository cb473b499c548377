# SPDX-License-Identifier: Apache-2.0
"""Put configurations of RabbitMQ on trial, each in a lab of its own.

    python3 -m lab.brokers [--name LAB] [--deb FILE] [--patience X] [CONFIGURATION ...]      (default: all)

CONFIGURATION is a name, or several joined with a plus sign: all of that at once. Prints a table in Markdown; ends with
0 only if nothing was wrong.
"""

import argparse
import os
import sys
import time

from lab import ROOT, LabError
from lab.brokers.known import ALL, named
from lab.brokers.record import EVENTS
from lab.brokers.trial import Trial
from lab.machines.cluster import Lab

COLUMNS = ("bootstrap",) + EVENTS[1:]


def main():
    """Entry."""
    parser = argparse.ArgumentParser(prog="python3 -m lab.brokers", description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="brokers", help="name of the lab")
    parser.add_argument("--deb", default=os.path.join(ROOT, "build", "quorate_0.1.0_all.deb"))
    parser.add_argument("--patience", type=float, default=1.0, help="multiplies the limits, for a busy machine")
    parser.add_argument("configuration", nargs="*", help="a name, or several joined with +; default: all")
    options = parser.parse_args()
    try:
        wanted = [named(text) for text in options.configuration] or list(ALL.values())
    except LabError as error:
        parser.error(str(error))
    say = lambda text: print("%s %s" % (time.strftime("%H:%M:%S"), text), flush=True)
    trials = []
    try:
        for one in wanted:
            say(one.name)
            with Lab(options.name) as lab:
                lab.up(one.suite, one.count, deb=options.deb, disk=one.disk, timeout=90.0 * options.patience)
                trials.append(Trial(lab, one, say, options.patience).run())
    except LabError as error:
        sys.stderr.write("brokers: %s\n" % error)
        return 2
    finally:
        print("\n".join(table(trials)), flush=True)
    return 1 if any(one.mistakes for one in trials) else 0


def table(trials):
    """Markdown lines: for each trial the seconds after each event, and how many messages were confirmed."""
    lines = ["| configuration | %s | else | confirmed | wrong |" % " | ".join(COLUMNS),
             "|" + "---|" * (len(COLUMNS) + 4)]
    for one in trials:
        known = ["%.0f s" % one.seconds[event] if event in one.seconds else "-" for event in COLUMNS]
        others = ["%s: %.0f s" % pair for pair in one.seconds.items() if pair[0] not in COLUMNS]
        wrong = "; ".join(one.mistakes).replace("\n", " / ")[:300]
        lines.append("| %s: %s | %s | %s | %s | %s |" % (
            one.configuration.name, one.configuration.unusual, " | ".join(known), "; ".join(others),
            one.confirmed if one.confirmed is not None else "-", wrong))
    return lines


if __name__ == "__main__":
    sys.exit(main())
