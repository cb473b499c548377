# SPDX-License-Identifier: Apache-2.0
"""What the nodes of a cluster publish."""

from quorate.rabbitmq.declaration import PARAMETERS
from quorate.rabbitmq.election.published import PublishedState
from tests import fakes


def test_a_claim_is_lost_to_who_was_faster():
    commands = fakes.FakeCommands()
    context = fakes.context("start", PARAMETERS, commands=commands, environ={"OCF_RESOURCE_INSTANCE": "mq"})
    commands.expect("cibadmin", "--create", ..., rc=108, err="File exists")
    commands.expect("crm_attribute", "-t", "crm_config", "-s", "mq-founder", "-n", "mq-founder", "-G", "-q", out="n2\n")
    assert PublishedState(context, None).claim() == "n2"
    commands.done()
