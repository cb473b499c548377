# SPDX-License-Identifier: Apache-2.0
"""A planned move of the virtual addresses (VIPs) that cuts no request.

An address that moves takes its TCP connections with it: what was under way on the old node is answered by a reset of the
new one. So, before it moves: new connections are held (their SYN is dropped; the client's kernel sends it again after 1 s
and 3 s), requests that are under way get their time to end, and then it moves, and the new connections arrive at the other
node. The hold is in the kernel with a time limit of its own: whatever becomes of us, it ends.

What cannot be kept: sessions that stay, such as those of the database, and a client that goes on asking on a connection it
keeps. They are told apart by HAProxy: of proxies in mode http, a backend counts the requests that are under way.
"""

from collections import namedtuple

from quorate.errors import Refused
from quorate.haproxy.parse import cells, whole

TABLE = "quorate_handover"
LEAVES = 15.0   # seconds that the addresses may take to go, once the command was run; the hold ends with them
SETTLED = 0.3   # seconds without a request before nothing is under way: a handshake of TLS is no request yet
EVERY = 0.05    # seconds between looks

QUESTION = "show stat\n"


class Busy(namedtuple("Busy", "requests sessions")):
    """requests: under way in proxies of mode http; sessions: open ones of the others, which will be cut."""

    __slots__ = ()


def busy(table):
    """Busy, from the answer to `show stat` (Management Guide, 9.1: columns by their names)."""
    lines = table.lstrip("# \n").split("\n")
    names = lines[0].split(",")
    requests = sessions = 0
    for row in (cells(line) for line in lines[1:] if line):
        if len(row) < len(names) - 1:
            continue
        values = dict(zip(names, row))
        if values.get("svname") == "BACKEND" and values.get("pxname") not in ("GLOBAL", "MASTER"):
            number = whole(values.get("scur")) or 0
            if values.get("mode") == "tcp":
                sessions += number
            else:
                requests += number
    return Busy(requests, sessions)


def hold_text(addresses, seconds):
    """What nft reads to hold new connections to the addresses for at most so many seconds."""
    lines = ["add table inet %s" % TABLE, "delete table inet %s" % TABLE, "table inet %s {" % TABLE]
    rules = []
    for family, name, kind in ((4, "ip", "ipv4_addr"), (6, "ip6", "ipv6_addr")):
        own = [one for one in addresses if (":" in one) == (family == 6)]
        if own:
            lines += ["  set held%d {" % family, "    type %s; flags timeout;" % kind, "    elements = { %s }" % ", ".join(
                "%s timeout %ds" % (one, seconds) for one in own), "  }"]
            rules.append("    %s daddr @held%d tcp flags & (syn | ack) == syn drop" % (name, family))
    return "\n".join(lines + ["  chain hold {", "    type filter hook input priority -300; policy accept;"] + rules
                     + ["  }", "}"]) + "\n"


def here(text):
    """The addresses of this node, from `ip -o address show`: a frozenset of texts without their prefix."""
    found = set()
    for line in text.splitlines():
        words = line.split()
        for kind, value in zip(words, words[1:]):
            if kind in ("inet", "inet6"):
                found.add(value.partition("/")[0])
    return frozenset(found)


class Handover:
    """One handover, on the node that has the addresses. ask: question -> the answer of HAProxy's stats socket, raises
    OSError; run: what moves the addresses, gives its exit code; say: for people."""

    def __init__(self, commands, clock, ask, run, say):
        self._commands, self._clock, self._ask, self._run, self._say = commands, clock, ask, run, say

    def carry_out(self, addresses, wait):
        """Hold, wait for at most `wait` seconds, move. The exit code: that of the command, or 1 where an address stayed.
        Raises Refused before anything was moved."""
        ours = sorted(set(addresses) & self._here())
        if not ours:
            self._say("This node has none of the addresses %s: nothing is held." % ", ".join(sorted(addresses)))
            return self._run()
        self._look()  # or nobody could tell when the requests are done
        self._nft("-f", "-", stdin=hold_text(ours, int(wait + LEAVES)))
        try:
            self._say("New connections to %s wait." % ", ".join(ours))
            self._await_requests(wait)
            code = self._run()
            if code:
                self._say("The command ended with code %d; new connections are taken here again." % code)
                return code
            return self._await_gone(ours)
        finally:
            self._commands.run(("nft", "delete", "table", "inet", TABLE), 5)

    def _here(self):
        result = self._commands.run(("ip", "-o", "address", "show"), 5)
        if not result.ok:
            raise Refused("The addresses of this node cannot be read: %s" % (result.err.strip() or "ip failed."))
        return here(result.out)

    def _nft(self, *words, stdin=None):
        result = self._commands.run(("nft",) + words, 5, stdin=stdin)
        if result.rc == 127:
            raise Refused("New connections are held with nft, which is not installed: apt install nftables (dnf install "
                          "nftables).")
        if not result.ok:
            raise Refused("nft cannot hold new connections (are you root?): %s" % (
                result.err.strip().splitlines() or ["it ended with code %s" % result.rc])[0])

    def _look(self):
        try:
            return busy(self._ask(QUESTION))
        except OSError as trouble:
            raise Refused("HAProxy on this node does not say what is under way (%s); without it the addresses can only be "
                          "moved at once." % (trouble.strerror or trouble or "no answer")) from None

    def _await_requests(self, wait):
        """Until none was under way for a moment."""
        began = self._clock.monotonic()
        quiet = None
        while True:
            now, found = self._clock.monotonic(), self._look()
            quiet = None if found.requests else now if quiet is None else quiet
            if quiet is not None and now - quiet >= SETTLED:
                self._say("No request is under way after %.1f s%s." % (
                    now - began, "; %d sessions that stay open (database) are cut and come back" % found.sessions
                    if found.sessions else ""))
                return
            if now - began >= wait:
                self._say("%d requests are still under way after %.0f s; they are cut." % (found.requests, wait))
                return
            self._clock.sleep(EVERY)

    def _await_gone(self, ours):
        began = self._clock.monotonic()
        while True:
            try:
                left = sorted(self._here().intersection(ours))
            except Refused as trouble:  # raised further it would say that nothing was moved
                self._say("The command was run, and whether %s left is not known. %s See: quorate status" % (
                    ", ".join(ours), trouble))
                return 1
            if not left:
                self._say("%s left after %.1f s." % (", ".join(ours), self._clock.monotonic() - began))
                return 0
            if self._clock.monotonic() - began >= LEAVES:
                self._say("%s did not leave within %.0f s; new connections are taken here again. See: quorate status" % (
                    ", ".join(left), LEAVES))
                return 1
            self._clock.sleep(EVERY)
