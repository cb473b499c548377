# SPDX-License-Identifier: Apache-2.0
"""Asks the cluster, its configuration and this node's HAProxy for what the screen shows. Changes nothing."""

import os

from quorate.haproxy import parse
from quorate.haproxy.observe import SOCKETS, Stats
from quorate.pacemaker import cib, crm_mon, tools
from quorate.pacemaker.tools import Unavailable
from quorate.status.facts import ADDRESSES, Configured, Observation, Proxy, Server
from quorate.text import one_line


def observe(commands, deadline, proxies=None, drained=None, explain=None):
    """The Observation. Raises Unavailable when the cluster itself cannot be asked; what else cannot be asked is a
    sentence in `gaps`.

    proxies: function that gives a tuple of Proxy, None where there is no HAProxy; may raise Unavailable.
    drained: function that gives the reason of a drain or None. explain: function(cluster) that gives Explanations; may
    raise Unavailable.
    """
    gaps = []

    def tried(function, *arguments):
        try:
            return function(*arguments)
        except Unavailable as error:
            gaps.append(error.reason)
            return None

    cluster = crm_mon.status(commands, deadline)
    configuration = tried(cib.configuration, commands, deadline)
    node = tried(tools.local_node, commands, deadline)
    backends = tried(proxies) if proxies is not None else None
    explanations = tried(explain, cluster) if explain is not None else None
    return Observation(
        node, cluster, None if configuration is None else configured(configuration,
                                                                     [one.name for one in cluster.nodes]),
        backends, None if drained is None else drained(), explanations or (), tuple(gaps))


def configured(configuration, nodes):
    """The Configured in a cib.Configuration, for the nodes of these names. Pure."""
    resources = configuration.resources
    return Configured(
        one_line(configuration.properties.get("cluster-name")),
        {one.id: one_line(one.parameters["ip"]) for one in resources
         if one.agent in ADDRESSES and one.parameters.get("ip")},
        {one.id: _count(one, "clone-max") for one in resources},
        {one.id: _count(one, "promoted-max", "master-max") or 1 for one in resources},
        {(one.id, node): configuration.placement.allowed((one.id, one.parent), node) for one in resources
         for node in nodes})


def _count(resource, *names):
    """The first of these meta attributes that is a whole number, else None."""
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
        return parse_proxies(Stats(path).ask(parse.STATISTICS, seconds))
    except ConnectionRefusedError:
        return None  # the socket of one that has ended
    except PermissionError:
        raise Unavailable("HAProxy's stats socket %s can be asked by root only: run this as root." % path) from None
    except (OSError, ValueError) as error:
        raise Unavailable("HAProxy on this node does not answer on %s (%s); see 'systemctl status haproxy'." % (
            path, error)) from None


def parse_proxies(text):
    """The backends in HAProxy's answer to `show stat`, a tuple of Proxy: those with servers, and none of the frontends.

    Pure. Raises ValueError for a text that is something else.
    """
    found = {}
    for line in parse.lines(text):
        if line.name == "FRONTEND":
            continue
        proxy = found.setdefault(one_line(line.proxy) or "", [None, []])
        if line.name == "BACKEND":
            proxy[0] = one_line(line.status)
        else:
            proxy[1].append(Server(one_line(line.name) or "", one_line(line.status) or "", line.backup))
    return tuple(Proxy(name, status or "", tuple(servers)) for name, (status, servers) in found.items() if servers)
