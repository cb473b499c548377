# SPDX-License-Identifier: Apache-2.0
"""Asking a server that is not there, and what a local connection imports."""

import subprocess
import sys
import types

import pytest

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


@pytest.mark.parametrize("sync_wait, first", [
    (False, "SET SESSION wsrep_sync_wait = 0"), (True, "SET SESSION wsrep_sync_wait = 1")])
def test_a_session_waits_for_the_applier_only_when_asked_to(monkeypatch, sync_wait, first):
    """With wsrep_sync_wait=1 of the server's own, a donor whose tables are locked by its backup looked hung."""
    options = {}

    def connect(**given):
        options.update(given)
        raise OSError("refused")

    monkeypatch.setattr(sql, "driver", lambda: types.SimpleNamespace(connect=connect, MySQLError=RuntimeError))

    assert [] == sql.rows(credentials.Settings(), "SELECT 1", 1.0, sync_wait)
    assert first == options["init_command"]
