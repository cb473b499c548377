# SPDX-License-Identifier: Apache-2.0
"""What the nodes of a cluster publish."""

import pytest

from quorate.host.state_files import StateFiles
from quorate.pacemaker.tools import Unavailable
from quorate.rabbitmq import facts
from quorate.rabbitmq.declaration import PARAMETERS
from quorate.rabbitmq.election import published
from quorate.rabbitmq.election.published import PublishedState
from tests import fakes


def test_a_claim_is_lost_to_who_was_faster():
    commands = fakes.FakeCommands()
    context = fakes.context("start", PARAMETERS, commands=commands, environ={"OCF_RESOURCE_INSTANCE": "mq"})
    commands.expect("cibadmin", "--create", ..., rc=108, err="File exists")
    commands.expect("crm_attribute", "-t", "crm_config", "-s", "mq-founder", "-n", "mq-founder", "-G", "-q", out="n2\n")
    assert PublishedState(context, None).claim() == "n2"
    commands.done()


FULL = facts.Report("n1", facts.WAITING, True, "rabbit@n1", frozenset(("rabbit@n1", "rabbit@n2")),
                    frozenset(("rabbit@n1",)),
                    facts.MNESIA, "3.10.8", "a1b2c3", 2, 1700000000, True)


@pytest.mark.parametrize("one", [FULL, facts.Report("n1", facts.DOWN), FULL._replace(running=frozenset()),
                                 FULL._replace(data=False, members=None, running=None, lost=True)])
def test_a_report_comes_back_as_it_was(one):
    assert published.decode_report("n1", published.encode_report(one)) == one


@pytest.mark.parametrize("path, shown", [
    ("/srv/mq data+1/rabbit@n1", "/srv/mq_data_1/rabbit@n1"), ("/srv/ä,b:c|d%/rabbit@n1", "/srv/__b_c_d_/rabbit@n1"),
    ("/srv//mq/rabbit@n1/", "/srv/mq/rabbit@n1"), ("/srv/mq/rabbit@n1", "/srv/mq/rabbit@n1")])
def test_other_data_are_published_whatever_their_path(path, shown):
    """A path that the text cannot hold was left out: a renamed node joined, or founded a cluster, beside its data."""
    found = published.decode_report("n1", published.encode_report(FULL._replace(data=False, other=path)))
    assert found.other == shown


def test_half_a_report_is_none():
    text = published.encode_report(FULL)
    assert all(published.decode_report("n1", text[:length]) is None for length in range(len(text)))


def test_a_newer_node_may_say_more():
    assert published.decode_report("n1", published.encode_report(FULL).replace(",end", ",new:1,end")) == FULL


def test_what_a_report_says_only_where_it_is_so():
    text = published.encode_report(FULL)
    assert "y:" not in text and "o:" not in text, "a node of 0.1.0 writes neither"
    assert ",y:1," in published.encode_report(FULL._replace(stale=True))
    assert published.decode_report("n1", published.encode_report(FULL._replace(stale=True))).stale is True


@pytest.mark.parametrize("wrong", ["d:2", "st:happy", "g:-1", "m:a b", "st:down,st:down", "o:srv|x", "o:", "o:||"])
def test_garbage_is_no_report(wrong):
    assert published.decode_report("n1", "v1,st:down,%s,end" % wrong) is None


def test_an_override_comes_back_as_it_was():
    override = facts.Override("n2", "operator", 1700000000, True)
    assert published.decode_override(published.encode_override(override)) == override
    assert published.decode_override("v1,node:n2,end") is None


NODES = """<nodes><node id="1" uname="n1"/><node id="2" uname="n2"/><node id="c1" type="remote" uname="c1">
<instance_attributes id="c1-a"><nvpair id="c1-r" name="role" value="compute"/></instance_attributes></node></nodes>"""
RESOURCES = ('<resources><clone id="mq-clone"><primitive id="mq" class="ocf" provider="quorate" type="rabbitmq"/>'
             '</clone></resources>')
BANNED = '<rsc_location id="l" rsc="mq-clone" node="c1" score="-INFINITY"/>'
BY_RULE = ('<rsc_location id="l" rsc="mq-clone"><rule id="r" score="-INFINITY">'
           '<expression id="e" attribute="role" operation="eq" value="compute"/></rule></rsc_location>')
DATED = ('<rsc_location id="l" rsc="mq-clone" ><rule id="r" score="-INFINITY"><date_expression id="d" operation="gt" '
         'start="2026-01-01"/></rule></rsc_location>')


@pytest.mark.parametrize("constraint, generation, counts", [
    (BANNED, "", False), (BY_RULE, "", False), ("", "", True), (DATED, "", True),
    (BANNED.replace("c1", "n2"), "", True),
    (BANNED, '<nvpair id="g" name="mq-generation" value="1"/>', True)],
    ids=["banned", "by a rule", "may run there", "depends on the date", "another is banned", "it took part once"])
def test_a_remote_node_that_never_runs_it_is_not_waited_for(constraint, generation, counts):
    """Compute nodes: no first cluster was founded until `nodes` was set."""
    commands = fakes.FakeCommands()
    context = fakes.context("start", PARAMETERS, commands=commands, environ={"OCF_RESOURCE_INSTANCE": "mq"})
    nodes = NODES.replace('value="compute"/>', 'value="compute"/>' + generation)
    commands.allow("cibadmin", "-Q", "-o", "nodes", out=nodes)
    commands.allow("cibadmin", "-Q", "-o", "configuration", out="<configuration>%s%s<constraints>%s</constraints>"
                   "</configuration>" % (nodes, RESOURCES, constraint))
    assert PublishedState(context, None).configured()[0] == {"n1", "n2"} | ({"c1"} if counts else set())


def test_nodes_that_are_named_are_asked_of_nobody():
    commands = fakes.FakeCommands()
    context = fakes.context("start", PARAMETERS, commands=commands, environ={"OCF_RESOURCE_INSTANCE": "mq"},
                            nodes="n1, c1")
    commands.expect("cibadmin", "-Q", "-o", "nodes", out=NODES)
    assert PublishedState(context, None).configured()[0] == {"n1", "c1"}


def one_node(tmp_path):
    """(PublishedState of n1 among n1 and n2, FakeAttributes, StateFiles, FakeCommands)."""
    commands = fakes.FakeCommands()
    context = fakes.context("start", PARAMETERS, commands=commands, environ={"OCF_RESOURCE_INSTANCE": "mq"})
    commands.allow("crm_node", "-p", out="n1 n2")
    attributes = fakes.FakeAttributes()
    files = StateFiles("rabbitmq", "mq", str(tmp_path / "run"), str(tmp_path / "var"))
    return PublishedState(context, files, attributes), attributes, files, commands


FOUNDER = ("crm_attribute", "-t", "crm_config", "-s", "mq-founder", "-n", "mq-founder")


def test_all_that_the_election_knows(tmp_path):
    published_state, attributes, _, commands = one_node(tmp_path)
    commands.allow("cibadmin", "-Q", "-o", "nodes", out=(
        '<nodes><node id="2" uname="n2"><instance_attributes id="a"><nvpair id="g" name="mq-generation" value="3"/>'
        '</instance_attributes></node><node id="3" uname="n3"/></nodes>'))
    commands.allow(*FOUNDER, "-G", "-q", out=" n3\n")
    order = facts.Override("n1", "root", 5)
    attributes.shared["transient"]["mq-report"] = {
        "n1": published.encode_report(FULL), "n2": "garbage"}
    attributes.shared["property"].update({"mq-generation": "3", "mq-override": published.encode_override(order)})
    assert published_state.snapshot() == facts.Snapshot(
        me="n1", nodes=frozenset(("n1", "n2", "n3")), reports={"n1": FULL}, members=frozenset(("n1", "n2")),
        generation=3, founder="n3", override=order, generations={"n2": 3})


@pytest.mark.parametrize("rc, out, founder", [
    (0, "n2\n", "n2"), (0, "\n", None), (105, "", None), (6, "", None), (105, "(null)", None)])
def test_the_founder(tmp_path, rc, out, founder):
    published_state, _, _, commands = one_node(tmp_path)
    commands.expect(*FOUNDER, "-G", "-q", rc=rc, out=out)
    assert published_state.founder() == founder


def test_to_become_the_founder(tmp_path):
    published_state, _, _, commands = one_node(tmp_path)
    commands.expect("cibadmin", "--create", "-o", "crm_config", "--xml-text", (
        '<cluster_property_set id="mq-founder"><nvpair id="mq-founder-by" name="mq-founder" value="n1"/>'
        '</cluster_property_set>'))
    commands.expect(*FOUNDER, "-G", "-q", out="n1\n")
    assert published_state.claim() == "n1"
    commands.expect("cibadmin", "--create", ..., rc=76)  # what is there already, by older releases
    commands.expect(*FOUNDER, "-G", "-q", out="n2\n")
    assert published_state.claim() == "n2"
    commands.expect(*FOUNDER, "-v", "n1")
    published_state.found_instead()
    commands.done()


def test_a_claim_that_could_not_be_made_is_no_claim(tmp_path):
    published_state, _, _, commands = one_node(tmp_path)
    commands.allow("cibadmin", "--create", ..., rc=102, err="not connected")
    with pytest.raises(Unavailable):
        published_state.claim()


@pytest.mark.parametrize("before, generation", [(None, 1), ("4", 5)])
def test_a_forced_boot_opens_a_generation_and_takes_part_in_it(tmp_path, before, generation):
    published_state, attributes, _, _ = one_node(tmp_path)
    if before:
        attributes.shared["property"]["mq-generation"] = before
    assert published_state.open_generation() == generation
    assert attributes.writes == [("mq-generation", who, str(generation)) for who in ("cluster", "n1")]
    del attributes.writes[:]
    published_state.took_part(generation)
    assert attributes.writes == [], "it is recorded already, and each change costs a run of the scheduler"


def test_who_takes_no_part_withdraws_its_status_only(tmp_path):
    published_state, attributes, files, _ = one_node(tmp_path)
    published_state.withdraw_status()  # of one that has published none
    published_state.publish(FULL)
    published_state.set_status("It serves.")
    del attributes.writes[:]
    published_state.withdraw_status()
    assert attributes.writes == [("mq-status", "n1", None)]
    assert files.read("published") == {"report": published.encode_report(FULL)}
    assert published_state.set_status("It serves.") and not published_state.publish(FULL)


def test_the_policy_that_was_set_last(tmp_path):
    published_state, attributes, _, _ = one_node(tmp_path)
    assert published_state.policy() is None
    published_state.set_policy("a1b2")
    assert published_state.policy() == "a1b2" and attributes.writes == [("mq-policy", "cluster", "a1b2")]


@pytest.mark.parametrize("resource, banned", [
    (RESOURCES, BANNED), (RESOURCES, BANNED.replace("mq-clone", "mq")),
    ('<resources><primitive id="mq" class="ocf" provider="quorate" type="rabbitmq"/></resources>',
     BANNED.replace("mq-clone", "mq")), ("<resources/>", BANNED.replace("mq-clone", "mq"))])
def test_a_ban_of_the_clone_or_of_the_resource(tmp_path, resource, banned):
    published_state, _, _, commands = one_node(tmp_path)
    commands.allow("cibadmin", "-Q", "-o", "nodes", out=NODES)
    commands.allow("cibadmin", "-Q", "-o", "configuration", out=(
        "<configuration>%s%s<constraints>%s</constraints></configuration>" % (NODES, resource, banned)))
    assert published_state.configured() == (frozenset(("n1", "n2")), {})


def test_orders():
    assert published.decode_override(published.encode_override(facts.Override("n1"))) == (
        facts.Override("n1", "somebody", 0, False, False))
    for order in (facts.Override("n1", "a", 5, False, True), facts.Override("n1", "a", 5, True, False)):
        assert published.decode_override(published.encode_override(order)) == order
    assert published.decode_override(published.encode_override(facts.Override("n1", "a b,c:d"))).by == "a_b_c_d"
    assert published.encode_override(facts.Override("n1", "a", 5)) == "v1,node:n1,by:a,at:5,forced:0,end", (
        "as 0.1.0 wrote it")


@pytest.mark.parametrize("text", [None, "", "v1,node:n 1,by:a,at:5,forced:0,end", "v1,node:n1,by:a,at:-5,forced:0,end",
                                  "v1,node:n1,by:a,at:5,forced:2,end", "v1,node:n1,by:a,at:5,forced:0"])
def test_what_is_no_order(text):
    assert published.decode_override(text) is None
