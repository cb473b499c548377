# SPDX-License-Identifier: Apache-2.0
"""What a Pacemaker cluster has to hold for a Plan: resources, constraints, properties, each with its reason.

quorate.plan.render.pcs writes it as commands, quorate.plan.diff compares a running cluster with it. Timeouts and
intervals of our own agents are those that they declare; of other agents, those that they advise or that a unit of
systemd needs.
"""

from collections import namedtuple

from quorate.galera.declaration import ACTIONS as GALERA
from quorate.openstack.declaration import ACTIONS as OPENSTACK
from quorate.plan import facts
from quorate.plan.advice import brokers
from quorate.rabbitmq.declaration import ACTIONS as RABBITMQ

STICKINESS = "100"          # of all resources: what runs stays where it is
ROLE_ATTRIBUTE = "role-%s"  # attribute of the nodes with a role, for rules
PLACEHOLDER = "FILL-IN"     # stands for a fence device that the plan does not have


class Operation(namedtuple("Operation", "name interval timeout role level", defaults=(None, None))):
    """An operation of a resource. interval (0: it does not recur) and timeout: whole seconds; level: check level."""
    __slots__ = ()


class Resource(namedtuple("Resource", "id agent parameters operations clone group nodes why meta", defaults=((),))):
    """A resource.

    agent        'ocf:quorate:galera', 'systemd:haproxy', 'stonith:fence_ipmilan'
    parameters   tuple of (name, value)
    clone        tuple of meta attributes of the clone (name, value), with promotable=true in front for a promotable
                 one; None: it is not cloned
    group        id of its group, or None
    nodes        tuple of names of the nodes that may run it
    why          tuple of sentences
    meta         tuple of its meta attributes, (name, value)
    """
    __slots__ = ()

    @property
    def top(self):
        """The id that constraints name: the clone's, the group's or its own."""
        return self.group or (self.id if self.clone is None else self.id + "-clone")


class Colocation(namedtuple("Colocation", "resource other why")):
    """`resource` runs only where `other` does."""
    __slots__ = ()


class Order(namedtuple("Order", "first_action first then_action then kind why")):
    """kind: 'Mandatory', or 'Optional': only where both happen anyway."""
    __slots__ = ()


class Location(namedtuple("Location", "resource role avoids prefers why")):
    """Where a resource may run: on nodes with `role`, or anywhere but on the nodes `avoids`; and which it prefers.

    role: or None; avoids: tuple of names; prefers: tuple of (node, score).
    """
    __slots__ = ()


class Wanted(namedtuple("Wanted", (
        "nodes attributes properties stickiness resources fencing unfenced colocations orders locations"))):
    """All that a cluster has to hold.

    nodes         names of the cluster's members
    attributes    tuple of (node, attribute): set to true
    properties    tuple of (name, value)
    resources     tuple of Resource; fencing: the fence devices, tuple of Resource, one for each node
    unfenced      names of nodes for which the plan has no fence device
    """
    __slots__ = ()


# Of agents that are not ours: what their own meta-data advise (resource-agents 4.12), or what a unit of systemd needs
# to stop.
_ADDRESS = (Operation("start", 0, 20), Operation("stop", 0, 20), Operation("monitor", 5, 20))
# Every client waits for HAProxy. When it was killed with SIGKILL, clients missed it for 10 to 12 s with a monitor every
# 10 s and a restart in place, for 4 to 6.6 s with a monitor every 2 s, and for 0.8 to 1.9 s where the address leaves at
# once (Pacemaker 2.1.5, two runs each on the lab, 2026-11-21).
_PROXY = (Operation("start", 0, 60), Operation("stop", 0, 100), Operation("monitor", 2, 20))
_LEAVE = (("failure-timeout", "60s"), ("migration-threshold", "1"))
_UNIT = (Operation("start", 0, 60), Operation("stop", 0, 100), Operation("monitor", 10, 20))
_FENCE = (Operation("monitor", 60, 60),)


def _declared(actions):
    """The Operations of a resource, from its agent's own declaration of actions."""
    return tuple(Operation(one.name, one.interval or 0, one.timeout, one.role, one.depth or None) for one in actions
                 if one.name in ("start", "stop", "promote", "demote", "monitor", "notify"))


_INTERLEAVE = (("interleave", "true"),)
# Services that run once in the whole cluster: (service of the plan, resource and its agent, group, reason).
_SINGLE = (
    ("cinder_volume", "cinder-volume", None,
     "One at a time: two instances with the same host= write to the same volumes."),
    ("heat_engine", "heat-engine", None, "One at a time, with its workers."),
    ("nova_consoleauth", "nova-consoleauth", "console", "It keeps the tokens in its memory, so there is only one."),
    ("nova_novncproxy", "nova-novncproxy", "console", "In one group with nova-consoleauth, where that is used."),
)


def wanted(plan):
    """The Wanted of a Plan."""
    nodes = tuple(one.name for one in plan.cluster_nodes)
    resources = tuple(_front(plan)) + tuple(_servers(plan, nodes)) + tuple(_singles(plan, nodes))
    fencing = tuple(_fence(one) for one in plan.cluster_nodes if one.fence)
    locations = tuple(_locations(plan, nodes, resources))
    roles = sorted({one.role for one in locations if one.role}, key=facts.ROLES.index)
    attributes = tuple((one.name, ROLE_ATTRIBUTE % role) for role in roles for one in plan.cluster_nodes
                       if role in one.roles)
    return Wanted(
        nodes=nodes, attributes=attributes, properties=(("stonith-enabled", "true"),), stickiness=STICKINESS,
        resources=resources, fencing=fencing,
        unfenced=tuple(one.name for one in plan.cluster_nodes if not one.fence),
        colocations=tuple(_colocations(resources)), orders=tuple(_orders(plan, resources)),
        locations=locations + tuple(Location(one.id, None, one.nodes, (), "A node does not fence itself.")
                                    for one in fencing))


# -- resources

def _front(plan):
    """HAProxy and the VIPs, where Pacemaker moves them."""
    if plan.vip_manager != facts.PACEMAKER:
        return
    nodes = tuple(one.name for one in plan.front_nodes)
    yield Resource("haproxy", "systemd:haproxy", (), _PROXY, _INTERLEAVE, None, nodes, (
        "HAProxy runs on all these nodes and binds the VIPs even where they are not (net.ipv4.ip_nonlocal_bind=1), so "
        "that a VIP that moves finds one that is ready.",
        "migration-threshold=1: when an HAProxy dies, its VIPs move at once to a node where one runs, which takes less "
        "time than a restart; after failure-timeout it is started again."), _LEAVE)
    for vip in plan.vips:
        network = plan.network(vip.network)
        parameters = [("ip", vip.address), ("cidr_netmask", str(network.prefix))]
        if network.interface:
            parameters.append(("nic", network.interface))
        yield Resource("vip-" + vip.name, "ocf:heartbeat:IPaddr2", tuple(parameters), _ADDRESS, None, None, nodes, (
            "Serves: %s." % (", ".join(vip.endpoints) or "no endpoint yet"),))


def _servers(plan, nodes):
    """What runs on several nodes at once."""
    galera = plan.service("galera_cluster")
    if galera is not None:
        own = dict({"wsrep_cluster_address": "gcomm://" + ",".join(galera.nodes)}, **galera.options)
        yield Resource("galera", "ocf:quorate:galera", _pairs(own), _declared(GALERA),
                       (("promotable", "true"), ("promoted-max", str(len(galera.nodes)))), None, galera.nodes, (
                           "Every node of the database cluster accepts writes, so all are promoted; HAProxy chooses "
                           "the one that clients write to.",))
    rabbitmq = plan.service("rabbitmq")
    if rabbitmq is not None:
        yield Resource("rabbitmq", "ocf:quorate:rabbitmq", _pairs(rabbitmq.options), _declared(RABBITMQ), _INTERLEAVE,
                       None, rabbitmq.nodes, ("Clients name all nodes in transport_url, so it needs no VIP.",) + tuple(
                           text for text in (brokers(rabbitmq.nodes),) if text))
    memcached = plan.service("memcached")
    if memcached is not None:
        yield Resource("memcached", "systemd:memcached", (), _UNIT, _INTERLEAVE, None, memcached.nodes, (
            "Each node has keys of its own, so clients name all nodes.",))
    web = [one for one in (plan.service(name) for name in ("keystone_public", "keystone_admin", "dashboard")) if one]
    if web:
        unit = "apache2" if plan.system == "debian" else "httpd"
        inside = {name for one in web for name in one.nodes}
        yield Resource("httpd", "systemd:" + unit, (), _UNIT, _INTERLEAVE, None, tuple(
            name for name in nodes if name in inside), (
                "Serves %s." % " and ".join(text for text, named in (
                    ("Keystone", any(one.name.startswith("keystone") for one in web)),
                    ("the dashboard", plan.service("dashboard") is not None)) if named),) + (
                        ("Debian starts Keystone as a service of its own, which has to be disabled; Apache needs a "
                         "site for it (docs/plan.md).",) if unit == "apache2" and any(
                             one.name.startswith("keystone") for one in web) else ()))


def _singles(plan, nodes):
    for name, resource, group, why in _SINGLE:
        service = plan.service(name)
        if service is not None:
            yield Resource(resource, "ocf:quorate:" + resource, _pairs(service.options), _declared(OPENSTACK), None,
                           group, service.nodes, (why,))


def _pairs(parameters):
    return tuple(sorted(parameters.items()))


def _fence(node):
    """The fence device of one node."""
    own = {name: value for name, value in node.fence.items() if name != "agent"}
    own.setdefault("pcmk_host_list", node.name)
    own.setdefault("pcmk_host_check", "static-list")
    return Resource("fence-" + node.name, "stonith:" + node.fence["agent"], _pairs(own), _FENCE, None, None,
                    (node.name,), ())


# -- constraints

def _colocations(resources):
    for one in resources:
        if one.id.startswith("vip-"):
            yield Colocation(one.id, "haproxy-clone", "A VIP is of no use without a running HAProxy.")


def _orders(plan, resources):
    tops = {one.id: one.top for one in resources}
    for one in resources:
        if one.id.startswith("vip-"):
            yield Order("start", "haproxy-clone", "start", one.id, "Optional", (
                "HAProxy listens before the VIP comes. Optional, because an HAProxy that ends on another node does not "
                "concern the VIP; where the VIP is, the colocation moves it."))
    # A server that is lost must not take its clients with it: they reconnect by themselves.
    clients_of = (("galera", "promote", ("httpd", "cinder-volume", "heat-engine", "console")),
                  ("rabbitmq", "start", ("cinder-volume", "heat-engine", "console")),
                  ("memcached", "start", ("httpd", "console")))
    present = set(tops.values()) | set(tops)
    for server, action, clients in clients_of:
        for client in clients:
            if server in tops and client in present:
                yield Order(action, tops[server], "start", tops.get(client, client), "Optional", (
                    "What uses %s is started after it. Optional: what uses it reconnects by itself, so a later loss of "
                    "it restarts nothing." % server))


def _locations(plan, nodes, resources):
    """One for each resource that may not run everywhere, or that prefers some nodes."""
    seen = set()
    for one in resources:
        if one.top in seen:
            continue
        seen.add(one.top)
        together = [other for other in resources if other.top == one.top]
        may = [name for name in nodes if all(name in other.nodes for other in together)]
        avoids = tuple(name for name in nodes if name not in may)
        role = next((role for role in facts.ROLES if avoids and
                     [node.name for node in plan.cluster_nodes if role in node.roles] == may), None)
        usual = [name for name in nodes if name in one.nodes]
        ordered = one.nodes if one.clone is None and list(one.nodes) != usual else ()
        prefers = tuple((name, str(10 * (len(ordered) - place))) for place, name in enumerate(ordered))
        if role:
            yield Location(one.top, role, (), prefers, "Runs on the nodes with the role %s; the others need not have "
                           "it installed, and are not probed for it." % role)
        elif avoids or prefers:
            yield Location(one.top, None, avoids, prefers, "By its placement in the plan.")
