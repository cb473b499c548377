# SPDX-License-Identifier: Apache-2.0
"""Files, references and URLs, read by us and by oslo.config, oslo.messaging and SQLAlchemy: the same values, and what
they refuse is no value."""

import os
import ssl as ssl_errors
import string
import subprocess
import tempfile
from urllib.parse import quote

import pymysql
import pytest
from hypothesis import HealthCheck, assume, example, given, settings, strategies as some
from kombu.utils.url import parse_url
from oslo_config import cfg
from oslo_messaging import transport
from oslo_messaging._drivers import common, impl_rabbit
from sqlalchemy.dialects.mysql import pymysql as pymysql_dialect
from sqlalchemy.engine import url as sqlalchemy_url

from quorate.openstack import catalog
from quorate.openstack.service import heartbeat, options, sources, url

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=150)
REFUSED = "refused"
PRINTABLE = some.text(string.ascii_letters + string.digits + string.punctuation
                      + " \u00e9\u20ac\x0b\x0c\u2028\x85\xa0", max_size=8)
NAMES = ("host", "other", "third")
GROUPS = ("DEFAULT", "database", "lower")


def registered(argv):
    conf = cfg.ConfigOpts()
    for group in GROUPS:
        for name in NAMES:
            conf.register_opt(cfg.StrOpt(name, deprecated_name="old_host" if name == "host" else None),
                              group=None if group == "DEFAULT" else group)
    conf(argv, project="cinder", prog="cinder-volume", default_config_files=[], default_config_dirs=[])
    return conf


def theirs(texts):
    """{(group, name): value, None where it is not set, REFUSED where reading it fails}; REFUSED: nothing starts."""
    with tempfile.TemporaryDirectory() as directory:
        argv = []
        for number, text in enumerate(texts):
            path = os.path.join(directory, "%d.conf" % number)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            argv += ["--config-file", path]
        try:
            conf = registered(argv)
        except (cfg.Error, SystemExit):
            return REFUSED
        found = {}
        for group in GROUPS:
            for name in NAMES:
                try:
                    found[(group, name)] = getattr(conf if group == "DEFAULT" else getattr(conf, group), name)
                except (cfg.Error, RecursionError):
                    found[(group, name)] = REFUSED
        return found


def ours(texts):
    try:
        read = options.Options([options.read(text) for text in texts])
    except options.Misread:
        return REFUSED
    found = {}
    for group in GROUPS:
        for name in NAMES:
            try:
                found[(group, name)] = read.get(name, group, ((group, "old_host"),) if name == "host" else ())
            except options.Misread:
                found[(group, name)] = REFUSED
    return found


def same(texts):
    """What refers to a registered option that is not set is '' for oslo.config, which here has no defaults: the service
    has, and we do not know them."""
    left, right = theirs(texts), ours(texts)
    if REFUSED in (left, right):
        assert left == right
        return
    for key, value in left.items():
        assert value == right[key] or right[key] == REFUSED and "$" in "".join(texts), (key, value, right[key])


VALUES = some.one_of(PRINTABLE, some.lists(some.sampled_from(
    ("$", "$$", "\\$", "${", "}", "$host", "${database.host}", "${other}", "$lower.third", "$nothing", "x", "\\", ".",
     "${DEFAULT.host}", "$Host", "'", '"')), max_size=4).map("".join))
LINES = some.one_of(
    some.builds("{}{}{}{}".format, some.sampled_from(NAMES + ("old_host", "unknown")),
                some.sampled_from(("=", " = ", ":", " : ", "= ", " ")), VALUES, some.sampled_from(("", " ", "\t"))),
    some.sampled_from(("[DEFAULT]", "[database]", "[Database]", "[DATABASE]", "[lower]", "[default]", "[ lower ]",
                       "# x",
                       "; y", "", "   ", "  continued", "\tcontinued = x", "[", "[]", "host", "[lower] # x",
                       " # no comment")))


@CALM
@given(some.lists(some.lists(LINES, max_size=8).map(lambda lines: "\n".join(["[DEFAULT]"] + lines) + "\n"), min_size=1,
                  max_size=3))
@example(["[DEFAULT]\nhost=x\nother=${DEFAULT.host}\n"])  # there is no group DEFAULT
@example(["[DEFAULT]\nhost=\nother=${DEFAULT.host}\n"])
@example(["[DEFAULT]\nhost = a$\n"])
@example(["[DEFAULT]\nhost = a$$b\\$c\n"])
@example(["[DEFAULT]\nhost = \"\n"])
@example(["[DEFAULT]\nold_host = new file\n", "[DEFAULT]\nhost = x\n"])
@example(["[DEFAULT]\nhost = x\n", "[DEFAULT]\nold_host = wins\n"])
@example(["[DEFAULT]\nold_host = a\nhost = wins\n"])
@example(["[Database]\nhost = a\n[DATABASE]\nhost = b\n"])
@example(["[DEFAULT]\nhost = x\n  y\n\tz\nother = ${host}!\n"])
@example(["[default]\nhost = not found\n"])
def test_files_are_read_as_oslo_config_reads_them(texts):
    same(texts)


@CALM
@given(PRINTABLE, PRINTABLE)
def test_values_with_every_printable_character(one, two):
    same(["[DEFAULT]\nhost = %s\n[database]\nhost=%s\nother = $host-${third}\nthird: x\n" % (one, two)])


WORDS = some.sampled_from(("--config-file=%s/a.conf", "--config-file=%s/cinder.conf", "--config-dir=%s/x",
                           "--config-dir=%s/y"))


@CALM
@given(some.lists(WORDS, max_size=4), some.booleans())
def test_files_are_read_in_the_order_of_oslo_config(words, with_defaults):
    """Whatever is on the command line, the same file wins."""
    with tempfile.TemporaryDirectory() as directory:
        for name in ("cinder.conf", "cinder-volume.conf", "a.conf", "x/2.conf", "x/1.conf", "y/1.conf",
                     "cinder.conf.d/1.conf", "cinder-volume.conf.d/1.conf")[0 if with_defaults else 0:
                                                                            8 if with_defaults else 6]:
            path = os.path.join(directory, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write("[DEFAULT]\nhost = %s\n" % name)
        argv = [word % directory for word in words]
        # The agent knows a process by this file: one that names others only is another instance.
        assume("--config-file=%s/cinder.conf" % directory in argv or not any(
            word.startswith("--config-file") for word in argv))
        conf = cfg.ConfigOpts()
        conf.register_opt(cfg.StrOpt("host"))
        conf(argv, project="cinder", prog="cinder-volume",
             default_config_files=[os.path.join(directory, name) for name in ("cinder.conf", "cinder-volume.conf")],
             default_config_dirs=[os.path.join(directory, name) for name in ("cinder.conf.d", "cinder-volume.conf.d")])

        found = sources.read_settings(catalog.CINDER_VOLUME, directory + "/cinder.conf",
                                      ("cinder-volume",) + tuple(argv))
        assert conf.host == found.host


HOSTS = some.sampled_from(("h1", "h-2.example.org", "192.0.2.1", "[2001:db8::1]", "H3"))
PORTS = some.sampled_from(("", ":5671", ":5672", ":1"))
RAW = some.text(string.ascii_letters + string.digits + "&=$-_.+!*()~^`'\"<>|\\{} \u00e9%:;", max_size=6)
QUOTED = PRINTABLE.map(lambda text: quote(text, ""))
CREDENTIALS = some.one_of(RAW, QUOTED)
PLACES = some.builds("{}{}{}".format, some.one_of(
    some.just(""), some.builds("{}:{}@".format, CREDENTIALS, CREDENTIALS), some.builds("{}@".format, QUOTED)),
                     HOSTS, PORTS)
FLAGS = some.sampled_from((None, "true", "True", "1", "yes", "on", "false", "0", "no", "OFF", "maybe"))
QUERIES = some.lists(some.sampled_from(("ssl=true", "ssl=false", "ssl=1", "ssl=", "ssl=maybe", "ssl_ca_file=%2Fca",
                                        "ssl_ca_file=/x+y", "ssl_key_file=/key")), max_size=3)


def rabbit(text, flag, old):
    """(ssl, {path options}, ((user, password, host, port), ...), virtual host) of oslo.messaging and kombu; REFUSED."""
    conf = cfg.ConfigOpts()
    conf.register_opts(impl_rabbit.rabbit_opts, group="oslo_messaging_rabbit")
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "c")
        with open(path, "w", encoding="utf-8") as file:
            file.write(section(flag, old))
        conf(["--config-file", path], default_config_files=[], default_config_dirs=[])
        try:
            read = transport.TransportURL.parse(conf, text)
            driver = common.ConfigOptsProxy(conf, read, "oslo_messaging_rabbit").oslo_messaging_rabbit
            ssl = driver.ssl
            paths = {name: getattr(driver, name) for name in ("ssl_ca_file", "ssl_cert_file", "ssl_key_file")}
        except (ValueError, cfg.Error):
            return REFUSED
    name = parse_url("amqp://u:p@h:1/%s" % (read.virtual_host or ""))["virtual_host"] or "/"
    hosts = tuple((one.username, one.password, one.hostname, one.port or 5672) for one in read.hosts)
    return bool(ssl), {key: value for key, value in paths.items() if value}, hosts, name


def section(flag, old):
    line = "" if flag is None else "%s = %s\n" % ("rabbit_use_ssl" if old else "ssl", flag)
    return "[oslo_messaging_rabbit]\n" + line


@CALM
@given(some.lists(PLACES, min_size=1, max_size=3),
       some.sampled_from(("", "/", "//", "/v", "/cin%2Fder", "/a%252Fb", "/a b")),
       QUERIES, FLAGS, some.booleans())
@example(["u:p%2Cx@h1:5671"], "/v", [], "true", False)
@example(["u:p%40:x@h1"], "//", ["ssl=true", "ssl=true"], None, False)
@example(["h1"], "", ["ssl=true"], "maybe", False)
def test_transport_urls_are_read_as_oslo_messaging_reads_them(places, path, query, flag, old):
    text = "rabbit://%s%s%s" % (",".join(places), path, "?" + "&".join(query) if query else "")
    text = text.replace("$", "$$")  # options have references
    read = options.Options([options.read("[DEFAULT]\ntransport_url = %s\n" % text + section(flag, old))])
    found = sources.parse.settings(read, catalog.CINDER_VOLUME, "n1")
    expected = rabbit(text.replace("$$", "$"), flag, old)
    if expected == REFUSED and "[" in text:
        return  # later releases of Python refuse more than one host where one is in brackets
    if expected == REFUSED:
        assert () == found.brokers and "transport_url" in found.problems[0]
        return
    ssl, paths, hosts, name = expected
    assert hosts == tuple((one.user, one.password, one.host, one.port) for one in found.brokers)
    assert {(ssl, name)} == {(one.tls, one.name) for one in found.brokers}
    known = dict(found.brokers[0].certificates)
    assert (paths if ssl else {}) == {"ssl_%s_file" % key: known[key] for key in ("ca", "cert", "key") if key in known}


@CALM
@given(some.one_of(some.just(""), some.builds("{}:{}@".format, QUOTED, PRINTABLE), some.builds("{}@".format, QUOTED),
                   some.builds("{}:{}@".format, QUOTED, QUOTED)),
       HOSTS, some.sampled_from(("", ":3306", ":33070")), some.sampled_from(("", "/", "/cinder", "/c%2Fd")),
       some.sampled_from(("", "?charset=utf8", "?unix_socket=/run/x+y", "?ssl_ca=%2Fca&ssl_ca=/b", "?ssl_key=")))
@example("u:a,b/c?d:e#f@", "h1", "", "/cinder", "")
def test_database_urls_are_read_as_sqlalchemy_reads_them(account, host, port, path, query):
    assume(account.count("@") < 2)  # SQLAlchemy 1.4 finds an '@' in the host then, and connects nowhere
    text = "mysql+pymysql://" + account + host + port + path + query
    found, expected = url.database(text), sqlalchemy_url.make_url(text)

    assert (expected.host, expected.port or 3306, expected.username or "root", expected.password or "",
            expected.database or "") == found[:5]
    last = {name: value if isinstance(value, str) else value[-1] for name, value in expected.query.items()}
    assert last.get("unix_socket") == found.socket
    known = dict(found.certificates)
    assert {name: last[name] for name in url.SQL_TLS if name in last} == {
        long: known[short] for long, short in url.SQL_TLS.items() if short in known}


DATABASE_WORDS = some.sampled_from((
    "charset=utf8", "ssl_ca=%(ca)s", "ssl_check_hostname=true", "ssl_check_hostname=false", "ssl_disabled=true",
    "ssl_verify_cert=true", "ssl_verify_cert=false", "ssl_verify_cert=optional", "ssl_verify_identity=true", "host=db2",
    "user=other", "database=nova", "unix_socket=/run/x", "ssl_cipher=HIGH", "read_default_file=%(file)s",
    "read_default_group=tripleo"))
CNF = """[client]
user = of-client
[tripleo]
ssl = 1
ssl-ca = %(ca)s
bind-address = 127.0.0.1
"""


@pytest.fixture(scope="module")
def cnf(tmp_path_factory):
    """{"ca": a certificate, "file": a file of options}"""
    path = tmp_path_factory.mktemp("cnf")
    found = {"ca": str(path / "ca"), "file": str(path / "my.cnf")}
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", "/dev/null", "-out",
                    found["ca"]], check=True, stderr=subprocess.DEVNULL)
    (path / "my.cnf").write_text(CNF % found)
    return found


def connected_by(known):
    """How PyMySQL would connect with these arguments; REFUSED where it takes them for mistakes."""
    try:
        one = pymysql.connect(defer_connect=True, **known)
    except (ValueError, TypeError, AttributeError, NotImplementedError, OSError, ssl_errors.SSLError):
        return REFUSED
    place = one.unix_socket or (one.host, one.port)
    secured = one.ssl and (one.ctx.check_hostname, one.ctx.verify_mode.name, len(one.ctx.get_ca_certs()))
    return place, one.user, one.password, one.db, secured


@CALM
@given(some.sampled_from(("c:p@db", "c:p@", "c:p@db:3307")),
       some.lists(DATABASE_WORDS, max_size=5, unique_by=lambda word: word.split("=")[0]))
@example("c:p@db", ["ssl_verify_cert=true", "ssl_ca=%(ca)s"])
@example("c:p@db", ["ssl_disabled=true"])
@example("c:p@db", ["ssl_disabled=true", "ssl_ca=%(ca)s"])
@example("c:p@db", ["ssl_verify_identity=true", "ssl_ca=%(ca)s"])
@example("c:p@", ["host=db2"])
@example("c:p@db", ["read_default_file=%(file)s", "read_default_group=tripleo"])
def test_databases_are_connected_to_as_sqlalchemy_and_pymysql_do_it(cnf, account, words):
    """Where it is, the account, whether in TLS, and what is checked there."""
    text = "mysql+pymysql://%s/cinder%s" % (account, "?" + "&".join(words) % cnf if words else "")
    _none, known = pymysql_dialect.MySQLDialect_pymysql().create_connect_args(sqlalchemy_url.make_url(text))
    known.pop("client_flag", None)
    expected = connected_by(known)
    assume(expected != REFUSED)
    assert expected == connected_by(heartbeat.arguments(url.database(text)))


@CALM
@given(some.text(max_size=12) | some.lists(
    some.sampled_from(("%", "4", "0", "%4", "%C3%A9", "%C3", "\u00e9", "+", "%zz")), max_size=6).map("".join))
def test_percent_signs_are_decoded_as_urllib_decodes_them(text):
    from urllib.parse import unquote
    assert unquote(text) == url.unquoted(text)
