# SPDX-License-Identifier: Apache-2.0
"""validate-all: what is wrong on every node, and what will cause problems later."""

import pytest

from quorate.galera import agent, validation
from quorate.galera.declaration import PARAMETERS
from quorate.ocf import codes
from quorate.pacemaker.cib import Configuration
from tests import fakes
from tests.unit.galera.server.settings.test_layout import asked

CIB = """<configuration><crm_config><cluster_property_set id="p">%s</cluster_property_set></crm_config>
<nodes/><resources>
<clone id="db-clone"><primitive id="db" class="ocf" provider="quorate" type="galera"><operations>%s</operations></primitive></clone>
%s</resources><constraints/></configuration>"""


@pytest.mark.parametrize("values, words", [
    ({}, None),
    ({"wsrep_cluster_address": "gcomm://n1, n2"}, None),
    ({"cluster_host_map": "c1:10.0.0.16,c2:10.0.0.17"}, "c1:10.0.0.16,c2:10.0.0.17"),
    ({"cluster_host_map": "c1=10.0.0.16"}, "c1=10.0.0.16"),
    ({"cluster_host_map": "c1:10.0.0.16:4567"}, "c1:10.0.0.16:4567"),
    ({"arbitrators": "g1;g2"}, "g1;g2"),
    ({"additional_parameters": "--init-connect='x"}, "no closing quotation"),
    ({"additional_parameters": "3306"}, "'3306'"),
    ({"additional_parameters": "--wsrep_on=ON --wsrep_provider=/usr/lib/galera/libgalera_smm.so"}, None),
    ({"additional_parameters": "--wsrep_provider_options='pc.ignore_sb=yes'"}, "pc.ignore_sb"),
    ({"additional_parameters": "--wsrep_provider_options=pc.weight=x"}, "pc.weight"),
    ({"wsrep_cluster_address": "gcomm://n1,n2?pc.weight=2"}, "pc.weight is 2"),
    ({"wsrep_cluster_address": "gcomm://n1,n2?pc.weight=1"}, None),
    ({"wsrep_cluster_address": "gcomm://n1,n2,n3", "two_node_mode": "1"}, "two_node_mode"),
])
def test_parameters_that_are_wrong_on_every_node(values, words):
    values.setdefault("wsrep_cluster_address", "gcomm://n1,n2")
    context = fakes.context("validate-all", PARAMETERS, environ={"OCF_CHECK_LEVEL": "0"}, **values)
    outcome = agent.validate(context)

    assert (codes.ERR_CONFIGURED if words else codes.SUCCESS) == outcome.code
    assert not words or words in outcome.reason


def warned(mocker, answer, operations="", properties="", devices="", nodes=("n1", "n2"), **values):
    """The warnings of a node whose cluster is so."""
    context = asked(answer, environ={"OCF_RESOURCE_INSTANCE": "db"}, **values)
    mocker.patch.object(validation, "_account", lambda *_: [])
    mocker.patch("quorate.galera.server.settings.layout.layout_problems", lambda _: [])
    mocker.patch("quorate.pacemaker.cib.stonith_enabled", lambda *_: True)
    mocker.patch("quorate.pacemaker.crm_mon.status", lambda *_: mocker.Mock(nodes=[fakes_node(mocker, name) for name in nodes]))
    mocker.patch("quorate.pacemaker.cib.configuration", lambda *_: Configuration(CIB % (properties, operations, devices)))
    context.commands.allow("systemctl", ..., out="disabled\n", rc=1)
    return validation.warnings(context)


def fakes_node(mocker, name):
    node = mocker.Mock()
    node.name = name
    return node


FENCES = '<primitive id="f" class="stonith" type="fence_ipmilan"><instance_attributes id="a">' \
         '<nvpair id="b" name="pcmk_delay_base" value="n1:10s;n2:0"/></instance_attributes></primitive>'


def op(name, interval, role="", more=""):
    return '<op id="db-%s-%s" name="%s" interval="%s" timeout="30" %s %s/>' % (
        name, interval, name, interval, role and 'role="%s"' % role, more)


def test_a_good_node_has_no_warning(mocker):
    operations = op("monitor", "5s", "Master") + op("monitor", "7s", "Slave") + op("start", "0s") + op("monitor", "0")

    assert [] == warned(mocker, {}, operations, devices=FENCES)


@pytest.mark.parametrize("operations, role, remove", [
    # what pcs writes for ocf:heartbeat:galera
    (op("monitor", "20s") + op("monitor", "10s", "Promoted") + op("monitor", "30s", "Unpromoted"), "Unpromoted", "db-monitor-20s"),
    (op("monitor", "20") + op("monitor", "30s", "Slave"), "Unpromoted", "db-monitor-20"),
    (op("monitor", "20s", "Started") + op("monitor", "30s", "Slave"), "Unpromoted", "db-monitor-20s"),
    (op("monitor", "5s", "Master") + op("monitor", "60s", "Promoted"), "Promoted", "db-monitor-60s"),
    (op("monitor", "20s", "", 'enabled="false"') + op("monitor", "30s", "Slave"), None, None),
    (op("monitor", "0s") + op("monitor", "30s", "Unpromoted"), None, None),
])
def test_two_monitors_of_one_role(mocker, operations, role, remove):
    """Two nodes were promoted 87 s late."""
    found = warned(mocker, {}, operations, devices=FENCES)

    assert bool(role) == bool(found)
    assert not role or ("role %s," % role in found[0] and found[0].endswith("pcs resource op remove " + remove))


@pytest.mark.parametrize("devices, properties, nodes, warns", [
    (FENCES, "", ("n1", "n2"), False), (FENCES.replace("n1:10s;n2:0", "10s"), "", ("n1", "n2"), True),
    (FENCES.replace("n1:10s;n2:0", "n1:0;n2:0"), "", ("n1", "n2"), True),
    (FENCES.replace("n1:10s;n2:0", "10s") + FENCES.replace("pcmk_delay_base", "ip").replace('"f"', '"g"'), "", ("n1", "n2"),
     False),
    (FENCES.replace("pcmk_delay_base", "ip") + FENCES.replace("pcmk_delay_base", "ip").replace('"f"', '"g"'), "",
     ("n1", "n2"), True),
    (FENCES.replace("pcmk_delay_base", "pcmk_delay_max").replace("n1:10s;n2:0", "5"), "", ("n1", "n2"), False),
    (FENCES.replace("n1:10s;n2:0", "0s"), "", ("n1", "n2"), True),
    (FENCES.replace("pcmk_delay_base", "ip"), "", ("n1", "n2"), True),
    (FENCES.replace("pcmk_delay_base", "ip"), '<nvpair id="x" name="priority-fencing-delay" value="15s"/>', ("n1", "n2"), False),
    (FENCES.replace("pcmk_delay_base", "ip"), "", ("n1", "n2", "n3"), False)])
def test_two_nodes_that_fence_each_other(mocker, devices, properties, nodes, warns):
    found = warned(mocker, {}, "", properties, devices, nodes)

    remedy = "pcs stonith update f pcmk_delay_base=" + ("10s" if devices.count("fence_ipmilan") > 1 else "'n1:10s;n2:0'")
    assert warns == any(text.endswith(remedy) for text in found)


@pytest.mark.parametrize("answer, values, words", [
    ({"wsrep_provider_options": "gmcast.listen_addr=tcp://0.0.0.0:14567"}, {}, "listens on port 14567"),
    ({"wsrep_provider_options": "base_port=5567"}, {}, None),
    ({"wsrep_provider_options": "base_port=5567"}, {"wsrep_cluster_address": "gcomm://n1:4567,n2"}, "port 5567"),
    ({"wsrep_provider_options": "pc.recovery=no"}, {}, "pc.recovery"),
    ({"innodb_log_group_home_dir": "/srv/redo/"}, {}, "rsync does not send the redo log in /srv/redo,"),
    ({"innodb_log_group_home_dir": "redo"}, {}, "the redo log in /srv/db/redo,"),
    ({}, {"additional_parameters": "--wsrep_sst_method=mariabackup"}, None),
    ({"innodb_log_group_home_dir": "/srv/redo", "wsrep_sst_method": "mariabackup"}, {}, None),
    ({"innodb_log_group_home_dir": "/srv/redo", "wsrep_sst_method": "(No default value)"}, {}, "the redo log in /srv/redo"),
    ({"innodb_log_group_home_dir": "/srv/db/"}, {}, None),
    ({"innodb_log_group_home_dir": "./"}, {}, None),
    ({"innodb_log_group_home_dir": "(No default value)"}, {}, None),
    ({"wsrep_provider": ""}, {"additional_parameters": "--binlog_format=ROW"}, "wsrep_provider is not set"),
    ({"innodb_flush_log_at_trx_commit": "2"}, {}, "innodb_flush_log_at_trx_commit is 2"),
    ({}, {"cluster_host_map": "n1:db1"}, "cluster_host_map has n1:db1"),
    ({}, {"arbitrators": "g"}, "arbitrators has g"),
    ({}, {"group": "no-such-group"}, "no group no-such-group"),
    ({}, {"group": "root"}, None),
    ({}, {"wsrep_cluster_address": "gcomm://n1,n3"}, "n3 of wsrep_cluster_address"),
])
def test_what_will_cause_problems(mocker, answer, values, words):
    values.setdefault("group", "root")
    found = warned(mocker, answer, devices=FENCES, **values)

    assert bool(words) == bool(found) and (not words or words in " ".join(found))
