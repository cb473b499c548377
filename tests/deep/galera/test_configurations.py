# SPDX-License-Identifier: Apache-2.0
"""Every configuration of lab/configurations on real servers: bootstrap, SIGKILL of all, power cut of all with one off,
stop and start, and what is its own. Then what the seed combines.

    /usr/bin/python3 -m pytest tests/deep/galera/test_configurations.py -k base-port
    python3 -m lab.configurations base-port          (the same, with a table at the end)
"""

import os
import random

import pytest

from lab.campaigns.galera import configurations
from lab.configurations.known import ALL
from tests.lab.galera_configurations import tried

SEED = int(os.environ.get("QUORATE_SEED", random.SystemRandom().randrange(1000000)))


@pytest.mark.parametrize("name", sorted(ALL))
def test_configuration(name):
    assert tried(ALL[name]).mistakes == []


@pytest.mark.parametrize("number", range(3))
def test_what_the_seed_combines(number):
    together = configurations("seed", SEED, 3)[number]
    print("QUORATE_SEED=%d: %s" % (SEED, together.name))
    assert tried(together).mistakes == []
