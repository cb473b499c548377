# SPDX-License-Identifier: Apache-2.0
"""The state of the whole cluster at one moment, as crm_mon sees it: nodes, services and their instances, failures.

For commands and for the rare moments of an action: the cluster evaluates its complete configuration for it, which takes
a substantial part of a second on a large one, and parsing XML takes 10 ms. Never in a monitor of a healthy service.

The form is that of crm_mon's schema (xml/api/crm_mon-2.*.rng of Pacemaker 2.1 and 3.0); captured examples are in
tests/unit/pacemaker/crm_mon/. What is missing is None or empty, and what is new is passed over.
"""

from collections import namedtuple
from xml.etree import ElementTree

from quorate.ocf import codes
from quorate.pacemaker.tools import STANDARD_ROLES, Unavailable, ask
from quorate.text import one_line

DEGRADED = (codes.DEGRADED, codes.DEGRADED_PROMOTED)  # of a monitor
MOVING = ("Starting", "Stopping", "Promoting", "Demoting", "Migrating")  # roles on the way to another one
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


class Garbled(ValueError):
    """A text that crm_mon does not print; the message says what it is."""


class Node(namedtuple("Node", "name type online standby maintenance unclean pending shutdown dc health")):
    """A node. type: 'member', 'remote' or 'guest'; health: 'green', 'yellow', 'red' or None; the others are bools."""

    __slots__ = ()


class Instance(namedtuple("Instance", "role pending nodes active failed blocked managed")):
    """One instance of a service.

    role: the name of OCF 1.1; pending: the one of MOVING that describes an action under way, or None; nodes: tuple of
    names.
    """

    __slots__ = ()

    @property
    def shown_role(self):
        """What an operator wants to see: the role, or that it is changing."""
        return self.pending or self.role


class Service(namedtuple("Service", "name parent kind agent instances disabled managed orphan")):
    """A primitive with all its instances.

    parent     the clone, group or bundle around it, or None
    kind       'clone', 'promotable', 'group' or ''
    disabled   by the configuration it does not run
    managed    the cluster acts on it
    orphan     it runs, and is not in the configuration any more
    """

    __slots__ = ()


class Failure(namedtuple("Failure", "service node action interval code word reason when")):
    """A failed action as the cluster remembers it. interval: milliseconds; word: the code's name; when: text."""

    __slots__ = ()


class Latest(namedtuple("Latest", "action code")):
    """An action of a service on a node and what it ended with; code 193: it is under way."""

    __slots__ = ()


class Fencing(namedtuple("Fencing", "target action status when")):
    """An attempt to fence a node that failed or is under way. status: 'failed' or 'pending'."""

    __slots__ = ()


class Cluster(namedtuple("Cluster", (
        "nodes services failures attributes latest fencings quorate fencing maintenance stop_all dc version updated"))):
    """What crm_mon sees.

    attributes   dict node -> dict of its attributes
    latest       dict (service, node) -> tuple of Latest: the last action, and every recurring monitor since then
    fencings     tuple of Fencing that did not succeed
    quorate, fencing (is it enabled?), maintenance, stop_all: bools, None: not known
    dc           name of the node that decides, None: there is none
    """

    __slots__ = ()


def status(commands, deadline):
    """The Cluster at this moment. Raises Unavailable."""
    try:
        return parse(ask(commands, deadline, ("crm_mon", "--output-as=xml")).out)
    except Garbled as error:
        raise Unavailable("%s; is its Pacemaker older than 2.1?" % error) from None


def parse(text):
    """The Cluster in the output of `crm_mon --output-as=xml`. Pure. Raises Garbled."""
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:  # ValueError: NUL or half a surrogate
        raise Garbled("crm_mon did not answer in XML (%s)" % error) from None
    if root.find("summary") is None and root.find("nodes") is None:
        raise Garbled("crm_mon answered without a summary and without nodes")
    options = _attributes(root, "summary/cluster_options")
    dc = _attributes(root, "summary/current_dc")
    return Cluster(
        nodes=tuple(_node(one) for one in root.findall("nodes/node")),
        services=_services(root.find("resources")),
        failures=tuple(_failure(one) for one in root.findall("failures/failure")),
        attributes=_node_attributes(root), latest=_latest(root), fencings=tuple(_fencings(root)),
        quorate=_flag(dc.get("with_quorum")),
        fencing=_flag(options.get("fencing-enabled", options.get("stonith-enabled"))),  # the new name came with 3.0.2
        maintenance=_flag(options.get("maintenance-mode")), stop_all=_flag(options.get("stop-all-resources")),
        dc=dc.get("name") if dc.get("present") != "false" else None, version=one_line(dc.get("version")),
        updated=one_line(_attributes(root, "summary/last_update").get("time")))


def confirmed_off(fencing, nodes):
    """Names of the nodes that are certainly off: fenced, or shut down in good order. Pure.

    fencing: whether it is enabled, None: not known; nodes: of a Cluster. Without fencing Pacemaker calls a node that it
    lost clean as well (lib/pengine/unpack.c, determine_online_status_no_fencing), though it may run and serve.
    """
    if not fencing:
        return frozenset()
    return frozenset(node.name for node in nodes if not (node.online or node.unclean or node.pending))


def _node(one):
    return Node(_name(one.get("name")), one.get("type", "member"), *(
        one.get(flag) == "true" for flag in ("online", "standby", "maintenance", "unclean", "pending", "shutdown",
                                             "is_dc")),
        one_line(one.get("health")))


def _services(section):
    """Services in the order of the configuration; the instances of one come together."""
    found = {}
    if section is None:
        return ()
    for top in section:
        for element in [top] if top.tag == "resource" else top.iter("resource"):
            name = _name((element.get("id") or "").partition(":")[0])
            parent = None if top is element else _name(top.get("id"))
            found.setdefault((parent, name), (top, []))[1].append(element)
    return tuple(_service(name, parent, top, elements) for (parent, name), (top, elements) in found.items())


def _service(name, parent, top, elements):
    kind = "promotable" if top.get("multi_state") == "true" else top.tag if parent is not None else ""
    first = elements[0]
    target = {one.get("target_role") for one in elements} | {top.get("target_role")}
    return Service(
        name, parent, kind, (one_line(first.get("resource_agent")) or "").replace("::", ":"),
        tuple(_instance(one) for one in elements),
        "Stopped" in target or top.get("disabled") == "true",
        top.get("managed", "true") == "true",
        any(one.get("removed", one.get("orphaned")) == "true" for one in elements))


def _instance(one):
    role, pending = one_line(one.get("role")) or "Stopped", one_line(one.get("pending"))
    return Instance(STANDARD_ROLES.get(role, role), pending if pending in MOVING else None,
                    tuple(_name(node.get("name")) for node in one.findall("node")), *(
                        one.get(flag, default) == "true" for flag, default in (
                            ("active", ""), ("failed", ""), ("blocked", ""), ("managed", "true"))))


def _failure(one):
    service, action, interval = _operation(one.get("op_key") or "")
    return Failure(service if one.get("op_key") else _name(one.get("id")), _name(one.get("node")),
                   one_line(one.get("task")) or action, _number(one.get("interval")) or interval,
                   _number(one.get("exitcode")),
                   one_line(one.get("exitstatus")) or "unknown", _reason(one.get("exitreason")),
                   one_line(one.get("last-rc-change")) or "")


def _operation(key):
    """A key is RESOURCE_ACTION_INTERVAL; a resource's id may have underscores, and an instance number."""
    parts = key.rsplit("_", 2)
    if len(parts) != 3:
        return _name(key), "?", 0
    return _name(parts[0].partition(":")[0]), _name(parts[1]), _number(parts[2])


def _node_attributes(root):
    found = {}
    for node in root.findall("node_attributes/node"):
        values = found.setdefault(_name(node.get("name")), {})
        for one in node.findall("attribute"):
            if one.get("name"):
                values[one_line(one.get("name"))] = one_line(one.get("value") or "")
    return found


def _latest(root):
    """What holds now of each service on each node: its last action, and the monitors that recur since then."""
    found = {}
    for node in root.findall("node_history/node"):
        for history in node.findall("resource_history"):
            key = (_name((history.get("id") or "").partition(":")[0]), _name(node.get("name")))
            found[key] = _current(history.findall("operation_history"))
    return found


def _current(operations):
    """A recurring monitor keeps its call number when its answer changes, so the time decides between two answers."""
    changed, monitors = ((False, -1), None), {}
    for place, one in enumerate(operations):
        call = _number(one.get("call"))
        order = (call < 0, call)  # -1: under way, so newer than all
        answer = Latest(one_line(one.get("task")) or "?", _number(one.get("rc")))
        if answer.action == "monitor" and _number(one.get("interval")):
            age = (order, moment(one.get("last-rc-change")), place)
            kept = monitors.get(one.get("interval"))
            if kept is None or age > kept[0]:
                monitors[one.get("interval")] = (age, answer)
        elif order >= changed[0]:
            changed = (order, answer)
    return tuple(answer for _age, answer in [(None, changed[1])] + sorted(
        kept for kept in monitors.values() if kept[0][0] > changed[0]) if answer is not None)


def moment(text):
    """A key that orders times as crm_mon writes them ('Sat Nov 21 07:15:06 2026' or ISO 8601); () if it is neither."""
    words = (text or "").replace("T", " ").replace("Z", "").split()
    if len(words) >= 5 and words[1] in _MONTHS and words[2].isdigit() and words[4].isdigit():
        return ("%s-%02d-%02d" % (words[4], _MONTHS.index(words[1]) + 1, int(words[2][:2])), words[3])
    if len(words) >= 2 and words[0][:4].isdigit():
        return (words[0], words[1])
    return ()


def _fencings(root):
    for one in root.findall("fence_history/fence_event"):
        if one.get("status") in ("failed", "pending"):
            yield Fencing(_name(one.get("target")), one_line(one.get("action")) or "?", one.get("status"),
                          one_line(one.get("completed")) or "")


def _name(text):
    return one_line(text) or "?"


def _reason(text):
    """Pacemaker 2.1.5 escapes an exit reason twice."""
    text = text or ""
    for name, letter in (("&apos;", "'"), ("&quot;", '"'), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(name, letter)
    return one_line(text)


def _attributes(root, path):
    found = root.find(path)
    return {} if found is None else found.attrib


def _number(text):
    """An integer; 0 for what is none."""
    text = (text or "").strip()
    text = text[:-2] if text.endswith("ms") else text
    digits = text[1:] if text.startswith("-") else text
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 12 else 0


def _flag(text):
    return None if text is None else text == "true"
