# SPDX-License-Identifier: Apache-2.0
"""Plans that are right, as documents and as TOML text, for hypothesis."""

from hypothesis import strategies as st

from quorate.plan.facts import ENDPOINTS
from quorate.plan.services import BALANCED, BY_NAME, WRITER

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.", min_size=1,
                max_size=12).filter(lambda name: name[0] not in "-_.")


@st.composite
def documents(draw):
    """dict of the tables of a plan that is right."""
    keepalived = draw(st.booleans())
    six = draw(st.booleans())
    names = draw(st.lists(NAMES, min_size=2, max_size=7, unique=True))
    nodes, front = {}, min(2, len(names) - 1) if keepalived else 0
    for number, name in enumerate(names):
        if number < front:
            roles = ["endpoint"]
        elif number == len(names) - 1:
            roles = ["controller"]
        else:
            roles = draw(st.lists(st.sampled_from(["controller", "database", "messaging"]), min_size=1, unique=True))
        nodes[name] = {"roles": roles, "addresses": {"inner": "192.0.2.%d" % (number + 11),
                                                     "outer": ("2001:db8::%x" if six else "198.51.100.%d")
                                                     % (number + 11)}}
    vips = {"in": {"address": "192.0.2.10", "endpoints": ["internal"]}}
    outer = draw(st.sampled_from([None, ["public"], ["public", "admin"]]))
    if outer:
        vips["out"] = {"address": "2001:db8::a" if six else "198.51.100.10", "endpoints": outer}
        if draw(st.booleans()):
            vips["out"]["tls"] = "/etc/haproxy/tls/x.pem"
    services = {}
    for name in draw(st.lists(st.sampled_from(sorted(BY_NAME)), min_size=1, unique=True)):
        services[name] = draw(_service(BY_NAME[name], names[front:] if keepalived else names))
    return {
        "plan": {"name": "cloud", "management": "inner", "vip_manager": "keepalived" if keepalived else "pacemaker",
                 "balance": draw(st.sampled_from(["source", "roundrobin"]))},
        "networks": {"inner": {"cidr": "192.0.2.0/24", "interface": "eth0"},
                     "outer": {"cidr": "2001:db8::/64" if six else "198.51.100.0/24", "interface": "eth1"}},
        "vips": vips, "nodes": nodes, "services": services}


@st.composite
def _service(draw, kind, names):
    entry = {}
    if draw(st.booleans()):
        entry["placement"] = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    if kind.proxied and draw(st.booleans()):
        entry["check_path"] = draw(st.sampled_from(["/", "/v3", "/healthcheck?x=1"]))
    if kind.spread == BALANCED and draw(st.booleans()):
        entry["balance"] = draw(st.sampled_from(["source", "roundrobin"]))
    if kind.spread == BALANCED and draw(st.booleans()):
        entry["endpoints"] = draw(st.lists(st.sampled_from(ENDPOINTS), min_size=1, unique=True))
    if kind.mode == "http" and draw(st.booleans()):
        entry["tls"] = draw(st.booleans())
    if kind.spread == WRITER and draw(st.booleans()):
        entry["writer"] = draw(st.sampled_from(["stick-table", "backups"]))
    if draw(st.booleans()):
        entry["options"] = draw(st.dictionaries(st.sampled_from(["a", "check_timeout"]),
                                                st.sampled_from(["5s", 3, True, "#x ]"])))
    return entry


def toml(document, order=lambda items: items):
    """Its text. `order`: a function that puts the keys of each table, and the tables, into some order."""
    lines = []
    for table, content in order(list(document.items())):
        if table == "plan":
            lines.append("[plan]")
            lines += ["%s = %s" % (key, value_text(value)) for key, value in order(list(content.items()))]
            continue
        for name, entry in order(list(content.items())):
            lines.append("[%s.%s]" % (table, value_text(name)))
            lines += ["%s = %s" % (key, value_text(value)) for key, value in order(list(entry.items()))]
    return "\n".join(lines) + "\n"


def value_text(value):
    """A value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"')
    if isinstance(value, dict):
        return "{ %s }" % ", ".join("%s = %s" % (value_text(key), value_text(one)) for key, one in value.items())
    if isinstance(value, list):
        return "[%s]" % ", ".join(map(value_text, value))
    return str(value)
