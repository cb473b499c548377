# SPDX-License-Identifier: Apache-2.0
"""Asking the server: one connection, one question, errors told apart. Shared by the agent and the check.

How galera-check gets in: by option, by our own file, by clustercheck's settings, else as the user that it runs as.
"""

import os
from collections import namedtuple

from quorate.errors import Unreadable

CLUSTERCHECK = ("/etc/sysconfig/clustercheck", "/etc/default/clustercheck")
CLUSTERCHECK_NAMES = ("MYSQL_USERNAME", "MYSQL_PASSWORD", "MYSQL_HOST", "MYSQL_PORT", "AVAILABLE_WHEN_DONOR",
                      "AVAILABLE_WHEN_READONLY", "DEFAULTS_EXTRA_FILE")
SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock")
FILE = "/etc/quorate/galera-check.cnf"


class Settings(namedtuple("Settings", "socket host port user password extra_port", defaults=(None, None, 3306, "root", "", None))):
    """How to connect. socket: path, or None for host and port. extra_port: of the server's reserve (extra_port, admin_port)
    that is tried when it has no connection left, or None. repr() shows no password."""

    __slots__ = ()

    def __repr__(self):
        return "Settings(%s, user=%s)" % (self.socket or "%s:%s" % (self.host, self.port), self.user)


def for_agent(parameters, socket):
    """Settings of an agent: credentials, else check_user, else clustercheck's file, else root on the socket."""
    if parameters.credentials:
        return from_options_file(parameters.credentials, socket)
    if parameters.check_user:
        return Settings(socket=socket, user=parameters.check_user, password=parameters.check_passwd or "")
    for path in CLUSTERCHECK:
        found = shell_settings(path)
        if found.get("MYSQL_USERNAME"):
            return Settings(socket=socket, user=found["MYSQL_USERNAME"], password=found.get("MYSQL_PASSWORD", ""))
    return Settings(socket=socket)


def shell_settings(path):
    """The NAME=value lines that clustercheck knows, from its settings file: parsed and never executed; {} when there is
    none. Raises Unreadable, also for a value that only a shell would know."""
    if not os.path.exists(path):
        return {}
    found = {}
    for line in _lines(path):
        name, separator, value = line.strip().partition("=")
        name = name[7:].strip() if name.startswith("export ") else name
        if not separator or name not in CLUSTERCHECK_NAMES:
            continue
        text = _unquoted(value, " \t;")
        if ("`" in text or "$" in text) and not value.strip().startswith("'"):
            raise Unreadable("%s: %s is made by a shell, and this file is not executed; write the value itself, in single "
                             "quotes." % (path, name))
        found[name] = text
    return found


def _lines(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError as error:
        raise Unreadable("The file %s cannot be read: %s." % (path, error.strerror)) from None


def _unquoted(value, ends):
    """What is between quotes; else all up to one of the characters `ends`."""
    value = value.strip()
    if value[:1] in ("'", '"'):
        return value[1:].partition(value[0])[0]
    for end in ends:
        value = value.partition(end)[0]
    return value.strip()


def from_options_file(path, socket=None):
    """Settings from the [client] section of a file in my.cnf's form; a given socket goes before the file's. Raises
    Unreadable."""
    lines = _lines(path)
    status = os.stat(path)
    if status.st_mode & 0o004:
        raise Unreadable("Every user can read the file of credentials: chmod 600 %s" % path)
    section, found = None, {}
    for line in lines:
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section == "client" and line and line[0] not in "#;!":
            name, _, value = line.partition("=")
            found[name.strip().replace("_", "-")] = _unquoted(value, "#")
    if not found:
        raise Unreadable("%s has no [client] section with user and password." % path)
    host = None if socket or found.get("host") == "localhost" else found.get("host")
    return Settings(socket or (None if host else found.get("socket") or usual_socket()), host,
                    int(found["port"]) if found.get("port", "").isdigit() else 3306,
                    found.get("user", "root"), found.get("password", ""))


def usual_socket():
    """Where distributions have the server's socket."""
    return next((path for path in SOCKETS if os.path.exists(path)), SOCKETS[0])


def clustercheck(options):
    """Settings of an existing clustercheck, parsed and never executed. Raises Unreadable."""
    for path in [options["settings"]] if "settings" in options else CLUSTERCHECK:
        found = shell_settings(path)
        if found:
            return found
    return {}


def for_check(options):
    """sql.Settings. Raises Unreadable."""
    found = _credentials(options)
    if options.get("host"):
        found = found._replace(socket=None, host=options["host"], port=int(options.get("port", found.port)))
    return found._replace(extra_port=int(options["extra_port"]) if "extra_port" in options else None)


def _credentials(options):
    where = options.get("socket")
    path = options.get("defaults_file") or (FILE if os.path.exists(FILE) else None)
    if options.get("user") and (options.get("password") or not path):
        # Goes before a file, as in clustercheck, whose last argument usually is /etc/my.cnf.
        return Settings(where or usual_socket(), user=options["user"], password=options.get("password", ""))
    if path:
        return from_options_file(path, where)
    old = clustercheck(options)
    extra = old.get("DEFAULTS_EXTRA_FILE")
    if extra and os.path.exists(extra) and not (old.get("MYSQL_USERNAME") and old.get("MYSQL_PASSWORD")):
        return from_options_file(extra, where)
    if old.get("MYSQL_USERNAME"):
        host = None if where or old.get("MYSQL_HOST") in (None, "", "localhost") else old["MYSQL_HOST"]
        port = old.get("MYSQL_PORT", "")
        return Settings(None if host else where or usual_socket(), host, int(port) if port.isdigit() else 3306,
                            old["MYSQL_USERNAME"], old.get("MYSQL_PASSWORD", ""))
    import pwd
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise Unreadable("The user id %d of this process has no name to log in with; write [client] user and password "
                             "into %s." % (os.geteuid(), FILE)) from None
    return Settings(where or usual_socket(), user=name)
