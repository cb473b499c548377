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


# Options files

def test_options_file(file):
    path = file("[mysqld]\nuser=mysql\n[client]\n# x\nuser = check # who\npassword='a # b'\nsocket=/s\nport=3307\n")

    assert credentials.Settings("/s", None, 3307, "check", "a # b") == credentials.from_options_file(path)
    assert "/given" == credentials.from_options_file(path, "/given").socket


def test_options_file_with_other_sections(file):
    path = file("# comment\n[mysqld]\nuser=mysql\n[client]\nuser = check\npassword = 'a#b c'\nsocket=/tmp/x.sock\n"
                "[mysql]\npassword=other\n")

    found = credentials.from_options_file(path)

    assert ("/tmp/x.sock", "check", "a#b c") == (found.socket, found.user, found.password)


@pytest.mark.parametrize("line, socket, host, port", [
    ("host=db", None, "db", 3306), ("host=192.0.2.1\nport=3307", None, "192.0.2.1", 3307),
    ("host=localhost\nsocket=/s", "/s", None, 3306)])
def test_host_of_an_options_file(file, line, socket, host, port):
    found = credentials.from_options_file(file("[client]\nuser=check\n%s\n" % line))

    assert (socket, host, port) == (found.socket, found.host, found.port)


@pytest.mark.parametrize("text, mode, words", [
    ("[client]\nuser=check\npassword=x\n", 0o644, "chmod 600"), ("[mysqld]\nuser=check\n", 0o600, "no [client]"),
    ("user=x\n", 0o600, "no [client]"), ("", 0o600, "no [client]")])
def test_an_unusable_options_file_says_what_to_do(file, text, mode, words):
    path = file(text, mode)

    with pytest.raises(Unreadable) as caught:
        credentials.from_options_file(path)

    assert words in caught.value.reason and path in caught.value.reason
    assert "x\n" not in caught.value.reason


def test_a_missing_options_file(tmp_path):
    with pytest.raises(Unreadable, match="No such file"):
        credentials.from_options_file(str(tmp_path / "none.cnf"))


def test_a_password_is_never_shown():
    for where in ({"socket": "/s"}, {"host": "h"}):
        settings = credentials.Settings(user="check", password="secret", **where)
        assert "secret" not in repr(settings) and "secret" not in "%s" % (settings,)


# Settings of clustercheck

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


def test_several_shell_settings(file):
    path = file("# from the installer\nMYSQL_USERNAME=\"check\"\nexport MYSQL_PASSWORD='p w'\nMYSQL_HOST=localhost\n"
                "AVAILABLE_WHEN_DONOR=1\n")

    assert {"MYSQL_USERNAME": "check", "MYSQL_PASSWORD": "p w", "MYSQL_HOST": "localhost",
            "AVAILABLE_WHEN_DONOR": "1"} == credentials.shell_settings(path)


@pytest.mark.parametrize("value", ["$(touch x)", '"$(touch x)"', "`touch x`", "${OTHER:-x}", '"$OTHER"'])
def test_a_value_that_needs_a_shell_is_refused(file, value):
    with pytest.raises(Unreadable, match="not executed"):
        credentials.shell_settings(file("MYSQL_USERNAME=%s\n" % value))


@pytest.mark.parametrize("line", ["touch {0}", "MYSQL_PASSWORD=x; touch {0}", "`touch {0}`"])
def test_shell_settings_are_never_executed(file, tmp_path, line):
    made = tmp_path / "made"

    credentials.shell_settings(file(line.format(made) + "\n"))

    assert not made.exists()


def test_no_settings_are_no_mistake(tmp_path):
    assert {} == credentials.shell_settings(str(tmp_path / "none"))


# The check

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
