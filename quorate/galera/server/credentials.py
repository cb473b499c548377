# SPDX-License-Identifier: Apache-2.0
"""How to log in to the server: Settings for the agent and for galera-check, and the files that they come from.

A file in my.cnf's form has user and password in its [client] section. The settings file of clustercheck is a shell
script; its NAME=value lines are parsed and never executed.
"""

import os
from collections import namedtuple

from quorate.errors import Unreadable

FILE = "/etc/quorate/galera-check.cnf"
CLUSTERCHECK = ("/etc/sysconfig/clustercheck", "/etc/default/clustercheck")
CLUSTERCHECK_NAMES = ("MYSQL_USERNAME", "MYSQL_PASSWORD", "MYSQL_HOST", "MYSQL_PORT", "AVAILABLE_WHEN_DONOR",
                      "AVAILABLE_WHEN_READONLY", "DEFAULTS_EXTRA_FILE")
SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock")
PORT = 3306


class Settings(namedtuple("Settings", "socket host port user password extra_port",
                          defaults=(None, None, PORT, "root", "", None))):
    """How to connect. socket: path, or None for host and port. extra_port: the server's reserve (extra_port,
    admin_port) that is tried when it has no connection left, or None. repr() shows no password."""

    __slots__ = ()

    def __repr__(self):
        return "Settings(%s, user=%s)" % (self.socket or "%s:%s" % (self.host, self.port), self.user)


def for_agent(parameters, socket):
    """Settings of an agent: credentials, else check_user, else clustercheck's file, else root on the socket. Raises
    Unreadable."""
    if parameters.credentials:
        return from_options_file(parameters.credentials, socket)
    if parameters.check_user:
        return Settings(socket=socket, user=parameters.check_user, password=parameters.check_passwd or "")
    for path in CLUSTERCHECK:
        found = shell_settings(path)
        if found.get("MYSQL_USERNAME"):
            return Settings(socket=socket, user=found["MYSQL_USERNAME"], password=found.get("MYSQL_PASSWORD", ""))
    return Settings(socket=socket)


def for_check(options):
    """Settings of galera-check: by its options, else our own file, else clustercheck's settings, else the user that it
    runs as on the socket. options: dict. Raises Unreadable."""
    found = _account(options)
    if options.get("host"):
        found = found._replace(socket=None, host=options["host"], port=int(options.get("port", found.port)))
    return found._replace(extra_port=int(options["extra_port"]) if "extra_port" in options else None)


def _account(options):
    """The Settings for the check, without --host and --extra-port."""
    socket = options.get("socket")
    path = options.get("defaults_file") or (FILE if os.path.exists(FILE) else None)
    if options.get("user") and (options.get("password") or not path):
        # Takes precedence over a file, as in clustercheck, whose last argument usually is /etc/my.cnf.
        return Settings(socket or usual_socket(), user=options["user"], password=options.get("password", ""))
    if path:
        return from_options_file(path, socket)
    old = clustercheck_settings(options)
    extra = old.get("DEFAULTS_EXTRA_FILE")
    if extra and os.path.exists(extra) and not (old.get("MYSQL_USERNAME") and old.get("MYSQL_PASSWORD")):
        return from_options_file(extra, socket)
    if old.get("MYSQL_USERNAME"):
        host = None if socket or old.get("MYSQL_HOST") in (None, "", "localhost") else old["MYSQL_HOST"]
        return Settings(None if host else socket or usual_socket(), host, _port(old.get("MYSQL_PORT", "")),
                        old["MYSQL_USERNAME"], old.get("MYSQL_PASSWORD", ""))
    return Settings(socket or usual_socket(), user=_own_user())


def _own_user():
    import pwd
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise Unreadable("The user id %d of this process has no name to log in with. Write [client] user and password "
                         "into %s." % (os.geteuid(), FILE)) from None


# Files

def from_options_file(path, socket=None):
    """Settings from the [client] section of a file in my.cnf's form; a given socket takes precedence over the file's.
    Raises Unreadable."""
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
                    _port(found.get("port", "")),
                    found.get("user", "root"), found.get("password", ""))


def clustercheck_settings(options):
    """The NAME=value lines of the settings file of an existing clustercheck (option settings, else the usual files), as
    a dict. Raises Unreadable."""
    for path in [options["settings"]] if "settings" in options else CLUSTERCHECK:
        found = shell_settings(path)
        if found:
            return found
    return {}


def shell_settings(path):
    """The NAME=value lines that clustercheck knows, from its settings file: parsed and never executed. {} when there is
    no such file. Raises Unreadable, also for a value that only a shell could evaluate."""
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
            raise Unreadable("%s: the value of %s needs a shell, and this file is not executed. Write the value "
                             "itself, in single quotes." % (path, name))
        found[name] = text
    return found


def _lines(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError as error:
        raise Unreadable("The file %s cannot be read: %s." % (path, error.strerror)) from None


def _unquoted(value, ends):
    """The text between quotes; without quotes, all up to one of the characters `ends`."""
    value = value.strip()
    if value[:1] in ("'", '"'):
        return value[1:].partition(value[0])[0]
    for end in ends:
        value = value.partition(end)[0]
    return value.strip()


def _port(text):
    return int(text) if text.isdigit() else PORT


def usual_socket():
    """The server's socket where distributions have it."""
    return next((path for path in SOCKETS if os.path.exists(path)), SOCKETS[0])
