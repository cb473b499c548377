# SPDX-License-Identifier: Apache-2.0
"""What the nodes of a RabbitMQ cluster tell each other (see quorate.pacemaker.board), and what is kept for all of them.

    RESOURCE-generation  permanent, of a node: the last forced boot that it took part in
    RESOURCE-generation  property of the cluster: the last forced boot
    RESOURCE-founder     property of the cluster, in a set of its own: who founded the first cluster
    RESOURCE-policy      property of the cluster: mark of the policy that was set last
"""

from quorate.pacemaker import board
from quorate.pacemaker.attributes import EX_NOSUCH, Unavailable, ask
from quorate.rabbitmq import facts, report

EX_EXISTS = 108  # CRM_EX_EXISTS: cibadmin --create of what is there already


class Board(board.Board):
    """One resource's attributes, seen from one node. All methods raise quorate.pacemaker.attributes.Unavailable."""

    form = report

    def withdraw_status(self):
        """Take back the live sentence: this node takes no part. What is on its disk stays told."""
        self._attributes.delete(self._name + "-status")
        note = self._memory.read("published")
        note.pop("status", None)
        self._memory.write("published", note)

    def snapshot(self):
        """All that is known now."""
        reports, present = self.heard()
        nodes, generations = self.configured()
        return facts.Snapshot(self._context.node, nodes | frozenset((self._context.node,)), reports, present,
                              self.generation(), self.founder(), self.override(), generations)

    def configured(self):
        """(names of the nodes that may hold data: the parameter, else all of the cluster, whether they are there or not;
        dict of node -> the last forced boot that it took part in)."""
        text = ask(self._context.commands, self._context.deadline, ("cibadmin", "-Q", "-o", "nodes"), (EX_NOSUCH,)).out
        names, generations = configured_nodes(text, self._name + "-generation")
        named = (self._context.parameters.nodes or "").replace(",", " ").split()
        return frozenset(named or names), generations

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
    numbers = {node.get("uname"): board.number(pair.get("value")) for node in root.iter("node")
               for pair in node.iter("nvpair") if pair.get("name") == attribute}
    return [node.get("uname") for node in root.iter("node") if node.get("uname")], {
        node: number for node, number in numbers.items() if number is not None}
