# SPDX-License-Identifier: Apache-2.0
"""What the nodes publish about one resource: node attributes, and properties of the cluster.

    RESOURCE-report      transient, private: the report of a node, encoded
    RESOURCE-status      transient, public: its live status, a sentence for operators (pcs status --full)
    RESOURCE-generation  permanent, of a node: the generation in which it last took part
    RESOURCE-generation  property of the cluster: the current generation; a decision that leaves nodes behind begins one
    RESOURCE-override    property of the cluster: the operator's one-shot override
"""

from quorate.ocf.context import host_of_bundle
from quorate.pacemaker import encoding
from quorate.pacemaker.attributes import Attributes, plain
from quorate.pacemaker.tools import members, this_node

STATUS_MOST = 255  # characters


class PublishedState:
    """The published state of one resource, for one node. All methods raise quorate.pacemaker.tools.Unavailable.

    A subclass defines how its reports and overrides are written: encode_report(report), decode_report(node, text),
    encode_override(override), decode_override(text).
    """

    encode_report = decode_report = encode_override = decode_override = None

    def __init__(self, context, state_files, attributes=None):
        self._context = context
        self._state_files = state_files
        self._attributes = attributes or Attributes(context.commands, context.deadline, host_of_bundle(context.environ))
        self._name = context.instance

    def publish(self, report):
        """Publish the report of this node, if it changed. Returns whether it did."""
        # Readable everywhere before we read the others': of two nodes that publish at once, at least one then sees
        # both.
        return self._set_changed("report", self.encode_report(report), private=True, wait="cluster")

    def set_status(self, sentence):
        """Publish the live status of this node, if it changed: each change costs a run of the scheduler."""
        return self._set_changed("status", plain(sentence)[:STATUS_MOST] or "-")

    def statuses(self):
        """dict node -> its live status."""
        return self._attributes.all(self._name + "-status")

    def _set_changed(self, what, value, **options):
        published = self._state_files.read("published")
        if published.get(what) == value and not self._context.is_probe:
            return False
        self._attributes.set("%s-%s" % (self._name, what), value, **options)
        published[what] = value
        self._state_files.write("published", published)
        return True

    def last_published(self):
        """The report that this node published last, or None."""
        return self.decode_report(this_node(self._context), self._state_files.read("published").get("report", ""))

    def reports(self):
        """dict node -> report, of all that can be read and decoded."""
        found = {}
        for node, value in self._attributes.all(self._name + "-report").items():
            report = self.decode_report(node, value)
            if report is not None:
                found[node] = report
        return found

    def received(self):
        """(dict node -> report, frozenset of nodes) of the nodes that are members. The attribute of a dead peer stays
        readable for a while, so it is left out."""
        present = members(self._context.commands, self._context.deadline)
        everything = self.reports()
        present |= self._remotes(everything, present)
        return {node: report for node, report in everything.items() if node in present}, present

    def _remotes(self, everything, present):
        """Remote and bundle nodes have no membership of their own: ask for them only when one of them has published."""
        others = [node for node in everything if node not in present]
        if not others:
            return frozenset()
        from quorate.pacemaker import crm_mon
        nodes = crm_mon.status(self._context.commands, self._context.deadline).nodes
        return frozenset(node.name for node in nodes if node.online and node.type in ("remote", "guest")
                         and node.name in others)

    def generation(self):
        """The current generation. 0: there was none; None: garbage, on which no decision may rest."""
        return encoding.generation(self._attributes.cluster_property(self._name + "-generation"))

    def own_generation(self):
        """The generation in which this node last took part; 0 and None as above."""
        return encoding.generation(self._attributes.permanent(self._name + "-generation", this_node(self._context)))

    def override(self):
        """The operator's override, None when there is none."""
        text = self._attributes.cluster_property(self._name + "-override")
        return self.decode_override(text) if text else None

    def set_override(self, override):
        """Set the operator's override (None: it was used, or taken back)."""
        value = None if override is None else self.encode_override(override)
        self._attributes.set_cluster_property(self._name + "-override", value)
