# SPDX-License-Identifier: Apache-2.0
"""Where this machine has the server and its files: MariaDB or Percona, Debian or Red Hat.

The server itself is asked (`mariadbd --verbose --help`), so its option files, their includes and its version's
defaults are read by the program that will use them, and an error in them is reported as the server words it.
"""

import os
from collections import namedtuple

from quorate.galera import facts
from quorate.galera.server import parse
from quorate.ocf import codes
from quorate.ocf.codes import Failed

SERVERS = ("/usr/sbin/mariadbd", "/usr/sbin/mysqld", "/usr/libexec/mariadbd", "/usr/libexec/mysqld",
           "/usr/bin/mariadbd", "/usr/bin/mysqld", "/usr/local/sbin/mariadbd", "/usr/local/bin/mariadbd")
LOG_DIRECTORIES = ("/var/log/mysql", "/var/log/mariadb")


class Layout(namedtuple("Layout",
                        "server config datadir socket pid log user group flush wsrep_on provider sst_method")):
    """server: path of the program; config: --defaults-file or None; datadir, socket, pid, log: paths; user, group:
    names; flush (innodb_flush_log_at_trx_commit), wsrep_on, provider, sst_method: as text, None when not set."""

    __slots__ = ()

    def base(self):
        """The part of the command line that all starts of the server share."""
        argv = [self.server]
        if self.config:
            argv.append("--defaults-file=" + self.config)
        return argv + ["--datadir=" + self.datadir, "--user=" + self.user]


def server_program(parameters):
    """Path of the server. Raises Failed(ERR_INSTALLED)."""
    wanted = parameters.binary
    if wanted and not os.path.basename(wanted).endswith(("_safe", "-safe")):
        path = wanted if "/" in wanted else _on_path(wanted)
        if path and os.access(path, os.X_OK):
            return path
        raise Failed(codes.ERR_INSTALLED, "There is no program %s (parameter binary)." % wanted)
    for path in SERVERS:
        if os.access(path, os.X_OK):
            return path
    raise Failed(codes.ERR_INSTALLED, "No database server found: install mariadb-server, or set the parameter binary.")


def _on_path(name):
    for directory in ("/usr/sbin", "/usr/libexec", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"):
        if os.access(os.path.join(directory, name), os.X_OK):
            return os.path.join(directory, name)
    return None


def find_layout(context):
    """The Layout, by the parameters and what the server itself says. Raises Failed."""
    parameters = context.parameters
    server = server_program(parameters)
    if parameters.config and not os.path.isfile(parameters.config):
        raise Failed(codes.ERR_INSTALLED, "The configuration file %s (parameter config) does not exist on this node."
                     % parameters.config)
    argv = [server] + (["--defaults-file=" + parameters.config] if parameters.config else [])
    # With wsrep_on in its files and no address, MariaDB refuses even to print its help. A start passes the real one.
    result = context.commands.run(
        argv + ["--user=" + parameters.user, "--wsrep_cluster_address=gcomm://", "--verbose", "--help"],
        context.deadline.limit(20))
    values = _table(result.out)
    if result.rc != 0 or "datadir" not in values:  # it prints the table even after an option that it refuses
        raise Failed(codes.ERR_ARGS, "%s does not accept its configuration on this node: %s" % (
            server, parse.last_error(result.err) or "it ended with code %s and logged no error" % result.rc))
    datadir = (parameters.datadir or values["datadir"]).rstrip("/") or "/"
    log = parameters.log or _value(values, "log-error")
    if log and not os.path.isabs(log):
        log = os.path.join(datadir, log)
    if log and not parameters.log and "." not in os.path.basename(log):
        log += ".err"  # as the server does (sql/mysqld.cc, fn_format of log_error_file)
    return Layout(
        server=server, config=parameters.config, datadir=datadir,
        socket=_absolute(parameters.socket or _value(values, "socket"), datadir, "/run/mysqld/mysqld.sock"),
        pid=_absolute(parameters.pid or _value(values, "pid-file"), datadir, "/run/mysqld/mysqld.pid"),
        log=log or _default_log(datadir), user=parameters.user, group=parameters.group,
        flush=_value(values, "innodb-flush-log-at-trx-commit"), wsrep_on=_value(values, "wsrep-on"),
        provider=_value(values, "wsrep-provider"), sst_method=_value(values, "wsrep-sst-method"))


def _table(text):
    """The second part of --verbose --help: 'name   value' a line, after a line of dashes."""
    values, started = {}, False
    for line in text.splitlines():
        if line.startswith("---"):
            started = True
        elif started and line and not line[0].isspace():
            name, _, value = line.partition(" ")
            values.setdefault(name, value.strip())
    return values


def _value(values, name):
    value = values.get(name)
    return None if value in (None, "", "(No default value)") else value


def _absolute(path, datadir, otherwise):
    if not path:
        return otherwise
    return path if os.path.isabs(path) else os.path.join(datadir, path)


def _default_log(datadir):
    for directory in LOG_DIRECTORIES:
        if os.path.isdir(directory):
            return directory + "/error.log"
    return os.path.join(datadir, "error.log")


def layout_problems(layout):
    """What will keep the server from starting here, as sentences with the remedy; [] if nothing."""
    import pwd
    found = []
    try:
        uid = pwd.getpwnam(layout.user).pw_uid
    except KeyError:
        return ["There is no user %s on this node (parameter user)." % layout.user]
    directory = os.path.dirname(layout.log)
    if not os.path.isdir(directory):
        found.append("The directory %s for the error log is missing: install -d -o %s -g adm -m 2750 %s"
                     % (directory, layout.user, directory))
    elif not _writable(directory, uid) and not (os.path.exists(layout.log) and _writable(layout.log, uid)):
        found.append("User %s cannot write to the error log %s: chown %s %s"
                     % (layout.user, layout.log, layout.user, directory))
    if os.path.isdir(layout.datadir):
        owner = os.stat(layout.datadir).st_uid
        if owner != uid:
            found.append("The data directory %s belongs to uid %d and not to %s: chown -R %s:%s %s" % (
                layout.datadir, owner, layout.user, layout.user, layout.group, layout.datadir))
        free = os.statvfs(layout.datadir)
        if free.f_bavail * free.f_frsize < 4 * 1024 * 1024:
            found.append("The file system of %s is full (%d KiB free): free some space." % (
                layout.datadir, free.f_bavail * free.f_frsize // 1024))
    return found


def listening_units(units, timeout):
    """systemd's socket units that listen in the server's place: its start would fail, or systemd starts a server outside
    of the cluster when a client connects (Debian's mariadb-server 1:10.11.18 enables mariadb.socket). A sentence
    with the remedy, None: there is none. units: host.units.Units."""
    found = units.active(facts.SOCKET_UNITS, timeout)
    if not found:
        return None
    return "Sockets of systemd are in the database server's place: systemctl disable --now %s" % " ".join(found)


def _writable(path, uid):
    """Whether the user may write there, by owner and mode; a writable group is assumed to be the user's."""
    status = os.stat(path)
    return (status.st_uid == uid and status.st_mode & 0o200) or status.st_mode & 0o022
