# SPDX-License-Identifier: Apache-2.0
"""The configuration that the commands of a plan would make, as XML: a second, independent reading of what is wanted."""

from xml.etree import ElementTree
from xml.etree.ElementTree import SubElement


def configuration(want):
    """The configuration section of a CIB, an element, for a quorate.plan.resources.Wanted."""
    root = ElementTree.Element("configuration")
    _set(SubElement(root, "crm_config"), "cluster_property_set", "cib-bootstrap-options", want.properties)
    nodes = SubElement(root, "nodes")
    for number, name in enumerate(want.nodes):
        node = SubElement(nodes, "node", id=str(number + 1), uname=name)
        own = [(attribute, "true") for owner, attribute in want.attributes if owner == name]
        if own:
            _set(node, "instance_attributes", "nodes-%d" % (number + 1), own)
    resources, groups = SubElement(root, "resources"), {}
    for one in want.fencing + want.resources:
        place = resources
        if one.clone is not None:
            place = SubElement(resources, "clone", id=one.top)
        elif one.group is not None:
            if one.group not in groups:
                groups[one.group] = SubElement(resources, "group", id=one.group)
            place = groups[one.group]
        _primitive(place, one)
        if one.clone is not None:
            _set(place, "meta_attributes", one.top + "-meta", one.clone)
    _constraints(SubElement(root, "constraints"), want)
    _set(SubElement(root, "rsc_defaults"), "meta_attributes", "defaults", [("resource-stickiness", want.stickiness)])
    return root


def _primitive(place, one):
    parts = one.agent.split(":")
    what = {"id": one.id, "class": parts[0], "type": parts[-1]}
    if len(parts) == 3:
        what["provider"] = parts[1]
    primitive = SubElement(place, "primitive", what)
    _set(primitive, "instance_attributes", one.id + "-ia", one.parameters)
    _set(primitive, "meta_attributes", one.id + "-ma", one.meta)
    operations = SubElement(primitive, "operations")
    for operation in one.operations:
        what = {"id": "%s-%s-%d" % (one.id, operation.name, operation.interval), "name": operation.name,
                "interval": "%ds" % operation.interval, "timeout": "%ds" % operation.timeout}
        if operation.role:
            what["role"] = operation.role
        SubElement(operations, "op", what)


def _constraints(place, want):
    for one in want.colocations:
        SubElement(place, "rsc_colocation", {"id": "c-" + one.resource, "rsc": one.resource, "with-rsc": one.other,
                                             "score": "INFINITY"})
    for number, one in enumerate(want.orders):
        SubElement(place, "rsc_order", {"id": "o-%d" % number, "first": one.first, "first-action": one.first_action,
                                        "then": one.then, "then-action": one.then_action, "kind": one.kind})
    for number, one in enumerate(want.locations):
        if one.role:
            location = SubElement(place, "rsc_location", {"id": "l-%d" % number, "rsc": one.resource,
                                                          "resource-discovery": "exclusive"})
            rule = SubElement(location, "rule", id="r-%d" % number, score="0")
            SubElement(rule, "expression", id="e-%d" % number, attribute="role-" + one.role, operation="eq",
                       value="true")
        for node in one.avoids:
            SubElement(place, "rsc_location", id="a-%d-%s" % (number, node), rsc=one.resource, node=node,
                       score="-INFINITY")
        for node, score in one.prefers:
            SubElement(place, "rsc_location", id="p-%d-%s" % (number, node), rsc=one.resource, node=node, score=score)


def _set(place, tag, name, pairs):
    if pairs:
        found = SubElement(place, tag, id=name)
        for key, value in pairs:
            SubElement(found, "nvpair", id="%s-%s" % (name, key), name=key, value=value)
