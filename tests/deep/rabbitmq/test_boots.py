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


@pytest.fixture
def slow(whole):
    """Each boot works for a minute and a half before it does anything else."""
    for node in whole.node_names:
        whole.check(node, "cat >/usr/local/sbin/slow && chmod 755 /usr/local/sbin/slow", stdin=SLOW)
    whole.check("n1", ["pcs", "resource", "unmanage", "mq-clone"])
    whole.check("n1", ["pcs", "resource", "update", "mq", "binary=/usr/local/sbin/slow"])
    whole.check("n1", ["pcs", "resource", "manage", "mq-clone"])
    yield whole
    whole.check("n1", ["pcs", "resource", "update", "mq", "binary="])


def launched(lab, node):
    """Whether a boot is under way on a node."""
    return bool(lab.run(node, "pgrep -f [l]ocal/sbin/slow").out)


def pid(lab, node):
    return lab.check(node, "pgrep -f [l]ocal/sbin/slow | head -1").strip()


def test_a_boot_that_takes_long_is_left_alone(slow):
    """Power cut of all, and each boot works for minutes: none is killed, and none is forced while all come back."""
    slow.power_cut(*slow.node_names, stay_off=True)
    slow.power_on()
    slow.wait_online(list(slow.node_names))
    assert wait_for(lambda: all(launched(slow, node) for node in slow.node_names), LIMIT)
    first = {node: pid(slow, node) for node in slow.node_names}
    eventually(slow, "n1", ["pcs", "status", "--full"], "makes progress")
    rabbitmq.wait_serving(slow, timeout=2 * LIMIT)
    assert first == {node: slow.run(node, ["pidof", BEAM]).out.strip() for node in slow.node_names}


def test_a_boot_that_was_forced_and_takes_long_is_forced_once(slow):
    """An operator gives up n3, and the forced boot works for long: it was ended and forced anew every 38 s, each time with
    a new generation, and never came up."""
    slow.power_cut(*slow.node_names, stay_off=True)
    slow.power_on("n1", "n2")
    slow.wait_online(["n1", "n2"])
    shown = eventually(slow, "n1", ["quorate", "explain"], "to go on: quorate rabbitmq boot ")
    command = shown.partition("to go on: ")[2].split()[:4]
    node = command[-1]
    eventually(slow, node, ["pcs", "status", "--full"], "makes progress")
    before = pid(slow, node)
    slow.check(node, command)
    assert wait_for(lambda: launched(slow, node) and pid(slow, node) != before, 2 * LIMIT, 1), "it waits, then is forced"
    forced = pid(slow, node)
    rabbitmq.wait_serving(slow, ["n1", "n2"], timeout=2 * LIMIT)
    assert slow.run(node, ["pidof", BEAM]).out.strip() == forced
    assert slow.check(node, ["crm_attribute", "-t", "crm_config", "-n", "mq-generation", "-Gq"]).strip() == "1"
