# SPDX-License-Identifier: Apache-2.0
"""Whatever the plan: stable text that a shell reads, constraints on what exists, and a cluster that is as it is
described."""

import shlex
from xml.etree import ElementTree

from hypothesis import assume, given, settings, strategies as st

from quorate.pacemaker.cib import Configuration
from quorate.plan.diff import differences
from quorate.plan.parse import read
from quorate.plan.render import pcs
from quorate.plan.resources import wanted
from tests.property.plan.cib import configuration
from tests.property.plan.plans import documents, toml

VERSIONS = st.sampled_from(["2.1", "3.0"])


def plan_of(document, order=lambda items: items):
    plan, problems = read(toml(document, order))
    assert problems == ()
    return plan


@st.composite
def fenced(draw):
    """A plan whose nodes all have a fence device."""
    document = draw(documents())
    for name in document["nodes"]:
        document["nodes"][name]["fence"] = {"agent": "fence_ipmilan", "ip": "203.0.113.1"}
    return document


@settings(max_examples=25, deadline=None)
@given(documents(), st.randoms(use_true_random=False), VERSIONS)
def test_order_in_the_file_changes_nothing(document, chance, version):
    def shuffled(items):
        chance.shuffle(items)
        return items

    assert pcs.render(plan_of(document), version) == pcs.render(plan_of(document, shuffled), version)


@settings(max_examples=25, deadline=None)
@given(documents(), VERSIONS)
def test_each_command_is_read_by_a_shell_as_it_was_meant(document, version):
    plan = plan_of(document)
    text = pcs.render(plan, version).replace("\\\n", " ")
    lines = [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("pcs ")
             and "before.xml" not in line]
    for section in pcs.sections(plan, version):
        for step in section.steps:
            assert list(step.words) in lines


@settings(max_examples=25, deadline=None)
@given(documents())
def test_constraints_are_about_what_exists(document):
    want = wanted(plan_of(document))
    tops = {one.top for one in want.resources} | {one.id for one in want.fencing}
    named = [name for one in want.colocations for name in (one.resource, one.other)]
    named += [name for one in want.orders for name in (one.first, one.then)] + [one.resource for one in want.locations]
    assert set(named) <= tops
    assert len({one.id for one in want.resources + want.fencing}) == len(want.resources + want.fencing)
    for one in want.resources + want.fencing:
        recurring = [operation.interval for operation in one.operations if operation.name == "monitor"]
        assert recurring and len(set(recurring)) == len(recurring) and all(recurring), one.id
    assert {node for one in want.resources for node in one.nodes} <= set(want.nodes)


@settings(max_examples=25, deadline=None)
@given(fenced(), VERSIONS)
def test_a_cluster_that_was_made_from_it_does_not_differ(document, version):
    plan = plan_of(document)
    text = ElementTree.tostring(configuration(wanted(plan)), encoding="unicode")
    assert differences(plan, Configuration(text), version=version) == ()


@settings(max_examples=50, deadline=None)
@given(fenced(), st.randoms(use_true_random=False))
def test_whatever_is_taken_away_is_missed(document, chance):
    plan = plan_of(document)
    root = configuration(wanted(plan))
    above = {child: parent for parent in root.iter() for child in parent}
    wanted_of = {node.get("uname") for node in root.iter("node")}
    gone = chance.choice([one for one in above if one.tag in ("primitive", "op", "rsc_colocation", "rsc_order")
                          or one.tag == "rsc_location" and not one.get("rsc").startswith("fence-")
                          and (one.get("score") or "-").startswith("-") or one.tag == "nvpair"
                          and one.get("name") not in ("stonith-enabled", "pcmk_host_check")])
    # A fence device without a list of nodes is one that knows by itself whom it can fence.
    assume(gone.get("name") != "pcmk_host_list" and wanted_of)
    above[gone].remove(gone)
    if gone.tag == "primitive" and above[gone].tag != "resources" and above[gone].find("primitive") is None:
        above[above[gone]].remove(above[gone])  # no clone and no group without a member
    found = differences(plan, Configuration(ElementTree.tostring(root, encoding="unicode")))
    assert found, ElementTree.tostring(gone)
    assert all(one.text.endswith(".") and "\n" not in one.text for one in found)
    assert all(one.command is None or shlex.split(one.command) for one in found)
