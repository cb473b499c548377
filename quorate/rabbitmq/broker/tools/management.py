# SPDX-License-Identifier: Apache-2.0
"""The management API, where its plugin is enabled: alarms, members, partitions, queues.

It is asked by HTTP on a bare socket: a monitor has imported that already, and http.client costs 15 ms of CPU more,
requests 70. Facts of the API are those of RabbitMQ 3.10 and 4.0 (its page /api/index.html). A version without one of
the checks answers 404: that is unknown and not failed. The user needs the tag `monitoring`.
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
    """There was no HTTP answer; reason is a message."""

    def __init__(self, reason):
        Exception.__init__(self, reason)
        self.reason = reason


def get(endpoint, path, timeout):
    """The Answer to a GET, with the credentials of the Endpoint (without any if it has no user). Raises Unanswered."""
    import socket
    from quorate.host.names import connect
    end = monotonic() + timeout
    try:
        one = connect(endpoint.management_host, endpoint.management_port, max(0.01, timeout))
        if endpoint.management_tls:
            from quorate.host.amqp import tls_context
            one.settimeout(max(0.01, end - monotonic()))
            one = tls_context(endpoint.cafile, endpoint.certificate).wrap_socket(
                one, server_hostname=endpoint.management_host)
        with one:
            one.sendall(_request(endpoint, path))
            return parse(_all(one, end))
    except socket.timeout:
        raise Unanswered("The management API did not answer on port %d for %g s."
                         % (endpoint.management_port, timeout)) from None
    except OSError as error:
        raise Unanswered("The management API cannot be asked on %s port %d: %s." % (
            endpoint.management_host, endpoint.management_port, error.strerror or error)) from None


def _request(endpoint, path):
    # HTTP 1.0: the answer comes in one piece, and ends.
    lines = ["GET %s%s HTTP/1.0" % (endpoint.management_path, path), "Host: %s" % endpoint.management_host]
    if endpoint.user:
        from binascii import b2a_base64
        words = ("%s:%s" % (endpoint.user, endpoint.password or "")).encode("utf-8")
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


def ask(endpoint, level, timeout):
    """What the API says, as a dict of fields of facts.Broker; a field that it does not say is left out. `error` says
    why it could not be asked. level 0: alarms and members; 10 and more: also queues."""
    found, end = {}, monotonic() + timeout
    asked = [(LOCAL_ALARMS, alarms), (NODES, members)]
    if level >= 10:
        asked += [(IN_SERVICE, in_service), (QUORUM_CRITICAL, quorum_critical), (QUEUES, queues)]
    for path, read in asked if endpoint.user else ():
        try:
            answer = get(endpoint, path, max(0.01, end - monotonic()))
        except Unanswered as error:
            return dict(found, error=error.reason)
        if answer.status == 401:
            return dict(found, refused=True, error="RabbitMQ refuses the credentials of the monitor (user %s); it "
                        "needs an account with the tag monitoring." % endpoint.user)
        found.update(read(answer, endpoint.node))
    return found


def alarms(answer, _node=None):
    """{"alarms": sorted names of this node's alarms}; {} when unknown. Pure, as are the following."""
    if answer.status == 200:
        return {"alarms": ()}
    content = _json(answer)
    if answer.status != 503 or not isinstance(content, dict) or not isinstance(content.get("alarms"), list):
        return {}
    names = {str(one.get("resource")).split()[0] for one in content["alarms"] if isinstance(one, dict)}
    return {"alarms": tuple(sorted(names))}


def members(answer, node=None):
    """Members, those that run, and those that this node is partitioned from (only itself sees that)."""
    if answer.status != 200:
        return {}
    if not any(word in answer.body for word in (b'"running":false', b'"partitions":["', b'"being_drained":true',
                                                b"\\")):
        # All nodes are well, as nearly always: their names are read without the JSON module, which costs a monitor 8
        # ms.
        names = frozenset(part.partition(b'"')[0].decode("utf-8", "replace")
                          for part in answer.body.split(b'"name":"')[1:])
        return {"all_nodes": names, "running_nodes": names, "partitions": frozenset()} if names else {}
    content = _json(answer)
    if not isinstance(content, list):
        return {}
    nodes = {str(one["name"]): one for one in content if isinstance(one, dict) and "name" in one}
    me = nodes.get(node, {})
    found = {"all_nodes": frozenset(nodes),
             "running_nodes": frozenset(name for name, one in nodes.items() if one.get("running") is True)}
    if isinstance(me.get("partitions"), list):
        found["partitions"] = frozenset(map(str, me["partitions"]))
    if me.get("being_drained") in (True, False):
        found["draining"] = me["being_drained"]
    return found


def in_service(answer, _node=None):
    """Whether it is in maintenance, or still boots: a version that has this check answers 503 then."""
    return {"draining": False} if answer.status == 200 else {"draining": True} if answer.status == 503 else {}


def quorum_critical(answer, _node=None):
    return {200: {"quorum_critical": False}, 503: {"quorum_critical": True}}.get(answer.status, {})


def queues(answer, _node=None):
    """Quorum queues without a majority, and mirrored classic queues whose mirrors are behind. As seen with 3.10.8:

    - a leader that lost its followers is still shown as the leader, so the online members are counted;
    - `online` may occur twice, the second one outdated, so the first one counts;
    - without statistics (disable_stats) mirrors that joined or synchronised a moment ago are missing.
    """
    content = _json(answer, _first) if answer.status == 200 else None
    if not isinstance(content, list):
        return {}
    leaderless, behind = [], []
    for one in content:
        name = str(one.get("name"))
        if one.get("type") == "quorum" and not _majority(one):
            leaderless.append(name)
        if _behind(one):
            behind.append(name)
    return {"leaderless": tuple(sorted(leaderless)), "unsynchronised": tuple(sorted(behind))}


def _behind(queue):
    return bool(set(queue.get("slave_nodes") or ()) - set(queue.get("synchronised_slave_nodes") or ()))


def _majority(queue):
    """Whether it has a leader, and more than half of its members online; what the API does not say counts as fine."""
    known, online = queue.get("members") or (), queue.get("online")
    return bool(queue.get("leader")) and (online is None or not known or 2 * len(online) > len(known))


def _first(pairs):
    """An object of JSON in which the first value of a name counts."""
    return dict(reversed(pairs))


def _json(answer, of_pairs=None):
    import json
    try:
        return json.loads(answer.body.decode("utf-8", "replace"), object_pairs_hook=of_pairs)
    except ValueError:
        return None
