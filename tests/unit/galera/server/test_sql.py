# SPDX-License-Identifier: Apache-2.0
"""Credentials and clustercheck's settings as they stand in files, and what a local connection may import."""

import subprocess
import sys

import pytest

from quorate.errors import Unreadable
from quorate.galera.server import credentials, sql
from tests import ROOT


def write(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_options_file(tmp_path):
    path = write(tmp_path / "my.cnf", "# comment\n[mysqld]\nuser=mysql\n[client]\nuser = check\npassword = 'a#b c'\n"
                                      "socket=/tmp/x.sock\n[mysql]\npassword=other\n")

    found = credentials.from_options_file(path)

    assert ("/tmp/x.sock", "check", "a#b c") == (found.socket, found.user, found.password)
    assert "/given.sock" == credentials.from_options_file(path, "/given.sock").socket


def test_options_file_with_a_host(tmp_path):
    found = credentials.from_options_file(write(tmp_path / "my.cnf",
                                                "[client]\nuser=check\nhost=192.0.2.1\nport=3307\n"))

    assert (None, "192.0.2.1", 3307) == (found.socket, found.host, found.port)


@pytest.mark.parametrize("text, mode, word", [
    ("[client]\nuser=check\npassword=x\n", 0o644, "chmod 600"),
    ("[mysqld]\nuser=check\n", 0o600, "[client]"),
    ("", 0o600, "[client]"),
])
def test_unusable_options_file_says_what_to_do(tmp_path, text, mode, word):
    path = write(tmp_path / "my.cnf", text, mode)

    with pytest.raises(Unreadable) as caught:
        credentials.from_options_file(path)

    assert word in caught.value.reason
    assert path in caught.value.reason
    assert "x\n" not in caught.value.reason


def test_missing_options_file(tmp_path):
    with pytest.raises(Unreadable, match="No such file"):
        credentials.from_options_file(str(tmp_path / "none.cnf"))


def test_no_password_in_what_is_printed():
    assert "secret" not in repr(credentials.Settings(socket="/s", user="check", password="secret"))
    assert "secret" not in "%s" % (credentials.Settings(host="h", user="check", password="secret"),)


def test_settings_of_clustercheck_are_parsed(tmp_path):
    path = write(tmp_path / "clustercheck",
                 "# from the installer\nMYSQL_USERNAME=\"check\"\nexport MYSQL_PASSWORD='p w'\n"
                                            "MYSQL_HOST=localhost\nAVAILABLE_WHEN_DONOR=1\n")

    assert {"MYSQL_USERNAME": "check", "MYSQL_PASSWORD": "p w", "MYSQL_HOST": "localhost",
            "AVAILABLE_WHEN_DONOR": "1"} == credentials.shell_settings(path)


@pytest.mark.parametrize("line", ["touch {0}", "MYSQL_PASSWORD=x; touch {0}", "`touch {0}`"])
def test_settings_of_clustercheck_are_never_executed(tmp_path, line):
    made = tmp_path / "made"
    path = write(tmp_path / "clustercheck", line.format(made) + "\n")

    credentials.shell_settings(path)

    assert not made.exists()


def test_no_settings_of_clustercheck(tmp_path):
    assert {} == credentials.shell_settings(str(tmp_path / "none"))


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
