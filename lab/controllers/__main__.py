# SPDX-License-Identifier: Apache-2.0
"""Put configurations of OpenStack's services on trial, one after the other.

All in one lab, with a new one after a trial that did not end well.

    python3 -m lab.controllers [--name LAB] [--deb FILE] [CONFIGURATION ...]      (default: all)

A+B is one trial with all that is unusual in both. Prints a table in Markdown; ends with 0 only if nothing was wrong.
"""

import argparse
import os
import sys
import time

from lab import ROOT, LabError
from lab.controllers import surroundings
from lab.controllers.known import ALL
from lab.controllers.record import EVENTS, merged
from lab.controllers.trial import Trial
from lab.images import openstack
from lab.machines.cluster import Lab
from lab.services.openstack import deployment


def main():
    """Entry."""
    parser = argparse.ArgumentParser(prog="python3 -m lab.controllers", description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="controllers", help="name of the lab")
    parser.add_argument("--deb", default=os.path.join(ROOT, "build", "quorate_0.1.0_all.deb"))
    parser.add_argument("configuration", nargs="*", help="default: all")
    options = parser.parse_args()
    unknown = [name for one in options.configuration for name in one.split("+") if name not in ALL]
    if unknown:
        parser.error("no configuration is called %s; there are: %s" % (", ".join(unknown), ", ".join(ALL)))
    wanted = [merged(name, *(ALL[one] for one in name.split("+"))) for name in options.configuration or ALL]
    say = lambda text: print("%s %s" % (time.strftime("%H:%M:%S"), text), flush=True)
    trials = []
    try:
        while wanted:
            with Lab(options.name) as lab:
                prepare(lab, options.deb, wanted, say)
                while wanted:
                    say(wanted[0].name)
                    trials.append(Trial(lab, wanted.pop(0), say).run())
                    if trials[-1].spoiled:
                        break
    except LabError as error:
        sys.stderr.write("controllers: %s\n" % error)
        return 2
    finally:
        print("\n".join(table(trials)), flush=True)
    return 1 if any(one.mistakes for one in trials) else 0


def prepare(lab, deb, configurations, say, count=3):
    """A lab with database, broker and APIs for these configurations."""
    old = any("nova-consoleauth" in one.services for one in configurations)
    lab.up(count=count, deb=deb, layers=openstack.ensure("consoleauth" if old else "services", say), say=say)
    surroundings.before(lab)
    deployment.prepare(lab, say)
    surroundings.after(lab)


def table(trials):
    """Markdown lines: for each trial the seconds after each event."""
    events = ("set up",) + EVENTS + ("power cut, node back",)
    lines = ["| configuration | %s | wrong |" % " | ".join(events), "|" + "---|" * (len(events) + 2)]
    for one in trials:
        known = ["%.0f s" % one.seconds[event] if event in one.seconds else "-" for event in events]
        wrong = "; ".join(one.mistakes).replace("\n", " / ")[:300]
        lines.append("| %s: %s | %s | %s |" % (one.configuration.name, one.configuration.unusual, " | ".join(known),
                                               wrong))
    return lines


if __name__ == "__main__":
    sys.exit(main())
