# SPDX-License-Identifier: Apache-2.0
"""api-check: whether an OpenStack API answers a real request, for HAProxy, monitoring and operators."""

from quorate.errors import Usage
from quorate.openstack.api import health, observe
from quorate.openstack.api.facts import ANY, HTML, JSON, TEXT, VERSIONS
from quorate.openstack.api.presets import PRESETS, PROJECT, preset
from quorate.web.check import Check, Fact, timeout_seconds

KINDS = (ANY, JSON, VERSIONS, HTML, TEXT)


class ApiCheck(Check):
    """api-check: say whether an OpenStack API answers a real request"""

    name, room, service = "api-check", "api", "The API"
    arguments, takes = ("target",), "SERVICE|URL"
    roles = {
        "/": "it answers a real request as expected",
        "/ready": "the same as /",
        "/live": "it answers at all, even with an error: a reason not to kill it",
    }
    options = {
        "host HOST": "where the service listens (default: 127.0.0.1; SERVICE is one of %s)" % ", ".join(PRESETS),
        "port N": "its port (default: the usual one of the service)",
        "tls": "use https, for a service given by name",
        "path PATH": "the path to request (default: /healthcheck, and a list of versions where there is none)",
        "expect KIND": "the kind of answer that is expected: %s" % ", ".join(KINDS),
        "cacert FILE": "certificates of the authorities to trust (default: the system's)",
        "insecure": "accept any certificate",
        "credentials FILE": "OS_ names as in an openrc file, which is read, not executed: make a request with a token",
        "token-file FILE": "a file with a token, which something else renews, instead of credentials",
        "timeout SECONDS": "limit of one whole check (default: 3)",
    }
    exits = {"unknown": 3, "refused": 3}
    interval, timeout, once_timeout = 1.0, 3.0, 3.0
    description = """Makes a request to an OpenStack API and says in one sentence what is wrong, if anything is: \
nothing listens, it hangs or sends too slowly, the answer is incomplete, TLS fails, it answers an error, or it is \
no API. A list of versions may come as 200 or 300. The whole check has a time limit, whatever the server or the \
name server does.

    api-check keystone
    api-check --host 192.0.2.11 --tls nova
    api-check https://cloud.example:5000/v3
    api-check --credentials /etc/quorate/api-check.openrc neutron

With credentials it gets a token from Keystone, keeps it, and makes a request that needs the token and the service's \
database. If Keystone gives no token, it makes a request that needs none, and says so: a failure of Keystone must not \
take all other services out of a load balancer. Keystone itself is healthy if it issues a token.

Resident (--listen, or systemctl enable --now quorate-api-check@PORT.socket with ARGS in /etc/quorate/api-check-PORT) \
it makes a request every second and answers 200 or 503 from the last result."""
    files = (("/etc/quorate/api-check-PORT",
              "ARGS=... for the unit quorate-api-check@PORT: the options and the service."),)
    see_also = ("quorate(8)", "haproxy(1)", "galera-check(8)")
    exit_texts = (("3", "Unknown: it could not be asked (name not resolved, credentials refused).",),)

    def __init__(self, options, client=None):
        Check.__init__(self, options)
        self.title, self.target = parse_target(options)
        if "timeout" in options:
            self.timeout = self.once_timeout = timeout_seconds(options["timeout"])
        self.stalled_after = max(self.stalled_after, 5 * self.timeout)
        self._identity = parse_identity(options, self.target)
        self._client = client
        self._verify = False if options.get("insecure") else options.get("cacert", True)
        if "cacert" in options:
            _require_readable(options["cacert"])

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


def parse_target(options):
    """(title, observe.Target) from the options. Raises Usage."""
    name = options.get("target", "")
    if "://" in name:
        return _by_url(name, options)
    found = preset(name)
    if not found:
        raise Usage(("there is no service called %s; " % name if name else "") + "name a URL or one "
                    "of: " + ", ".join(PRESETS))
    port = options.get("port", str(found.port))
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise Usage("--port is a number from 1 to 65535, not '%s'" % port)
    host = options.get("host", "127.0.0.1")
    if "/" in host or "@" in host or not host:
        raise Usage("--host is a name or an address, not '%s'" % host)
    shown = "[%s]" % host if host.count(":") > 1 and host[0] != "[" else host
    base = "%s://%s:%s" % ("https" if options.get("tls") else "http", shown, port)
    paths, deep = _paths(options, found.paths, found.deep)
    return found.title, observe.Target(base, paths, deep, found.headers, found is PRESETS["keystone"])


def _by_url(url, options):
    scheme, _, rest = url.partition("://")
    place, _, path = rest.partition("/")
    for name in ("host", "port", "tls"):
        if name in options:
            raise Usage("--%s does not go with a URL, which contains it" % name)
    if scheme not in ("http", "https") or not place or "?" in place:
        raise Usage("not an http:// or https:// URL: '%s'" % url)
    if "@" in place:
        raise Usage("a password in a URL is readable for every user: use --credentials")
    given = ("/" + path, JSON) if path else None
    paths, deep = _paths(options, (given,) if given else (("/healthcheck", ANY), ("/", VERSIONS)), given and given[0])
    return "The API", observe.Target("%s://%s" % (scheme, place), paths, deep)


def _paths(options, paths, deep):
    """(paths without a token, path with a token), as Target has them; --path sets both. Raises Usage."""
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


def parse_identity(options, target):
    """The Login or TokenFile to make requests with; None: without a token. Raises Usage."""
    from quorate.openstack.api.credentials import Login, TokenFile
    if "credentials" in options and "token_file" in options:
        raise Usage("give --credentials or --token-file, not both")
    if ("credentials" in options or "token_file" in options) and not target.deep:
        raise Usage("no request with a token is known for this target: give its path with --path")
    if "token_file" in options:
        if PROJECT in target.deep:
            raise Usage("the request contains the id of a project: use --credentials, or give its path with --path")
        return TokenFile(options["token_file"])
    if "credentials" in options:
        return Login(options["credentials"], target.base if target.login else None)
    return None


def _require_readable(path):
    """Raise Usage when a file cannot be read."""
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise Usage("--cacert %s: %s" % (path, error.strerror)) from None
