# SPDX-License-Identifier: Apache-2.0
"""Where credentials come from."""

import os

import pytest

from quorate.errors import Unreadable
from quorate.galera.server import credentials


@pytest.fixture
def file(tmp_path):
    def write(text, mode=0o600):
        path = tmp_path / "settings"
        path.write_text(text)
        os.chmod(path, mode)
        return str(path)
    return write


@pytest.mark.parametrize("line, value", [
    ("MYSQL_PASSWORD=plain", "plain"),
    ("export MYSQL_PASSWORD=plain # comment", "plain"),
    ("MYSQL_PASSWORD=a#b", "a#b"),
    ("MYSQL_PASSWORD=a;touch x", "a"),
    ("  MYSQL_PASSWORD='a b$c'  # comment", "a b$c"),
    ('MYSQL_PASSWORD="a b"', "a b"),
    ("MYSQL_PASSWORD=", ""),
])
def test_shell_settings(file, line, value):
    assert {"MYSQL_PASSWORD": value} == credentials.shell_settings(file("# a comment\n%s\nOTHER=`x`\n" % line))


@pytest.mark.parametrize("value", ["$(touch x)", '"$(touch x)"', "`touch x`", "${OTHER:-x}", '"$OTHER"'])
def test_what_only_a_shell_would_know_is_refused(file, value):
    with pytest.raises(Unreadable, match="not executed"):
        credentials.shell_settings(file("MYSQL_USERNAME=%s\n" % value))


def test_no_settings_are_no_mistake():
    assert {} == credentials.shell_settings("/nonexistent")


def test_options_file(file):
    path = file("[mysqld]\nuser=mysql\n[client]\n# x\nuser = check # who\npassword='a # b'\nsocket=/s\nport=3307\n")

    assert credentials.Settings("/s", None, 3307, "check", "a # b") == credentials.from_options_file(path)
    assert "/given" == credentials.from_options_file(path, "/given").socket


@pytest.mark.parametrize("line, socket, host", [("host=db", None, "db"), ("host=localhost\nsocket=/s", "/s", None)])
def test_host_of_an_options_file(file, line, socket, host):
    found = credentials.from_options_file(file("[client]\n%s\n" % line))

    assert (socket, host) == (found.socket, found.host)


@pytest.mark.parametrize("text, mode, words", [("[client]\nuser=x\n", 0o644, "chmod 600"),
                                               ("user=x\n", 0o600, "no .client."), ])
def test_options_file_that_cannot_be_used(file, text, mode, words):
    with pytest.raises(Unreadable, match=words):
        credentials.from_options_file(file(text, mode))


def test_a_password_is_never_shown():
    assert "secret" not in repr(credentials.Settings(password="secret"))


def test_an_account_of_clustercheck_goes_before_its_options_file(file, tmp_path):
    """/etc/my.cnf is there on every node, everybody can read it, and mysql took the account from its command line."""
    everybodys = tmp_path / "my.cnf"
    everybodys.write_text("[client]\nsocket=/s\n")
    everybodys.chmod(0o644)
    settings = file("MYSQL_USERNAME=check\nMYSQL_PASSWORD=x\nDEFAULTS_EXTRA_FILE=%s\n" % everybodys)

    for options in ({"settings": settings}, {"user": "check", "password": "x", "defaults_file": str(everybodys)}):
        found = credentials.for_check(dict(options, socket="/run/s"))
        assert ("check", "x", "/run/s") == (found.user, found.password, found.socket)
    with pytest.raises(Unreadable, match="chmod 600"):
        credentials.for_check({"defaults_file": str(everybodys)})
