# SPDX-License-Identifier: Apache-2.0
"""What clients of every listener notice when something of the front door fails.

    scripts/front-door [--vip-manager pacemaker|keepalived|both] [--only WORDS] [--repeat N] [--rate N] [--suite S]
                       [--name LAB] [--report FILE] [--keep] [--real]

The front door is made from a plan alone. Clients connect to every listener --rate times a second, each time anew; an
attempt has failed when it is refused, answered with an error, or not answered within five seconds. `out` is the longest
time in which no attempt at a listener succeeded. Ends with 0 only if clients were well again after each case.
"""

import argparse
import glob
import json
import os
import sys
import time

from lab import ROOT, LabError
from lab.front_door import deployment, real
from lab.front_door.cases import BOTH, CASES
from lab.front_door.measurement import Measurement, by_listener, table
from lab.machines.cluster import Lab


def main(argv):
    parser = argparse.ArgumentParser(prog="scripts/front-door", description=__doc__.splitlines()[0])
    parser.add_argument("--vip-manager", choices=("pacemaker", "keepalived", "both"), default="both")
    parser.add_argument("--only", default="", help="only cases with this text in their name")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--rate", type=float, default=5, help="attempts a second at each listener")
    parser.add_argument("--suite", default="bookworm")
    parser.add_argument("--name", default="front")
    parser.add_argument("--deb", help="our package (default: the newest in build/)")
    parser.add_argument("--report", help="file for all attempts, as JSON lines")
    parser.add_argument("--keep", action="store_true", help="keep the lab until Enter is pressed")
    parser.add_argument("--real", action="store_true",
                        help="with Debian's own OpenStack behind it, and VIPs managed by Pacemaker; "
                        "before the cases every service is stopped and hung, and a user works through the VIP")
    options = parser.parse_args(argv)
    if options.real:
        options.vip_manager, options.rate, options.suite = "pacemaker", min(options.rate, 0.5), "bookworm"
    managers = BOTH if options.vip_manager == "both" else (options.vip_manager,)
    began, results, whole = time.monotonic(), [], True

    def say(text):
        print("%7.1f  %s" % (time.monotonic() - began, text), flush=True)

    for manager in managers:
        try:
            done, found = one_front_door(options, manager, say)
        except LabError as error:
            say("%s: %s" % (manager, error))
            done, found = False, []
        whole = whole and done
        results += found
    if options.report:
        with open(options.report, "w", encoding="ascii") as file:
            for vip_manager, name, number, result, begin, attempts in results:
                file.write(json.dumps({"manager": vip_manager, "case": name, "run": number, "impact": result._asdict(),
                                       "attempts": [[one[0], round(one[1] - begin, 3), one[2], one[3]]
                                                    for one in attempts]})
                           + "\n")
    print("\n" + table(results) + ("\n" + by_listener(results) if options.real else ""))
    return 0 if whole and results else 1


def one_front_door(options, manager, say):
    """Make a lab with its front door and run all cases; (whether clients were well again after each, results)."""
    deb = options.deb or newest_deb()
    kinds = {manager, "real"} if options.real else {manager}
    cases = [case for case in CASES if kinds.intersection(case.managers) and options.only in case.name]
    with Lab(options.name) as lab:
        lab.up(suite=options.suite, count=3 if manager == "pacemaker" else 4, deb=deb, say=say,
               layers=real.layers(say) if options.real else ())
        front = real.Real(lab, real.real_plan_text(lab)) if options.real else (
            deployment.Front(lab, deployment.plan_text(lab, manager)))
        front.set_up(say)
        if options.real:
            say(real.versions(lab))
            front.use(say)
            front.try_each(say)
        measured = Measurement(front, say)
        try:
            whole = measured.run(cases, options.repeat, options.rate)
        except LabError as error:  # the results so far are kept
            say("%s: %s" % (manager, error))
            whole = False
        if options.keep and sys.stdin.isatty():
            input("lab %s is kept until you press Enter " % lab.name)
        return whole, measured.results


def newest_deb():
    """The path of the newest package in build/. LabError if there is none."""
    found = glob.glob(os.path.join(ROOT, "build", "*.deb"))
    if not found:
        raise LabError("there is no package in build/; type: make deb")
    return max(found, key=os.path.getmtime)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
