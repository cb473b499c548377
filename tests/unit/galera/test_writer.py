# SPDX-License-Identifier: Apache-2.0
"""The check's part in who is the writer: whom it asks, what it makes of the answers, what it says."""

import json

import pytest

from quorate.galera.facts import ServerStatus
from quorate.galera.server.health import Policy, classify
from quorate.galera.writer import CLAIMS, HOLDS, NONE, Member, Role, WriterElection, next_role, others
from quorate.web.check import Fact
from quorate.web.client import Answer

ADDRESSES = ("10.0.0.1:0", "10.0.0.2:3306", "10.0.0.3:0")
WELL = ServerStatus(answered=True, ready=True, cluster_status="Primary", local_state=4, local_index=1, cluster_size=3,
                    addresses=ADDRESSES, read_only=False, reject_queries="NONE")


class Node:
    """One check, and what the other two answer: (fit, state), None: silence, 'refused'."""

    def __init__(self, status=WELL, **said):
        self.now, self.status, self.draining, self.fresh = 100.0, status, None, True
        self.answers = {"10.0.0.1": (True, NONE), "10.0.0.3": (True, NONE),
                        **{"10.0.0." + name[1]: word for name, word in said.items()}}
        self.asked = []
        self.election = WriterElection(lambda: Fact(self.status, classify(self.status, Policy()), self.draining),
                                       lambda: self.fresh,
                               9200, self._ask, lambda: self.now)

    def _ask(self, addresses, path, limit):
        self.asked = addresses
        return {address: self._answer(self.answers[address[0]]) for address in addresses}

    def _answer(self, word):
        if word == "refused":
            return Answer(None, None, self.now, True)
        if word is None:
            return Answer(None, None, self.now, False)
        return Answer(200, json.dumps({"writer": {"fit": word[0], "state": word[1]}}).encode(), self.now, False)

    def rounds(self, count=8, seconds=0.3):
        for _ in range(count):
            self.now += seconds
            self.election.round()
        return self.election.holds


def test_it_asks_the_others_of_the_view_and_knows_who_comes_first():
    assert [(("10.0.0.1", 9200), True), (("10.0.0.3", 9200), False)] == others(WELL, 9200)
    node = Node()
    node.rounds(1)
    assert [("10.0.0.1", 9200), ("10.0.0.3", 9200)] == node.asked


def test_an_arbitrator_is_not_asked_and_v6_is_understood():
    status = WELL._replace(addresses=("", "10.0.0.2:0", "[fd00::3]:3306"))
    assert [(("fd00::3", 9200), False)] == others(status, 9200)


@pytest.mark.parametrize("change", [{"local_index": None}, {"addresses": None}, {"local_index": 3}])
def test_who_does_not_know_its_place_is_not_the_writer(change):
    assert not Node(WELL._replace(**change)).rounds()


@pytest.mark.parametrize("first, holds", [((False, NONE), True), ("refused", True), ((True, NONE), False),
                                          ((False, HOLDS), False),
                                          (None, False)])
def test_the_second_becomes_the_writer_only_where_the_first_provably_cannot(first, holds):
    assert holds == Node(n1=first).rounds(40)


def test_a_writer_names_those_that_it_could_not_ask():
    """A firewall that rejects looks like a node without a check."""
    node = Node(n1="refused")
    assert node.rounds() and "port 9200 of 10.0.0.1 are refused" in node.election.writer_text()
    node.answers["10.0.0.1"] = (False, NONE)
    assert node.rounds() and node.election.writer_text() == "Galera cluster node is the writer."


def test_the_first_claims_against_silence_only_after_it_and_one_that_holds_against_silence_gives_up_before():
    status = WELL._replace(local_index=0)
    silent = Node(status, n1=(True, NONE), n3=(True, NONE))
    silent.status = status._replace(addresses=("10.0.0.2:0", "10.0.0.1:0", "10.0.0.3:0"))
    silent.answers["10.0.0.1"] = None
    assert not silent.rounds(46) and silent.rounds(5)  # 6 s, and 8 s for which the claim stands

    holder = Node(n1=(False, NONE))
    assert holder.rounds()
    holder.answers["10.0.0.1"] = None
    assert holder.rounds(19) and not holder.rounds(2)  # 6 s


def test_a_writer_stays_when_one_joins_that_comes_before_it():
    node = Node(n1=(False, NONE))
    assert node.rounds()
    node.answers["10.0.0.1"] = (True, NONE)
    assert node.rounds(10)


def test_a_donor_stays_the_writer():
    node = Node(n1=(False, NONE))
    assert node.rounds()
    node.status = WELL._replace(local_state=2, desync=True)
    assert node.rounds(10)


@pytest.mark.parametrize("change", [{"local_state": 1}, {"read_only": True}, {"cluster_status": "non-Primary"}])
def test_a_writer_that_is_not_fit_any_more_is_none_at_once(change):
    node = Node(n1=(False, NONE))
    assert node.rounds()
    node.status = WELL._replace(**change)
    assert not node.election.holds


def test_an_old_role_is_none():
    node = Node(n1=(False, NONE))
    assert node.rounds()
    node.now += 1
    assert not node.election.holds


def test_a_writer_that_drains_lets_its_sessions_go_on_and_another_one_does_not():
    node = Node(n1=(False, NONE))
    assert node.rounds()
    node.draining = "planned stop"
    assert (False, True) == (node.rounds(), node.election.drains)
    other = Node()
    other.draining = "planned stop"
    assert (False, False) == (other.rounds(), other.election.drains)


def test_sentences_say_who_or_why_not():
    node = Node(n1=(True, HOLDS))
    node.rounds()
    assert "Another node is the writer (10.0.0.1)." == node.election.reason()
    node = Node(n1=None)
    node.rounds(10)
    assert "port 9200 of 10.0.0.1 does not answer" in node.election.reason()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"writer": 3}', b'{"writer": {"state": 7}}', b"\xff"])
def test_garbage_is_silence_or_an_answer_that_lets_nobody_claim(body):
    node = Node()
    node._answer = lambda word: Answer(200, body, node.now, False)
    assert not node.rounds(10)


def test_the_first_claims_before_it_holds():
    role = next_role(Role(NONE, 0.0), True, [Member(False, 0.0, 9.9, 9.8, True, NONE)], 10.0)
    assert Role(CLAIMS, 10.0) == role
    assert role == next_role(role, True, [Member(False, 0.0, 11.3, 9.9, True, NONE)], 11.6)  # asked before the claim
    assert role == next_role(role, True, [Member(False, 0.0, 11.3, 10.1, True, NONE)], 11.4)  # too soon
    assert HOLDS == next_role(role, True, [Member(False, 0.0, 11.3, 10.1, True, NONE)], 11.6).state


@pytest.mark.parametrize("addresses, index, expected", [
    (("", "10.0.0.2:3306", "10.0.0.1:3306"), 2, [(("10.0.0.2", 9200), True)]),   # garbd comes first
    (("10.0.0.2:3306", "", "10.0.0.1:3306"), 0, [(("10.0.0.1", 9200), False)]),
    (("AUTO", "AUTO", "AUTO"), 0, None),                                         # bind-address=127.0.0.1
    (("10.0.0.1:3306", "AUTO", "10.0.0.3:3306"), 0, None),
    (("AUTO", "10.0.0.2:3306", "10.0.0.3:3306"), 0, [(("10.0.0.2", 9200), False), (("10.0.0.3", 9200), False)]),
    (("127.0.0.1:3306", "127.0.0.1:3306", "10.0.0.3:3306"), 0, None),
    (("10.0.0.1:3306", "10.0.0.2:3306", "10.0.0.2:3307"), 0, None),              # two servers, one check
    (("10.0.0.1:3306", "10.0.0.2:3306"), 1, None),                               # Percona leaves out garbd's entry
    (None, 0, None),
])
def test_who_cannot_ask_each_of_the_others_is_not_the_writer(addresses, index, expected):
    """Two nodes answered 200, permanently: each took the others' address for one member."""
    status = WELL._replace(addresses=addresses, local_index=index, cluster_size=3)

    assert expected == others(status, 9200)


class Auto(Node):
    """The same check where the addresses do not tell the members apart; what the others answer is said by n1 and n3."""

    def __init__(self, **said):
        Node.__init__(self, WELL._replace(addresses=("AUTO",) * 3, uuid=UUIDS[2], cluster_uuid="s", conf_id=7,
                                          cluster_address="gcomm://10.0.0.1,10.0.0.2,10.0.0.3"), **said)
        self.answers["10.0.0.2"] = (True, NONE)
        self.servers = {"10.0.0.%d" % number: {"uuid": UUIDS[number], "index": number - 1, "view": ["s", 7]}
                        for number in (1, 2, 3)}

    def _ask(self, addresses, path, limit):
        self.asked = addresses
        return {(host, port): self._answer_of(host) for host, port in addresses}

    def _answer_of(self, host):
        answer = self._answer(self.answers[host])
        if answer.body is None:
            return answer
        said = json.loads(answer.body.decode())
        said["writer"].update(self.servers[host])
        return answer._replace(body=json.dumps(said).encode())


UUIDS = {number: "%08d-1111-11ee-8000-0242ac120002" % number for number in (1, 2, 3)}


@pytest.mark.parametrize("first, holds", [
    ((False, NONE), True), ((True, NONE), False), ((False, HOLDS), False), (None, False),
    ("refused", False)])  # whose check that is nobody says
def test_members_without_addresses_of_their_own_are_told_apart_by_what_their_checks_say(first, holds):
    """bind-address=127.0.0.1 on all nodes: /writer was 503 everywhere."""
    node = Auto(n1=first)

    assert holds == node.rounds(40)
    assert [("10.0.0.1", 9200), ("10.0.0.2", 9200), ("10.0.0.3", 9200)] == node.asked


@pytest.mark.parametrize("change", [{"uuid": None}, {"view": ["s", 6]}, {"view": ["other", 7]}, {"index": None},
                                    {"view": None}, {"uuid": UUIDS[3]}])
def test_one_that_does_not_say_who_it_is_now_may_be_the_writer(change):
    """A check of an older version, one that sees another view, one of another cluster."""
    node = Auto(n1=(False, NONE))
    node.servers["10.0.0.1"].update(change)

    assert not node.rounds(60)
    assert "does not answer" in node.election.reason()


def test_the_writer_among_them_is_named_and_one_that_falls_silent_ends_the_role():
    node = Auto(n3=(True, HOLDS))
    node.rounds()
    assert "Another node is the writer (member 00000003)." == node.election.reason()
    node = Auto(n1=(False, NONE))
    assert node.rounds()
    node.answers["10.0.0.1"] = None
    assert node.rounds(19) and not node.rounds(10)


@pytest.mark.parametrize("address", ["gcomm://", None, "gcomm://n1, n1"])
def test_without_hosts_to_ask_the_operator_is_told_what_to_set(address):
    node = Auto(n1=(False, NONE))
    node.status = node.status._replace(cluster_address=address)

    assert not node.rounds(40) and "wsrep_node_incoming_address" in node.election.reason()
