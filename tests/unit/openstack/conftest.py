# SPDX-License-Identifier: Apache-2.0
"""A configuration file and state files for the tests of the agents."""

import pytest

from quorate.host.state_files import StateFiles


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "cinder.conf"
    path.write_text("[DEFAULT]\n")
    return path


@pytest.fixture
def state_files(tmp_path):
    return StateFiles("cinder-volume", "test", str(tmp_path / "run"))
