# SPDX-License-Identifier: Apache-2.0
"""A plan as values: what the operator wrote, checked, with every default filled in and in an order of its own.

quorate.plan.parse makes them. Nothing here has to be parsed again: addresses are written the way `ipaddress` writes
them, node names are in natural order (n2 before n10), services in the order of quorate.plan.services. So the same plan
has the same values however its tables were ordered.
"""

from collections import namedtuple

# What moves the VIPs.
PACEMAKER, KEEPALIVED = "pacemaker", "keepalived"
# What a node can be used for.
CONTROLLER, ENDPOINT, DATABASE, MESSAGING, COMPUTE = ROLES = (
    "controller", "endpoint", "database", "messaging", "compute")
# What a VIP can serve, in the terms of Keystone's catalogue.
INTERNAL, PUBLIC, ADMIN = ENDPOINTS = ("internal", "public", "admin")
HTTPS = 443  # the port


class Network(namedtuple("Network", "name cidr interface", defaults=(None,))):
    """cidr: text, as '192.0.2.0/24'; interface: the one that all nodes have there, or None: not given."""
    __slots__ = ()

    @property
    def prefix(self):
        """The length of the netmask, int."""
        return int(self.cidr.partition("/")[2])


class Vip(namedtuple("Vip", "name address network endpoints tls router_id", defaults=(None, None))):
    """A virtual address.

    network:   name of its Network
    endpoints: tuple of the ENDPOINTS that it serves, in that order; each is served by exactly one VIP
    tls:       path of the certificate with its key (PEM) where HAProxy ends TLS, or None: clear text
    router_id: VRRP's number of it, 1 to 255; None where keepalived does not move it
    """
    __slots__ = ()


class Node(namedtuple("Node", "name roles addresses fence", defaults=(None,))):
    """A machine.

    name:      as `uname -n` and Pacemaker have it
    roles:     tuple of the ROLES that it has, in that order
    addresses: dict, name of a network -> its address there
    fence:     None, or dict: 'agent' and that agent's parameters, all text; never a password
    """
    __slots__ = ()


class Service(namedtuple("Service", (
        "name nodes port backend_port endpoints balance check_path check_port tls writer options check_host"),
        defaults=((), None, None, (), None, None, None, True, None, {}, None))):
    """A service of quorate.plan.services that this control plane has.

    nodes:        tuple of the names of the nodes that run it, in the order of preference
    port:         where clients connect: at the VIP, or on the nodes if it is not proxied
    backend_port: where HAProxy connects on the nodes; the same for a service that is not proxied
    endpoints:    tuple of the ENDPOINTS for which it is bound; () for a service that is not proxied
    balance:      'source' or 'roundrobin' where the operator has a choice, else None
    check_path:   what HAProxy asks for, or None where nothing is asked
    check_port:   the port of the check where that is another one than backend_port, else None
    tls:          whether TLS ends at HAProxy where the VIP has a certificate
    writer:       'stick-table' or 'backups' for the database, else None
    options:      dict, parameters of its resource agent, all text
    check_host:   the name of the host that HAProxy gives when it asks, or None: the address of the VIP
    """
    __slots__ = ()

    @property
    def redirects(self):
        """Whether browsers use it: where there is a certificate it is at HTTPS, and its own port redirects there."""
        return self.name == "dashboard" and self.port == 80 and self.tls


class Plan(namedtuple("Plan", "name vip_manager system pacemaker management networks vips nodes services")):
    """A control plane.

    name:        of the cluster
    vip_manager: PACEMAKER or KEEPALIVED
    system:      'debian' or 'redhat': whose names of units and paths are used
    pacemaker:   '2.1' or '3.0'
    management:  name of the network on which HAProxy reaches the services, and corosync its members
    networks, vips, nodes, services: tuples of Network, Vip, Node, Service
    """
    __slots__ = ()

    def network(self, name):
        """The Network of that name."""
        return _named(self.networks, name)

    def vip(self, name):
        """The Vip of that name."""
        return _named(self.vips, name)

    def node(self, name):
        """The Node of that name."""
        return _named(self.nodes, name)

    def service(self, name):
        """The Service of that name, or None: this control plane has none."""
        return next((one for one in self.services if one.name == name), None)

    def vips_of(self, service):
        """The Vips at which a Service is bound, each once, in the order of `vips`."""
        return tuple(one for one in self.vips if set(one.endpoints) & set(service.endpoints))

    def with_role(self, *roles):
        """The nodes that have the first of `roles` that any node has; () if nobody has one."""
        for role in roles:
            found = tuple(one for one in self.nodes if role in one.roles)
            if found:
                return found
        return ()

    @property
    def front_nodes(self):
        """The nodes with HAProxy, which can carry the VIPs: the endpoints, else the controllers."""
        return self.with_role(ENDPOINT, CONTROLLER)

    @property
    def cluster_nodes(self):
        """The members of the Pacemaker cluster: all nodes but pure compute nodes and pure endpoints of keepalived."""
        outside = {COMPUTE} | ({ENDPOINT} if self.vip_manager == KEEPALIVED else set())
        return tuple(one for one in self.nodes if set(one.roles) - outside)

    def address(self, node):
        """The address on the management network of the node of that name."""
        return self.node(node).addresses[self.management]


def _named(values, name):
    return next(one for one in values if one.name == name)


class Problem(namedtuple("Problem", "line key text remedy")):
    """Something that is wrong with a plan.

    line: int from 1; None: the file as a whole. key: dotted, as in the file. text, what is wrong, and remedy, what to
    write, are sentences.
    """
    __slots__ = ()

    def sentence(self, path):
        """`path:line: key: What is wrong. What to write.`"""
        where = path if self.line is None else "%s:%d" % (path, self.line)
        return ": ".join(part for part in (where, self.key, "%s %s" % (self.text, self.remedy)) if part).rstrip()


def natural(name):
    """A key for sorting in which n2 comes before n10."""
    parts, digits = [], ""
    for character in name + "\0":
        if character.isdigit() and character.isascii():
            digits += character
            continue
        if digits:
            parts.append((1, int(digits), digits))
            digits = ""
        parts.append((0, 0, character))
    return parts


def is_secret(name):
    """Whether a parameter of this name holds a password, secret or token, which a plan may not hold."""
    return any(word in name.lower() for word in ("passw", "secret", "token"))
