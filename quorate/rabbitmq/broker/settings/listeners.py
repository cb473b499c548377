# SPDX-License-Identifier: Apache-2.0
"""Where the broker is configured to listen: AMQP, the management API, and all else. From what its files say; pure.

A key of advanced.config, or of the classic rabbitmq.config, replaces that of rabbitmq.conf (cuttlefish_advanced.erl);
NODE_IP_ADDRESS and NODE_PORT count where no file sets listeners (rabbit_env.erl, context_to_app_env_vars/1). Source:
rabbit.schema and rabbitmq_management.schema, rabbit_networking.erl, rabbit_mgmt_app.erl, 3.10.8 and 4.0.5.
"""

from collections import namedtuple

from quorate.errors import Unreadable
from quorate.rabbitmq.broker.settings.terms import properties

PORT, TLS_PORT = 5672, 5671
MANAGEMENT, MANAGEMENT_TLS = 15672, 15671
DISTRIBUTION = 20000  # the port of the Erlang distribution is that of AMQP and so much
# Other listeners: the application, its key in a file of terms, the prefix in rabbitmq.conf, default ports.
OTHERS = (("rabbitmq_prometheus", "prometheus", (15692, 15691)), ("rabbitmq_mqtt", "mqtt", (1883, 8883)),
          ("rabbitmq_stomp", "stomp", (61613, 61614)), ("rabbitmq_stream", "stream", (5552, 5551)),
          ("rabbitmq_web_stomp", "web_stomp", (15674, 15673)), ("rabbitmq_web_mqtt", "web_mqtt", (15675, 15676)))
USED = ("ip", "port", "ssl")  # of a listener of the management API
LISTENING_KEYS = ("tcp_listeners", "ssl_listeners", "tcp_config", "ssl_config", "port")


class Listener(namedtuple("Listener", "host port tls")):
    """host: an address as text; None: all addresses; port: number; tls: True or False."""

    __slots__ = ()


class Configured(namedtuple("Configured", "amqp management path others problem", defaults=(None,))):
    """amqp, management: tuples of Listener, in RabbitMQ's order; amqp None: set, and not understood; path: prefix of
    the management API, '' or '/...'; others: frozenset of ports on which something else listens; problem: a sentence
    with file and line about what is not understood."""

    __slots__ = ()


def configured(conf, terms, variables):
    """Configured by these files. conf: dict name -> conf.Setting; terms: dict application -> dict key -> term;
    variables: variables.Variables."""
    amqp, problem = None, None
    try:
        amqp = _amqp(conf, terms.get("rabbit", {}), variables)
    except Unreadable as error:
        problem = error.reason
    try:
        management = _management(conf, terms.get("rabbitmq_management", {}))
    except Unreadable as error:
        management, problem = (Listener(None, MANAGEMENT, False),), problem or error.reason
    path = terms.get("rabbitmq_management", {}).get("path_prefix")
    try:
        if path is None:
            path = conf["management.path_prefix"].plain() if "management.path_prefix" in conf else ""
    except Unreadable as error:
        path, problem = "", problem or error.reason
    path = str(path).strip("/")
    return Configured(amqp, management, "/" + path if path else "", _others(conf, terms), problem)


# AMQP

def _amqp(conf, rabbit, variables):
    plain, secured = _of_conf(conf, "listeners.tcp"), _of_conf(conf, "listeners.ssl")
    if plain is None:
        plain = [(variables.get("NODE_IP_ADDRESS"), _number(variables.get("NODE_PORT", str(PORT)), variables.path))]
    if "tcp_listeners" in rabbit:
        plain = _of_terms(rabbit["tcp_listeners"])
    secured = _of_terms(rabbit["ssl_listeners"]) if "ssl_listeners" in rabbit else secured or []
    return tuple([Listener(_address(host), port, False) for host, port in plain]
                 + [Listener(_address(host), port, True) for host, port in secured])


def _of_conf(conf, prefix):
    """A list of (address or None, port) by the lines of a prefix; [] for `prefix = none`; None: it is not set."""
    if prefix in conf and conf[prefix].value == "none":
        return []
    found = [setting for name, setting in conf.items() if name.startswith(prefix + ".")]
    return [_place(setting) for setting in found] or None


def _place(setting):
    """(address or None, port) of '5672', '192.0.2.11:5672', ':::5672' or '[::1]:5672'."""
    host, _, port = setting.value.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise setting.wrong("'%s' is neither a port nor ADDRESS:PORT." % setting.value)
    return host.strip("[]") or None, int(port)


def _of_terms(term):
    """The same of a term such as [5672, {"192.0.2.11", 5672}]. Raises Unreadable."""
    found = []
    for one in term if isinstance(term, list) else [None]:
        host, port = (one[0], one[1]) if isinstance(one, tuple) and len(one) in (2, 3) else (None, one)
        if isinstance(host, tuple):
            host = _numbers(host)
        if not isinstance(port, int) or isinstance(port, bool) or not isinstance(host, (str, type(None))):
            raise Unreadable("tcp_listeners or ssl_listeners is not understood: %r." % (one,))
        found.append((host, port))
    return found


def _numbers(host):
    """The text of an address that is a tuple of numbers."""
    if not all(isinstance(part, int) for part in host):
        raise Unreadable("An address is not understood: %r." % (host,))
    return ".".join("%d" % part for part in host) if len(host) == 4 else ":".join("%x" % part for part in host)


def _number(text, path):
    if not text.isdigit() or int(text) > 65535:
        raise Unreadable("%s: NODE_PORT is no port: %s." % (path, text))
    return int(text)


def _address(host):
    return None if host in (None, "", "auto", "0.0.0.0", "::") else host


# the management API

def _management(conf, terms):
    """Listeners as rabbit_mgmt_app:get_listeners_config/0 chooses them."""
    plain, secured = _one(conf, terms, "tcp", "tcp_config"), _one(conf, terms, "ssl", "ssl_config")
    legacy = _one(conf, terms, "listener", "listener")
    found = []
    if legacy is not None and not (plain is not None and secured is not None):
        found.append(_listener(legacy, MANAGEMENT, legacy.get("ssl") in (True, "true")))
    if plain is not None or secured is None and not found:
        found.append(_listener(plain or {}, MANAGEMENT, False))
    if secured is not None:
        found.append(_listener(secured, MANAGEMENT_TLS, True))
    return tuple(found)


def _one(conf, terms, word, key):
    """A listener's settings as a dict; None: it is not configured."""
    if key in terms:
        return properties(terms[key])
    prefix = "management.%s." % word
    found = {name[len(prefix):]: setting for name, setting in conf.items() if name.startswith(prefix)}
    for name, setting in found.items():
        if name == "port" and not setting.value.isdigit():
            raise setting.wrong("'%s' is no port." % setting.value)
    return {name: setting.plain() if name in USED else setting.value for name, setting in found.items()} or None


def _listener(settings, port, tls):
    host = settings.get("ip")
    host = _numbers(host) if isinstance(host, tuple) else host
    try:
        return Listener(_address(host), int(settings.get("port", port)), tls)
    except (TypeError, ValueError):
        raise Unreadable("The port of the management API is not understood: %r." % (settings.get("port"),)) from None


# all else

def _others(conf, terms):
    """Ports on which the broker's plugins are configured to listen, and on which they do by default."""
    found = set()
    for application, word, ports in OTHERS:
        found.update(ports)
        for key in LISTENING_KEYS:
            found.update(_ports(terms.get(application, {}).get(key)))
        for name, setting in conf.items():
            if name.startswith(word + ".") and (".listeners." in name or name.endswith((".port", ".listener"))):
                found.update(_ports(setting.value.rpartition(":")[2]))
    return frozenset(found)


def _ports(value):
    """The ports somewhere in a term or a text."""
    if isinstance(value, (list, tuple)):
        return {port for one in value for port in _ports(one)}
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    return {value} if isinstance(value, int) and 0 < value < 65536 else set()
