# SPDX-License-Identifier: Apache-2.0
"""A test that is skipped because something is not installed fails where scripts/test runs it."""

import os
import subprocess
import sys

import pytest

from tests import ROOT

TESTS = """
import pytest
def test_runs(): pass
@pytest.mark.skip(reason="%s")
def test_is_skipped(): pass
def test_skips(): pytest.skip("%s")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is sure to have what scripts/test installs")
@pytest.mark.parametrize("installed, reason, counts", [
    ("1", "xmllint is not installed: apt-get install libxml2-utils", "1 failed, 1 passed, 1 error"),
    ("1", "needs root and HAProxy; scripts/test installs it", "1 failed, 1 passed, 1 error"),
    ("1", "there is no image of trixie; make it with: lab/lab build --suite trixie", "1 passed, 2 skipped"),
    ("", "xmllint is not installed: apt-get install libxml2-utils", "1 passed, 2 skipped")])
def test_what_is_no_reason_to_skip(tmp_path, installed, reason, counts):
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "test_it.py").write_text(TESTS % (reason, reason))
    done = subprocess.run(
        [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path, env=dict(os.environ, PYTHONPATH=ROOT, QUORATE_INSTALLED=installed), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)

    assert counts in done.stdout.splitlines()[-1], done.stdout
