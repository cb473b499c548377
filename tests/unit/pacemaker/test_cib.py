# SPDX-License-Identifier: Apache-2.0
"""The configuration of the cluster, from what cibadmin prints."""

import pytest

from quorate.host.clock import Deadline
from quorate.pacemaker.cib import (Configuration, Operation, configuration, configured_nodes, find, parse_colocations,
                                   parse_nodes,
                                   parse_resources, resources, stonith_enabled)
from quorate.pacemaker.tools import Unavailable
from tests.fakes import FakeClock, FakeCommands

RESOURCES = """<resources>
  <template id="db-template" class="ocf" provider="quorate" type="galera">
    <instance_attributes id="t-ia"><nvpair id="t1" name="datadir" value="/srv/db"/>
      <nvpair id="t2" name="user" value="mysql"/></instance_attributes>
    <operations><op id="t-op" name="monitor" interval="10s" role="Master" timeout="30s"/></operations>
  </template>
  <clone id="galera-clone">
    <primitive id="galera" template="db-template">
      <instance_attributes id="p-ia"><nvpair id="p1" name="datadir" value="/var/lib/mysql"/>
        <nvpair id="p2" name="datadir" value="/second"/></instance_attributes>
      <instance_attributes id="p-rule" score="9"><rule id="r" score="0"/>
        <nvpair id="p3" name="user" value="other"/></instance_attributes>
      <operations><op id="p-op" name="start" interval="0s" timeout="300s"/></operations>
    </primitive>
    <meta_attributes id="c-ma"><nvpair id="c1" name="promoted-max" value="3"/></meta_attributes>
  </clone>
  <group id="web">
    <primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2">
      <instance_attributes id-ref="p-ia"/>
    </primitive>
    <primitive id="haproxy" class="systemd" type="haproxy"/>
  </group>
</resources>"""


def test_a_primitive_has_what_its_template_gives_it_and_its_own_wins():
    galera = parse_resources(RESOURCES)[0]
    assert (galera.id, galera.agent, galera.parent) == ("galera", "ocf:quorate:galera", "galera-clone")
    assert galera.parameters == {"datadir": "/var/lib/mysql", "user": "mysql"}
    assert galera.parent_meta == {"promoted-max": "3"}
    assert galera.operations == (Operation("monitor", "10s", "30s", "Promoted", galera.operations[0].id),
                                 Operation("start", "0s", "300s", None, "p-op"))
    assert galera.top == "galera-clone"


def test_references_and_groups():
    _galera, vip, haproxy = parse_resources(RESOURCES)
    assert vip.parameters == {"datadir": "/var/lib/mysql"} and vip.parent == "web"
    assert haproxy.agent == "systemd:haproxy"


def test_finding():
    found = parse_resources(RESOURCES)
    assert [resource.id for resource in find(found, "galera-clone")] == ["galera"]
    assert [resource.id for resource in find(found, "galera")] == ["galera"]
    assert [resource.id for resource in find(found, agent="ocf:quorate:galera")] == ["galera"]
    assert find(found, "vip", "ocf:quorate:galera") == ()
    assert len(find(found)) == 3


@pytest.mark.parametrize("text", ["", "not xml", "<a>", "<a></b>", "\0", "Error: cluster is not available"])
def test_garbage_is_unavailable(text):
    for parse in (Configuration, parse_resources, parse_colocations, lambda text: parse_nodes(text, "mq-generation")):
        with pytest.raises(Unavailable, match="did not answer in XML"):
            parse(text)


def test_how_the_tools_are_asked():
    clock = FakeClock()
    commands = FakeCommands(clock).expect("cibadmin", "-Q", "-o", "resources", out=RESOURCES)
    assert len(resources(commands, Deadline(clock, 9))) == 3
    commands.expect("cibadmin", "-Q", "-o", "configuration", out="<configuration>%s</configuration>" % RESOURCES)
    assert len(configuration(commands, Deadline(clock, 9)).resources) == 3
    commands.expect("cibadmin", "-Q", "-o", "nodes", rc=105, out='<nodes><node id="1" uname="n1"/></nodes>')
    assert configured_nodes(commands, Deadline(clock, 9), "mq-generation") == (["n1"], {}, frozenset())
    commands.expect("cibadmin", ..., rc=102)
    with pytest.raises(Unavailable):
        resources(commands, Deadline(clock, 9))
    commands.done()


@pytest.mark.parametrize("new, old, enabled", [
    (None, None, True), (None, "true", True), (None, "false", False), ("false", None, False), ("true", None, True),
    (None, "0", False), ("false", "true", False)])
def test_fencing_is_on_unless_it_was_switched_off(new, old, enabled):
    clock = FakeClock()
    commands = FakeCommands(clock)
    for name, value in (("fencing-enabled", new), ("stonith-enabled", old)):
        commands.allow("crm_attribute", "-t", "crm_config", "-n", name, "-G", "-q",
                       rc=105 if value is None else 0, out=value or "")
    assert stonith_enabled(commands, Deadline(clock, 9)) is enabled


def test_fencing_is_not_guessed_without_a_cluster():
    clock = FakeClock()
    with pytest.raises(Unavailable):
        stonith_enabled(FakeCommands(clock).expect("crm_attribute", ..., rc=102), Deadline(clock, 9))


def test_the_nodes_of_the_configuration():
    text = """<nodes><node id="1" uname="n1"><instance_attributes id="nodes-1"><nvpair id="x" name="mq-generation" value="2"/>
    </instance_attributes></node><node id="r" type="remote" uname="r1"/></nodes>"""
    assert parse_nodes(text, "mq-generation") == (["n1", "r1"], {"n1": 2}, {"r1"})
