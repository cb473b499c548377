# SPDX-License-Identifier: Apache-2.0
"""Where the nodes tell each other what they know: node attributes of the cluster, and the properties of the election.

    RESOURCE-report      transient, private: the Report of a node, encoded
    RESOURCE-status      transient, public: one live sentence for people (pcs status --full)
    RESOURCE-generation  permanent, of a node: the bootstrap generation in which it was last synced
    RESOURCE-generation  property of the cluster: the current bootstrap generation
    RESOURCE-openings    property of the cluster: from which position each generation began
    RESOURCE-override    property of the cluster: the operator's one-shot word
"""

from quorate.galera import facts, report as form
from quorate.pacemaker import promotion
from quorate.pacemaker.attributes import Attributes, plain
from quorate.pacemaker.members import members

SCORE = 100
OPENINGS_KEPT = 15


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

    def withdraw(self):
        """Take back all that this node said: it takes no part any more."""
        for what in ("report", "status"):
            self._attributes.delete("%s-%s" % (self._name, what))
        promotion.withdraw(self._attributes, self._name)
        self._memory.forget("published")

    def reports(self):
        """dict node -> Report, of all that can be read; what is garbled is left out."""
        found = {}
        for node, value in self._attributes.all(self._name + "-report").items():
            report = form.decode_report(node, value)
            if report is not None:
                found[node] = report
        return found

    def snapshot(self, configured, names=None, listening=None):
        """All that the election knows now. configured: data nodes, see facts.Snapshot."""
        present = members(self._context.commands, self._context.deadline)
        everything = self.reports()
        present_or_remote = present | self._remotes(everything, present)
        # A dead peer's attribute stays readable for a while, so only members count.
        reports = {node: report for node, report in everything.items() if node in present_or_remote}
        known = dict(names or {})
        for report in reports.values():
            if report.my_uuid:
                known[report.my_uuid] = report.node
        two = self._context.parameters.two_node_mode
        return facts.Snapshot(
            self._context.node, configured, reports, present_or_remote, self.generation(), known, two,
            self._lost(configured, present_or_remote) if two else frozenset(), self.override(), listening)

    def _remotes(self, everything, present):
        """Remote and bundle nodes have no membership of their own: ask for them only when one of them has spoken."""
        others = [node for node in everything if node not in present]
        if not others:
            return frozenset()
        from quorate.pacemaker.cluster import status
        nodes = status(self._context.commands, self._context.deadline).nodes
        return frozenset(node.name for node in nodes if node.online and node.type in ("remote", "guest")
                         and node.name in others)

    def _lost(self, configured, present):
        from quorate.pacemaker.cluster import status
        nodes = status(self._context.commands, self._context.deadline).nodes
        return frozenset(node.name for node in nodes if node.name in configured and node.name not in present
                         and not node.online and not node.unclean and not node.pending)

    def generation(self):
        """The current bootstrap generation; 0: nobody ever bootstrapped through us."""
        return _number(self._attributes.cluster_property(self._name + "-generation"))

    def own_generation(self):
        """The generation in which this node was last synced."""
        return _number(self._attributes.permanent(self._name + "-generation", self._context.node))

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

    def override(self):
        """The operator's word, None when there is none."""
        text = self._attributes.cluster_property(self._name + "-override")
        return form.decode_override(text) if text else None

    def overrule(self, override):
        """Leave the operator's word (None: it was used, or taken back)."""
        value = None if override is None else form.encode_override(override)
        self._attributes.set_cluster_property(self._name + "-override", value)

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


def _number(text):
    """An integer of the configuration: 0 when it is not set, None when it is garbage (and then nobody bootstraps)."""
    if text is None:
        return 0
    try:
        return int(text)
    except ValueError:
        return None
