# SPDX-License-Identifier: Apache-2.0
"""wsrep_cluster_address, cluster_host_map and arbitrators: text to hosts. Pure.

Galera's own reading of an address (galerautils gu_uri.cpp, gcomm gmcast.cpp, 26.4): entries are separated by commas and
nothing is trimmed, so in 'gcomm://n1, n2' the second host is ' n2', which does not resolve and is left out with a
warning. An IPv6 address needs brackets. So what the server is told is render(...) of what was understood here, and what
was not understood is an error that names it.
"""

from quorate.galera import facts

GCOMM_PORT = 4567            # Galera's default base_port (common.h, COMMON_BASE_PORT_DEFAULT)
_HOST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


class Misunderstood(ValueError):
    """A text that is not understood, or that says two things. reason: a sentence that names the part."""

    def __init__(self, reason):
        ValueError.__init__(self, reason)
        self.reason = reason


def cluster_address(text):
    """wsrep_cluster_address, such as gcomm://n1,n2:4567,[::1]:4567?pc.weight=1, to (hosts, options).

    hosts: tuple of (host, port), without brackets, IPv6 in its usual form; port None where there is none. options: dict
    of the texts behind the question mark. Raises Misunderstood.
    """
    text = text.strip()
    if text[:8].lower() != "gcomm://":
        raise Misunderstood("wsrep_cluster_address must begin with gcomm://, but is '%s'." % text)
    body, _, query = text[8:].partition("?")
    body = body.strip()
    entries = [entry.strip() for entry in (body[:-1] if body.endswith("/") else body).split(",")]
    hosts, names = [], set()
    for entry in entries:
        if not entry:
            continue
        host, port = host_port(entry)
        if host is None:
            raise Misunderstood("wsrep_cluster_address has an entry that is not a host or host:port: '%s'." % entry)
        if same(host) in names:
            raise Misunderstood("wsrep_cluster_address names %s twice." % host)
        names.add(same(host))
        hosts.append((host, port))
    if not hosts:
        raise Misunderstood("wsrep_cluster_address names no node: list every data node, such as gcomm://n1,n2,n3.")
    return tuple(hosts), _query(query)


def _query(text):
    """Options behind the question mark: name=value, separated by &. Galera does not trim them, and decodes nothing."""
    found = {}
    for part in text.strip().split("&"):
        if not part.strip():
            continue
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals or not name or not value or "=" in value or " " in name + value or "#" in value:
            raise Misunderstood("wsrep_cluster_address has an option that is not name=value: '%s'." % part.strip())
        if name in found:
            raise Misunderstood("wsrep_cluster_address has the option %s twice." % name)
        found[name] = value
    return found


def render(hosts, options):
    """The text that Galera reads as these hosts and options."""
    entries = [("[%s]" % host if ":" in host else host) + (":%d" % port if port else "") for host, port in hosts]
    return "gcomm://%s%s" % (",".join(entries), "?" + "&".join("%s=%s" % item for item in options.items()) if options
                             else "")


def host_port(entry):
    """(host, port or None) of 'n1', 'n1:4567', '[::1]:4567' or '::1'; (None, None) when it is none of these. An IPv6 address
    without brackets has no port."""
    if entry.startswith("["):
        host, bracket, rest = entry[1:].partition("]")
        if not bracket or ":" not in host or (rest and not rest.startswith(":")):
            return None, None
        port = rest[1:] if rest else None
    elif entry.count(":") > 1:
        host, port = entry, None
    else:
        host, colon, port = entry.partition(":")
        port = port if colon else None
    host = host_of(host)
    number = facts.integer(port) if port is not None and port.isdigit() else None
    if host is None or (port is not None and (number is None or not 0 < number < 65536)):
        return None, None
    return host, number


def host_of(text):
    """A host name or address, IPv6 (without brackets) in its usual form; None when it is neither."""
    if ":" in text:
        from socket import AF_INET6, inet_ntop, inet_pton
        address, percent, zone = text.partition("%")
        try:
            usual = inet_ntop(AF_INET6, inet_pton(AF_INET6, address))
        except (OSError, ValueError):
            return None
        return usual + percent + zone if not percent or (zone and _HOST.issuperset(zone)) else None
    return text if text and _HOST.issuperset(text) else None


def same(host):
    """What is equal for two spellings of one host: names have no case."""
    return host.lower()


def host_map(text):
    """cluster_host_map, 'pcmk1:galera1;pcmk2:[2001:db8::2]', to a dict of Galera host to Pacemaker node.

    The host is what follows the first colon: a name or an address without a port. Raises Misunderstood.
    """
    found, hosts = {}, set()
    for entry in (text or "").split(";"):
        entry = entry.strip()
        if not entry:
            continue
        node, colon, rest = (part.strip() for part in entry.partition(":"))
        bare = rest[1:-1] if rest[:1] == "[" and rest[-1:] == "]" and ":" in rest else rest
        host = host_of(bare)
        if not colon or host is None or not node or not _HOST.issuperset(node):
            raise Misunderstood("cluster_host_map has an entry that is not NODE:HOST: '%s'. Entries are separated by "
                                "semicolons, and a host has no port." % entry)
        if node in found.values():
            raise Misunderstood("cluster_host_map names the node %s twice." % node)
        if same(host) in hosts:
            raise Misunderstood("cluster_host_map names the host %s twice." % host)
        hosts.add(same(host))
        found[host] = node
    return found


def render_map(hosts):
    """The text of a cluster_host_map with these entries (Galera host -> Pacemaker node)."""
    return ";".join("%s:%s" % (node, "[%s]" % host if ":" in host else host) for host, node in hosts.items())


def arbitrators(text):
    """arbitrators, hosts separated by commas, as a tuple. Raises Misunderstood."""
    found = []
    for entry in (text or "").split(","):
        entry = entry.strip()
        bare = entry[1:-1] if entry[:1] == "[" and entry[-1:] == "]" and ":" in entry else entry
        if not entry:
            continue
        host = host_of(bare)
        if host is None:
            raise Misunderstood("arbitrators has an entry that is not a host: '%s'. Hosts are separated by commas and "
                                "have no port." % entry)
        found.append(host)
    return tuple(found)


def data_nodes(cluster, mapped, without_data):
    """dict Pacemaker name -> (host, port or None) of the data nodes, in the order of the address. Raises Misunderstood.

    cluster, mapped, without_data: the texts of wsrep_cluster_address, cluster_host_map and arbitrators.
    """
    nodes = {same(host): node for host, node in host_map(mapped).items()}
    skipped = {same(host) for host in arbitrators(without_data)}
    found = {}
    for host, port in cluster_address(cluster)[0]:
        if same(host) in skipped:
            continue
        name = nodes.get(same(host), host)
        if name in found:
            raise Misunderstood("wsrep_cluster_address and cluster_host_map name the node %s twice: as %s and %s."
                                % (name, found[name][0], host))
        found[name] = host, port
    if not found:
        raise Misunderstood("wsrep_cluster_address names no data node beside the arbitrators.")
    return found


def arbitrator_hosts(cluster, without_data):
    """dict host -> (host, port or None) of the hosts that run the arbitrator. Raises Misunderstood."""
    ports = {same(host): port for host, port in cluster_address(cluster)[0]}
    return {host: (host, ports.get(same(host))) for host in arbitrators(without_data)}


def unused(cluster, mapped, without_data):
    """(entries of cluster_host_map, hosts of arbitrators) that no entry of wsrep_cluster_address uses, as two lists."""
    hosts = {same(host) for host, _ in cluster_address(cluster)[0]}
    return (["%s:%s" % (node, host) for host, node in host_map(mapped).items() if same(host) not in hosts],
            [host for host in arbitrators(without_data) if same(host) not in hosts])
