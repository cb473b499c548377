# SPDX-License-Identifier: Apache-2.0
"""Host to facts: asks the cluster, its configuration and this node's HAProxy. Changes nothing."""

import os

from quorate.haproxy import parse
from quorate.haproxy.observe import SOCKETS, Stats
from quorate.haproxy.parse import STATISTICS
from quorate.pacemaker import crm_mon
from quorate.pacemaker.crm_mon import Garbled
from quorate.pacemaker.tools import Unavailable, ask
from quorate.status.facts import Configured, Proxy, Observation, Server
from quorate.status.summary import ADDRESSES


def observe(commands, deadline, proxies=None, drained=None, explain=None):
    """Seen. Raises Unavailable when the cluster itself cannot be asked; what else cannot be is a sentence in `gaps`.

    proxies: function that gives a tuple of Proxy, None where there is no HAProxy; may raise Unavailable.
    drained: function that gives the reason of a drain or None. explain: function(cluster, configured) that gives
    Explanations; may raise Unavailable.
    """
    gaps = []

    def tried(function, *arguments):
        try:
            return function(*arguments)
        except Unavailable as trouble:
            gaps.append(trouble.reason)
            return None

    cluster = _cluster(commands, deadline)
    configured = tried(_configured, commands, deadline, cluster)
    node = tried(_own_name, commands, deadline)
    seen_proxies = tried(proxies) if proxies is not None else None
    explanations = tried(explain, cluster) if explain is not None else None
    return Observation(node, cluster, configured, seen_proxies, None if drained is None else drained(), explanations or (),
                tuple(gaps))


def _cluster(commands, deadline):
    try:
        return crm_mon.cluster(ask(commands, deadline, ("crm_mon", "--output-as=xml")).out)
    except crm_mon.Garbled as trouble:
        raise Unavailable("%s; is its Pacemaker older than 2.1?" % trouble) from None


def _own_name(commands, deadline):
    from quorate.pacemaker.tools import local_node
    return local_node(commands, deadline)


def _configured(commands, deadline, cluster):
    text = ask(commands, deadline, ("cibadmin", "-Q", "-o", "configuration")).out
    return configured(text, [node.name for node in cluster.nodes])


def configured(text, nodes):
    """The Configured in the configuration section of the CIB. Raises Unavailable when it is something else."""
    from xml.etree import ElementTree

    from quorate.pacemaker.cib import parse_resources
    from quorate.pacemaker.placement import Placement
    resources = parse_resources(text)
    root = ElementTree.fromstring(text)
    placement = Placement(root)
    names = [one.get("value") for one in root.findall(".//crm_config/cluster_property_set/nvpair")
             if one.get("name") == "cluster-name"]
    return Configured(
        crm_mon.plain(names[0]) if names else None,
        {one.id: crm_mon.plain(one.parameters["ip"]) for one in resources
         if one.agent in ADDRESSES and one.parameters.get("ip")},
        {one.id: _count(one, "clone-max") for one in resources},
        {one.id: _count(one, "promoted-max", "master-max") or 1 for one in resources},
        {(one.id, node): placement.allowed((one.id, one.parent), node) for one in resources for node in nodes})


def _count(resource, *names):
    for name in names:
        text = resource.parent_meta.get(name, "")
        if text.isascii() and text.isdigit():
            return int(text)
    return None


def proxies(paths=SOCKETS, seconds=2.0):
    """What HAProxy on this node says of its backends, tuple of Proxy; None: none runs here. Raises Unavailable."""
    path = next((one for one in paths if os.path.exists(one)), None)
    if path is None:
        return None
    try:
        return parse_proxies(Stats(path).ask(STATISTICS, seconds))
    except ConnectionRefusedError:
        return None  # the socket of one that has ended
    except PermissionError:
        raise Unavailable("HAProxy's stats socket %s is not yours to ask; ask as root." % path) from None
    except (OSError, crm_mon.Garbled) as trouble:
        raise Unavailable("HAProxy on this node does not answer on %s (%s); see 'systemctl status haproxy'." % (
            path, trouble)) from None


def parse_proxies(text):
    """The backends in HAProxy's answer to `show stat`, a tuple of Proxy: those with servers, and none of the frontends.

    Raises Garbled.
    """
    found = {}
    try:
        for line in parse.lines(text):
            if line.name == "FRONTEND":
                continue
            proxy = found.setdefault(crm_mon.plain(line.proxy) or "", [None, []])
            if line.name == "BACKEND":
                proxy[0] = crm_mon.plain(line.status)
            else:
                proxy[1].append(Server(crm_mon.plain(line.name) or "", crm_mon.plain(line.status) or "", line.backup))
    except ValueError as trouble:
        raise Garbled(str(trouble)) from None
    return tuple(Proxy(name, status or "", tuple(servers)) for name, (status, servers) in found.items() if servers)
