# SPDX-License-Identifier: Apache-2.0
"""The Debian package, installed with apt over the lab's image of each Debian it is for. The same file on all."""

import os
import subprocess

import pytest

from lab.images import base, package
from tests import ROOT, packaged

# $1 lower directories, $2 an empty directory, $3 the command to run in there
_INSIDE = """
set -e
mount -t tmpfs tmpfs "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay test-package -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
mount -t proc proc "$2/root/proc"
exec chroot "$2/root" /bin/sh -c "$3"
"""


@pytest.fixture(scope="module")
def deb():
    """Path of the package as it is made from this checkout."""
    return packaged.package()


@pytest.fixture(scope="module", params=("bookworm", "trixie"))
def inside(request, deb, tmp_path_factory):
    """A function that runs a shell command where the package is installed, each time on a fresh copy; its output."""
    suite = request.param
    if not base.exists(suite):
        pytest.skip("there is no image of %s; make it with: lab/lab build --suite %s" % (suite, suite))
    lower = "%s:%s" % (package.of_package(suite, deb, lambda text: None), base.path(suite))

    def run(command):
        empty = str(tmp_path_factory.mktemp("root"))
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "/bin/sh", "-c",
             _INSIDE,
             "inside", lower, empty, command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"})
        assert done.returncode == 0, done.stdout
        return done.stdout
    return run


def test_agents_are_what_the_checkout_has(inside):
    agents = sorted(os.listdir(os.path.join(ROOT, "agents")))

    assert agents == inside("ls /usr/lib/ocf/resource.d/quorate").split()
    assert agents == inside("crm_resource --list-agents ocf:quorate").split()
    for agent in agents:
        here = subprocess.run([os.path.join(ROOT, "agents", agent), "meta-data"], stdout=subprocess.PIPE, text=True,
                              check=True)
        assert here.stdout == inside("/usr/lib/ocf/resource.d/quorate/%s meta-data" % agent)


def test_library_is_byte_compiled(inside):
    """A monitor that has to compile what it imports takes several times as long."""
    found = inside("cd /usr/lib/python3/dist-packages/quorate; find . -name '*.py' | wc -l; find . -name '*.pyc' | wc -l")

    sources, compiled = map(int, found.split())
    assert 0 < sources == compiled


def test_modes(inside):
    """Agents and commands can be run, modules cannot, and only root can write any of it."""
    listing = inside("dpkg -L quorate | while read path; do [ -f \"$path\" ] && stat -c '%a %U:%G %n' \"$path\"; done; true")

    for line in listing.splitlines():
        mode, owner, path = line.split(" ", 2)
        program = path.startswith(("/usr/bin/", "/usr/lib/ocf/"))
        assert ("755" if program else "644", "root:root") == (mode, owner), line


def test_nothing_runs_that_nobody_asked_for(inside):
    units = inside("dpkg -L quorate | grep '\\.\\(socket\\|service\\)$' || true").split()
    for unit in units:
        name = os.path.basename(unit)
        assert inside("systemctl --root=/ is-enabled %s || true" % name).strip() in ("disabled", "static"), name


def test_commands_start(inside):
    for directory in ("bin", "checks"):
        path = os.path.join(ROOT, directory)
        for name in sorted(os.listdir(path)) if os.path.isdir(path) else []:
            assert "usage" in inside("%s --help" % name).lower()


def test_purge_leaves_nothing(inside):
    left = inside("DEBIAN_FRONTEND=noninteractive apt-get purge -y -q quorate >/dev/null 2>&1; "
                  "ls -d /usr/lib/python3/dist-packages/quorate /usr/lib/ocf/resource.d/quorate /usr/bin/quorate "
                  "/var/lib/quorate /etc/xinetd.d/*-check* 2>/dev/null || true")

    assert "" == left
