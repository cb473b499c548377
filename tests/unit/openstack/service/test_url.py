# SPDX-License-Identifier: Apache-2.0
"""URLs that are no broker's or database's, and those that no service could use. That all others are read as the
libraries read them: tests/property/openstack/test_configuration.py."""

import urllib.parse

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


@pytest.mark.parametrize("query, changes", [
    ("ssl_disabled=true", {"tls": True, "options": (("ssl_disabled", "true"),)}),
    ("ssl_verify_cert=true&ssl_ca=/ca", {"tls": True, "certificates": (("ca", "/ca"),), "options": (("ssl_verify_cert", "true"),)}),
    ("ssl_mode=disabled&ssl_ca=/ca", {}), ("ssl_mode=REQUIRED", {"tls": True}), ("ssl=true", {"tls": True}),
    ("host=db2&port=3308&user=v&password=q&database=e", {"host": "db2", "port": 3308, "user": "v", "password": "q", "name": "e"}),
    ("read_default_file=/f&read_default_group=g", {
        "tls": True, "options": (("read_default_file", "/f"), ("read_default_group", "g"))})])
def test_options_in_the_url_of_a_database(query, changes):
    assert url.database("mysql+pymysql://u:p@db/d")._replace(**changes) == url.database("mysql+pymysql://u:p@db/d?" + query)
    with pytest.raises(url.Misread):
        url.database("mysql+pymysql://u:p@db/d?port=x")


def test_tls_of_a_database():
    found = url.database("mysql://u:p@h/d?ssl_ca=/ca&ssl_cert=/cert&ssl_key=/key&ssl_check_hostname=false")
    assert found.tls and found.certificates == (
        ("ca", "/ca"), ("key", "/key"), ("cert", "/cert"), ("check_hostname", "false"))
    assert (("ca", "/ca"),) == url.database("mysql://u:p@h/d", "ssl_ca=/ca&charset=utf8").certificates


def test_a_port_that_is_none():
    with pytest.raises(Misread):
        url.database("mysql://h:port/d")


@pytest.mark.parametrize("text, says", [
    ("rabbit://u:p/w@h", "its port is no number; write '#' in a password as %23, '?' as %3F; it takes no '/'"),
    ("rabbit://u:p[w@h", "a bracket that is not closed; write '[' as %5B in a password"),
    ("rabbit://[fd00::2,h]", "a bracket that is not closed"), ("rabbit://h/?ssl=maybe", "ssl is neither true nor false")])
def test_a_mistake_is_said_with_what_to_write(text, says):
    with pytest.raises(Misread) as raised:
        url.brokers(text)
    assert says == str(raised.value)


@pytest.mark.parametrize("text, place", [
    (" \trabbit://u:p@h:1/v\n", ("h", 1, "u", "p", "v")), ("rabbit://u:p\n@h:1/v", ("h", 1, "u", "p", "v")),
    ("rabbit:///v", ("localhost", 5672, None, None, "v")), ("rabbit://u:p:w@h/v", ("h", 5672, "u", "p:w", "v")),
    ("rabbit://u:p@h/v#w#x", ("h", 5672, "u", "p", "v")), ("rabbit://u:p@h?ssl=0", ("h", 5672, "u", "p", "/")),
    ("rabbit://u:p@[fd00::2]/v", ("fd00::2", 5672, "u", "p", "v")), ("kombu+pyamqp://@h", ("h", 5672, "", None, "/")),
    ("RABBIT://h", ("h", 5672, None, None, "/")), ("rabbit:vh", ("localhost", 5672, None, None, "/"))])
def test_the_parts_of_a_transport_url(text, place):
    assert [place] == [one[:5] for one in url.brokers(text)]


def test_options_of_a_url_are_whole():
    """Of several the later ones are joined, as oslo.messaging does it; a '=' belongs to the value."""
    found = url.brokers("rabbit://h/?ssl=1&ssl_ca_file=/a=b&ssl_cert_file=/c+d&ssl_key_file=")[0].certificates
    assert (("ca", "/a=b"), ("cert", "/c d"), ("check_hostname", False)) == found
    with pytest.raises(Misread):
        url.brokers("rabbit://h/?ssl=true&ssl=true")
    assert "/2" == url.database("mysql://h/d?unix_socket=/1&unix_socket=/2").socket, "SQLAlchemy's: the last one"


@pytest.mark.parametrize("text, place", [
    ("mysql://u:p@[fd00::2]:3307/d", ("fd00::2", 3307, "u", "p", "d")),
    ("mysql+pymysql://u:p@[fd00::2]/d", ("fd00::2", 3306, "u", "p", "d")),
    ("mysql://u@h/d", ("h", 3306, "u", "", "d")), ("mysql://a@b@h:1/d", ("h", 1, "a@b", "", "d")),
    ("mysql://u%40x@h/d", ("h", 3306, "u@x", "", "d")), ("mysql://h", ("h", 3306, "root", "", "")),
    ("mysql:///d", ("localhost", 3306, "root", "", "d")), ("mysql://u:p@h", ("h", 3306, "u", "p", "")),
    ("mysql://:p@h/d", ("h", 3306, "root", "p", "d")), ("mysql://h:3307/d", ("h", 3307, "root", "", "d")),
    ("mysql://u:p@h/d/e?x=a://b", ("h", 3306, "u", "p", "d/e")), ("mysql://u:p@w@h/d@e", ("h", 3306, "u", "p@w", "d@e")),
    ("mysql://u:a@b@c@h/d", ("h", 3306, "u", "a@b@c", "d")), ("MariaDB+x://h/d", ("h", 3306, "root", "", "d"))])
def test_the_parts_of_a_database_url(text, place):
    assert place == url.database(text)[:5]


def test_a_port_that_is_none_is_said_with_what_to_write():
    with pytest.raises(Misread) as raised:
        url.database("mysql://u:p@h:x/d")
    assert "its port is no number; write '@' in a password as %40" == str(raised.value)


@pytest.mark.parametrize("text", [
    "", "plain", "%", "a%", "%4", "a%4", "%41", "%41b", "%4g", "%g4", "%%41", "%25%34%31", "%C3%A9", "%c3%a9x", "%FF", "a%FFb%41",
    "%-1", "% 1", "%+1", "%1", "\u00e9%41", "%\u00e91", "%\u0664\u0661", "\u20ac%E2%82%AC", "%00", "%0", "%41-",
    "%41\u00e9"])
def test_what_is_quoted_is_read_as_python_s_library_reads_it(text):
    """urllib, which is too slow for a monitor to import."""
    assert urllib.parse.unquote(text) == url.unquoted(text)


@pytest.mark.parametrize("text, shown", [("\udcff%41", "\ufffdA"), ("%41\udcff", "A\ufffd"), ("%zz\udcff", "%zz\ufffd")])
def test_a_byte_that_is_no_text_is_no_end_of_the_monitor(text, shown):
    """A file is read with errors="replace", a variable of the environment with "surrogateescape"."""
    assert shown == url.unquoted(text)
