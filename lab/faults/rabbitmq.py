# SPDX-License-Identifier: Apache-2.0
"""The faults of the campaign on RabbitMQ: each function injects one in a World, ends it, and returns a text that says
what was done to whom. Afterwards the cluster must come back by itself within the fault's limit.
"""

import random
import threading
import time
from typing import NamedTuple

from lab import LabError
from lab.brokers import cluster
from lab.brokers.known import ALL
from lab.brokers.record import Configuration
from lab.faults import machine
from lab.faults.fault import Fault, wait_for
from lab.services import rabbitmq

BEAM = "beam.smp"
ASIDE = "/root/aside"  # where the data of a lost disk are moved: the lab does not remove a data directory either
DRAINED = "Marked this node as undergoing maintenance"
NOT_DRAINED = "Not drained"  # in what the agent logs
LOGS = "cat /var/log/rabbitmq/*.log /srv/mq/log/*.log 2>/dev/null"
UNTOLD = ("quiet", "syslog", "console", "logs-dash")  # configurations with which no log file tells of maintenance
PLACES = (rabbitmq.BASE, "/srv/mq/mnesia", "/srv/mq/data", "/srv/mq/base")  # of data, in lab/brokers/known.py
# Packets are rejected, not dropped: Erlang takes a minute to give up a node that is only silent. The ports are those of
# lab/brokers/known.py too.
_CUT = """
for hook in input output; do
    way=$([ $hook = input ] && echo iifname || echo oifname)
    nft "add chain inet cut $hook { type filter hook $hook priority 0; }"
    for port in dport sport; do
        nft "add rule inet cut $hook $way != lo tcp $port { 4369, 4370, 25672, 25680, 35672, 35700-35710 } reject with tcp reset"
    done
done
"""


class World(NamedTuple):
    """What a fault works on. reach: how clients reach the brokers that were made with `configuration`."""

    lab: object
    random: random.Random
    say: object
    configuration: Configuration = ALL["plain"]
    reach: rabbitmq.Reach = rabbitmq.Reach()

    def pick(self):
        return self.random.choice(self.lab.node_names)

    def without(self, node):
        return [other for other in self.lab.node_names if other != node]

    def serving(self):
        """Names of the nodes whose broker answers a client."""
        return rabbitmq.serving(self.lab, self.reach)

    def patience(self, seconds):
        """So many seconds, and what a boot takes longer with this configuration."""
        return seconds + 2 * self.configuration.slow


def kill(lab, *nodes):
    """SIGKILL of the brokers of `nodes`; nothing where no broker runs."""
    for node in nodes:
        try:
            machine.kill(lab, node, BEAM)
        except LabError:
            pass


def kill_one(world):
    node = world.pick()
    kill(world.lab, node)
    return node


def kill_two(world):
    nodes = world.random.sample(world.lab.node_names, 2)
    for node in nodes:
        kill(world.lab, node)
        time.sleep(world.random.choice((0, 0, 3)))
    return " ".join(nodes)


def kill_all(world):
    nodes = world.random.sample(world.lab.node_names, 3)
    for node in nodes:
        kill(world.lab, node)
        time.sleep(world.random.choice((0, 0, 0, 2, 8)))
    return " ".join(nodes)


def freeze(world):
    node = world.pick()
    try:
        machine.stop(world.lab, node, BEAM)
    except LabError:
        return "no broker on " + node
    time.sleep(2)
    return node


def pcs(world, *words):
    """Run pcs on the first node where it succeeds. LabError if it fails on all."""
    for node in world.lab.node_names:
        try:
            world.lab.check(node, ["pcs"] + list(words), world.patience(120))
            return
        except LabError as error:
            last = error
    raise last


def disable_enable(world):
    pcs(world, "resource", "disable", rabbitmq.RESOURCE + "-clone")
    wait_for(lambda: not world.serving(), 100)
    time.sleep(world.random.uniform(0, 3))
    pcs(world, "resource", "enable", rabbitmq.RESOURCE + "-clone")
    return "all"


def standby(world):
    node = world.pick()
    pcs(world, "node", "standby", node)
    time.sleep(world.random.uniform(0, 15))
    pcs(world, "node", "unstandby", node)
    return node


class Fewest:
    """Watches inside `with` how many brokers serve. number: the fewest at one time; a single reading does not count,
    since it can fail."""

    def __init__(self, lab, reach=rabbitmq.Reach()):
        self._lab, self._reach, self._end, self.number = lab, reach, threading.Event(), len(lab.node_names)
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        before = self.number
        while not self._end.wait(0.3):
            now = len(rabbitmq.serving(self._lab, self._reach))
            self.number, before = min(self.number, max(now, before)), now

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exc):
        self._end.set()
        self._thread.join()


def drained(lab, node):
    """How often the broker of `node` was put into maintenance mode, according to its log."""
    return int(lab.run(node, "%s | grep -c '%s'" % (LOGS, DRAINED)).out.strip() or 0)


def not_drained(lab, node):
    """How often it was stopped without that, according to the agent."""
    return int(lab.run(node, "journalctl -b --no-pager | grep -c '%s'" % NOT_DRAINED).out.strip() or 0)


def rolling(world):
    """One node after the other goes to standby and back, as for an upgrade. The next stop is requested as soon as the
    node before is asked to come back: the agent has to wait for it."""
    nodes = world.random.sample(world.lab.node_names, len(world.lab.node_names))
    wait = "--wait=%d" % world.patience(100)
    patient = world.random.choice(([wait], []))
    if world.configuration.slow:
        patient = [wait]  # a stop waits for the others at most half of its time
    told = not set(UNTOLD) & set(world.configuration.name.split("+"))
    with Fewest(world.lab, world.reach) as fewest:
        for node in nodes:
            before, failed = drained(world.lab, node), not_drained(world.lab, node)
            pcs(world, "node", "standby", node, wait)
            if told and drained(world.lab, node) == before or not_drained(world.lab, node) != failed:
                raise Wrong("%s was stopped without being drained" % node)
            pcs(world, "node", "unstandby", node, *patient)
    if fewest.number < len(nodes) - 1:
        raise Wrong("only %d brokers served at one time" % fewest.number)
    return "%s, %s" % (" ".join(nodes), "waiting for each" if patient else "without waiting")


def power_one(world):
    node = world.pick()
    world.lab.power_cut(node)
    return node


def power_two(world):
    nodes = world.random.sample(world.lab.node_names, 2)
    world.lab.power_cut(*nodes)
    time.sleep(world.random.uniform(0, 10))
    world.lab.power_on(*nodes)
    return " ".join(nodes)


def power_all(world):
    world.lab.power_cut(*world.lab.node_names, stay_off=True)
    for node in world.random.sample(world.lab.node_names, 3):
        world.lab.power_on(node)
        time.sleep(world.random.choice((0, 0, 3)))
    return "all"


def power_all_gone_before(world):
    """One node goes off; later the other two lose their power together and come back without it."""
    node = world.pick()
    rest = world.without(node)
    world.lab.power_cut(node, stay_off=True)
    wait_for(lambda: set(rest) <= set(world.serving())
             and cluster.sees(world.lab, world.configuration, rest[0]) == len(rest), 60)
    time.sleep(world.random.uniform(3, 15))
    world.lab.power_cut(*rest, stay_off=True)
    world.lab.power_on(*rest)
    back = wait_for(lambda: set(rest) <= set(world.serving()), world.patience(150))
    world.lab.power_on(node)
    if not back:
        raise Wrong("%s did not come back without %s, which had been off before" % (" ".join(rest), node))
    return "%s was off before" % node


def partition(world):
    node = world.pick()
    machine.partition(world.lab, node)
    seconds = world.random.choice((1, 3, 10, 30))
    time.sleep(seconds)
    machine.heal(world.lab)
    return "%s for %d s" % (node, seconds)


def part_brokers(lab, node):
    """Partition the broker of `node` from the others. Pacemaker and clients still reach the node."""
    lab.check(node, "nft add table inet cut" + _CUT)


def join_brokers(lab, node):
    """End part_brokers."""
    lab.run(node, "nft delete table inet cut")


def brokers_partitioned(world):
    """Only the brokers are partitioned, so no node is fenced: the broker that is alone may not serve for long."""
    node = world.pick()
    part_brokers(world.lab, node)
    try:
        seconds = world.random.choice((3, 10, 45))
        time.sleep(seconds)
        if seconds > 40 and node in world.serving():
            raise Wrong("%s serves although its broker has been partitioned from the others for %d s" % (node, seconds))
    finally:
        join_brokers(world.lab, node)
    return "%s for %d s" % (node, seconds)


def replace(world):
    """A node loses its disk and comes back under its name with an empty one, as another machine: what the agent keeps
    is gone with it."""
    node = world.pick()
    world.lab.run(node, "d=%s/$(date +%%s); mkdir -p $d; kill -KILL $(pidof %s); sleep 0.3; "
                  "for one in %s; do [ ! -d $one ] || mv $one/* $d/; done; rm -rf %s" % (
                      ASIDE, BEAM, " ".join(PLACES), rabbitmq.KEPT))
    return node


class Wrong(Exception):
    """A fault itself observed something that must not be."""


FAULTS = (
    Fault("SIGKILL of one", 4, 90, kill_one),
    Fault("SIGKILL of two", 3, 90, kill_two),
    Fault("SIGKILL of all", 4, 120, kill_all),
    Fault("SIGSTOP of one", 3, 120, freeze),
    Fault("disable, enable", 3, 90, disable_enable),
    Fault("standby, unstandby", 2, 90, standby),
    Fault("rolling restart", 2, 90, rolling),
    Fault("power cut of one", 3, 150, power_one),
    Fault("power cut of two", 2, 150, power_two),
    Fault("power cut of all", 3, 150, power_all),
    Fault("power cut of two, the third was gone before", 1, 180, power_all_gone_before),
    Fault("partition of one", 3, 180, partition),
    Fault("broker of one cut off", 2, 150, brokers_partitioned),
    Fault("disk of one lost", 2, 150, replace),
)
