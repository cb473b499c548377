# SPDX-License-Identifier: Apache-2.0
"""quorate rabbitmq forget ends when the running brokers report their new members, so that a start directly afterwards
is not too early."""

import pytest

from quorate.cli.rabbitmq import is_forgotten
from quorate.rabbitmq import facts

ALL, REST = frozenset(("rabbit@n1", "rabbit@n2", "rabbit@n3")), frozenset(("rabbit@n1", "rabbit@n2"))


def report(node, state, members):
    return facts.Report(node, state, True, "rabbit@" + node, members)


@pytest.mark.parametrize("second, expected", [
    (report("n2", facts.RUNNING, ALL), False),    # its monitor has not run yet
    (report("n2", facts.RUNNING, REST), True),
    (report("n2", facts.DOWN, ALL), True),        # the disk of a node that does not run decides nothing
    (report("n2", facts.RUNNING, None), True)])
def test_is_forgotten(second, expected):
    reports = {"n1": report("n1", facts.RUNNING, REST), "n2": second, "n3": report("n3", facts.DOWN, ALL)}

    assert is_forgotten(reports, "rabbit@n3") is expected
