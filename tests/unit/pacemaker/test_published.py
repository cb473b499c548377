# SPDX-License-Identifier: Apache-2.0
"""What a node publishes and what it takes of the others': only what changed is written, and only of who is there."""

import pytest

from quorate.host.state_files import StateFiles
from quorate.pacemaker.published import STATUS_MOST, PublishedState
from quorate.pacemaker.tools import EX_NOSUCH, Unavailable
from tests import fakes


class Published(PublishedState):
    """A service whose reports are words."""

    encode_report = encode_override = staticmethod("w:{}".format)
    decode_override = staticmethod(lambda text: text[2:] if text.startswith("w:") else None)

    @staticmethod
    def decode_report(node, text):
        return "%s says %s" % (node, text[2:]) if text.startswith("w:") else None


class One:
    """The published state of the resource db on n1. environ: of Pacemaker's, without META."""

    def __init__(self, root, attributes=None, interval=5000, **environ):
        self.commands = fakes.FakeCommands()
        self.attributes = attributes
        self.files = StateFiles("some", "db", str(root / "run"), str(root / "persistent"))
        names = dict(environ, interval=str(interval))
        self.context = fakes.context(commands=self.commands, environ=dict(
            {"OCF_RESKEY_CRM_meta_" + name: value for name, value in names.items()}, OCF_RESOURCE_INSTANCE="db:1"))
        self.published = Published(self.context, self.files, attributes)


@pytest.fixture
def one(tmp_path):
    return One(tmp_path, fakes.FakeAttributes())


@pytest.mark.parametrize("what, value, publish", [
    ("report", "w:well", lambda published: published.publish("well")),
    ("status", "well", lambda published: published.set_status("well"))])
def test_what_did_not_change_is_not_written_again(one, what, value, publish):
    """Each change costs a run of the scheduler."""
    assert publish(one.published) is True and publish(one.published) is False
    assert [("db-" + what, "n1", value)] == one.attributes.writes
    assert {what: value} == one.files.read("published")
    one.files.write("published", {what: "another"})
    assert publish(one.published) is True and 2 == len(one.attributes.writes)
    assert {what: value} == one.files.read("published")


def test_report_and_status_are_remembered_beside_each_other(one):
    one.published.publish("well")
    one.published.set_status("It is well.")
    assert {"report": "w:well", "status": "It is well."} == one.files.read("published")
    assert {"n1": "It is well."} == one.published.statuses()
    assert not one.published.publish("well") and not one.published.set_status("It is well.")


def test_a_probe_writes_in_any_case(tmp_path):
    """The node may have left the cluster since, and its attributes with it."""
    one = One(tmp_path, fakes.FakeAttributes(), interval=0)
    assert one.published.publish("well") and one.published.publish("well")
    assert 2 == len(one.attributes.writes)


def test_what_could_not_be_written_is_tried_again(one):
    one.attributes.unavailable = "The cluster is away."
    with pytest.raises(Unavailable):
        one.published.publish("well")
    one.attributes.unavailable = None
    assert one.published.publish("well")


def test_a_report_is_private_and_readable_everywhere_before_the_others_are_read(tmp_path):
    """Of two nodes that publish at once at least one then sees both; a status is for the operator."""
    one = One(tmp_path)
    one.commands.expect("attrd_updater", "-n", "db-report", "-U", "w:well", "-p", "-W", "cluster")
    one.published.publish("well")
    one.commands.expect("attrd_updater", "-n", "db-status", "-U", "It is well.")
    one.published.set_status("It is well.")
    one.commands.done()


def test_in_a_bundle_the_host_publishes(tmp_path):
    one = One(tmp_path, container_attribute_target="host", physical_host="h1")
    one.commands.expect("attrd_updater", "-n", "db-status", "-U", "well", "-N", "h1")
    one.published.set_status("well")
    one.commands.done()


@pytest.mark.parametrize("sentence, status", [
    ('waits for "n3"\n', "waits for 'n3'"), ("x" * 300, "x" * STATUS_MOST), ("", "-"), (" \n", "-")])
def test_a_status_is_a_line_that_an_attribute_can_hold(one, sentence, status):
    one.published.set_status(sentence)
    assert {"n1": status} == one.published.statuses()


def test_what_this_node_published_last(one):
    assert None is one.published.last_published()
    one.published.publish("well")
    assert "n1 says well" == one.published.last_published()


# What the others say

def nodes(**online_of):
    """crm_mon's answer; online_of: name -> (type, whether it is online)."""
    return "<pacemaker-result><nodes>%s</nodes></pacemaker-result>" % "".join(
        '<node name="%s" type="%s" online="%s"/>' % (name, kind, str(online).lower())
        for name, (kind, online) in online_of.items())


def said(one, **words):
    one.attributes.shared["transient"]["db-report"] = {node: "w:" + word for node, word in words.items()}


def test_a_report_of_a_node_that_is_gone_does_not_count(one):
    one.commands.allow("crm_node", "-p", out="n1 n2\n")
    one.commands.allow("crm_mon", ..., out=nodes(n1=("member", True), n2=("member", True), n3=("member", True)))
    said(one, n1="well", n3="well too")
    assert {"n1": "n1 says well", "n3": "n3 says well too"} == one.published.reports()
    assert ({"n1": "n1 says well"}, frozenset(("n1", "n2"))) == one.published.received()


def test_a_text_that_is_no_report_hides_no_other(one):
    one.commands.allow("crm_node", "-p", out="n1 n2 n3\n")
    said(one, n1="well", n3="well")
    one.attributes.shared["transient"]["db-report"]["n2"] = "of a later version"
    assert {"n1", "n3"} == set(one.published.received()[0]) and "n2" in one.published.received()[1]


def test_the_cluster_is_asked_for_remote_nodes_only_when_one_has_published(one):
    one.commands.expect("crm_node", "-p", out="n1 n2\n")
    said(one, n1="well", n2="well")
    one.published.received()
    one.commands.done()


def test_remote_and_bundle_nodes_that_are_online_and_have_published_are_there(one):
    one.commands.allow("crm_node", "-p", out="n1\n")
    one.commands.allow("crm_mon", ..., out=nodes(
        n1=("member", True), r1=("remote", True), g1=("guest", True), r2=("remote", False), r3=("remote", True),
        n2=("member", False)))
    said(one, n1="a", r1="b", g1="c", r2="d", n2="e")
    reports, present = one.published.received()
    assert {"n1", "r1", "g1"} == set(reports) == present


def test_members_that_cannot_be_asked_for_are_not_none(one):
    one.commands.allow("crm_node", "-p", rc=102)
    with pytest.raises(Unavailable):
        one.published.received()


# Properties

@pytest.mark.parametrize("text, generation", [(None, 0), ("4", 4), ("four", None), ("-1", None)])
def test_generations(one, text, generation):
    """Garbage is not 'none was ever opened'."""
    if text is not None:
        one.attributes.shared["property"]["db-generation"] = text
        one.attributes.shared["permanent"]["db-generation", "n1"] = text
    one.attributes.shared["permanent"]["db-generation", "n2"] = "9"
    assert (generation, generation) == (one.published.generation(), one.published.own_generation())


def test_an_override_is_set_read_and_taken_back(one):
    assert None is one.published.override()
    one.published.set_override("n2")
    assert "n2" == one.published.override()
    one.attributes.shared["property"]["db-override"] = "garbage"
    assert None is one.published.override()
    one.published.set_override(None)
    assert [("db-override", "cluster", "w:n2"), ("db-override", "cluster", None)] == one.attributes.writes


def test_this_node_is_asked_for_where_nobody_told_it(tmp_path):
    one = One(tmp_path, on_node="")
    one.commands.expect("crm_node", "-n", out="n7\n")
    one.commands.expect("crm_attribute", "-N", "n7", ..., rc=EX_NOSUCH)
    assert 0 == one.published.own_generation()
    one.commands.done()
