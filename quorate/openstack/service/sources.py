# SPDX-License-Identifier: Apache-2.0
"""Where observations of a service come from, beyond processes and commands: one object, which tests replace.

Each method imports what it needs, so that a healthy monitor of level 0 loads nothing but the kernel's tables and the
service's own configuration. Its files are read in the order of oslo.config (cfg.py, _parse_config_files): the default
files, unless its command line names files; the default directories, unless it names directories; then what its command
line names, in that order. The last one wins.
"""

import os

from quorate.host.connections import Connections
from quorate.openstack.facts import Settings
from quorate.openstack.service import parse
from quorate.openstack.service.options import Misread, Options, read


class Sources:
    """All sources. Every method ends within the seconds it is given, and raises nothing."""

    def __init__(self, commands):
        self._commands, self._units = commands, None

    @property
    def units(self):
        """The systemd units of this machine, as quorate.host.system.units.Units."""
        if self._units is None:
            from quorate.host.system.units import Units
            self._units = Units(self._commands)
        return self._units

    def connections(self):
        """The sockets of this moment, as quorate.host.connections.Connections."""
        return Connections()

    def settings(self, service, config, process=None, more=()):
        """The Settings in the service's own configuration. process: one that runs with it, None: none does; more: words
        of the command line that it would be started with, beside --config-file=CONFIG."""
        if process is None:
            return read_settings(service, config, more=more)
        # A process that has renamed itself has lost its command line.
        argv = process.argv if len(process.argv) > 1 else None
        return read_settings(service, config, argv, environment(process.pid), directory=working_directory(process.pid))

    def broker(self, brokers, seconds):
        """Whether any broker answers: True, False, None."""
        from quorate.openstack.service import network
        return network.any_broker_answers(brokers, seconds)

    def refusal(self, brokers, seconds):
        """Why no broker takes a connection of the service, '' where one does or that is not known."""
        from quorate.openstack.service import rpc
        return rpc.refusal(brokers, seconds)

    def rows(self, service, address, names, seconds):
        """The heartbeat Rows of these names."""
        from quorate.openstack.service import heartbeat
        return heartbeat.read(service, address, names, seconds)

    def refuses_writes(self, service, address, seconds):
        """Why the database takes no writes, '' where it does or that is not known."""
        from quorate.openstack.service import heartbeat
        return heartbeat.refuses_writes(service, address, seconds)

    def replies(self, brokers, exchange, targets, seconds, method):
        """The Replies to RPC calls of the Call `method`, a tuple."""
        from quorate.openstack.service import rpc
        return rpc.call(brokers, exchange, targets, seconds, method)

    def page(self, host, port, path, seconds, tls):
        """The Page that an HTTP GET gives."""
        from quorate.openstack.service import network
        return network.page(host, port, path, seconds, tls)

    def user(self, name):
        """(uid, gid) of an account, None when there is none."""
        import pwd
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            return None
        return account.pw_uid, account.pw_gid


def read_settings(service, config, argv=None, environ=None, more=(), directory=""):
    """The Settings in a service's configuration; readable False, and why, when it cannot be read. argv, environ,
    directory: of its process; None: it is started with --config-file=CONFIG, and then the words `more`."""
    found = []
    try:
        paths = _files(service, config, argv, more, directory)
    except OSError as error:
        return Settings(problems=("%s cannot be read: %s" % (error.filename, error.strerror),))
    for path in paths:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                found.append(read(file.read()))
        except OSError as error:
            if path == config or not isinstance(error, FileNotFoundError):  # it may set anything
                return Settings(problems=("%s cannot be read: %s" % (path, error.strerror),))
        except Misread as error:
            # The service does not start with it, and one that runs was started before it became so.
            return Settings(problems=("%s cannot be read: %s" % (path, error),))
    return parse.settings(Options(found, environ), service, os.uname().nodename)


def environment(pid):
    """Variables of a process that set options; {} when that cannot be read."""
    try:
        with open("/proc/%d/environ" % pid, "rb") as file:
            pairs = [pair.partition(b"=")[::2] for pair in file.read().split(b"\0") if pair.startswith(b"OS_")]
    except OSError:
        return {}
    return {os.fsdecode(name): os.fsdecode(value) for name, value in pairs if b"__" in name}


def working_directory(pid):
    """Where relative paths of a process begin: its working directory, or that of a unit where it is not to be seen."""
    try:
        return os.readlink("/proc/%d/cwd" % pid)
    except OSError:
        return "/"


def _files(service, config, argv, more=(), directory=""):
    """Paths of the configuration files, the last one wins. Raises OSError where a
    directory of them may not be read."""
    named = [("file", config), *parse.config_options(more)] if argv is None else parse.config_options(argv, directory)
    files = [path for kind, path in named if kind == "file"]
    main = _usual(service, config, named) if argv is not None and not files else config
    found = [] if argv is not None and files else ["/usr/share/%s/%s-dist.conf" % (service.project, service.project)]
    if not files:
        usual = ["%s/%s.conf" % (os.path.dirname(main), name) for name in (service.project, service.name)]
        found += usual if main in usual else [main]
    if not any(kind == "directory" for kind, _path in named):
        for name in (service.project, service.name):
            found += _in_directory("%s/%s.conf.d" % (os.path.dirname(main), name))
    for kind, path in named:
        found += [path] if kind == "file" else _in_directory(path)
    return [path for path in found if path == config or _may_be_file(path)]


def _may_be_file(path):
    """Whether a file is there; True, too, where that is not to be seen."""
    import stat
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError as error:
        return not isinstance(error, (FileNotFoundError, NotADirectoryError))


def _usual(service, config, named):
    """The file that a process reads which names none: the usual one of the service, where `config` is a link to it or in
    a directory that the process names (`named`); else the operator's word, `config`."""
    real = os.path.realpath
    if real(config) == real(service.config) or real(os.path.dirname(config)) in [real(path) for _kind, path in named]:
        return service.config
    return config


def _in_directory(path):
    """Configuration files in a directory, sorted. Raises OSError where it may not be read."""
    try:
        names = sorted(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [os.path.join(path, name) for name in names if name.endswith(".conf") and not name.startswith(".")]
