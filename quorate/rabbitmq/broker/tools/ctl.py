# SPDX-License-Identifier: Apache-2.0
"""The broker's own command line tools, used to change something. Each starts an Erlang machine, half a second of CPU:
so none runs in a monitor that has nothing to do. A tool that fails says nothing about the broker.
"""

import os

from quorate.rabbitmq.broker import parse

DIRECTORIES = ("/usr/sbin", "/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin")


class Tools:
    """rabbitmqctl, rabbitmq-queues and rabbitmq-upgrade on this node, within the time of one action. Most methods
    return (done, message): message is for the operator when it is not done."""

    def __init__(self, context, layout):
        self._context = context
        self._layout = layout

    def run(self, tool, *arguments, limit=30.0, node=None):
        """The Result of one tool. node: the Erlang name of another node, to ask that one."""
        path = next((os.path.join(directory, tool) for directory in DIRECTORIES
                     if os.access(os.path.join(directory, tool), os.X_OK)), tool)
        env = dict(self._layout.environment(), LC_ALL="C.UTF-8")
        if self._context.parameters.datadir:
            env["RABBITMQ_MNESIA_BASE"] = self._layout.base
        argv = [path] + (["-n", node] if node else []) + list(arguments)
        return self._context.commands.run(argv, self._context.deadline.limit(limit), env=env)

    def forget(self, name, node):
        """Remove the member `name` from the cluster of `node` (both Erlang names): (done, message)."""
        result = self.run("rabbitmqctl", "forget_cluster_node", name, node=node, limit=60)
        if result.ok or "not_a_cluster_node" in result.err + result.out:
            return True, "The cluster forgot %s." % name
        return False, "The cluster did not forget %s: %s" % (name, why(result))

    def set_policy(self, policy):
        """Set the policy: (done, message)."""
        result = self.run("rabbitmqctl", *policy.arguments())
        return result.ok, "" if result.ok else "The policy %s was not set: %s" % (policy.name, why(result))

    def force_boot(self):
        """Let the next boot of this (stopped) node wait for no other node: (done, message)."""
        result = self.run("rabbitmqctl", "force_boot")
        return result.ok, "" if result.ok else "The boot cannot be forced: %s" % why(result)

    def critical(self):
        """Whether quorum queues would lose their quorum without this node: True, False, None: no answer."""
        result = self.run("rabbitmq-queues", "check_if_node_is_quorum_critical", "--formatter", "json", limit=10)
        if result.ok:
            return False
        # A broker that cannot be reached has the same exit code; the text tells them apart (3.10 and 4.0).
        return True if "minimum online quorum" in result.err + result.out else None

    def cluster_status(self):
        """The JSON of cluster_status; '' when it does not answer."""
        result = self.run("rabbitmqctl", "-q", "cluster_status", "--formatter", "json", limit=15)
        return result.out if result.ok else ""

    def drain(self, limit):
        """Put this node into maintenance mode: (done, message)."""
        result = self.run("rabbitmq-upgrade", "drain", limit=limit)
        return result.ok, "" if result.ok else "Not drained: %s" % why(result)


def why(result):
    """Why a tool failed, by its own output: what it says on stderr, since it announces on stdout what it is about to
    do."""
    if result.timed_out:
        return "%s did not end in time" % os.path.basename(result.argv[0])
    return _error(result.err) or _error(result.out) or "code %s" % result.rc


def _error(text):
    """The error of a tool: the line behind 'Error:', which may be one of several; of an exception of Elixir's its first
    line, which its stack follows; else the last line. None: there is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    after = [line for before, line in zip(lines, lines[1:]) if before in ("Error:", "ERROR:")]
    first = [line for line in lines if line.startswith(("Error (", "** ("))]
    rest = [line for line in lines if line not in ("Error:", "ERROR:")]
    return next((one[:200] for one in (after[:1] + [parse.last_error(text)] + first[:1] + rest[-1:]) if one), None)
