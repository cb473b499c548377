# SPDX-License-Identifier: Apache-2.0
"""Put configurations on trial, each in a lab of its own.

    python3 -m lab.configurations [--name LAB] [--deb FILE] [CONFIGURATION ...]      (default: all)

Prints a table in Markdown; ends with 0 only if nothing was wrong.
"""

import argparse
import os
import sys
import time

from lab import ROOT, LabError
from lab.configurations.known import ALL
from lab.configurations.record import EVENTS
from lab.configurations.trial import Trial
from lab.machines.cluster import Lab


def main():
    """Entry."""
    parser = argparse.ArgumentParser(prog="python3 -m lab.configurations", description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="configurations", help="name of the lab")
    parser.add_argument("--deb", default=os.path.join(ROOT, "build", "quorate_0.1.0_all.deb"))
    parser.add_argument("configuration", nargs="*", help="default: all")
    options = parser.parse_args()
    unknown = [name for name in options.configuration if name not in ALL]
    if unknown:
        parser.error("no configuration is called %s; there are: %s" % (", ".join(unknown), ", ".join(ALL)))
    say = lambda text: print("%s %s" % (time.strftime("%H:%M:%S"), text), flush=True)
    trials = []
    try:
        for name in options.configuration or ALL:
            say(name)
            with Lab(options.name) as lab:
                lab.up(ALL[name].suite, ALL[name].count, deb=options.deb, disk=True)
                trials.append(Trial(lab, ALL[name], say).run())
    except LabError as error:
        sys.stderr.write("configurations: %s\n" % error)
        return 2
    finally:
        print("\n".join(table(trials)), flush=True)
    return 1 if any(one.mistakes for one in trials) else 0


def table(trials):
    """Markdown lines: for each trial the seconds after each event."""
    lines = ["| configuration | bootstrap | %s | else | wrong |" % " | ".join(EVENTS), "|" + "---|" * (len(EVENTS) + 4)]
    for one in trials:
        known = ["%.0f s" % one.seconds[event] if event in one.seconds else "-" for event in ("bootstrap",) + EVENTS]
        others = ["%s: %.0f s" % pair for pair in one.seconds.items() if pair[0] not in ("bootstrap",) + EVENTS]
        wrong = "; ".join(one.mistakes).replace("\n", " / ")[:300]
        lines.append("| %s: %s | %s | %s | %s |" % (one.configuration.name, one.configuration.unusual,
                                                    " | ".join(known), "; ".join(others), wrong))
    return lines


if __name__ == "__main__":
    sys.exit(main())
