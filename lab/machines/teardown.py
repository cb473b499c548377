# SPDX-License-Identifier: Apache-2.0
"""Removes what a lab made on this machine, as far as it is on record."""

import shutil

from lab import LabError, state
from lab.machines import cgroups, network


def remove_what_was_made(name):
    """Remove everything that lab `name` has on record. Can be repeated, and finishes a removal that was interrupted."""
    record = state.read(name)
    if record is None:
        return
    if record.get("cgroup"):
        for node in record.get("nodes", []):
            cgroups.freeze("%s/%s" % (record["cgroup"], node[0]), False)
        if not cgroups.remove(record["cgroup"]):
            raise LabError("processes of lab %s do not end; type `lab destroy --name %s` again" % (name, name))
    if record.get("netns"):
        network.remove(record["netns"])
    shutil.rmtree(state.directory(name))
