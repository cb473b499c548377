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

from urllib.parse import quote, unquote

from quorate.rabbitmq.actions.participant import NotNow
from quorate.rabbitmq.broker import parse
from quorate.rabbitmq.broker.tools import contents
from quorate.rabbitmq.broker.tools.ctl import Tools, why

AT_ONCE = 50        # queues of one vhost in one call
AGAIN = 30          # seconds from one try to extend queues to the next: each starts Erlang machines
LASTS = 60          # seconds after which that it fails is shown in pcs status
MOST_SHOWN = 30     # characters of a queue in a sentence of which Pacemaker keeps 144
NOT_AGAIN = "Not a member of"
RECONCILES = (3, 13)
# What list_queues tells of a queue's own size to reach (3.13 and later), each as pairs or triples with the value last.
SIZE_COLUMNS = ("arguments", "effective_policy_definition")
SIZE_KEYS = ("x-quorum-target-group-size", "target-group-size")
RECONCILIATION = "quorum_queue.continuous_membership_reconciliation."


def remember_queues(participant, gone, peer):
    """Before the members `gone` (Erlang names) are forgotten by the cluster of `peer`: keep which quorum queues they
    are members of. Raises NotNow where that cannot be found out."""
    found = _kept(participant) or set()
    size = reconciled_size(participant)
    rows = _asked(participant, peer, gone, () if size is None else SIZE_COLUMNS)
    found |= {queue for queue, row in rows.items() if size is None or not is_restored(row, gone, size)}
    participant.state_files.write("grow", {"for": participant.layout.nodename, "queues": " ".join(sorted(
        map(_quoted, found)))}, persistent=True, required=True)


def require_no_queue(participant, gone, peer):
    """Before this node joins the cluster of `peer` with an empty disk: no quorum queue has one of the names `gone` as a
    member any more. It would be started from nothing as that member, and its vote on what it acknowledged before would
    be lost with a message. forget_cluster_node leaves queues behind that have no leader: it removes the member first, and
    RabbitMQ 3.10.8 does not even say so (forget_cluster_node_command.ex, rabbit_quorum_queue.erl, shrink_all/1; seen, as
    was that `rabbitmq-queues shrink` ends with 0). Raises NotNow."""
    left = still_members(participant, peer, gone)
    for name in gone if left else ():
        Tools(participant.context, participant.layout).run("rabbitmq-queues", "shrink", name, node=peer, limit=60)
    left = left and still_members(participant, peer, gone)
    if left:
        raise NotNow("Not joined: its lost data count in %s: start the others, or: rabbitmq-queues shrink %s" % (
            shown(sorted(left)), min(name for names in left.values() for name in names)))


def still_members(participant, peer, gone):
    """dict (vhost, name) -> which of the names `gone` are members, of the quorum queues that have one of them and others
    as well: one with no other has nothing left that could be lost. Raises NotNow where that cannot be found out."""
    return {queue: row["members"] & set(gone) for queue, row in _asked(participant, peer, gone).items()
            if row["members"] - set(gone)}


def shown(queues):
    """'quorum queue a of /', or how many there are, in a few words."""
    vhost, name = queues[0]
    text = "quorum queue %s of %s" % (name, vhost)
    if len(queues) == 1:
        return text if len(text) <= MOST_SHOWN else "a quorum queue"
    return "%d quorum queues" % len(queues)


def _asked(participant, peer, names, columns=()):
    """The quorum queues of the cluster of `peer` that have one of these names as a member: dict (vhost, name) -> dict
    with the frozenset `members`, and with these columns of list_queues where it lists the queue. Raises NotNow."""
    questions = contents.Questions(Tools(participant.context, participant.layout), peer)
    try:
        found = {queue: {"members": members} for queue, members in questions.quorum_members().items()
                 if set(names) & members}
        for home in sorted({vhost for vhost, _ in found}) if columns else ():
            for row in questions.rows("list_queues", "--vhost", home, "name", *columns):
                found.get((home, row.get("name")), {}).update((column, row.get(column)) for column in columns)
        return found
    except contents.Unanswered as error:
        raise NotNow("It joins later: which quorum queues have a member on this node is unknown: %s." % error) from None


def is_restored(row, gone, size):
    """Whether RabbitMQ, whose reconciliation is on with this size to reach, adds a member to the queue of this row once
    the members `gone` are forgotten."""
    sizes = [size] + [pair[-1] for column, key in zip(SIZE_COLUMNS, SIZE_KEYS)
                      for pair in row.get(column) or () if isinstance(pair, list) and pair[0] == key]
    left = len(set(row["members"]) - set(gone))
    return left > 0 and left % 2 == 0 and left < max(one for one in sizes if isinstance(one, int))


def grow(participant):
    """Make this node a member of the queues that were kept, and see that it is: `rabbitmq-queues grow` ends with 0 also
    where queues refused it. What fails is tried again later, and shown when it lasts."""
    state_files, now = participant.state_files, int(participant.context.clock.monotonic())
    noted = state_files.read("growing")
    if now < int(noted.get("next", now)):
        return
    queues = _kept(participant)
    problem = _grow(participant, queues) or _lacking(participant, queues)
    shown_now = state_files.read("complaint").get("text", "")  # that of the policy is not ours to end or to replace
    if problem is None:
        state_files.discard("grow")
        state_files.forget("growing")
        if shown_now.startswith(NOT_AGAIN):
            state_files.forget("complaint")
        return
    problem = "%s %s again: %s" % (NOT_AGAIN, *problem)
    participant.context.log.warning(problem)
    since = int(noted.get("since", now))
    if now - since >= LASTS and (not shown_now or shown_now.startswith(NOT_AGAIN)):
        state_files.write("complaint", {"text": problem})
    state_files.write("growing", {"since": since, "next": now + AGAIN})


def _grow(participant, queues):
    """(what, why) where RabbitMQ's tool failed, else None."""
    tools = Tools(participant.context, participant.layout)
    for patterns in _calls(queues):
        result = tools.run("rabbitmq-queues", "grow", participant.layout.nodename, "all", *patterns, limit=60)
        if not result.ok:
            return shown(sorted(queues)) if queues else "quorum queues", why(result)
    return None


def _lacking(participant, queues):
    """(what, what to type) where queues exist that still lack this node, else None. They are kept, and no others."""
    if not queues:
        return None
    me = participant.layout.nodename
    try:
        members = contents.Questions(Tools(participant.context, participant.layout), me).quorum_members()
    except contents.Unanswered as error:
        return shown(sorted(queues)), "%s." % error
    lacking = {queue for queue in queues if queue in members and me not in members[queue]}
    if not lacking:
        return None
    participant.state_files.write("grow", {"for": me, "queues": " ".join(sorted(map(_quoted, lacking)))}, persistent=True)
    return shown(sorted(lacking)), "start the nodes of its other members; it is tried again"


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
