# SPDX-License-Identifier: Apache-2.0
"""What commands on the nodes of a lab print."""

import os

from lab import state
from lab.faults.fault import wait_for

LIMIT = 150  # seconds; the tests look for a broken guarantee, not for a slow machine


def text(lab, node, argv):
    """What a command on `node` prints, whatever its exit code."""
    done = lab.run(node, argv, 30)
    return done.out + done.err


def eventually(lab, node, argv, *parts):
    """Wait until the output of a command contains all parts; the output."""
    found = [""]

    def there():
        found[0] = text(lab, node, argv)
        return all(part in found[0] for part in parts)

    assert wait_for(there, LIMIT, 1), "%s does not show %s:\n%s" % (argv, parts, found[0])
    return found[0]


def power_log(lab):
    """The log of the lab's power daemon: "by the cluster" stands in it once for each fencing."""
    with open(os.path.join(state.directory(lab.name), "power.log"), encoding="utf-8") as file:
        return file.read()
