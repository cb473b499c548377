# SPDX-License-Identifier: Apache-2.0
"""galera-check: one connection to the server, one fact of bounded age, an answer to everybody from it."""

import threading
from collections import namedtuple
from time import monotonic

from quorate.galera import health, sql
from quorate.galera.facts import ServerStatus
from quorate.host import drain
from quorate.web.request import Request, answer

INTERVAL = 0.3     # seconds between questions to the server
TIMEOUT = 0.6      # seconds the server may take for one
MAX_AGE = 0.9      # seconds that a fact stays true, whatever the poller does; an older one answers 503
FLICKER = 0.1      # seconds after which a server that is all well, and says that it is not ready, is asked again
STUCK = 15.0       # seconds without an end of a look: the poller hangs where it has no deadline (a name server)
DONOR_WEIGHT = 50  # per cent of its weight that a donor asks for through the agent-check

ROLES = {
    "/": "fit for clients, as the policy says; clustercheck's answer",
    "/writer": "the one node that takes writes: of the primary component the member with the lowest index, if it is fit",
    "/reader": "fit for reads: synced, or a donor that is not blocked",
    "/read-only": "the same as /reader",
    "/ready": "the same as /",
    "/live": "the server answers at all, in whatever state: a reason not to kill it",
}


class Fact(namedtuple("Fact", "status health draining")):
    """What the last look gave. draining: None or the reason."""

    __slots__ = ()


NOTHING_YET = Fact(ServerStatus(answered=False, error="not asked yet"), health.Health("unknown", False, "Not asked yet."), None)


class Poller(threading.Thread):
    """Asks the server again and again. `fact` is replaced as a whole, so readers need no lock."""

    def __init__(self, settings, policy, mark=drain.active, interval=INTERVAL, timeout=TIMEOUT):
        threading.Thread.__init__(self, daemon=True)
        self.fact, self.asked, self.version = NOTHING_YET, monotonic(), 0
        self._settings, self._policy, self._mark = settings, policy, mark
        self._interval, self._timeout = interval, timeout
        self.looked, self.ended = threading.Event(), threading.Event()

    def run(self):
        session = None
        while not self.ended.is_set():
            try:
                if session is None:
                    session = sql.Session(self._settings())  # read anew after a failure: a password may have changed
                self.look(session)
            except sql.Unreadable as error:
                self._set(unusable(error.reason))
            if not self.fact.status.answered:
                session = None
            self.ended.wait(self._interval)

    def look(self, session):
        """One look: at the server, and at the mark of a drain."""
        status = session.status(self._timeout)
        if self.fact.health.ok and _flickers(status) and not self.ended.wait(FLICKER):
            status = session.status(self._timeout)
        self._set(Fact(status, health.classify(status, self._policy), self._mark()))

    def _set(self, fact):
        self.asked = monotonic()
        if fact._replace(status=None) != self.fact._replace(status=None) or _role(fact) != _role(self.fact):
            self.version += 1
        self.fact = fact
        self.looked.set()


    def stuck(self, seconds=STUCK):
        """Whether no look has come to an end for so long."""
        return monotonic() - self.asked > seconds


def unusable(reason):
    """The Fact that the check has no credentials to ask with."""
    return Fact(ServerStatus(answered=False, error=reason), health.Health("refused", False, reason), None)


def _flickers(status):
    """mariabackup turns wsrep_ready off for an instant (puppet-galera#199)."""
    return status.answered and status.ready is False and status.cluster_status == "Primary" and status.local_state in (2, 4)


def _role(fact):
    return fact.status.answered, fact.status.local_index, fact.status.cluster_size, fact.status.local_state


class Responder:
    """Requests to bytes. Answers are prepared once for each fact and kept until it changes."""

    def __init__(self, poller, max_age=MAX_AGE, clock=monotonic):
        self._poller, self._max_age, self._clock = poller, max_age, clock
        self._prepared, self._for = {}, None
        self.answers = {}

    def respond(self, asked):
        """(bytes, keep the connection?) for a Request or Bad."""
        if not isinstance(asked, Request):
            return answer(asked.status, "This is no request that a check understands.\r\n"), False
        fresh = self._clock() - self._poller.asked <= self._max_age
        mark = (self._poller.version, fresh)
        if mark != self._for:
            self._prepared, self._for = {}, mark
        found = None if asked.path in ("/metrics", "/status") else self._prepared.get(asked)  # their numbers always move
        if found is None:
            status, out = self._prepare(asked, fresh)
            found = (status, out)
            if len(self._prepared) < 1000:  # paths are the client's to invent
                self._prepared[asked] = found
        self.answers[found[0]] = self.answers.get(found[0], 0) + 1
        return found[1], asked.keep_alive

    def agent(self):
        """The line for HAProxy's agent-check. `ready` is what ends a drain or maint that we asked for."""
        fact = self._poller.fact
        if self._clock() - self._poller.asked > self._max_age:
            return b"down #hung\n"
        if fact.health.code == "maintenance":
            return b"maint\n"
        if not fact.health.ok:
            return b"down #%s\n" % fact.health.code.encode()
        if fact.draining:
            return b"drain\n"
        return b"up ready %d%%\n" % (100 if fact.health.code == "synced" else DONOR_WEIGHT)

    def _prepare(self, asked, fresh):
        if asked.method not in ("GET", "HEAD", "OPTIONS"):
            return 405, answer(405, "A check is only read.\r\n", asked.method, asked.keep_alive, extra="Allow: GET, HEAD, OPTIONS\r\n")
        kind = "text/plain; charset=utf-8"
        if asked.path == "/metrics":
            status, body = 200, metrics(self._poller.fact, fresh, self.answers)
        elif asked.path == "/status":
            status, body, kind = 200, as_json(self._poller.fact, fresh), "application/json"
        else:
            path = "/" if asked.path == "*" else asked.path
            status, body = judge(self._poller.fact, path, fresh)
        return status, answer(status, body, asked.method, asked.keep_alive, kind)


def judge(fact, path, fresh=True):
    """(HTTP status, body) for a role. Pure."""
    if path not in ROLES:
        return 404, "There is no role %s; ask for one of: %s\r\n" % (path[:80], " ".join(sorted(ROLES)))
    if not fresh:
        return 503, "The database server has not answered for more than a second.\r\n"
    status, judged = fact.status, fact.health
    ok, sentence = judged.ok, judged.sentence
    if path == "/live":
        ok = status.answered or judged.code in ("out-of-connections", "refused", "non-primary")
        return (200 if ok else 503), sentence + "\r\n"
    if path in ("/reader", "/read-only"):
        relaxed = health.classify(status, health.Policy("auto", True))
        ok, sentence = relaxed.ok, relaxed.sentence
    elif path == "/writer":
        ok, sentence = writer(status, judged)
    if ok and fact.draining:
        return 404, "Draining: %s\r\n" % fact.draining
    return (200 if ok else 503), sentence + "\r\n"


def writer(status, judged):
    """Whether this node is the writer: the index is the same in everyone's eyes (Galera orders a view by UUID), so never
    two in one primary component. A donor stays it, since moving the writer because of a backup would be worse."""
    if judged.code not in ("synced", "donor", "desynced") or status.read_only:
        return False, judged.sentence
    if status.local_index is None:
        return False, "The node's index in the cluster is unknown."
    if status.local_index != 0:
        return False, "Another node is the writer (this one has index %d)." % status.local_index
    return True, "Galera cluster node is the writer."


def as_json(fact, fresh):
    """All that is known, for programs."""
    import json
    return json.dumps({"fresh": fresh, "ok": fresh and fact.health.ok, "code": fact.health.code, "sentence": fact.health.sentence,
                       "draining": fact.draining, "server": dict(fact.status._asdict())}, sort_keys=True) + "\n"


def metrics(fact, fresh, answers):
    """Prometheus' text format 0.0.4."""
    status = fact.status
    lines = ["# TYPE quorate_galera_fit gauge", "quorate_galera_fit %d" % (fresh and fact.health.ok),
             "# TYPE quorate_galera_answering gauge", "quorate_galera_answering %d" % (fresh and status.answered),
             "# TYPE quorate_galera_draining gauge", "quorate_galera_draining %d" % bool(fact.draining),
             "# TYPE quorate_galera_state gauge", 'quorate_galera_state{state="%s"} 1' % fact.health.code]
    for name in ("local_state", "local_index", "cluster_size", "last_committed", "threads_connected"):
        value = getattr(status, name)
        if value is not None:
            lines += ["# TYPE quorate_galera_%s gauge" % name, "quorate_galera_%s %d" % (name, value)]
    lines.append("# TYPE quorate_check_answers_total counter")
    lines += ['quorate_check_answers_total{code="%d"} %d' % item for item in sorted(answers.items())]
    return "\n".join(lines) + "\n"
