# SPDX-License-Identifier: Apache-2.0
"""What the monitor of level 0 of each healthy OpenStack service costs, on a lab that runs the real services.

    python3 -m bench.openstack --name LAB [--runs 20]

The lab needs `lab openstack prepare` and lab.services.openstack.deployment.create.
"""

import argparse
import sys

from bench import monitor
from bench.side import Side
from lab import LabError
from lab.machines.cluster import Lab
from lab.services.openstack import deployment

OLD = {"config": "/etc/nova19/nova.conf", "binary": "/opt/nova19/bin/nova-consoleauth"}


def measure(lab, runs):
    """[monitor.Cost] of each service on the node where it runs; the cluster must not stop it meanwhile."""
    found, at = [], deployment.where(lab)
    for name in deployment.RESOURCES + (("nova-consoleauth",) if deployment.has_consoleauth(lab) else ()):
        if name not in at:
            raise LabError("%s does not run; see `lab status --name %s`" % (name, lab.name))
        agent = monitor.agent(Side(name, "quorate", name, OLD if name == "nova-consoleauth" else {}), 0)
        found += monitor.measure(lab, at[name], [agent], runs, name, 60 + runs * 5)
    return found


def main(argv):
    parser = argparse.ArgumentParser(prog="bench.openstack", description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="lab")
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args(argv)
    try:
        costs = measure(Lab(options.name), options.runs)
    except LabError as error:
        sys.stderr.write("bench: %s\n" % error)
        return 1
    print("| monitor, level 0 | CPU, median | CPU, range | wall, median | programs executed, itself included |")
    print("|---|---|---|---|---|")
    for cost in costs:
        print("| %s | %.0f ms | %s ms | %.0f ms | %s |" % (cost.side, cost.cpu, cost.spread, cost.wall, cost.execs))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
