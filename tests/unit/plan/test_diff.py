# SPDX-License-Identifier: Apache-2.0
"""quorate diff: each way in which a cluster can differ from its plan is named, with the command that removes it."""

import io
from xml.etree import ElementTree

import pytest

from quorate.cli import diff, main
from quorate.errors import Usage
from quorate.pacemaker.cib import Configuration
from quorate.pacemaker.tools import Unavailable
from quorate.plan.diff import differences
from quorate.plan.resources import wanted
from quorate.status.facts import Proxy, Server
from tests.property.plan.cib import configuration
from tests.unit.plan.examples import path_of, plan_of

PLAN = plan_of("three-controllers")
TEXT = ElementTree.tostring(configuration(wanted(PLAN)), encoding="unicode")


def changed(*changes):
    text = TEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def found(text, proxies=None, plan=PLAN):
    return [(one.text, one.command) for one in differences(plan, Configuration(text), proxies)]


def test_no_difference():
    assert found(TEXT) == []


@pytest.mark.parametrize("old, new, text, command", [
    ('value="192.0.2.10"', 'value="192.0.2.99"', "ip of vip-internal is '192.0.2.99', the plan has '192.0.2.10'.",
     "pcs resource update vip-internal ip=192.0.2.10"),
    ('name="nic" value="eth0" />', 'name="nic" value="eth0" /><nvpair id="x" name="check_passwd" value="geheim" />',
     "check_passwd of vip-internal is (secret), the plan does not have it.",
     "pcs resource update vip-internal check_passwd="),
    ('name="promoted-max" value="3"', 'name="promoted-max" value="1"',
     "promoted-max of galera-clone is '1', the plan has '3'.",
     "pcs resource meta galera-clone promoted-max=3"),
    ('name="migration-threshold" value="1"', 'name="x" value="1"',
     "migration-threshold of haproxy is not set, the plan has '1'.",
     "pcs resource meta haproxy migration-threshold=1"),
    ('name="promote" interval="0s" timeout="300s"', 'name="promote" interval="0s" timeout="20s"',
     "The timeout of promote of galera is 20 s, the plan has 300 s.",
     "pcs resource update galera op promote timeout=300s"),
    ('name="monitor" interval="5s" timeout="30s" role="Promoted"',
     'name="monitor" interval="50s" timeout="30s" role="Master"',
     "The interval of monitor (Promoted) of galera is 50 s, the plan has 5 s.",
     "pcs resource update galera op monitor interval=5s timeout=30s role=Promoted"),
    ('name="monitor" interval="61s" timeout="30s"', 'name="reload" interval="0s" timeout="30s"',
     "cinder-volume has no operation 'monitor interval=61s timeout=30s OCF_CHECK_LEVEL=20'.",
     "pcs resource op add cinder-volume monitor interval=61s timeout=30s OCF_CHECK_LEVEL=20"),
    ('name="stonith-enabled" value="true"', 'name="stonith-enabled" value="false"',
     "The property stonith-enabled is false, the plan has true.", "pcs property set stonith-enabled=true"),
    ('name="stonith-enabled" value="true" />', 'name="stonith-enabled" value="true" />'
     '<nvpair id="m" name="maintenance-mode" value="true" />', "The cluster is in maintenance mode.",
     "pcs property set maintenance-mode=false"),
    ('name="resource-stickiness" value="100"', 'name="resource-stickiness" value="0"',
     "The default resource-stickiness is 0, the plan has 100.", "pcs resource defaults update resource-stickiness=100"),
    ('<node id="3" uname="n3" />', '', "n3 is in the plan and not in the cluster.",
     "pcs cluster node add n3 addr=192.0.2.13 --start --enable"),
    ('<node id="3" uname="n3" />', '<node id="3" uname="n3" /><node id="4" uname="n4" />',
     "n4 is in the cluster and not in the plan.", None),
    ('name="ip" value="203.0.113.12"', 'name="ip" value="203.0.113.99"',
     "ip of fence-n2 is '203.0.113.99', the plan has '203.0.113.12'.", "pcs stonith update fence-n2 ip=203.0.113.12"),
    ('<constraints>', '<constraints><rsc_location id="cli-ban-heat-engine-on-n2" rsc="heat-engine" node="n2" '
     'score="-INFINITY" />', "heat-engine may not run on n2; in the plan it runs there.",
     "pcs resource clear heat-engine"),
    ('<constraints>', '<constraints><rsc_location id="mine" rsc="heat-engine" node="n2" score="-INFINITY" />',
     "heat-engine may not run on n2; in the plan it runs there.",
     "pcs constraint location config resources heat-engine"),
    ('<resources>', '<resources><primitive id="d" class="ocf" provider="heartbeat" type="Dummy" />',
     "d (ocf:heartbeat:Dummy) is in the cluster and not in the plan.", None),
    ('name="interleave" value="true" />',
     'name="interleave" value="true" /><nvpair id="t" name="target-role" value="Stopped" />',
     "haproxy-clone is disabled.", "pcs resource enable haproxy-clone"),
    ('name="interleave" value="true" />',
     'name="interleave" value="true" /><nvpair id="t" name="is-managed" value="false" />',
     "haproxy-clone is unmanaged.", "pcs resource manage haproxy-clone"),
])
def test_a_difference_is_named_with_the_command_that_removes_it(old, new, text, command):
    assert found(changed((old, new))) == [(text, command)]


def test_another_agent():
    text, command = found(changed(('id="galera" class="ocf" type="galera" provider="quorate"',
                                'id="galera" class="ocf" type="galera" provider="heartbeat"')))[0]
    assert text == "galera is ocf:heartbeat:galera, the plan has ocf:quorate:galera."
    assert command.startswith("pcs resource delete galera; then pcs resource create galera ocf:quorate:galera ")


def test_a_resource_that_is_missing():
    root = ElementTree.fromstring(TEXT)
    section = root.find("resources")
    section.remove(next(one for one in section if one.get("id") == "galera-clone"))
    text, command = found(ElementTree.tostring(root, encoding="unicode"))[0]
    assert text == "galera (ocf:quorate:galera) is missing."
    assert command.startswith(
        "pcs resource create galera ocf:quorate:galera wsrep_cluster_address=gcomm://n1,n2,n3 op start ")


def test_a_clone_that_is_none_and_one_that_should_not_be():
    root = ElementTree.fromstring(TEXT)
    section = root.find("resources")
    clone = next(one for one in section if one.get("id") == "memcached-clone")
    section.remove(clone)
    section.append(clone.find("primitive"))
    heat = next(one for one in section if one.get("id") == "heat-engine")
    section.remove(heat)
    ElementTree.SubElement(section, "clone", id="heat-engine-clone").append(heat)
    commands = dict(found(ElementTree.tostring(root, encoding="unicode")))
    assert commands["memcached is not a clone, so it runs on one node only."] == (
        "pcs resource clone memcached interleave=true")
    assert commands["heat-engine is a clone, the plan has one instance in the whole cluster."] == (
        "pcs resource unclone heat-engine")


def test_a_node_that_nobody_can_fence():
    root = ElementTree.fromstring(TEXT)
    section = root.find("resources")
    section.remove(next(one for one in section if one.get("id") == "fence-n3"))
    text, command = found(ElementTree.tostring(root, encoding="unicode"))[0]
    assert text == "n3 cannot be fenced: fence-n3 is missing."
    assert command.startswith("pcs stonith create fence-n3 fence_ipmilan ip=203.0.113.13 ")


def test_a_device_of_another_name_that_covers_the_node_will_do():
    assert found(changed(('id="fence-n3"', 'id="apc"'))) == []


def test_other_ids_are_compared_for_what_they_do():
    """A cluster that was made by hand."""
    text = TEXT.replace('"galera-clone"', '"db-clone"').replace('id="galera"', 'id="db"')
    text = text.replace('"vip-internal"', '"vip"')
    assert found(text) == []
    mine = [one.command for one in differences(PLAN, Configuration(
        text.replace('"promoted-max" value="3"', '"promoted-max" value="2"')))]
    assert mine == ["pcs resource meta db-clone promoted-max=3"]


def test_orders_in_sets_count():
    root = ElementTree.fromstring(TEXT)
    section = root.find("constraints")
    for one in [one for one in section if one.get("first") == "haproxy-clone"]:
        section.remove(one)
    assert 2 == len(found(ElementTree.tostring(root, encoding="unicode")))
    order = ElementTree.SubElement(section, "rsc_order", id="sets", kind="Optional")
    for names in (["haproxy-clone"], ["vip-internal", "vip-public"]):
        part = ElementTree.SubElement(order, "resource_set", id="-".join(names))
        for name in names:
            ElementTree.SubElement(part, "resource_ref", id=name)
    assert found(ElementTree.tostring(root, encoding="unicode")) == []


def test_roles_of_nodes():
    plan = plan_of("five-dedicated", ('[nodes.ctl1]', '[nodes.ctl1]\nfence = { agent = "fence_x" }'))
    text = ElementTree.tostring(configuration(wanted(plan)), encoding="unicode")
    text = text.replace('name="role-database" value="true"', 'name="role-controller" value="true"', 1)
    said = [one.text for one in differences(plan, Configuration(text), version="3.0")]
    assert "data1 does not have the attribute role-database, by which rules find its role." in said
    assert "data1 has the attribute role-controller, but not that role in the plan." in said
    assert "galera-clone may not run on data1; in the plan it runs there." in said
    assert "memcached-clone may run on data1; in the plan it does not run there." in said
    assert "data2 cannot be fenced: neither the plan nor the cluster has a device for it." in said


def proxies(**changes):
    names = {service.name: ["n1", "n2", "n3"] for service in PLAN.services if service.endpoints}
    names.update(changes)
    return tuple(Proxy(name, "UP", tuple(Server(one, "UP", False) for one in servers))
                 for name, servers in names.items() if servers is not None)


def test_haproxy():
    assert found(TEXT, proxies()) == []
    assert [text for text, _command in found(TEXT, proxies(glance_api=None, heat_api=["n1", "n3", "n9"]))] == [
        "HAProxy on this node has no listener glance_api.", "HAProxy on this node has no server n2 behind heat_api.",
        "HAProxy on this node has n9 behind heat_api, the plan does not."]


# -- the command

def run(text, words=None, listeners=()):
    out = io.StringIO()
    code = diff.main([path_of("three-controllers")] if words is None else words,
                     lambda: (Configuration(text), listeners), out)
    return code, out.getvalue()


def test_command_without_a_difference(capsys):
    assert run(TEXT, listeners=None) == (0, "The cluster is as %s describes it.\n" % path_of("three-controllers"))
    assert capsys.readouterr().err == "quorate: no HAProxy runs on this node, so its listeners were not compared.\n"


def test_command_with_a_difference():
    code, text = run(changed(('value="192.0.2.10"', 'value="192.0.2.99"')), listeners=proxies(dashboard=None))
    assert code == 1
    assert text.startswith("ip of vip-internal is '192.0.2.99', the plan has '192.0.2.10'.\n"
                           "    -> pcs resource update vip-internal ip=192.0.2.10\n")
    assert "    -> quorate plan haproxy %s >/etc" % path_of("three-controllers") in text


@pytest.mark.parametrize("words", [[], ["a", "b"], ["--json"]])
def test_command_that_is_not_understood(words, capsys):
    with pytest.raises(Usage, match="not understood: quorate diff"):
        run(TEXT, words)
    assert main(["diff"] + words) == 2 and "usage: " in capsys.readouterr().err


def test_command_that_cannot_ask(capsys, tmp_path):
    def refuse():
        raise Unavailable("Pacemaker does not run on this node.")
    assert diff.main([path_of("three-controllers")], refuse, io.StringIO()) == 2
    assert capsys.readouterr().err == "quorate: Pacemaker does not run on this node.\n"
    assert diff.main([str(tmp_path / "none.toml")], refuse, io.StringIO()) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert run("not xml")[0] == 2
