# SPDX-License-Identifier: Apache-2.0
"""Where this machine's broker is by its own configuration: its name, data, log, cookie, and where it listens.

One reader for the agent and the check. What is set and cannot be understood is an error with file and line: without
the name or the place of the data no other broker may be taken for this one, and no node be taken for one without data.

Source: rabbit_env.erl (nodename/1, data_dir_from_env/1, main_log_file/1, erlang_dist_tcp_port/1, erlang_cookie/1),
rabbit_prelaunch_logging.erl; RabbitMQ 3.10.8 and 4.0.5.
"""

import os
from collections import namedtuple

from quorate.errors import Unreadable
from quorate.rabbitmq.broker.settings.files import Files
from quorate.rabbitmq.broker.settings.listeners import DISTRIBUTION, PORT, configured
from quorate.rabbitmq.broker.settings.variables import DEFAULTS, Variables

HOME = "/var/lib/rabbitmq"
DATA = DEFAULTS["MNESIA_BASE"]
LOGS = "/var/log/rabbitmq"
EPMD_PORT = 4369
RANGE_MOST = 8  # ports of the distribution that are worth trying
LOOKUP = 3.0  # seconds for the name server to say this machine's full name
ELSEWHERE = ("-", "-stderr", "exchange:", "syslog:")  # values of RABBITMQ_LOGS that are no file


class Wanted(namedtuple("Wanted", "nodename datadir config directory", defaults=(None,) * 4)):
    """What the agent's parameters or the check's options say; it goes first. directory: that of this node's data, where
    a running broker shows it."""

    __slots__ = ()


class Places(namedtuple("Places", "nodename base directory feature_flags log config configured distribution epmd_port "
                                  "pid_file problem distribution_last", defaults=(None,))):
    """nodename: 'rabbit@n1'; base: directory of all nodes' data; directory: of this node's; feature_flags: a file; log:
    file, None: it logs to none; config: the main configuration file; configured: listeners.Configured; distribution:
    port of the Erlang distribution, distribution_last: the last one of its range, or None; epmd_port: number;
    pid_file: path; problem: a sentence with file and line about what is not understood and not needed to find the
    broker, or None."""

    __slots__ = ()

    def distribution_ports(self):
        """A tuple of the ports on which the Erlang distribution may listen, the first ones of a long range."""
        last = min(max(self.distribution, self.distribution_last or 0), self.distribution + RANGE_MOST - 1)
        return tuple(range(self.distribution, last + 1))


def places(wanted=Wanted(), environ=(), running=False, env_file=None):
    """The Places. environ: dict, the broker's environment; running: it is that of a running broker. Raises
    Unreadable."""
    variables = Variables(environ, running, env_file)
    name = wanted.nodename or variables.get("NODENAME")
    name = nodename(name, "@" not in (name or "") and variables.says_yes("USE_LONGNAME"))
    base, directory = _data(wanted, variables, name)
    files = Files(variables, wanted.config)
    found = configured(files.conf, files.terms, variables)
    soft = _Soft(variables, files.problem or found.problem)
    log = soft.ask(lambda: _log(variables, files, name), os.path.join(LOGS, name + ".log"))
    distribution, last = _distribution(soft, files)
    return Places(name, base, directory, _flags(variables, base, name), log, files.main, found,
                  distribution, _port(soft.ask(lambda: variables.plain("ERL_EPMD_PORT")), EPMD_PORT),
                  soft.ask(lambda: variables.get("PID_FILE")) or os.path.join(base, name + ".pid"), soft.problem,
                  last)


class _Soft:
    """Asks for what is not needed to know whose data this is: the first thing that is not understood is its problem."""

    def __init__(self, variables, problem):
        self.variables, self.problem = variables, problem

    def ask(self, question, default=None):
        try:
            return question()
        except Unreadable as error:
            self.problem = self.problem or error.reason
            return default


def _data(wanted, variables, name):
    """(base, directory) of the data. Raises Unreadable."""
    if wanted.directory:
        soft = _Soft(variables, None)
        named = soft.ask(lambda: variables.get("MNESIA_DIR")) == wanted.directory
        base = soft.ask(lambda: _path(variables, "MNESIA_BASE", DATA)) if named else None
        return base or os.path.dirname(wanted.directory), wanted.directory
    if wanted.nodename:
        _same(variables, "NODENAME", name, "nodename")
    if not wanted.datadir:
        base = _path(variables, "MNESIA_BASE", DATA)
        return base, _path(variables, "MNESIA_DIR", os.path.join(base, name))
    base = wanted.datadir.rstrip("/")
    directory = os.path.join(base, name)
    _same(variables, "MNESIA_BASE", base, "datadir")
    _same(variables, "MNESIA_DIR", directory, "datadir")
    return base, directory


def _flags(variables, base, name):
    """The file of the feature flags, which counts by the variable's full name only."""
    return variables.plain("RABBITMQ_FEATURE_FLAGS_FILE", os.path.join(base, name + "-feature_flags"))


# the name

def nodename(name, long_names=False, hostname=None):
    """The Erlang name by RABBITMQ_NODENAME (None: it is not set), which may lack the host. Raises Unreadable."""
    name = name or "rabbit"
    if "@" in name:
        return name
    return "%s@%s" % (name, host_part(long_names, hostname))


def host_part(long_names, hostname=None):
    """This machine's name as in an Erlang name: net_adm:localhost/0, and without the domain for short names."""
    host = hostname or os.uname().nodename
    if not long_names:
        return host.partition(".")[0]
    return host if "." in host else host + _domain(host)


def _domain(host):
    """'.example.org' by the name server or /etc/hosts, '' when this machine has no domain. Raises Unreadable."""
    from quorate.host import names
    import socket

    def canonical(name, port, _family, kind):
        return socket.getaddrinfo(name, port, 0, kind, 0, socket.AI_CANONNAME)

    try:
        full = names.lookup(host, 0, LOOKUP, canonical)[0][3]
    except names.Unresolved as error:
        raise Unreadable("USE_LONGNAME is set, and this machine's full name cannot be found: %s. Write it, as "
                         "NODENAME=rabbit@HOST." % error) from None
    except OSError:
        return ""  # it has no address by this name; Erlang takes the plain name then
    _, dot, domain = full.partition(".")
    return dot + domain


def _same(variables, name, value, parameter):
    """A prefixed variable of the file goes before the environment that the broker is started with, so also before a
    parameter of the agent's. Raises Unreadable when it says something else."""
    said = variables.in_file("RABBITMQ_" + name)
    if said and said.rstrip("/") != value and not (name == "NODENAME" and value.startswith(said + "@")):
        raise Unreadable("%s sets RABBITMQ_%s=%s, which goes before the parameter %s: remove one of them." % (
            variables.path, name, said, parameter))


# files

def _path(variables, name, default):
    """A path without a / at its end. Raises Unreadable for one that depends on where the broker is started."""
    value = variables.get(name, default)
    if not value.startswith("/"):
        raise Unreadable("%s: %s=%s is no absolute path." % (variables.path, name, value))
    return _normal(value)


def _normal(path):
    """normalize_path/1: without a / at the end or beside another."""
    return "/" + "/".join(part for part in path.split("/") if part) if path.startswith("/") else path


def _log(variables, files, name):
    """The file of the log; None: it logs to none."""
    path = variables.get("LOGS")
    if not path:
        file, root = _logging(files)
        if file in (False, "false"):
            return None
        path = os.path.join(variables.get("LOG_BASE") or root or LOGS, file or name + ".log")
    # /dev/stdout is another file for each process that opens it.
    return None if path.startswith(ELSEWHERE) or _normal(path).startswith("/dev/") else _normal(path)


def _logging(files):
    """(name of the log file: None: not set, False: none is written; its directory or None) by the configuration."""
    rabbit = files.terms.get("rabbit", {})
    file, root = files.conf.get("log.file"), files.conf.get("log.dir")
    file, root = file.plain() if file else None, root.plain() if root else None
    if "log" in rabbit:
        from quorate.rabbitmq.broker.settings.terms import properties
        given = properties(properties(rabbit["log"]).get("file", [])).get("file")
        file = given if isinstance(given, (str, bool)) else file
    root = rabbit.get("log_root", root)
    return file, root if isinstance(root, str) else None


def _distribution(soft, files):
    """(port of the Erlang distribution, last port of its range or None). A file goes before DIST_PORT."""
    kernel, found = files.terms.get("kernel", {}), []
    for end in ("min", "max"):
        given = files.conf.get("distribution.listener.port_range." + end)
        value = kernel.get("inet_dist_listen_" + end, given and soft.ask(given.plain))
        found.append(int(value) if str(value).isdigit() else None)
    if found[0] is not None:
        return found[0], found[1]
    amqp = _port(soft.ask(lambda: soft.variables.get("NODE_PORT")), PORT)
    return _port(soft.ask(lambda: soft.variables.get("DIST_PORT")), amqp + DISTRIBUTION), None


def cookie(variables):
    """The Erlang cookie that a variable gives, which goes before the file: RABBITMQ_ERLANG_COOKIE (deprecated), else
    -setcookie for the Erlang machine; None: neither does. Raises Unreadable."""
    given = variables.get("ERLANG_COOKIE")
    words = ("%s %s" % (variables.get("SERVER_ERL_ARGS", ""), variables.get("SERVER_ADDITIONAL_ERL_ARGS", ""))).split()
    return given or next((after for word, after in zip(words, words[1:]) if word == "-setcookie"), None)


def _port(text, default):
    return int(text) if text and text.isdigit() else default
