# SPDX-License-Identifier: Apache-2.0
"""A RabbitMQ cluster of a lab under test: made, furnished, and what is asserted of it."""

import os
from contextlib import contextmanager

from lab import LabError, state
from lab.faults.fault import wait_for
from lab.machines import cluster
from lab.services import rabbitmq
from tests.packaged import package

LIMIT = 150  # seconds; a broken promise, not a slow machine, is what the tests look for
BEAM = "beam.smp"
MARK = "mark-of-the-test"


@contextmanager
def furnished(name, suite="bookworm", before=None, agent="ocf:quorate:rabbitmq", **parameters):
    """A Lab whose cluster serves, with furniture and a mark beside each data directory. before(lab): between the first
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
                             rabbitmq.RESOURCE])  # on a busy machine its start runs out of time
            rabbitmq.wait_whole(lab, timeout=LIMIT)
        if before:
            before(lab)
        rabbitmq.furnish(lab)
        for node in lab.node_names:
            lab.check(node, "touch %s/rabbit@%s.%s" % (rabbitmq.BASE, node, MARK))
        yield lab


def assert_kept(lab):
    """Wait until all is whole again; everything is in it, and no data directory was removed."""
    lab.power_on()
    rabbitmq.wait_whole(lab, timeout=LIMIT)
    assert rabbitmq.missing(lab) == []
    for node in lab.node_names:
        lab.check(node, "test -e %s/rabbit@%s.%s" % (rabbitmq.BASE, node, MARK))


def said(lab, node, argv, *words):
    """Wait until the output of a command contains all words; the output."""
    found = [""]

    def there():
        done = lab.run(node, argv, 30)
        found[0] = done.out + done.err
        return all(word in found[0] for word in words)

    assert wait_for(there, LIMIT, 1), "%s does not show %s:\n%s" % (argv, words, found[0])
    return found[0]


def monitor(lab, node, level=0):
    """The Result of the agent's monitor by hand."""
    return lab.run(node, ["/usr/lib/ocf/resource.d/quorate/rabbitmq", "monitor"], 60, env=dict(
        os.environ, PATH="/usr/sbin:/usr/bin:/sbin:/bin", OCF_ROOT="/usr/lib/ocf",
        OCF_RESOURCE_INSTANCE=rabbitmq.RESOURCE,
        OCF_CHECK_LEVEL=str(level), OCF_RESKEY_CRM_meta_timeout="50000"))


def power_log(lab):
    with open(os.path.join(state.directory(lab.name), "power.log"), encoding="utf-8") as file:
        return file.read()
