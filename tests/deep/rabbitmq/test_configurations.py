# SPDX-License-Identifier: Apache-2.0
"""Every configuration of lab/brokers on real brokers: one cluster, watched while it serves, SIGKILL and power cut of
one, stop and start.

    /usr/bin/python3 -m pytest tests/deep/rabbitmq/test_configurations.py -k own-address
"""

import pytest

from lab.brokers.known import ALL
from tests.lab.rabbitmq_configurations import tried


@pytest.mark.parametrize("name", sorted(ALL))
def test_configuration(name):
    assert tried(ALL[name]).mistakes == []


@pytest.mark.parametrize("name", ("own-address", "client-certificate", "base-by-variable", "long-names",
                                  "management-tls"))
def test_configuration_of_rabbitmq_4(name):
    assert tried(ALL[name], suite="trixie").mistakes == []
