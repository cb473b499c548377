# SPDX-License-Identifier: Apache-2.0
"""Every configuration of lab/brokers on real brokers: one cluster, watched while it serves, SIGKILL and power cut of
all, stop and start; nothing that was confirmed is lost, and no broker is launched twice.

    /usr/bin/python3 -m pytest tests/deep/rabbitmq/test_configurations.py -k own-address
"""

import pytest

from lab.brokers.known import ALL
from lab.brokers.record import merged
from tests.lab.rabbitmq_configurations import tried


@pytest.mark.parametrize("name", sorted(ALL))
def test_configuration(name):
    assert tried(ALL[name]).mistakes == []


def test_much_that_is_unusual_at_once():
    """Its own address with TLS and a client certificate, long names, data and log elsewhere, the API with a prefix."""
    together = merged("together", *(ALL[name] for name in (
        "client-certificate", "long-names", "base-by-variable", "management")))
    assert tried(together, ("watch", "kill of one", "power cut of one")).mistakes == []
