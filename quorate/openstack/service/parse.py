# SPDX-License-Identifier: Apache-2.0
"""Text to facts: configuration files of OpenStack services, URLs, command lines, lists of processes and sockets. Pure.

The form of the files is that of oslo.config (iniparser.py): sections, key = value or key: value, continuation lines
that begin with a blank, comments with # or ;, the last value holds, $name and ${name} stand for other options. That of
transport URLs is oslo.messaging's (transport.py): several hosts with credentials each. Defaults are those of Cinder 21,
Heat 19 and Nova 26 (common/config.py and conf/ of each).
"""

from quorate.openstack.facts import Address, Settings, Sockets, Tree

AMQP_PORT, AMQPS_PORT, SQL_PORT = 5672, 5671, 3306
TRUE = ("true", "1", "yes", "on")


def ini(text, pairs=None):
    """(section, key) to value, added to those in `pairs`. Keys have '_' for '-'. Never fails: a line that is no option
    is left out."""
    found = {} if pairs is None else pairs
    section, key = "DEFAULT", None
    for line in text.splitlines():
        if not line or line[0] in "#;":
            continue
        if line[0] in " \t":
            if key is not None and line.strip() and line.strip()[0] not in "#;":
                found[(section, key)] += "\n" + line.strip()
            continue
        if line[0] == "[":
            section, key = line[1:].partition("]")[0].strip(), None
            continue
        ends = [at for at in (line.find("="), line.find(":")) if at > 0]
        if not ends:
            key = None
            continue
        key = line[:min(ends)].strip().replace("-", "_")
        value = line[min(ends) + 1:].strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found[(section, key)] = value
    return found


def option(pairs, key, section="DEFAULT", depth=4):
    """The value of an option, with the options that it refers to substituted; None when it is not set or empty."""
    value = pairs.get((section, key))
    if value and "$" in value and depth:
        value = _substituted(pairs, section, value, depth - 1)
    return value or None


def _substituted(pairs, section, value, depth):
    out, rest = [], value
    while "$" in rest:
        before, _, rest = rest.partition("$")
        out.append(before)
        if rest.startswith("$"):
            out.append("$")
            rest = rest[1:]
            continue
        braced = rest.startswith("{")
        name = rest[1:].partition("}")[0] if braced else _option_name(rest)
        rest = rest[1:].partition("}")[2] if braced else rest[len(name):]
        group, _, key = name.rpartition(".")
        known = option(pairs, key, group or section, depth) or option(pairs, key, group or "DEFAULT", depth)
        out.append(known or "")
    return "".join(out) + rest


def _option_name(text):
    end = 0
    while end < len(text) and (text[end].isalnum() or text[end] in "_."):
        end += 1
    return text[:end]


def words(value):
    """A comma-separated list."""
    return tuple(word.strip() for word in (value or "").replace("\n", ",").split(",") if word.strip())


def number(value, default):
    """A number, the default where the text is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return default


def settings(pairs, service, hostname):
    """The Settings of a service from its options, as ini() gives them. hostname: its name when no option sets one."""
    host = option(pairs, "host") or hostname
    interval = number(option(pairs, "report_interval"), 10.0)
    if service.row == "heat":
        interval = number(option(pairs, "periodic_interval"), 60.0)
    down = number(option(pairs, "service_down_time"), 60.0) if service.row != "heat" else 2 * interval
    listen, tls = _listener(pairs, service)
    return Settings(
        readable=True, brokers=brokers(option(pairs, "transport_url") or ""),
        database=database(option(pairs, "connection", "database") or ""), host=host,
        backends=backends(pairs, host) if service.workers == "backends" else (),
        cluster=option(pairs, "cluster") if service.workers == "backends" else None, workers=_workers(pairs, service),
        exchange=option(pairs, "control_exchange") or service.exchange, interval=interval, down=down, listen=listen,
        tls=tls)


def backends(pairs, host):
    """(section, host) of every enabled backend of Cinder: backend_host of its section overrides host."""
    return tuple((name, option(pairs, "backend_host", name) or host)
                 for name in dict.fromkeys(words(option(pairs, "enabled_backends"))))


def _workers(pairs, service):
    if service.workers != "engines":
        return None
    value = option(pairs, "num_engine_workers")
    return int(value) if value and value.isdigit() and int(value) > 0 else None


def _listener(pairs, service):
    """((host, port), whether it speaks TLS only) of the console proxy, else (None, None)."""
    if service.name != "nova-novncproxy":
        return None, None
    port = option(pairs, "novncproxy_port", "vnc") or "6080"
    return ((option(pairs, "novncproxy_host", "vnc") or "0.0.0.0", int(port) if port.isdigit() else 6080),
            (option(pairs, "ssl_only") or "").lower() in TRUE)


def brokers(text):
    """The Addresses in a transport URL of RabbitMQ; () for any other URL."""
    scheme, accounts, path, query = split_url(text)
    if scheme.partition("+")[0] not in ("rabbit", "kombu"):
        return ()
    tls = dict(query).get("ssl", "").lower() in TRUE
    default = AMQPS_PORT if tls else AMQP_PORT
    return tuple(Address(host, port or default, user, password, path or "/", tls)
                 for user, password, host, port in accounts if host)


def database(text):
    """The Address in a database URL of MySQL or MariaDB; None for any other URL."""
    scheme, accounts, path, query = split_url(text)
    if scheme.partition("+")[0] not in ("mysql", "mariadb") or not accounts:
        return None
    user, password, host, port = accounts[0]
    options = dict(query)
    return Address(host or "localhost", port or SQL_PORT, user or "root", password or "", path,
                   any(name.startswith("ssl") for name in options), options.get("unix_socket"))


def split_url(text):
    """(scheme, ((user, password, host, port), ...), path, ((name, value), ...)), unquoted; port: int or None."""
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        return "", (), "", ()
    rest, _, query = rest.partition("?")
    places, _, path = rest.partition("/")
    found = []
    for place in places.split(","):
        account, at, where = place.rpartition("@")
        user, _, password = account.partition(":")
        if where.startswith("["):
            host, _, port = where[1:].partition("]")
            port = port.lstrip(":")
        else:
            host, _, port = where.partition(":")
        found.append((unquoted(user) if at else None, unquoted(password) if at else None, host,
                      int(port) if port.isdigit() else None))
    pairs = tuple(tuple(unquoted(half) for half in part.partition("=")[::2]) for part in query.split("&") if part)
    return scheme.lower(), tuple(found), unquoted(path), pairs


def unquoted(text):
    """Text with %40 and the like decoded. Importing urllib.parse costs more than all else that the monitor does."""
    if "%" not in text:
        return text
    out, raw = bytearray(), text.encode("utf-8")
    at = 0
    while at < len(raw):
        try:
            out.append(int(raw[at + 1:at + 3], 16) if raw[at:at + 1] == b"%" and len(raw[at + 1:at + 3]) == 2
                       else raw[at])
            at += 3 if raw[at:at + 1] == b"%" and len(raw[at + 1:at + 3]) == 2 else 1
        except ValueError:
            out.append(raw[at])
            at += 1
    return out.decode("utf-8", "replace")


def program(argv):
    """What a process runs: the script where argv begins with an interpreter, else argv[0]; '' when argv is empty.

    'timeout 9 cinder-volume', 'su -c cinder-volume' and 'vi cinder-volume' run something else. For a service that has
    renamed its process ('neutron-server: api worker (...)') it is the part before the colon.
    """
    if not argv:
        return ""
    if not argv[0].rpartition("/")[2].startswith(("python", "pypy")):
        return argv[0].partition(": ")[0]
    return next((word for word in argv[1:] if not word.startswith("-")), "")


def config_files(argv):
    """Values of --config-file on a command line."""
    found = []
    for index, word in enumerate(argv):
        if word.startswith("--config-file="):
            found.append(word[len("--config-file="):])
        elif word == "--config-file" and index + 1 < len(argv):
            found.append(argv[index + 1])
    return tuple(found)


def is_agent(argv, runs):
    """Whether this is not the service but a resource agent of the same name: an agent gets an action ('monitor'), a
    service gets options only. Seen when two agents ran at once: each took the other for a second copy."""
    following = argv[argv.index(runs) + 1:argv.index(runs) + 2] if runs in argv else ()
    return "/resource.d/" in runs or runs.rpartition("/")[0].endswith("agents") or bool(
        following and not following[0].startswith("-"))


def is_service(argv, service, config, binary=None):
    """Whether a process runs this service with this configuration. binary: the parameter, if it names another program.

    A process with another configuration file belongs to another instance. Its user does not matter: a copy that
    somebody started as root is a copy.
    """
    runs = program(argv)
    if not runs or is_agent(argv, runs):
        return False
    if binary and "/" in binary:
        named = runs == binary or runs.rpartition("/")[2] == service.name
    else:
        named = runs.rpartition("/")[2] in (service.name, binary or service.name)
    files = config_files(argv)
    return named and (not files or config is None or config in files)


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
