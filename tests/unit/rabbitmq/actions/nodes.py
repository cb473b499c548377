# SPDX-License-Identifier: Apache-2.0
"""A node with the disk of a broker in a temporary directory, among others whose reports the test gives."""

import json
import os
from base64 import b64encode
import pwd

from quorate.host.state_files import StateFiles
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions.participant import Participant
from quorate.rabbitmq.broker import layout
from quorate.rabbitmq.declaration import PARAMETERS
from tests import fakes

ME = pwd.getpwuid(os.getuid()).pw_name


class KeptState:
    """A PublishedState that keeps what it is given; the other nodes' reports come from the test."""

    def __init__(self, reports=(), **more):
        self.others = {one.node: one for one in reports}
        self.own, self.statuses, self.ordered, self.current, self.last_policy = None, [], more.get("override"), 0, None
        self.nodes = frozenset(("n1", "n2", "n3"))
        self.founder_node = None
        self.generations = {}

    def publish(self, report):
        self.own = report

    def last_published(self):
        return self.own

    def set_status(self, sentence):
        self.statuses.append(sentence)

    def reports(self):
        return dict(self.others, **({"n1": self.own} if self.own else {}))

    def snapshot(self):
        found = self.reports()
        return facts.Snapshot("n1", self.nodes, found, frozenset(found), self.current, self.founder_node, self.ordered,
                              self.generations)

    def generation(self):
        return self.current

    own_generation = generation

    def open_generation(self):
        self.current += 1
        return self.current

    def took_part(self, number):
        assert number == self.current

    def override(self):
        return self.ordered

    def set_override(self, override):
        self.ordered = override

    def claim(self):
        self.founder_node = self.founder_node or "n1"
        return self.founder_node

    def found_instead(self):
        self.founder_node = "n1"

    def policy(self):
        return self.last_policy

    def set_policy(self, fingerprint):
        self.last_policy = fingerprint


class Node:
    """One node with a disk in a temporary directory."""

    def __init__(self, tmp_path, reports=(), clock=None, parameters=None, **more):
        self.clock = clock or fakes.FakeClock()
        self.commands = fakes.FakeCommands(self.clock)
        self.context = fakes.context("start", PARAMETERS, clock=self.clock, commands=self.commands, seconds=100,
                                     **dict({"user": ME}, **(parameters or {})))
        self.state_files = StateFiles("rabbitmq", "mq", str(tmp_path / "run"), str(tmp_path / "persistent"))
        self.directory = tmp_path / "mnesia" / "rabbit@n1"
        (tmp_path / "cookie").write_text("secret")
        self.layout = layout.Layout("/bin/true", "rabbit@n1", str(tmp_path / "mnesia"), str(self.directory),
                                     str(tmp_path / "log"), ME, ME, str(tmp_path / "cookie"), "/nonexistent", 5672,
                                    False,
                                     "3.10.8", str(tmp_path))
        self.state_files.write("started", {"at": 1})
        self.published = KeptState(reports, **more)
        self.unreachable = set()
        self.participant = Participant(self.context, self.state_files, self.published, self.layout,
                                       lambda name, *_: name not in self.unreachable)
        self.commands.on_spawn = self._spawn

    def _spawn(self, _argv):
        return self.context.processes.add("/usr/bin/beam.smp -s rabbit boot", pid=500).pid

    def instance_files(self, *words, log):
        """In place of the class StateFiles of a module of actions."""
        assert words == ("rabbitmq", self.context.instance) and log is self.context.log
        return self.state_files

    def participant_of(self, context, state_files, layout):
        """In place of the class Participant of a module of actions."""
        assert (context, state_files, layout) == (self.context, self.state_files, self.layout)
        return self.participant

    def fill(self, members="rabbit@n1,rabbit@n2,rabbit@n3", running="rabbit@n1,rabbit@n2,rabbit@n3"):
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "schema.DAT").write_text("x")
        (self.directory / "cluster_nodes.config").write_text("{[%s],[%s]}.\n" % (members, members))
        (self.directory / "nodes_running_at_shutdown").write_text("[%s].\n" % running)
        return self


TOOLS = tuple(directory + tool for directory in ("", "/usr/sbin/", "/usr/lib/rabbitmq/bin/", "/opt/rabbitmq/sbin/")
              for tool in ("rabbitmqctl", "rabbitmq-queues"))


def tools(node, **answer):
    """The broker's tools do what is asked, and say that there are `queues`: dict vhost -> the answer of list_queues.
    answer: as FakeCommands.allow has it."""
    queues = answer.pop("queues", {"/": []})

    def listed(argv, _stdin):
        if "eval" in argv:
            return records({(vhost, one["name"]): one["members"] for vhost in queues for one in queues[vhost]
                            if one.get("type") == "quorum"})
        return json.dumps(queues[argv[argv.index("--vhost") + 1]]) if "list_queues" in argv else None

    for path in TOOLS:
        node.commands.allow(path, ..., then=None if answer else listed, **answer)


def records(queues):
    """What RabbitMQ's records say of quorum queues: dict (vhost, name) -> Erlang names of the members; as eval prints it."""
    return "[%s]\n" % ",".join("{<<\"%s\">>,<<\"%s\">>,[%s]}" % (*[b64encode(text.encode()).decode() for text in queue],
                                                              ",".join("'%s'" % one for one in sorted(members)))
                               for queue, members in queues.items())


def quorum_queue(name, *members):
    """An element of the answer of list_queues."""
    return {"name": name, "type": "quorum", "members": ["rabbit@" + one for one in members]}


def names(*nodes):
    return frozenset("rabbit@" + node for node in nodes)


def other(node, state, **more):
    given = dict(data=True, name="rabbit@" + node, members=names("n1", "n2", "n3"), running=names("n1", "n2", "n3"),
                 store=facts.MNESIA, generation=0, launched=True)
    given.update(more)
    return facts.Report(node, state, **given)
