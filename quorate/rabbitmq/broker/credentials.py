# SPDX-License-Identifier: Apache-2.0
"""The broker's endpoint: its addresses, and credentials from a file that only root and the check can read."""

import os
from collections import namedtuple

from quorate.errors import Unreadable

CREDENTIALS = "/etc/quorate/rabbitmq.cnf"
_LOCAL = ("127.0.0.1", "::1", "localhost")
_NUMBERS = ("port", "management-port", "epmd-port")
_KNOWN = ("user", "password", "vhost", "host", "ssl", "ssl-ca", "ssl-cert", "ssl-key", "management-host",
          "management-ssl") + _NUMBERS
_YES = ("1", "yes", "on", "true")


class Endpoint(namedtuple("Endpoint", (
        "host port tls cafile vhost user password management_host management_port management_tls node log pid_file "
        "epmd_port management_path certificate"),
        defaults=("127.0.0.1", 5672, False, None, "/", None, None, "127.0.0.1", 15672, False, None, None, None, 4369,
                  "", None))):
    """Where the broker of this node can be asked, and as whom. user: None: no credentials, so only what needs none is
    asked; node: Erlang name, or None; log, pid_file: paths, or None; management_path: '' or '/...'; certificate: None,
    or (file, file of its key) of the client for a broker that demands one. repr() shows no password."""

    __slots__ = ()

    def __repr__(self):
        return "Endpoint(%s:%d, user=%s, node=%s)" % (self.host, self.port, self.user, self.node)


def with_file(endpoint, path=CREDENTIALS, needed=False):
    """The Endpoint with what the [client] section of the file says. Without a file it stays as it is, unless the file
    is needed. Raises Unreadable."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            mode, text = os.fstat(file.fileno()).st_mode, file.read()
    except FileNotFoundError:
        if needed:
            raise Unreadable("There is no file of credentials %s." % path) from None
        return endpoint
    except OSError as error:
        raise Unreadable("The file of credentials %s cannot be read: %s." % (path, error.strerror)) from None
    if mode & 0o007:
        raise Unreadable("Every user can read the file of credentials, so it is not used: chmod o= %s" % path)
    return merged(endpoint, client_section(text), path)


def client_section(text):
    """NAME=value lines below [client] as a dict, '-' for '_' in names; where there is no section, all of them. Pure. A
    value may stand in quotes; a # begins a comment only after a blank, since passwords contain it."""
    found = {}
    section = None if any(line.strip().startswith("[") for line in text.splitlines()) else "client"
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section == "client" and line and line[0] not in "#;":
            name, equals, value = line.partition("=")
            if equals:
                found[name.strip().replace("_", "-")] = _unquoted(value.strip())
    return found


def _unquoted(value):
    if value[:1] in ("'", '"') and value[0] in value[1:]:
        return value[1:].partition(value[0])[0]
    return value.partition(" #")[0].partition("\t#")[0].strip()


def merged(endpoint, found, path):
    """The Endpoint with the settings of a file. Raises Unreadable. Pure."""
    unknown = [name for name in found if name not in _KNOWN]
    if unknown:
        raise Unreadable("%s: '%s' is not known; it may have %s." % (path, unknown[0], ", ".join(_KNOWN)))
    for name in _NUMBERS:
        if name in found and not (found[name].isdigit() and 0 < int(found[name]) < 65536):
            raise Unreadable("%s: %s is a number from 1 to 65535." % (path, name))
    if (not found.get("user") or "password" not in found) and ("user" in found or "ssl-cert" not in found):
        raise Unreadable("%s has no [client] section with user and password." % path)
    if "ssl-key" in found and "ssl-cert" not in found:
        raise Unreadable("%s: ssl-key is the key of a certificate: set ssl-cert." % path)
    tls = found["ssl"].lower() in _YES if "ssl" in found else endpoint.tls
    host = found.get("host", endpoint.host)
    if tls and not found.get("ssl-ca") and "host" in found and host not in _LOCAL:
        raise Unreadable("%s: a password is sent to %s only when the certificate is checked: set ssl-ca."
                         % (path, host))
    port = endpoint.port if tls == endpoint.tls else 5671 if tls else 5672
    secured = found["management-ssl"].lower() in _YES if "management-ssl" in found else endpoint.management_tls
    certificate = (found["ssl-cert"], found.get("ssl-key")) if "ssl-cert" in found else None
    return endpoint._replace(
        host=host, port=int(found.get("port", port)), tls=tls, cafile=found.get("ssl-ca"),
        vhost=found.get("vhost", endpoint.vhost), user=found.get("user"), password=found.get("password"),
        management_host=found.get("management-host", endpoint.management_host),
        management_port=int(found.get("management-port", endpoint.management_port)), management_tls=secured,
        epmd_port=int(found.get("epmd-port", endpoint.epmd_port)), certificate=certificate)


def configured_endpoint(node=None):
    """(Endpoint, problem) of this machine's broker by RabbitMQ's own configuration; no program is started for it. node:
    the Erlang name, None: the configured one. problem: a sentence about what is set and not understood, or None; then
    the node of the Endpoint may be unknown, and a running broker has to show it."""
    from quorate.rabbitmq.broker.settings.places import Wanted, places
    try:
        found = places(Wanted(node))
    except Unreadable as error:
        return Endpoint(node=node), error.reason
    amqp, api = (found.configured.amqp or (None,))[0], found.configured.management[0]
    endpoint = Endpoint(node=found.nodename, log=found.log, pid_file=found.pid_file, epmd_port=found.epmd_port,
                        management_host=api.host or "127.0.0.1", management_port=api.port, management_tls=api.tls,
                        management_path=found.configured.path)
    if amqp is None:
        return endpoint, found.problem
    return endpoint._replace(host=amqp.host or "127.0.0.1", port=amqp.port, tls=amqp.tls), found.problem


def running_endpoint(endpoint, process):
    """The Endpoint with what a running broker shows: its listeners, name and log. () when it does not listen for AMQP;
    None when that cannot be seen."""
    from quorate.host.system import inspection
    from quorate.rabbitmq.broker import running
    from quorate.rabbitmq.broker.process import boot_stage
    from quorate.rabbitmq.broker.settings.places import Wanted, places
    from quorate.rabbitmq.facts import STARTING, WAITING
    environ = inspection.environment(process) or {}
    given = None if "RABBITMQ_NODENAME" in environ else endpoint.node
    directory, name = running.own_directory(process) or (None, given)
    try:
        found = places(Wanted(name, None, None, directory), environ, running=True)
        name = found.nodename
    except Unreadable:  # its name; where it listens can be found all the same
        try:
            found = places(Wanted("unknown@unknown", None, None, "/nonexistent"), environ, running=True)
        except Unreadable:
            return None
    log = running.own_log(process, found.log) or found.log
    place = running.amqp_place(process, found, None, boot_stage(log, process) in (STARTING, WAITING))
    if not place:
        return place
    api = running.management_place(process, found)
    return endpoint._replace(
        host=place.host, port=place.port, tls=place.tls, node=name, log=log, management_host=api.host,
        management_port=api.port, management_tls=api.tls, management_path=found.configured.path)
