# SPDX-License-Identifier: Apache-2.0
"""The faults of the campaign on OpenStack's services. Each function injects one in a Scene, and ends it where it does
not end by itself. EXPECTED says which signal must notice it, and on which services."""

import os
import signal
import time

from lab import LabError, state
from lab.faults import machine
from lab.services import galera
from lab.services.openstack import deployment

HELD = 75.0    # seconds of a fault that does not end by itself; more than the interval of a monitor of level 20
LEFT = 50.0    # the same for level 10
JOINS = 120.0  # seconds until a cluster has noticed that a member is gone
BACK = 180.0   # seconds until a database is synced again after all were killed or hung
_CUT = """\
nft add table inet fault
nft add chain inet fault out '{ type filter hook output priority 0; }'
nft add rule inet fault out tcp dport 5672 drop
nft add rule inet fault out tcp sport 5672 drop
"""


class Scene:
    """One fault: the lab, the watch, where each service runs; the node is that of cinder-volume. lasted: seconds that
    the fault lasted, None: until the services were recovered."""

    def __init__(self, lab, watch, services):
        self.lab, self.watch, self.services = lab, watch, services
        self.at, self.stopped, self.lasted = deployment.where(lab), (), None
        self.node = self.at["cinder-volume"]

    def parents(self):
        """{service: pid of its parent process}."""
        found = {}
        for name in self.services:
            there = self.watch.processes(self.at[name], name)
            found[name] = next(pid for pid, parent in there.items() if parent not in there)
        return found

    def children(self):
        """{service: pid of one of its workers}, for the services that have workers."""
        found = {}
        for name in self.services:
            there = self.watch.processes(self.at[name], name)
            mine = [pid for pid, parent in there.items() if parent in there]
            if mine:
                found[name] = mine[0]
        return found

    def stop(self, pids):
        """Send SIGSTOP; the fault is over once all of these processes have ended."""
        signal_all(pids, signal.SIGSTOP)
        self.stopped = tuple((pid, state.process_start(pid)) for pid in pids.values())

    def over(self):
        """Whether all processes that were stopped have ended."""
        return not any(start is not None and state.process_start(pid) == start for pid, start in self.stopped)

    def others(self):
        """The other nodes."""
        return [name for name in self.lab.node_names if name != self.node]

    def hold(self, seconds=HELD):
        """Let the fault last."""
        began = time.monotonic()
        time.sleep(seconds)
        self.lasted = time.monotonic() - began


def signal_all(pids, number):
    for pid in pids.values():
        os.kill(pid, number)


def child_killed(scene):
    signal_all(scene.children(), signal.SIGKILL)


def parent_killed(scene):
    signal_all(scene.parents(), signal.SIGKILL)


def child_stopped(scene):
    scene.stop(scene.children())


def parent_stopped(scene):
    scene.stop(scene.parents())


def planned_move(scene):
    """Put the node in standby; the campaign ends that."""
    scene.lab.check(deployment.api_node(scene.lab), ["pcs", "node", "standby", scene.node])


def power_cut(scene):
    scene.lab.power_cut(scene.node)


def power_cut_while_one_joins(scene):
    """The database of another node was killed and is not back yet: with this node the majority is lost."""
    other, witness = scene.others()
    machine.kill(scene.lab, other, "mariadbd")
    scene.lab.wait(lambda: galera.ask(scene.lab, witness).size == 2, JOINS,
                   "the database of %s did not notice that the one of %s was killed" % (witness, other), every=0.05)
    scene.lab.power_cut(scene.node)


def brokers_killed(scene):
    for node in scene.lab.node_names:
        machine.kill(scene.lab, node, "beam.smp")


def broker_cut_off(scene):
    """The services' node reaches no broker, not even its own; packets are dropped silently."""
    scene.lab.check(scene.node, _CUT)
    try:
        scene.hold()
    finally:
        scene.lab.check(scene.node, "nft delete table inet fault")


def databases_killed(scene):
    """The cluster recovers them, perhaps before the next monitor of level 10, which comes every 31 s."""
    began = time.monotonic()
    for node in scene.lab.node_names:
        machine.kill(scene.lab, node, "mariadbd")
    scene.lab.wait(lambda: _any(scene.lab), BACK, "no database was synced within %d s" % BACK, every=0.5)
    scene.lasted = time.monotonic() - began


def databases_hung(scene):
    """SIGSTOP; the cluster recovers them."""
    began = time.monotonic()
    for node in scene.lab.node_names:
        machine.stop(scene.lab, node, "mariadbd")
    scene.lab.wait(lambda: _any(scene.lab), BACK, "no database was synced within %d s" % BACK, every=0.5)
    scene.lasted = time.monotonic() - began


class Unmanaged:
    """Inside `with` Pacemaker does not manage the databases."""

    def __init__(self, lab):
        self._lab, self._node = lab, lab.node_names[0]

    def __enter__(self):
        self._lab.check(self._node, ["pcs", "resource", "unmanage", galera.RESOURCE])

    def __exit__(self, *_error):
        self._lab.run(self._node, ["pcs", "resource", "cleanup", galera.RESOURCE], 60)
        self._lab.check(self._node, ["pcs", "resource", "manage", galera.RESOURCE])


def databases_killed_and_left(scene):
    with Unmanaged(scene.lab):
        for node in scene.lab.node_names:
            machine.kill(scene.lab, node, "mariadbd")
        scene.hold(LEFT)


def databases_hung_and_left(scene):
    """SIGSTOP, then SIGCONT; after that they join again by themselves, or the cluster recovers them."""
    with Unmanaged(scene.lab):
        for node in scene.lab.node_names:
            machine.stop(scene.lab, node, "mariadbd")
        try:
            scene.hold()
        finally:
            for node in scene.lab.node_names:
                machine.cont(scene.lab, node, "mariadbd")
        try:
            galera.wait_synced(scene.lab, timeout=60)
        except LabError:
            pass


def _any(lab):
    return any(server.state == "synced" for server in galera.ask_all(lab).values())


FAULTS = (
    ("SIGKILL of a child", child_killed),
    ("SIGKILL of the parent", parent_killed),
    ("SIGSTOP of a child", child_stopped),
    ("SIGSTOP of the parent", parent_stopped),
    ("planned move", planned_move),
    ("power cut", power_cut),
    ("all brokers killed", brokers_killed),
    ("brokers cut off for %d s" % HELD, broker_cut_off),
    ("all databases killed", databases_killed),
    ("all databases hung", databases_hung),
    ("all databases killed and left for %d s" % LEFT, databases_killed_and_left),
    ("all databases hung and left for %d s" % HELD, databases_hung_and_left),
    ("power cut while another database joins", power_cut_while_one_joins),
)

# {fault: (the signal that must notice it (lab/campaigns/signals.py), on which services)}. Not for a child that is
# killed, which is replaced within 0.1 s, nor for a move or a power cut, which the cluster knows of before any monitor.
FORKING, CONNECTED = ("cinder-volume", "heat-engine"), ("cinder-volume", "heat-engine", "nova-consoleauth")
EVERY = CONNECTED + ("nova-novncproxy",)
EXPECTED = {
    parent_killed: ("process", EVERY),
    child_stopped: ("process", FORKING),
    parent_stopped: ("process", EVERY),
    brokers_killed: ("amqp", CONNECTED),
    broker_cut_off: ("rpc", CONNECTED),
    databases_killed: ("row", CONNECTED),
    databases_hung: ("row", CONNECTED),
    databases_killed_and_left: ("row", CONNECTED),
    databases_hung_and_left: ("row", CONNECTED),
}
CERTAIN = {"row": 45.0}  # seconds after which the signal is certain to have been read: interval, limit, and a margin
