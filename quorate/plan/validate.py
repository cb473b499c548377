# SPDX-License-Identifier: Apache-2.0
"""Values of the right types to a Plan: what they mean together, with every default filled in.

A function that finds something wrong adds it to `problems` (quorate.plan.problems.Problems) and goes on, so that an
operator sees all mistakes at once. What depends on a value that was refused is not examined: one mistake, one sentence.
"""

import ipaddress

from quorate.plan.facts import (
    CONTROLLER, ENDPOINT, ENDPOINTS, INTERNAL, KEEPALIVED, PACEMAKER, Network, Node, Plan, Vip, natural)
from quorate.plan.validate_services import check_ports, find_services


def plan_of(values, problems, meant=()):
    """The Plan, or None where something is wrong, which `problems` holds then. values: dict table -> its values; meant:
    names of tables that are only spelt wrongly."""
    head = values["plan"]
    for table in ("networks", "vips", "nodes", "services"):
        if not values[table] and table not in meant and not problems.under(table):
            problems.add((table,), "None is described.", "Describe at least one: [%s.%s]" % (
                table, "galera_cluster" if table == "services" else "NAME"))
    networks = _networks(values["networks"], problems)
    management = _management(head, networks, problems)
    vip_manager = head.get("vip_manager", PACEMAKER)
    vips = _vips(values["vips"], networks, vip_manager, problems)
    nodes = _nodes(values["nodes"], networks, management, problems)
    _addresses_once(vips, nodes, networks, problems)
    plan = Plan(name=head.get("name", ""), vip_manager=vip_manager, system=head.get("system", "debian"),
                pacemaker=head.get("pacemaker", "2.1"), management=management, networks=networks, vips=vips,
                nodes=nodes, services=())
    if nodes and not problems.under("nodes"):
        _front(plan, problems)
    services = find_services(values["services"], plan, head.get("balance", "source"), problems)
    if problems.found:
        return None
    plan = plan._replace(services=services)
    check_ports(plan, problems)
    return None if problems.found else plan


def _networks(found, problems):
    networks = tuple(Network(name, entry["cidr"], entry.get("interface"))
                     for name, entry in sorted(found.items(), key=lambda pair: natural(pair[0])) if "cidr" in entry)
    for index, one in enumerate(networks):
        for other in networks[:index]:
            if ipaddress.ip_network(one.cidr).overlaps(ipaddress.ip_network(other.cidr)):
                problems.add(("networks", one.name, "cidr"), "%s overlaps with %s of the network %s." % (
                    one.cidr, other.cidr, other.name), "Networks may not share addresses; describe each network once.")
    return networks


def _management(head, networks, problems):
    names = [one.name for one in networks]
    if "management" in head:
        if head["management"] not in names and not problems.under("networks"):
            problems.add(("plan", "management"), "There is no network '%s'." % head["management"],
                         "Name one of: %s." % ", ".join(names))
        return head["management"] if head["management"] in names else None
    if "management" in names:
        return "management"
    if len(names) == 1:
        return names[0]
    if names and not problems.under("networks") and not problems.under("plan", "management"):
        problems.add(("plan", "management"), "There are %d networks, and none is called management." % len(names),
                     'Write on which one HAProxy reaches the services: management = "%s"' % names[0])
    return None


def _vips(found, networks, vip_manager, problems):
    whole = not problems.under("networks")
    vips = []
    for name, entry in found.items():
        path = ("vips", name)
        network = _network_of(path, entry, networks, problems) if whole and "address" in entry else None
        if network is None:
            continue
        router_id = None
        if vip_manager == KEEPALIVED:
            router_id = entry.get("router_id", ipaddress.ip_address(entry["address"]).packed[-1] or None)
            if router_id is None and not problems.under(*path, "router_id"):
                problems.add(path + ("router_id",), "The address ends in 0, which is not a valid router_id of VRRP.",
                             "Write a number from 1 to 255 that is not used in that network: router_id = 51")
            if network.interface is None:
                problems.add(("networks", network.name, "interface"), "keepalived needs the interface of the VIP %s."
                             % name, 'Write for example: interface = "eth0"')
        vips.append(Vip(name, entry["address"], network.name, entry.get("endpoints", ()), entry.get("tls"), router_id))
    if problems.under("vips") or not whole or not vips:
        return ()
    vips = _with_endpoints(vips, problems)
    _router_ids(vips, problems)
    return tuple(sorted(vips, key=lambda one: ([ENDPOINTS.index(each) for each in one.endpoints] or [9],
                                               natural(one.name))))


def _network_of(path, entry, networks, problems):
    """The Network of a VIP, or None after a problem was added."""
    address = ipaddress.ip_address(entry["address"])
    if "network" in entry:
        network = next((one for one in networks if one.name == entry["network"]), None)
        if network is None:
            problems.add(path + ("network",), "There is no network '%s'." % entry["network"],
                         "Name one of: %s." % ", ".join(one.name for one in networks))
    else:
        network = next((one for one in networks if address in ipaddress.ip_network(one.cidr)), None)
        if network is None:
            problems.add(path + ("address",), "%s is in none of the networks %s." % (
                address, ", ".join("%s (%s)" % (one.name, one.cidr) for one in networks)), "Describe its network, too.")
    if network is not None:
        _inside(path + ("address",), address, network, problems)
    return network


def _inside(path, address, network, problems):
    whole = ipaddress.ip_network(network.cidr)
    if address not in whole:
        problems.add(path, "%s is not in the network %s (%s)." % (address, network.name, network.cidr),
                     "Write an address of that network.")
    elif address.version == 4 and whole.num_addresses > 2 and address in (
            whole.network_address, whole.broadcast_address):
        problems.add(path, "%s is the first or last address of %s, which a host cannot have." % (address, network.cidr),
                     "Write an address between them.")


def _with_endpoints(vips, problems):
    """The VIPs with each endpoint at exactly one: by the plan, else the VIP of that name, else that of internal."""
    names = {one.name for one in vips}
    claimed = {}
    for one in vips:
        for endpoint in one.endpoints:
            if endpoint in claimed:
                problems.add(("vips", one.name, "endpoints"), "%s is already served by the VIP %s." % (
                    endpoint, claimed[endpoint]), "Write it at one of the two.")
            claimed.setdefault(endpoint, one.name)
    for endpoint in ENDPOINTS:
        if endpoint not in claimed and endpoint in names and not next(v for v in vips if v.name == endpoint).endpoints:
            claimed[endpoint] = endpoint
    if INTERNAL not in claimed and len(vips) == 1:
        claimed[INTERNAL] = vips[0].name
    if INTERNAL not in claimed:
        problems.add(("vips",), "No VIP serves the endpoint internal.",
                     'Write at one of them: endpoints = ["internal"]')
    else:
        for endpoint in ENDPOINTS:
            claimed.setdefault(endpoint, claimed[INTERNAL])
    result = [one._replace(endpoints=tuple(each for each in ENDPOINTS if claimed.get(each) == one.name))
              for one in vips]
    for one in result:
        if not one.endpoints and not problems.under("vips"):
            problems.add(("vips", one.name, "endpoints"), "This VIP serves no endpoint.",
                         'Write for example: endpoints = ["public"]')
    return result


def _router_ids(vips, problems):
    seen = {}
    for one in sorted(vips, key=lambda vip: natural(vip.name)):
        if one.router_id is not None and (one.network, one.router_id) in seen:
            problems.add(("vips", one.name, "router_id"),
                         "%d is also the router_id of the VIP %s, in the same network." % (
                             one.router_id, seen[one.network, one.router_id]), "Write another number: router_id = 51")
        seen.setdefault((one.network, one.router_id), one.name)


def _nodes(found, networks, management, problems):
    by_name = {one.name: one for one in networks}
    nodes = []
    for name, entry in sorted(found.items(), key=lambda pair: natural(pair[0])):
        path = ("nodes", name)
        for network, address in entry.get("addresses", {}).items():
            if network in by_name:
                _inside(path + ("addresses", network), ipaddress.ip_address(address), by_name[network], problems)
            elif not problems.under("networks"):
                problems.add(path + ("addresses", network), "There is no network '%s'." % network,
                             "Name one of: %s." % ", ".join(by_name))
        if management and "addresses" in entry and management not in entry["addresses"] and not problems.under(*path):
            problems.add(path + ("addresses",), "%s has no address in the management network %s." % (name, management),
                         'Write for example: addresses = { %s = "..." }' % management)
        _fence(path + ("fence",), entry.get("fence"), problems)
        nodes.append(Node(name, entry.get("roles", ()), entry.get("addresses", {}), entry.get("fence")))
    return tuple(nodes)


def _fence(path, fence, problems):
    if fence is None:
        return
    if "agent" not in fence:
        problems.add(path, "The fence agent is not named.", 'Write for example: agent = "fence_ipmilan"')
    problems.add_secrets(path, fence,
                         "Write %(name)s_script = \"/etc/quorate/...\": a program on the nodes that prints it.")


def _addresses_once(vips, nodes, networks, problems):
    seen = {one.address: "the VIP %s" % one.name for one in vips}
    if len(seen) < len(vips):
        twice = sorted(vips, key=lambda vip: natural(vip.name))[-1]
        problems.add(("vips", twice.name, "address"), "Two VIPs have the address %s." % twice.address,
                     "Give each its own.")
    for node in nodes:
        for network, address in sorted(node.addresses.items()):
            if address in seen:
                problems.add(("nodes", node.name, "addresses", network), "%s is also the address of %s." % (
                    address, seen[address]), "Give each its own.")
            seen.setdefault(address, "the node %s" % node.name)


def _front(plan, problems):
    front = plan.front_nodes
    if not front:
        problems.add(("nodes",), "No node has the role controller or endpoint, so none can run HAProxy.",
                     'Write at one of them: roles = ["controller"]')
    for vip in plan.vips:
        for node in front:
            if vip.network not in node.addresses:
                problems.add(("nodes", node.name, "addresses"),
                             "%s can carry the VIP %s, but has no address in its network %s."
                             % (node.name, vip.name, vip.network), 'Add it: %s = "..."' % vip.network)
    if plan.vip_manager == KEEPALIVED and not plan.with_role(ENDPOINT):
        problems.add(("plan", "vip_manager"),
                     "keepalived moves the VIPs between nodes with the role endpoint, and there is none.",
                     'Give two nodes roles = ["endpoint"], or write vip_manager = "pacemaker".')
    if plan.vip_manager == KEEPALIVED:
        for node in plan.with_role(ENDPOINT):
            if CONTROLLER in node.roles:
                problems.add(("nodes", node.name, "roles"),
                             "An endpoint with keepalived is not in the cluster, so it cannot be a controller too.",
                             'Write roles = ["endpoint"], or vip_manager = "pacemaker" in [plan].')
