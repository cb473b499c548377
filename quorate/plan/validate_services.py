# SPDX-License-Identifier: Apache-2.0
"""The part of quorate.plan.validate about services: where they run, which keys they take, and which ports."""

from quorate.plan.facts import COMPUTE, HTTPS, ROLES, Service, natural
from quorate.plan.services import BALANCED, BY_NAME, KINDS, WRITER


def find_services(found, plan, balance, problems):
    """The Services of the table `found`, in the order of KINDS."""
    return tuple(_service(kind, found[kind.name], plan, balance, problems) for kind in KINDS if kind.name in found)


def _service(kind, entry, plan, balance, problems):
    path = ("services", kind.name)
    _useless(kind, entry, path, problems)
    problems.add_secrets(path + ("options",), entry.get("options", {}),
                         "Use the agent's own file of credentials on the nodes.")
    port = entry.get("port", kind.port)
    backend_port = entry.get("backend_port", port)
    return Service(
        name=kind.name, nodes=_placed(kind, entry, plan, path, problems), port=port, backend_port=backend_port,
        endpoints=entry.get("endpoints", kind.endpoints),
        balance=entry.get("balance", balance) if kind.spread == BALANCED else None,
        check_path=entry.get("check_path", kind.check.path) if kind.check else None,
        check_port=kind.check.port if kind.check else None, tls=entry.get("tls", True) and kind.mode == "http",
        writer=entry.get("writer", "stick-table") if kind.spread == WRITER else None,
        options=entry.get("options", {}), check_host=entry.get("check_host"))


def _useless(kind, entry, path, problems):
    """Refuse keys that this service does not have: an operator would expect an effect."""
    none = []
    if not kind.proxied:
        none += [(key, "It is not proxied.")
                 for key in ("backend_port", "endpoints", "balance", "check_path", "check_host", "tls")]
        if kind.port is None:
            none.append(("port", "Nothing connects to it."))
    if kind.proxied and kind.spread != BALANCED:
        none.append(("balance", "One node at a time serves all clients."))
    if kind.mode == "tcp":
        none.append(("check_host", "Its check does not use the name of a host."))
        none.append(("tls", "HAProxy forwards its connections unchanged; TLS ends at the server itself."))
    if kind.spread != WRITER:
        none.append(("writer", "Only galera_cluster has one."))
    for key, why in none:
        if key in entry:
            problems.add(path + (key,), "%s has no %s. %s" % (kind.name, key, why), "Leave the key out.")


def _placed(kind, entry, plan, path, problems):
    if not plan.nodes or problems.under("nodes"):
        return ()
    if "placement" not in entry:
        nodes = plan.with_role(*kind.roles)
        if not nodes and not problems.under(*path):
            problems.add(path + ("placement",), "No node has the role %s." % " or ".join(kind.roles),
                         'Write where it runs: placement = ["%s"]' % plan.nodes[0].name)
        return tuple(one.name for one in nodes)
    names = {one.name: one for one in plan.nodes}
    found = []
    for index, place in enumerate(entry["placement"]):
        here = [place] if place in names else [one.name for one in plan.nodes if place in one.roles]
        if not here:
            problems.add(path + ("placement", index), (
                "'%s' is not a node, and no node has that role." if place in ROLES
                else "'%s' is neither a node nor a role.") % place,
                "Name nodes or roles: %s." % ", ".join(sorted(names, key=natural)))
        found += [name for name in here if name not in found]
    for name in found:
        if set(names[name].roles) == {COMPUTE}:
            problems.add(path + ("placement",), "%s is a compute node, which is not a member of the cluster." % name,
                         "Leave it out, or give it the role controller as well.")
    return tuple(found)


def check_ports(plan, problems):
    """Add a problem where two services want the same address and port."""
    taken = {}
    for service in plan.services:
        kind = BY_NAME[service.name]
        mine = [("the VIP %s" % vip.name, service.port) for vip in (plan.vips_of(service) if kind.proxied else ())]
        if service.redirects:
            mine += [("the VIP %s" % vip.name, HTTPS) for vip in plan.vips_of(service) if vip.tls]
        for place, port in mine:
            if (place, port) in taken:
                problems.add(("services", service.name, "port"), "%s already listens on port %d of %s." % (
                    taken[place, port], port, place), "Give one of the two another port.")
            taken.setdefault((place, port), service.name)
    taken = {}
    for service in plan.services:
        if service.backend_port is None or problems.under("services", service.name, "port"):
            continue
        if service.name == "nova_novncproxy":
            continue  # it serves the listener nova_vncproxy, at the same port
        for node in service.nodes:
            other = taken.setdefault((node, service.backend_port), service.name)
            if other != service.name and {other, service.name} != {"keystone_public", "keystone_admin"}:
                problems.add(("services", service.name, "backend_port"), "%s already has port %d on node %s." % (
                    other, service.backend_port, node), "Give one of the two another port.")
                break
