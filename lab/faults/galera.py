# SPDX-License-Identifier: Apache-2.0
"""The faults of the campaign on Galera and of the lab's tests: each function injects one in a World, ends it, and
returns a text that says what was done to whom. Afterwards the cluster must come back by itself within the fault's
limit.
"""

import random
import threading
import time
from typing import Callable, NamedTuple

from lab import LabError
from lab.faults import machine
from lab.faults.fault import Fault, wait_for
from lab.services import galera
from lab.services.galera_watch import primaries, synced

DATADIR = "/var/lib/mysql"


class World(NamedTuple):
    """What a fault works on. random: every choice that is left to chance comes from it, in one thread; mistakes: what a
    fault itself observed and must not be."""

    lab: object
    watch: object
    random: random.Random
    say: Callable
    mistakes: list

    @property
    def nodes(self):
        return self.lab.node_names

    def pick(self):
        return self.random.choice(self.nodes)

    def mistake(self, text):
        self.say("  MISTAKE: " + text)
        self.mistakes.append(text)


class NotInjected(LabError):
    """The cluster was not in a state in which the fault could be injected; nothing was proven."""


def kill(lab, node):
    """SIGKILL of the server; nothing if there is none."""
    try:
        machine.kill(lab, node, "mariadbd")
    except LabError:
        pass


def at_offsets(world, nodes, most, action):
    """action(node) for each of the nodes, each after a random time of up to `most` seconds."""
    threads = []
    for node in nodes:
        offset = world.random.uniform(0, most)
        threads.append(threading.Timer(offset, action, (node,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def kill_one(world):
    node = world.pick()
    kill(world.lab, node)
    return node


def kill_two(world):
    nodes = world.random.sample(world.nodes, 2)
    at_offsets(world, nodes, world.random.choice((0.1, 3, 10)), lambda node: kill(world.lab, node))
    return " ".join(nodes)


def kill_all(world):
    most = world.random.choice((0.1, 1, 3, 10))
    at_offsets(world, world.nodes, most, lambda node: kill(world.lab, node))
    return "all within %g s" % most


def freeze(world):
    node = world.pick()
    machine.stop(world.lab, node, "mariadbd")
    return node


def disable_enable(world):
    run_on_any(world.lab, ["pcs", "resource", "disable", "db-clone"])
    down = world.watch.wait_until(lambda observed: all(one.status is None for one in observed.values()), 100)
    if down is None:
        world.mistake("the servers did not stop within 100 s of pcs resource disable")
    time.sleep(world.random.uniform(0, 3))
    run_on_any(world.lab, ["pcs", "resource", "enable", "db-clone"])
    return "all"


def standby(world):
    node = world.pick()
    run_on_any(world.lab, ["pcs", "node", "standby", node])
    time.sleep(world.random.uniform(0, 15))
    run_on_any(world.lab, ["pcs", "node", "unstandby", node])
    return node


def power_one(world):
    node = world.pick()
    world.lab.power_cut(node)
    return node


def power_two(world):
    nodes = world.random.sample(world.nodes, 2)
    world.lab.power_cut(*nodes)
    time.sleep(world.random.uniform(0, 10))
    world.lab.power_on(*nodes)
    return " ".join(nodes)


def power_all(world):
    most = world.random.choice((0, 0, 1, 5))
    if most:
        at_offsets(world, world.nodes, most, lambda node: world.lab.power_cut(node, stay_off=True))
    else:
        world.lab.power_cut(*world.nodes, stay_off=True)
    at_offsets(world, world.nodes, world.random.choice((0, 5)), world.lab.power_on)
    return "all within %g s" % most


def without(world, node):
    return [other for other in world.nodes if other != node]


def power_all_evicted_off(world):
    """One is evicted, then all lose their power, and the evicted one stays off: the other two come back without it."""
    node = world.pick()
    rest = without(world, node)
    world.lab.power_cut(node, stay_off=True)
    if world.watch.wait_until(lambda observed: synced(observed, rest) and all(observed[one].size == 2 for one in rest),
                              60) is None:
        world.lab.power_on(node)
        raise NotInjected("the two did not go on without %s" % node)
    time.sleep(world.random.uniform(12, 20))  # long enough for both to have published the view
    world.lab.power_cut(*rest, stay_off=True)
    world.lab.power_on(*rest)
    took = world.watch.wait_until(lambda observed: synced(observed, rest), 120)
    if took is None:
        world.mistake("%s did not come back without %s, which had been evicted: %s"
                      % (" ".join(rest), node, reasons(world)))
    else:
        world.say("  %s back alone after %.1f s" % (" ".join(rest), took))
    world.lab.power_on(node)
    return "%s evicted before" % node


def power_all_member_off(world):
    """All lose their power at once and a member of the last view stays off: the others wait for it, and say so."""
    node = world.pick()
    rest = without(world, node)
    world.lab.power_cut(*world.nodes, stay_off=True)
    world.lab.power_on(*rest)
    world.lab.wait_online(rest, 90)
    named = wait_for(lambda: any(node in reason for reason in reasons(world).values()), 60)
    if not named:
        world.mistake("no node says that it waits for %s: %s" % (node, reasons(world)))
    if primaries(world.watch.observed):
        world.mistake("a primary component without %s: %s" % (node, primaries(world.watch.observed)))
    world.lab.power_on(node)
    return "%s stayed off" % node


def partition(world):
    node = world.pick()
    machine.partition(world.lab, node)
    seconds = world.random.choice((1, 3, 10, 30))
    time.sleep(seconds)
    machine.heal(world.lab)
    return "%s for %d s" % (node, seconds)


def slow_wire_kill(world):
    slow, dead = world.random.sample(world.nodes, 2)
    machine.slow_net(world.lab, slow, 0.1)
    try:
        time.sleep(world.random.uniform(0, 5))
        kill(world.lab, dead)
        time.sleep(15)
    finally:
        end(world, machine.fast_net, slow)
    return "%s slow, %s killed" % (slow, dead)


def slow_disk_kill(world):
    slow = world.pick()
    dead = world.pick()
    machine.slow_disk(world.lab, slow)
    try:
        time.sleep(world.random.uniform(0, 5))
        kill(world.lab, dead)
        time.sleep(15)
    finally:
        end(world, machine.fast_disk, slow)
    return "%s slow, %s killed" % (slow, dead)


def transfer(world):
    """A node loses its data; during the state transfer its server is killed, or its donor's, or the transfer, or its
    power is cut."""
    node = world.pick()
    victim = world.random.choice(("joiner", "donor", "rsync", "power of the joiner"))
    wait_for(lambda: synced(world.watch.observed, world.nodes), 30)
    world.lab.run(node, "kill -KILL $(pidof mariadbd); sleep 0.3; rm -rf %s/*" % DATADIR)
    if not wait_for(lambda: transferring(world.lab, node), 60, 0.1):
        return "%s lost its disk (the transfer was not seen)" % node
    if victim == "power of the joiner":
        world.lab.power_cut(node)
    elif victim == "donor":
        for other in without(world, node):
            if transferring(world.lab, other):
                kill(world.lab, other)
    else:
        try:
            machine.kill(world.lab, node, "mariadbd" if victim == "joiner" else "rsync")
        except LabError:
            pass
    return "%s lost its disk, then the %s died" % (node, victim)


def transferring(lab, node):
    """Whether a state transfer runs on this node."""
    try:
        return any("wsrep_sst_" in " ".join(argv) for argv in machine.processes(lab, node, "wsrep_sst_").values())
    except LabError:
        return False


def pacemaker_dies(world):
    node = world.pick()
    try:
        machine.kill(world.lab, node, "pacemaker-controld")
    except LabError as error:
        raise NotInjected(str(error)) from error
    time.sleep(3)
    # The DC may wait 90 s (cluster-delay and more) for an answer of the controller that was killed, and does nothing
    # meanwhile.
    world.lab.run(without(world, node)[0], ["crm_resource", "--wait", "-T", "120"], 130)
    return node


def end(world, function, node):
    """The end of a fault; that a node has no power (it was fenced) ended it, too."""
    try:
        function(world.lab, node)
    except LabError:
        pass


def run_on_any(lab, argv, timeout=60.0):
    """Run a command on the first node where it succeeds. NotInjected if it fails on all."""
    for node in lab.node_names:
        try:
            lab.check(node, argv, timeout)
            return
        except LabError as error:
            last = error
    raise NotInjected(str(last))


def reasons(world):
    """{node: its RESOURCE-status}, from the first node that answers."""
    for node in world.nodes:
        try:
            done = world.lab.run(node, ["attrd_updater", "-Q", "-A", "-n", galera.RESOURCE + "-status"], 10)
        except LabError:
            continue
        found = {}
        for line in done.out.splitlines():
            words = dict(part.split("=", 1) for part in line.replace('" ', '"\n').splitlines() if "=" in part)
            if "host" in words and words.get("value", '""') != '""':
                found[words["host"].strip('"')] = words.get("value", "").strip('"')
        if found:
            return found
    return {}


FAULTS = (
    Fault("SIGKILL of one", 4, 60, kill_one),
    Fault("SIGKILL of two", 3, 60, kill_two),
    Fault("SIGKILL of all", 5, 60, kill_all),
    Fault("SIGSTOP of one", 3, 60, freeze),
    Fault("disable, enable", 2, 60, disable_enable),
    Fault("standby, unstandby", 2, 90, standby),
    Fault("power cut of one", 3, 120, power_one),
    Fault("power cut of two", 2, 120, power_two),
    Fault("power cut of all", 3, 120, power_all),
    Fault("power cut of all, an evicted one off", 1, 120, power_all_evicted_off),
    Fault("power cut of all, a member off", 1, 120, power_all_member_off),
    Fault("partition of one", 3, 150, partition),
    Fault("slow network, SIGKILL of another", 2, 90, slow_wire_kill),
    Fault("slow disk, SIGKILL of one", 2, 90, slow_disk_kill),
    Fault("disk lost, fault during state transfer", 3, 150, transfer),
    Fault("SIGKILL of Pacemaker's controller", 1, 90, pacemaker_dies),
)
