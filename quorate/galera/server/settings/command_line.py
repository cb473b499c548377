# SPDX-License-Identifier: Apache-2.0
"""The command line of every run of the server: looking up its settings, creating a database, recovering the position,
starting. All are built by one function, so that what additional_parameters says holds for each of them.

Order: options that count only at the beginning, those of additional_parameters, then what the agent found (with
additional_parameters, see find_layout) or decides. Of several values the server takes the last one.
"""

# Whatever the configuration says about logs, the recovered position is a note that must not be suppressed. Names of
# other servers and versions have loose- before them, which makes an unknown option a warning.
_RECOVERY_LOG = (
    "--loose-skip-silent-startup",         # MariaDB: no notes while it starts
    "--loose-log-warnings=2",              # MariaDB, MySQL 5.7: the default
    "--loose-log-error-verbosity=3",       # MySQL 5.7 and 8: notes as well
    "--loose-log-error-suppression-list=",
    "--loose-log-error-services=log_filter_internal;log_sink_internal",  # MySQL 8: text, no JSON, no system log
    "--loose-log-syslog=OFF",              # MySQL 5.7
)


def look_up(server, parameters, options):
    """The run that prints the settings. options: Options."""
    own = ["--user=" + parameters.user]
    if parameters.datadir:
        own.append("--datadir=" + parameters.datadir)
    # With wsrep_on in its files and no address, MariaDB refuses even to print its help. A start passes the real one.
    return _words(server, parameters.config, options, own,
                  ["--wsrep_cluster_address=gcomm://", "--verbose", "--help"])


def start(layout, last):
    """A start of the server. last: the options that belong to this start."""
    return _words(layout.server, layout.config, layout.options, _own(layout) + [
        "--socket=" + layout.socket, "--pid-file=" + layout.pid, "--log-error=" + layout.log], last)


def recover(layout, log, last=()):
    """A run that finds out the position of InnoDB and logs it to the file `log`. It loads no provider, but says nothing
    where wsrep_on is off or wsrep_provider is none (sql/wsrep_mysqld.cc)."""
    return _words(layout.server, layout.config, layout.options, _own(layout) + [
        "--socket=%s.recover" % layout.socket, "--pid-file=%s.recover" % layout.pid, "--skip-networking"], [
            "--wsrep-recover", "--wsrep_cluster_address=gcomm://", "--loose-wsrep_on=ON", *_RECOVERY_LOG,
            "--log-error=" + log, *last])


def initialize(layout):
    """A run of MySQL or Percona that makes the system tables."""
    return _words(layout.server, layout.config, layout.options, _own(layout), ["--initialize-insecure"])


def install_db(layout):
    """MariaDB's program that makes the system tables, which passes options to the server, but cannot pass on blanks and
    letters that its shell expands. (argv, options that it cannot pass on)."""
    rest = [word for word in layout.options.rest if not _only_of_cluster(word)]
    broken = [word for word in rest if any(letter.isspace() or letter in "*?[\\" for letter in word)]
    argv = _words("mariadb-install-db", layout.config, layout.options._replace(rest=tuple(rest)), _own(layout),
                  ["--skip-test-db", "--wsrep_on=OFF"])
    return argv, broken


def _own(layout):
    return ["--datadir=" + layout.datadir, "--user=" + layout.user]


def _only_of_cluster(word):
    from quorate.galera.server.settings.options import name_of
    return name_of(word).startswith("wsrep")


def _words(program, config, options, own, last):
    return [program, *(["--defaults-file=" + config] if config else []), *options.first, *options.rest, *own, *last]
