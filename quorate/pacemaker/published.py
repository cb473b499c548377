# SPDX-License-Identifier: Apache-2.0
"""Where the nodes tell each other what they know about one resource: node attributes of the cluster, and properties of
it.

    RESOURCE-report      transient, private: the report of a node, encoded
    RESOURCE-status      transient, public: one live sentence for people (pcs status --full)
    RESOURCE-generation  permanent, of a node: the generation in which it last took part
    RESOURCE-generation  property of the cluster: the current generation, begun by a decision that leaves nodes behind
    RESOURCE-override    property of the cluster: the operator's one-shot word
"""

from quorate.ocf.context import host_of_bundle
from quorate.pacemaker import encoding
from quorate.pacemaker.attributes import Attributes, plain
from quorate.pacemaker.tools import members, this_node

STATUS_MOST = 255  # characters


class PublishedState:
    """One resource's attributes, seen from one node. All methods raise quorate.pacemaker.attributes.Unavailable.

    A subclass says how its reports and overrides are written: encode_report(report), decode_report(node, text),
    encode_override(override), decode_override(text).
    """

    encode_report = decode_report = encode_override = decode_override = None

    def __init__(self, context, state_files, attributes=None):
        self._context = context
        self._state_files = state_files
        self._attributes = attributes or Attributes(context.commands, context.deadline, host_of_bundle(context.environ))
        self._name = context.instance

    def publish(self, report):
        """Tell the others, if it is not what they know already. Returns whether it was new."""
        # Readable everywhere before we look at the others': of two that report at once, at least one then sees both.
        return self._set_changed("report", self.encode_report(report), private=True, wait="cluster")

    def set_status(self, sentence):
        """Show the live sentence; each new one costs a run of the scheduler, the same one nothing."""
        return self._set_changed("status", plain(sentence)[:STATUS_MOST] or "-")

    def statuses(self):
        """dict node -> its live sentence."""
        return self._attributes.all(self._name + "-status")

    def _set_changed(self, what, value, **options):
        note = self._state_files.read("published")
        if note.get(what) == value and not self._context.is_probe:
            return False
        self._attributes.set("%s-%s" % (self._name, what), value, **options)
        note[what] = value
        self._state_files.write("published", note)
        return True

    def last_published(self):
        """The report that this node published last, or None."""
        return self.decode_report(this_node(self._context), self._state_files.read("published").get("report", ""))

    def reports(self):
        """dict node -> report, of all that can be read; what is garbled is left out."""
        found = {}
        for node, value in self._attributes.all(self._name + "-report").items():
            report = self.decode_report(node, value)
            if report is not None:
                found[node] = report
        return found

    def received(self):
        """(dict node -> report, frozenset of nodes) of those that are there. A dead peer's attribute stays readable for
        a while, so only members count."""
        present = members(self._context.commands, self._context.deadline)
        everything = self.reports()
        present |= self._remotes(everything, present)
        return {node: report for node, report in everything.items() if node in present}, present

    def _remotes(self, everything, present):
        """Remote and bundle nodes have no membership of their own: ask for them only when one of them has spoken."""
        others = [node for node in everything if node not in present]
        if not others:
            return frozenset()
        from quorate.pacemaker import crm_mon
        nodes = crm_mon.status(self._context.commands, self._context.deadline).nodes
        return frozenset(node.name for node in nodes if node.online and node.type in ("remote", "guest")
                         and node.name in others)

    def generation(self):
        """The current generation. 0: there was none; None: garbage, and then nobody acts on it."""
        return encoding.generation(self._attributes.cluster_property(self._name + "-generation"))

    def own_generation(self):
        """The generation in which this node last took part."""
        return encoding.generation(self._attributes.permanent(self._name + "-generation", this_node(self._context)))

    def override(self):
        """The operator's word, None when there is none."""
        text = self._attributes.cluster_property(self._name + "-override")
        return self.decode_override(text) if text else None

    def set_override(self, override):
        """Leave the operator's word (None: it was used, or taken back)."""
        value = None if override is None else self.encode_override(override)
        self._attributes.set_cluster_property(self._name + "-override", value)
