# SPDX-License-Identifier: Apache-2.0
"""What the nodes of a Galera cluster publish (see quorate.pacemaker.published), and the promotions that follow from it.

    RESOURCE-generation  permanent, of a node: the bootstrap generation in which it was last synced
    RESOURCE-generation  property of the cluster: the current bootstrap generation
    RESOURCE-openings    property of the cluster: the generation starts, each the position at which a generation began

encode_* and decode_* turn a Report and an Override into the text of an attribute and back (see
quorate.pacemaker.encoding); they are pure.
"""

from quorate.galera import facts
from quorate.galera.election.decide import keep_start
from quorate.galera.facts import Override, Report, View, uuid
from quorate.pacemaker import encoding, promotion, published
from quorate.pacemaker.encoding import bit, flag, number, one_of, whole
from quorate.pacemaker.tools import this_node

SCORE = 100
_END = "end:1"


def _uuid(text):
    found = uuid(text)
    if found is None:
        raise ValueError(text)
    return found


def _uuids(text):
    return frozenset(_uuid(part) for part in text.split(".")) if text else frozenset()


def _join(uuids):
    return ".".join(sorted(uuids)) or None


# key in the text, field of Report, to text, from text
_FIELDS = (
    ("st", "state", str, one_of(facts.DOWN, facts.UNKNOWN, *facts.ALIVE)),
    ("u", "uuid", str, _uuid),
    ("n", "seqno", str, number),
    ("src", "source", str, one_of(facts.GRASTATE, facts.RECOVERED, facts.NONE)),
    ("c", "clean", bit, flag),
    ("sf", "safe", bit, flag),
    ("d", "data", bit, flag),
    ("me", "my_uuid", str, _uuid),
    ("ar", "arbitrators", _join, _uuids),
    ("g", "generation", str, number),
    ("t", "since", whole, number),
    ("se", "settled", bit, flag),
    ("tr", "tried", bit, flag),
    ("sv", "survivor", bit, flag),
    ("rc", "recorded", bit, flag),
    ("fl", "failed", bit, flag),
    ("w", "written", str, number),
)


def encode_report(report):
    """The text of a Report for a node attribute. `node` is the attribute's target and not in it; `since` in whole s."""
    parts = encoding.parts(_FIELDS, report)
    if report.view is not None:
        parts.append("vu:%s,vn:%d,vm:%s" % (report.view.uuid, report.view.seq, _join(report.view.members) or ""))
    return encoding.line(parts, _END)


def decode_report(node, text):
    """The Report that `node` published; None when the text is not one (another version, truncated, garbage)."""
    values = encoding.values(text, _END)
    if values is None or "st" not in values:
        return None
    try:
        found = encoding.read(_FIELDS, values)
        if "vu" in values or "vn" in values or "vm" in values:
            found["view"] = View(_uuid(values["vu"]), number(values["vn"]), _uuids(values["vm"]))
            if not found["view"].members:
                return None
    except (KeyError, ValueError):
        return None
    return Report(node, **found)


def encode_override(override):
    """The text of an Override for an attribute. Characters of `by` that an attribute cannot hold become '_'."""
    return encoding.line(("node:" + override.node, "by:" + encoding.underscored(override.by or ""),
                          "at:" + whole(override.at or 0), "f:" + bit(override.forced)))


def decode_override(text):
    """The Override, None when the text is not one: a part of an order is not obeyed."""
    values = encoding.values(text)
    try:
        return Override(encoding.word(values["node"]), values.get("by") or None, number(values["at"]),
                        flag(values["f"]))
    except (KeyError, TypeError, ValueError):
        return None


class PublishedState(published.PublishedState):
    """One resource's attributes, as this node reads and writes them. All methods raise
    quorate.pacemaker.tools.Unavailable."""

    encode_report = staticmethod(encode_report)
    decode_report = staticmethod(decode_report)
    encode_override = staticmethod(encode_override)
    decode_override = staticmethod(decode_override)

    def withdraw(self):
        """Delete all that this node published: it takes no part any more."""
        for what in ("report", "status"):
            self._attributes.delete("%s-%s" % (self._name, what))
        promotion.withdraw(self._attributes, self._name)
        self._state_files.forget("published")

    def snapshot(self, configured, names=None, listening=None):
        """All that the election knows now. configured: data nodes, see facts.Snapshot."""
        reports, present = self.received()
        known = dict(names or {})
        for one in reports.values():
            if one.my_uuid:
                known[one.my_uuid] = one.node
        two = self._context.parameters.two_node_mode
        return facts.Snapshot(
            me=this_node(self._context), configured=configured, reports=reports, members=present,
            generation=self.generation(), names=known, two_node=two,
            lost_confirmed=self._confirmed_off(present) & set(configured) if two else frozenset(),
            override=self.override(), listening=listening)

    def _confirmed_off(self, present):
        from quorate.pacemaker import crm_mon
        cluster = crm_mon.status(self._context.commands, self._context.deadline)
        return crm_mon.confirmed_off(cluster.fencing, cluster.nodes) - present

    def open_generation(self, start):
        """Begin a generation, before a server is launched to bootstrap. start: what decide.generation_start() gave."""
        self._set_starts(keep_start(self.generation_starts(), start))
        self._attributes.set_cluster_property(self._name + "-generation", "%d" % start[0])

    def close_generation(self, generation, before):
        """Undo open_generation() of this generation: the cluster's is again the one before. A later one, which an
        operator's override may have opened meanwhile, stays."""
        if self.generation() == generation:
            self._attributes.set_cluster_property(self._name + "-generation", "%d" % before)
        starts = self.generation_starts()
        if starts and starts[-1][0] == generation:
            self._set_starts(starts[:-1])

    def is_entered(self, generation):
        """Whether this is the cluster's generation and another node is in it, or in a primary component: what was
        committed there must not be forgotten. Also of nodes that are away: one of them may have opened it."""
        if self.generation() != generation:
            return False
        from quorate.pacemaker import crm_mon
        me, reports = this_node(self._context), self.received()[0]
        if any(report.state in facts.IN_PRIMARY for node, report in reports.items() if node != me):
            return True
        nodes = [node.name for node in crm_mon.status(self._context.commands, self._context.deadline).nodes
                 if node.name != me and (node.type == "member" or node.name in reports)]
        return any(encoding.generation(self._attributes.permanent(self._name + "-generation", node)) in (
            None, generation) for node in nodes)

    def _set_starts(self, starts):
        self._attributes.set_cluster_property(self._name + "-openings", ",".join(
            "%d:%s:%s:%d" % one for one in starts) or None)

    def generation_starts(self):
        """[(generation, uuid, seqno or None, parent generation)] of the last generations, see
        decide.generation_start()."""
        found = []
        for part in (self._attributes.cluster_property(self._name + "-openings") or "").split(","):
            words = part.split(":")
            if len(words) == 4:
                generation, parent = encoding.generation(words[0]), encoding.generation(words[3])
                if None not in (generation, parent):
                    found.append((generation, words[1], facts.integer(words[2]), parent))
        return found

    def set_own_generation(self, generation):
        """Record that this node is of this generation, so that its report may vote."""
        last = self._state_files.read("published")
        if last.get("generation") != str(generation):
            self._attributes.set_permanent(self._name + "-generation", "%d" % generation, this_node(self._context))
            last["generation"] = str(generation)
            self._state_files.write("published", last)

    def apply(self, decision):
        """Offer the promotions that the decision allows, also those of other nodes: the last one to report knows
        most."""
        scores = promotion.scores(self._attributes, self._name)
        for node in decision.nodes:
            if scores.get(node, -1) < 0:
                promotion.offer(self._attributes, self._name, SCORE, node)
        me = this_node(self._context)
        if me not in decision.nodes and me in scores:
            promotion.withdraw(self._attributes, self._name)

    def offer_self(self):
        """Keep the promotion of a running server."""
        scores = promotion.scores(self._attributes, self._name)
        if scores.get(this_node(self._context), -1) < 0:
            promotion.offer(self._attributes, self._name, SCORE)

    def rewrite(self):
        """Make the scheduler see what was written before: after a controller's death it may not (see
        Attributes.rewrite)."""
        self._attributes.rewrite()

    def keep_promoted(self):
        """The same, and wait until it is so: if a probe reports a promoted server before its score is visible, the
        scheduler demotes it."""
        self._attributes.rewrite()
        self._attributes.await_written(promotion.name(self._name), this_node(self._context))

    def withdraw_self(self):
        """Remove this node's score: its promotion is not offered any more."""
        promotion.withdraw(self._attributes, self._name)

    def withdraw_of(self, node):
        """Remove another node's score, so that the cluster demotes it."""
        promotion.withdraw(self._attributes, self._name, node)
