# SPDX-License-Identifier: Apache-2.0
"""An account for the checks of the APIs."""

import pytest


@pytest.fixture
def secret(request, tmp_path):
    """A file that holds the OPENRC of the test's module, and that only its owner may read."""
    path = tmp_path / "openrc"
    path.write_text(request.module.OPENRC)
    path.chmod(0o600)
    return path
