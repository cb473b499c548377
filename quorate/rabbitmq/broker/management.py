# SPDX-License-Identifier: Apache-2.0
"""What the management API says, where its plugin is: alarms, members, partitions, quorum queues, listeners.

HTTP by hand on a bare socket: a monitor has imported that already, and http.client costs 15 ms of CPU more, requests 70.
Facts of the API are those of RabbitMQ 3.10 and 4.0 (its page /api/index.html); a version that has no such check answers 404,
and then it is unknown and not failed. The user needs the tag `monitoring`.
"""

from collections import namedtuple
from time import monotonic

PORT = 15672
LOCAL_ALARMS = "/api/health/checks/local-alarms"
IN_SERVICE = "/api/health/checks/is-in-service"          # from 4.1 on
QUORUM_CRITICAL = "/api/health/checks/node-is-quorum-critical"
NODES = "/api/nodes?columns=name,running,partitions,being_drained"
QUEUES = "/api/queues?columns=name,vhost,type,leader,members,online,slave_nodes,synchronised_slave_nodes"
MOST = 8 * 1024 * 1024  # bytes of an answer


class Answer(namedtuple("Answer", "status body")):
    """status: HTTP's number; body: bytes."""

    __slots__ = ()


class Unanswered(Exception):
    """No answer of HTTP; reason is a sentence."""

    def __init__(self, reason):
        Exception.__init__(self, reason)
        self.reason = reason


def get(where, path, timeout):
    """Answer to a GET with the credentials of `where` (without any if it has no user). Raises Unanswered."""
    import socket
    from quorate.host.names import connect
    end = monotonic() + timeout
    try:
        one = connect(where.management_host, where.management_port, max(0.01, timeout))
        if where.management_tls:
            from quorate.rabbitmq.broker.amqp import tls_context
            one.settimeout(max(0.01, end - monotonic()))
            one = tls_context(where.cafile).wrap_socket(one, server_hostname=where.management_host)
        with one:
            one.sendall(_request(where, path))
            return parse(_all(one, end))
    except socket.timeout:
        raise Unanswered("The management API said nothing on port %d for %g s." % (where.management_port, timeout)) from None
    except OSError as error:
        raise Unanswered("The management API cannot be asked on %s port %d: %s." % (
            where.management_host, where.management_port, error.strerror or error)) from None


def _request(where, path):
    lines = ["GET %s HTTP/1.0" % path, "Host: %s" % where.management_host]  # 1.0: the answer comes in one piece, and ends
    if where.user:
        from binascii import b2a_base64
        words = ("%s:%s" % (where.user, where.password or "")).encode("utf-8")
        lines.append("Authorization: Basic " + b2a_base64(words, newline=False).decode("ascii"))
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def _all(one, end):
    pieces, size = [], 0
    while size < MOST:
        one.settimeout(max(0.01, end - monotonic()))
        more = one.recv(65536)
        if not more:
            return b"".join(pieces)
        pieces.append(more)
        size += len(more)
    raise Unanswered("An answer of the management API is larger than %d MiB." % (MOST >> 20))


def parse(data):
    """Answer from the bytes of HTTP. Raises Unanswered for something else. Pure."""
    head, _, body = data.partition(b"\r\n\r\n")
    words = head.split(b"\r\n")[0].split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise Unanswered("What listens on the management port does not speak HTTP.")
    return Answer(int(words[1]), body)


def ask(where, level, timeout):
    """What the API says, as a dict of fields of facts.Broker; without those that it did not say. `error` says what kept it
    from being asked. level 0: alarms and members; 10 and more: queues as well."""
    found, end = {}, monotonic() + timeout
    asked = [(LOCAL_ALARMS, alarms), (NODES, members)]
    if level >= 10:
        asked += [(IN_SERVICE, in_service), (QUORUM_CRITICAL, quorum_critical), (QUEUES, queues)]
    for path, understand in asked if where.user else ():
        try:
            answer = get(where, path, max(0.01, end - monotonic()))
        except Unanswered as error:
            return dict(found, error=error.reason)
        if answer.status == 401:
            return dict(found, refused=True, error="RabbitMQ refuses the credentials of the monitor (user %s); it needs an "
                                                   "account with the tag monitoring." % where.user)
        found.update(understand(answer, where.node))
    return found


def alarms(answer, _node=None):
    """Alarms of this node: {"alarms": words}. Pure, as are the following."""
    if answer.status == 200:
        return {"alarms": ()}
    said = _json(answer)
    if answer.status != 503 or not isinstance(said, dict) or not isinstance(said.get("alarms"), list):
        return {}
    words = {str(one.get("resource")).split()[0] for one in said["alarms"] if isinstance(one, dict)}
    return {"alarms": tuple(sorted(words))}


def members(answer, node=None):
    """Members, those that run, and what this node (it alone sees it) was parted from."""
    if answer.status != 200:
        return {}
    if not any(word in answer.body for word in (b'"running":false', b'"partitions":["', b'"being_drained":true', b"\\")):
        # All is well with all, as nearly always: the names are read without the JSON module, which costs a monitor 8 ms.
        names = frozenset(part.partition(b'"')[0].decode("utf-8", "replace") for part in answer.body.split(b'"name":"')[1:])
        return {"all_nodes": names, "running_nodes": names, "partitions": frozenset()} if names else {}
    said = _json(answer)
    if not isinstance(said, list):
        return {}
    nodes = {str(one["name"]): one for one in said if isinstance(one, dict) and "name" in one}
    me = nodes.get(node, {})
    found = {"all_nodes": frozenset(nodes),
             "running_nodes": frozenset(name for name, one in nodes.items() if one.get("running") is True)}
    if isinstance(me.get("partitions"), list):
        found["partitions"] = frozenset(map(str, me["partitions"]))
    if me.get("being_drained") in (True, False):
        found["draining"] = me["being_drained"]
    return found


def in_service(answer, _node=None):
    """Whether it is in maintenance, or still boots: a version that knows this check says 503 then."""
    return {"draining": False} if answer.status == 200 else {"draining": True} if answer.status == 503 else {}


def quorum_critical(answer, _node=None):
    return {200: {"quorum_critical": False}, 503: {"quorum_critical": True}}.get(answer.status, {})


def queues(answer, _node=None):
    """Quorum queues without a majority, and mirrored classic queues whose mirrors are behind. As seen with 3.10.8:

    - a leader that lost its followers is still shown as the leader, so the members that are online are counted;
    - `online` may stand there twice, the second one outdated, so the first counts;
    - without statistics (disable_stats) mirrors that came or synchronised a moment ago are missing.
    """
    said = _json(answer, _first) if answer.status == 200 else None
    if not isinstance(said, list):
        return {}
    leaderless, behind = [], []
    for one in said:
        name = str(one.get("name"))
        if one.get("type") == "quorum" and not _majority(one):
            leaderless.append(name)
        if _behind(one):
            behind.append(name)
    return {"leaderless": tuple(sorted(leaderless)), "unsynchronised": tuple(sorted(behind))}


def _behind(queue):
    return bool(set(queue.get("slave_nodes") or ()) - set(queue.get("synchronised_slave_nodes") or ()))


def _majority(queue):
    """Whether it has a leader, and more than half of its members; what the API does not say counts as fine."""
    known, online = queue.get("members") or (), queue.get("online")
    return bool(queue.get("leader")) and (online is None or not known or 2 * len(online) > len(known))


def _first(pairs):
    """An object whose first value of a name counts."""
    return dict(reversed(pairs))


def _json(answer, of_pairs=None):
    import json
    try:
        return json.loads(answer.body.decode("utf-8", "replace"), object_pairs_hook=of_pairs)
    except ValueError:
        return None
