# SPDX-License-Identifier: Apache-2.0
"""A control group for each node, in every hierarchy of this machine: v1, v2 or both at once.

Without one of its own, a node's systemd would share a group with the others', and they would kill each other's
services. The group also tells the CPU and memory of the whole node.
"""

import os
import time

_V1 = ("cpuacct", "memory", "blkio", "pids", "freezer", "name=systemd")


def hierarchies(mounts=None):
    """Where control groups are mounted: {controller: path}, v2 under the key ''. mounts: the text of /proc/mounts,
    unless given."""
    if mounts is None:
        with open("/proc/mounts", encoding="utf-8") as file:
            mounts = file.read()
    found = {}
    for line in mounts.splitlines():
        _, path, kind, options = line.split()[:4]
        if kind == "cgroup2":
            found.setdefault("", path)
        elif kind == "cgroup":
            for word in options.split(","):
                if word in _V1:
                    found.setdefault(word, path)
    return found


def paths(group, mounts=None):
    """Every directory that makes up `group` (such as quorate-lab-x/n1)."""
    return sorted({os.path.join(path, group) for path in hierarchies(mounts).values()})


def create(group):
    """Make `group` everywhere."""
    for path in paths(group):
        os.makedirs(path, exist_ok=True)
    _pass_on_controllers(group)


def _pass_on_controllers(group):
    """On v2, give the groups below the lab's the controllers that the lab's has. The root group is not ours and stays
    as it is."""
    top = hierarchies().get("")
    if not top:
        return
    parent = os.path.join(top, os.path.dirname(group))
    try:
        with open(os.path.join(parent, "cgroup.controllers")) as file:
            offered = file.read().split()
        for name in offered:
            with open(os.path.join(parent, "cgroup.subtree_control"), "w") as file:
                file.write("+" + name)
    except OSError:
        pass  # then memory is not metered, and the node runs nevertheless


def processes(group):
    """The pids in `group` and below it, in any hierarchy."""
    found = set()
    for path in paths(group):
        for directory, _, files in os.walk(path):
            if "cgroup.procs" in files:
                try:
                    with open(os.path.join(directory, "cgroup.procs")) as file:
                        found.update(int(line) for line in file)
                except OSError:
                    continue
    return found


def remove(group, deadline=5.0):
    """Remove `group` everywhere; its processes get SIGKILL. Whether nothing is left after `deadline` seconds."""
    end = time.monotonic() + deadline
    while True:
        for pid in processes(group):
            try:
                os.kill(pid, 9)
            except OSError:
                pass
        left = False
        for path in paths(group):
            for directory, _, _ in os.walk(path, topdown=False):
                try:
                    os.rmdir(directory)
                except OSError:
                    left = left or os.path.isdir(directory)
        if not left or time.monotonic() > end:
            return not left
        time.sleep(0.02)


def cpu_seconds(group):
    """CPU time that `group` has used so far, in seconds; None where it cannot be read."""
    found = hierarchies()
    try:
        if "cpuacct" in found:
            with open(os.path.join(found["cpuacct"], group, "cpuacct.usage")) as file:
                return int(file.read()) / 1e9
        with open(os.path.join(found[""], group, "cpu.stat")) as file:
            for line in file:
                if line.startswith("usage_usec "):
                    return int(line.split()[1]) / 1e6
    except (OSError, KeyError, ValueError):
        pass
    return None


def memory_bytes(group):
    """Bytes of memory of the processes in `group`, without page cache where the kernel tells them apart; None if
    unknown."""
    found = hierarchies()
    for controller, name in (("memory", "memory.stat"), ("", "memory.stat")):
        try:
            with open(os.path.join(found[controller], group, name)) as file:
                fields = dict(line.split()[:2] for line in file)
            return int(fields.get("total_rss", fields.get("anon", "")))
        except (OSError, KeyError, ValueError):
            continue
    return None


def freeze(group, frozen):
    """Freeze every process of `group`, or thaw it. False where the kernel has no freezer."""
    found = hierarchies()
    for controller, name, value in (("freezer", "freezer.state", ("THAWED", "FROZEN")),
                                    ("", "cgroup.freeze", ("0", "1"))):
        path = os.path.join(found.get(controller, "/nonexistent"), group, name)
        if os.path.exists(path):
            with open(path, "w") as file:
                file.write(value[bool(frozen)])
            return True
    return False
