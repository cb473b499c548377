# SPDX-License-Identifier: Apache-2.0
"""A plan that is wrong: one sentence a mistake, with the line and what to write. One that is right: with all
defaults."""

import os

import pytest

from quorate.plan import schema, services
from quorate.plan.parse import read
from tests import ROOT
from tests.unit.plan.examples import EXAMPLES, text_of

SMALL = """\
[plan]
name = "cloud"

[networks.management]
cidr = "192.0.2.0/24"

[vips.cloud]
address = "192.0.2.10"

[nodes.n1]
roles = ["controller"]
addresses = { management = "192.0.2.11" }

[nodes.n2]
roles = ["controller"]
addresses = { management = "192.0.2.12" }

[services.galera_cluster]
"""


def right(text):
    plan, problems = read(text)
    assert [] == [one.sentence("plan.toml") for one in problems]
    return plan


def wrong(text):
    """The problems of a text as (line, key, both sentences)."""
    plan, problems = read(text)
    assert plan is None
    return [(one.line, one.key, "%s %s" % (one.text, one.remedy)) for one in problems]


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_right(name):
    assert "cloud" == right(text_of(name)).name


def test_defaults_are_filled_in():
    plan = right(SMALL)

    assert ("pacemaker", "debian", "2.1", "management") == (plan.vip_manager, plan.system, plan.pacemaker,
                                                            plan.management)
    assert [("cloud", ("internal", "public", "admin"))] == [(vip.name, vip.endpoints) for vip in plan.vips]
    (galera,) = plan.services
    assert (("n1", "n2"), 3306, 3306, 9200, "stick-table") == (
        galera.nodes, galera.port, galera.backend_port, galera.check_port, galera.writer)


def test_dedicated_nodes_take_what_is_theirs_from_the_controllers():
    plan = right(text_of("five-dedicated"))

    assert ("data1", "data2", "data3") == plan.service("galera_cluster").nodes == plan.service("rabbitmq").nodes
    assert ("ctl1", "ctl2") == plan.service("keystone_public").nodes == plan.service("memcached").nodes
    assert ("ctl2", "ctl1") == plan.service("dashboard").nodes
    assert ["ctl1", "ctl2"] == [node.name for node in plan.front_nodes]
    assert 5 == len(plan.cluster_nodes)


def test_endpoints_with_keepalived_are_outside_the_cluster():
    plan = right(text_of("two-endpoints"))

    assert ["edge1", "edge2"] == [node.name for node in plan.front_nodes]
    assert ["n1", "n2", "n3"] == [node.name for node in plan.cluster_nodes]
    assert [10, 110] == [vip.router_id for vip in plan.vips]
    assert [("internal", "admin"), ("public",)] == [vip.endpoints for vip in plan.vips]


MISTAKES = [
    # what stands in the file, what is written instead, the line, the key, words of the sentences
    ('name = "cloud"', 'name = cloud', 2, "", ("not TOML", "quotes")),
    ('name = "cloud"', 'nam = "cloud"', 2, "plan.nam", ("no key 'nam'", "Did you mean 'name'?")),
    ('name = "cloud"', 'name = "cloud"\nbalance = "roundrobbin"', 3, "plan.balance", ('Did you mean "roundrobin"?',)),
    ('name = "cloud"', 'name = "a b"', 2, "plan.name", ("'a b' is not a name", 'name = "cloud"')),
    ('name = "cloud"', 'name = "cloud"\nmanagement = "mgmt"', 3, "plan.management",
     ("no network 'mgmt'", "management")),
    ('name = "cloud"', 'name = "cloud"\nvip_manager = "keepalived"', 3, "plan.vip_manager",
     ("role endpoint", "pacemaker")),
    ('name = "cloud"', '', 1, "plan.name", ("missing", 'name = "cloud"')),
    ('"192.0.2.0/24"', '"192.0.2.1/24"', 5, "networks.management.cidr", ('Write "192.0.2.0/24"',)),
    ('"192.0.2.0/24"', '"192.0.2.0"', 5, "networks.management.cidr", ("not a network",)),
    ('"192.0.2.0/24"', '"192.0.2.0/24"\n[networks.b]\ncidr = "192.0.2.128/25"', 5, "networks.management.cidr",
     ("overlaps",)),
    ('"192.0.2.10"', '"192.0.2.300"', 8, "vips.cloud.address", ("not an address",)),
    ('"192.0.2.10"', '"192.0.3.10"', 8, "vips.cloud.address", ("in none of the networks", "management (192.0.2.0/24)")),
    ('"192.0.2.10"', '"192.0.2.255"', 8, "vips.cloud.address", ("first or last",)),
    ('"192.0.2.10"', '"192.0.2.11"', 12, "nodes.n1.addresses.management", ("also the address of the VIP cloud",)),
    ('"192.0.2.10"', '"192.0.2.10"\nendpoints = ["public"]\n[vips.b]\naddress = "192.0.2.9"', 7, "vips",
     ("No VIP serves the endpoint internal",)),
    ('"192.0.2.10"', '"192.0.2.10"\n[vips.internal]\naddress = "192.0.2.9"', 7, "vips.cloud.endpoints",
     ("serves no endpoint",)),
    ('"192.0.2.10"', '"192.0.2.10"\ntls = "public.pem"', 9, "vips.cloud.tls", ("absolute path",)),
    ('["controller"]', '"controller"', 11, "nodes.n1.roles", ('in brackets: roles = ["controller"]',)),
    ('["controller"]', '["controller", "controller"]', 11, "nodes.n1.roles", ("twice",)),
    ('["controller"]', '["controller", "storage"]', 11, "nodes.n1.roles[1]", ("'storage' is not one of controller",)),
    ('["controller"]', '[]', 11, "nodes.n1.roles", ("at least one entry",)),
    ('[nodes.n1]', '[nodes.n1]\nrole = "x"', 11, "nodes.n1.role", ("Did you mean 'roles'?",)),
    ('{ management = "192.0.2.11" }', '{ managment = "192.0.2.11" }', 12, "nodes.n1.addresses.managment",
     ("no network 'managment'",)),
    ('{ management = "192.0.2.11" }', '"192.0.2.11"', 12, "nodes.n1.addresses", ("table of addresses",)),
    ('{ management = "192.0.2.11" }', '{ management = "192.0.2.12" }', 16, "nodes.n2.addresses.management",
     ("also the address of the node n1",)),
    ('{ management = "192.0.2.11" }', '{ management = "192.0.2.11" }\nfence = { agent = "x", passwd = "y" }', 13,
     "nodes.n1.fence.passwd", ("password", "passwd_script")),
    ('{ management = "192.0.2.11" }', '{ management = "192.0.2.11" }\nfence = { ip = "x" }', 13, "nodes.n1.fence",
     ("agent",)),
    ('[services.galera_cluster]', '[services.galera]', 18, "services.galera", ("Did you mean 'galera_cluster'?",)),
    ('[services.galera_cluster]', '[service.galera_cluster]', 18, "service", ("Did you mean 'services'?",)),
    ('[services.galera_cluster]', '[services.galera_cluster]\nwriter = "backup"', 19, "services.galera_cluster.writer",
     ('"backups"',)),
    ('[services.galera_cluster]', '[services.galera_cluster]\nbalance = "source"', 19,
     "services.galera_cluster.balance",
     ("One node at a time", "Leave the key out")),
    ('[services.galera_cluster]', '[services.galera_cluster]\nport = 0', 19, "services.galera_cluster.port",
     ("1 to 65535",)),
    ('[services.galera_cluster]', '[services.galera_cluster]\nplacement = ["n3"]', 19,
     "services.galera_cluster.placement[0]", ("'n3' is neither a node nor a role",)),
    ('[services.galera_cluster]', '[services.galera_cluster]\noptions = { check_passwd = "x" }', 19,
     "services.galera_cluster.options.check_passwd", ("password",)),
    ('[services.galera_cluster]', '[services.glance_api]\nport = 5000\n[services.keystone_public]', 19,
     "services.glance_api.port", ("keystone_public already listens on port 5000",)),
    ('[services.galera_cluster]', '[services.rabbitmq]\nbalance = "source"', 19, "services.rabbitmq.balance",
     ("not proxied",)),
    ('[services.galera_cluster]', '', None, "services", ("None is described.",)),
    ('[services.galera_cluster]', 'services = 3', 18, "nodes.n2.services", ("no key",)),
    ('"192.0.2.10"', '"192.0.2.10"\nrouter_id = 256', 9, "vips.cloud.router_id", ("1 to 255",)),
]


@pytest.mark.parametrize("old, new, line, key, words", MISTAKES)
def test_a_mistake_is_named_with_its_line_and_remedy(old, new, line, key, words):
    assert old in SMALL
    found = wrong(SMALL.replace(old, new, 1))

    assert (line, key) in [(at, name) for at, name, _ in found], found
    text = next(text for at, name, text in found if (at, name) == (line, key))
    assert [] == [word for word in words if word not in text], text


@pytest.mark.parametrize("old, new, line, key, words", [one for one in MISTAKES if one[3] not in (
    "nodes.n2.services", "plan.vip_manager")])
def test_one_mistake_is_one_sentence(old, new, line, key, words):
    """What only follows from it is left out."""
    found = wrong(SMALL.replace(old, new, 1))

    assert [key] == [name for _, name, _ in found if name == key
                     or not name.startswith("services.galera_cluster")], found


def test_all_mistakes_are_reported_at_once_in_the_order_of_lines():
    text = SMALL.replace('name = "cloud"', 'name = ""').replace('"192.0.2.10"', '"x"').replace('["controller"]', "[1]")

    assert [2, 8, 11, 15] == [line for line, _, _ in wrong(text)]


def test_each_key_of_the_schema_has_an_example_and_a_reader():
    from quorate.plan import parse
    for table in schema.TABLES:
        for key in table.keys:
            assert key.example and key.text.endswith("."), key
            assert key.kind in parse._READERS


def test_the_reference_in_the_documentation_is_the_one_of_the_command():
    """Bring it up to date with `quorate plan schema`."""
    with open(os.path.join(ROOT, "docs", "plan.md"), encoding="utf-8") as file:
        assert schema.document() == file.read().partition("do not edit -->\n")[2].partition("<!-- end -->")[0]


def test_the_document_names_every_key_and_service():
    text = schema.document()

    for table in schema.TABLES:
        assert all("| `%s` |" % key.name in text for key in table.keys)
    assert all("| `%s` |" % kind.name in text for kind in services.KINDS)
