# SPDX-License-Identifier: Apache-2.0
"""A broker that is not where the package puts it, on real brokers; what can be combined, combined. One at a time, and
the rest: tests/deep/rabbitmq/test_configurations.py.
"""

from lab.brokers.known import ALL
from lab.brokers.record import merged
from tests.lab.rabbitmq_configurations import tried


def test_much_that_is_unusual_at_once():
    """Its own address with TLS and a client certificate, long names, data and log elsewhere, the API with a prefix."""
    together = merged("together", *(ALL[name] for name in (
        "client-certificate", "long-names", "base-by-variable", "management")))
    assert tried(together, ("watch", "kill of one")).mistakes == []
