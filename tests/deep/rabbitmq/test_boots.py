# SPDX-License-Identifier: Apache-2.0
"""Boots that take long, on real brokers."""

import pytest

from lab.faults.fault import wait_for
from lab.services import rabbitmq
from tests.lab.rabbitmq_cluster import BEAM, LIMIT, assert_kept, furnished
from tests.lab.output import eventually

SLOW = """#!/bin/bash
log=/var/log/rabbitmq/rabbit@$(hostname).log
for second in {1..90}; do
    for turn in {1..20000}; do :; done
    echo "$(date -u '+%F %T').000000+00:00 [info] <0.1.0> Recovering queue $second" >>$log
    sleep 1
done
exec /usr/lib/rabbitmq/bin/rabbitmq-server "$@"
"""


@pytest.fixture
def whole():
    with furnished("tboots") as made:
        yield made
        assert_kept(made)


def test_a_boot_that_takes_long_is_left_alone(whole):
    """Power cut of all, and each boot works for minutes: none is killed, and none is forced while all come back."""
    for node in whole.node_names:
        whole.check(node, "cat >/usr/local/sbin/slow && chmod 755 /usr/local/sbin/slow", stdin=SLOW)
    whole.check("n1", ["pcs", "resource", "unmanage", "mq-clone"])
    whole.check("n1", ["pcs", "resource", "update", "mq", "binary=/usr/local/sbin/slow"])
    whole.check("n1", ["pcs", "resource", "manage", "mq-clone"])
    whole.power_cut(*whole.node_names, stay_off=True)
    whole.power_on()
    whole.wait_online(list(whole.node_names))
    try:
        assert wait_for(lambda: all(whole.run(node, "pgrep -f [l]ocal/sbin/slow").out for node in whole.node_names),
                        LIMIT)
        first = {node: whole.check(node, "pgrep -f [l]ocal/sbin/slow | head -1").strip() for node in whole.node_names}
        eventually(whole, "n1", ["pcs", "status", "--full"], "makes progress")
        rabbitmq.wait_serving(whole, timeout=2 * LIMIT)
        assert first == {node: whole.run(node, ["pidof", BEAM]).out.strip() for node in whole.node_names}
    finally:
        whole.check("n1", ["pcs", "resource", "update", "mq", "binary="])
