# SPDX-License-Identifier: Apache-2.0
"""The state of the cluster, from what crm_mon prints. What it printed on real clusters is in crm_mon/, for `quorate
status`."""

import pytest

from quorate.host.clock import Deadline
from quorate.pacemaker.crm_mon import Garbled, confirmed_off, parse, status
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


def test_nodes():
    n1, n2, r1 = parse(STATUS).nodes
    assert (n1.name, n1.online, n1.standby, n1.unclean, n1.pending, n1.dc) == ("n1", True, False, False, False, True)
    assert (n2.online, n2.standby, n2.unclean, n2.pending) == (False, True, True, True)
    assert (r1.type, r1.maintenance) == ("remote", True)


def test_options():
    found = parse(STATUS)
    assert (found.quorate, found.fencing, found.maintenance, found.dc) == (True, True, False, "n1")


def test_the_new_name_of_the_fencing_option():
    assert parse(STATUS.replace('stonith-enabled="true"', 'fencing-enabled="false"')).fencing is False


def test_what_is_not_in_the_answer_is_not_known():
    found = parse("<pacemaker-result><nodes/></pacemaker-result>")
    assert (found.nodes, found.services, found.quorate, found.fencing, found.maintenance) == ((), (), None, None, None)


def test_instances_have_the_names_of_ocf_1_1():
    galera, = parse(STATUS).services
    one, two = galera.instances
    assert (galera.name, galera.parent, galera.kind, galera.agent) == (
        "galera", "galera-clone", "promotable", "ocf:quorate:galera")
    assert (one.role, one.nodes, one.pending) == ("Promoted", ("n1",), None)
    assert (two.role, two.active, two.failed, two.blocked, two.managed) == ("Unpromoted", True, True, True, False)


def test_an_action_under_way_is_shown_and_is_not_the_role():
    one = parse(STATUS.replace('role="Master"', 'role="Slave" pending="Promoting"')).services[0].instances[0]
    assert (one.role, one.pending, one.shown_role) == ("Unpromoted", "Promoting", "Promoting")
    one = parse(STATUS.replace('role="Master"', 'role="Master" pending="Monitoring"')).services[0].instances[0]
    assert (one.role, one.pending, one.shown_role) == ("Promoted", None, "Promoted")


@pytest.mark.parametrize("text", ["", "not xml", "<a>", "<a></b>", "<a/>", "\0", "\ud800",
                                  "Error: cluster is not available"])
def test_garbage_is_no_cluster(text):
    with pytest.raises(Garbled):
        parse(text)
    with pytest.raises(Unavailable, match="older than 2.1"):
        status(FakeCommands().expect("crm_mon", ..., out=text), Deadline(FakeClock(), 9))


def test_how_it_is_asked():
    clock = FakeClock()
    commands = FakeCommands(clock).expect("crm_mon", "--output-as=xml", out=STATUS)
    assert len(status(commands, Deadline(clock, 9)).nodes) == 3
    commands.expect("crm_mon", "--output-as=xml", rc=102)
    with pytest.raises(Unavailable, match="pcs cluster start"):
        status(commands, Deadline(clock, 9))


def test_only_fencing_confirms_that_a_node_is_off():
    """Without it Pacemaker calls a node that it lost clean, though it may be behind a partition and serve."""
    cluster = parse(STATUS.replace('standby="true" maintenance="false" pending="true" unclean="true"',
                                   'standby="true" maintenance="false" pending="false" unclean="false"'))

    assert frozenset(["n2"]) == confirmed_off(cluster.fencing, cluster.nodes)
    assert frozenset() == confirmed_off(False, cluster.nodes) == confirmed_off(None, cluster.nodes)
    assert frozenset() == confirmed_off(True, parse(STATUS).nodes), "it waits to be fenced"
