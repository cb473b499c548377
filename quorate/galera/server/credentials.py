# SPDX-License-Identifier: Apache-2.0
"""How to log in to the server: Settings for the agent and for galera-check, and the files that they come from.

A file in my.cnf's form has user and password in its [client] section, or in one that every client reads. The settings
file of clustercheck is a shell script; its NAME=value lines are parsed and never executed.
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


class Settings(namedtuple("Settings", "socket host port user password extra_port tls",
                          defaults=(None, None, PORT, "root", "", None, None))):
    """How to connect. socket: path, or None for host and port. password: bytes that are no UTF-8 are surrogates.
    extra_port: the server's reserve (extra_port, admin_port) that is tried when it has no connection left, or None.
    tls: a tls_options.Tls; None: when the server demands it; False: never. repr() shows no password."""

    __slots__ = ()

    def __repr__(self):
        return "Settings(%s, user=%s)" % (self.socket or "%s:%s" % (self.host, self.port), self.user)


def for_agent(parameters, socket):
    """Settings of an agent: credentials, else check_user, else clustercheck's file, else root on the socket. With
    check_passwd_use_empty a password of check_passwd or clustercheck is not used. Raises Unreadable."""
    if parameters.credentials:
        return from_options_file(parameters.credentials, socket)
    empty = parameters.check_passwd_use_empty
    if parameters.check_user:
        return Settings(socket=socket, user=_utf8(parameters.check_user),
                        password="" if empty else _utf8(parameters.check_passwd or ""))
    for path in CLUSTERCHECK:
        found = shell_settings(path)
        if found.get("MYSQL_USERNAME"):
            return Settings(socket=socket, user=found["MYSQL_USERNAME"],
                            password="" if empty else found.get("MYSQL_PASSWORD", ""))
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
        return Settings(socket or usual_socket(), user=_utf8(options["user"]),
                        password=_utf8(options.get("password", "")))
    if path:
        return from_options_file(path, socket)
    old = clustercheck_settings(options)
    extra = old.get("DEFAULTS_EXTRA_FILE")
    if extra and os.path.exists(extra) and not (old.get("MYSQL_USERNAME") and old.get("MYSQL_PASSWORD")):
        return from_options_file(extra, socket, program=True)
    if old.get("MYSQL_USERNAME"):
        host = None if socket or old.get("MYSQL_HOST") in (None, "", "localhost") else old["MYSQL_HOST"]
        return Settings(None if host else socket or usual_socket(), host, _port(old.get("MYSQL_PORT") or PORT),
                        old["MYSQL_USERNAME"], old.get("MYSQL_PASSWORD", ""))
    return Settings(socket or usual_socket(), user=_own_user())


def _own_user():
    import pwd
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise Unreadable("The user id %d of this process has no name to log in with. Write [client] user and password "
                         "into %s." % (os.geteuid(), FILE)) from None


def _utf8(text):
    """The same bytes, of an argument or an environment variable, as UTF-8, whatever the locale is."""
    return os.fsencode(text).decode("utf-8", "surrogateescape")


# Files

def from_options_file(path, socket=None, program=False):
    """Settings from the [client] section of a file in my.cnf's form; a given socket takes precedence over the file's.
    program: also from the sections of the program mysql, as clustercheck does. Raises Unreadable."""
    from quorate.galera.server.account import options_file
    try:
        public = os.stat(path).st_mode & 0o004
    except OSError as error:
        raise Unreadable("The file %s cannot be read: %s." % (path, error.strerror)) from None
    if public:
        raise Unreadable("Every user can read the file of credentials: chmod 600 %s" % path)
    found = options_file.account(path, options_file.PROGRAM if program else options_file.LIBRARY)
    if not found:
        raise Unreadable("%s has no [client] section with user and password." % path)
    host = found.get("host") or "localhost"
    if socket or found.get("protocol") == "socket" or (host == "localhost" and found.get("protocol") != "tcp"):
        socket, host = socket or found.get("socket") or usual_socket(), None
    return Settings(socket, host, found.get("port") or PORT, found.get("user") or _own_user(),
                    found.get("password", b"").decode("utf-8", "surrogateescape"), tls=found.get("tls"))


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
    no such file. Raises Unreadable, also for what only a shell could evaluate."""
    if not os.path.exists(path):
        return {}
    from quorate.host.shell import file as shell_file
    return shell_file.assignments(path, CLUSTERCHECK_NAMES)


def _port(text):
    port = str(text)
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise Unreadable("MYSQL_PORT of clustercheck's settings is no port.")
    return int(port)


def usual_socket():
    """The server's socket where distributions have it."""
    return next((path for path in SOCKETS if os.path.exists(path)), SOCKETS[0])
