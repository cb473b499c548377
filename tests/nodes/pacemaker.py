# SPDX-License-Identifier: Apache-2.0
"""The cluster as its command line tools show it: membership, node attributes, the configuration, who is confirmed off.

Options, output and exit codes are those of Pacemaker 2.1.5 (attrd_updater, crm_attribute, crm_node, crm_mon,
cibadmin); what quorate does not use is not here.
"""

from quorate.host.command import Result

NOSUCH, DISCONNECT = 105, 102


class Pacemaker:
    """The nodes share one. names: of all nodes of the cluster; members: those in the partition."""

    def __init__(self, names):
        self.names = tuple(names)
        self.members = set(names)
        self.unclean = set()
        self.fencing = True
        self.transient = {}     # name -> {node: value}
        self.permanent = {}     # (node, name) -> value
        self.properties = {}
        self.dropped = set()    # nodes whose attributes are not taken over (attrd hangs there)

    # What happens to it

    def leave(self, node, confirmed=True):
        """A node is gone. confirmed: fenced or shut down in good order, else it waits to be fenced."""
        self.members.discard(node)
        (self.unclean.discard if confirmed else self.unclean.add)(node)
        for values in self.transient.values():
            values.pop(node, None)

    def join(self, node):
        self.members.add(node)
        self.unclean.discard(node)

    def score(self, resource, node):
        """The promotion score, None without one."""
        value = self.transient.get("master-" + resource, {}).get(node)
        return None if value is None else int(value)

    # What its tools answer

    def answer(self, node, argv):
        """The Result of one of its tools, run on `node`."""
        tool = {"attrd_updater": self._attrd_updater, "crm_attribute": self._crm_attribute, "crm_node": self._crm_node,
                "crm_mon": self._crm_mon, "cibadmin": self._cibadmin}[argv[0]]
        if node not in self.members:
            return Result(argv, DISCONNECT, "", "", False)
        rc, out = tool(node, list(argv[1:]))
        return Result(argv, rc, out, "", False)

    def _attrd_updater(self, node, words):
        options = _options(words, "nUNWd")
        if "-R" in options:
            return 0, ""
        values = self.transient.setdefault(options["-n"], {})
        target = options.get("-N", node)
        if "-Q" in options:
            assert "-A" in options, words
            lines = ['name="%s" host="%s" value="%s"' % (options["-n"], *item) for item in sorted(values.items())]
            return (0, "\n".join(lines) + "\n") if lines else (NOSUCH, "")
        if "-D" in options:
            values.pop(target, None)
        else:
            values[target] = options["-U"]
        return 0, ""

    def _crm_attribute(self, node, words):
        options = _options(words, "NlntsvN")
        if options.get("-t") == "crm_config":
            if options.get("-s") is None:  # the administrator's own
                return (0, "%s\n" % str(self.fencing).lower()) if options["-n"] == "stonith-enabled" else (NOSUCH, "")
            assert options["-s"] == "quorate", words
            store, key = self.properties, options["-n"]
        else:
            assert options["-l"] == "forever", words
            store, key = self.permanent, (options["-N"], options["-n"])
        if "-G" in options:
            return (0, store[key] + "\n") if key in store else (NOSUCH, "")
        if "-D" in options:
            store.pop(key, None)
        else:
            store[key] = options["-v"]
        return 0, ""

    def _crm_node(self, node, words):
        return 0, node + "\n" if words == ["-n"] else " ".join(sorted(self.members)) + "\n"

    def _crm_mon(self, node, words):
        nodes = "".join('<node name="%s" type="member" online="%s" unclean="%s" pending="false" standby="false"/>' % (
            name, str(name in self.members).lower(), str(name in self.unclean).lower()) for name in self.names)
        return 0, ('<crm_mon><summary><cluster_options stonith-enabled="%s"/></summary><nodes>%s</nodes></crm_mon>'
                   % (str(self.fencing).lower(), nodes))

    def _cibadmin(self, node, words):
        return 0, ""


def _options(words, with_value):
    """dict of option to its value (None: it takes none)."""
    found, rest = {}, list(words)
    while rest:
        word = rest.pop(0)
        assert len(word) == 2 and word[0] == "-", words
        found[word] = rest.pop(0) if word[1] in with_value else None
    return found
