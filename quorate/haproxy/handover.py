# SPDX-License-Identifier: Apache-2.0
"""A planned move of the virtual addresses (VIPs) that cuts no request.

When an address moves, its TCP connections end: the new node answers them with a reset. So, before it moves, new
connections are held (their SYN is dropped; the client's kernel sends it again after 1 s and 3 s), and requests that are
under way get time to end. Then the address moves, and the new connections arrive at the other node. The hold is in the
kernel, with its own time limit: it ends even if this process is killed.

What is cut nevertheless: long-lived sessions, such as those of the database, and a client that goes on sending requests
on a connection it keeps. HAProxy tells requests from sessions: in proxies of mode http, a backend counts the requests
under way.
"""

from collections import namedtuple

from quorate.errors import Refused
from quorate.haproxy.parse import INTERNAL, STATISTICS, cells, whole

TABLE = "quorate_handover"
MOVE_SECONDS = 15.0  # that the addresses may take to leave, once the command was run; then the hold ends
SETTLED = 0.3        # seconds without a request until none counts as under way: a TLS handshake is no request yet
EVERY = 0.05         # seconds between two observations


class Busy(namedtuple("Busy", "requests sessions")):
    """requests: number under way in proxies of mode http; sessions: number open in the others, which will be cut."""

    __slots__ = ()


def parse_busy(table):
    """Busy, from the answer to `show stat` (Management Guide, 9.1: columns by their names)."""
    lines = table.lstrip("# \n").split("\n")
    names = lines[0].split(",")
    requests = sessions = 0
    for row in (cells(line) for line in lines[1:] if line):
        if len(row) < len(names) - 1:
            continue
        values = dict(zip(names, row))
        if values.get("svname") == "BACKEND" and values.get("pxname") not in INTERNAL:
            number = whole(values.get("scur")) or 0
            if values.get("mode") == "tcp":
                sessions += number
            else:
                requests += number
    return Busy(requests, sessions)


def hold_text(addresses, seconds):
    """The commands for nft that hold new connections to the addresses for at most so many seconds."""
    lines = ["add table inet %s" % TABLE, "delete table inet %s" % TABLE, "table inet %s {" % TABLE]
    rules = []
    for family, name, kind in ((4, "ip", "ipv4_addr"), (6, "ip6", "ipv6_addr")):
        own = [one for one in addresses if (":" in one) == (family == 6)]
        if own:
            elements = ", ".join("%s timeout %ds" % (one, seconds) for one in own)
            lines += ["  set held%d {" % family, "    type %s; flags timeout;" % kind,
                      "    elements = { %s }" % elements, "  }"]
            rules.append("    %s daddr @held%d tcp flags & (syn | ack) == syn drop" % (name, family))
    return "\n".join(lines + ["  chain hold {", "    type filter hook input priority -300; policy accept;"] + rules
                     + ["  }", "}"]) + "\n"


def parse_addresses(text):
    """The addresses in the output of `ip -o address show`: a frozenset of texts without their prefix length."""
    found = set()
    for line in text.splitlines():
        words = line.split()
        for kind, value in zip(words, words[1:]):
            if kind in ("inet", "inet6"):
                found.add(value.partition("/")[0])
    return frozenset(found)


class Handover:
    """One handover, on the node that has the addresses. ask: function of a question that returns the answer of
    HAProxy's stats socket or raises OSError; run: function that moves the addresses and returns an exit code; say:
    function that prints a text for the operator."""

    def __init__(self, commands, clock, ask, run, say):
        self._commands, self._clock, self._ask, self._run, self._say = commands, clock, ask, run, say

    def hand_over(self, addresses, wait):
        """Hold new connections, wait for requests at most `wait` seconds, move the addresses. The exit code: that of
        run(), or 1 when an address stayed. Raises Refused before anything was moved."""
        ours = sorted(set(addresses) & self._addresses())
        if not ours:
            self._say("This node has none of the addresses %s: nothing is held." % ", ".join(sorted(addresses)))
            return self._run()
        self._busy()  # or it could not be known when the requests have ended
        self._nft("-f", "-", stdin=hold_text(ours, int(wait + MOVE_SECONDS)))
        try:
            self._say("New connections to %s are held." % ", ".join(ours))
            self._wait_for_requests(wait)
            code = self._run()
            if code:
                self._say("The command ended with code %d; this node accepts new connections again." % code)
                return code
            return self._wait_until_moved(ours)
        finally:
            self._commands.run(("nft", "delete", "table", "inet", TABLE), 5)

    def _addresses(self):
        result = self._commands.run(("ip", "-o", "address", "show"), 5)
        if not result.ok:
            raise Refused("The addresses of this node cannot be read: %s" % (result.err.strip() or "ip failed."))
        return parse_addresses(result.out)

    def _nft(self, *words, stdin=None):
        result = self._commands.run(("nft",) + words, 5, stdin=stdin)
        if result.rc == 127:
            raise Refused("New connections are held with nft, which is not installed: apt install nftables (dnf "
                          "install nftables).")
        if not result.ok:
            raise Refused("nft cannot hold new connections (are you root?): %s" % (
                result.err.strip().splitlines() or ["it ended with code %s" % result.rc])[0])

    def _busy(self):
        try:
            return parse_busy(self._ask(STATISTICS))
        except OSError as error:
            raise Refused("HAProxy on this node does not say which requests are under way (%s); without that the "
                          "addresses can only be moved at once." % (error.strerror or error or "no answer")) from None

    def _wait_for_requests(self, wait):
        """Wait until no request has been under way for SETTLED seconds, for at most `wait` seconds."""
        began = self._clock.monotonic()
        quiet = None
        while True:
            now, found = self._clock.monotonic(), self._busy()
            quiet = None if found.requests else now if quiet is None else quiet
            if quiet is not None and now - quiet >= SETTLED:
                self._say("No request is under way after %.1f s%s." % (
                    now - began, "; %d long-lived sessions (database) are cut and reconnect" % found.sessions
                    if found.sessions else ""))
                return
            if now - began >= wait:
                self._say("%d requests are still under way after %.0f s; they are cut." % (found.requests, wait))
                return
            self._clock.sleep(EVERY)

    def _wait_until_moved(self, ours):
        """Wait until the addresses have left. The exit code."""
        began = self._clock.monotonic()
        while True:
            try:
                left = sorted(self._addresses().intersection(ours))
            except Refused as error:  # raised further, it would say that nothing was moved
                self._say("The command was run, but whether %s left this node is unknown. %s See: quorate status" % (
                    ", ".join(ours), error))
                return 1
            if not left:
                self._say("%s left after %.1f s." % (", ".join(ours), self._clock.monotonic() - began))
                return 0
            if self._clock.monotonic() - began >= MOVE_SECONDS:
                self._say("%s did not leave within %.0f s; this node accepts new connections again. "
                          "See: quorate status" % (", ".join(left), MOVE_SECONDS))
                return 1
            self._clock.sleep(EVERY)
