# SPDX-License-Identifier: Apache-2.0
"""Values of the right types to a Plan: what they mean together, with every default filled in.

Whoever finds something wrong notes it and goes on, so that an operator sees everything at once. What hangs on a value
that was refused already is not looked at: one mistake, one sentence.
"""

import ipaddress

from quorate.plan.facts import (
    COMPUTE, CONTROLLER, ENDPOINT, ENDPOINTS, INTERNAL, KEEPALIVED, PACEMAKER, ROLES, Network, Node, Plan, Service,
    Vip)
from quorate.plan.services import BALANCED, BY_NAME, KINDS, WRITER

# Words in the name of a parameter whose value nobody should find in a file that is shown around.
_SECRET = ("passw", "secret", "token")
_SECRET_FINE = ("_script", "_file")


HTTPS = 443


def redirects(service):
    """Whether a service that people reach with a browser is at port 443 where there is a certificate, its own port leading
    there."""
    return service.name == "dashboard" and service.port == 80 and service.tls


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


def plan_of(values, notes, meant=()):
    """The Plan, or None where something is wrong; `notes` (quorate.plan.parse.Notes) has it then. meant: tables that are
    only spelt wrongly."""
    head = values["plan"]
    for table in ("networks", "vips", "nodes", "services"):
        if not values[table] and table not in meant and not notes.under(table):
            notes.add((table,), "There is none.", "Describe at least one: [%s.%s]" % (
                table, "galera_cluster" if table == "services" else "NAME"))
    networks = _networks(values["networks"], notes)
    management = _management(head, networks, notes)
    vip_manager = head.get("vip_manager", PACEMAKER)
    vips = _vips(values["vips"], networks, vip_manager, notes)
    nodes = _nodes(values["nodes"], networks, management, notes)
    _addresses_once(vips, nodes, networks, notes)
    plan = Plan(head.get("name", ""), vip_manager, head.get("system", "debian"), head.get("pacemaker", "2.1"), management,
                networks, vips, nodes, ())
    if nodes and not notes.under("nodes"):
        _front(plan, notes)
    services = _services(values["services"], plan, head.get("balance", "source"), notes)
    if notes.problems:
        return None
    plan = plan._replace(services=services)
    _ports(plan, notes)
    return None if notes.problems else plan


def _networks(found, notes):
    networks = tuple(Network(name, entry["cidr"], entry.get("interface"))
                     for name, entry in sorted(found.items(), key=lambda pair: natural(pair[0])) if "cidr" in entry)
    for index, one in enumerate(networks):
        for other in networks[:index]:
            if ipaddress.ip_network(one.cidr).overlaps(ipaddress.ip_network(other.cidr)):
                notes.add(("networks", one.name, "cidr"), "%s overlaps with %s of the network %s." % (
                    one.cidr, other.cidr, other.name), "Two networks share no address; describe one network once.")
    return networks


def _management(head, networks, notes):
    names = [one.name for one in networks]
    if "management" in head:
        if head["management"] not in names and not notes.under("networks"):
            notes.add(("plan", "management"), "There is no network '%s'." % head["management"],
                      "Name one of: %s." % ", ".join(names))
        return head["management"] if head["management"] in names else None
    if "management" in names:
        return "management"
    if len(names) == 1:
        return names[0]
    if names and not notes.under("networks") and not notes.under("plan", "management"):
        notes.add(("plan", "management"), "There are %d networks, and none is called management." % len(names),
                  'Say on which one HAProxy reaches the services: management = "%s"' % names[0])
    return None


def _vips(found, networks, vip_manager, notes):
    whole = not notes.under("networks")
    vips = []
    for name, entry in found.items():
        path = ("vips", name)
        network = _network_of(path, entry, networks, notes) if whole and "address" in entry else None
        if network is None:
            continue
        router_id = None
        if vip_manager == KEEPALIVED:
            router_id = entry.get("router_id", ipaddress.ip_address(entry["address"]).packed[-1] or None)
            if router_id is None and not notes.under(*path, "router_id"):
                notes.add(path + ("router_id",), "The address ends in 0, which is no number for VRRP.",
                          "Write one from 1 to 255 that nobody else uses in that network: router_id = 51")
            if network.interface is None:
                notes.add(("networks", network.name, "interface"), "keepalived has to know the interface of the VIP %s."
                          % name, 'Write for example: interface = "eth0"')
        vips.append(Vip(name, entry["address"], network.name, entry.get("endpoints", ()), entry.get("tls"), router_id))
    if notes.under("vips") or not whole or not vips:
        return ()
    vips = _with_endpoints(vips, notes)
    _router_ids(vips, notes)
    return tuple(sorted(vips, key=lambda one: ([ENDPOINTS.index(each) for each in one.endpoints] or [9], natural(one.name))))


def _network_of(path, entry, networks, notes):
    """The Network of a VIP, or None after it was noted."""
    address = ipaddress.ip_address(entry["address"])
    if "network" in entry:
        network = next((one for one in networks if one.name == entry["network"]), None)
        if network is None:
            notes.add(path + ("network",), "There is no network '%s'." % entry["network"],
                      "Name one of: %s." % ", ".join(one.name for one in networks))
    else:
        network = next((one for one in networks if address in ipaddress.ip_network(one.cidr)), None)
        if network is None:
            notes.add(path + ("address",), "%s is in none of the networks %s." % (
                address, ", ".join("%s (%s)" % (one.name, one.cidr) for one in networks)), "Describe its network too.")
    if network is not None:
        _inside(path + ("address",), address, network, notes)
    return network


def _inside(path, address, network, notes):
    whole = ipaddress.ip_network(network.cidr)
    if address not in whole:
        notes.add(path, "%s is not in the network %s (%s)." % (address, network.name, network.cidr),
                  "Write an address of that network.")
    elif whole.num_addresses > 2 and address in (whole.network_address, whole.broadcast_address) and address.version == 4:
        notes.add(path, "%s is the first or last address of %s, which no host can have." % (address, network.cidr),
                  "Write one between them.")


def _with_endpoints(vips, notes):
    """Each endpoint at exactly one VIP: what an entry says, else the VIP of that name, else the one for internal."""
    names = {one.name for one in vips}
    claimed = {}
    for one in vips:
        for endpoint in one.endpoints:
            if endpoint in claimed:
                notes.add(("vips", one.name, "endpoints"), "%s is served by the VIP %s already." % (
                    endpoint, claimed[endpoint]), "Let one of the two serve it.")
            claimed.setdefault(endpoint, one.name)
    for endpoint in ENDPOINTS:
        if endpoint not in claimed and endpoint in names and not next(v for v in vips if v.name == endpoint).endpoints:
            claimed[endpoint] = endpoint
    if INTERNAL not in claimed and len(vips) == 1:
        claimed[INTERNAL] = vips[0].name
    if INTERNAL not in claimed:
        notes.add(("vips",), "No VIP serves the endpoint internal.", 'Write at one of them: endpoints = ["internal"]')
    else:
        for endpoint in ENDPOINTS:
            claimed.setdefault(endpoint, claimed[INTERNAL])
    result = [one._replace(endpoints=tuple(each for each in ENDPOINTS if claimed.get(each) == one.name)) for one in vips]
    for one in result:
        if not one.endpoints and not notes.under("vips"):
            notes.add(("vips", one.name, "endpoints"), "This VIP serves nobody.",
                      'Write for example: endpoints = ["public"]')
    return result


def _router_ids(vips, notes):
    seen = {}
    for one in sorted(vips, key=lambda vip: natural(vip.name)):
        if one.router_id is not None and (one.network, one.router_id) in seen:
            notes.add(("vips", one.name, "router_id"), "%d is the number of the VIP %s as well, in the same network." % (
                one.router_id, seen[one.network, one.router_id]), "Write another one: router_id = 51")
        seen.setdefault((one.network, one.router_id), one.name)


def _nodes(found, networks, management, notes):
    by_name = {one.name: one for one in networks}
    nodes = []
    for name, entry in sorted(found.items(), key=lambda pair: natural(pair[0])):
        path = ("nodes", name)
        for network, address in entry.get("addresses", {}).items():
            if network in by_name:
                _inside(path + ("addresses", network), ipaddress.ip_address(address), by_name[network], notes)
            elif not notes.under("networks"):
                notes.add(path + ("addresses", network), "There is no network '%s'." % network,
                          "Name one of: %s." % ", ".join(by_name))
        if management and "addresses" in entry and management not in entry["addresses"] and not notes.under(*path):
            notes.add(path + ("addresses",), "%s has no address in the management network %s." % (name, management),
                      'Write for example: addresses = { %s = "..." }' % management)
        _fence(path + ("fence",), entry.get("fence"), notes)
        nodes.append(Node(name, entry.get("roles", ()), entry.get("addresses", {}), entry.get("fence")))
    return tuple(nodes)


def _fence(path, fence, notes):
    if fence is None:
        return
    if "agent" not in fence:
        notes.add(path, "It is not said which agent does it.", 'Write for example: agent = "fence_ipmilan"')
    for name in sorted(fence):
        if any(word in name for word in _SECRET) and not name.endswith(_SECRET_FINE):
            notes.add(path + (name,), "A password does not belong into a file that is passed around.",
                      "Write %s_script = \"/etc/quorate/...\": a program on the nodes that prints it." % name)


def _addresses_once(vips, nodes, networks, notes):
    seen = {one.address: "the VIP %s" % one.name for one in vips}
    if len(seen) < len(vips):
        twice = sorted(vips, key=lambda vip: natural(vip.name))[-1]
        notes.add(("vips", twice.name, "address"), "Two VIPs have the address %s." % twice.address, "Give each its own.")
    for node in nodes:
        for network, address in sorted(node.addresses.items()):
            if address in seen:
                notes.add(("nodes", node.name, "addresses", network), "%s is the address of %s as well." % (
                    address, seen[address]), "Give each its own.")
            seen.setdefault(address, "the node %s" % node.name)


def _front(plan, notes):
    front = plan.front_nodes
    if not front:
        notes.add(("nodes",), "No node has the role controller or endpoint, so none can run HAProxy.",
                  'Write at one of them: roles = ["controller"]')
    for vip in plan.vips:
        for node in front:
            if vip.network not in node.addresses:
                notes.add(("nodes", node.name, "addresses"), "%s can carry the VIP %s and has no address in its network %s."
                          % (node.name, vip.name, vip.network), 'Add it: %s = "..."' % vip.network)
    if plan.vip_manager == KEEPALIVED and not plan.with_role(ENDPOINT):
        notes.add(("plan", "vip_manager"), "keepalived moves the VIPs between nodes with the role endpoint, and there is "
                  "none.", 'Give two nodes roles = ["endpoint"], or write vip_manager = "pacemaker".')
    if plan.vip_manager == KEEPALIVED:
        for node in plan.with_role(ENDPOINT):
            if CONTROLLER in node.roles:
                notes.add(("nodes", node.name, "roles"), "An endpoint with keepalived is outside the cluster, so it cannot "
                          "be a controller too.", 'Write roles = ["endpoint"], or vip_manager = "pacemaker" in [plan].')


def _services(found, plan, balance, notes):
    services = []
    for kind in KINDS:
        if kind.name in found:
            services.append(_service(kind, found[kind.name], plan, balance, notes))
    return tuple(services)


def _service(kind, entry, plan, balance, notes):
    path = ("services", kind.name)
    _useless(kind, entry, path, notes)
    for name in sorted(entry.get("options", {})):
        if any(word in name for word in _SECRET) and not name.endswith(_SECRET_FINE):
            notes.add(path + ("options", name), "A password does not belong into a file that is passed around.",
                      "Use the agent's own file of credentials on the nodes.")
    port = entry.get("port", kind.port)
    backend_port = entry.get("backend_port", port)
    return Service(
        kind.name, _placed(kind, entry, plan, path, notes), port, backend_port, entry.get("endpoints", kind.endpoints),
        entry.get("balance", balance) if kind.spread == BALANCED else None,
        entry.get("check_path", kind.check.path) if kind.check else None,
        kind.check.port if kind.check else None, entry.get("tls", True) and kind.mode == "http",
        entry.get("writer", "stick-table") if kind.spread == WRITER else None, entry.get("options", {}),
        entry.get("check_host"))


def _useless(kind, entry, path, notes):
    """Keys that this service does not have: accepted in silence they would promise something."""
    none = []
    if not kind.proxied:
        none += [(key, "It is not proxied.")
                 for key in ("backend_port", "endpoints", "balance", "check_path", "check_host", "tls")]
        if kind.port is None:
            none.append(("port", "Nobody connects to it."))
    if kind.proxied and kind.spread != BALANCED:
        none.append(("balance", "One node at a time serves all clients."))
    if kind.mode == "tcp":
        none.append(("check_host", "Its check looks at no name."))
        none.append(("tls", "HAProxy passes its bytes on as they are; the server itself speaks TLS."))
    if kind.spread != WRITER:
        none.append(("writer", "Only galera_cluster has one."))
    for key, why in none:
        if key in entry:
            notes.add(path + (key,), "%s has no %s. %s" % (kind.name, key, why), "Leave the key out.")


def _placed(kind, entry, plan, path, notes):
    if not plan.nodes or notes.under("nodes"):
        return ()
    if "placement" not in entry:
        nodes = plan.with_role(*kind.roles)
        if not nodes and not notes.under(*path):
            notes.add(path + ("placement",), "No node has the role %s." % " or ".join(kind.roles),
                      'Say where it runs: placement = ["%s"]' % plan.nodes[0].name)
        return tuple(one.name for one in nodes)
    names = {one.name: one for one in plan.nodes}
    found = []
    for index, place in enumerate(entry["placement"]):
        here = [place] if place in names else [one.name for one in plan.nodes if place in one.roles]
        if not here:
            notes.add(path + ("placement", index), "'%s' is no node%s." % (
                place, ", and no node has that role" if place in ROLES else " and no role"),
                "Name nodes or roles: %s." % ", ".join(sorted(names, key=natural)))
        found += [name for name in here if name not in found]
    for name in found:
        if set(names[name].roles) == {COMPUTE}:
            notes.add(path + ("placement",), "%s is a compute node, which is no member of the cluster." % name,
                      "Leave it out, or give it the role controller as well.")
    return tuple(found)


def _ports(plan, notes):
    """Two things on one address and port."""
    taken = {}
    for service in plan.services:
        kind = BY_NAME[service.name]
        mine = [("the VIP %s" % vip.name, service.port) for vip in (plan.vips_of(service) if kind.proxied else ())]
        if redirects(service):
            mine += [("the VIP %s" % vip.name, HTTPS) for vip in plan.vips_of(service) if vip.tls]
        for place, port in mine:
            if (place, port) in taken:
                notes.add(("services", service.name, "port"), "%s listens on port %d of %s already." % (
                    taken[place, port], port, place), "Give one of the two another port.")
            taken.setdefault((place, port), service.name)
    taken = {}
    for service in plan.services:
        if service.backend_port is None or notes.under("services", service.name, "port"):
            continue
        if service.name == "nova_novncproxy":
            continue  # it is what stands behind the listener nova_vncproxy
        for node in service.nodes:
            other = taken.setdefault((node, service.backend_port), service.name)
            if other != service.name and {other, service.name} != {"keystone_public", "keystone_admin"}:
                notes.add(("services", service.name, "backend_port"), "%s has port %d on node %s already." % (
                    other, service.backend_port, node), "Give one of the two another port.")
                break
