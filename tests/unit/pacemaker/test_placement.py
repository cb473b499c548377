# SPDX-License-Identifier: Apache-2.0
"""Where location constraints let a resource run."""

from xml.etree import ElementTree

import pytest

from quorate.pacemaker.placement import Placement

CIB = """<configuration>
  <crm_config><cluster_property_set id="o"><nvpair id="x" name="symmetric-cluster" value="%s"/></cluster_property_set>
  </crm_config>
  <nodes>
    <node id="1" uname="n1"><instance_attributes id="a"><nvpair id="a1" name="role-database" value="true"/>
      </instance_attributes></node>
    <node id="2" uname="n2"/>
  </nodes>
  <constraints>%s</constraints>
</configuration>"""
RULE = '<rsc_location id="l" rsc="db-clone" %s><rule id="r" score="%s" %s>%s</rule></rsc_location>'
IS = '<expression id="e" attribute="role-database" operation="%s" value="true"/>'


def allowed(constraints, symmetric="true", names=("db", "db-clone")):
    placement = Placement(ElementTree.fromstring(CIB % (symmetric, constraints)))
    return [placement.allowed(names, node) for node in ("n1", "n2")]


@pytest.mark.parametrize("constraints, found", [
    ("", [True, True]),
    ('<rsc_location id="l" rsc="db-clone" node="n2" score="-INFINITY"/>', [True, False]),
    ('<rsc_location id="l" rsc="db-clone" node="n2" score="-100"/>', [True, True]),
    ('<rsc_location id="l" rsc="other" node="n2" score="-INFINITY"/>', [True, True]),
    ('<rsc_location id="l" rsc="db-clone" node="n2" score="-INFINITY" role="Promoted"/>', [True, True]),
    ('<rsc_location id="l" rsc="db-clone" node="n1" score="0" resource-discovery="exclusive"/>', [True, False]),
    ('<rsc_location id="l" rsc-pattern="^db" node="n2" score="-INFINITY"/>', [True, False]),
    ('<rsc_location id="l" rsc-pattern="!^db" node="n2" score="-INFINITY"/>', [True, True]),
    ('<rsc_location id="l" node="n2" score="-INFINITY"><resource_set id="s"><resource_ref id="db-clone"/></resource_set>'
     '</rsc_location>', [True, False]),
    (RULE % ('resource-discovery="exclusive"', "0", "", IS % "eq"), [True, False]),
    (RULE % ("", "-INFINITY", "", IS % "ne"), [True, False]),
    (RULE % ("", "-INFINITY", "", IS % "not_defined"), [True, False]),
    (RULE % ("", "-INFINITY", "", IS % "defined"), [False, True]),
    (RULE % ("", "-INFINITY", 'boolean-op="or"', IS % "ne" + '<date_expression id="d"/>'), [None, False]),
    (RULE % ("", "-INFINITY", 'boolean-op="and"', IS % "ne" + '<date_expression id="d"/>'), [True, None]),
    (RULE % ("", "-INFINITY", 'role="Promoted"', IS % "ne"), [True, True]),
    (RULE % ("", "-INFINITY", "", '<expression id="e" attribute="#uname" operation="eq" value="n2"/>'), [True, False]),
    (RULE % ("", "-INFINITY", "", '<expression id="e" attribute="#site" operation="eq" value="n2"/>'), [None, None]),
])
def test_a_constraint(constraints, found):
    assert allowed(constraints) == found


def test_a_cluster_where_one_must_be_let_in():
    assert allowed("", "false") == [False, False]
    assert allowed('<rsc_location id="l" rsc="db-clone" node="n1" score="1"/>', "false") == [True, False]


def test_what_cannot_be_evaluated_is_not_known():
    placement = Placement(ElementTree.fromstring(CIB % ("true", RULE % ("", "-INFINITY", "", IS % "eq"))))
    assert placement.allowed(("db-clone",), "remote1") is None
