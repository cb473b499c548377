# SPDX-License-Identifier: Apache-2.0
"""Pacemaker's command line tools: how they are run, and what crm_node tells of members and of this node's name."""

EX_USAGE = 64        # CRM_EX_USAGE: an option this release does not know
EX_CONFIG = 78       # CRM_EX_CONFIG: of attrd_updater, for an attribute that was never set
EX_DISCONNECT = 102  # CRM_EX_DISCONNECT: Pacemaker does not run here
EX_NOSUCH = 105      # CRM_EX_NOSUCH: of crm_attribute, for an attribute that does not exist
EX_NOSUCH_OLD = 6    # the same before 2.1 (ENXIO)
TIMEOUT = 10.0       # seconds for one question; it normally takes some milliseconds
STANDARD_ROLES = {"Master": "Promoted", "Slave": "Unpromoted"}  # what releases before OCF 1.1 call them


class Unavailable(Exception):
    """The cluster could not be asked. `reason` is a sentence for the operator."""

    def __init__(self, reason):
        Exception.__init__(self, reason)
        self.reason = reason


def ask(commands, deadline, argv, accept=(), env=None):
    """Run a tool. Its Result, if it succeeded or ended with a code of `accept`; else raises Unavailable."""
    if deadline.expired:
        raise Unavailable("No time was left to ask the cluster (%s)." % argv[0])
    result = commands.run(argv, deadline.limit(TIMEOUT), env=env)
    if result.rc == 0 or result.rc in accept:
        return result
    raise Unavailable(_failure(result))


def _failure(result):
    """Why a tool failed, a sentence with what to type."""
    tool = result.argv[0]
    if result.timed_out:
        return "The cluster did not answer %s in time; does Pacemaker work on this node? See 'crm_mon -1'." % tool
    if result.rc == EX_DISCONNECT:
        return "Pacemaker does not run on this node; start it with 'pcs cluster start'."
    if result.rc == 127:
        return "%s is not installed; install the package pacemaker-cli-utils (RHEL: pacemaker-cli)." % tool
    lines = (result.err.strip() or result.out.strip()).splitlines()
    return "%s failed with code %s%s" % (tool, result.rc, ": " + lines[-1].strip() if lines else ".")


def members(commands, deadline):
    """Names of the nodes in our partition, as a frozenset. Raises Unavailable.

    Remote and bundle nodes are not among them: they have no membership of their own.
    """
    names = ask(commands, deadline, ("crm_node", "-p")).out.split()
    found = frozenset(name for name in names if name != "(null)")  # a node that just joined may not have a name yet
    if not found:
        raise Unavailable("crm_node -p names no members; does Pacemaker work on this node? See 'crm_mon -1'.")
    return found


def local_node(commands, deadline):
    """The name of this node in the cluster. Raises Unavailable. (The host name need not be the same.)"""
    name = ask(commands, deadline, ("crm_node", "-n")).out.strip()
    if not name or name == "(null)":
        raise Unavailable("crm_node -n does not know the name of this node; is Pacemaker started? See 'crm_mon -1'.")
    return name


def this_node(context):
    """The name of the node that this instance's attributes belong to: as the environment tells it, else as the cluster
    does.

    The cluster is asked once for each context. Raises Unavailable when it cannot be asked.
    """
    if context.node is None:
        context.node = local_node(context.commands, context.deadline)
    return context.node


def is_true(text):
    """Whether a text of the configuration means yes, as Pacemaker reads it."""
    return text.lower() in ("true", "yes", "on", "1", "y")
