# SPDX-License-Identifier: Apache-2.0
"""URLs that are no broker's or database's, and those that no service could use. That all others are read as the
libraries read them: tests/property/openstack/test_configuration.py."""

import pytest

from quorate.openstack.facts import Address
from quorate.openstack.service import url
from quorate.openstack.service.options import Misread


@pytest.mark.parametrize("text", ["", "kafka://h:9092", "amqp1://h", "zmq://", "://", "u:p@h", "kombu+memory://"])
def test_other_transports_have_no_brokers(text):
    assert () == url.brokers(text)


def test_defaults_of_a_transport_url():
    assert (Address("h", 5672, None, None, "/"),) == url.brokers("rabbit://h/")
    assert (Address("localhost", 5672, None, None, "/"),) == url.brokers("rabbit://")
    assert ["h1", "h2"] == [one.host for one in url.brokers("rabbit://u:p@h1,,u:p@h2")]


@pytest.mark.parametrize("query, section, tls", [
    ("", {}, False), ("?ssl=true", {}, True), ("", {"ssl": "True"}, True), ("?ssl=0", {"ssl": "true"}, False),
    ("?ssl=ON", {"ssl": "false"}, True), ("?ssl=", {"ssl": "yes"}, True), ("?heartbeat=1", {"ssl": "1"}, True)])
def test_tls_is_set_in_two_places_and_has_no_port_of_its_own(query, section, tls):
    assert [(5672, tls)] == [(one.port, one.tls) for one in url.brokers("rabbit://u:p@h/v" + query, section)]


def test_certificates_are_those_of_the_service():
    section = {"ssl": "true", "ssl_ca_file": "/ca", "ssl_cert_file": "/cert", "ssl_key_file": "/key"}
    assert (("ca", "/other"), ("cert", "/cert"), ("key", "/key"), ("check_hostname", False)) == url.brokers(
        "rabbit://h/?ssl_ca_file=%2Fother", section)[0].certificates
    assert () == url.brokers("rabbit://h/", dict(section, ssl="false"))[0].certificates
    assert ("check_hostname", True) in url.brokers("rabbit://h/", dict(
        section, ssl_enforce_hostname_verification="true"))[0].certificates


@pytest.mark.parametrize("text", ["rabbit://u:p/w@h", "rabbit://u:p#w@h", "rabbit://u:p[w@h", "rabbit://h:x/",
                                  "rabbit://h/?ssl=maybe", "rabbit://h/?ssl=1&ssl=1"])
def test_what_oslo_messaging_refuses_is_a_mistake_and_not_another_broker(text):
    with pytest.raises(Misread):
        url.brokers(text)


@pytest.mark.parametrize("text", ["", "sqlite:////tmp/x", "postgresql://u:p@h/d", "mysql"])
def test_other_databases_are_none(text):
    assert url.database(text) is None


@pytest.mark.parametrize("password", ["a,b", "a/b", "a?b", "a:b", "a#b", "a b", "a[b", "a&b=c", "%", "100%", "p%40w"])
def test_a_password_in_a_database_url_ends_at_the_at_sign_only(password):
    found = url.database("mysql+pymysql://cinder:%s@vip:3307/cinder?charset=utf8" % password)

    assert ("vip", 3307, "cinder", password.replace("%40", "@"), "cinder") == found[:5]


def test_a_password_with_an_at_sign_as_older_sqlalchemy_read_it():
    assert ("h", 3306, "u", "p@w@d", "c") == url.database("mysql://u:p@w@d@h/c")[:5]


def test_a_database_on_a_socket():
    found = url.database("mysql://u:p@localhost/d?unix_socket=%2Frun%2Fmysqld%2Fmysqld.sock")
    assert "/run/mysqld/mysqld.sock" == found.socket and not found.tls


def test_tls_of_a_database():
    found = url.database("mysql://u:p@h/d?ssl_ca=/ca&ssl_cert=/cert&ssl_key=/key&ssl_check_hostname=false")
    assert found.tls and found.certificates == (
        ("ca", "/ca"), ("key", "/key"), ("cert", "/cert"), ("check_hostname", "false"))
    assert (("ca", "/ca"),) == url.database("mysql://u:p@h/d", "ssl_ca=/ca&charset=utf8").certificates


def test_a_port_that_is_none():
    with pytest.raises(Misread):
        url.database("mysql://h:port/d")
