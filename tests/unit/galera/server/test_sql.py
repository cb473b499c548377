# SPDX-License-Identifier: Apache-2.0
"""Asking a server that is not there, and what a local connection imports."""

import subprocess
import sys
from contextlib import contextmanager

import pytest

from quorate.galera.server import sql
from quorate.galera.server import credentials
from quorate.galera.server.account import tls_options
from tests import ROOT


def test_nobody_there_is_an_answer(tmp_path):
    status = sql.ask(credentials.Settings(socket=str(tmp_path / "none.sock"), user="check"), 1)

    assert not status.answered
    assert status.error


def test_a_local_connection_imports_no_cryptography():
    """Every recurring monitor is a fresh process; these cost as much as all the rest."""
    code = ("import sys; sys.path.insert(0, %r); from quorate.host import mysql; mysql.driver(); "
            "print(' '.join(sorted(sys.modules)))" % ROOT)
    code = "import site, sys; sys.path += site.getsitepackages(); " + code
    done = subprocess.run([sys.executable, "-IS", "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    loaded = set(done.stdout.split())

    assert "pymysql" in loaded
    assert set() == loaded & {"cryptography", "ssl", "_ssl", "_hashlib", "argparse", "logging", "json", "pathlib",
                            "configparser", "re"}


def test_an_options_file_that_others_give_pymysql_is_read():
    """Its reader is imported when it is called."""
    code = ("import sys; sys.path.insert(0, %r); from quorate.host import mysql\n"
            "parser = mysql.driver().connections.Parser(); parser.read_string('[client]\\nuser = \\'me\\'')\n"
            "print(parser.get('client', 'user'))" % ROOT)
    done = subprocess.run([sys.executable, "-I", "-c", code], stdout=subprocess.PIPE, text=True, check=True)

    assert "me" == done.stdout.strip()


def test_the_drivers_expressions_work():
    """They are compiled at their first use, by the whole re."""
    code = ("import sys; sys.path.insert(0, %r); from quorate.host import mysql; driver = mysql.driver()\n"
            "from pymysql import converters, cursors\n"
            "print(converters.convert_datetime('2026-11-29 01:02:03'), converters.convert_timedelta('-10:11:12'),\n"
            "      converters.convert_time('10:11:12'), cursors.RE_INSERT_VALUES.match('insert into t\\nvalues (%%s)').group(2),\n"
            "      cursors.re.escape('a.b'))" % ROOT)
    done = subprocess.run([sys.executable, "-IS", "-c", "import site, sys; sys.path += site.getsitepackages()\n" + code],
                          stdout=subprocess.PIPE, text=True, check=True)

    assert r"2026-11-29 01:02:03 -1 day, 13:48:48 10:11:12 (%s) a\.b" == done.stdout.strip()


def test_what_a_connection_needs_is_imported_when_it_needs_it():
    """TLS needs no RSA, which costs more than it; a resident check, which connects again and again, imports once."""
    code = ("import sys; sys.path.insert(0, %r); from quorate.host import mysql\n"
            "def has(one): return one.connections.SSL_ENABLED, one._auth._have_cryptography\n"
            "plain = mysql.driver(); tls = mysql.driver(tls=True); whole = mysql.driver(whole=True)\n"
            "print(has(plain), has(tls), has(whole), plain is tls, tls is whole,\n"
            "      mysql.driver() is mysql.driver(tls=True) is mysql.driver(whole=True) is whole)" % ROOT)
    done = subprocess.run([sys.executable, "-I", "-c", code], stdout=subprocess.PIPE, text=True, check=True)

    assert "(False, False) (True, False) (True, True) False False True" == done.stdout.strip()


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


@pytest.mark.parametrize("sync_wait", [False, True])
def test_a_session_waits_for_the_applier_only_when_asked_to(monkeypatch, sync_wait):
    """With wsrep_sync_wait=1 of the server's own, a donor whose tables are locked by its backup looked hung."""
    driver = Driver()
    monkeypatch.setattr(sql, "driver", lambda: driver)

    assert sql.rows(credentials.Settings(), "SELECT 1", 1.0, sync_wait)
    assert 2 == len(driver.executed) and "SELECT 1" == driver.executed[1]
    assert "wsrep_sync_wait = %d" % sync_wait in driver.executed[0]
    assert driver.executed[0].startswith("SET SESSION autocommit = 1, ")


@pytest.mark.parametrize("errno", [1193, 1227, 1231])
def test_a_variable_that_the_server_does_not_know_is_passed_over(monkeypatch, errno):
    class Old(Driver):
        def execute(self, text):
            Driver.execute(self, text)
            if "lock_wait" in text:
                raise RuntimeError(errno, "Unknown system variable")

    driver = Old()
    monkeypatch.setattr(sql, "driver", lambda: driver)

    assert "Primary" == sql.ask(credentials.Settings(), 1.0).cluster_status
    assert "SET SESSION wsrep_sync_wait = 0" in driver.executed


def test_another_error_of_the_first_statement_is_the_answer(monkeypatch):
    class Expired(Driver):
        def execute(self, text):
            raise RuntimeError(1820, "You must SET PASSWORD before executing this statement")

    monkeypatch.setattr(sql, "driver", Expired)

    assert 1820 == sql.ask(credentials.Settings(), 1.0).errno


@pytest.mark.parametrize("password", ["pässwört", b"\xe4".decode("utf-8", "surrogateescape")])
def test_a_password_is_sent_as_the_bytes_that_it_is(monkeypatch, password):
    """PyMySQL would send Latin-1, and fail for other letters."""
    given = {}
    driver = Driver()
    driver.connect = lambda **options: given.update(options) or driver
    monkeypatch.setattr(sql, "driver", lambda: driver)

    sql.ask(credentials.Settings(password=password), 1.0)

    assert password.encode("utf-8", "surrogateescape") == given["password"]


def test_an_answer_that_is_no_utf_8_is_an_answer(monkeypatch):
    class Latin(Driver):
        def connect(self, use_unicode=True, **_options):
            assert not use_unicode, "PyMySQL would decode it, and fail"
            return self

        def fetchall(self):
            return ((b"wsrep_cluster_status", b"Primary"), (b"wsrep_local_state_comment", b"\xe4"))

    monkeypatch.setattr(sql, "driver", Latin)

    status = sql.ask(credentials.Settings(), 1.0)
    assert ("Primary", "\ufffd") == (status.cluster_status, status.local_state_comment)


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

    assert ["SET", "SELECT", "SELECT"] == [text.split()[0] for text in driver.executed]


# TLS

class Strict:
    """PyMySQL and a server that lets this account in with TLS only. refuses: with TLS as well."""

    def __init__(self, monkeypatch, errno=1045, refuses=False):
        self.errno, self.refuses, self.logins = errno, refuses, []
        monkeypatch.setattr(sql, "driver", lambda: self)
        monkeypatch.setattr("quorate.galera.server.account.tls.connect", self.secure)

    def connect(self, **_options):
        self.logins.append("plain")
        raise RuntimeError(self.errno, "Access denied for user 'check'@'localhost'")

    def secure(self, _tls, _local, **_options):
        self.logins.append("tls")
        if self.refuses:
            raise RuntimeError(2026, "the server offers none")
        return Driver()


@pytest.mark.parametrize("errno", [1045, 3159])
def test_an_account_that_may_need_tls_is_tried_with_it(monkeypatch, errno):
    server = Strict(monkeypatch, errno)

    assert sql.ask(credentials.Settings(), 1.0).answered
    assert ["plain", "tls"] == server.logins


def test_the_first_refusal_is_what_is_said(monkeypatch):
    Strict(monkeypatch, refuses=True)

    assert 1045 == sql.ask(credentials.Settings(), 1.0).errno


@pytest.mark.parametrize("settings, logins", [
    ({"tls": tls_options.Tls()}, ["tls"]), ({"tls": False}, ["plain"]), ({"password": "x"}, ["plain", "tls"])])
def test_what_the_options_file_says_of_tls_is_done(monkeypatch, settings, logins):
    server = Strict(monkeypatch)

    sql.ask(credentials.Settings(**settings), 1.0)

    assert logins == server.logins


def test_no_other_error_is_a_reason_for_a_second_login(monkeypatch):
    server = Strict(monkeypatch, 4151)

    assert 4151 == sql.ask(credentials.Settings(), 1.0).errno
    assert ["plain"] == server.logins
