# SPDX-License-Identifier: Apache-2.0
"""Where this machine keeps its broker, found and not assumed: Debian's package and Red Hat's.

rabbitmq-env.conf is shell that the broker's own scripts execute; here it is read, not executed. A name in it that only a
shell could work out has to be said with a parameter.

The Erlang cookie: the secret by which the nodes of a cluster know each other. Looked at, compared, never shown.

Whoever has it may run anything in the broker, so only the broker's user may read it; Erlang itself refuses a file that
others can (net_kernel, auth.erl).
"""

import os
from collections import namedtuple

from quorate.ocf import codes
from quorate.ocf.codes import Failed
from quorate.rabbitmq.broker import parse

HOME = "/var/lib/rabbitmq"
ENV = "/etc/rabbitmq/rabbitmq-env.conf"
CONF = "/etc/rabbitmq/rabbitmq.conf"
LOGS = "/var/log/rabbitmq"
PORT = 5672
SERVERS = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "/opt/rabbitmq/sbin/rabbitmq-server", "/usr/sbin/rabbitmq-server",
           "/usr/local/sbin/rabbitmq-server")
# where the packages keep rabbitmq_server-VERSION
LIBRARIES = ("/usr/lib/rabbitmq/lib", "/usr/lib64/rabbitmq/lib", "/opt")
DIGITS = 6  # of the hash: 24 bits, enough to see a difference and of no use to guess the cookie
ROUNDS = 20000


class Layout(namedtuple("Layout", "server nodename base directory log user group cookie config port tls version home")):
    """server: the program, None: not found; nodename: 'rabbit@n1'; base: directory of all nodes' data; directory: of this
    node's; log: file; cookie: file; config: rabbitmq.conf; port, tls: of the AMQP listener; version: text, None: unknown."""

    __slots__ = ()

    def feature_flags(self):
        """The file with the feature flags that are enabled (3.8 to 4.x)."""
        return self.directory + "-feature_flags"

    def environment(self):
        """What the broker and its tools have to be told, over what they read themselves."""
        return {"RABBITMQ_NODENAME": self.nodename, "HOME": self.home}


def text_of(path):
    """The text of a file; '' when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(262144)
    except OSError:
        return ""


def find_layout(context):
    """The Layout by parameters and the broker's own configuration. Raises Failed with a sentence."""
    parameters = context.parameters
    env = parse.settings(text_of(ENV))
    if parameters.config and not os.path.isfile(parameters.config):
        raise Failed(codes.ERR_INSTALLED, "The configuration file %s (parameter config) does not exist on this node."
                     % parameters.config)
    config = parameters.config or _configured(env.get("CONFIG_FILE")) or CONF
    conf = parse.options(text_of(config))
    name = nodename(parameters.nodename, env)
    base = (parameters.datadir or env.get("MNESIA_BASE") or HOME + "/mnesia").rstrip("/")
    directory = env.get("MNESIA_DIR") if env.get("MNESIA_DIR") and not parameters.datadir else os.path.join(base, name)
    port, tls = (parameters.port, False) if parameters.port else parse.port(conf)
    if port is None:
        number = env.get("NODE_PORT") or ""
        port = int(number) if number.isdigit() else PORT
    return Layout(
        server_program(parameters), name, base, directory, os.path.join(env.get("LOG_BASE") or LOGS, name + ".log"),
        parameters.user, parameters.group, parameters.cookie_file or HOME + "/.erlang.cookie", config, port, tls, version(),
        HOME)


def nodename(wanted, env, hostname=None):
    """The broker's Erlang name. Raises Failed when only a shell could tell."""
    host = hostname or os.uname().nodename
    long_names = (env.get("USE_LONGNAME") or "").lower() in ("true", "1")
    name = wanted
    if not name and "NODENAME" in env:
        name = env["NODENAME"]
        if name is None:
            raise Failed(codes.ERR_ARGS, "The NODENAME in %s is not a plain name, so set the parameter nodename, for example "
                         "nodename=rabbit (the host's name is added)." % ENV)
    name = name or "rabbit"
    if "@" in name:
        return name
    if long_names and "." not in host:
        import socket
        host = socket.getfqdn()
    return "%s@%s" % (name, host if long_names else host.partition(".")[0])


def server_program(parameters):
    """Path of the broker's start script; None when it is not installed. Raises Failed when the parameter leads nowhere."""
    if parameters.binary:
        if os.access(parameters.binary, os.X_OK):
            return parameters.binary
        raise Failed(codes.ERR_INSTALLED, "There is no program %s (parameter binary)." % parameters.binary)
    return next((path for path in SERVERS if os.access(path, os.X_OK)), None)


def version():
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


def as_note(layout):
    """The Layout as a note, so that a monitor need not look for it again."""
    return {key: "" if value is None else value for key, value in layout._asdict().items()}


def from_note(note):
    """The Layout of a note, None when there is none (or one of another release)."""
    if set(Layout._fields) - set(note):
        return None
    values = {key: note[key] or None for key in Layout._fields}
    values["tls"] = note["tls"] == "True"
    values["port"] = int(note["port"]) if note["port"].isdigit() else PORT
    return Layout(**values)


def layout_problems(layout):
    """What will keep the broker from starting here: a list of sentences, empty if nothing."""
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
        if free.f_bavail * free.f_frsize < 16 * 1024 * 1024:
            found.append("The file system of %s is full (%d KiB free): make room there." % (
                layout.base, free.f_bavail * free.f_frsize // 1024))
    return found


def cookie_problems(layout, uid):
    """What is wrong with this node's cookie: a list of sentences."""
    path = layout.cookie
    try:
        status = os.stat(path)
    except OSError:
        return ["There is no Erlang cookie %s on this node. Copy the file from another node of the cluster; for the first "
                "node of all: quorate rabbitmq cookie" % path]
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
    """A few digits that are alike where the cookies are; None when there is none that can be read.

    Slow on purpose, and cut short: it goes into a node attribute, where the cookie must not be found out from it.
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
    """Make a cookie where there is none: by the operator's word only. Raises FileExistsError when there is one."""
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
