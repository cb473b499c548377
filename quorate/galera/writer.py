# SPDX-License-Identifier: Apache-2.0
"""Which node is the writer: at most one in a primary component, and the same one for as long as it is fit.

The checks of the members ask each other, at the addresses of wsrep_incoming_addresses. Where these do not tell the
members apart (AUTO), they ask the hosts of wsrep_cluster_address, and the member's UUID in an answer says whose it is.

A check that is fit and sees no writer claims the role, the first one in the order of the view before the others. It
holds the role once it has asked all others *since it claimed* and none of them claims or holds it. A check keeps the role
until its node is not fit any more, so a node that joins, whatever its index, changes nothing.

Silence proves nothing, so order and time decide. A member whose port refuses connections has no check that could answer
200. A silent member that precedes this one may hold the role: so this one does not claim it, and gives up what it holds
after KEEP. The silent member may claim against our silence, but its claim has to stand for longer than this one keeps
the role. Galera drops a dead node from the view before any of that.

`next_role` is pure; WriterElection is the thread around it, which runs from the first question for the writer on.
"""

import socket
import threading
from collections import namedtuple
from time import monotonic

from quorate.galera.server.health import FIT_TO_WRITE
from quorate.web.client import ask

NONE, CLAIMS, HOLDS = "none", "claims", "holds"
MAX_AGE = 0.9   # seconds that a role stays valid; an older one is no answer
FRESH = 1.5     # seconds for which a member's answer counts as what it is doing now
STANDS = 1.5    # seconds that a claim stands at least: by then no check decides by a view from before it
KEEP = 6.0      # seconds that a holder keeps the role without an answer from a member that precedes it
SILENT = 6.0    # seconds without an answer after which a member that follows us does not prevent our claim ...
ALONE = 8.0     # ... and that such a claim has to stand: that member may have had answers until now, and keeps its role
PAUSE = 0.2     # seconds between rounds of questions
AGAIN = 30.0    # seconds for which the address of a name, or that it has none, is remembered
LIMIT = 0.4     # seconds for the answers of one round


class Member(namedtuple("Member", "lower since answered asked fit state", defaults=(None, None, False, NONE))):
    """Another member of the view. lower: it precedes this node; since: when it was first asked for; answered: when its
    last answer came (monotonic seconds; None: never); asked: when that question was sent; fit, state: what it
    answered."""

    __slots__ = ()

    def silent_for(self, now):
        """Seconds since its last answer."""
        return now - (self.since if self.answered is None else self.answered)


class Role(namedtuple("Role", "state since")):
    """This node's role: NONE, CLAIMS or HOLDS, and since when (monotonic seconds)."""

    __slots__ = ()


def next_role(role, fit, members, now):
    """The next Role. fit: whether this node could be the writer; members: of Member. Pure."""
    if fit and role.state == HOLDS and all(_lets_keep(one, now) for one in members):
        return role
    if not fit or role.state == HOLDS or not all(_lets_claim(one, now) for one in members):
        return role if role.state == NONE else Role(NONE, now)
    if role.state == NONE:
        return Role(CLAIMS, now)
    agreed = now - role.since >= STANDS and all(_agrees(one, role.since, now) for one in members)
    return Role(HOLDS, now) if agreed else role


def _lets_keep(one, now):
    """A member that precedes us and claims the role although we hold it does not hear us; we hear it, so we give
    way."""
    return not one.lower or (one.state == NONE and one.silent_for(now) <= KEEP)


def _lets_claim(one, now):
    if one.answered is not None and one.silent_for(now) <= FRESH:
        return one.state != HOLDS and not (one.lower and one.fit)
    return not one.lower and one.silent_for(now) > SILENT


def _agrees(one, claimed, now):
    if one.answered is not None and one.silent_for(now) <= FRESH:
        return one.asked > claimed and one.state == NONE
    return now - claimed >= ALONE


def others(status, port):
    """[((host, port), precedes us)] of the other members, by wsrep_incoming_addresses, which Galera gives in the order
    of the view. An arbitrator has an empty address and no check.

    None when this server does not know its index, and when the addresses do not tell the members apart: 'AUTO' or one
    address of several (bind-address=127.0.0.1), or an arbitrator without an entry (Percona): see hosts().
    """
    if status.local_index is None or not status.addresses or len(status.addresses) != status.cluster_size or (
            status.local_index >= len(status.addresses)):
        return None
    found = []
    for index, address in enumerate(status.addresses):
        if index != status.local_index and address:
            host = address.rpartition(":")[0] if address.count(":") == 1 or "]" in address else address
            found.append(((host.strip("[]"), port), index < status.local_index))
    ours = status.addresses[status.local_index]
    hosts = [host for (host, _), _ in found]
    if "AUTO" in hosts or len(set(hosts)) < len(hosts) or ours in status.addresses[:status.local_index] or (
            ours in status.addresses[status.local_index + 1:]):
        return None
    return found


def hosts(status, port):
    """[(host, port)] of the checks on the hosts of wsrep_cluster_address, this one's own among them; None where the
    server does not know who it is."""
    from quorate.galera.server.settings.address import Misunderstood, cluster_address
    if None in (status.local_index, status.uuid, status.conf_id, status.cluster_uuid) or not status.addresses:
        return None
    try:
        return [(host, port) for host, _ in cluster_address(status.cluster_address or "")[0]]
    except Misunderstood:  # gcomm:// of a server that bootstrapped names nobody
        return None


def identified(status, answers, known, now):
    """dict of key -> Member of all others in the view, by what the checks say of their own servers. Pure.

    answers: of answer_of(), one for each check that answered in this round, this node's own among them; known: the
    dict of the round before. A member that did not answer lately is not known by its UUID, which may be another one by
    now: it is one of the absent, any of which may precede this node and hold the role.
    """
    view = status.cluster_uuid, status.conf_id
    found = {}
    for said in answers:
        if said.view == view and said.uuid not in (None, status.uuid):
            found[said.uuid] = Member(said.index < status.local_index, now, said.at, said.asked, said.fit, said.state)
    for uuid, one in known.items():
        if uuid not in found and isinstance(uuid, str) and one.silent_for(now) <= FRESH:
            found[uuid] = one
    for number in range(len([one for one in status.addresses if one]) - 1 - len(found)):
        found[number] = known.get(number) or Member(True, now)
    return found


class Said(namedtuple("Said", "fit state asked at uuid index view")):
    """What a check said of its role, when it was asked and when it answered; of its server: the member's UUID, its index
    in the view, (state UUID, number) of that view. None: it is of a version that does not say."""

    __slots__ = ()


class WriterElection(threading.Thread):
    """Asks the other checks for as long as this one runs.

    fact: () -> the check's Fact; fresh: () -> whether it is fresh; port: of all checks; questions, clock: replaced in
    tests.
    """

    def __init__(self, fact, fresh, port, questions=ask, clock=monotonic):
        threading.Thread.__init__(self, daemon=True)
        self._fact, self._fresh, self._port, self._ask, self._clock = fact, fresh, port, questions, clock
        self._role, self._decided, self._members, self._addresses = Role(NONE, clock()), 0.0, {}, {}
        self._drained, self._refused, self._silent, self._known, self.rounds = False, (), (), True, 0

    def run(self):
        while True:
            self.round()
            threading.Event().wait(PAUSE)

    def round(self):
        """Ask all others once, and decide."""
        status = self._fact().status
        found, named = others(status, self._port), None
        if found is not None:
            self._ask_members(found)
        else:
            named = hosts(status, self._port)
            answers = self._answers(named or ())
            self._silent = tuple(sorted(host for host, _ in named or () if (host, self._port) not in answers))
            self._members = identified(status, answers.values(), self._members, self._clock()) if named else {}
        self._known = found is not None or named is not None
        held = self._role.state == HOLDS
        self._role = next_role(self._role, self._known and self.fit(), list(self._members.values()), self._clock())
        self._drained = bool(self._fact().draining) and (self._drained or held)
        self._decided = self._clock()
        self.rounds += 1

    def _ask_members(self, found):
        """Ask the checks of members whose addresses are known."""
        now, known, self._members = self._clock(), self._members, {}
        for member, lower in found:
            self._members[member] = known.get(member, Member(lower, now))._replace(lower=lower)
        for member, said in self._answers(self._members).items():
            self._members[member] = self._members[member]._replace(
                answered=said.at, asked=said.asked, fit=said.fit, state=said.state)
        self._silent = tuple(sorted(host for (host, _), one in self._members.items()
                                    if one.silent_for(self._clock()) > FRESH))

    def _answers(self, checks):
        """dict of (host, port) -> Said, of the checks that answered, or refused the connection: then there is none."""
        by_address = {self._address(host): (host, port) for host, port in checks}
        by_address.pop(None, None)
        answers = self._ask([(address, self._port) for address in by_address], "/status", LIMIT)
        self._refused = tuple(sorted(by_address[address][0] for (address, _), answer in answers.items()
                                     if answer.refused))
        said = {by_address[address]: answer_of(answer, self._clock()) for (address, _), answer in answers.items()}
        return {check: one for check, one in said.items() if one is not None}

    def _address(self, host):
        """The IP address of a host, None when it has none. A name is looked up rarely, because that has no time limit:
        while it lasts nothing is decided, so this node is not the writer."""
        address, since = self._addresses.get(host, (None, -AGAIN))
        if self._clock() - since >= AGAIN:
            try:
                address = socket.getaddrinfo(host, None, 0, socket.SOCK_STREAM)[0][4][0]
            except (OSError, UnicodeError):
                address = None
            self._addresses[host] = address, self._clock()
        return address

    def fit(self):
        """Whether this node could be the writer."""
        fact = self._fact()
        return bool(self._fresh() and fact.health.code in FIT_TO_WRITE and not fact.status.read_only
                    and not fact.draining)

    @property
    def holds(self):
        """Whether this node is the writer now."""
        return self._role.state == HOLDS and self._clock() - self._decided <= MAX_AGE and self.fit()

    @property
    def drains(self):
        """Whether this node was the writer until its drain began: its open sessions may go on."""
        return self._drained

    def published(self):
        """What the others read in /status, as a dict."""
        status = self._fact().status
        return {"state": self._role.state, "fit": self.fit() and self.is_alive(), "uuid": status.uuid,
                "index": status.local_index, "view": [status.cluster_uuid, status.conf_id]}

    def writer_text(self):
        """That this node is the writer, for the operator; and which members could not be asked."""
        text = "Galera cluster node is the writer."
        if self._refused:
            text += " Connections to port %d of %s are refused: if checks run there and a firewall hides them, they " \
                    "may call their node the writer, too." % (self._port, ", ".join(self._refused))
        return text

    def reason(self):
        """Why this node is not the writer, for the operator."""
        now, members = self._clock(), self._members.items()
        holder = [member for member, one in members if one.state == HOLDS and one.silent_for(now) <= FRESH]
        if holder:
            return "Another node is the writer (%s)." % (
                holder[0][0] if isinstance(holder[0], tuple) else "member " + holder[0][:8])
        if not self.fit():
            return "This node is not fit to be the writer."
        if not self._known:
            return "There is no writer, because the members cannot be told apart by wsrep_incoming_addresses (%s): set " \
                   "wsrep_node_incoming_address on every node." % ",".join(self._fact().status.addresses or ("unknown",))
        if self._silent or any(isinstance(member, int) for member, _ in members):
            return "The checks have not agreed on a writer: the check on port %d of %s does not answer this one." % (
                self._port, ", ".join(self._silent or self._refused) or "a member")
        return "The checks are agreeing on a writer."


def answer_of(answer, now):
    """The Said of an answer that came now; None when it did not say. A refused connection says that no check is there."""
    import json
    if answer.refused:
        return Said(False, NONE, answer.sent, now, None, None, None)
    if answer.body is None:
        return None
    try:
        said = json.loads(answer.body.decode("utf-8")).get("writer") or {}
        view = said.get("view")
        uuid = said.get("uuid") if isinstance(said.get("index"), int) else None
        return Said(bool(said.get("fit")), str(said.get("state", NONE)), answer.sent, now, uuid, said.get("index"),
                    tuple(view) if isinstance(view, list) else None)
    except (ValueError, AttributeError):
        return None
