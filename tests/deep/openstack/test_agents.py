# SPDX-License-Identifier: Apache-2.0
"""The console pair: nova-consoleauth of nova 19, the last that had it, with nova-novncproxy; by hand on one node, then
with the other services under Pacemaker, where a node loses its power.

The rest by hand: tests/lab/openstack/test_agents.py. Every other fault under Pacemaker: scripts/faults --service
openstack.
"""

import os
import signal

import pytest

from lab import LabError
from lab.faults import machine
from lab.machines import inside
from lab.services import rabbitmq
from lab.services.openstack import console, deployment
from tests.lab.openstack_services import DEGRADED, GENERIC, LIMIT, NOT_RUNNING, OK, OLD, World, prepared
from tests.waiting import within

FAILOVER = 300  # seconds for a whole node: nova-consoleauth alone may take 100 s to start on a busy machine


@pytest.fixture(scope="module")
def world(progress):
    """Three nodes with database, broker and APIs; the services themselves are not started."""
    with prepared("tconsole", progress, "consoleauth") as lab:
        yield World(lab, (OLD, "nova-novncproxy"))


@pytest.mark.parametrize("level", (0, 10, 20))
def test_started_it_is_healthy_at_each_depth(world, level):
    if level == 0:
        world.expect(NOT_RUNNING, "monitor")
        world.expect(OK, "start")

    world.expect(OK, "monitor", level)


def test_stopped_it_is_found_and_named(world):
    pid = world.parent(OLD)
    os.kill(pid, signal.SIGSTOP)
    try:
        found = world.expect(GENERIC, "monitor", agents=(OLD,))
    finally:
        os.kill(pid, signal.SIGCONT)

    assert "stopped" in found[OLD].err
    assert within(LIMIT, lambda: world.say(OK))


def test_brokers_that_are_down_are_degraded_with_a_sentence(world):
    world.lab.check(world.node, ["pcs", "resource", "unmanage", "mq"])
    for node in world.lab.node_names:
        machine.kill(world.lab, node, "beam.smp")
    assert within(LIMIT, lambda: world.say(DEGRADED, agents=(OLD,)))

    found = world.expect(DEGRADED, "monitor", agents=(OLD,))

    assert "5672" in found[OLD].err and "RabbitMQ" in found[OLD].err


def test_stop_leaves_nothing(world):
    """Also without a broker."""
    world.expect(OK, "stop")

    assert dict.fromkeys(world.agents, {}) == {agent: world.processes(agent) for agent in world.agents}
    world.expect(NOT_RUNNING, "monitor")


def screen(world, node, token):
    """The name of the screen that a browser gets through the proxy of `node`; the error where it gets none."""
    try:
        return inside.in_network(world.lab, lambda: console.greet(world.lab.address(node), token))
    except (LabError, OSError) as error:
        return str(error)


def test_a_console_opens_with_its_token_after_the_node_lost_its_power(world):
    """The token is older than the failover; the viewer is a real WebSocket, as far as the screen's name and back."""
    first = world.lab.node_names[0]
    world.lab.check(first, "pcs resource cleanup mq; pcs resource manage mq")
    rabbitmq.wait_whole(world.lab)
    deployment.create(world.lab, say=print)
    before = deployment.where(world.lab)["nova-novncproxy"]
    far = console.far_end(world.lab)
    try:
        assert "quorate console" == screen(world, before, far.token)
        world.lab.power_cut(before)
        world.lab.wait(lambda: deployment.where(world.lab).get("nova-novncproxy") not in (None, before), FAILOVER,
                       "no failover", every=2)
        after = deployment.where(world.lab)["nova-novncproxy"]
        assert within(LIMIT, lambda: screen(world, after, far.token) == "quorate console"), screen(world, after,
                                                                                                   far.token)
    finally:
        far.close()
