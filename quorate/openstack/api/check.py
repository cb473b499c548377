# SPDX-License-Identifier: Apache-2.0
"""api-check: whether an OpenStack API answers a real request."""

from quorate.errors import Usage
from quorate.openstack.api import health, observe
from quorate.openstack.api.facts import ANY, HTML, JSON, TEXT, VERSIONS
from quorate.openstack.api.presets import PRESETS, PROJECT, preset
from quorate.web.check import Check, Fact

KINDS = (ANY, JSON, VERSIONS, HTML, TEXT)


class ApiCheck(Check):
    """api-check: say whether an OpenStack API answers a real request"""

    name, room, service = "api-check", "api", "The API"
    arguments, takes = ("target",), "SERVICE|URL"
    roles = {
        "/": "it answers a real request, as it should",
        "/ready": "the same as /",
        "/live": "it answers at all, even if with an error: a reason not to kill it",
    }
    options = {
        "host HOST": "where the service listens (default: 127.0.0.1; SERVICE is one of %s)" % ", ".join(PRESETS),
        "port N": "its port (default: the usual one of the service)",
        "tls": "with https, for a service by name",
        "path PATH": "ask for this (default: /healthcheck, and a list of versions where there is none)",
        "expect KIND": "what has to come: %s" % ", ".join(KINDS),
        "cacert FILE": "certificates of the authorities to believe (default: the system's)",
        "insecure": "believe any certificate",
        "credentials FILE": "OS_ names as in an openrc file, which is read and not executed: ask something that needs a token",
        "token-file FILE": "a token that somebody else keeps fresh, instead",
        "timeout SECONDS": "for all of one look (default: 3)",
    }
    exits = {"unknown": 3, "refused": 3}
    interval, timeout, once_timeout = 1.0, 3.0, 3.0
    description = """Asks an OpenStack API something and says in one sentence what is wrong, if anything is: nobody listens, it hangs, drips \
or breaks off, its TLS is not accepted, it answers an error, or something that is no API. A list of versions may come as 200 \
or 300. The whole look is limited, whatever the server or the name server does.

    api-check keystone
    api-check --host 192.0.2.11 --tls nova
    api-check https://cloud.example:5000/v3
    api-check --credentials /etc/quorate/api-check.openrc neutron

With credentials it asks Keystone for a token, keeps it, and asks the service something that needs it and its database. \
Without a token, because Keystone gives none, the service is asked what needs none, and that is said: a lost Keystone must \
not take all other services out of a load balancer. Keystone itself is judged by whether it lets the check in.

Resident (--listen, or systemctl enable --now quorate-api-check@PORT.socket with ARGS in /etc/quorate/api-check-PORT) it asks \
every second and answers 200 or 503 from the last fact."""
    files = (("/etc/quorate/api-check-PORT", "ARGS=... for the unit quorate-api-check@PORT: the options and the service."),)
    see_also = ("quorate(8)", "haproxy(1)", "galera-check(8)")
    exit_texts = (("3", "Unknown: it could not be asked (name, credentials refused).",),)

    def __init__(self, options, client=None):
        Check.__init__(self, options)
        self.title, self.target = target_of(options)
        if "timeout" in options:
            self.timeout = self.once_timeout = seconds_of(options["timeout"])
        self.stuck = max(self.stuck, 5 * self.timeout)
        self._identity = identity_of(options, self.target)
        self._client = client
        self._verify = False if options.get("insecure") else options.get("cacert", True)
        if "cacert" in options:
            readable(options["cacert"])

    def prepare(self):
        from quorate.openstack.api.transport import Client
        if self._client is None:
            if self._verify is False:
                import urllib3
                urllib3.disable_warnings()
            self._client = Client(self._verify)

    def observe(self, seconds, last):
        self.prepare()
        state = observe.observe(self._client, self.target, self._identity, seconds)
        return Fact(state, health.classify(state, self.title))

    def answered(self, fact):
        return fact.status is not None and fact.status.answer.status is not None

    def metrics(self, fact):
        if fact.status is None or fact.status.answer.seconds is None:
            return ()
        return (("seconds", fact.status.answer.seconds), ("http_status", fact.status.answer.status or 0))


def target_of(options):
    """(title, probe.Target). Raises Usage."""
    word = options.get("target", "")
    if "://" in word:
        return _by_url(word, options)
    found = preset(word)
    if not found:
        raise Usage(("there is no service called %s; " % word if word else "") + "name a URL or one of: " + ", ".join(PRESETS))
    port = options.get("port", str(found.port))
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise Usage("--port is a number, not '%s'" % port)
    host = options.get("host", "127.0.0.1")
    if "/" in host or "@" in host or not host:
        raise Usage("--host is a name or an address, not '%s'" % host)
    base = "%s://%s:%s" % ("https" if options.get("tls") else "http", "[%s]" % host if host.count(":") > 1 and host[0] != "["
                           else host, port)
    paths, deep = _paths(options, found.paths, found.deep)
    return found.title, observe.Target(base, paths, deep, found.headers, found is PRESETS["keystone"])


def _by_url(url, options):
    scheme, _, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    for name in ("host", "port", "tls"):
        if name in options:
            raise Usage("--%s does not go with a URL, which has its own" % name)
    if scheme not in ("http", "https") or not place or "?" in place:
        raise Usage("not an http:// or https:// URL: '%s'" % url)
    if "@" in place:
        raise Usage("a password in a URL is readable for every user; use --credentials")
    given = ("/" + path, JSON) if path else None
    paths, deep = _paths(options, (given,) if given else (("/healthcheck", ANY), ("/", VERSIONS)), given and given[0])
    return "The API", observe.Target("%s://%s" % (scheme, place), paths, deep)


def _paths(options, paths, deep):
    """What is asked: a path by option is both, with and without a token."""
    kind = options.get("expect")
    if kind is not None and kind not in KINDS:
        raise Usage("--expect is one of %s, not '%s'" % (", ".join(KINDS), kind))
    if "path" in options:
        if not options["path"].startswith("/"):
            raise Usage("--path begins with /")
        paths, deep = ((options["path"], kind or ANY),), options["path"]
    elif kind:
        paths = tuple((path, kind) for path, _ in paths)
    return paths, deep


def identity_of(options, target):
    """Who asks; None: nobody. Raises Usage."""
    from quorate.openstack.api.credentials import Login, TokenFile
    if "credentials" in options and "token_file" in options:
        raise Usage("--credentials or --token-file, not both")
    if ("credentials" in options or "token_file" in options) and not target.deep:
        raise Usage("there is nothing to ask with a token here; name it with --path")
    if "token_file" in options:
        if PROJECT in target.deep:
            raise Usage("what is asked holds the id of a project: use --credentials, or name it with --path")
        return TokenFile(options["token_file"])
    if "credentials" in options:
        return Login(options["credentials"], target.base if target.login else None)
    return None


def readable(path):
    """Raises Usage when a file cannot be read."""
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise Usage("--cacert %s: %s" % (path, error.strerror)) from None


def seconds_of(text):
    """A number of seconds above 0. Raises Usage."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 60:
        raise Usage("--timeout is a number of seconds, not '%s'" % text)
    return value
