# SPDX-License-Identifier: Apache-2.0
"""Takes away what a lab made on this machine, as far as it is on record."""

import shutil

from lab import LabError, state
from lab.machines import cgroups, network


def remove_what_was_made(name):
    """Take away all that is recorded of lab `name`; can be repeated, and finishes what was left half done."""
    record = state.read(name)
    if record is None:
        return
    if record.get("cgroup"):
        for node in record.get("nodes", []):
            cgroups.freeze("%s/%s" % (record["cgroup"], node[0]), False)
        if not cgroups.remove(record["cgroup"]):
            raise LabError("processes of lab %s do not end; try `lab destroy --name %s` again" % (name, name))
    if record.get("netns"):
        network.remove(record["netns"])
    shutil.rmtree(state.directory(name))
