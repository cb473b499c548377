# SPDX-License-Identifier: Apache-2.0
"""quorate rabbitmq forget ends when the others say whom they count since, so that a start at once is not a start too
early."""

import pytest

from quorate.cli.rabbitmq import is_forgotten
from quorate.rabbitmq import facts

ALL, REST = frozenset(("rabbit@n1", "rabbit@n2", "rabbit@n3")), frozenset(("rabbit@n1", "rabbit@n2"))


def report(node, state, members):
    return facts.Report(node, state, True, "rabbit@" + node, members)


@pytest.mark.parametrize("second, expected", [
    (report("n2", facts.RUNNING, ALL), False),    # its monitor has not come yet
    (report("n2", facts.RUNNING, REST), True),
    (report("n2", facts.DOWN, ALL), True),        # what stands on the disk of one that does not run decides nothing
    (report("n2", facts.RUNNING, None), True)])
def test_told(second, expected):
    reports = {"n1": report("n1", facts.RUNNING, REST), "n2": second, "n3": report("n3", facts.DOWN, ALL)}

    assert is_forgotten(reports, "rabbit@n3") is expected
