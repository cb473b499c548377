# SPDX-License-Identifier: Apache-2.0
"""The node's own name, which the environment tells or the cluster is asked for."""

import pytest

from quorate.pacemaker.tools import Unavailable, this_node
from tests.fakes import FakeCommands, context

ON_NODE = "OCF_RESKEY_CRM_meta_on_node"


def test_the_name_that_the_environment_tells_costs_no_question():
    assert this_node(context(environ={ON_NODE: "n2"}, commands=FakeCommands())) == "n2"


def test_without_a_name_the_cluster_is_asked_once():
    commands = FakeCommands().expect("crm_node", "-n", out="n7\n")
    asked = context(environ={ON_NODE: ""}, commands=commands)
    assert (this_node(asked), this_node(asked)) == ("n7", "n7")


def test_no_name_at_all_is_an_error_and_not_a_guess():
    commands = FakeCommands().expect("crm_node", "-n", rc=102, err="no cluster")
    with pytest.raises(Unavailable, match="pcs cluster start"):
        this_node(context(environ={ON_NODE: ""}, commands=commands))
