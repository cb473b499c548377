# SPDX-License-Identifier: Apache-2.0
'''What a check declares. The command (quorate.web.command) makes of it a sentence and an exit code, a resident HTTP server
under systemd, xinetd or by itself, an inetd answer, drain and undrain, HAProxy's agent-check, JSON, metrics, a manual page.

A minimal check, all of it; checks/pump-check calls `sys.exit(main(PumpCheck))` with main of quorate.web.command:

    from quorate.health import Health
    from quorate.web.check import Check, Fact

    class PumpCheck(Check):
        """pump-check: whether the pump of this node moves water."""

        name, room, service = "pump-check", "pump", "The pump"
        options = {"socket PATH": "the pump's socket (default: /run/pump.sock)"}

        def observe(self, seconds, last):
            state = probe.ask(self.options.get("socket", "/run/pump.sock"), seconds)   # a NamedTuple of facts
            return Fact(state, health.classify(state))                                 # Health(code, ok, sentence)

`observe` never raises for what the service does, ends within `seconds`, and may keep a connection in `self` from look to look.
What else can differ is an attribute or a method below: roles, metrics, the agent-check's weight, exit codes, ages, the text
of the manual page. A check imports no quorate.pacemaker, and at its top nothing that a single look does not need: keepalived starts it every second or two.
'''

from collections import namedtuple

from quorate.health import Health

ROLES = {
    "/": "fit for clients",
    "/ready": "the same as /",
    "/live": "the service answers at all, in whatever state: a reason not to kill it",
}
UNANSWERED = ("down", "hung", "unknown")  # codes of a service that gave no answer


class Fact(namedtuple("Fact", "status health draining", defaults=(None,))):
    """What the last look gave. status: a NamedTuple of what is known, or None; health: Health; draining: None or the
    reason, which is not the check's to set."""

    __slots__ = ()


NOTHING_YET = Fact(None, Health("unknown", False, "Not asked yet."))


class Check:
    """One check, configured by its options. Subclasses declare and override; instances are made by the command."""

    name = ""          # of the command
    room = ""          # of its metrics: quorate_ROOM_fit
    service = ""       # begins a sentence: "The database server"
    arguments = ()     # names of arguments by position; each is found in options
    takes = ""         # how the usage shows them: "NAME"
    options = {}       # "name VALUE": text, or "name": text without a value; each is found in options, '-' written '_'
    several = ()       # names of options that may be given more than once: options has a list
    roles = ROLES      # path: what 200 means there
    undrained = ("/live",)  # paths that a drain changes nothing at
    interval = 0.3     # seconds between looks of the resident server
    timeout = 0.6      # seconds that one of its looks may take
    once_timeout = 0.9     # seconds that the look of a person, keepalived or inetd may take
    stuck = 15.0       # seconds without an end of a look after which the service manager starts it anew (WatchdogSec)
    exits = {}         # health code: exit code of one look, where it is neither 0 (fit) nor 1 (not)
    # For the manual page (quorate.cli.manual), which takes its summary from the class's docstring, behind the name and a colon.
    description = ""   # an indented line stays as it is
    files = ()         # of (path, what it is for), beside the flags of a drain
    see_also = ("quorate(8)", "haproxy(1)")
    exit_texts = ()    # of (exit code, text), beside 0, 1 and 2

    def __init__(self, options):
        """options: dict by name with '_' for '-'; what was not given is missing. Raises quorate.errors.Usage: the usage, exit code 2."""
        self.options = options

    @property
    def max_age(self):
        """Seconds that a fact stays true, whatever the poller does; an older one answers 503."""
        return self.interval + self.timeout

    @classmethod
    def drain_directory(cls):
        """Where root marks that this service drains."""
        return "/run/quorate/drain-" + cls.room

    @classmethod
    def told(cls, options):
        """A text that is printed instead of a look, where the options ask for one. None: they ask for a look."""
        return None

    def prepare(self):
        """Import what a look needs, once and before the first one of the resident server."""

    def resident(self, poller, port):
        """The resident server begins to answer on `port` (None: it is not known), from what `poller` finds."""

    def cache_key(self):
        """What answers depend on beside the fact. It is asked for each answer, so it has to cost nothing."""
        return None

    def observe(self, seconds, last):
        """The Fact, within so many seconds. last: the one before, NOTHING_YET at first."""
        raise NotImplementedError

    def close(self, last):
        """After a single look: say goodbye, if the service minds."""

    def judge(self, fact, path):
        """(ok, sentence) of a role. Pure but for what `changing` tells."""
        if path == "/live":
            return self.answered(fact), fact.health.sentence
        return fact.health.ok, fact.health.sentence

    def fact_cache_key(self, fact):
        """What `judge` looks at beside the health: when it changes, prepared answers are made anew. Pure."""
        return None

    def answered(self, fact):
        """Whether the service gave an answer, in whatever state it is. Pure."""
        return fact.health.code not in UNANSWERED

    def weight(self, fact):
        """Per cent of its weight that a fit service asks for through HAProxy's agent-check. Pure."""
        return 100

    def metrics(self, fact):
        """Gauges beside fit, answering, draining and state: (name, number) or (name, {label: value}, number). Pure."""
        return ()

    def known(self, fact):
        """All that is known, as a dict for JSON: keys beside fresh, ok, code, sentence, draining. Pure."""
        return {"facts": plain(fact.status)}


def judged(check, fact, path, fresh=True):
    """(HTTP status, body) for a role: 200, 503, 404 for a drain and for a role that does not exist. Pure."""
    if path not in check.roles:
        return 404, "There is no role %s; ask for one of: %s\r\n" % (path[:80], " ".join(sorted(check.roles)))
    if not fresh:
        return 503, "%s has not answered for more than %s.\r\n" % (check.service, age(check.max_age))
    ok, sentence = check.judge(fact, path)
    if ok and fact.draining and path not in check.undrained:
        return 404, "Draining: %s\r\n" % fact.draining
    return (200 if ok else 503), sentence + "\r\n"


def age(seconds):
    """'a second', '4 seconds'."""
    whole = max(1, round(seconds))
    return "a second" if whole == 1 else "%d seconds" % whole


def plain(value):
    """A value with its NamedTuples as dicts, all the way down."""
    if hasattr(value, "_asdict"):
        return {name: plain(each) for name, each in value._asdict().items()}
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in (sorted(value, key=str) if isinstance(value, (set, frozenset)) else value)]
    return value


def as_json(check, fact, fresh=True):
    """All that is known, for programs."""
    import json
    return json.dumps(dict(check.known(fact), fresh=fresh, ok=fresh and fact.health.ok, code=fact.health.code,
                           sentence=fact.health.sentence, draining=fact.draining), sort_keys=True) + "\n"
