# SPDX-License-Identifier: Apache-2.0
'''What a check declares. From it the command (quorate.web.command) makes a sentence and an exit code, a resident HTTP
server under systemd, xinetd or by itself, an inetd answer, drain and undrain, HAProxy's agent-check, JSON, metrics and
usage.

A minimal check, complete; checks/pump-check calls `sys.exit(main(PumpCheck))` with main of quorate.web.command:

    from quorate.health import Health
    from quorate.web.check import Check, Fact

    class PumpCheck(Check):
        """pump-check: whether the pump of this node moves water."""

        name, room, service = "pump-check", "pump", "The pump"
        options = {"socket PATH": "the pump's socket (default: /run/pump.sock)"}

        def observe(self, seconds, last):
            state = pump.ask(self.options.get("socket", "/run/pump.sock"), seconds)   # a NamedTuple of facts
            return Fact(state, health.classify(state))                                # Health(code, ok, sentence)

`observe` never raises for what the service does, ends within `seconds`, and may keep a connection in `self` for the
next call. What else can differ is an attribute or a method below: roles, metrics, the agent-check's weight, exit codes,
ages, the text of the manual page (quorate.cli.manual). A check imports no quorate.pacemaker, and at its top nothing
that a single observation does not need: keepalived starts it every second or two.
'''

from collections import namedtuple

from quorate.errors import Usage
from quorate.health import Health

ROLES = {
    "/": "fit for clients",
    "/ready": "the same as /",
    "/live": "the service answers at all, in whatever state: a reason not to kill it",
}
UNANSWERED = ("down", "hung", "unknown")  # codes of a service that gave no answer


class Fact(namedtuple("Fact", "status health draining", defaults=(None,))):
    """What one observation gave. status: a NamedTuple of what is known, or None; health: Health; draining: the reason
    of a drain, or None; the command sets it, not the check."""

    __slots__ = ()


NOTHING_YET = Fact(None, Health("unknown", False, "The service has not been asked yet."))


class Check:
    """One check, configured by its options. Subclasses declare and override; the command makes the instances."""

    name = ""          # of the command
    room = ""          # in the names of its metrics: quorate_ROOM_fit
    service = ""       # begins a sentence: "The database server"
    arguments = ()     # names of the positional arguments; each is found in options
    takes = ""         # how the usage shows them: "NAME"
    options = {}       # "name VALUE": text, or "name": text without a value; each is found in options, '-' written '_'
    several = ()       # names of options that may be given more than once: options has a list
    roles = ROLES      # path: what 200 means there
    undrained = ("/live",)  # paths whose answer a drain does not change
    interval = 0.3     # seconds between two observations of the resident server
    timeout = 0.6      # seconds that one of them may take
    once_timeout = 0.9     # seconds that the single observation for an operator, keepalived or inetd may take
    stalled_after = 15.0   # seconds without a completed observation until the service manager restarts it (WatchdogSec)
    exits = {}         # health code: exit code of a single observation, where it is neither 0 (fit) nor 1 (not)
    # For the manual page (quorate.cli.manual). Its summary is the docstring of the class, after the name and a colon.
    description = ""   # an indented line stays as it is
    files = ()         # of (path, what it is for), beside the flags of a drain
    see_also = ("quorate(8)", "haproxy(1)")
    exit_texts = ()    # of (exit code, text), beside 0, 1 and 2

    def __init__(self, options):
        """options: dict by name with '_' for '-'; what was not given is missing. Raises Usage: exit code 2."""
        self.options = options

    @property
    def max_age(self):
        """Seconds that a fact stays valid, whatever the poller does; an older one answers 503."""
        return self.interval + self.timeout

    @classmethod
    def drain_directory(cls):
        """Where root puts the flags that drain this service."""
        return "/run/quorate/drain-" + cls.room

    @classmethod
    def early_output(cls, options):
        """The text that is printed instead of an observation where the options ask for one, else None."""

    def prepare(self):
        """Import what an observation needs. Called once, before the first observation of the resident server."""

    def resident(self, poller, port):
        """Called when the resident server begins to answer on `port` (None: unknown) with what `poller` finds."""

    def cache_key(self):
        """What answers depend on beside the fact. It is called for each answer, so it must cost nothing."""

    def observe(self, seconds, last):
        """The Fact, within so many seconds. last: the one before, NOTHING_YET at first."""
        raise NotImplementedError

    def close(self, last):
        """Called after a single observation: end the connection properly, if the service logs one that just breaks."""

    def role_health(self, fact, path):
        """(ok, sentence) of a role. Pure but for what `cache_key` covers."""
        if path == "/live":
            return self.answered(fact), fact.health.sentence
        return fact.health.ok, fact.health.sentence

    def fact_cache_key(self, fact):
        """What `role_health` depends on beside the health: prepared answers are made anew when it changes. Pure."""

    def answered(self, fact):
        """Whether the service gave an answer, in whatever state it is. Pure."""
        return fact.health.code not in UNANSWERED

    def weight(self, fact):
        """Per cent of its weight that a fit service asks for by HAProxy's agent-check. Pure."""
        return 100

    def metrics(self, fact):
        """Gauges beside fit, answering, draining and state: (name, number) or (name, {label: value}, number). Pure."""
        return ()

    def known(self, fact):
        """All that is known, as a dict for JSON: keys beside fresh, ok, code, sentence, draining. Pure."""
        return {"facts": as_data(fact.status)}


def role_answer(check, fact, path, fresh=True):
    """(HTTP status, body) of a role: 200, 503, or 404 for a drain and for a role that does not exist. fresh: whether
    the fact is younger than the check's max_age. Pure."""
    if path not in check.roles:
        return 404, "There is no role %s; the roles are: %s\r\n" % (path[:80], " ".join(sorted(check.roles)))
    if not fresh:
        return 503, "%s has not answered for more than %s.\r\n" % (check.service, age(check.max_age))
    ok, sentence = check.role_health(fact, path)
    if ok and fact.draining and path not in check.undrained:
        return 404, "Draining: %s\r\n" % fact.draining
    return (200 if ok else 503), sentence + "\r\n"


def timeout_seconds(text):
    """The value of --timeout: seconds, above 0 and at most 60. Raises Usage."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 60:
        raise Usage("--timeout is a number of seconds, above 0 and at most 60, not '%s'" % text)
    return value


def age(seconds):
    """'a second', '4 seconds'."""
    whole = max(1, round(seconds))
    return "a second" if whole == 1 else "%d seconds" % whole


def as_data(value):
    """A value of facts in the form that JSON has: NamedTuples as dicts, sets as sorted lists, all the way down."""
    if hasattr(value, "_asdict"):
        return {name: as_data(each) for name, each in value._asdict().items()}
    if isinstance(value, dict):
        return {str(name): as_data(each) for name, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [as_data(each) for each in (sorted(value, key=str) if isinstance(value, (set, frozenset)) else value)]
    return value


def as_json(check, fact, fresh=True):
    """All that is known, as JSON text."""
    import json
    return json.dumps(dict(check.known(fact), fresh=fresh, ok=fresh and fact.health.ok, code=fact.health.code,
                           sentence=fact.health.sentence, draining=fact.draining), sort_keys=True) + "\n"
