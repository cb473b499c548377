# SPDX-License-Identifier: Apache-2.0
"""URLs of brokers and databases, as the libraries of the services read them. Pure.

Transport URLs: oslo.messaging 14 (transport.py, impl_rabbit.py): several hosts with credentials each, and TLS, which
has no port of its own. URLs of databases: SQLAlchemy 1.4 (engine/url.py).
"""

from quorate.openstack.facts import Address
from quorate.openstack.service.options import Misread, boolean

AMQP_PORT, SQL_PORT = 5672, 3306
# Options of a database URL that are about TLS -> names in PyMySQL's argument ssl (dialects/mysql/mysqldb.py).
SQL_TLS = {"ssl_ca": "ca", "ssl_key": "key", "ssl_cert": "cert", "ssl_capath": "capath", "ssl_cipher": "cipher",
           "ssl_check_hostname": "check_hostname"}
# Other options of TLS that it hands on to PyMySQL, as texts; and those files of options that PyMySQL reads by itself
# (TripleO sets TLS by them).
PASSED = ("ssl_disabled", "ssl_verify_cert", "ssl_verify_identity", "read_default_file", "read_default_group")


def brokers(text, tls_options=None):
    """The Addresses in a transport URL of RabbitMQ; () for any other URL. tls_options: those of
    [oslo_messaging_rabbit], by their names; the URL's own go before them. Raises Misread."""
    scheme, netloc, path, query = _split(text)
    driver, _, transport = scheme.partition("+")
    if driver not in ("rabbit", "kombu") or transport not in ("", "rabbit", "amqp", "pyamqp"):
        return ()
    section, own = tls_options or {}, _query(query, joined=True)
    if any(one.get("ssl") and boolean(one["ssl"]) is None for one in (section, own)):
        raise Misread("ssl is neither true nor false")
    options = dict(section, **own)
    tls = boolean(options.get("ssl")) is True
    name = _virtual_host(path)
    places = [place for place in netloc.split(",") if place] or [""]
    return tuple(Address(host or "localhost", port or AMQP_PORT, user, password, name, tls, None,
                         _certificates(options) if tls else ())
                 for user, password, host, port in (_place(place) for place in places))


def _certificates(options):
    """What oslo.messaging makes of its options: it checks the certificate where it has an authority, and the name in it
    where it is told to."""
    found = [(short, options[name]) for name, short in (("ssl_ca_file", "ca"), ("ssl_cert_file", "cert"),
                                                        ("ssl_key_file", "key")) if options.get(name)]
    if options.get("ssl_ca_file"):
        found.append(("check_hostname", boolean(options.get("ssl_enforce_hostname_verification")) is True))
    return tuple(found)


def _split(text):
    """(scheme, netloc, path, query) as urllib.parse.urlsplit() reads them, whose import costs more than all else that
    the monitor does. Raises Misread."""
    for blank in "\t\r\n":
        text = text.replace(blank, "")
    scheme, colon, rest = text.strip("".join(map(chr, range(33)))).partition(":")
    allowed = scheme[:1].isalpha() and scheme.isascii() and scheme.replace("+", "").replace("-", "").replace(
        ".", "").isalnum()
    if not colon or not allowed:
        return "", "", "", ""
    netloc = ""
    if rest.startswith("//"):
        rest = rest[2:]
        end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
        netloc, rest = rest[:end], rest[end:]
        if ("[" in netloc) != ("]" in netloc):
            raise Misread("a bracket that is not closed; write '[' as %5B in a password")
    path, _, query = rest.partition("#")[0].partition("?")
    return scheme.lower(), netloc, path, query


def _place(place):
    """(user, password, host, port) of one host in a transport URL. Raises Misread."""
    account, at, where = place.rpartition("@")
    user, colon, password = account.partition(":")
    if where.startswith("["):
        host, closed, port = where[1:].partition("]")
        if not closed:
            raise Misread("a bracket that is not closed")
        port = port.partition(":")[2]
    else:
        host, _, port = where.partition(":")
    try:
        number_of_port = int(port) if port else None
    except ValueError:
        raise Misread("its port is no number; write '#' in a password as %23, '?' as %3F; it takes no '/'") from None
    return unquoted(user) if at else None, unquoted(password) if colon else None, host, number_of_port


def _virtual_host(path):
    """The virtual host of a transport URL. oslo.messaging decodes it and puts it into a URL for kombu, which decodes it
    again (kombu/utils/url.py)."""
    name = unquoted(path[1:]) if path.startswith("/") else ""
    for end in "#?":
        name = name.partition(end)[0]
    return unquoted(name) or "/"


def _query(text, joined=False):
    """{name: value} of a query, as parse_qs and parse_qsl give it: values that are empty do not count. Of several the
    last one, or all joined by commas."""
    found = {}
    for part in text.split("&"):
        name, _, value = part.partition("=")
        name, value = unquoted(name.replace("+", " ")), unquoted(value.replace("+", " "))
        if value:
            found[name] = "%s,%s" % (found[name], value) if joined and name in found else value
    return found


def database(text, more=""):
    """The Address in a database URL of MySQL or MariaDB; None for any other URL. more: further options as in a query
    (connection_parameters of oslo.db). Raises Misread."""
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower().partition("+")[0] not in ("mysql", "mariadb"):
        return None
    user, password, rest = _account(rest)
    rest, _, query = rest.partition("?")
    where, slash, name = rest.partition("/")
    if where.startswith("[") and "]" in where:
        host, _, port = where[1:].rpartition("]")
        port = port.lstrip(":")
    else:
        host, _, port = where.partition(":")
    options = dict(_query(query), **_query(more))
    # What is in the query goes before the place and the account in front of it (mysqldb.py, create_connect_args).
    try:
        port = int(options.get("port") or port or SQL_PORT)
    except ValueError:
        raise Misread("its port is no number; write '@' in a password as %40") from None
    certificates = tuple((short, options[long]) for long, short in SQL_TLS.items() if long in options)
    passed = tuple((long, options[long]) for long in PASSED if long in options)
    tls = any(option.startswith("ssl") for option in options) or "read_default_file" in options
    if options.get("ssl_mode", "").upper() == "DISABLED":  # of mysqlclient
        tls, certificates = False, ()
    return Address(options.get("host") or host or "localhost", port, options.get("user") or user or "root",
                   options.get("password") or password or "", options.get("database") or name, tls,
                   options.get("unix_socket"), certificates, passed)


def _account(rest):
    """(user, password, what follows) of a database URL: the name ends at ':' or '/', a password at '@', whatever else
    is in it."""
    end = min((at for at in map(rest.find, ":/") if at >= 0), default=len(rest))
    if rest[end:end + 1] == ":" and "@" in rest[end:]:
        password, _, after = rest[end + 1:].partition("@")
        # Up to SQLAlchemy 1.3 a password ended at the last '@', and no host has one.
        while "@" in after.partition("/")[0]:
            further, _, after = after.partition("@")
            password += "@" + further
        return unquoted(rest[:end]), unquoted(password), after
    user, at, _ = rest[:end].rpartition("@")
    return (unquoted(user), None, rest[len(user) + 1:]) if at else (None, None, rest)


def unquoted(text):
    """Text with %40 and the like decoded, as urllib.parse.unquote() does it."""
    if "%" not in text:
        return text
    head, *parts = text.split("%")
    out = bytearray(head.encode("utf-8", "surrogateescape"))
    for part in parts:
        try:
            if len(part) < 2 or not part[:2].isascii() or not part[:2].isalnum():
                raise ValueError()
            out.append(int(part[:2], 16))
            out += part[2:].encode("utf-8", "surrogateescape")
        except ValueError:
            out += ("%" + part).encode("utf-8", "surrogateescape")
    return out.decode("utf-8", "replace")
