# SPDX-License-Identifier: Apache-2.0
"""The answers, made from the poller's fact: HTTP, HAProxy's agent-check, Prometheus."""

from time import monotonic

from quorate.web.check import as_json, role_answer
from quorate.web.request import Request, answer


class Responder:
    """Answers requests. Answers are prepared once for each fact and kept until it changes."""

    def __init__(self, check, poller, clock=monotonic):
        self._check, self._poller, self._clock, self._max_age = check, poller, clock, check.max_age
        self._prepared, self._prepared_for = {}, None
        self.answers = {}

    def respond(self, asked):
        """(bytes, keep the connection?) for a Request or BadRequest."""
        if not isinstance(asked, Request):
            return answer(asked.status, "Malformed HTTP request.\r\n"), False
        fresh = self._clock() - self._poller.asked <= self._max_age
        key = (self._poller.version, fresh, self._check.cache_key())
        if key != self._prepared_for:
            self._prepared, self._prepared_for = {}, key
        # The numbers of these two always change.
        found = None if asked.path in ("/metrics", "/status") else self._prepared.get(asked)
        if found is None:
            status, out = self._prepare(asked, fresh)
            found = (status, out)
            if len(self._prepared) < 1000:  # a client may send any number of paths
                self._prepared[asked] = found
        self.answers[found[0]] = self.answers.get(found[0], 0) + 1
        return found[1], asked.keep_alive

    def agent(self):
        """The line for HAProxy's agent-check. `ready` ends a drain or maint that an earlier line asked for."""
        fact = self._poller.fact
        if self._clock() - self._poller.asked > self._max_age:
            return b"down #hung\n"
        if fact.health.code == "maintenance":
            return b"maint\n"
        if not fact.health.ok:
            return b"down #%s\n" % fact.health.code.encode()
        if fact.draining:
            return b"drain\n"
        return b"up ready %d%%\n" % self._check.weight(fact)

    def _prepare(self, asked, fresh):
        if asked.method not in ("GET", "HEAD", "OPTIONS"):
            return 405, answer(405, "The methods are GET, HEAD and OPTIONS.\r\n", asked.method, asked.keep_alive,
                               extra="Allow: GET, HEAD, OPTIONS\r\n")
        kind = "text/plain; charset=utf-8"
        if asked.path == "/metrics":
            status, body = 200, metrics(self._check, self._poller.fact, fresh, self.answers)
        elif asked.path == "/status":
            status, body, kind = 200, as_json(self._check, self._poller.fact, fresh), "application/json"
        else:
            path = "/" if asked.path == "*" else asked.path
            status, body = role_answer(self._check, self._poller.fact, path, fresh)
        return status, answer(status, body, asked.method, asked.keep_alive, kind)


def metrics(check, fact, fresh, answers):
    """Prometheus' text format 0.0.4. Pure."""
    rows = [("fit", fresh and fact.health.ok), ("answering", fresh and check.answered(fact)),
            ("draining", bool(fact.draining)), ("state", {"state": fact.health.code}, 1)] + list(check.metrics(fact))
    lines, typed = [], set()
    for name, *labels, value in rows:
        full = "quorate_%s_%s" % (check.room, name)
        if full not in typed:
            typed.add(full)
            lines.append("# TYPE %s gauge" % full)
        shown = ",".join('%s="%s"' % (label, _escaped(each)) for label, each in labels[0].items()) if labels else ""
        lines.append("%s%s %.15g" % (full, "{%s}" % shown if shown else "", value))
    lines.append("# TYPE quorate_check_answers_total counter")
    lines += ['quorate_check_answers_total{code="%d"} %d' % item for item in sorted(answers.items())]
    return "\n".join(lines) + "\n"


def _escaped(value):
    return str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
