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
