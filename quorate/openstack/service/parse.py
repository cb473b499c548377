# SPDX-License-Identifier: Apache-2.0
"""Text to facts: options, command lines, lists of processes and sockets. Pure.

Names and defaults of options are those of Cinder 21, Heat 19, Nova 26 (common/config.py and conf/ of each), oslo.db and
oslo.messaging.
"""

from quorate.openstack.facts import Settings, Sockets, Tree
from quorate.openstack.service import url
from quorate.openstack.service.options import Misread, boolean, words

RABBIT = "oslo_messaging_rabbit"
# Option -> deprecated names (oslo_messaging/_drivers/impl_rabbit.py; oslo_db/options.py).
TLS = {"ssl": "rabbit_use_ssl", "ssl_ca_file": "kombu_ssl_ca_certs", "ssl_cert_file": "kombu_ssl_certfile",
       "ssl_key_file": "kombu_ssl_keyfile", "ssl_enforce_hostname_verification": None}
OLD_CONNECTION = (("DEFAULT", "sql_connection"), ("database", "sql_connection"), ("sql", "connection"))
# Options of oslo.log by which it logs somewhere else than to standard error.
LOGS = (("log_file", "logfile"), ("log_dir", "logdir"), ("log_config_append", "log_config"), ("use_syslog", None),
        ("use_journal", None), ("use_eventlog", None))


def settings(options, service, hostname):
    """The Settings of a service from its Options. hostname: its name when no option sets one. What refers to an option
    that is set nowhere is unknown, and named in `problems`."""
    problems = []

    def get(key, section="DEFAULT", also=(), default=None):
        try:
            return options.get(key, section, also) or default
        except Misread as error:
            problems.append(str(error))
            return None

    def whole(key, default, least=None, section="DEFAULT", also=()):
        """A number as oslo.config reads it (types.Integer); None, and a problem, where it is none or below `least`."""
        try:
            text = options.get(key, section, also)
            value = default if text is None else int(text)
        except Misread as error:
            problems.append(str(error))
            return None
        except ValueError:
            value = None
        if value is None or least is not None and value < least:
            problems.append("%s = %s is no whole number%s" % (
                key, text, "" if least is None else " above %d" % (least - 1)))
            return None
        return value

    host = get("host", default=hostname)
    interval, down = _intervals(whole, service, problems)
    listen, tls = _listener(get, whole, service, problems)
    return Settings(
        readable=True, brokers=_brokers(get, problems), database=_database(get, problems), host=host,
        backends=_backends(get, host) if service.workers == "backends" else (),
        cluster=get("cluster") if service.workers == "backends" else None, workers=_workers(whole, service),
        exchange=get("control_exchange") or service.exchange, interval=interval, down=down, listen=listen,
        tls=tls, logs=any(_set(get, *names) for names in LOGS), problems=tuple(problems))


def _set(get, name, old):
    value = get(name, also=(("DEFAULT", old),) if old else ())
    return bool(value) and (boolean(value) is not False or not name.startswith("use_"))


def _backends(get, host):
    """(section, host) of every enabled backend of Cinder: backend_host of its section overrides host. () when one of
    the names is unknown."""
    found = tuple((name, get("backend_host", _section(name), default=host))
                  for name in dict.fromkeys(words(get("enabled_backends"))))
    return found if all(one for _name, one in found) else ()


def _section(name):
    return name if name == "DEFAULT" else name.lower()


def _intervals(whole, service, problems):
    """(seconds between two heartbeats, seconds without one after which a service counts as down), None where it is not
    known which. With 0 seconds a service reports nothing, so that it counts as down for ever."""
    if service.row == "heat":
        interval = whole("periodic_interval", 60, 1)
        return (None, None) if interval is None else (float(interval), 2.0 * interval)
    interval, down = whole("report_interval", 10, 1), whole("service_down_time", 60)
    if interval is None or down is None:
        return None, None
    if down <= interval:  # as Cinder and Nova take it (cinder/service.py, basic_config_check; nova/servicegroup/api.py)
        problems.append("service_down_time = %d is not above report_interval = %d, so the service takes %d for it" % (
            down, interval, 2.5 * interval))
        down = 2.5 * interval
    return float(interval), float(down)


def _workers(whole, service):
    """num_engine_workers; None: the service decides, or it is not known."""
    return whole("num_engine_workers", 0, 0) or None if service.workers == "engines" else None


def _listener(get, whole, service, problems):
    """((host, port), whether it speaks TLS only) of the console proxy, else (None, None)."""
    if service.name != "nova-novncproxy":
        return None, None
    port = whole("novncproxy_port", 6080, 0, "vnc", (("DEFAULT", "novncproxy_port"),))
    host = get("novncproxy_host", "vnc", (("DEFAULT", "novncproxy_host"),), "0.0.0.0") or "0.0.0.0"
    tls = get("ssl_only", default="false")
    if tls is not None and boolean(tls) is None:
        problems.append("ssl_only = %s is neither true nor false" % tls)
    return (host, port or 6080), boolean(tls) is True


def _brokers(get, problems):
    options = {name: get(name, RABBIT, ((RABBIT, old),) if old else ()) for name, old in TLS.items()}
    try:
        return url.brokers(get("transport_url") or "", options)
    except Misread as error:
        problems.append("transport_url: %s" % error)
        return ()


def _database(get, problems):
    try:
        return url.database(get("connection", "database", OLD_CONNECTION) or "",
                        get("connection_parameters", "database") or "")
    except Misread as error:
        problems.append("[database] connection: %s" % error)
        return None


def program(argv):
    """What a process runs: the script where argv begins with an interpreter, else argv[0]; '' when argv is empty.

    'timeout 9 cinder-volume', 'su -c cinder-volume' and 'vi cinder-volume' run something else. For a service that has
    renamed its process ('neutron-server: api worker (...)') it is the part before the colon.
    """
    if not argv:
        return ""
    interpreter = argv[0].rpartition("/")[2]
    if not interpreter.startswith(("python", "pypy", "platform-python")):  # the last one is that of RHEL 8
        return argv[0].partition(": ")[0]
    words = iter(argv[1:])
    for word in words:
        if not word.startswith("-"):
            return word
        if word == "--check-hash-based-pycs" or _takes_the_next_word(word):
            next(words, None)
    return ""


def _takes_the_next_word(word):
    """Whether the value of an option of Python's is the next word: '-W ignore', '-sX dev'; of '-Wignore' it is not."""
    letters = "" if word.startswith("--") else word[1:]
    first = next((letter for letter in letters if letter in "WXcm"), "")
    return first in ("W", "X") and letters.endswith(first) and letters.index(first) == len(letters) - 1


def config_options(argv, directory=""):
    """(('file' or 'directory', path), ...) of --config-file and --config-dir on a command line, in its order. directory:
    that relative paths begin at."""
    found = []
    for index, word in enumerate(argv):
        for option, kind in (("--config-file", "file"), ("--config-dir", "directory")):
            if word.startswith(option + "="):
                found.append((kind, word[len(option) + 1:]))
            elif word == option and index + 1 < len(argv):
                found.append((kind, argv[index + 1]))
    return tuple((kind, path if path.startswith("/") or not directory else "%s/%s" % (directory, path))
                 for kind, path in found)


def is_agent(argv, runs):
    """Whether this is not the service but a resource agent of the same name: an agent gets an action ('monitor'), a
    service gets options only. Seen when two agents ran at once: each took the other for a second copy."""
    following = argv[argv.index(runs) + 1:argv.index(runs) + 2] if runs in argv else ()
    return "/resource.d/" in runs or runs.rpartition("/")[0].endswith("agents") or bool(
        following and not following[0].startswith("-"))


def is_service(argv, service, config, binary=None, real=str):
    """Whether a process runs this service with this configuration; None: the service, and its command line, which would
    say with which configuration, is lost, since it has renamed itself. binary: the parameter, if it names another
    program; real: gives for a path of the process the one without links.

    A process with another configuration file belongs to another instance. Its user does not matter: a copy that
    somebody started as root is a copy.
    """
    if not is_named(argv, service, binary):
        return False
    if config is None:
        return True
    return None if len(argv) == 1 or argv[-1] in ("--config-file", "--config-dir") else reads(argv, service, config, real)


def reads(argv, service, config, real):
    """Whether a process with this command line reads this configuration file, by which its instance is known.

    Where it names files, it is one of them. Where it names none, it reads the usual one and those in the directories
    that it names. Beside a file of its distribution (/usr/share), it is one of a directory, too.
    """
    options, wanted = config_options(argv), real(config)
    files = [path for kind, path in options if kind == "file"]
    if any(path == config or real(path) == wanted for path in files):
        return True
    if any(not path.startswith("/usr/share/") for path in files):
        return False
    directories = [path for kind, path in options if kind == "directory"]
    if any(real(path) == wanted.rpartition("/")[0] for path in directories):
        return True
    return not files and real(service.config) == wanted


def is_named(argv, service, binary=None):
    """Whether a process runs the program of this service, with whatever configuration."""
    runs = program(argv)
    if not runs or is_agent(argv, runs):
        return False
    if binary and "/" in binary:
        return runs == binary or runs.rpartition("/")[2] == service.name
    return runs.rpartition("/")[2] in (service.name, binary or service.name)


def tree(found, first=None, leaders=frozenset(), alone=False):
    """The Tree of the service's processes `found`.

    first: pid of the parent if it is known; leaders: pids that lead their process group; alone: the service has no
    workers, so its forks serve connections. What a worker forks is neither parent nor worker.
    """
    by_pid = {one.pid: one for one in found}
    children = {}
    for one in found:
        if one.ppid in by_pid:
            children.setdefault(one.ppid, []).append(one)
    roots = [one for one in found if one.ppid not in by_pid]
    parents = [one for one in roots if one.pid == first or one.pid in children or one.pid in leaders]
    orphans = tuple(one for one in roots if one not in parents)
    if not parents:
        return Tree(None, (), orphans, ())
    parent = next((one for one in parents if one.pid == first), None) or min(parents, key=lambda one: one.start)
    below = tuple(sorted(children.get(parent.pid, ()), key=lambda one: one.pid))
    workers = (parent,) if alone or not below else below
    return Tree(parent, workers, orphans, tuple(one for one in parents if one is not parent))


def count(sockets, amqp_ports, sql_port):
    """The Sockets of one process, from those that the kernel lists (quorate.host.connections.Socket); None: they could
    not be observed."""
    if sockets is None:
        return Sockets()
    established = [one.remote_port for one in sockets if one.state == "established"]
    return Sockets(sum(port in amqp_ports for port in established), sum(port == sql_port for port in established),
                   frozenset(one.port for one in sockets if one.state == "listen"))
