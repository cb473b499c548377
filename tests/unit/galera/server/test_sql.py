# SPDX-License-Identifier: Apache-2.0
"""Asking a server that is not there, and what a local connection imports."""

import subprocess
import sys

from quorate.galera.server import credentials, sql
from tests import ROOT


def test_nobody_there_is_an_answer(tmp_path):
    status = sql.ask(credentials.Settings(socket=str(tmp_path / "none.sock"), user="check"), 1)

    assert not status.answered
    assert status.error


def test_a_local_connection_imports_no_cryptography():
    """Every recurring monitor is a fresh process; these cost as much as all the rest."""
    code = ("import sys; sys.path.insert(0, %r); from quorate.host import mysql; mysql.driver(); "
            "print(' '.join(sorted(sys.modules)))" % ROOT)
    done = subprocess.run([sys.executable, "-I", "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    loaded = set(done.stdout.split())

    assert "pymysql" in loaded
    assert set() == loaded & {"cryptography", "ssl", "_ssl", "_hashlib", "argparse", "logging", "json", "pathlib"}
