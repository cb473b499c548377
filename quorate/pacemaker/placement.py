# SPDX-License-Identifier: Apache-2.0
"""Where the configuration lets a resource run: location constraints and their rules, as far as they can be read.

Pure. The answer is True, False, or None where it depends on something that is not evaluated here, such as dates. It is
about which nodes are ruled out, not about which ones are preferred. Semantics: Pacemaker Explained, 'Deciding Which
Nodes a Resource Can Run On' and 'Rules'.
"""

import re

from quorate.pacemaker.tools import is_true

NEVER = ("-INFINITY", "-infinity", "-1000000")
MEANS_PROMOTED = ("Promoted", "Master")


class Placement:
    """The location constraints of a configuration. root: an ElementTree element of its XML."""

    def __init__(self, root):
        self._constraints = root.findall(".//constraints/rsc_location")
        self._attributes = {}
        for node in root.findall(".//nodes/node"):
            own = {"#uname": node.get("uname"), "#id": node.get("id")}
            for pair in node.findall("instance_attributes/nvpair"):
                own.setdefault(pair.get("name"), pair.get("value"))
            self._attributes[node.get("uname")] = own
        values = {one.get("name"): one.get("value")
                  for one in root.findall(".//crm_config/cluster_property_set/nvpair")}
        self._symmetric = is_true(values.get("symmetric-cluster") or "true")

    def allowed(self, names, node):
        """Whether a resource may run on `node`. names: its id and those of the clone or group around it."""
        allowed, exclusive, exclusive_here, unknown = self._symmetric, False, False, False
        for constraint in self._constraints:
            if not _concerns(constraint, names) or constraint.get("role") in MEANS_PROMOTED:
                continue
            for applies, score, promoted in self._scores(constraint, node):
                if promoted:
                    continue
                only = constraint.get("resource-discovery") == "exclusive"
                exclusive = exclusive or only
                if applies is None:
                    unknown = True
                elif applies and score in NEVER:
                    return False
                elif applies:
                    allowed = allowed or not (score or "").startswith("-")
                    exclusive_here = exclusive_here or only
        if unknown:
            return None
        return allowed and (exclusive_here or not exclusive)

    def _scores(self, constraint, node):
        """(applies to the node: True, False or None; score; is about promotion only) of each part."""
        if constraint.get("node") is not None:
            yield constraint.get("node").lower() == (node or "").lower(), constraint.get("score"), False
        for rule in constraint.findall("rule"):
            yield self._rule(rule, node), rule.get("score"), rule.get("role") in MEANS_PROMOTED

    def _rule(self, rule, node):
        found = []
        for part in rule:
            if part.tag == "rule":
                found.append(self._rule(part, node))
            elif part.tag == "expression":
                found.append(self._expression(part, node))
            else:
                found.append(None)
        if not found:
            return None
        deciding = rule.get("boolean-op") == "or"  # one part with this value decides the whole rule
        if deciding in found:
            return deciding
        return None if None in found else not deciding

    def _expression(self, part, node):
        if node not in self._attributes:
            return None  # remote and guest nodes have attributes elsewhere
        value, wanted = self._attributes[node].get(part.get("attribute")), part.get("value")
        operation = part.get("operation")
        if part.get("attribute", "").startswith("#") and value is None or part.get("value-source",
                                                                                   "literal") != "literal":
            return None
        return {"defined": value is not None, "not_defined": value is None, "eq": value is not None and value == wanted,
                "ne": value != wanted}.get(operation)


def _concerns(constraint, names):
    if constraint.get("rsc") is not None:
        return constraint.get("rsc") in names
    if constraint.get("rsc-pattern") is not None:
        pattern = constraint.get("rsc-pattern")
        try:
            return any(re.search(pattern.lstrip("!"), name) is not None for name in names) != pattern.startswith("!")
        except re.error:
            return False
    return any(one.get("id") in names for one in constraint.iter("resource_ref"))
