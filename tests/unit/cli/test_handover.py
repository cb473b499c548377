# SPDX-License-Identifier: Apache-2.0
"""A planned move of the VIPs: new connections are held, requests end, and the hold ends in any case."""

import pytest

from quorate.cli.handover import main
from quorate.errors import Refused
from quorate.haproxy.handover import MOVE_SECONDS, TABLE, Busy, Handover, hold_text, parse_addresses, parse_busy
from tests.fakes import FakeClock, FakeCommands

VIP = "192.0.2.10"
HEAD = "# pxname,svname,scur,mode,\n"
ADDRESSES = "2: eth0    inet 192.0.2.11/24 brd 192.0.2.255 scope global eth0\n2: eth0    inet %s/24 scope global secondary eth0\n"
SHOW = ("ip", "-o", "address", "show")
END = ("nft", "delete", "table", "inet", TABLE)


class World:
    """A node with the VIP; with each observation one request ends, and the command makes the address leave."""

    def __init__(self, requests=0, leaves=True, code=0):
        self.clock = FakeClock()
        self.commands = FakeCommands(self.clock)
        self.requests, self.leaves, self.code, self.ran, self.said = requests, leaves, code, [], []
        self.there = True
        self.commands.allow(*SHOW, then=lambda *_: ADDRESSES % VIP if self.there else "")
        self.commands.allow("nft", "-f", "-")
        self.commands.allow(*END)

    def ask(self, _question):
        self.requests = max(0, self.requests - 1)
        return HEAD + "api,FRONTEND,9,http,\napi,BACKEND,%d,http,\ndb,BACKEND,3,tcp,\n\n" % self.requests

    def run(self):
        self.ran.append((self.clock.elapsed, self.requests))
        self.there = not self.leaves
        return self.code

    def hand_over(self, addresses=(VIP,), wait=5.0, ask=None):
        return Handover(self.commands, self.clock, ask or self.ask, self.run, self.said.append).hand_over(addresses,
                                                                                                          wait)

    @property
    def nft(self):
        return [call for call in self.commands.calls if call[0] == "nft"]


def test_it_moves_when_no_request_is_under_way():
    world = World(requests=20)

    assert 0 == world.hand_over()
    assert [0] == [requests for _, requests in world.ran]
    assert [("nft", "-f", "-"), END] == world.nft
    assert any("3 long-lived sessions" in line for line in world.said)


def test_it_moves_when_the_wait_is_over_and_says_what_is_cut():
    world = World(requests=10 ** 6)

    assert 0 == world.hand_over(wait=2.0)
    assert 2.0 <= world.ran[0][0] < 2.5
    assert any("still under way after 2 s" in line for line in world.said)


def test_the_hold_ends_when_the_command_fails():
    world = World(code=3, leaves=False)

    assert 3 == world.hand_over()
    assert END == world.nft[-1]


def test_an_address_that_stays_is_reported_and_served_again():
    world = World(leaves=False)

    assert 1 == world.hand_over()
    assert END == world.nft[-1] and "did not leave" in world.said[-1]


def test_a_failure_after_the_command_does_not_say_that_nothing_was_moved():
    world = World()
    run = world.run

    def run_and_break():
        world.commands.allow(*SHOW, rc=1, err="Cannot open netlink socket")
        return run()

    world.run = run_and_break
    assert 1 == world.hand_over()
    assert END == world.nft[-1] and "was run" in world.said[-1] and "netlink" in world.said[-1]


def test_a_command_that_raises_leaves_no_hold_behind():
    world = World()
    world.run = lambda: 1 / 0

    with pytest.raises(ZeroDivisionError):
        world.hand_over()
    assert END == world.nft[-1]


def test_a_node_without_the_address_runs_the_command_at_once():
    world = World()
    world.there = False

    assert 0 == world.hand_over()
    assert [] == world.nft and 1 == len(world.ran)


@pytest.mark.parametrize("rc, words", [(127, "not installed"), (1, "are you root")])
def test_without_nft_nothing_is_moved(rc, words):
    world = World()
    world.commands.allow("nft", "-f", "-", rc=rc, err="Operation not permitted")

    with pytest.raises(Refused, match=words):
        world.hand_over()
    assert [] == world.ran


def test_without_haproxys_answer_nothing_is_held_or_moved():
    world = World()

    def silent(_question):
        raise OSError(2, "No such file or directory")

    with pytest.raises(Refused, match="does not say"):
        world.hand_over(ask=silent)
    assert [] == world.ran and [] == world.nft


def test_the_hold_has_a_limit_of_its_own():
    text = hold_text([VIP, "2001:db8::1"], 5 + int(MOVE_SECONDS))

    assert "%s timeout 20s" % VIP in text and "2001:db8::1 timeout 20s" in text
    assert "ip daddr @held4" in text and "ip6 daddr @held6" in text
    assert "held6" not in hold_text([VIP], 20)


def test_requests_are_counted_in_backends_of_mode_http_alone():
    """A frontend counts connections, also those that are kept and idle."""
    table = HEAD + "api,FRONTEND,40,http,\napi,n1,2,http,\napi,BACKEND,2,http,\ndb,BACKEND,7,tcp,\n\n"

    assert Busy(2, 7) == parse_busy(table)
    assert Busy(0, 0) == parse_busy(HEAD)


def test_addresses_of_this_node():
    assert frozenset(("192.0.2.11", VIP, "fe80::1")) == parse_addresses(
        ADDRESSES % VIP + "2: eth0    inet6 fe80::1/64 scope link\n")


@pytest.mark.parametrize("words", [["--wait", "x", "true"], ["--wait", "61", "true"], ["--address"], ["--what", "true"],
                                   ["--wait", "3"], []])
def test_a_wrong_command_line_moves_nothing(words, capsys):
    assert 2 == main(words)
    assert "usage: quorate handover" in "".join(capsys.readouterr())
