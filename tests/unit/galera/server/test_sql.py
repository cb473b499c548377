# SPDX-License-Identifier: Apache-2.0
"""Asking a server that is not there, and what a local connection imports."""

import subprocess
import sys
from contextlib import contextmanager

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


class Driver:
    """PyMySQL with a server that is not ready for queries: it answers SET and the question, and no COMMIT."""

    MySQLError = RuntimeError

    def __init__(self):
        self.executed = []

    def connect(self, init_command=None, **_options):
        if init_command is not None:  # PyMySQL 1.0 commits after it
            raise RuntimeError(1047, "WSREP has not yet prepared node for application use")
        return self

    @contextmanager
    def cursor(self):
        yield self

    def execute(self, text):
        self.executed.append(text)

    def fetchall(self):
        return (("wsrep_cluster_status", "Primary"),)

    def close(self):
        pass


@pytest.mark.parametrize("sync_wait, first", [
    (False, "SET SESSION wsrep_sync_wait = 0"), (True, "SET SESSION wsrep_sync_wait = 1")])
def test_a_session_waits_for_the_applier_only_when_asked_to(monkeypatch, sync_wait, first):
    """With wsrep_sync_wait=1 of the server's own, a donor whose tables are locked by its backup looked hung."""
    driver = Driver()
    monkeypatch.setattr(sql, "driver", lambda: driver)

    assert sql.rows(credentials.Settings(), "SELECT 1", 1.0, sync_wait)
    assert [first, "SELECT 1"] == driver.executed


def test_a_server_that_is_not_ready_answers(monkeypatch):
    """Seen with MariaDB 10.11 and PyMySQL 1.0.2: with an init_command one that rejects queries looked non-primary."""
    monkeypatch.setattr(sql, "driver", Driver)

    assert "Primary" == sql.ask(credentials.Settings(), 1.0).cluster_status


def test_a_kept_session_is_set_up_once(monkeypatch):
    driver = Driver()
    monkeypatch.setattr(sql, "driver", lambda: driver)
    session = sql.Session(credentials.Settings())

    for _ in range(2):
        session.query("SELECT 1", 1.0)

    assert ["SET SESSION wsrep_sync_wait = 0", "SELECT 1", "SELECT 1"] == driver.executed
