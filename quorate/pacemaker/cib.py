# SPDX-License-Identifier: Apache-2.0
"""The whole cluster at one moment: nodes, where resources run, what is configured.

For commands that a person runs. It makes Pacemaker read and evaluate its complete configuration, which takes a
substantial part of a second on a large cluster: never in a monitor.
"""

from collections import namedtuple

from quorate.pacemaker import published
from quorate.pacemaker.tools import EX_NOSUCH, EX_NOSUCH_OLD, Unavailable, ask

STANDARD_ROLES = {"Master": "Promoted", "Slave": "Unpromoted"}  # what releases before OCF 1.1 call them


class Node(namedtuple("Node", "name id type online standby unclean pending maintenance dc")):
    """A node. type is 'member', 'remote' or 'guest'; the others after id and type are bools.

    unclean: its state is not known, and it waits to be fenced. pending: it is joining.
    """

    __slots__ = ()


class Instance(namedtuple("Instance", "resource agent role nodes active failed blocked managed")):
    """An instance of a resource, as the cluster sees it. resource: id without ':N'. role: OCF 1.1 name. nodes: tuple."""

    __slots__ = ()


class Status(namedtuple("Status", "nodes instances quorate fencing maintenance")):
    """nodes and instances are tuples; quorate, fencing (is it enabled?) and maintenance are bools, None: not told."""

    __slots__ = ()


class Operation(namedtuple("Operation", "name interval timeout role")):
    """An operation as configured; texts, as the administrator wrote them, or None."""

    __slots__ = ()


class Resource(namedtuple("Resource", "id agent parameters meta operations parent parent_meta")):
    """A primitive as configured.

    agent        'ocf:quorate:galera'
    parameters   dict of name to text; what depends on rules is left out
    parent       id of the clone or group around it, or None; parent_meta: that one's meta attributes
    """

    __slots__ = ()

    def environment(self):
        """The parameters in the form that an agent gets them in."""
        return {"OCF_RESKEY_" + name: value for name, value in self.parameters.items()}


def status(commands, deadline):
    """What crm_mon sees now. Raises Unavailable."""
    return parse_status(ask(commands, deadline, ("crm_mon", "--output-as=xml")).out)


def resources(commands, deadline):
    """All primitives in the configuration, as a tuple. Raises Unavailable."""
    return parse_resources(ask(commands, deadline, ("cibadmin", "-Q", "-o", "resources")).out)


def colocations(commands, deadline):
    """Pairs of ids that a mandatory colocation keeps on one node, as a frozenset of frozensets. Raises Unavailable."""
    return parse_colocations(ask(commands, deadline, ("cibadmin", "-Q", "-o", "constraints")).out)


def stonith_enabled(commands, deadline):
    """Whether the cluster fences; Pacemaker's default is that it does. Raises Unavailable. Cheap: no status is computed."""
    for name in ("fencing-enabled", "stonith-enabled"):  # the new name came with 3.0.2 and goes before the old
        result = ask(commands, deadline, ("crm_attribute", "-t", "crm_config", "-n", name, "-G", "-q"),
                     (EX_NOSUCH, EX_NOSUCH_OLD))
        value = result.out.strip().lower()
        if result.rc == 0 and value:
            return value in ("true", "yes", "on", "1", "y")
    return True


def find(found, name=None, agent=None):
    """The primitives of `found` with this id, or inside a clone or group with this id; of this agent, if one is given."""
    return tuple(resource for resource in found
                 if (name is None or name in (resource.id, resource.parent))
                 and (agent is None or resource.agent == agent))


def parse_status(text):
    """The Status in the output of crm_mon --output-as=xml. Raises Unavailable when it is something else."""
    root = _root(text, "crm_mon")
    summary = root.find("summary")
    options = _attributes(summary, "cluster_options")
    quorum = _attributes(summary, "current_dc").get("with_quorum")
    fencing = options.get("fencing-enabled", options.get("stonith-enabled"))  # the new name came with 3.0.2
    nodes = tuple(
        Node(node.get("name"), node.get("id"), node.get("type", "member"), *(
            node.get(flag) == "true"
            for flag in ("online", "standby", "unclean", "pending", "maintenance", "is_dc")))
        for node in root.findall("nodes/node"))
    return Status(nodes, tuple(_instances(root.find("resources"))), _flag(quorum), _flag(fencing),
                  _flag(options.get("maintenance-mode")))


def _instances(section):
    for resource in () if section is None else section.iter("resource"):
        role = resource.get("role", "Stopped")
        yield Instance(
            resource.get("id", "").partition(":")[0], resource.get("resource_agent", "").replace("::", ":"),
            STANDARD_ROLES.get(role, role), tuple(node.get("name") for node in resource.findall("node")),
            *(resource.get(flag) == "true" for flag in ("active", "failed", "blocked", "managed")))


def parse_resources(text):
    """The primitives in the resources section of the configuration."""
    root = _root(text, "cibadmin")
    templates = {template.get("id"): template for template in root.iter("template")}
    by_id = {element.get("id"): element for element in root.iter() if element.get("id")}
    parents = {child: parent for parent in root.iter() for child in parent}
    return tuple(_resource(primitive, templates, by_id, parents) for primitive in root.iter("primitive"))


def parse_colocations(text):
    """The pairs in the constraints section: those with a score of INFINITY, members of sets with each other."""
    found = set()
    for one in _root(text, "cibadmin").iter("rsc_colocation"):
        if one.get("score", "INFINITY").upper() not in ("INFINITY", "+INFINITY"):
            continue
        ids = [each.get("id") for each in one.iter("resource_ref")] or [one.get("rsc"), one.get("with-rsc")]
        found.update(frozenset((a, b)) for a in ids for b in ids if a and b and a != b)
    return frozenset(found)


def _resource(primitive, templates, by_id, parents):
    layers = [layer for layer in (templates.get(primitive.get("template")), primitive) if layer is not None]
    described = layers[0]  # a primitive made from a template has class and type there
    outermost, above = None, parents.get(primitive)
    while above is not None and above.tag in ("group", "clone", "master", "bundle"):
        outermost, above = above, parents.get(above)
    parameters, meta, operations = {}, {}, {}
    for layer in layers:
        parameters.update(_pairs(layer, "instance_attributes", by_id))
        meta.update(_pairs(layer, "meta_attributes", by_id))
        for operation in layer.findall("operations/op"):
            key = (operation.get("name"), operation.get("interval"))
            operations[key] = Operation(*key, operation.get("timeout"), STANDARD_ROLES.get(
                operation.get("role"), operation.get("role")))
    agent = ":".join(part for part in (described.get("class"), described.get("provider"), described.get("type")) if part)
    return Resource(
        primitive.get("id"), agent, parameters, meta, tuple(operations.values()),
        None if outermost is None else outermost.get("id"),
        {} if outermost is None else _pairs(outermost, "meta_attributes", by_id))


def _pairs(element, kind, by_id):
    """Names and values of all sets of one kind; of two values for a name the first holds, as in Pacemaker."""
    pairs = {}
    for group in element.findall(kind):
        group = by_id.get(group.get("id-ref"), group)
        if group.find("rule") is not None:
            continue  # holds at some times or on some nodes only
        for pair in group.findall("nvpair"):
            pair = by_id.get(pair.get("id-ref"), pair)
            if pair.get("name"):
                pairs.setdefault(pair.get("name"), pair.get("value", ""))
    return pairs


def _root(text, tool):
    from xml.etree import ElementTree  # some 10 ms: not at the top
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise Unavailable("%s did not answer in XML (%s); is its Pacemaker older than 2.1?" % (tool, error)) from None


def _attributes(element, name):
    found = None if element is None else element.find(name)
    return {} if found is None else found.attrib


def _flag(text):
    return None if text is None else text == "true"


def configured_nodes(text, attribute):
    """(names of the nodes in the nodes section of the configuration, dict of those that have a number in this attribute).
    Raises Unavailable when it is something else."""
    from xml.etree import ElementTree  # some 10 ms: not at the top
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        raise Unavailable("cibadmin did not answer in XML; is Pacemaker well on this node? Ask 'crm_mon -1'.") from None
    numbers = {node.get("uname"): published.number(pair.get("value")) for node in root.iter("node")
               for pair in node.iter("nvpair") if pair.get("name") == attribute}
    return [node.get("uname") for node in root.iter("node") if node.get("uname")], {
        node: number for node, number in numbers.items() if number is not None}
