# SPDX-License-Identifier: Apache-2.0
"""What this machine must have so that a lab can run on it."""

import os
import subprocess
import sys

from lab import LabError
from lab.machines import cgroups


def check_able():
    """LabError with the reason, in one sentence, where this machine cannot run a lab."""
    if not sys.platform.startswith("linux"):
        raise LabError("the lab needs Linux: its nodes are Linux containers")
    if os.geteuid() != 0:
        raise LabError("the lab needs root: it makes network namespaces, mounts and control groups; run it with sudo")
    with open("/proc/filesystems") as file:
        if "overlay" not in file.read().split() and subprocess.run(
                ["modprobe", "overlay"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            raise LabError("the lab needs overlayfs, which this kernel does not have")
    if not cgroups.hierarchies():
        raise LabError("the lab needs control groups, and none are mounted below /sys/fs/cgroup")
    probe = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "--uts", "--ipc", "true"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if probe.returncode != 0:
        raise LabError("the lab needs namespaces, and this machine allows none (%s)" % probe.stderr.strip())
