# SPDX-License-Identifier: Apache-2.0
"""Every configuration of lab/brokers on real brokers, several at a time: one cluster, watched while it serves, SIGKILL
and power cut of all, stop and start; nothing that was confirmed is lost, and no broker is launched twice.

    /usr/bin/python3 -m pytest tests/deep/rabbitmq/test_configurations.py -k own-address
    python3 -m lab.brokers NAME ...                                                          # one by itself
"""

import pytest

from lab.brokers.known import COMBINED, named
from tests.lab.rabbitmq_configurations import tried


@pytest.mark.parametrize("names", COMBINED)
def test_configuration(names):
    assert tried(named(names)).mistakes == []
