# SPDX-License-Identifier: Apache-2.0
"""A layer for Pacemaker Remote nodes and bundles: pacemaker-remoted and podman.

Debian installs pacemaker-remote only where pacemaker is not installed, so its two files are unpacked beside it; neither
is enabled.
"""

import hashlib

from lab.images import base, extra, sources

KIND = "remote"
_INSTALL = r"""
apt-get update -q
apt-get install -y -q --no-install-recommends podman crun
cd /tmp
apt-get download -q pacemaker-remote
dpkg-deb --fsys-tarfile pacemaker-remote_*.deb | tar -x -C / --wildcards '*/pacemaker-remoted' '*/pacemaker_remote.service'
apt-get clean
"""


def ensure(suite, say):
    """The layer, in a list as Lab.up takes it; it is built unless it is cached."""
    below = [base.build(suite, say)]
    target = "%s-%s-%s" % (below[-1], KIND, hashlib.sha256(_INSTALL.encode()).hexdigest()[:8])

    def build(upper, shared, inside, say):
        extra.apt(upper, sources.for_suite(base.host_sources(), suite))
        inside(_INSTALL)

    return [extra.ensure(KIND, target, below, build, say)]
