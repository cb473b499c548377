# SPDX-License-Identifier: Apache-2.0
"""Python before 3.11 has no TOML of its own."""

import os
import subprocess

from tests import ROOT

RUN = """
import sys
sys.path.insert(0, %r)
sys.modules["tomllib"] = sys.modules["tomli"] = None  # an import of it fails
from quorate.cli import main
sys.exit(main(["plan", "check", %r]))
"""


def test_without_a_reader_of_toml_it_says_what_to_install():
    example = os.path.join(ROOT, "examples", "plan-three-controllers.toml")
    done = subprocess.run(["/usr/bin/python3", "-I", "-c", RUN % (ROOT, example)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, check=False)

    assert (1, "") == (done.returncode, done.stdout)
    assert "python3-tomli" in done.stderr and 1 == len(done.stderr.splitlines())
