# SPDX-License-Identifier: Apache-2.0
"""The keys that a plan may have: one declaration for each. The reader and the schema document both come from here."""

from collections import namedtuple

from quorate.plan.facts import ENDPOINTS, KEEPALIVED, PACEMAKER, ROLES
from quorate.plan.services import KINDS

# Kinds of values. What each accepts is in quorate.plan.parse.
NAME = "name"            # letters, digits, - _ .; begins with a letter or digit
LABEL = "label"          # the name of a network interface
HOST = "host"            # a name in DNS, or an address
ADDRESS = "address"      # IPv4 or IPv6
CIDR = "network"         # 192.0.2.0/24
PORT = "port"            # 1 to 65535
NUMBER = "number"        # 1 to 255
PATH = "path"            # of a file: begins with /
URI = "URI path"         # begins with /, no blank
BOOLEAN = "boolean"
CHOICE = "choice"        # one of `options`
CHOICES = "choices"      # a list of some of `options`, each once
PLACES = "places"        # a list of roles or names of nodes
ADDRESSES = "addresses"  # a table: network = address
TEXTS = "texts"          # a table of the operator's own keys: text, numbers, booleans


class Key(namedtuple("Key", "name kind text default required options example", defaults=(None, False, (), None))):
    """A key of a table.

    text: what it is, a sentence; default: the value, or a few words in brackets where it depends on other keys;
    options: of CHOICE and CHOICES; example: as TOML.
    """
    __slots__ = ()


class Table(namedtuple("Table", "name title keys named", defaults=(False,))):
    """A table of the file. named: it holds a table for each name that the operator chooses ([nodes.n1])."""
    __slots__ = ()


PLAN = Table("plan", "The control plane as a whole.", (
    Key("name", NAME, "Name of the cluster.", required=True, example='"cloud"'),
    Key("vip_manager", CHOICE,
        "What moves the VIPs. With keepalived the nodes with the role endpoint need no Pacemaker.",
        PACEMAKER, options=(PACEMAKER, KEEPALIVED), example='"pacemaker"'),
    Key("system", CHOICE, "The distribution whose names of units, users and paths are used.", "debian",
        options=("debian", "redhat"), example='"debian"'),
    Key("pacemaker", CHOICE, "Version of Pacemaker that commands are written for.", "2.1", options=("2.1", "3.0"),
        example='"3.0"'),
    Key("management", NAME, "Network on which HAProxy reaches the services, and the nodes each other.",
        "(the network called management, or the only one)", example='"management"'),
    Key("balance", CHOICE,
        "How clients are spread over the nodes of an API: each client stays with a node (source), "
        "or requests go to the nodes in turn (roundrobin).",
        "source", options=("source", "roundrobin"), example='"source"'),
))
NETWORKS = Table("networks", "A network that nodes or VIPs are in.", (
    Key("cidr", CIDR, "Its addresses.", required=True, example='"192.0.2.0/24"'),
    Key("interface", LABEL, "The nodes' interface in it. Required where keepalived moves a VIP.", example='"eth0"'),
), True)
VIPS = Table("vips", "A virtual address: at any time on one of the nodes that run HAProxy.", (
    Key("address", ADDRESS, "The address, which no node has as its own.", required=True, example='"192.0.2.10"'),
    Key("network", NAME, "Its network.", "(the one whose addresses contain it)", example='"management"'),
    Key("endpoints", CHOICES, "The endpoints that it serves, in the terms of Keystone's catalogue.",
        "(the endpoint it is named after; what no VIP serves goes to the VIP for internal)", options=ENDPOINTS,
        example='["internal", "admin"]'),
    Key("tls", PATH,
        "Certificate with its chain and key in one PEM file on each node with HAProxy, which ends TLS with it.",
        "(clear text)", example='"/etc/haproxy/tls/public.pem"'),
    Key("router_id", NUMBER,
        "Its number in VRRP, which may not be used by anything else in that network. Only for keepalived.",
        "(last byte of the address)", example="10"),
), True)
NODES = Table("nodes", "A machine, named as `uname -n` and Pacemaker name it.", (
    Key("roles", CHOICES,
        "What it is used for. A service runs on the nodes of its own role (database, messaging) if there "
        "are any, else on the controllers; HAProxy and the VIPs on the endpoints, else on the controllers.",
        required=True, options=ROLES, example='["controller"]'),
    Key("addresses", ADDRESSES, "Its address in each of its networks.", required=True,
        example='{ management = "192.0.2.11" }'),
    Key("fence", TEXTS, "How it is fenced: 'agent' and the agent's parameters. No passwords here: use the agent's "
        "password_script.", example='{ agent = "fence_ipmilan", ip = "203.0.113.11" }'),
), True)
SERVICES = Table("services", "A service that this control plane has; a table without keys is enough.", (
    Key("placement", PLACES, "Roles or nodes that run it. The order of nodes is that of preference.",
        "(see roles)", example='["n1", "n2"]'),
    Key("port", PORT, "Where clients connect.", "(see below)", example="9292"),
    Key("backend_port", PORT, "Where HAProxy connects on the nodes.", "(the same)", example="19292"),
    Key("endpoints", CHOICES, "The endpoints for which it is bound at the VIPs.", "(see below)", options=ENDPOINTS,
        example='["internal", "public"]'),
    Key("balance", CHOICE, "As in [plan], for this service alone.", "(as in [plan])", options=("source", "roundrobin"),
        example='"roundrobin"'),
    Key("check_path", URI, "The path that HAProxy requests to check it.", "(see below)", example='"/healthcheck"'),
    Key("check_host", HOST, "The name of the host in that request; the dashboard answers only to its ALLOWED_HOSTS.",
        "(address of the VIP)", example='"cloud.example.org"'),
    Key("tls", BOOLEAN, "Whether TLS ends at HAProxy where the VIP has a certificate.", True, example="false"),
    Key("writer", CHOICE, "Only for galera_cluster. stick-table: the node that takes the writes keeps them until it is "
        "lost; backups: the first node takes them back as soon as it returns, which cuts all clients a second time.",
        options=("stick-table", "backups"), example='"stick-table"'),
    Key("options", TEXTS, "Parameters of its resource agent.", example='{ check_timeout = "5s" }'),
), True)
TABLES = (PLAN, NETWORKS, VIPS, NODES, SERVICES)


def document():
    """The reference of all keys and services, as Markdown."""
    lines = []
    for table in TABLES:
        lines += ["### [%s%s]" % (table.name, ".NAME" if table.named else ""), "", table.title, "",
                  "| key | value | default | what it is |", "|---|---|---|---|"]
        lines += ["| `%s` | %s | %s | %s |" % (key.name, _value(key), _default(key), _cell(key.text))
                  for key in table.keys]
        lines.append("")
    lines += ["### Services", "", "| name | what it is | port | bound for | check |", "|---|---|---|---|---|"]
    lines += ["| `%s` | %s | %s | %s | %s |" % (
        kind.name, kind.title, kind.port or "", ", ".join(kind.endpoints) or "not proxied", _check(kind))
              for kind in KINDS]
    return "\n".join(lines) + "\n"


def _value(key):
    if key.options:
        words = ", ".join("`%s`" % word for word in key.options)
        return ("some of " if key.kind == CHOICES else "one of ") + words
    return {PLACES: "list of roles or nodes", ADDRESSES: "table: network = address", TEXTS: "table",
            PORT: "number of a port", NUMBER: "1 to 255", LABEL: "text", HOST: "name of a host"}.get(key.kind, key.kind)


def _default(key):
    if key.required:
        return "**required**"
    if key.default is None:
        return ""
    if isinstance(key.default, bool):
        return "`true`" if key.default else "`false`"
    return key.default.strip("()") if key.default.startswith("(") else "`%s`" % key.default


def _check(kind):
    if kind.check is None:
        return ""
    text = "GET %s%s: %s" % (":%d" % kind.check.port if kind.check.port else "", kind.check.path, kind.check.statuses)
    return text + (" and `%s`" % kind.check.contains if kind.check.contains else "")


def _cell(text):
    return text.replace("|", "\\|")
