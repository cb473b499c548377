# SPDX-License-Identifier: Apache-2.0
"""What a cluster holds that matters before an upgrade, as its own tools tell it: versions, members, feature flags,
queues, policies, deprecated features in use. Asked of one running node, for an operator's command only: each question
starts an Erlang machine.

The answers are those of RabbitMQ 3.10.8 and 4.0.5, seen. No question has an answer with a secret in it: `environment`
and `status` are not asked.
"""

import json
from base64 import b64decode
from collections import namedtuple

from quorate.errors import Unreadable
from quorate.rabbitmq.broker.settings import terms
from quorate.rabbitmq.broker.tools.ctl import why

LIMIT = 60.0  # seconds of one question: list_queues asks every queue
QUEUE_COLUMNS = ("name", "type", "durable", "exclusive", "arguments", "policy", "members", "state")
POLICIES = (("list_policies", False), ("list_operator_policies", True))
DEPRECATED_SINCE = (3, 13)  # list_deprecated_features
QUORUM, CLASSIC, STREAM = "quorum", "classic", "stream"
# A queue whose node is away has the name of its module (rabbit_amqqueue:info_down/2).
_TYPES = {"rabbit_quorum_queue": QUORUM, "rabbit_classic_queue": CLASSIC, "rabbit_stream_queue": STREAM}


# The records of all quorum queues. get_quorum_nodes/1: 3.8 to 4.2; names as base64, since they may be any text.
_MEMBERS = ("[{base64:encode(V), base64:encode(N), rabbit_amqqueue:get_quorum_nodes(Q)} || Q <- rabbit_amqqueue:list(), "
            "amqqueue:get_type(Q) =:= rabbit_quorum_queue, {resource, V, queue, N} <- [amqqueue:get_name(Q)]].")


class Unanswered(Exception):
    """A question was not answered, or the answer not understood; the text is a sentence without a full stop."""


class Status(namedtuple("Status", "versions members ram running partitions alarms flags")):
    """versions: dict Erlang name -> version; members: all of the cluster's; ram: those of them without a disk; running;
    frozensets of Erlang names. partitions, alarms: their number; flags: dict name -> (state, stability)."""
    __slots__ = ()


class Queue(namedtuple("Queue", "vhost name type durable exclusive arguments policy members")):
    """type: QUORUM, CLASSIC, STREAM or another one's name; durable, exclusive: None: unknown (its node is away);
    arguments: dict; policy: name of the policy that applies, or ''; members: frozenset of Erlang names, () of a queue
    without replicas."""
    __slots__ = ()


class Policy(namedtuple("Policy", "vhost name definition operator")):
    """definition: dict; operator: whether it is an operator policy."""
    __slots__ = ()


class Questions:
    """The questions, to one node of a cluster. Each raises Unanswered."""

    def __init__(self, tools, node):
        self._tools, self._node, self._members = tools, node, None

    def _ask(self, read, *words):
        """read(text): the answer; ValueError or Unreadable where the text is none."""
        result = self._tools.run("rabbitmqctl", "-q", *words, node=self._node, limit=LIMIT)
        if not result.ok:
            raise Unanswered("%s does not answer %s (%s)" % (self._node, words[0], why(result)))
        # A line may stand before the answer: an older tool's headline; an error of Erlang's, which 4.0.5 now and then
        # logs while it loads its modules.
        lines = result.out.splitlines(True)
        for number, line in enumerate(lines):
            if line.startswith(("[", "{")):
                try:
                    return read("".join(lines[number:]))
                except (ValueError, Unreadable):
                    pass
        raise _unclear(words[0])

    def _json(self, *words):
        return self._ask(json.loads, *(words + ("--formatter", "json")))

    def rows(self, *words):
        """The answer of a command of rabbitmqctl that lists something, a list of dicts."""
        answer = self._json(*words)
        if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
            raise _unclear(words[0])
        return answer

    def status(self):
        """The Status."""
        answer = self._json("cluster_status")
        try:
            return Status({node: one["rabbitmq_version"] for node, one in answer["versions"].items()},
                          frozenset(answer["disk_nodes"]) | frozenset(answer.get("ram_nodes", ())),
                          frozenset(answer.get("ram_nodes", ())), frozenset(answer["running_nodes"]),
                          len(answer["partitions"]), len(answer["alarms"]),
                          {one["name"]: (one["state"], one["stability"]) for one in answer["feature_flags"]})
        except (KeyError, TypeError, AttributeError):
            raise _unclear("cluster_status") from None

    def vhosts(self):
        """A sorted list of the names of virtual hosts."""
        return sorted(_text(one, "name", "list_vhosts") for one in self.rows("list_vhosts", "name"))

    def queues(self, vhost):
        """A list of the Queues of a virtual host, by name, also of quorum queues that have no leader. Of a virtual host
        that does not exist, [] (as RabbitMQ)."""
        found = {one.name: one for one in (
            _queue(vhost, row) for row in self.rows("list_queues", "--vhost", vhost, *QUEUE_COLUMNS))}
        for (home, name), members in self.quorum_members().items():
            if home == vhost and name not in found:
                found[name] = Queue(vhost, name, QUORUM, None, None, {}, "", members)
        return [found[name] for name in sorted(found)]

    def quorum_members(self):
        """dict (virtual host, name) -> frozenset of the Erlang names of its members, of every quorum queue. By their
        records: list_queues leaves out a queue that has no leader (3.10.8, seen), as one of three without two has. Asked
        once."""
        if self._members is None:
            answer = self._ask(lambda text: terms.parse("eval", text + "."), "eval", _MEMBERS)
            try:
                found = {(_decoded(vhost), _decoded(name)): list(members) for vhost, name, members in answer[0]
                         if isinstance(members, list)}
                if len(answer) != 1 or len(found) != len(answer[0]):
                    raise _unclear("eval")
            except (ValueError, TypeError, AttributeError):
                raise _unclear("eval") from None
            self._members = {queue: frozenset(map(str, members)) for queue, members in found.items()}
        return self._members

    def policies(self, vhost):
        """A list of the Policies of a virtual host, operator policies last."""
        return [_policy(vhost, one, operator, command) for command, operator in POLICIES
                for one in self.rows(command, "--vhost", vhost)]

    def deprecated(self):
        """dict of the deprecated features that RabbitMQ knows to be in use: name -> phase."""
        command = "list_deprecated_features"
        return {_text(one, "name", command): _text(one, "deprecation_phase", command)
                for one in self.rows(command, "--used", "name", "deprecation_phase")}


def _decoded(text):
    return b64decode(text.encode("ascii"), validate=True).decode("utf-8", "replace")


def _unclear(command):
    return Unanswered("the answer of %s is not understood" % command)


def _text(row, key, command):
    if not isinstance(row.get(key), str):
        raise _unclear(command)
    return row[key]


def _queue(vhost, row):
    kind, arguments = _text(row, "type", "list_queues"), row.get("arguments") or []
    members = row.get("members") or ()
    try:
        return Queue(vhost, _text(row, "name", "list_queues"), _TYPES.get(kind, kind), _yes(row, "durable"),
                     _yes(row, "exclusive"), {one[0]: one[-1] for one in arguments}, row.get("policy") or "",
                     frozenset(members))
    except (TypeError, IndexError):
        raise _unclear("list_queues") from None


def _yes(row, key):
    """True, False, or None: a queue that does not answer has an empty text."""
    return row.get(key) if isinstance(row.get(key), bool) else None


def _policy(vhost, row, operator, command):
    definition = row.get("definition")
    try:
        definition = json.loads(definition) if isinstance(definition, str) else definition
    except ValueError:
        definition = None
    if not isinstance(definition, dict):
        raise _unclear(command)
    return Policy(vhost, _text(row, "name", command), definition, operator)
