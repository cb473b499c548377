# SPDX-License-Identifier: Apache-2.0
"""A layer of more Debian packages over the image, for labs that need them; cached like the image. The caller names it
by its recipe and by the layers below it. No service in it is enabled.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
import time

from lab import LabError, Unreachable
from lab.images import base, sources

NETWORK_FILES = ("etc/hosts", "etc/resolv.conf")

# volatile: apt syncs at each of its steps, here the files are synced once, at the end. Such a work directory can be
# mounted once.
_ENTER = r"""
set -e
lower=$1 dir=$2; shift 2
rm -rf "$dir/work"
mkdir "$dir/work"
mount -t overlay lab-layer -o "lowerdir=$lower,upperdir=$dir/upper,workdir=$dir/work,volatile" "$dir/root" 2>/dev/null ||
    mount -t overlay lab-layer -o "lowerdir=$lower,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"  # Linux before 5.10
mount -t proc proc "$dir/root/proc"
mount -t tmpfs tmpfs "$dir/root/tmp"
mount --bind "$dir/in" "$dir/root/mnt"
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    chroot "$dir/root" /bin/sh -ec "$*"
"""


def ensure(kind, target, below, build, say):
    """The path `target` of the layer over the layers `below` (topmost first, the image last); it is built unless it is
    cached.

    build(upper, shared, inside, say) builds it: inside(script) runs a shell script in the layer, the directory `shared`
    is /mnt there, and `upper` is the layer's own directory. LabError if that fails; the log is beside the image.
    """
    with open(os.path.join(base.cache_dir(), ".build-%s.lock" % kind), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("another lab builds the layer %s; waiting for it" % kind)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(target):
            _build(kind, target, below, build, say)
    return target


def _build(kind, target, below, build, say):
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=".layer-", dir=base.cache_dir()) as scratch:
        for part in ("upper", "root", "in"):
            os.mkdir(os.path.join(scratch, part), 0o755)
        upper = os.path.join(scratch, "upper")
        log = os.path.join(base.cache_dir(), "build-%s.log" % kind)

        def inside(script):
            base.stream(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private",
                          "/bin/sh", "-c", _ENTER, "layer", ":".join(below), scratch, script], log,
                         lambda text: say("layer %s: %s" % (kind, text)), "layer " + kind)

        build(upper, os.path.join(scratch, "in"), inside, say)
        _settle(upper)
        subprocess.run(["sync", "--file-system", upper], check=True)
        os.rename(upper, target)
    size = int(subprocess.run(["du", "-sm", target], stdout=subprocess.PIPE, text=True).stdout.split()[0])
    say("layer %s: ready after %.0f s, %d MB in %s" % (kind, time.monotonic() - began, size, target))


def apt(upper, chosen):
    """Have apt in the layer fetch from the sources `chosen` as this machine does."""
    if not chosen:
        raise LabError("no Debian archive is among this machine's apt sources; add one to /etc/apt/sources.list.d")
    base.prepare_apt(upper, chosen)
    for name in NETWORK_FILES:
        if os.path.exists("/" + name):
            shutil.copyfile("/" + name, os.path.join(upper, name))


# Each Python package compiles its own files at the end of its installation, tests included, one package after the
# other: more than half of the time that hundreds of packages take. Here it is done once, on all cores. Cinder's fake
# driver is among its tests.
_INSTALL = r"""
PATH=/mnt/bin:$PATH %s
apt-get clean
find /usr/lib/python3/dist-packages -name '*.py' \( -path '*/cinder/tests/*' -o -not -path '*/tests/*' \) -print0 |
    xargs -0 -r -n 200 -P "$(nproc)" python3 -I -m compileall -q >/dev/null 2>&1 || true
"""


def packages(kind, names, suite):
    """A `build` for `ensure` that installs the Debian packages `names`. It raises Unreachable where they cannot be
    fetched."""
    install = "apt-get install -y -q --no-install-recommends %s " + " ".join(names)

    def build(upper, shared, inside, say):
        apt(upper, sources.for_suite(base.host_sources(), suite))
        say("layer %s: fetching %s" % (kind, " ".join(names)))
        try:
            inside("apt-get update -q; " + install % "--download-only")
        except LabError as error:
            raise Unreachable("this machine's apt sources do not have what the lab needs: %s" % error) from None
        say("layer %s: installing them" % kind)
        base.write(shared, "bin/py3compile", "#!/bin/sh\n", 0o755)
        inside(_INSTALL % (install % ""))

    return build


def _settle(upper):
    """Remove what only the build needed, and all links that would start a service."""
    base.settle(upper)
    for name in NETWORK_FILES + ("etc/apt/sources.list",):
        if os.path.exists(os.path.join(upper, name)):
            os.unlink(os.path.join(upper, name))
    units = os.path.join(upper, "etc/systemd/system")
    for name in os.listdir(units) if os.path.isdir(units) else []:
        if name.endswith((".wants", ".requires")):
            shutil.rmtree(os.path.join(units, name))
