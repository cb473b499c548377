# SPDX-License-Identifier: Apache-2.0
"""Where this machine keeps its broker: found, not assumed, for Debian's and Red Hat's packages. Also the Erlang cookie.

rabbitmq-env.conf is shell that the broker's own scripts execute; here it is read and not executed. A name in it that
only a shell could work out has to be given by a parameter.

The Erlang cookie is the secret by which the nodes of a cluster know each other. Whoever has it may run anything in the
broker, so only the broker's user may read it; Erlang itself refuses a file that others can read (net_kernel, auth.erl).
It is compared by a fingerprint, and never shown.
"""

import os
from collections import namedtuple

from quorate.rabbitmq.broker import parse

HOME = "/var/lib/rabbitmq"
DATA = HOME + "/mnesia"
ENV = "/etc/rabbitmq/rabbitmq-env.conf"
CONF = "/etc/rabbitmq/rabbitmq.conf"
LOGS = "/var/log/rabbitmq"
PORT = 5672
SERVERS = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "/opt/rabbitmq/sbin/rabbitmq-server", "/usr/sbin/rabbitmq-server",
           "/usr/local/sbin/rabbitmq-server")
LIBRARIES = ("/usr/lib/rabbitmq/lib", "/usr/lib64/rabbitmq/lib", "/opt")  # where packages keep rabbitmq_server-VERSION
LEAST_FREE = 16 * 1024 * 1024  # bytes on the file system of the data
DIGITS = 6  # of the hash: 24 bits, enough to see a difference and of no use to guess the cookie
ROUNDS = 20000


class Layout(namedtuple("Layout", "server nodename base directory log user group cookie config port tls version home")):
    """server: the program, None: not found; nodename: 'rabbit@n1'; base: directory of all nodes' data; directory: of
    this node's; log: file; cookie: file; config: rabbitmq.conf; port, tls: of the AMQP listener; version: text, None:
    unknown."""

    __slots__ = ()

    def feature_flags(self):
        """The file with the feature flags that are enabled (3.8 to 4.x)."""
        return self.directory + "-feature_flags"

    def environment(self):
        """Environment variables that tell the broker and its tools what they do not read themselves."""
        return {"RABBITMQ_NODENAME": self.nodename, "HOME": self.home}


def find_layout(context):
    """The Layout by parameters and the broker's own configuration. Raises Failed with a message."""
    parameters = context.parameters
    env = parse.settings(text_of(ENV))
    if parameters.config and not os.path.isfile(parameters.config):
        raise _not_installed("The configuration file %s (parameter config) does not exist on this node."
                             % parameters.config)
    config = parameters.config or _configured(env.get("CONFIG_FILE")) or CONF
    conf = parse.options(text_of(config))
    name = nodename(parameters.nodename, env)
    base = (parameters.datadir or env.get("MNESIA_BASE") or DATA).rstrip("/")
    directory = env.get("MNESIA_DIR") if env.get("MNESIA_DIR") and not parameters.datadir else os.path.join(base, name)
    port, tls = (parameters.port, False) if parameters.port else parse.port(conf)
    if port is None:
        number = env.get("NODE_PORT") or ""
        port = int(number) if number.isdigit() else PORT
    return Layout(
        server=server_program(parameters), nodename=name, base=base, directory=directory,
        log=os.path.join(env.get("LOG_BASE") or LOGS, name + ".log"), user=parameters.user, group=parameters.group,
        cookie=parameters.cookie_file or HOME + "/.erlang.cookie", config=config, port=port, tls=tls,
        version=installed_version(), home=HOME)


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


def _configured(path):
    """A configuration file by its variable, which may lack the '.conf'."""
    if not path:
        return None
    return path if os.path.isfile(path) or path.endswith(".conf") else path + ".conf"


def text_of(path):
    """The text of a file; '' when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(262144)
    except OSError:
        return ""


# rabbitmq-env.conf. `nodename` is the agent's reader, `check_nodename` the check's. They differ: in quotes, in comments
# behind a value, in long names, and in what they do with a name that only a shell could work out. Issue 11 joins them.

def nodename(wanted, env, hostname=None):
    """The broker's Erlang name. wanted: the parameter; env: see parse.settings. Raises Failed when only a shell could
    tell."""
    host = hostname or os.uname().nodename
    long_names = (env.get("USE_LONGNAME") or "").lower() in ("true", "1")
    name = wanted
    if not name and "NODENAME" in env:
        name = env["NODENAME"]
        if name is None:
            from quorate.ocf import codes
            raise codes.Failed(codes.ERR_ARGS,
                               "The NODENAME in %s is not a plain name, so set the parameter nodename, for "
                               "example nodename=rabbit (the host's name is added)." % ENV)
    name = name or "rabbit"
    if "@" in name:
        return name
    if long_names and "." not in host:
        import socket
        host = socket.getfqdn()
    return "%s@%s" % (name, host if long_names else host.partition(".")[0])


def check_nodename(path=ENV, hostname=None):
    """The Erlang name of this node: NODENAME of rabbitmq-env.conf, else rabbit@ and the short host name."""
    found = {}
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
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


def configured_epmd_port(default):
    """ERL_EPMD_PORT of rabbitmq-env.conf; `default` where that is no number."""
    port = parse.settings(text_of(ENV)).get("ERL_EPMD_PORT") or ""
    return int(port) if port.isdigit() else default


# as a state file, so that a monitor need not find the layout again

def encode_layout(layout):
    """The Layout as the values of a state file."""
    return {key: "" if value is None else value for key, value in layout._asdict().items()}


def decode_layout(values):
    """The Layout of a state file; None when there is none, or one of another release."""
    if set(Layout._fields) - set(values):
        return None
    found = {key: values[key] or None for key in Layout._fields}
    found["tls"] = values["tls"] == "True"
    found["port"] = int(values["port"]) if values["port"].isdigit() else PORT
    return Layout(**found)


# problems

def layout_problems(layout):
    """What will keep the broker from starting here: a list of messages, empty if nothing."""
    import pwd
    if layout.server is None:
        return ["RabbitMQ is not installed on this node: install rabbitmq-server, or set the parameter binary."]
    try:
        account = pwd.getpwnam(layout.user)
    except KeyError:
        return ["There is no user %s on this node (parameter user)." % layout.user]
    found = cookie_problems(layout, account.pw_uid)
    for path in (layout.base, layout.directory, os.path.dirname(layout.log)):
        if os.path.isdir(path) and os.stat(path).st_uid != account.pw_uid:
            found.append("The directory %s belongs to uid %d and not to %s: chown -R %s:%s %s" % (
                path, os.stat(path).st_uid, layout.user, layout.user, layout.group, path))
    if os.path.isdir(layout.base):
        free = os.statvfs(layout.base)
        if free.f_bavail * free.f_frsize < LEAST_FREE:
            found.append("The file system of %s is full (%d KiB free): make room there." % (
                layout.base, free.f_bavail * free.f_frsize // 1024))
    return found


def cookie_problems(layout, uid):
    """What is wrong with this node's cookie: a list of messages. uid: of the broker's user."""
    path = layout.cookie
    try:
        status = os.stat(path)
    except OSError:
        return ["There is no Erlang cookie %s on this node. Copy the file from another node of the cluster; on the "
                "first node of all: quorate rabbitmq cookie" % path]
    if status.st_uid != uid:
        return ["The Erlang cookie %s belongs to uid %d and not to %s: chown %s:%s %s && chmod 400 %s" % (
            path, status.st_uid, layout.user, layout.user, layout.group, path, path)]
    if status.st_mode & 0o077:
        return ["The Erlang cookie %s can be read by others (mode %o), and Erlang refuses it: chmod 400 %s" % (
            path, status.st_mode & 0o777, path)]
    if not status.st_size:
        return ["The Erlang cookie %s is empty. Copy the file from another node of the cluster." % path]
    return []


def cookie_fingerprint(layout, salt):
    """A few digits that are equal where the cookies are; None when no cookie can be read.

    Slow on purpose, and cut short: it goes into a node attribute, and nobody must be able to find out the cookie from
    it.
    """
    try:
        with open(layout.cookie, "rb") as file:
            secret = file.read(4096).strip()
    except OSError:
        return None
    if not secret:
        return None
    from hashlib import pbkdf2_hmac
    return pbkdf2_hmac("sha256", secret, ("quorate " + salt).encode(), ROUNDS).hex()[:DIGITS]


def create_cookie(layout):
    """Make a cookie, only when an operator orders it. Raises FileExistsError when there is one."""
    import pwd
    import secrets
    account = pwd.getpwnam(layout.user)
    handle = os.open(layout.cookie, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    try:
        os.write(handle, secrets.token_hex(32).encode())
        os.fchown(handle, account.pw_uid, account.pw_gid)
        os.fsync(handle)
    finally:
        os.close(handle)
