# SPDX-License-Identifier: Apache-2.0
"""A RabbitMQ cluster of a lab under test: made, furnished, and what is asserted of it."""

import os
from contextlib import contextmanager

from lab import LabError
from lab.machines import cluster
from lab.services import rabbitmq
from tests.packaged import package

LIMIT = 150  # seconds; the tests look for a broken guarantee, not for a slow machine
BEAM = "beam.smp"
MARKER = "marker-of-the-test"


@contextmanager
def furnished(name, suite="bookworm", before=None, agent="ocf:quorate:rabbitmq", **parameters):
    """A Lab whose cluster serves, with furniture and a marker file beside each data directory. before(lab): between the first
    start and the furniture."""
    deb = package()
    with cluster.Lab("%s-%d" % (name, os.getpid() % 1000000)) as lab:
        lab.up(suite=suite, deb=deb)
        rabbitmq.prepare(lab)
        rabbitmq.create(lab, agent, **parameters)
        try:
            rabbitmq.wait_whole(lab, timeout=LIMIT)
        except LabError:
            if "heartbeat" not in agent:
                raise
            lab.check("n1", ["pcs", "resource", "cleanup",
                             rabbitmq.RESOURCE])  # on a busy machine its start times out
            rabbitmq.wait_whole(lab, timeout=LIMIT)
        if before:
            before(lab)
        rabbitmq.furnish(lab)
        for node in lab.node_names:
            lab.check(node, "touch %s/rabbit@%s.%s" % (rabbitmq.BASE, node, MARKER))
        yield lab


def assert_kept(lab):
    """Wait until the cluster is whole again. All furniture must be in it, and no data directory removed."""
    lab.power_on()
    rabbitmq.wait_whole(lab, timeout=LIMIT)
    assert rabbitmq.missing(lab) == []
    for node in lab.node_names:
        lab.check(node, "test -e %s/rabbit@%s.%s" % (rabbitmq.BASE, node, MARKER))



def monitor(lab, node, level=0):
    """The Result of the agent's monitor by hand."""
    return lab.run(node, ["/usr/lib/ocf/resource.d/quorate/rabbitmq", "monitor"], 60, env=dict(
        os.environ, PATH="/usr/sbin:/usr/bin:/sbin:/bin", OCF_ROOT="/usr/lib/ocf",
        OCF_RESOURCE_INSTANCE=rabbitmq.RESOURCE,
        OCF_CHECK_LEVEL=str(level), OCF_RESKEY_CRM_meta_timeout="50000"))
