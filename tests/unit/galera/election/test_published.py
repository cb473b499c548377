# SPDX-License-Identifier: Apache-2.0
"""Reports and orders as attribute values, and what a node writes for the cluster to see. (That any report survives the
way is a property: tests/property.)"""

import pytest

from quorate.galera import facts
from quorate.galera.declaration import PARAMETERS
from quorate.galera.election.published import (
    PublishedState, decode_override, decode_report, encode_override, encode_report)
from quorate.galera.facts import DOWN, RECOVERED, SYNCED, Override, Report, View
from quorate.host.state_files import StateFiles
from tests import fakes

U = "6b1f0c2e-c6a1-11ef-0000-3b0d6f7a8c11"
V = U.replace("6b", "7c")
REPORT = Report("n1", DOWN, U, 12, view=View(U, 3, frozenset([U])), my_uuid=U, generation=2, since=1700000000.7)


def test_a_newer_node_may_say_more():
    text = encode_report(REPORT).replace(",end:1", ",mood:good,end:1")
    assert decode_report("n1", text) == REPORT._replace(since=1700000000)


@pytest.mark.parametrize("text", [
    None, "", "v2,st:down,end:1", "v1", "v1,st:asleep,end:1", "v1,st:down,n:many,end:1", "v1,st:down,u:1234,end:1",
    "v1,n:5,end:1", "v1,st:down", "v1,st:down,vn:1,end:1", "v1,st:down,vm:%s,end:1" % U,
    "v1,st:down,st:synced,end:1", "v1,st:down,vu:%s,end:1" % U, "v1,st:down,vu:%s,vn:1,vm:,end:1" % U,
    "v1,st:down,c:2,end:1", "v1,st:down,n:\u0661,end:1", "down", "v1,st:down,nonsense,end:1"])
def test_nonsense_is_no_report(text):
    assert decode_report("n1", text) is None


def test_an_order_and_who_gave_it():
    order = Override("n1", "root", 1700000000, True)
    assert decode_override(encode_override(order)) == order
    assert decode_override(encode_override(order._replace(by="a b,c:d\n"))).by == "a_b_c_d_"
    assert decode_override(encode_override(Override("n1"))) == Override("n1", None, 0, False)


@pytest.mark.parametrize("text", [
    None, "", "n1", "v1,node:,by:x,at:1,f:0", "v1,node:n1,by:x,at:1", "v1,node:n1,by:x,at:1,f:yes",
    "v1,node:n 1,by:x,at:1,f:0", "v9,node:n1,by:x,at:1,f:0"])
def test_half_an_order_is_none(text):
    assert decode_override(text) is None


@pytest.mark.parametrize("one", [
    Report("n1", DOWN), REPORT._replace(since=1700000000),
    Report("n1", SYNCED, U, 2 ** 53 + 1, RECOVERED, True, False, True, V, View(U, -3, frozenset((U, V))),
           frozenset((U, V)), 7, 1700000000, True, True, True, False, True)])
def test_a_report_comes_back_as_it_was_and_half_of_it_is_none(one):
    text = encode_report(one)
    assert one == decode_report("n1", text)
    assert not any(decode_report("n1", text[:length]) for length in range(len(text)))


def test_an_empty_list_of_arbitrators():
    assert Report("n1", DOWN) == decode_report("n1", "v1,st:down,ar:,end:1")


class Cluster:
    """What n1 sees and writes. remotes: names of those that are online."""

    def __init__(self, root, members=("n1", "n2", "n3"), away=(), remotes=(), **parameters):
        self.commands = fakes.FakeCommands()
        self.commands.allow("crm_node", "-p", out=" ".join(members))
        nodes = "".join("<node name='%s' type='%s' online='%s'/>" % (name, kind, online) for names, kind, online in (
            (members, "member", "true"), (away, "member", "false"), (remotes, "remote", "true")) for name in names)
        self.commands.allow("crm_mon", ..., out="<r><summary><cluster_options stonith-enabled='true'/></summary>"
                            "<nodes>%s</nodes></r>" % nodes)
        self.attributes = fakes.FakeAttributes()
        self.attributes.rewrite = lambda: self.attributes.writes.append("rewrite")
        self.attributes.await_written = lambda *words: self.attributes.writes.append(words)
        self.properties = self.attributes.shared["property"]
        self.writes = self.attributes.writes
        self.files = StateFiles("galera", "db", str(root / "run"), str(root / "persistent"))
        environ = {"OCF_RESOURCE_INSTANCE": "db", "OCF_RESKEY_CRM_meta_interval": "5000"}
        context = fakes.context(commands=self.commands, parameters=PARAMETERS, environ=environ,
                                wsrep_cluster_address="gcomm://n1", **parameters)
        self.published = PublishedState(context, self.files, self.attributes)

    def say(self, *reports):
        self.attributes.shared["transient"]["db-report"] = {one.node: encode_report(one) for one in reports}

    def scored(self, **scores):
        self.attributes.shared["transient"]["master-db"] = scores

    def generation_of(self, node, generation):
        self.attributes.shared["permanent"]["db-generation", node] = generation


def test_who_takes_no_part_any_more_withdraws_all_that_it_published(tmp_path):
    """What was published before is written again when it comes back."""
    one = Cluster(tmp_path)
    one.scored(n1="100", n2="100")
    one.published.publish(REPORT)
    one.published.set_status("It serves.")
    one.say(REPORT, REPORT._replace(node="n2"))
    del one.writes[:]
    one.published.withdraw()
    assert [("db-report", "n1", None), ("db-status", "n1", None), ("master-db", "n1", None)] == one.writes
    assert one.published.publish(REPORT) and one.published.set_status("It serves.")


def test_all_that_the_election_knows(tmp_path):
    one = Cluster(tmp_path, members=("n1", "n2"), away=("n3", "n4"))
    one.say(REPORT._replace(since=5), Report("n2", DOWN), Report("n3", DOWN))
    one.properties.update({"db-generation": "3", "db-override": encode_override(Override("n1", "op", 5))})
    snapshot = one.published.snapshot(("n1", "n2", "n3"), {V: "before", U: "n9"}, frozenset(("n3",)))
    assert facts.Snapshot(
        me="n1", configured=("n1", "n2", "n3"), reports={"n1": REPORT._replace(since=5), "n2": Report("n2", DOWN)},
        members=frozenset(("n1", "n2")), generation=3, names={V: "before", U: "n1"}, two_node=False,
        lost_confirmed=frozenset(), override=Override("n1", "op", 5), listening=frozenset(("n3",))) == snapshot
    assert {U: "n1"} == one.published.snapshot(("n1",)).names and None is one.published.snapshot(("n1",)).listening


def test_with_two_nodes_the_election_knows_which_is_confirmed_off(tmp_path):
    """A node of the database only, and none that is in the partition."""
    one = Cluster(tmp_path, members=("n1",), away=("n2", "n3", "n1"), two_node_mode="true")
    snapshot = one.published.snapshot(("n1", "n2"))
    assert snapshot.two_node and frozenset(("n2",)) == snapshot.lost_confirmed


# Generations

@pytest.mark.parametrize("text, starts", [
    (None, []), ("", []), ("1:%s:-1:0,2:%s:17:1" % (U, V), [(1, U, -1, 0), (2, V, 17, 1)]),
    ("1:%s:None:0" % U, [(1, U, None, 0)]), ("1:%s:5-:0" % U, [(1, U, None, 0)]), ("1:%s:--5:0" % U, [(1, U, None, 0)]),
    ("x,1:%s:5,x:%s:5:0,1:%s:5:x,\u00b2:%s:5:0,3:%s:5:2,1:%s:5:0:0" % (U, U, U, U, U, U), [(3, U, 5, 2)])])
def test_where_the_generations_began(tmp_path, text, starts):
    """A part that is not understood hides no other."""
    one = Cluster(tmp_path)
    one.properties.update({} if text is None else {"db-openings": text})
    assert starts == one.published.generation_starts()


def test_a_generation_is_recorded_with_its_start_before_it_is_the_cluster_s(tmp_path):
    one = Cluster(tmp_path)
    one.published.open_generation((1, U, -1, 0))
    assert [("db-openings", "cluster", "1:%s:-1:0" % U), ("db-generation", "cluster", "1")] == one.writes
    one.published.open_generation((2, V, None, 1))
    assert [(1, U, -1, 0), (2, V, None, 1)] == one.published.generation_starts() and 2 == one.published.generation()


@pytest.mark.parametrize("current, starts, generation, left", [
    ("3", [(2, U, 5, 1), (3, U, 9, 2)], 2, [(2, U, 5, 1)]), ("3", [(3, U, 9, 2)], 2, []), ("3", [], 2, []),
    ("4", [(3, U, 9, 2), (4, U, 9, 3)], 4, [(3, U, 9, 2), (4, U, 9, 3)]), ("3", [(2, U, 5, 1)], 2, [(2, U, 5, 1)]),
    ("4", [(3, U, 9, 2)], 4, [])])
def test_a_generation_is_closed_and_a_later_one_stays(tmp_path, current, starts, generation, left):
    one = Cluster(tmp_path)
    for start in starts:
        one.published.open_generation(start)
    one.properties["db-generation"] = current
    one.published.close_generation(3, 2)
    assert (generation, left) == (one.published.generation(), one.published.generation_starts())
    assert left or "db-openings" not in one.properties


@pytest.mark.parametrize("current, reports, generations, entered", [
    ("3", (), {}, False), ("3", (), {"n2": "2", "n3": "0"}, False), ("3", (), {"n2": "3"}, True),
    ("3", (), {"n4": "3"}, True), ("3", (), {"n1": "3"}, False), ("3", (), {"n2": "garbage"}, True),
    ("2", (), {"n2": "3"}, False),
    ("garbage", (), {"n2": "3"}, False), ("3", (("n1", SYNCED),), {}, False), ("3", (("n2", SYNCED),), {}, True),
    ("3", (("n2", DOWN),), {}, False), ("3", (), {"r1": "3"}, False), ("3", (("r1", DOWN),), {"r1": "3"}, True),
    ("3", (("n4", SYNCED),), {}, False)])
def test_a_generation_is_entered_when_another_node_is_in_it(tmp_path, current, reports, generations, entered):
    """What was committed in it must not be forgotten. n4 is away, r1 is a remote node, which may be none of ours."""
    one = Cluster(tmp_path, away=("n4",), remotes=("r1",))
    one.properties["db-generation"] = current
    one.say(*(Report(node, state) for node, state in reports))
    for node, generation in generations.items():
        one.generation_of(node, generation)
    assert entered == one.published.is_entered(3)


def test_this_node_s_generation_is_written_once(tmp_path):
    """It is a change of the configuration, and a monitor asks for it."""
    one = Cluster(tmp_path)
    one.published.set_own_generation(3)
    one.published.set_own_generation(3)
    assert [("db-generation", "n1", "3")] == one.writes and 3 == one.published.own_generation()
    one.published.set_own_generation(4)
    assert 4 == one.published.own_generation()
    one.published.publish(REPORT)  # both are kept in one file
    one.published.set_own_generation(4)
    assert not one.published.publish(REPORT) and 3 == len(one.writes)


# Promotions

@pytest.mark.parametrize("nodes, scores, writes", [
    (("n2",), {}, [("master-db", "n2", "100")]), (("n1", "n2"), {"n2": "100"}, [("master-db", "n1", "100")]),
    (("n2",), {"n2": "-1"}, [("master-db", "n2", "100")]), (("n2",), {"n2": "0"}, []), (("n2",), {"n2": "100"}, []),
    ((), {"n1": "100", "n2": "100"}, [("master-db", "n1", None)]), (("n1",), {"n1": "100"}, []), ((), {"n2": "5"}, []),
    (("n2",), {"n1": "5"}, [("master-db", "n2", "100"), ("master-db", "n1", None)])])
def test_the_promotions_of_a_decision_are_offered_and_only_one_s_own_is_withdrawn(tmp_path, nodes, scores, writes):
    """The last one to report knows most, so it offers also those of others."""
    one = Cluster(tmp_path)
    one.scored(**scores)
    one.published.apply(facts.Decision(facts.RECOVER, nodes))
    assert writes == one.writes


@pytest.mark.parametrize("scores, offered", [
    ({}, True), ({"n2": "100"}, True), ({"n1": "-1"}, True), ({"n1": "0"}, False), ({"n1": "100"}, False),
    ({"n1": "-INFINITY"}, True)])
def test_a_running_server_keeps_its_promotion(tmp_path, scores, offered):
    one = Cluster(tmp_path)
    one.scored(**scores)
    one.published.offer_self()
    assert [("master-db", "n1", "100")] * offered == one.writes


@pytest.mark.parametrize("effect, writes", [
    (lambda one: one.withdraw_self(), [("master-db", "n1", None)]),
    (lambda one: one.withdraw_of("n2"), [("master-db", "n2", None)]), (lambda one: one.rewrite(), ["rewrite"]),
    (lambda one: one.keep_promoted(), ["rewrite", ("master-db", "n1")])])
def test_scores_are_withdrawn_and_kept(tmp_path, effect, writes):
    """A probe that reports a promoted server waits until the scheduler sees the score: it would demote it."""
    one = Cluster(tmp_path)
    effect(one.published)
    assert writes == one.writes
