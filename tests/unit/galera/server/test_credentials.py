# SPDX-License-Identifier: Apache-2.0
"""Where credentials come from."""

import contextlib
import getpass
import os

import pytest

from quorate.errors import Unreadable
from quorate.galera.declaration import PARAMETERS
from quorate.galera.server import credentials
from quorate.galera.server.account import tls_options
from tests import fakes


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
    ("user=x\n", 0o600, "line 1"), ("[client]\nuser=x\n", 0o602, "chmod 600"), ("", 0o600, "no [client]")])
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


@pytest.mark.parametrize("lines, values", [
    ('password="pässwört"', {"password": "pässwört"}),
    ("password='it\\'s \"x\"'", {"password": "it's \"x\""}),
    ("password=a\\\\b", {"password": "a\\b"}),
    ("password=a\\sb\\n # c", {"password": "a b\n"}),
    ("password=\"a # b\" # c", {"password": "a # b"}),
    ("password=", {"password": ""}),
    ("skip-password", {"password": ""}),
    ("loose_password = x\r", {"password": "x"}),
    ("loose-nonsense\nloose-other=x\npassword=x", {"password": "x"}),
    ("prompt=x\nquick\ndefault_character_set=utf8mb4\nskip-auto-rehash\npassword=x", {"password": "x"}),
    ("[mysqld]\npassword=y\nnonsense\n[client] # z\npassword=x", {"password": "x"}),
    ("[client-server]\nport=3307\n[client-mariadb]\npassword=x", {"password": "x", "port": 3307}),
    ("host=h\nprotocol=socket", {"host": None}),
    ("protocol=tcp", {"host": "localhost", "socket": None}),
    ("host=localhost\nport=3307", {"host": None, "port": 3307}),
    ("ssl-ca=/dev/null", {"tls": tls_options.Tls(ca="/dev/null")}),
    ("ssl", {"tls": tls_options.Tls()}),
    ("ssl_ca=/dev/null\nssl-verify-server-cert", {"tls": tls_options.Tls(ca="/dev/null", verify="name")}),
    ("skip-ssl-verify-server-cert", {"tls": None}),
    ("skip-ssl", {"tls": False}), ("ssl=0", {"tls": False}), ("ssl-mode=disabled", {"tls": False}),
    ("ssl-mode=PREFERRED", {"tls": None}), ("ssl-mode=REQUIRED", {"tls": tls_options.Tls()}),
    ("ssl-mode=VERIFY_CA", {"tls": tls_options.Tls(verify="chain")}),
    ("ssl\nssl-cipher=x\ntls-version=TLSv1.2", {"tls": tls_options.Tls(cipher="x", versions="TLSv1.2")}),
])
def test_options_mean_what_they_mean_to_the_client(file, lines, values):
    found = credentials.from_options_file(file("[client]\nuser=check\n%s\n" % lines))

    assert values == {name: getattr(found, name) for name in values}


@pytest.mark.parametrize("line", [
    "pass=x", "pasword=x", "password", "user", "port=33x", "port=70000", "protocol=pipe", "ssl=perhaps", "ssl-mode=x",
    "ssl-ca=/nonexistent", "bind-address=192.0.2.1", "dns-srv-name=x", "secret", "=x", "password=voilà", "user=\udce4",
    "!includ /x", "!include x", "!includedir /nonexistent", "[client", "ssl-fp=x", "\0", "x" * 5000, "skip-user=x"])
def test_what_the_client_would_not_understand_is_an_error_with_its_line(tmp_path, line):
    path = tmp_path / "settings"
    path.write_bytes(("[client]\n# 2\n%s\npassword=x\n" % line).encode("utf-8", "surrogateescape"))
    path.chmod(0o600)

    with pytest.raises(Unreadable) as caught:
        credentials.from_options_file(str(path))

    assert "%s, line 3" % path in caught.value.reason
    assert "secret" not in caught.value.reason


def test_without_a_user_it_is_the_one_that_it_runs_as(file):
    """As for the client. It was root, for galera-check as well, which runs as mysql."""
    assert getpass.getuser() == credentials.from_options_file(file("[client]\nsocket=/s\n")).user
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 2 ** 31 - 7)
        with pytest.raises(Unreadable, match="has no name"):
            credentials.from_options_file(file("[client]\nsocket=/s\n"))


def test_bytes_that_are_no_utf_8_are_kept(tmp_path):
    path = tmp_path / "settings"
    path.write_bytes(b"[client]\nuser=check\npassword=\xe4\n")
    path.chmod(0o600)

    assert b"\xe4" == credentials.from_options_file(str(path)).password.encode("utf-8", "surrogateescape")


def test_an_included_file_counts_and_its_password_is_not_everybodys(file, tmp_path):
    inner = tmp_path / "inner.cnf"
    inner.write_text("[client]\nport=3307\n")
    inner.chmod(0o644)
    path = file("[client]\nuser=check\n!include %s\npassword=x\n" % inner)
    assert 3307 == credentials.from_options_file(path).port

    inner.write_text("[client]\npassword=y\n")
    with pytest.raises(Unreadable, match="chmod 600 %s" % inner):
        credentials.from_options_file(path)


def test_files_that_include_each_other_end(file, tmp_path):
    path = file("[client]\nuser=check\n!include %s\n" % (tmp_path / "settings"))

    with pytest.raises(Unreadable, match="line 3.*include each other"):
        credentials.from_options_file(path)


def test_a_directory_is_no_options_file(tmp_path):
    tmp_path.chmod(0o700)
    with pytest.raises(Unreadable, match="no file"):
        credentials.from_options_file(str(tmp_path))


# The agent

@pytest.mark.parametrize("parameters, account", [
    ({"check_user": "check", "check_passwd": "x"}, ("check", "x")),
    ({"check_user": "check", "check_passwd": "x", "check_passwd_use_empty": "true"}, ("check", "")),
    ({"check_user": "check", "check_passwd_use_empty": "1"}, ("check", "")),
    ({}, ("old", "y")), ({"check_passwd_use_empty": "true"}, ("old", "")),
])
def test_account_of_the_agent(file, monkeypatch, parameters, account):
    monkeypatch.setattr(credentials, "CLUSTERCHECK", (file("MYSQL_USERNAME=old\nMYSQL_PASSWORD=y\n"),))
    context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", **parameters)

    found = credentials.for_agent(context.parameters, "/s")

    assert account == (found.user, found.password)


# Settings of clustercheck

@pytest.mark.parametrize("line, value", [
    ("MYSQL_PASSWORD=plain", "plain"),
    ("export MYSQL_PASSWORD=plain # comment", "plain"),
    ("MYSQL_PASSWORD=a#b", "a#b"),
    ("MYSQL_PASSWORD=a; OTHER=x", "a"),
    ("export OTHER=x MYSQL_PASSWORD=a", "a"),
    ("MYSQL_PASSWORD='it'\"'\"'s'", "it's"),
    ("MYSQL_PASSWORD=pass\\ word\\$", "pass word$"),
    ("MYSQL_PASSWORD=$'a\\'b\\tc'", "a'b\tc"),
    ('MYSQL_PASSWORD="a\\"b\\$c\\d"', 'a"b$c\\d'),
    ("MYSQL_PASSWORD=pässwört", "pässwört"),
    ("MYSQL_PASSWORD=a{b,c}*~", "a{b,c}*~"),
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


@pytest.mark.parametrize("line", ["touch {0}", "MYSQL_PASSWORD=x; touch {0}", "`touch {0}`",
                                  "MYSQL_PASSWORD=x touch {0}", "OTHER=`touch {0}`",
                                  "export OTHER=$(touch {0})", "true && touch {0}"])
def test_shell_settings_are_never_executed(file, tmp_path, line):
    made = tmp_path / "made"

    with contextlib.suppress(Unreadable):
        credentials.shell_settings(file(line.format(made) + "\n"))

    assert not made.exists()


@pytest.mark.parametrize("line", [
    "if true; then", "test -f /x && MYSQL_PASSWORD=y", ". /etc/other", "read MYSQL_PASSWORD < /etc/secret",
    "unset MYSQL_PASSWORD", "MYSQL_PASSWORD=a touch x", "MYSQL_PASSWORD+=b", "declare MYSQL_PASSWORD=a",
    "MYSQL_PASSWORD=(a b)", "MYSQL_PASSWORD=~/x", "export MYSQL_PASSWORD={a,b}", "MYSQL_PASSWORD='a",
    'MYSQL_PASSWORD="a', "MYSQL_PASSWORD=a\r", "MYSQL_PASSWORD=$'\\c'", "MYSQL_PASSWORD=a|b",
    "MYSQL_PASSWORD=a$", "OTHER=${MYSQL_PASSWORD:=x}", "OTHER=$((MYSQL_PASSWORD=3))"])
def test_what_only_a_shell_understands_is_an_error_with_its_line(file, line):
    path = file("# 1\nOTHER=x\n%s\nMYSQL_USERNAME=check\n" % line)

    with pytest.raises(Unreadable) as caught:
        credentials.shell_settings(path)

    assert "%s, line 3" % path in caught.value.reason


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


def test_the_program_that_clustercheck_ran_has_sections_of_its_own(file, tmp_path):
    extra = tmp_path / "extra.cnf"
    extra.write_text("[client]\nuser=check\npassword=x\n[mysql]\npassword=y\n")
    extra.chmod(0o600)

    assert "y" == credentials.for_check({"settings": file("DEFAULTS_EXTRA_FILE=%s\n" % extra)}).password
    assert "x" == credentials.for_check({"defaults_file": str(extra), "settings": "/nonexistent"}).password


def test_a_port_of_clustercheck_that_is_none_is_an_error(file):
    with pytest.raises(Unreadable, match="MYSQL_PORT"):
        credentials.for_check({"settings": file("MYSQL_USERNAME=x\nMYSQL_HOST=h\nMYSQL_PORT=33O6\n")})
