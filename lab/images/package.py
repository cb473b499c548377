# SPDX-License-Identifier: Apache-2.0
"""The layer with our package, which is installed once with apt and shared by all nodes.

A layer is the upper directory of an overlay in which the package was installed. It is cached by the image below it and
by the checksum of the package, so that a second `lab up` with the same package takes no time.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile

from lab import LabError, state
from lab.images.base import cache_dir, path

DISK_SIZE = 3 << 30  # bytes; sparse

_INSTALL = r"""
set -e
base=$1 upper=$2 work=$3 root=$4 deb=$5
mount -t overlay lab-layer -o "lowerdir=$base,upperdir=$upper,workdir=$work" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
cp "$deb" "$root/tmp/package.deb"
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"; chmod 755 "$root/usr/sbin/policy-rc.d"
chroot "$root" apt-get install -y -q --no-install-recommends --reinstall /tmp/package.deb
rm "$root/usr/sbin/policy-rc.d"
"""


def digest(deb):
    """Twelve hex digits of the checksum of the file `deb`."""
    found = hashlib.sha256()
    try:
        with open(deb, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                found.update(block)
    except OSError as error:
        raise LabError("cannot read the package: %s" % error) from None
    return found.hexdigest()[:12]


def of_package(suite, deb, say, over=()):
    """The path of the layer with package `deb`, over the image of `suite` and the layers `over` (topmost first); it is
    made unless it is cached."""
    below = list(over) + [path(suite)]
    base = below[0]
    target = "%s-deb-%s" % (base, digest(deb))
    if os.path.isdir(target):
        return target
    say("installing %s over the %s image" % (os.path.basename(deb), suite))
    with tempfile.TemporaryDirectory(prefix=".layer-", dir=cache_dir()) as scratch:
        parts = [os.path.join(scratch, part) for part in ("upper", "work", "root")]
        for part in parts:
            os.mkdir(part, 0o755)
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private",
             "/bin/sh", "-c", _INSTALL, "layer", ":".join(below)] + parts + [os.path.abspath(deb)],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8",
                 "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise LabError("apt could not install %s: %s" % (deb, " / ".join(done.stdout.strip().splitlines()[-4:])))
        try:
            os.rename(parts[0], target)
        except OSError:  # another lab has made it meanwhile
            if not os.path.isdir(target):
                raise
    forget_old(base, keep=6)
    return target


def forget_old(base, keep):
    """Of the package layers of `base`, remove those that no lab uses, except the `keep` newest."""
    used = {layer for record in map(state.read, state.names()) if record for layer in record.get("lower", [])}
    cache, prefix = os.path.split(base + "-deb-")
    found = [os.path.join(cache, name) for name in os.listdir(cache) if name.startswith(prefix)]
    found.sort(key=lambda layer: os.stat(layer).st_ctime, reverse=True)
    for layer in found[keep:]:
        if layer not in used:
            shutil.rmtree(layer, ignore_errors=True)


def disk_template(base):
    """The path of a file system for a node's own disk, with what the image has in the directories that are on it.
    LabError where there are no loop devices."""
    if not os.path.exists("/dev/loop-control"):
        raise LabError("--disk needs loop devices, which this machine does not have")
    target = base + "-disk.img"
    if os.path.exists(target):
        return target
    with tempfile.TemporaryDirectory(prefix=".disk-", dir=cache_dir()) as scratch:
        tree, file = os.path.join(scratch, "tree"), os.path.join(scratch, "disk.img")
        os.mkdir(tree)
        for name in ("mysql", "rabbitmq"):
            subprocess.run(["cp", "-a", os.path.join(base, "var/lib", name), tree], check=True)
        done = subprocess.run(["mke2fs", "-q", "-t", "ext4", "-m", "0", "-d", tree, file, "%dM" % (DISK_SIZE >> 20)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise LabError("cannot make a disk: %s" % done.stdout.strip())
        os.rename(file, target)
    return target
