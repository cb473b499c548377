# SPDX-License-Identifier: Apache-2.0
"""Our package, as made from this checkout, for tests that need a lab or an image to install it in."""

import os
import subprocess

import pytest

from lab import LabError
from lab.machines import requirements
from tests import ROOT


def needs_a_lab():
    """Skips where there can be no lab."""
    try:
        requirements.check_able()
    except LabError as reason:
        pytest.skip(str(reason))


def package():
    """Build our package; its path. Skips where there can be no lab."""
    needs_a_lab()
    done = subprocess.run(["make", "-s", "deb"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return os.path.join(ROOT, done.stdout.split()[-1])
