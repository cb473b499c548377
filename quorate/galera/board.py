# SPDX-License-Identifier: Apache-2.0
"""What the nodes of a Galera cluster tell each other (see quorate.pacemaker.board), and the promotions that follow from it.

    RESOURCE-generation  permanent, of a node: the bootstrap generation in which it was last synced
    RESOURCE-generation  property of the cluster: the current bootstrap generation
    RESOURCE-openings    property of the cluster: from which position each generation began
"""

from quorate.galera import facts, report
from quorate.pacemaker import board, promotion

SCORE = 100
OPENINGS_KEPT = 15


class Board(board.Board):
    """One resource's attributes, seen from one node. All methods raise quorate.pacemaker.attributes.Unavailable."""

    form = report

    def withdraw(self):
        """Take back all that this node said: it takes no part any more."""
        for what in ("report", "status"):
            self._attributes.delete("%s-%s" % (self._name, what))
        promotion.withdraw(self._attributes, self._name)
        self._memory.forget("published")

    def snapshot(self, configured, names=None, listening=None):
        """All that the election knows now. configured: data nodes, see facts.Snapshot."""
        reports, present = self.heard()
        known = dict(names or {})
        for one in reports.values():
            if one.my_uuid:
                known[one.my_uuid] = one.node
        two = self._context.parameters.two_node_mode
        return facts.Snapshot(
            self._context.node, configured, reports, present, self.generation(), known, two,
            self._lost(configured, present) if two else frozenset(), self.override(), listening)

    def _lost(self, configured, present):
        from quorate.pacemaker.cluster import status
        nodes = status(self._context.commands, self._context.deadline).nodes
        return frozenset(node.name for node in nodes if node.name in configured and node.name not in present
                         and not node.online and not node.unclean and not node.pending)

    def open_generation(self, begins):
        """Make this the current generation, before a server is told to bootstrap. begins: what decide.opening() gave."""
        kept = self.openings()[-OPENINGS_KEPT:] + [begins]
        self._attributes.set_cluster_property(self._name + "-openings", ",".join(
            "%d:%s:%s:%d" % one for one in kept))
        self._attributes.set_cluster_property(self._name + "-generation", "%d" % begins[0])

    def openings(self):
        """(generation, uuid, seqno or None, parent generation) of the last generations, see decide.opening()."""
        found = []
        for part in (self._attributes.cluster_property(self._name + "-openings") or "").split(","):
            words = part.split(":")
            if len(words) == 4 and words[0].isdigit() and words[3].isdigit():
                found.append((int(words[0]), words[1], int(words[2]) if words[2].lstrip("-").isdigit() else None,
                              int(words[3])))
        return found

    def synced_in(self, generation):
        """Record that this node is synced in this generation, so that its report may vote."""
        note = self._memory.read("published")
        if note.get("generation") != str(generation):
            self._attributes.set_permanent(self._name + "-generation", "%d" % generation, self._context.node)
            note["generation"] = str(generation)
            self._memory.write("published", note)

    def apply(self, decision):
        """Offer the promotion that the decision allows, also on behalf of the others: the last one to report sees most."""
        scores = promotion.scores(self._attributes, self._name)
        for node in decision.nodes:
            if scores.get(node, -1) < 0:
                promotion.offer(self._attributes, self._name, SCORE, node)
        me = self._context.node
        if me not in decision.nodes and me in scores:
            promotion.withdraw(self._attributes, self._name)

    def offer_self(self):
        """Keep the promotion of a running server."""
        scores = promotion.scores(self._attributes, self._name)
        if scores.get(self._context.node, -1) < 0:
            promotion.offer(self._attributes, self._name, SCORE)

    def rewrite(self):
        """Make the scheduler see what was said before: after a controller's death it may not (see Attributes.rewrite)."""
        self._attributes.rewrite()

    def keep_promoted(self):
        """The same, and wait until it is so: a probe that tells of a promoted server before its score is to be seen makes
        the scheduler demote it."""
        self._attributes.rewrite()
        self._attributes.await_written(promotion.name(self._name), self._context.node)

    def withdraw_self(self):
        promotion.withdraw(self._attributes, self._name)

    def withdraw_of(self, node):
        """Take another node's score, so that the cluster demotes it."""
        promotion.withdraw(self._attributes, self._name, node)
