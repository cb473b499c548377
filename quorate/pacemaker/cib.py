# SPDX-License-Identifier: Apache-2.0
"""The configuration of the cluster (CIB): resources, constraints, properties, nodes.

For commands and for the rare moments of an action: parsing XML takes 10 ms. Never in a monitor of a healthy service.
"""

from collections import namedtuple
from xml.etree import ElementTree

from quorate.pacemaker import encoding
from quorate.pacemaker.placement import Placement
from quorate.pacemaker.tools import EX_NOSUCH, EX_NOSUCH_OLD, STANDARD_ROLES, Unavailable, ask, is_true


class Operation(namedtuple("Operation", "name interval timeout role id enabled", defaults=(None, True))):
    """An operation as configured; texts, as the administrator wrote them, or None. role: the name of OCF 1.1; enabled:
    whether Pacemaker runs it."""

    __slots__ = ()


class Resource(namedtuple("Resource", "id agent parameters meta operations parent parent_meta")):
    """A primitive as configured.

    agent        'ocf:quorate:galera'
    parameters   dict of name to text; what depends on rules is left out
    parent       id of the clone or group around it, or None; parent_meta: that one's meta attributes
    """

    __slots__ = ()

    @property
    def top(self):
        """The id that constraints name: of the clone or group around it, else its own."""
        return self.parent or self.id


class Configuration:
    """The configuration section, parsed. Raises Unavailable for a text that is something else.

    resources    tuple of Resource
    placement    Placement: on which nodes a resource may run
    groups       dict id of a member -> id of its group
    clones       set of the ids of clones
    nodes        dict name of a node -> dict of its attributes
    properties   dict of the cluster's properties
    defaults     dict of the meta attributes that all resources have unless they say otherwise
    """

    def __init__(self, text):
        self._root = root = _root(text)
        self.resources = _resources(root)
        self.placement = Placement(root)
        self.groups = {member.get("id"): group.get("id") for group in root.iter("group")
                       for member in group.findall("primitive")}
        self.clones = {clone.get("id") for tag in ("clone", "master") for clone in root.iter(tag)}
        self.nodes = {one.get("uname"): _values(one.iter("nvpair")) for one in root.findall(".//nodes/node")}
        self.properties = _values(root.findall(".//crm_config/cluster_property_set/nvpair"))
        self.defaults = _values(root.findall(".//rsc_defaults/meta_attributes/nvpair"))

    def orders(self):
        """(first action, first, then action, then) of every order, sets of resources included."""
        for one in self._root.findall(".//constraints/rsc_order"):
            sets = [[(part.get("action") or "start", ref.get("id")) for ref in part.findall("resource_ref")]
                    for part in one.findall("resource_set")]
            for before, after in zip(sets, sets[1:]):
                for first in before:
                    for then in after:
                        yield first + then
            if one.get("first"):
                first = one.get("first-action") or "start"
                yield first, one.get("first"), one.get("then-action") or first, one.get("then")

    def colocations(self):
        """(resource, with) of every mandatory colocation of two resources."""
        for one in self._root.findall(".//constraints/rsc_colocation"):
            if one.get("rsc") and _is_mandatory(one):
                yield one.get("rsc"), one.get("with-rsc")

    def was_moved(self, top):
        """Whether `pcs resource ban` or `move` left a constraint behind for this id."""
        return any((one.get("id") or "").startswith("cli-") and one.get("rsc") == top
                   for one in self._root.findall(".//constraints/rsc_location"))


# -- asked for

def configuration(commands, deadline):
    """The Configuration. Raises Unavailable."""
    return Configuration(ask(commands, deadline, ("cibadmin", "-Q", "-o", "configuration")).out)


def resources(commands, deadline):
    """All primitives in the configuration, as a tuple of Resource. Raises Unavailable."""
    return parse_resources(ask(commands, deadline, ("cibadmin", "-Q", "-o", "resources")).out)


def colocations(commands, deadline):
    """Pairs of ids that a mandatory colocation keeps on one node, as a frozenset of frozensets. Raises Unavailable."""
    return parse_colocations(ask(commands, deadline, ("cibadmin", "-Q", "-o", "constraints")).out)


def configured_nodes(commands, deadline, attribute):
    """(list of the names of all nodes, dict name -> generation in this attribute, of those that have one, frozenset of
    those that are remote nodes). Raises Unavailable.

    Nodes that are not there are among them.
    """
    return parse_nodes(ask(commands, deadline, ("cibadmin", "-Q", "-o", "nodes"), (EX_NOSUCH,)).out, attribute)


def stonith_enabled(commands, deadline):
    """Whether the cluster fences, which is Pacemaker's default. Raises Unavailable. Cheap: computes no status."""
    for name in ("fencing-enabled", "stonith-enabled"):  # the new name came with 3.0.2 and goes before the old
        result = ask(commands, deadline, ("crm_attribute", "-t", "crm_config", "-n", name, "-G", "-q"),
                     (EX_NOSUCH, EX_NOSUCH_OLD))
        value = result.out.strip()
        if result.rc == 0 and value:
            return is_true(value)
    return True


def find(found, name=None, agent=None):
    """The Resources of `found` with this id, or in a clone or group with this id; of this agent, if given."""
    return tuple(resource for resource in found
                 if (name is None or name in (resource.id, resource.parent))
                 and (agent is None or resource.agent == agent))


# -- sections as text; each raises Unavailable for something else

def parse_resources(text):
    """The primitives in the resources section, a tuple of Resource."""
    return _resources(_root(text))


def parse_colocations(text):
    """The pairs in the constraints section: those with a score of INFINITY, members of sets with each other."""
    found = set()
    for one in _root(text).iter("rsc_colocation"):
        if _is_mandatory(one):
            ids = [each.get("id") for each in one.iter("resource_ref")] or [one.get("rsc"), one.get("with-rsc")]
            found.update(frozenset((a, b)) for a in ids for b in ids if a and b and a != b)
    return frozenset(found)


def parse_nodes(text, attribute):
    """What configured_nodes() gives, from the nodes section."""
    root = _root(text)
    generations = {node.get("uname"): encoding.generation(pair.get("value")) for node in root.iter("node")
                   for pair in node.iter("nvpair") if pair.get("name") == attribute}
    return [node.get("uname") for node in root.iter("node") if node.get("uname")], {
        node: generation for node, generation in generations.items() if generation is not None}, frozenset(
            node.get("uname") for node in root.iter("node") if node.get("type") == "remote")


# -- elements

def _resources(root):
    templates = {template.get("id"): template for template in root.iter("template")}
    by_id = {element.get("id"): element for element in root.iter() if element.get("id")}
    parents = {child: parent for parent in root.iter() for child in parent}
    return tuple(_resource(primitive, templates, by_id, parents) for primitive in root.iter("primitive"))


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
            operations[key] = Operation(
                *key, operation.get("timeout"), STANDARD_ROLES.get(operation.get("role"), operation.get("role")),
                operation.get("id"), is_true(operation.get("enabled") or "true"))
    agent = ":".join(part for part in (described.get("class"), described.get("provider"), described.get("type"))
                     if part)
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


def _values(pairs):
    return {pair.get("name"): pair.get("value") for pair in pairs}


def _is_mandatory(colocation):
    return colocation.get("score", "INFINITY").upper() in ("INFINITY", "+INFINITY")


def _root(text):
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise Unavailable("cibadmin did not answer in XML (%s); is its Pacemaker older than 2.1?" % error) from None
