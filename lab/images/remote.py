# SPDX-License-Identifier: Apache-2.0
"""A layer for nodes that are no members of the cluster: pacemaker-remoted, and podman for bundles.

Debian installs pacemaker-remote only where pacemaker is not, so its two files are unpacked beside it; neither is enabled.
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
    """The layer for Lab.up, in a list; made unless it is cached."""
    below = [base.build(suite, say)]
    target = "%s-%s-%s" % (below[-1], KIND, hashlib.sha256(_INSTALL.encode()).hexdigest()[:8])

    def build(upper, shared, inside, say):
        extra.apt(upper, sources.for_suite(base.host_sources(), suite))
        inside(_INSTALL)

    return [extra.ensure(KIND, target, below, build, say)]
