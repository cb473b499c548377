# SPDX-License-Identifier: Apache-2.0
"""A running resource of ocf:heartbeat:rabbitmq-cluster moves over as docs/migrating.md says, under a client."""

import os
import re

from lab.faults import machine
from lab.faults.fault import wait_for
from lab.services import rabbitmq
from lab.services.confirming import Client
from tests import ROOT
from tests.lab.rabbitmq_cluster import BEAM, LIMIT, assert_kept, furnished


def documented():
    """The commands of docs/migrating.md, one shell script."""
    with open(os.path.join(ROOT, "docs", "migrating.md"), encoding="utf-8") as file:
        return re.search(r"```\n(pcs resource unmanage mq.*?)```", file.read(), re.DOTALL).group(1)


def brokers(lab):
    """Process id and start of the broker on each node."""
    return [lab.check(node, "ps -o pid=,lstart= -C %s" % BEAM).strip() for node in lab.node_names]


def test_a_live_resource_moves_over():
    """No broker stops, nothing is gone, and the new agent then keeps what the old one would have wiped."""
    with furnished("tmqmove", agent="ocf:heartbeat:rabbitmq-cluster",
                   set_policy='ha-all ^ha\\. {"ha-mode":"all"}') as lab:
        before = brokers(lab)
        client = Client(lab, rate=50)
        assert wait_for(lambda: len(client.numbers("confirmed")) > 50, LIMIT)
        lab.check("n1", "cd /root && set -e\n" + documented() + "crm_resource --wait", 120)
        assert wait_for(lambda: lab.run("n1", "crm_mon -1 | grep -c 'Started: \\[ n1 n2 n3 \\]'").rc == 0, LIMIT)
        figures, lost = client.stop()
        assert brokers(lab) == before
        assert "ocf:quorate:rabbitmq" in lab.check("n1", ["crm_mon", "-1Rr"])
        assert lost == [] and figures["failed"] == 0 and figures["connections"] == 2
        assert_kept(lab)

        machine.kill(lab, "n2", BEAM)
        assert wait_for(lambda: "n2" not in rabbitmq.serving(lab), 10, 0.05)
        assert_kept(lab)
        lab.check("n1", ["pcs", "resource", "disable", "mq-clone", "--wait=100"], 120)
        rabbitmq.wait_silent(lab)
        lab.check("n1", ["pcs", "resource", "enable", "mq-clone"])
        assert_kept(lab)
