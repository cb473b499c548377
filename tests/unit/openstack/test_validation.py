# SPDX-License-Identifier: Apache-2.0
"""What validate-all and explain say beforehand: names that differ, a cluster that is set, a console pair that is
apart."""

import pytest

from quorate.openstack import catalog, explain, facts, validation
from quorate.openstack.actions import published
from quorate.openstack.facts import Address, Observation, Row, Rows, Settings, Tree, Diagnosis
from quorate.pacemaker import crm_mon
from quorate.pacemaker.cib import parse_colocations, parse_resources
from tests.unit.openstack.fakes import FakeSources, world

SETTINGS = Settings(True, (Address("n1", 5672),), Address("n1", 3306), "ha", (("a", "ha"), ("b", "other")))
PRIMITIVES = """<resources>%s</resources>"""
AUTH = '<primitive id="auth" class="ocf" provider="quorate" type="nova-consoleauth"/>'
PROXY = '<primitive id="proxy" class="ocf" provider="quorate" type="nova-novncproxy"/>'
STATUS = """<pacemaker-result><nodes><node name="n1" online="true"/></nodes><resources>
<resource id="auth" resource_agent="ocf:quorate:nova-consoleauth" role="Started" active="true"><node name="n1"/></resource>
<resource id="proxy" resource_agent="ocf:quorate:nova-novncproxy" role="Started" active="true"><node name="%s"/></resource>
</resources></pacemaker-result>"""


def apart(resources, node="n1", constraints="<constraints/>"):
    return validation.apart(parse_resources(PRIMITIVES % resources), crm_mon.parse(STATUS % node),
                            parse_colocations(constraints),
                            "nova-novncproxy", "nova-consoleauth")


def test_a_group_keeps_the_pair_together():
    assert [] == apart('<group id="consoles">%s%s</group>' % (AUTH, PROXY))


def test_a_colocation_keeps_the_pair_together():
    constraint = '<constraints><rsc_colocation id="c" rsc="proxy" with-rsc="auth" score="INFINITY"/></constraints>'

    assert [] == apart(AUTH + PROXY, "n1", constraint)


def test_a_mere_preference_does_not():
    constraint = '<constraints><rsc_colocation id="c" rsc="proxy" with-rsc="auth" score="100"/></constraints>'

    assert 1 == len(apart(AUTH + PROXY, "n1", constraint))


def test_a_set_of_resources_does():
    constraint = ('<constraints><rsc_colocation id="c" score="INFINITY"><resource_set id="s"><resource_ref id="auth"/>'
                  '<resource_ref id="proxy"/></resource_set></rsc_colocation></constraints>')

    assert [] == apart(AUTH + PROXY, "n1", constraint)


def test_a_pair_that_is_apart():
    found = apart(AUTH + PROXY, "n2")

    assert "proxy and auth are not kept on one node: pcs resource group add consoles auth proxy" == found[0]
    assert "proxy runs on n2 and auth on n1" in found[1]


def test_without_consoleauth_there_is_no_pair():
    assert [] == apart(PROXY)


def test_a_configuration_that_goes_with_active_passive():
    assert [] == validation.of_settings(catalog.CINDER_VOLUME, SETTINGS, "/c")


def test_a_configuration_that_does_not():
    settings = Settings(True, cluster="both")
    found = " ".join(validation.of_settings(catalog.CINDER_VOLUME, settings, "/c"))

    assert "active/active" in found and "enabled_backends" in found and "transport_url" in found and "[database]" in found


@pytest.mark.parametrize("user, password, warned", [("u", "a/b", True), ("u/v", "x", True), ("u", "a?b%", False)])
def test_an_account_with_a_slash(user, password, warned):
    """oslo.messaging reads %2F in its URL, and writes a slash into kombu's. Seen with Cinder 21."""
    settings = SETTINGS._replace(brokers=(Address("n1", 5672, user, password),))
    found = validation.of_settings(catalog.CINDER_VOLUME, settings, "/c")

    assert warned == any("has a '/'" in text for text in found) and not any(password in text for text in found)


def test_names_are_published_without_anything_else():
    assert "ha@a,other@b" == published.value(catalog.CINDER_VOLUME, SETTINGS)
    assert "ha@a,other@b cluster=x" == published.value(catalog.CINDER_VOLUME, SETTINGS._replace(cluster="x"))
    assert published.value(catalog.HEAT_ENGINE, SETTINGS) is None
    many = SETTINGS._replace(backends=tuple(("backend%d" % number, "host") for number in range(90)))
    assert published.value(catalog.CINDER_VOLUME, many).startswith("sha256:")


def test_names_that_differ_between_nodes():
    assert published.differing({"n1": "ha@a", "n2": "ha@a"}) is None and published.differing({}) is None
    assert "n2 has n2@a" in published.differing({"n1": "n1@a", "n2": "n2@a"})


CIB = """<configuration><crm_config/><nodes><node id="1" uname="n1"/><node id="2" uname="n2"/><node id="3" uname="n3"/>
</nodes><resources><primitive id="%s" class="ocf" provider="quorate" type="cinder-volume"/></resources><constraints>
<rsc_location id="%s" rsc="test" node="n3" score="-INFINITY"/></constraints></configuration>"""


@pytest.mark.parametrize("id, constraint, compared", [
    ("test", "location-test-n3", False), ("test", "cli-ban-test-on-n3", True), ("other", "location-test-n3", True)])
def test_a_node_that_may_not_run_it_is_not_compared(config, id, constraint, compared):
    """It may have another configuration, such as one for the APIs; its probe publishes that all the same."""
    context, names = world("validate-all", config), {"n1": "ha@a", "n2": "ha@a", "n3": "n3@a"}
    context.commands.allow("cibadmin", "-Q", ..., out=CIB % (id, constraint))

    assert compared == ("n3" in validation._may_run(context, names))
    assert {"n1", "n2"} <= set(validation._may_run(context, names))


def test_where_the_cluster_does_not_answer_all_are_compared(config):
    context = world("validate-all", config)
    context.commands.allow("cibadmin", "-Q", ..., rc=102)

    assert {"n1": "a", "n2": "b"} == validation._may_run(context, {"n1": "a", "n2": "b"})


def test_the_screen_of_explain():
    observed = Observation(Tree(), age=5.0)
    diagnosis = Diagnosis(facts.DEGRADED, "RabbitMQ is away.", ("broker",))
    found = [facts.Symptom("broker", facts.OUTAGE, "RabbitMQ is away."), facts.Symptom("x", facts.NOTICE, "And this.")]
    text = "\n".join(explain.screen(crm_mon.parse(STATUS % "n1"), {"n1": "Started"}, {"n1": "ha@a"}, diagnosis, found,
                                   observed, ["Mind."]))

    assert "n1    Started  ha@a" in text and "here:     degraded: RabbitMQ is away." in text
    assert 1 == text.count("RabbitMQ is away") and "also:     And this." in text and "warning:  Mind." in text


def clocks(config, *ages):
    sources = FakeSources()
    sources.rows = lambda *_: Rows(facts.ANSWERED, tuple(Row("ha@a", age, 900, "m") for age in ages))
    return validation._clocks(world("validate-all", config), catalog.CINDER_VOLUME, sources, SETTINGS)


def test_a_heartbeat_of_the_future_is_a_warning(config):
    """No monitor goes by clocks, but the schedulers of OpenStack do."""
    assert [] == clocks(config, 5, 400, -20, None)
    assert clocks(config, -200) == [
        "The heartbeat of ha@a is 200 s in the future: the clocks of its node and of the database differ."]
