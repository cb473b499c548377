# SPDX-License-Identifier: Apache-2.0
"""The published state of a RabbitMQ cluster. Beside what quorate.pacemaker.published describes:

    RESOURCE-generation  permanent, of a node: the last forced boot that it took part in
    RESOURCE-generation  property of the cluster: the last forced boot
    RESOURCE-founder     property of the cluster, in a set of its own: the node that founded the first cluster
    RESOURCE-policy      property of the cluster: fingerprint of the policy that was set last

encode_* and decode_* turn a Report and an Override into values of node attributes, and back (see
quorate.pacemaker.encoding); they are pure.
"""

from quorate.pacemaker import encoding, published
from quorate.pacemaker.encoding import bit, flag, number, one_of, whole, word
from quorate.pacemaker.tools import EX_NOSUCH, ask, this_node
from quorate.rabbitmq import facts
from quorate.rabbitmq.facts import KHEPRI, MNESIA, STATES, Override, Report

EX_EXISTS = 108  # CRM_EX_EXISTS: cibadmin --create of what is there already
_END = "end"


def _words(text):
    return frozenset(word(part) for part in text.split("|")) if text else frozenset()


def _join(words):
    return "|".join(sorted(words))


def _slashless(path):
    """The text of a path, with '_' for what the text cannot hold: left out, it would say that there are no such data."""
    return "|" + "|".join(encoding.underscored(part) for part in path.split("/") if part)


def _path(text):
    return "/" + "/".join(word(part) for part in text[1:].split("|")) if text.startswith("|") else word("")


def _only_true(value):
    return bit(value) if value else None


def _count(text):
    found = number(text)
    if found < 0:
        raise ValueError(text)
    return found


# (key in the text, field of Report, function to text, function from text)
_FIELDS = (
    ("st", "state", str, one_of(*STATES)),
    ("d", "data", bit, flag),
    ("n", "name", str, word),
    ("m", "members", _join, _words),
    ("r", "running", _join, _words),
    ("db", "store", str, one_of(MNESIA, KHEPRI)),
    ("v", "version", str, word),
    ("c", "cookie", str, word),
    ("g", "generation", whole, _count),
    ("t", "since", whole, _count),
    ("l", "launched", bit, flag),
    ("x", "lost", bit, flag),
    # Since 0.2.0; a report without them says no more than one of 0.1.0.
    ("o", "other", _slashless, _path),
    ("f", "former", str, word),
    ("y", "stale", _only_true, flag),
)


def encode_report(report):
    """The Report as text. What the text cannot hold (a name with other letters) is left out, so it is unknown."""
    return encoding.line(encoding.parts(_FIELDS, report), _END)


def decode_report(node, text):
    """The Report of `node`, or None when the text cannot be decoded."""
    values = encoding.values(text, _END)
    if values is None or "st" not in values:
        return None
    try:
        return Report(node, **encoding.read(_FIELDS, values))
    except (ValueError, KeyError):
        return None


def encode_override(override):
    """The Override as text."""
    return encoding.line(("node:" + override.node, "by:" + (encoding.underscored(override.by or "") or "somebody"),
                          "at:" + whole(override.at or 0), "forced:" + bit(override.forced))
                         + (("replace:1",) if override.replace else ()), _END)


def decode_override(text):
    """The Override, or None when the text cannot be decoded."""
    values = encoding.values(text, _END)
    try:
        return Override(word(values["node"]), values["by"], _count(values["at"]), flag(values["forced"]),
                        flag(values.get("replace", "0")))
    except (KeyError, TypeError, ValueError):
        return None


class PublishedState(published.PublishedState):
    """One resource's attributes, seen from one node. All methods raise quorate.pacemaker.tools.Unavailable."""

    encode_report = staticmethod(encode_report)
    decode_report = staticmethod(decode_report)
    encode_override = staticmethod(encode_override)
    decode_override = staticmethod(decode_override)

    def withdraw_status(self):
        """Remove the status: this node takes no part. Its report stays published."""
        self._attributes.delete(self._name + "-status")
        published_values = self._state_files.read("published")
        published_values.pop("status", None)
        self._state_files.write("published", published_values)

    def snapshot(self):
        """The Snapshot of all that is known now."""
        me, (reports, present) = this_node(self._context), self.received()
        nodes, generations = self.configured()
        return facts.Snapshot(me=me, nodes=nodes | frozenset((me,)), reports=reports, members=present,
                              generation=self.generation(), founder=self.founder(), override=self.override(),
                              generations=generations)

    def configured(self):
        """(frozenset of the nodes that may hold data: the parameter `nodes`, else all of the cluster, also those that
        are away, but for remote nodes on which the resource never runs; dict node -> the last forced boot that it took
        part in)."""
        from quorate.pacemaker import cib
        names, generations, remote = cib.configured_nodes(
            self._context.commands, self._context.deadline, self._name + "-generation")
        named = (self._context.parameters.nodes or "").replace(",", " ").split()
        if named:
            return frozenset(named), generations
        return frozenset(names) - self._banned(remote - set(generations)), generations

    def _banned(self, nodes):
        """Those of these nodes on which the configuration does not let the resource run. Where that depends on what is
        not evaluated, it may."""
        if not nodes:
            return frozenset()
        from quorate.pacemaker import cib
        found = cib.configuration(self._context.commands, self._context.deadline)
        own = [one for one in found.resources if one.id == self._name]
        ids = {self._name, own[0].top} if own else {self._name}
        return frozenset(node for node in nodes if found.placement.allowed(ids, node) is False)

    def open_generation(self):
        """Begin a generation, before a boot is forced. Returns its number."""
        generation = (self.generation() or 0) + 1
        self._attributes.set_cluster_property(self._name + "-generation", "%d" % generation)
        self.took_part(generation)
        return generation

    def took_part(self, generation):
        """Record that this node runs in this generation, so that its report proves something in it."""
        if generation != self.own_generation():
            self._attributes.set_permanent(self._name + "-generation", "%d" % generation, this_node(self._context))

    def founder(self):
        """The node that founded the first cluster, or is about to; None: no node has."""
        result = self._in_set("-G", "-q")
        return result.out.strip() or None if result.rc == 0 else None

    def claim(self):
        """Become the founder, unless there is one. Returns the founder. Of two nodes that claim at once only one
        succeeds: the cluster's configuration takes one change after the other, and what exists cannot be created
        again."""
        name = self._name + "-founder"
        text = '<cluster_property_set id="%s"><nvpair id="%s-by" name="%s" value="%s"/></cluster_property_set>' % (
            name, name, name, this_node(self._context))
        ask(self._context.commands, self._context.deadline,
            ("cibadmin", "--create", "-o", "crm_config", "--xml-text", text), (EX_EXISTS, 76))
        return self.founder()

    def found_instead(self):
        """Become the founder in place of another node, as the operator ordered."""
        self._in_set("-v", this_node(self._context))

    def _in_set(self, *options):
        name = self._name + "-founder"
        return ask(self._context.commands, self._context.deadline, (
            "crm_attribute", "-t", "crm_config", "-s", name, "-n", name) + options, (EX_NOSUCH, 6))

    def policy(self):
        """The fingerprint of the policy that was set last; None: none was."""
        return self._attributes.cluster_property(self._name + "-policy")

    def set_policy(self, fingerprint):
        """Record the policy that was set last."""
        self._attributes.set_cluster_property(self._name + "-policy", fingerprint)
