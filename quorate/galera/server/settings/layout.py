# SPDX-License-Identifier: Apache-2.0
"""Where this machine has the server and its files: MariaDB or Percona, Debian or Red Hat.

The server itself is asked (`mariadbd --verbose --help`), so its option files, their includes and its version's
defaults are read by the program that will use them, and an error in them is reported as the server words it.
"""

import os
from collections import namedtuple

from quorate.galera import facts
from quorate.galera.server.settings import command_line, options
from quorate.galera.server.settings.address import Misunderstood, cluster_address
from quorate.ocf import codes
from quorate.ocf.codes import Failed

SERVERS = ("/usr/sbin/mariadbd", "/usr/sbin/mysqld", "/usr/libexec/mariadbd", "/usr/libexec/mysqld",
           "/usr/bin/mariadbd", "/usr/bin/mysqld", "/usr/local/sbin/mariadbd", "/usr/local/bin/mariadbd")
FREE_LEAST = 4 << 20  # bytes of free space in the data directory without which no server is started
LOG_DIRECTORIES = ("/var/log/mysql", "/var/log/mariadb")
LOOK_UP_MOST = 20  # seconds in which the server tells its settings; it takes 0.05 on a machine that is up
# The state of a plugin: MariaDB 11.8 has one with the name wsrep-provider, beside the setting.
_PLUGIN = ("ON", "OFF", "FORCE", "FORCE_PLUS_PERMANENT")
# What says that the machine lacks something at the moment: no word about the configuration.
_PASSING = ("out of memory", "cannot allocate memory", "not enough memory", "resource temporarily unavailable",
            "too many open files", "text file busy", "input/output error", "interrupted system call")


class Layout(namedtuple("Layout",
                        "server config datadir socket pid log user group flush wsrep_on provider sst_method options "
                        "galera misunderstood innodb redo",
                        defaults=(options.Options(), options.Provider(), None, None, None))):
    """server: path of the program; config: --defaults-file or None; datadir, socket, pid, log: paths; user, group:
    names; flush (innodb_flush_log_at_trx_commit), wsrep_on, provider, sst_method: as text, None when not set; options:
    Options of additional_parameters; galera: Provider; misunderstood: a sentence about a setting of Galera that was
    not understood (`galera` holds its defaults then), or None; innodb: tuple of the paths of all directories and system
    tablespaces of InnoDB, None where the server does not tell them; redo: the directory of its redo log, likewise."""

    __slots__ = ()


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
    """The Layout, by the parameters and what the server itself says. Raises Failed: ERR_ARGS and ERR_INSTALLED for what is
    wrong on this node, or is not understood by this version of the agent (ERR_CONFIGURED would stop the servers that
    run on the others), ERR_GENERIC when the server could not be asked now."""
    parameters = context.parameters
    try:
        more = options.additional(parameters)
    except Misunderstood as error:
        raise Failed(codes.ERR_ARGS, error.reason) from None
    server = server_program(parameters)
    if parameters.config and not os.path.isfile(parameters.config):
        raise Failed(codes.ERR_INSTALLED, "The configuration file %s (parameter config) does not exist on this node."
                     % parameters.config)
    values = _settings(context, server, command_line.look_up(server, parameters, more))
    datadir = (parameters.datadir or values["datadir"]).rstrip("/") or "/"
    galera, misunderstood = _galera(parameters, values)
    return Layout(
        server=server, config=parameters.config, datadir=datadir,
        socket=_absolute(parameters.socket or _value(values, "socket"), datadir, "/run/mysqld/mysqld.sock"),
        pid=_absolute(parameters.pid or _value(values, "pid-file"), datadir, "/run/mysqld/mysqld.pid"),
        log=_log(parameters, values, datadir), user=parameters.user, group=parameters.group,
        flush=_value(values, "innodb-flush-log-at-trx-commit"), wsrep_on=_value(values, "wsrep-on"),
        provider=_value(values, "wsrep-provider"), sst_method=_value(values, "wsrep-sst-method"), options=more,
        galera=galera, misunderstood=misunderstood, innodb=_innodb(values, datadir),
        redo=_redo(values, datadir))


def _settings(context, server, argv):
    """dict of the server's settings, by its own --verbose --help. Raises Failed."""
    limit = context.deadline.limit(LOOK_UP_MOST)
    result = context.commands.run(argv, limit)
    values = _table(result.out)
    if result.ok and "datadir" in values:  # it prints the table even after an option that it refuses
        return values
    from quorate.galera.server.log import causes
    cause = causes.find(result.err, user=context.parameters.user)
    said = cause.sentence if cause else causes.shown((result.err.strip().splitlines() or [""])[-1])
    if result.ok:
        raise Failed(codes.ERR_ARGS, "%s is no database server: it does not print its settings." % server)
    if result.timed_out:
        raise Failed(codes.ERR_GENERIC, "%s did not print its settings within %d s, so this node is too slow at the moment."
                     % (server, limit))
    if result.rc < 0 or result.rc > 125 or not said or any(word in result.err.lower() for word in _PASSING):
        raise Failed(codes.ERR_GENERIC, "%s cannot tell its settings now: %s" % (
            os.path.basename(server), said or "it ended with code %s and logged no error" % result.rc))
    if "unknown variable 'wsrep" in result.err and "provider" in said:
        # MariaDB 11.8 has variables such as wsrep_provider_pc_weight, and its --help does not know them.
        said = said.partition(": ")[0] + ": put it into wsrep_provider_options"
    raise Failed(codes.ERR_ARGS, "%s refuses its configuration: %s" % (os.path.basename(server), said))


def _galera(parameters, values):
    """(Provider, None) by all that Galera is told, or (its defaults, a sentence about what is not understood)."""
    try:
        return options.provider(_value(values, "wsrep-provider-options"),
                                cluster_address(parameters.wsrep_cluster_address)[1],
                                _value(values, "wsrep-node-address")), None
    except Misunderstood as error:
        return options.Provider(), error.reason


def _innodb(values, datadir):
    """Where InnoDB keeps its log, its undo logs and its system tablespaces, beside the data directory; see Layout."""
    if any(name not in values for name in ("innodb-log-group-home-dir", "innodb-data-file-path")):
        return None
    home = _absolute(_value(values, "innodb-data-home-dir"), datadir, datadir)
    found = {datadir, home}
    for name in ("innodb-log-group-home-dir", "innodb-undo-directory"):
        found.add(os.path.normpath(_absolute(_value(values, name), datadir, datadir)))
    for part in (_value(values, "innodb-data-file-path") or "ibdata1:12M").split(";"):
        found.add(os.path.join(home, part.partition(":")[0]))
    return tuple(sorted(found))


def _redo(values, datadir):
    if "innodb-log-group-home-dir" not in values:
        return None
    return os.path.normpath(_absolute(_value(values, "innodb-log-group-home-dir"), datadir, datadir))


def _log(parameters, values, datadir):
    log = parameters.log or _value(values, "log-error")
    if log and log.startswith("/dev/"):  # what systemd or a container collects; the agent reads what the server logs
        log = None
    if log and not os.path.isabs(log):
        log = os.path.join(datadir, log)
    if log and not parameters.log and "." not in os.path.basename(log):
        log += ".err"  # as the server does (sql/mysqld.cc, fn_format of log_error_file)
    return log or _default_log(datadir)


def _table(text):
    """The second part of --verbose --help: 'name   value' a line, after a line of dashes."""
    values, started = {}, False
    for line in text.splitlines():
        if line.startswith("---"):
            started = True
        elif started and line and not line[0].isspace():
            name, _, value = line.partition(" ")
            if values.get(name) in (None, *_PLUGIN):
                values[name] = value.strip()
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


def galera_problems(layout):
    """Settings with which the server would run outside of the cluster, or with which the election's proofs do not hold, as
    sentences with the remedy; [] if there is none."""
    found = [layout.misunderstood] if layout.misunderstood else []
    if layout.provider == "none" or layout.wsrep_on in ("FALSE", "OFF", "0"):
        found.append("The server would run without Galera: set wsrep_on=ON and wsrep_provider in its configuration.")
    return found + options.proof_problems(layout.galera)


def account(user, group):
    """(uid, gid) of the files that the agent makes. Raises KeyError when there is no such user; a group that does not exist
    is the user's own."""
    import grp
    import pwd
    entry = pwd.getpwnam(user)
    try:
        return entry.pw_uid, grp.getgrnam(group).gr_gid
    except KeyError:
        return entry.pw_uid, entry.pw_gid


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
        full = full_file_system(layout.datadir)
        if full:
            found.append(full)
    return found + galera_problems(layout)


def full_file_system(path, least=FREE_LEAST):
    """A sentence when fewer than `least` bytes are free there, else None."""
    free = os.statvfs(path)
    free = free.f_bavail * free.f_frsize
    return None if free >= least else "The file system of %s is full (%d KiB free): free some space." % (
        path, free // 1024)


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
