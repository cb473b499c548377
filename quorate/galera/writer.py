# SPDX-License-Identifier: Apache-2.0
"""Which node is the writer: at most one in a primary component, and the same one for as long as it is fit.

The checks of the members ask each other. One that is fit and sees no writer claims the role, the first in the order of the
view before the others; it holds the role once all have been asked *since it claimed* and none claims or holds it. What is
held is kept until the node is not fit any more, so a node that joins, whatever its index, changes nothing.

Silence proves nothing, so it is answered by order and time: a member whose port refuses has no check that could answer
200. One that is silent and comes before us may hold the role, so we do not claim, and what we hold we give up after KEEP.
It in turn may claim against our silence, but its claim has to stand for longer than we keep what we hold. Galera drops a
dead node from the view before any of that.

`judge` is pure; Writers is the thread around it, which runs from the first question for the writer on.
"""

import socket
import threading
from collections import namedtuple
from time import monotonic

from quorate.galera.server.health import FIT_TO_WRITE
from quorate.web.client import ask

NONE, CLAIMS, HOLDS = "none", "claims", "holds"
MAX_AGE = 0.9   # seconds that a judgement stays true; an older one is no answer
FRESH = 1.5     # seconds for which a member's word counts as what it is doing now
STANDS = 1.5    # seconds that a claim stands at least: by then nobody judges by a view from before it
KEEP = 6.0      # seconds that a holder keeps the role without a word from a member that comes before it
SILENT = 6.0    # seconds without a word after which a member that comes after us does not keep us from claiming ...
ALONE = 8.0     # ... and that such a claim has to stand: it may have heard us until now and keeps what it holds for KEEP
PAUSE = 0.2     # seconds between rounds of questions
AGAIN = 30.0    # seconds for which a name's number, or that it has none, is remembered
LIMIT = 0.4     # seconds for the answers of one round


class Member(namedtuple("Member", "lower since heard asked fit state", defaults=(None, None, False, NONE))):
    """Another member of the view. lower: it comes before us; since: when it was first looked for; heard: when its last
    answer came (monotonic seconds; None: never); asked: when that question was sent; fit, state: its word."""

    __slots__ = ()

    def quiet(self, now):
        return now - (self.since if self.heard is None else self.heard)


class Turn(namedtuple("Turn", "state since")):
    """What this node does about the role, and since when (monotonic seconds)."""

    __slots__ = ()


def judge(turn, fit, members, now):
    """The next Turn. Pure."""
    if fit and turn.state == HOLDS and all(_lets_keep(one, now) for one in members):
        return turn
    if not fit or turn.state == HOLDS or not all(_lets_claim(one, now) for one in members):
        return turn if turn.state == NONE else Turn(NONE, now)
    if turn.state == NONE:
        return Turn(CLAIMS, now)
    agreed = now - turn.since >= STANDS and all(_agrees(one, turn.since, now) for one in members)
    return Turn(HOLDS, now) if agreed else turn


def _lets_keep(one, now):
    """One that comes before us and claims although we hold the role does not hear us; we hear it, so we give way."""
    return not one.lower or (one.state == NONE and one.quiet(now) <= KEEP)


def _lets_claim(one, now):
    if one.heard is not None and one.quiet(now) <= FRESH:
        return one.state != HOLDS and not (one.lower and one.fit)
    return not one.lower and one.quiet(now) > SILENT


def _agrees(one, claimed, now):
    if one.heard is not None and one.quiet(now) <= FRESH:
        return one.asked > claimed and one.state == NONE
    return now - claimed >= ALONE


def others(status, port):
    """[((host, port), comes before us)] of the other members, by wsrep_incoming_addresses, which Galera gives in the order
    of the view. An arbitrator has an empty address and no check. None when this server does not know its place."""
    if status.local_index is None or not status.addresses or status.local_index >= len(status.addresses):
        return None
    found = []
    for index, address in enumerate(status.addresses):
        if index != status.local_index and address:
            host = address.rpartition(":")[0] if address.count(":") == 1 or "]" in address else address
            found.append(((host.strip("[]"), port), index < status.local_index))
    return found


class Writers(threading.Thread):
    """Asks the other checks for as long as this one runs. fact: () -> the check's Fact; fresh: () -> bool; port: of all
    checks."""

    def __init__(self, fact, fresh, port, questions=ask, clock=monotonic):
        threading.Thread.__init__(self, daemon=True)
        self._fact, self._fresh, self._port, self._ask, self._clock = fact, fresh, port, questions, clock
        self._turn, self._judged, self._members, self._numbers = Turn(NONE, clock()), 0.0, {}, {}
        self._drained, self._refused, self.rounds = False, (), 0

    def run(self):
        while True:
            self.round()
            threading.Event().wait(PAUSE)

    def round(self):
        """Ask all others once, and judge."""
        found = others(self._fact().status, self._port)
        now = self._clock()
        known, self._members = self._members, {}
        for address, lower in found or ():
            self._members[address] = known.get(address, Member(lower, now))._replace(lower=lower)
        numbers = {self._number(host): (host, port) for host, port in self._members}
        numbers.pop(None, None)
        answers = self._ask([(number, self._port) for number in numbers], "/status", LIMIT)
        self._refused = tuple(sorted(numbers[number][0] for (number, _), answer in answers.items() if answer.refused))
        for (number, _), answer in answers.items():
            word = _word(answer)
            if word is not None:
                address = numbers[number]
                self._members[address] = self._members[address]._replace(
                    heard=self._clock(), asked=answer.sent, fit=word[0], state=word[1])
        held = self._turn.state == HOLDS
        self._turn = judge(self._turn, found is not None and self.fit(), list(self._members.values()), self._clock())
        self._drained = bool(self._fact().draining) and (self._drained or held)
        self._judged = self._clock()
        self.rounds += 1

    def _number(self, host):
        """The address of a host, None when it has none. A name is looked up now and then only: that has no limit of time,
        and while it lasts nothing is judged, so this node is not the writer."""
        number, since = self._numbers.get(host, (None, -AGAIN))
        if self._clock() - since >= AGAIN:
            try:
                number = socket.getaddrinfo(host, None, 0, socket.SOCK_STREAM)[0][4][0]
            except (OSError, UnicodeError):
                number = None
            self._numbers[host] = number, self._clock()
        return number

    def fit(self):
        """Whether this node could be the writer."""
        fact = self._fact()
        return bool(self._fresh() and fact.health.code in FIT_TO_WRITE and not fact.status.read_only and not fact.draining)

    @property
    def holds(self):
        """Whether this node is the writer now."""
        return self._turn.state == HOLDS and self._clock() - self._judged <= MAX_AGE and self.fit()

    @property
    def drains(self):
        """Whether this node was the writer until its drain began: its open sessions may go on."""
        return self._drained

    def tell(self):
        """What the others hear: a dict for /status."""
        return {"state": self._turn.state, "fit": self.fit() and self.is_alive()}

    def claim(self):
        """That this node is the writer, for people; and of whom that was taken on trust."""
        words = "Galera cluster node is the writer."
        if self._refused:
            words += " Connections to port %d of %s are refused: if checks run there, a firewall hides them, and they may say so, " \
                     "too." % (self._port, ", ".join(self._refused))
        return words

    def sentence(self):
        """Why this node is not the writer, for people."""
        now, members = self._clock(), sorted(self._members.items())
        holder = [host for (host, _), one in members if one.state == HOLDS and one.quiet(now) <= FRESH]
        silent = [host for (host, _), one in members if one.quiet(now) > FRESH]
        if holder:
            return "Another node is the writer (%s)." % holder[0]
        if not self.fit():
            return "This node is not fit to be the writer."
        if silent:
            return "No writer is agreed on: the check on port %d of %s does not answer this one." % (self._port, ", ".join(silent))
        return "The writer is being agreed on."


def _word(answer):
    """(fit, state) as a member tells it; None when it did not say. A refused connection is a clear word: no check is there."""
    import json
    if answer.refused:
        return False, NONE
    if answer.body is None:
        return None
    try:
        word = json.loads(answer.body.decode("utf-8")).get("writer") or {}
        return bool(word.get("fit")), str(word.get("state", NONE))
    except (ValueError, AttributeError):
        return None
