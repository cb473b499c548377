# SPDX-License-Identifier: Apache-2.0
"""Quorum queues of a node that joins in place of a member whose data are gone: those that had the member have this node
again afterwards, and no others: `rabbitmq-queues grow NODE all` alone would put every queue on every node.

RabbitMQ's own membership reconciliation (3.13 and later, off by default; rabbit_quorum_queue_periodic_membership_
reconciliation.erl, should_add_node/3) adds a member to a queue that has fewer than its size to reach and an even
number of them (or where more than one node is free, which is not known here). The size is the largest of the setting
target_group_size, the policy's and the queue's own. What it restores is left to it: it may choose another node, and
with two of them the queue would have a member too many. A queue of another size it leaves as it is: that one is
extended here.
"""

import json
from urllib.parse import quote, unquote

from quorate.rabbitmq.actions.participant import NotNow
from quorate.rabbitmq.broker import parse
from quorate.rabbitmq.broker.tools.ctl import Tools, why

AT_ONCE = 50        # queues of one vhost in one call
RECONCILES = (3, 13)
# What list_queues tells of a queue's own size to reach (3.13 and later), each as pairs or triples with the value last.
SIZE_COLUMNS = ("arguments", "effective_policy_definition")
SIZE_KEYS = ("x-quorum-target-group-size", "target-group-size")
RECONCILIATION = "quorum_queue.continuous_membership_reconciliation."


def remember_queues(participant, gone, peer):
    """Before the members `gone` (Erlang names) are forgotten by the cluster of `peer`: keep which quorum queues they
    are members of. Raises NotNow where that cannot be found out."""
    found = _kept(participant) or set()
    tools, size = Tools(participant.context, participant.layout), reconciled_size(participant)
    columns = ("name", "type", "members") + (() if size is None else SIZE_COLUMNS)
    for vhost in _vhosts(_asked(tools, peer, "list_vhosts", "name")):
        queues = members_of(_asked(tools, peer, "list_queues", "--vhost", vhost, *columns), gone)
        found |= {(vhost, name) for name, one in queues.items()
                  if size is None or not is_restored(one, gone, size)}
    participant.state_files.write("grow", {"for": participant.layout.nodename, "queues": " ".join(sorted(
        map(_quoted, found)))}, persistent=True, required=True)


def _asked(tools, peer, *words):
    """The JSON that rabbitmqctl prints, a list of dicts. Raises NotNow."""
    result = tools.run("rabbitmqctl", "-q", *(words + ("--formatter", "json")), node=peer, limit=60)
    try:
        found = json.loads(result.out[result.out.index("["):]) if result.ok else None
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise NotNow("It joins later: the cluster did not say which quorum queues have a member on this node: %s"
                     % (why(result) if not result.ok else "the answer of %s is no list." % words[0]))
    return [one for one in found if isinstance(one, dict)]


def _vhosts(answer):
    return [one["name"] for one in answer if isinstance(one.get("name"), str)]


def members_of(answer, gone):
    """Quorum queues in an answer of list_queues that have one of these members: dict name -> row."""
    return {one["name"]: one for one in answer if one.get("type") in ("quorum", "rabbit_quorum_queue")
            and isinstance(one.get("members"), list) and set(gone) & set(one["members"])}


def is_restored(row, gone, size):
    """Whether RabbitMQ, whose reconciliation is on with this size to reach, adds a member to the queue of this row once
    the members `gone` are forgotten."""
    sizes = [size] + [pair[-1] for column, key in zip(SIZE_COLUMNS, SIZE_KEYS)
                      for pair in row.get(column) or () if isinstance(pair, list) and pair[0] == key]
    left = len(set(row["members"]) - set(gone))
    return left > 0 and left % 2 == 0 and left < max(one for one in sizes if isinstance(one, int))


def grow(participant):
    """Make this node a member of the queues that were kept. What fails is tried again by the next monitor."""
    queues = _kept(participant)
    tools = Tools(participant.context, participant.layout)
    for patterns in _calls(queues):
        result = tools.run("rabbitmq-queues", "grow", participant.layout.nodename, "all", *patterns, limit=60)
        if not result.ok:
            participant.context.log.warning("Quorum queues were not extended to %s: %s" % (
                participant.layout.nodename, why(result)))
            return
    participant.state_files.discard("grow")


def reconciled_size(participant):
    """The size to reach where RabbitMQ's own reconciliation is on, 0: none is set; None: it is off."""
    enabled, size = _reconciliation(participant)
    if parse.version_key(participant.layout.version) < RECONCILES or str(enabled).lower() != "true":
        return None
    return int(size) if str(size).isdigit() else 0


def _reconciliation(participant):
    """(enabled, size to reach) as RabbitMQ's configuration on this node sets them; the leaders of the queues, which do
    it, are on the others, which are taken to have the same."""
    from quorate.errors import Unreadable
    from quorate.rabbitmq.broker.settings.files import Files
    from quorate.rabbitmq.broker.settings.variables import Variables
    try:
        files = Files(Variables(), participant.context.parameters.config)
    except Unreadable:
        return None, None  # then this node does it, which does no harm where RabbitMQ does it as well
    return [files.conf[name].value if name in files.conf else files.terms.get("rabbit", {}).get(term)
            for name, term in ((RECONCILIATION + "enabled", "quorum_membership_reconciliation_enabled"),
                               (RECONCILIATION + "target_group_size",
                                "quorum_membership_reconciliation_target_group_size"))]


def _calls(queues):
    """The patterns of each call of grow. queues: None: a file of 0.1.0, which meant all."""
    if queues is None:
        return [()]
    found = []
    for vhost in sorted({vhost for vhost, _ in queues}):
        names = sorted(queue for one, queue in queues if one == vhost)
        found += [("--vhost-pattern", pattern([vhost]), "--queue-pattern", pattern(names[at:at + AT_ONCE]))
                  for at in range(0, len(names), AT_ONCE)]
    return found


def pattern(names):
    """A regular expression, as Erlang's re understands it, for just these names."""
    return "^(?:%s)\\z" % "|".join("".join(
        letter if letter.isalnum() or not letter.isascii() else "\\" + letter for letter in name) for name in names)


def _kept(participant):
    """The queues of the state file, a set of (vhost, name); None: it names none, as that of 0.1.0."""
    values = participant.state_files.read("grow", persistent=True)
    if values.get("for") != participant.layout.nodename or "queues" not in values:
        return None
    return {tuple(map(unquote, word.split("/"))) for word in values["queues"].split()}


def _quoted(queue):
    return "/".join(quote(part, safe="") for part in queue)
