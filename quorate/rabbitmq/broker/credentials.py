# SPDX-License-Identifier: Apache-2.0
"""Where the broker of this node can be asked, and as whom: from the layout, and from a file that only root (and the check)
can read."""

import os
from collections import namedtuple

from quorate.errors import Unreadable

CREDENTIALS = "/etc/quorate/rabbitmq.cnf"
LOGS = "/var/log/rabbitmq"
MNESIA = "/var/lib/rabbitmq/mnesia"
ENVIRONMENT = "/etc/rabbitmq/rabbitmq-env.conf"
_LOCAL = ("127.0.0.1", "::1", "localhost")
_NUMBERS = ("port", "management-port", "epmd-port")
_KNOWN = ("user", "password", "vhost", "host", "ssl", "ssl-ca", "management-host", "management-ssl") + _NUMBERS
_YES = ("1", "yes", "on", "true")


class Where(namedtuple("Where", (
        "host port tls cafile vhost user password management_host management_port management_tls node log pid_file epmd_port"),
        defaults=("127.0.0.1", 5672, False, None, "/", None, None, "127.0.0.1", 15672, False, None, None, None, 4369))):
    """user: None: no credentials, so only what needs none is asked. node: Erlang name, or None; log, pid_file: paths or None.
    repr() shows no password."""

    __slots__ = ()

    def __repr__(self):
        return "Where(%s:%d, user=%s, node=%s)" % (self.host, self.port, self.user, self.node)


def with_file(where, path=CREDENTIALS, needed=False):
    """`where` with what the [client] section of the file says. Without a file it stays as it is, unless one is needed.
    Raises Unreadable."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            mode, text = os.fstat(file.fileno()).st_mode, file.read()
    except FileNotFoundError:
        if needed:
            raise Unreadable("There is no file of credentials %s." % path) from None
        return where
    except OSError as error:
        raise Unreadable("The file of credentials %s cannot be read: %s." % (path, error.strerror)) from None
    if mode & 0o007:
        raise Unreadable("Every user can read the file of credentials, so it is not used: chmod o= %s" % path)
    return merged(where, client_section(text), path)


def client_section(text):
    """NAME=value lines below [client] as a dict, '-' for '_' in names; where there is no section, all of them. Pure. A value
    may stand in quotes; a # begins a comment only after a blank, since passwords contain it."""
    found = {}
    section = None if any(line.strip().startswith("[") for line in text.splitlines()) else "client"
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section == "client" and line and line[0] not in "#;":
            name, equals, value = line.partition("=")
            if equals:
                found[name.strip().replace("_", "-")] = _unquoted(value.strip())
    return found


def _unquoted(value):
    if value[:1] in ("'", '"') and value[0] in value[1:]:
        return value[1:].partition(value[0])[0]
    return value.partition(" #")[0].partition("\t#")[0].strip()


def merged(where, found, path):
    """`where` with the words of a file. Raises Unreadable. Pure."""
    strange = [name for name in found if name not in _KNOWN]
    if strange:
        raise Unreadable("%s: '%s' is not known; it may have %s." % (path, strange[0], ", ".join(_KNOWN)))
    for name in _NUMBERS:
        if name in found and not (found[name].isdigit() and 0 < int(found[name]) < 65536):
            raise Unreadable("%s: %s is a number from 1 to 65535." % (path, name))
    if not found.get("user") or "password" not in found:
        raise Unreadable("%s has no [client] section with user and password." % path)
    tls = found.get("ssl", "no").lower() in _YES
    host = found.get("host", where.host)
    if tls and not found.get("ssl-ca") and host not in _LOCAL:
        raise Unreadable("%s: a password is sent to %s only with the certificate checked: set ssl-ca." % (path, host))
    return where._replace(
        host=host, port=int(found.get("port", 5671 if tls else where.port)), tls=tls, cafile=found.get("ssl-ca"),
        vhost=found.get("vhost", where.vhost), user=found["user"], password=found["password"],
        management_host=found.get("management-host", where.management_host),
        management_port=int(found.get("management-port", where.management_port)),
        management_tls=found.get("management-ssl", "no").lower() in _YES,
        epmd_port=int(found.get("epmd-port", where.epmd_port)))


def usual(node=None):
    """Where a packaged RabbitMQ (Debian, Red Hat) is, by its own settings; no program is asked."""
    node = node or node_name()
    return Where(node=node, log="%s/%s.log" % (LOGS, node), pid_file="%s/%s.pid" % (MNESIA, node))


def node_name(environment=ENVIRONMENT, hostname=None):
    """The Erlang name of this node: NODENAME of rabbitmq-env.conf, else rabbit@ and the short host name."""
    found = {}
    try:
        with open(environment, encoding="utf-8", errors="replace") as file:
            for line in file:
                name, equals, value = line.strip().partition("=")
                if equals and not name.startswith("#"):
                    found[name.replace("export ", "").replace("RABBITMQ_", "").strip()] = value.strip().strip("'\"")
    except OSError:
        pass
    host = hostname or os.uname().nodename
    if found.get("USE_LONGNAME", "").lower() != "true":
        host = host.partition(".")[0]
    name, at, named = found.get("NODENAME", "rabbit").partition("@")
    return "%s@%s" % (name, named if at and named and "$" not in named else host)
