# SPDX-License-Identifier: Apache-2.0
"""What the nodes of a cluster publish."""

import pytest

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


@pytest.mark.parametrize("wrong", ["d:2", "st:happy", "g:-1", "m:a b", "st:down,st:down"])
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
