# SPDX-License-Identifier: Apache-2.0
"""The status and the configuration of the cluster, from what crm_mon and cibadmin print."""

import pytest

from quorate.host.clock import Deadline
from quorate.pacemaker.cib import Operation, find, parse_resources, parse_status, resources, status, stonith_enabled
from quorate.pacemaker.tools import Unavailable
from tests.fakes import FakeClock, FakeCommands

STATUS = """<pacemaker-result api-version="2.25" request="crm_mon --output-as=xml">
  <summary>
    <stack type="corosync"/>
    <current_dc present="true" version="2.1.5" name="n1" id="1" with_quorum="true"/>
    <cluster_options stonith-enabled="true" no-quorum-policy="stop" maintenance-mode="false"/>
  </summary>
  <nodes>
    <node name="n1" id="1" online="true" standby="false" maintenance="false" pending="false" unclean="false"
          is_dc="true" type="member"/>
    <node name="n2" id="2" online="false" standby="true" maintenance="false" pending="true" unclean="true"
          is_dc="false" type="member"/>
    <node name="r1" id="r1" online="true" standby="false" maintenance="true" pending="false" unclean="false"
          is_dc="false" type="remote"/>
  </nodes>
  <resources>
    <clone id="galera-clone" multi_state="true">
      <resource id="galera:0" resource_agent="ocf::quorate:galera" role="Master" active="true" orphaned="false"
                blocked="false" managed="true" failed="false"><node name="n1" id="1" cached="true"/></resource>
      <resource id="galera" resource_agent="ocf:quorate:galera" role="Unpromoted" active="true" blocked="true"
                managed="false" failed="true"><node name="n2" id="2" cached="false"/></resource>
    </clone>
  </resources>
  <status code="0" message="OK"/>
</pacemaker-result>"""

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


def test_nodes():
    n1, n2, r1 = parse_status(STATUS).nodes
    assert (n1.name, n1.online, n1.standby, n1.unclean, n1.pending, n1.dc) == ("n1", True, False, False, False, True)
    assert (n2.online, n2.standby, n2.unclean, n2.pending) == (False, True, True, True)
    assert (r1.type, r1.maintenance) == ("remote", True)


def test_options():
    found = parse_status(STATUS)
    assert (found.quorate, found.fencing, found.maintenance) == (True, True, False)


def test_the_new_name_of_the_fencing_option():
    assert parse_status(STATUS.replace('stonith-enabled="true"', 'fencing-enabled="false"')).fencing is False


def test_what_is_not_told_is_not_known():
    found = parse_status("<pacemaker-result/>")
    assert found == ((), (), None, None, None)


def test_instances_have_the_names_of_ocf_1_1():
    one, two = parse_status(STATUS).instances
    assert (one.resource, one.agent, one.role, one.nodes) == ("galera", "ocf:quorate:galera", "Promoted", ("n1",))
    assert (two.role, two.active, two.failed, two.blocked, two.managed) == ("Unpromoted", True, True, True, False)


def test_a_primitive_has_what_its_template_gives_it_and_its_own_wins():
    galera = parse_resources(RESOURCES)[0]
    assert (galera.id, galera.agent, galera.parent) == ("galera", "ocf:quorate:galera", "galera-clone")
    assert galera.parameters == {"datadir": "/var/lib/mysql", "user": "mysql"}
    assert galera.parent_meta == {"promoted-max": "3"}
    assert galera.operations == (Operation("monitor", "10s", "30s", "Promoted"), Operation("start", "0s", "300s", None))
    assert galera.environment()["OCF_RESKEY_datadir"] == "/var/lib/mysql"


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
    with pytest.raises(Unavailable):
        parse_status(text)
    with pytest.raises(Unavailable):
        parse_resources(text)


def test_how_the_tools_are_asked():
    clock = FakeClock()
    commands = FakeCommands(clock).expect("crm_mon", "--output-as=xml", out=STATUS)
    assert len(status(commands, Deadline(clock, 9)).nodes) == 3
    commands.expect("cibadmin", "-Q", "-o", "resources", out=RESOURCES)
    assert len(resources(commands, Deadline(clock, 9))) == 3
    commands.expect("crm_mon", "--output-as=xml", rc=102)
    with pytest.raises(Unavailable):
        status(commands, Deadline(clock, 9))


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
