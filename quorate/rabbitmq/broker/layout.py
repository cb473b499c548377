# SPDX-License-Identifier: Apache-2.0
"""Where this machine keeps its broker: found, not assumed, for Debian's and Red Hat's packages.

A running broker shows where it is (running); else its own configuration says it (settings.places), which the broker's
scripts execute, and which is only read here. What is set and needs a shell is an error that names file and line; where
it is not to be changed, a parameter goes before it.
"""

import os
from collections import namedtuple

from quorate.errors import Unreadable
from quorate.rabbitmq.broker import parse

HOME = "/var/lib/rabbitmq"
PORT = 5672
MANAGEMENT_PORT = 15672  # the default of the parameter, so this value of it counts as not set
SERVERS = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "/opt/rabbitmq/sbin/rabbitmq-server", "/usr/sbin/rabbitmq-server",
           "/usr/local/sbin/rabbitmq-server")
LIBRARIES = ("/usr/lib/rabbitmq/lib", "/usr/lib64/rabbitmq/lib", "/opt")  # where packages keep rabbitmq_server-VERSION
LEAST_FREE = 16 * 1024 * 1024  # bytes on the file system of the data
LOOPBACK = "127.0.0.1"


class Layout(namedtuple("Layout", "server nodename base directory log user group cookie config port tls version home "
                                  "host management_host management_port management_tls management_path flags listener",
                        defaults=(LOOPBACK, LOOPBACK, MANAGEMENT_PORT, False, "", None, None))):
    """server: the program, None: not found; nodename: 'rabbit@n1'; base: directory of all nodes' data; directory: of
    this node's; log: file, None: it logs to none; cookie: file; config: rabbitmq.conf; version: text, None: unknown;
    host, port, tls: of the AMQP listener; management_host, _port, _tls, _path: of the management API; flags: file of the
    feature flags, None: beside the data; listener: 'PID START' of the running broker that was seen to have these
    listeners, None: they are what the configuration says."""

    __slots__ = ()

    def feature_flags(self):
        """The file with the feature flags that are enabled (3.8 to 4.x)."""
        return self.flags or self.directory + "-feature_flags"

    def log_file(self, output):
        """The path of what the broker logs to: its log where that is there, else `output`, what it prints."""
        return self.log if self.log and os.path.exists(self.log) else output

    def shown_log(self, output):
        """Where an operator finds what the broker says, as words after 'see'. output: the file of what it prints."""
        path = self.log_file(output)
        try:
            return path if path == self.log or os.path.getsize(path) else "journalctl"
        except OSError:
            return "journalctl"

    def environment(self):
        """Environment variables that tell the broker and its tools what they do not read themselves. The data are those
        that were looked at, also where the broker cannot make use of its rabbitmq-env.conf: where sh is bash it takes
        nothing of a file in which any command fails, and where sh is dash it ends (rabbit_env.erl,
        load_conf_env_file/1; both seen of 3.10.8)."""
        found = dict(name_environment(self.nodename), HOME=self.home, RABBITMQ_MNESIA_BASE=self.base,
                     RABBITMQ_MNESIA_DIR=self.directory)
        from quorate.rabbitmq.broker.settings import cookie
        secret = cookie.by_variable()
        return dict(found, RABBITMQ_ERLANG_COOKIE=secret) if secret else found


def name_environment(nodename):
    """The variables for an Erlang name. One whose host has a dot is a long name, whatever USE_LONGNAME says: Erlang
    refuses it as a short one (net_kernel)."""
    found = {"RABBITMQ_NODENAME": nodename}
    if "." in nodename.partition("@")[2]:
        found["RABBITMQ_USE_LONGNAME"] = "true"
    return found


def find_layout(context):
    """The Layout by parameters, by a running broker of this node, and by the broker's own configuration. Raises Failed
    with a message."""
    parameters = context.parameters
    if parameters.config and not os.path.isfile(parameters.config):
        raise _not_installed("The configuration file %s (parameter config) does not exist on this node."
                             % parameters.config)
    found = _places(context)
    configured, api = found.configured.amqp or (), found.configured.management[0]
    first = next((one for one in configured if one.port == parameters.port), configured[0] if configured else None)
    return Layout(
        server=server_program(parameters), nodename=found.nodename, base=found.base, directory=found.directory,
        log=found.log, user=parameters.user, group=parameters.group,
        cookie=parameters.cookie_file or HOME + "/.erlang.cookie", config=found.config,
        port=parameters.port or (first.port if first else PORT), tls=first.tls if first else False,
        version=installed_version(), home=HOME, host=first and first.host or LOOPBACK,
        management_host=api.host or LOOPBACK, management_port=api.port, management_tls=api.tls,
        management_path=found.configured.path, flags=found.feature_flags)


def _places(context):
    """The Places of find_layout. Raises Failed."""
    from quorate.rabbitmq.broker.settings.places import Wanted, places
    parameters = context.parameters
    wanted, problem = Wanted(parameters.nodename, parameters.datadir, parameters.config), None
    try:
        found = places(wanted)
    except Unreadable as error:
        found, problem = None, error.reason
    process = running_broker(context, found.nodename if found else None)
    if process is not None:
        from quorate.host.system import inspection
        from quorate.rabbitmq.broker import running
        own = running.own_directory(process)
        if own is not None:
            wanted = wanted._replace(nodename=own[1], directory=own[0])
        environ = inspection.environment(process)
        try:
            return places(wanted, environ or (), running=bool(environ))
        except Unreadable as error:
            problem = error.reason
    if problem is not None:
        from quorate.ocf import codes
        raise codes.Failed(codes.ERR_ARGS, problem)
    return found


def running_broker(context, nodename):
    """The Process of a broker that can be this Erlang name's (None: any), when there is just one; else None."""
    from quorate.rabbitmq.broker.process import is_broker
    found = [one for one in context.processes.all() if is_broker(one, nodename)]
    return found[0] if len(found) == 1 else None


def locate(context, layout, process, boots=False):
    """The Layout with the listeners that a running broker has; () when it does not listen for AMQP; None when its
    sockets cannot be seen. boots: see running.amqp_place."""
    from quorate.host.system import inspection
    from quorate.rabbitmq.broker import running
    from quorate.rabbitmq.broker.settings.places import Wanted, places
    parameters = context.parameters
    wanted = Wanted(layout.nodename, None, parameters.config, layout.directory)
    try:
        found = places(wanted, inspection.environment(process) or (), running=True)
    except Unreadable:
        return None
    place = running.amqp_place(process, found, parameters.port, boots)
    if not place:
        return place
    preferred = parameters.management_port if parameters.management_port != MANAGEMENT_PORT else None
    api = running.management_place(process, found, preferred)
    return layout._replace(
        host=place.host, port=place.port, tls=place.tls, management_host=api.host, management_port=api.port,
        management_tls=api.tls, management_path=found.configured.path, listener=identity(process),
        log=running.own_log(process, layout.log) or layout.log)


def identity(process):
    """The text that says which process a listener was seen of."""
    return "%d %d" % (process.pid, process.start)


def server_program(parameters):
    """Path of the broker's start script; None when it is not installed. Raises Failed when the parameter leads
    nowhere."""
    if parameters.binary:
        if os.access(parameters.binary, os.X_OK):
            return parameters.binary
        raise _not_installed("There is no program %s (parameter binary)." % parameters.binary)
    return next((path for path in SERVERS if os.access(path, os.X_OK)), None)


def _not_installed(reason):
    from quorate.ocf import codes  # not at the top: the check reads its node's name here, and needs nothing of OCF
    return codes.Failed(codes.ERR_INSTALLED, reason)


def installed_version():
    """The installed version by the name of its directory; None: not found."""
    for library in LIBRARIES:
        try:
            found = parse.version(os.listdir(library))
        except OSError:
            continue
        if found:
            return found
    return None


def nodename(wanted, _env=None, hostname=None):
    """The Erlang name by a parameter alone, where nothing else can be read."""
    from quorate.rabbitmq.broker.settings.places import nodename as named
    return named(wanted, False, hostname)


def configured_ports(config=None):
    """(port of epmd, tuple of the ports of the Erlang distribution) by RabbitMQ's own configuration; what is not
    understood there is the default. config: the agent's parameter."""
    from quorate.rabbitmq.broker.settings.places import DISTRIBUTION, EPMD_PORT, Wanted, places
    try:
        found = places(Wanted("unknown@unknown", None, config, "/nonexistent"))
    except Unreadable:
        return EPMD_PORT, (PORT + DISTRIBUTION,)
    return found.epmd_port, found.distribution_ports()


def text_of(path):
    """The text of a file; '' when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(262144)
    except OSError:
        return ""


# as a state file, so that a monitor need not find the layout again

def encode_layout(layout):
    """The Layout as the values of a state file."""
    return {key: "" if value is None else value for key, value in layout._asdict().items()}


def decode_layout(values):
    """The Layout of a state file; None when there is none, or one of another release. Values that release 0.1.0 did not
    write have their defaults."""
    if set(Layout._fields) - set(Layout._field_defaults) - set(values):
        return None
    found = {key: values[key] or None for key in Layout._fields if key in values}
    for key in ("tls", "management_tls"):
        found[key] = values.get(key) == "True"
    for key, default in (("port", PORT), ("management_port", MANAGEMENT_PORT)):
        found[key] = int(values[key]) if values.get(key, "").isdigit() else default
    found["management_path"] = values.get("management_path", "")
    return Layout(**found)


# problems

def layout_problems(layout):
    """What will keep the broker from starting here: a list of messages, empty if nothing."""
    import pwd
    from quorate.rabbitmq.broker import access
    from quorate.rabbitmq.broker.settings import cookie
    if layout.server is None:
        return ["RabbitMQ is not installed on this node: install rabbitmq-server, or set the parameter binary."]
    try:
        account = pwd.getpwnam(layout.user)
    except KeyError:
        return ["There is no user %s on this node (parameter user)." % layout.user]
    found = cookie.problems(layout, account.pw_uid) + access.problems(layout, account)
    if os.path.isdir(layout.base):
        free = os.statvfs(layout.base)
        if free.f_bavail * free.f_frsize < LEAST_FREE:
            found.append("The file system of %s is full (%d KiB free): make room there." % (
                layout.base, free.f_bavail * free.f_frsize // 1024))
    return found
