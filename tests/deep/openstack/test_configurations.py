# SPDX-License-Identifier: Apache-2.0
"""Every configuration of lab/controllers on Debian's own services under Pacemaker: healthy at each depth, SIGKILL, a
stop with frozen workers, a move, a power cut.

    /usr/bin/python3 -m pytest tests/deep/openstack/test_configurations.py -k broker-tls
    python3 -m lab.controllers broker-tls          (the same, with a table at the end)
"""

import pytest

from lab.controllers.known import ALL
from tests.lab.openstack_configurations import Labs


@pytest.fixture(scope="module")
def labs(progress):
    """Labs for all of them."""
    made = Labs(list(ALL.values()), progress)
    yield made
    made.close()


@pytest.mark.parametrize("name", list(ALL))
def test_configuration(labs, name):
    assert labs.tried(ALL[name]).mistakes == []
