# SPDX-License-Identifier: Apache-2.0
"""What is run in a test by somebody who is not root, who may not enter every checkout (one in /root, as the README has
it)."""

import atexit
import functools
import os
import shutil
import stat
import tempfile

from tests import ROOT

PARTS = ("agents", "checks", "bin", "quorate", "tests")


def by_others(path):
    """`path`, a file of this checkout, as others may run it: itself, or the same file in a copy."""
    path = os.path.realpath(path)
    return path if _open(path) else os.path.join(_copy(), os.path.relpath(path, ROOT))


def _open(path):
    """Whether everybody may enter each directory on the way to it."""
    while path != "/":
        path = os.path.dirname(path)
        if not os.stat(path).st_mode & stat.S_IXOTH:
            return False
    return True


@functools.lru_cache(maxsize=None)
def _copy():
    home = tempfile.mkdtemp(prefix="quorate-readable-", dir="/var/tmp")
    atexit.register(shutil.rmtree, home)
    os.chmod(home, 0o755)
    for part in PARTS:
        shutil.copytree(os.path.join(ROOT, part), os.path.join(home, part),
                        ignore=shutil.ignore_patterns("__pycache__"))
    return home
