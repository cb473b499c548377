# SPDX-License-Identifier: Apache-2.0
"""Node attributes, by which the nodes exchange what they publish, and properties of the cluster.

Transient attributes live in pacemaker-attrd on every node and end when the node leaves; permanent ones live in the
cluster configuration, replicated and on disk. 'It was never set' and 'the cluster could not be asked' are different
answers: the second is the exception Unavailable.

A dead peer's transient attribute stays readable for a while. Count it only while the peer is a member
(quorate.pacemaker.tools).

Exit codes are those of tools/attrd_updater.c and tools/crm_attribute.c, include/crm/common/results.h (Pacemaker 2.1,
3.0).
"""

from quorate.pacemaker import tools
from quorate.pacemaker.tools import EX_CONFIG, EX_NOSUCH, EX_NOSUCH_OLD, EX_USAGE, TIMEOUT, Unavailable

PROPERTY_SET = "quorate"   # our own set of properties in the configuration, so that we never change the administrator's
VALUE_MOST = 4096          # characters
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_FORBIDDEN = frozenset('"\\')  # the tools print values between quotes and do not all escape them

# attrd_updater takes the node of the action that it runs in as its -N, also with -A (seen with Pacemaker 2.1.5): a
# question about all nodes is asked without this part of the environment.
EVERY_NODE = {"OCF_RESKEY_CRM_meta_" + name: None for name in ("on_node", "on_node_uuid", "physical_host",
                                                                 "container_attribute_target")}


class Attributes:
    """Attributes of the nodes, and properties of the cluster. Every method raises Unavailable when it cannot ask.

    own: the node that ours belong to, where it is not the one that the tools would take. In a bundle attrd_updater
    takes the guest, also with container-attribute-target=host (seen with Pacemaker 2.1.5).
    """

    def __init__(self, commands, deadline, own=None):
        self._commands = commands
        self._deadline = deadline
        self._own = own
        self._can_wait = True

    # Transient attributes

    def all(self, name):
        """Values of a transient attribute: dict of node name to value. {} when no node has it."""
        result = self._ask("attrd_updater", "-Q", "-A", "-n", _checked_name(name), accept=(EX_CONFIG, EX_NOSUCH),
                           env=EVERY_NODE)
        return parse_values(result.out, name) if result.rc == 0 else {}

    def set(self, name, value, node=None, private=False, wait=None):
        """Set a transient attribute, of this node unless `node` names another.

        A private one never reaches the configuration, so it costs no run of the scheduler, and status displays do not
        show it; that is decided when the attribute is created. wait: None, 'local' (until it can be read here) or
        'cluster' (until it can be read everywhere). Set only what changed: each public change wakes the scheduler.
        Raises ValueError for a value that the tools would garble (see plain()).
        """
        options = ["-n", _checked_name(name), "-U", checked_value(value)] + self._on(node) + (["-p"] if private else [])
        if wait and self._can_wait:
            result = self._ask("attrd_updater", *options + ["-W", wait], accept=(EX_USAGE,))
            if result.rc == 0:
                return
            self._can_wait = False  # Pacemaker before 2.1.6
        self._ask("attrd_updater", *options)
        if wait:
            self._await(name, value, node)

    def _await(self, name, value, node):
        """Read back until the value is there, for releases that cannot wait by themselves."""
        def is_there():
            values = self.all(name)
            owner = node or self._own
            return value in values.values() if owner is None else values.get(owner) == value
        if not self._deadline.poll(is_there, every=0.05, up_to=TIMEOUT):
            raise Unavailable("The cluster does not show node attribute %s after it was set; does pacemaker-attrd "
                              "work? See 'crm_mon -1' and the system log." % name)

    def delete(self, name, node=None):
        """Unset a transient attribute."""
        self._ask("attrd_updater", "-D", "-n", _checked_name(name), *self._on(node), accept=(EX_CONFIG, EX_NOSUCH))

    def rewrite(self):
        """Have all transient attributes written to the configuration again.

        When a node's controller dies and is started anew, the DC erases the node's transient attributes from the
        configuration. pacemaker-attrd, which went on running, keeps them and ignores that the same value is set again
        (seen with Pacemaker 2.1.5): without this the scheduler would never see the promotion score.
        """
        self._ask("attrd_updater", "-R")

    def await_written(self, name, node):
        """Wait until the configuration has this transient attribute of the node, where the scheduler reads it.

        Whether it has.
        """
        path = "//node_state[@uname='%s']/transient_attributes//nvpair[@name='%s']" % (node, _checked_name(name))

        def is_there():
            return self._commands.run(("cibadmin", "-Q", "-A", path), self._deadline.limit(TIMEOUT)).rc == 0
        return self._deadline.poll(is_there, every=0.1, up_to=TIMEOUT)

    # Permanent attributes of a node

    def permanent(self, name, node):
        """The value of a permanent attribute, None when it is not set."""
        return self._query("-N", node, "-l", "forever", "-n", _checked_name(name))

    def set_permanent(self, name, value, node):
        """Set a permanent attribute (None: delete it). A replicated write of the configuration: expensive."""
        self._change(value, "-N", node, "-l", "forever", "-n", _checked_name(name))

    # Properties of the cluster

    def cluster_property(self, name):
        """A property of our own set in the configuration, None when it is not set."""
        return self._query("-t", "crm_config", "-s", PROPERTY_SET, "-n", _checked_name(name))

    def set_cluster_property(self, name, value):
        """Set a property of our own set (None: delete it)."""
        self._change(value, "-t", "crm_config", "-s", PROPERTY_SET, "-n", _checked_name(name))

    def _query(self, *options):
        result = self._ask("crm_attribute", *options + ("-G", "-q"), accept=(EX_NOSUCH, EX_NOSUCH_OLD))
        if "Could not map" in result.err:  # the same code as for an attribute that is not set
            raise Unavailable("The cluster knows no node of that name (crm_attribute: %s)." % result.err.strip())
        return result.out.rstrip("\n") or None if result.rc == 0 else None

    def _change(self, value, *options):
        if value is None:
            self._ask("crm_attribute", *options + ("-D",), accept=(EX_NOSUCH, EX_NOSUCH_OLD))
        else:
            self._ask("crm_attribute", *options + ("-v", checked_value(value)))

    def _on(self, node):
        return ["-N", node or self._own] if node or self._own else []

    def _ask(self, *argv, accept=(), env=None):
        return tools.ask(self._commands, self._deadline, argv, accept, env)


def parse_values(text, name):
    """dict node -> value, from lines  name="N" host="H" value="V"  (attrd_updater -Q). An empty value is unset."""
    head = 'name="%s" host="' % name
    values = {}
    for line in text.splitlines():
        line = line.strip()
        if not line.startswith(head) or not line.endswith('"'):
            continue
        node, separator, value = line[len(head):-1].partition('" value="')
        if separator and node and value:
            values[node] = value
    return values


def plain(text):
    """The text as an attribute can hold it: one line of printable ASCII without double quotes and backslashes."""
    words = " ".join(str(text).split()).replace('"', "'").replace("\\", "/")
    return "".join(letter if " " <= letter <= "~" else "?" for letter in words)[:VALUE_MOST]


def checked_value(value):
    """The value, if an attribute can hold it. Raises ValueError otherwise."""
    text = str(value)
    if not text or len(text) > VALUE_MOST or text != text.strip():
        raise ValueError("an attribute value has 1 to %d characters and no blanks around it: %r"
                         % (VALUE_MOST, text[:80]))
    for letter in text:
        if not " " <= letter <= "~" or letter in _FORBIDDEN:
            raise ValueError("an attribute value cannot hold %r" % letter)
    return text


def _checked_name(name):
    if not name or not _NAME.issuperset(name) or name[0] == "-":
        raise ValueError("not a name for an attribute: %r" % name)
    return name
