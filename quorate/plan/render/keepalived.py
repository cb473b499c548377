# SPDX-License-Identifier: Apache-2.0
"""keepalived.conf of one endpoint node from a plan: the VIPs without Pacemaker. For keepalived 2.0 and later.

Which node has a VIP, in VRRP's terms: all nodes have the same priority, and one whose HAProxy does not serve has a
lower one. A node of *equal* priority never preempts (RFC 5798, 6.4.2), so nothing moves back when a node returns; one
of lower priority is preempted at once; and where no HAProxy serves, the VIP stays where it is, so that clients get an
answer that says so.
"""

import ipaddress

from quorate.plan.facts import KEEPALIVED
from quorate.plan.render.comments import comment, why
from quorate.plan.render.haproxy import SOCKETS

CHECK = "/usr/bin/haproxy-check"
PRIORITY, PENALTY = 100, 50


def render(plan, node):
    """The text for the node of that name. Raises ValueError, with a sentence, where keepalived has nothing to do."""
    if plan.vip_manager != KEEPALIVED:
        raise ValueError("Pacemaker moves the VIPs of this plan; keepalived is used with vip_manager = \"keepalived\".")
    front = [one.name for one in plan.front_nodes]
    if node not in front:
        raise ValueError("%s is not an endpoint, so it carries no VIP; the endpoints are: %s." % (
            node, ", ".join(front)))
    blocks = [_head(plan, node), _global(node, plan), _script(plan)] + [_instance(plan, vip, node) for vip in plan.vips]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _head(plan, node):
    return ["# /etc/keepalived/keepalived.conf of %s, an endpoint of the control plane %s." % (node, plan.name),
            "# Made by `quorate plan keepalived`: change the plan and make it anew.",
            "# Check it with: keepalived -t -f FILE", "#"] + comment(
                "All nodes have the same priority; one whose HAProxy does not serve has %d less and loses the VIP at "
                "once. Nodes with the same priority never take it from each other, so nothing moves back when a node "
                "returns. Where no HAProxy serves, the VIP stays, so that clients get an error instead of no answer."
                % PENALTY)


def _global(node, plan):
    return ["global_defs {", "    router_id " + node] + why(
        "The check reads HAProxy's command socket, which belongs to root. Scripts that others can write to are not "
        "run.") + [
        "    script_user root", "    enable_script_security", "    vrrp_version 3"] + why(
        "The address is announced again, for switches and hosts that missed that it moved.") + [
        "    vrrp_garp_master_refresh 30", "}"]


def _script(plan):
    socket = "" if plan.system == "debian" else " --socket " + SOCKETS[plan.system]
    return ["# Fails where HAProxy has ended, hangs, or has no backend left.", "vrrp_script haproxy {",
            "    script \"%s%s\"" % (CHECK, socket), "    interval 1", "    timeout 2", "    fall 2", "    rise 2",
            "    weight -%d" % PENALTY, "}"]


def _instance(plan, vip, node):
    network = plan.network(vip.network)
    others = [one.addresses[vip.network] for one in plan.front_nodes if one.name != node]
    lines = ["# For %s" % ", ".join(vip.endpoints), "vrrp_instance %s {" % vip.name] + why(
        "All begin as BACKUP: a node that starts takes no VIP away from another.") + [
        "    state BACKUP", "    interface " + network.interface, "    virtual_router_id %d" % vip.router_id,
        "    priority %d" % PRIORITY] + why(
        "A node counts as lost when a little more than three of these are missing: a busy machine is not taken for a "
        "dead one.") + [
        "    advert_int 0.5"] + why("Unicast, because many networks carry no multicast.") + [
        "    unicast_src_ip " + plan.node(node).addresses[vip.network], "    unicast_peer {"]
    lines += ["        " + address for address in others]
    lines += ["    }", "    virtual_ipaddress {",
              "        %s/%d dev %s" % (vip.address, _prefix(vip, network), network.interface), "    }",
              "    track_script {", "        haproxy", "    }", "}"]
    return lines


def _prefix(vip, network):
    """The network's for IPv4: with a host's, a node without another address there could not answer."""
    return network.prefix if ipaddress.ip_address(vip.address).version == 4 else 128
