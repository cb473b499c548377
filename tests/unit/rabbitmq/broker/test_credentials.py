# SPDX-License-Identifier: Apache-2.0
"""The endpoint, and the file of credentials."""

import pytest

from quorate.errors import Unreadable
from quorate.rabbitmq.broker.credentials import Endpoint, client_section, merged, with_file


def test_credentials_file():
    text = ("user = nobody\n[client]\n# a comment\nuser = monitor\npassword='a # b'\nmanagement_port=15671\nssl = yes\n"
            "[other]\nuser=x\n")
    found = merged(Endpoint(), client_section(text), "FILE")

    assert ("monitor", "a # b", 15671, 5671, True) == (found.user, found.password, found.management_port, found.port,
                                                       found.tls)
    assert "a # b" not in repr(found)


def test_a_file_without_a_section_is_the_clients():
    assert {"user": "monitor", "password": "a#b"} == client_section("user=monitor\npassword = a#b # why\n")


@pytest.mark.parametrize("text, word", [
    ("", "user and password"), ("[client]\nuser=x\n", "user and password"),
    ("[client]\nuser=x\npassword=y\nport=no\n", "number"),
    ("[client]\nuser=x\npassword=y\nspeed=9\n", "'speed' is not known"),
    ("[client]\nuser=x\npassword=y\nssl=yes\nhost=192.0.2.1\n", "certificate"),
])
def test_credentials_that_cannot_be_used(tmp_path, text, word):
    path = tmp_path / "rabbitmq.cnf"
    path.write_text(text)
    path.chmod(0o600)

    with pytest.raises(Unreadable) as error:
        with_file(Endpoint(), str(path))
    assert word in error.value.reason


def test_a_file_that_every_user_can_read_is_refused(tmp_path):
    path = tmp_path / "rabbitmq.cnf"
    path.write_text("[client]\nuser=x\npassword=y\n")
    path.chmod(0o644)
    with pytest.raises(Unreadable) as error:
        with_file(Endpoint(), str(path))
    assert "chmod o= %s" % path in error.value.reason

    path.chmod(0o640)
    assert "x" == with_file(Endpoint(), str(path)).user


def test_no_file_is_no_credentials_unless_one_was_named(tmp_path):
    assert with_file(Endpoint(), str(tmp_path / "none")).user is None
    with pytest.raises(Unreadable):
        with_file(Endpoint(), str(tmp_path / "none"), needed=True)


@pytest.mark.parametrize("found, wanted", [
    ({}, ("192.0.2.11", 5671, True)), ({"ssl": "no"}, ("192.0.2.11", 5672, False)),
    ({"port": "1"}, ("192.0.2.11", 1, True)), ({"ssl": "yes"}, ("192.0.2.11", 5671, True))])
def test_what_was_found_of_the_listener_stays_where_the_file_says_nothing(found, wanted):
    place = Endpoint(host="192.0.2.11", port=5671, tls=True)
    assert merged(place, dict(found, user="u", password="p"), "/f")[:3] == wanted


def test_a_certificate_alone_needs_no_user():
    assert merged(Endpoint(), {"ssl-cert": "/c", "ssl-key": "/k"}, "/f").certificate == ("/c", "/k")
    with pytest.raises(Unreadable):
        merged(Endpoint(), {"ssl-key": "/k", "user": "u", "password": "p"}, "/f")


GIVEN = {"user": "u", "password": "p"}
PLACE = Endpoint("192.0.2.11", 5671, True, "/ca", "/v", None, None, "192.0.2.12", 15671, True, "rabbit@n1", "/log",
                 "/pid", 4370, "/mq", None)


def test_what_a_file_does_not_say_stays():
    assert merged(PLACE, dict(GIVEN), "/f") == PLACE._replace(user="u", password="p", cafile=None)


def test_what_a_file_says_goes_before_what_was_found():
    found = dict(GIVEN, host="localhost", port="1", vhost="w", ssl="ON")
    found.update({"ssl-ca": "/c", "ssl-cert": "/x", "management-host": "h", "management-port": "65535",
                  "management-ssl": "off", "epmd-port": "3"})
    assert merged(PLACE, found, "/f") == Endpoint(
        "localhost", 1, True, "/c", "w", "u", "p", "h", 65535, False, "rabbit@n1", "/log", "/pid", 3, "/mq",
        ("/x", None))


@pytest.mark.parametrize("word, tls", [("1", True), ("Yes", True), ("true", True), ("no", False), ("", False)])
def test_words_for_tls(word, tls):
    assert merged(Endpoint(), dict(GIVEN, ssl=word), "/f").tls is tls
    assert merged(Endpoint(), dict(GIVEN, **{"management-ssl": word}), "/f").management_tls is tls


@pytest.mark.parametrize("found, message", [
    (dict(GIVEN, port="0"), "/f: port is a number from 1 to 65535."),
    (dict(GIVEN, **{"epmd-port": "65536"}), "/f: epmd-port is a number from 1 to 65535."),
    (dict(GIVEN, **{"management-port": "x"}), "/f: management-port is a number from 1 to 65535."),
    (dict(GIVEN, **{"ssl-key": "/k"}), "/f: ssl-key is the key of a certificate: set ssl-cert."),
    ({"user": "u", "ssl-cert": "/c"}, "/f has no [client] section with user and password."),
    ({"user": "", "password": "p"}, "/f has no [client] section with user and password."),
    ({"password": "p"}, "/f has no [client] section with user and password."),
    (dict(GIVEN, ssl="1", host="192.0.2.1"),
     "/f: a password is sent to 192.0.2.1 only when the certificate is checked: set ssl-ca.")])
def test_what_cannot_be_used_is_named(found, message):
    with pytest.raises(Unreadable) as error:
        merged(Endpoint(), found, "/f")
    assert error.value.reason == message


def test_a_password_goes_where_the_certificate_is_checked_and_to_this_machine():
    assert merged(Endpoint(), dict(GIVEN, ssl="1", host="192.0.2.1", **{"ssl-ca": "/c"}), "/f").host == "192.0.2.1"
    for host in ("localhost", "127.0.0.1", "::1"):
        assert merged(Endpoint(), dict(GIVEN, ssl="1", host=host), "/f").host == host
    assert merged(Endpoint(), dict(GIVEN, host="192.0.2.1"), "/f").tls is False


@pytest.mark.parametrize("text, found", [
    ("[client]\na=b=c\n", {"a": "b=c"}), ("[client]\n#a=b\n;a=c\n\nb\n", {}), ("[client]\n a = 'x' # y\n", {"a": "x"}),
    ("[client]\na='x''y'\n", {"a": "x"}), ("[client]\na=''\n", {"a": ""}), ("[client]\na='\n", {"a": "'"}),
    ("[client]\na=\"it's\"\n", {"a": "it's"}), ("[client]\na=x\t# y\n", {"a": "x"}), ("a=[x\n", {"a": "[x"}),
    ("[client\na=b\n", {}), ("[other]\na=b\n[client]\nc=d\n", {"c": "d"}), ("[client]\nclient]=1\n", {"client]": "1"}),
    ("[client]\n#=1\n", {}), ("[client]\na_b_c=d_e\n", {"a-b-c": "d_e"}), ("[client]\na#=1\n", {"a#": "1"})])
def test_lines_of_a_file(text, found):
    assert client_section(text) == found


def test_files_that_are_not_there_or_cannot_be_read(tmp_path):
    with pytest.raises(Unreadable) as error:
        with_file(Endpoint(), str(tmp_path / "none"), needed=True)
    assert error.value.reason == "There is no file of credentials %s." % (tmp_path / "none")
    with pytest.raises(Unreadable) as error:
        with_file(Endpoint(), str(tmp_path))
    assert error.value.reason == "The file of credentials %s cannot be read: Is a directory." % tmp_path
    path = tmp_path / "some"
    path.write_bytes(b"user=\xc3\xa4\npassword=\xff\n")
    path.chmod(0o600)
    assert with_file(Endpoint(), str(path))[5:7] == ("\u00e4", "\ufffd")
    path.write_text("speed=1")
    with pytest.raises(Unreadable) as error:
        with_file(Endpoint(), str(path))
    assert error.value.reason.startswith("%s: 'speed'" % path)
