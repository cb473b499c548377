# SPDX-License-Identifier: Apache-2.0
"""Where the nodes tell each other what they know: node attributes of the cluster, and a few of its properties.

    RESOURCE-report      transient, private: the Report of a node, encoded
    RESOURCE-status      transient, public: one live sentence for people (pcs status --full)
    RESOURCE-generation  permanent, of a node: the last forced boot that it took part in
    RESOURCE-generation  property of the cluster: the last forced boot
    RESOURCE-founder     property of the cluster, in a set of its own: who founded the first cluster
    RESOURCE-override    property of the cluster: the operator's one-shot word
    RESOURCE-policy      property of the cluster: mark of the policy that was set last
"""

from quorate.pacemaker.attributes import EX_NOSUCH, Attributes, Unavailable, ask, plain
from quorate.pacemaker.members import members
from quorate.rabbitmq import facts, report as form

EX_EXISTS = 108  # CRM_EX_EXISTS: cibadmin --create of what is there already


class Board:
    """One resource's attributes, seen from one node. All methods raise quorate.pacemaker.attributes.Unavailable."""

    def __init__(self, context, memory, attributes=None):
        self._context = context
        self._memory = memory
        self._attributes = attributes or Attributes(context.commands, context.deadline)
        self._name = context.instance

    def publish(self, report):
        """Tell the others, if it is not what they know already. Returns whether it was new."""
        # Readable everywhere before we look at the others': of two that report at once, at least one then sees both.
        return self._set_changed("report", form.encode_report(report), private=True, wait="cluster")

    def say(self, sentence):
        """Show the live sentence; each new one costs a run of the scheduler, the same one nothing."""
        return self._set_changed("status", plain(sentence)[:255] or "-")

    def _set_changed(self, what, value, **options):
        note = self._memory.read("published")
        if note.get(what) == value and not self._context.is_probe:
            return False
        self._attributes.set("%s-%s" % (self._name, what), value, **options)
        note[what] = value
        self._memory.write("published", note)
        return True

    def told(self):
        """The report that this node published last, or None."""
        return form.decode_report(self._context.node, self._memory.read("published").get("report", ""))

    def withdraw_status(self):
        """Take back the live sentence: this node takes no part. What is on its disk stays told."""
        self._attributes.delete(self._name + "-status")
        note = self._memory.read("published")
        note.pop("status", None)
        self._memory.write("published", note)

    def reports(self):
        """dict node -> Report, of all that can be read; what is garbled is left out."""
        found = {}
        for node, value in self._attributes.all(self._name + "-report").items():
            decoded = form.decode_report(node, value)
            if decoded is not None:
                found[node] = decoded
        return found

    def snapshot(self):
        """All that is known now. A dead peer's attribute stays readable for a while, so only members count."""
        present = members(self._context.commands, self._context.deadline)
        everything = self.reports()
        remote = self._remotes(everything, present)
        reports = {node: one for node, one in everything.items() if node in present or node in remote}
        nodes, generations = self.configured()
        return facts.Snapshot(self._context.node, nodes | frozenset((self._context.node,)), reports, present | remote,
                              self.generation(), self.founder(), self.override(), generations)

    def _remotes(self, everything, present):
        """Remote and bundle nodes have no membership of their own: ask for them only when one of them has spoken."""
        others = [node for node in everything if node not in present]
        if not others:
            return frozenset()
        from quorate.pacemaker.cluster import status
        nodes = status(self._context.commands, self._context.deadline).nodes
        return frozenset(node.name for node in nodes if node.online and node.type in ("remote", "guest")
                         and node.name in others)

    def configured(self):
        """(names of the nodes that may hold data: the parameter, else all of the cluster, whether they are there or not;
        dict of node -> the last forced boot that it took part in)."""
        text = ask(self._context.commands, self._context.deadline, ("cibadmin", "-Q", "-o", "nodes"), (EX_NOSUCH,)).out
        names, generations = configured_nodes(text, self._name + "-generation")
        named = (self._context.parameters.nodes or "").replace(",", " ").split()
        return frozenset(named or names), generations

    def generation(self):
        """The last forced boot; 0: there was none; None: garbage, and then nothing is forced."""
        return _number(self._attributes.cluster_property(self._name + "-generation"))

    def own_generation(self):
        """The last forced boot that this node took part in."""
        return _number(self._attributes.permanent(self._name + "-generation", self._context.node))

    def open_generation(self):
        """Make a new generation the current one, before a boot is forced; its number."""
        number = (self.generation() or 0) + 1
        self._attributes.set_cluster_property(self._name + "-generation", "%d" % number)
        self.took_part(number)
        return number

    def took_part(self, generation):
        """Record that this node runs in this generation, so that what it wrote down counts."""
        if generation != self.own_generation():
            self._attributes.set_permanent(self._name + "-generation", "%d" % generation, self._context.node)

    def founder(self):
        """The node that founded the first cluster, or is about to; None: nobody has."""
        result = self._in_set("-G", "-q")
        return result.out.strip() or None if result.rc == 0 else None

    def claim(self):
        """Become the founder, unless somebody is. Returns who it is. Of two that claim at once one gets it: the cluster's
        configuration takes each change after the other, and what exists cannot be created again."""
        name = self._name + "-founder"
        text = '<cluster_property_set id="%s"><nvpair id="%s-by" name="%s" value="%s"/></cluster_property_set>' % (
            name, name, name, self._context.node)
        ask(self._context.commands, self._context.deadline,
            ("cibadmin", "--create", "-o", "crm_config", "--xml-text", text), (EX_EXISTS, 76))
        return self.founder()

    def found_instead(self):
        """Become the founder in another one's place, by the operator's word."""
        self._in_set("-v", self._context.node)

    def _in_set(self, *options):
        name = self._name + "-founder"
        return ask(self._context.commands, self._context.deadline, (
            "crm_attribute", "-t", "crm_config", "-s", name, "-n", name) + options, (EX_NOSUCH, 6))

    def override(self):
        """The operator's word, None when there is none."""
        text = self._attributes.cluster_property(self._name + "-override")
        return form.decode_override(text) if text else None

    def overrule(self, override):
        """Leave the operator's word (None: it was used, or taken back)."""
        value = None if override is None else form.encode_override(override)
        self._attributes.set_cluster_property(self._name + "-override", value)

    def policy(self):
        """The mark of the policy that was set last, None: none was."""
        return self._attributes.cluster_property(self._name + "-policy")

    def policy_set(self, mark):
        self._attributes.set_cluster_property(self._name + "-policy", mark)


def configured_nodes(text, attribute):
    """(names of the nodes in the nodes section of the configuration, dict of those that have a number in this attribute).
    Raises Unavailable when it is something else."""
    from xml.etree import ElementTree  # some 10 ms: not at the top
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        raise Unavailable("cibadmin did not answer in XML; is Pacemaker well on this node? Ask 'crm_mon -1'.") from None
    numbers = {node.get("uname"): _number(pair.get("value")) for node in root.iter("node")
               for pair in node.iter("nvpair") if pair.get("name") == attribute}
    return [node.get("uname") for node in root.iter("node") if node.get("uname")], {
        node: number for node, number in numbers.items() if number is not None}


def _number(text):
    """An integer of the configuration: 0 when it is not set, None when it is garbage (and then nothing is forced)."""
    if text is None:
        return 0
    return int(text) if text.isdigit() else None
