# SPDX-License-Identifier: Apache-2.0
"""The agents of cinder-volume, heat-engine and nova-novncproxy on the real services, by hand on one node, in this order; in the
end under Pacemaker, where a node loses its power.

Debian's services on the lab's own Galera and RabbitMQ. Every other fault under Pacemaker: scripts/faults --service openstack.
"""

import os
import signal
import threading

import pytest

from lab import LabError, cluster, faults, openstack, openstack_console, openstack_layer, rabbitmq
from lab.openstack_watch import service_of
from tests.packaged import ROOT, package
from tests.waiting import within

AGENTS = ("cinder-volume", "heat-engine", "nova-novncproxy")
OK, GENERIC, NOT_RUNNING, DEGRADED = 0, 1, 7, 190
LIMIT = 120  # seconds; a broken promise, not a slow machine, is what the tests look for
FAILOVER = 300  # the same, of a whole node: nova-consoleauth alone may take 100 s to start on a busy machine
OLD = {"OCF_RESKEY_config": "/etc/nova19/nova.conf", "OCF_RESKEY_binary": "/opt/nova19/bin/nova-consoleauth"}


class World:
    """The lab and the agents in it."""

    def __init__(self, lab):
        self.lab, self.node = lab, lab.node_names[0]
        self.agents = AGENTS + (("nova-consoleauth",) if openstack.has_consoleauth(lab) else ())

    def act(self, agent, action, level=0):
        """The agent as Pacemaker would call it; recurring, so that it keeps in mind what it saw."""
        environment = {"OCF_ROOT": "/usr/lib/ocf", "OCF_RESOURCE_INSTANCE": agent, "OCF_CHECK_LEVEL": str(level),
                       "OCF_RESKEY_CRM_meta_timeout": "90000", "OCF_RESOURCE_TYPE": agent, "OCF_RESOURCE_PROVIDER": "quorate"}
        if action == "monitor":
            environment["OCF_RESKEY_CRM_meta_interval"] = "10000"
        if agent == "nova-consoleauth":
            environment.update(OLD)
        return self.lab.run(self.node, ["/usr/lib/ocf/resource.d/quorate/" + agent, action], 95, env=environment)

    def all(self, action, level=0, agents=None):
        """The same of several at once: agent to Result."""
        found = {}

        def one(agent):
            found[agent] = self.act(agent, action, level)

        threads = [threading.Thread(target=one, args=(agent,)) for agent in agents or self.agents]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    def codes(self, action, level=0, agents=None):
        """agent to exit code."""
        return {agent: done.rc for agent, done in self.all(action, level, agents).items()}

    def every(self, code, agents=None):
        """What `codes` gives where all say the same."""
        return dict.fromkeys(agents or self.agents, code)

    def processes(self, agent):
        """{pid as the host numbers it: pid of its parent} of the service."""
        found = {}
        for pid, argv in faults.processes(self.lab, self.node, agent).items():
            if service_of(argv, (agent,)):
                try:
                    with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as file:
                        found[pid] = int(file.read().rpartition(")")[2].split()[1])
                except FileNotFoundError:
                    continue
        return found

    def parent(self, agent):
        """The service's first process."""
        found = self.processes(agent)
        return next(pid for pid, parent in found.items() if parent not in found)

    def child(self, agent):
        """One of its workers, the process itself where it has none."""
        found = self.processes(agent)
        return next((pid for pid, parent in found.items() if parent in found), self.parent(agent))


@pytest.fixture(scope="module")
def world():
    """Three nodes with database, broker and APIs; the services themselves are not started."""
    deb = package()
    old = openstack_layer.exists("consoleauth") or os.environ.get("QUORATE_OPENSTACK") == "1"
    layers = openstack.layers(print, consoleauth=old)
    with cluster.Lab("tstack-%d" % (os.getpid() % 10000000)) as lab:
        lab.up(deb=deb, layers=layers, say=print)
        openstack.prepare(lab, say=print)
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


def said(results):
    """What the agents said, for the message of a test that fails."""
    return "\n".join("%s: %s %s" % (agent, done.rc, done.err[-600:]) for agent, done in results.items())


def test_nothing_runs_before(world):
    assert world.every(NOT_RUNNING) == world.codes("monitor")


@pytest.mark.parametrize("level", (0, 10, 20))
def test_started_it_is_healthy_at_each_depth(world, level):
    """A start that returns means that every worker is connected; the row and the call follow without a wait."""
    if level == 0:
        started = world.all("start")
        assert world.every(OK) == {agent: done.rc for agent, done in started.items()}, said(started)

    found = world.all("monitor", level)

    assert world.every(OK) == {agent: done.rc for agent, done in found.items()}, said(found)


def test_a_user_gets_a_volume_and_a_stack(world):
    user = openstack.rest(world.lab)
    world.volume = user.create_volume("made by a test")
    user.create_stack("one")

    user.await_volume(world.volume, "available", LIMIT)
    assert within(LIMIT, lambda: user.stack_status("one") == "CREATE_COMPLETE")


def test_a_stopped_child_is_seen_and_named(world):
    """SIGSTOP: connections and rows look well for minutes."""
    victims = {agent: world.child(agent) for agent in world.agents}
    for pid in victims.values():
        os.kill(pid, signal.SIGSTOP)
    try:
        found = world.all("monitor")
    finally:
        for pid in victims.values():
            os.kill(pid, signal.SIGCONT)

    assert world.every(GENERIC) == {agent: done.rc for agent, done in found.items()}, said(found)
    for agent, done in found.items():
        assert "stopped" in done.err, done.err
    assert within(LIMIT, lambda: world.codes("monitor") == world.every(OK))


def test_without_its_parent_it_is_never_called_stopped(world):
    """Children live 5 s longer, and for good where they are stopped: "not running" would have a second copy beside them."""
    forking = ("cinder-volume", "heat-engine")
    for agent in forking:
        first = world.parent(agent)
        for pid in set(world.processes(agent)) - {first}:
            os.kill(pid, signal.SIGSTOP)
        os.kill(first, signal.SIGKILL)
    found = world.all("monitor", agents=forking)

    assert world.every(GENERIC, forking) == {agent: done.rc for agent, done in found.items()}, said(found)
    stopped = world.all("stop", agents=forking)
    assert world.every(OK, forking) == {agent: done.rc for agent, done in stopped.items()}, said(stopped)
    assert [{}, {}] == [world.processes(agent) for agent in forking]
    started = world.all("start", agents=forking)
    assert world.every(OK, forking) == {agent: done.rc for agent, done in started.items()}, said(started)


def test_after_a_move_a_volume_made_before_is_managed_and_a_console_opens(world):
    """Only the backend that holds a volume can make a snapshot of it; a console needs a real token and a real WebSocket."""
    stopped = world.all("stop")
    assert world.every(OK) == {agent: done.rc for agent, done in stopped.items()}, said(stopped)
    world.node = world.lab.node_names[1]
    started = world.all("start")
    assert world.every(OK) == {agent: done.rc for agent, done in started.items()}, said(started)

    user = openstack.rest(world.lab)
    snapshot = user.snapshot(world.volume)
    user.await_volume(snapshot, "available", LIMIT, "snapshot")
    far = openstack_console.far_end(world.lab)
    try:
        address = world.lab.address(world.node)
        assert "quorate console" == openstack.in_network(world.lab, lambda: openstack_console.greet(address, far.token))
        with pytest.raises(LabError):
            openstack.in_network(world.lab, lambda: openstack_console.greet(address, "not-" + far.token))
    finally:
        far.close()


def test_brokers_that_are_down_are_degraded_with_a_sentence(world):
    """A restart would not bring them back."""
    connected = tuple(agent for agent in world.agents if agent != "nova-novncproxy")
    world.lab.check(world.node, ["pcs", "resource", "unmanage", "mq"])
    for node in world.lab.node_names:
        faults.kill(world.lab, node, "beam.smp")
    assert within(LIMIT, lambda: world.codes("monitor", agents=connected) == world.every(DEGRADED, connected))

    found = world.all("monitor", agents=connected)

    for agent, done in found.items():
        assert "5672" in done.err and "RabbitMQ" in done.err, done.err
    assert OK == world.act("nova-novncproxy", "monitor").rc


def test_stop_leaves_nothing(world):
    """Also without a broker."""
    stopped = world.all("stop")

    assert world.every(OK) == {agent: done.rc for agent, done in stopped.items()}, said(stopped)
    assert world.every({}) == {agent: world.processes(agent) for agent in world.agents}
    assert "" == world.lab.run(world.node, "ss -Hltn sport = :6080").out
    assert world.every(NOT_RUNNING) == world.codes("monitor")


def screen(world, node, token):
    """What the screen calls itself that a browser sees through the proxy of `node`; the reason where it sees none."""
    try:
        return openstack.in_network(world.lab, lambda: openstack_console.greet(world.lab.address(node), token))
    except (LabError, OSError) as error:
        return str(error)


def test_a_console_opens_with_its_token_after_the_node_lost_its_power(world):
    """The token is older than the failover; the viewer is a real WebSocket, as far as the screen's name and back."""
    first = world.lab.node_names[0]
    world.lab.check(first, "pcs resource cleanup mq; pcs resource manage mq")
    rabbitmq.wait_whole(world.lab)
    openstack.create(world.lab, say=print)
    before = openstack.where(world.lab)["nova-novncproxy"]
    far = openstack_console.far_end(world.lab)
    try:
        assert "quorate console" == screen(world, before, far.token)
        world.lab.power_cut(before)
        world.lab.wait(lambda: openstack.where(world.lab).get("nova-novncproxy") not in (None, before), FAILOVER, "no failover", every=2)
        after = openstack.where(world.lab)["nova-novncproxy"]
        assert within(LIMIT, lambda: screen(world, after, far.token) == "quorate console"), screen(world, after, far.token)
    finally:
        far.close()
