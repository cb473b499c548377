# SPDX-License-Identifier: Apache-2.0
"""The cases of the front door: what happens on purpose, and what an operator does afterwards. Each takes the front door
under test (deployment.Front) and the name of the node with the internal VIP, the holder.
"""

from typing import Callable, NamedTuple

from lab import LabError
from lab.faults import machine


class Case(NamedTuple):
    """One case. managers: with whom as manager of the VIPs it is run; 'real': with real services. inject(front,
    holder): makes it happen; fix(front, holder): what the operator does afterwards; through_holder: whether only
    connections through the holder's VIPs count."""

    name: str
    managers: tuple
    inject: Callable
    fix: Callable = lambda front, holder: None
    through_holder: bool = True


def kill_instance(front, holder):
    front.kill_instances(_other(front, holder))


def kill_one_by_one(front, holder):
    """Each service of that node, one after the other; the next one when all are up again."""
    for unit in front.units:
        front.kill_unit(_other(front, holder), unit)
        front.lab.wait(front.all_up, front.rest, "HAProxy does not see all servers up after %s was killed" % unit)


def start_instance(front, holder):
    front.start_instances(_other(front, holder))


def hang_instance(front, holder):
    front.hang_instances(_other(front, holder))


def wake_instance(front, holder):
    front.wake_instances(_other(front, holder))


def _other(front, holder):
    """A node with APIs; one that does not hold the VIP, if there is one."""
    return [name for name in front.api_nodes if name != holder][0]


def kill_haproxy(front, holder):
    machine.kill(front.lab, holder, "haproxy")


def hang_haproxy(front, holder):
    machine.stop(front.lab, holder, "haproxy")


def kill_keepalived(front, holder):
    machine.kill(front.lab, holder, "keepalived")


def power_cut(front, holder):
    front.lab.power_cut(holder)


def power_on(front, holder):
    """Wait until fencing has switched it on again: in the lab all nodes are members of the cluster, endpoints too."""
    front.lab.wait_online([name for name in front.lab.node_names if name != holder])
    front.lab.wait(lambda: front.lab.is_on(holder), 120, "%s was not switched on again" % holder)
    front.lab.wait_online()
    if holder in front.api_nodes:
        front.start_instances(holder)


def reload_haproxy(front, holder):
    front.lab.check(holder, ["systemctl", "reload", "haproxy.service"])


def move(front, holder):
    """Move the VIPs as an operator does: the check is drained on the node that is to be worked on, or Pacemaker moves
    them."""
    if front.plan.vip_manager == "keepalived":
        front.lab.check(holder, ["haproxy-check", "drain", "planned"])
    else:
        for vip in front.plan.vips:
            target = [name for name in front.fronts if name != holder][0]
            front.lab.check(holder, ["crm_resource", "--resource", "vip-" + vip.name, "--move", "--node", target])


def hand_over(front, holder):
    """The same by `quorate handover`, which waits for requests that are under way on the node that is left; one VIP
    after the other."""
    target = [name for name in front.fronts if name != holder][0]
    held = [vip for vip in front.plan.vips if front.holders().get(vip.name) == holder]
    if front.plan.vip_manager == "keepalived":
        commands = [(held, ["haproxy-check", "drain", "planned"])]
    else:
        commands = [([vip], ["crm_resource", "--resource", "vip-" + vip.name, "--move", "--node", target])
                    for vip in held]
    for vips, command in commands:
        words = ["quorate", "handover"] + [word for vip in vips for word in ("--address", vip.address)] + command
        done = front.lab.run(holder, words, 60)
        if done.rc != 0:
            raise LabError("quorate handover on %s ended with %s: %s" % (holder, done.rc, done.err.strip()))


def standby(front, holder):
    """What docs/plan.md advises against: the VIPs wait for everything else that has to stop."""
    done = front.lab.run(holder, ["quorate", "handover", "pcs", "node", "standby", holder], 120)
    if done.rc != 0:
        raise LabError("quorate handover on %s ended with %s: %s" % (holder, done.rc, done.err.strip()))


def unstandby(front, holder):
    front.lab.check(holder, ["pcs", "node", "unstandby", holder])


def move_back(front, holder):
    if front.plan.vip_manager == "keepalived":
        front.lab.check(holder, ["haproxy-check", "undrain"])
    else:
        for vip in front.plan.vips:
            front.lab.check(holder, ["crm_resource", "--resource", "vip-" + vip.name, "--clear"])


def drain_writer(front, holder):
    front.lab.check(front.writer(), ["galera-check", "drain", "planned"])


def undrain(front, holder):
    for node in front.controllers.node_names:
        front.lab.check(node, ["galera-check", "undrain"])


def kill_writer(front, holder):
    machine.kill(front.lab, front.writer(), "mariadbd")


def cut_off(front, holder):
    """The node does not reach any controller; it still reaches clients and the other endpoint."""
    for node in front.controllers.node_names:
        front.lab.check(holder, ["ip", "route", "add", "blackhole", front.plan.address(node) + "/32"])


def reconnect(front, holder):
    for node in front.controllers.node_names:
        front.lab.check(holder, ["ip", "route", "del", "blackhole", front.plan.address(node) + "/32"])


def cleanup(front, holder):
    """Have Pacemaker start the failed HAProxy at once; otherwise it does so after failure-timeout."""
    if front.plan.vip_manager == "pacemaker":
        front.lab.check(front.fronts[0], ["crm_resource", "--cleanup", "--resource", "haproxy"])


BOTH = ("pacemaker", "keepalived")
CASES = (
    Case("an instance of the APIs is killed", BOTH, kill_instance, start_instance, False),
    Case("one service after the other is killed", ("real",), kill_one_by_one, through_holder=False),
    Case("an instance of the APIs hangs", BOTH, hang_instance, wake_instance, False),
    Case("HAProxy is reloaded", BOTH, reload_haproxy),
    Case("the VIPs are moved", BOTH, move, move_back),
    Case("the VIPs are handed over", BOTH, hand_over, move_back),
    Case("the node goes on standby, handed over", ("pacemaker",), standby, unstandby),
    Case("the database with the writes drains", BOTH, drain_writer, undrain, False),
    Case("the database with the writes is killed", BOTH, kill_writer, through_holder=False),
    Case("HAProxy is killed", BOTH, kill_haproxy, cleanup),
    Case("HAProxy hangs", BOTH, hang_haproxy, cleanup),
    Case("HAProxy has no backend left", ("keepalived",), cut_off, reconnect),
    Case("keepalived is killed", ("keepalived",), kill_keepalived),
    Case("the power of the node is cut", BOTH, power_cut, power_on),
)
