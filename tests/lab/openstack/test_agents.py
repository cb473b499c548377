# SPDX-License-Identifier: Apache-2.0
"""The agents of cinder-volume, heat-engine and nova-novncproxy on Debian's own services, with the lab's Galera and
RabbitMQ: by hand, in this order.

nova-consoleauth and a node without power: tests/deep/openstack/test_agents.py. Every fault under Pacemaker, while
clients call: scripts/faults --service openstack.
"""

import os
import signal

import pytest

from lab import LabError
from lab.faults import machine
from lab.machines import inside
from lab.services.openstack import console, deployment
from tests import ROOT
from tests.lab.openstack_services import AGENTS, DEGRADED, GENERIC, LIMIT, NOT_RUNNING, OK, World, prepared
from tests.waiting import within

FORKING = ("cinder-volume", "heat-engine")


@pytest.fixture(scope="module")
def world(progress):
    """Two nodes with database and broker, the APIs on the second; the services themselves are not started."""
    with prepared("tstack", progress, count=2) as lab:
        yield World(lab)


def test_pcs_takes_the_example(world):
    """As it is, on a copy of the cluster's configuration; and the pair lands on one node."""
    with open(os.path.join(ROOT, "examples", "openstack.pcs"), encoding="utf-8") as file:
        lines = [line.strip() for line in file if line.startswith("pcs ")]
    script = "set -e; rm -f /root/example; pcs cluster cib /root/example; " + "; ".join(
        "pcs -f /root/example" + line[len("pcs"):] for line in lines)
    world.lab.check(world.node, script + "; crm_simulate -R -x /root/example -S >/root/simulated", 120)
    placed = world.lab.check(world.node, "grep -E '\\b(console|consoleauth)\\b.*Started' /root/simulated")

    assert len(lines) > 4
    assert 1 == len({line.split()[-1] for line in placed.splitlines()}), placed


def test_nothing_runs_before(world):
    world.expect(NOT_RUNNING, "monitor")


@pytest.mark.parametrize("level", (0, 10, 20))
def test_started_it_is_healthy_at_each_depth(world, level):
    """A start that returns means that every worker is connected; the row and the call follow without a wait."""
    if level == 0:
        world.expect(OK, "start")

    world.expect(OK, "monitor", level)


def test_a_user_gets_a_volume_and_a_stack(world):
    user = deployment.rest(world.lab)
    world.volume = user.create_volume("made by a test")
    user.create_stack("one")

    user.await_volume(world.volume, "available", LIMIT)
    assert within(LIMIT, lambda: user.stack_status("one") == "CREATE_COMPLETE")


def test_a_stopped_child_is_found_and_named(world):
    """SIGSTOP: connections and rows seem healthy for minutes."""
    victims = {agent: world.child(agent) for agent in world.agents}
    for pid in victims.values():
        os.kill(pid, signal.SIGSTOP)
    try:
        found = world.expect(GENERIC, "monitor")
    finally:
        for pid in victims.values():
            os.kill(pid, signal.SIGCONT)

    for done in found.values():
        assert "stopped" in done.err, done.err
    assert within(LIMIT, lambda: world.say(OK))


def test_without_its_parent_it_is_never_called_stopped(world):
    """Children live 5 s longer, and for good where they are stopped: "not running" would have a second copy beside
    them."""
    for agent in FORKING:
        first = world.parent(agent)
        for pid in set(world.processes(agent)) - {first}:
            os.kill(pid, signal.SIGSTOP)
        os.kill(first, signal.SIGKILL)

    world.expect(GENERIC, "monitor", agents=FORKING)
    world.expect(OK, "stop", agents=FORKING)
    assert [{}, {}] == [world.processes(agent) for agent in FORKING]
    world.expect(OK, "start", agents=FORKING)


def test_after_a_move_a_volume_made_before_is_managed_and_a_console_opens(world):
    """Only the backend that holds a volume can make a snapshot of it; a console needs a real token and a real
    WebSocket."""
    world.expect(OK, "stop")
    world.node = world.lab.node_names[1]
    world.expect(OK, "start")

    user = deployment.rest(world.lab)
    snapshot = user.snapshot(world.volume)
    user.await_volume(snapshot, "available", LIMIT, "snapshot")
    far = console.far_end(world.lab)
    try:
        address = world.lab.address(world.node)
        assert "quorate console" == inside.in_network(world.lab, lambda: console.greet(address, far.token))
        with pytest.raises(LabError):
            inside.in_network(world.lab, lambda: console.greet(address, "not-" + far.token))
    finally:
        far.close()


def test_brokers_that_are_down_are_degraded_with_a_sentence(world):
    """A restart would not bring them back."""
    connected = tuple(agent for agent in AGENTS if agent != "nova-novncproxy")
    world.lab.check(world.node, ["pcs", "resource", "unmanage", "mq"])
    for node in world.lab.node_names:
        machine.kill(world.lab, node, "beam.smp")
    assert within(LIMIT, lambda: world.say(DEGRADED, agents=connected))

    found = world.expect(DEGRADED, "monitor", agents=connected)

    for done in found.values():
        assert "5672" in done.err and "RabbitMQ" in done.err, done.err
    world.expect(OK, "monitor", agents=("nova-novncproxy",))


def test_stop_leaves_nothing(world):
    """Also without a broker."""
    world.expect(OK, "stop")

    assert dict.fromkeys(world.agents, {}) == {agent: world.processes(agent) for agent in world.agents}
    assert "" == world.lab.run(world.node, "ss -Hltn sport = :6080").out
    world.expect(NOT_RUNNING, "monitor")


@pytest.mark.parametrize("agent", FORKING)
def test_a_frozen_worker_is_stopped_within_pacemakers_default_timeout(world, agent):
    """A stop that fails ends in fencing."""
    world.expect(OK, "start", agents=(agent,))
    os.kill(world.child(agent), signal.SIGSTOP)

    assert OK == world.act(agent, "stop", seconds=20).rc
    assert {} == world.processes(agent)


def test_a_unit_of_somebody_else_is_stopped_while_systemd_waits_to_start_it_again(world):
    """No process is there: Pacemaker would start a second copy elsewhere, and systemd this one."""
    unit, directory = "cinder-volume.service", "/run/systemd/system/cinder-volume.service.d"
    world.lab.check(world.node, "rm -rf %s; mkdir %s; printf '[Service]\\nRestart=always\\nRestartSec=600\\n' >%s/restart.conf;"
                    " systemctl daemon-reload; systemctl start %s" % (directory, directory, directory, unit))
    try:
        world.lab.check(world.node, ["systemctl", "kill", "--signal=KILL", unit])
        shown = ["systemctl", "show", "--property=ActiveState,SubState", "--value", unit]
        assert within(LIMIT, lambda: world.lab.run(world.node, shown).out.split() == ["activating", "auto-restart"])
        assert within(LIMIT, lambda: world.processes("cinder-volume") == {})

        probe = world.act("cinder-volume", "monitor", recurring=False)
        assert GENERIC == probe.rc and "auto-restart" in probe.err, probe.err
        assert OK == world.act("cinder-volume", "stop", seconds=20).rc
        assert "inactive" == world.lab.run(world.node, shown).out.split()[0]
        assert NOT_RUNNING == world.act("cinder-volume", "monitor", recurring=False).rc
    finally:
        world.lab.run(world.node, "systemctl stop %s; rm -rf %s; systemctl daemon-reload" % (unit, directory))
