# SPDX-License-Identifier: Apache-2.0
"""Much that is unusual at once, on one node: directories of options, TLS to broker and database, units that restart by
themselves. Each by itself, with a move and a power cut: tests/deep/openstack/test_configurations.py."""

import pytest

from lab.controllers.known import ALL
from lab.controllers.record import merged
from tests.lab.openstack_configurations import Labs

TOGETHER = merged("together", *(ALL[name] for name in ("broker-tls", "database-tls", "slow-reports", "restart-always",
                                                       "conf.d")))


@pytest.fixture
def labs(progress):
    made = Labs([TOGETHER], progress, 2)
    yield made
    made.close()


def test_much_that_is_unusual_at_once(labs):
    together = TOGETHER._replace(events=("kill of all", "stop with frozen workers"))
    assert labs.tried(together).mistakes == []
