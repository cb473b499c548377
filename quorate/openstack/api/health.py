# SPDX-License-Identifier: Apache-2.0
"""What an Answer means: a Health. Pure."""

from quorate.health import Health
from quorate.openstack.api import facts
from quorate.openstack.api.parse import shown

LISTS = (200, 300)  # a list of versions comes as either
REDIRECTS = (301, 302, 303, 307, 308)
ABSENT = (404, 405)  # this path does not exist; another one may
NAMES = {facts.JSON: "JSON", facts.VERSIONS: "a list of versions", facts.HTML: "a page", facts.TEXT: "text"}


def classify(state, title):
    """The Health. Its codes: serving, degraded (fit, but asked without the token that was configured), maintenance,
    error, refused, missing, redirected, garbled, half, closed, down, hung, tls, unknown."""
    answer, where = state.answer, "%s (%s)" % (title, state.url)
    if answer.error:
        return _no_answer(answer, where)
    status = answer.status
    if status == 503 and "DISABLED BY FILE" in answer.words:
        return Health("maintenance", False, "%s is disabled by a file of the operator (disable_by_file of "
                      "oslo.middleware): remove that file." % where)
    if status >= 500:
        return Health("error", False, "%s answers %d%s; see its log." % (where, status, _body_of_error(answer)))
    if status == 401:
        return Health("refused", False, "%s answers 401: it %s." % (
            where, "refuses the %s of the check" % state.asked_as if state.asked_as else
            "requires a token. Give --credentials, or a --path that needs no token"))
    if status == 403 and state.asked_as:
        return Health("serving", True, "%s answers 403: it accepts the token, but a policy forbids the "
                      "request." % where)
    if status in ABSENT:
        return Health("missing", False, "%s answers %d: there is nothing at this path. Is it the port of another "
                      "service?" % (where, status))
    if status in REDIRECTS:
        return Health("redirected", False, "%s redirects its clients to %s; check its configuration." % (
            where, shown(answer.location or "nowhere")))
    if status not in LISTS:
        return Health("error", False, "%s answers %d%s." % (where, status, _body_of_error(answer)))
    if not fits(answer.kind, state.wanted):
        return Health("garbled", False, "%s answers %d with %s, which is not %s. Is it the port of another service?" % (
            where, status, {facts.EMPTY: "no body", facts.HTML: "a page"}.get(answer.kind, "'%s'" % answer.words),
            NAMES[state.wanted]))
    if state.identity:
        return Health("degraded", True, "%s answers a request without a token. With a token it was not asked: %s" % (
            where, state.identity))
    return Health("serving", True, "%s answers%s." % (where, " with a token" if state.asked_as else ""))


def fits(kind, wanted):
    """Whether a body is of the kind that was expected."""
    return wanted in (facts.ANY, kind) or wanted == facts.JSON and kind == facts.VERSIONS


def _body_of_error(answer):
    return ": %s" % answer.words if answer.words and answer.kind != facts.HTML else ""


def _no_answer(answer, where):
    """The Health without a complete answer."""
    error, detail = answer.error, answer.detail
    if error == facts.REFUSED:
        return Health("down", False, "%s refuses the connection: nothing listens there." % where)
    if error == facts.UNREACHABLE:
        return Health("down", False, "%s cannot be reached: %s." % (where, detail))
    if error == facts.NAME:
        return Health("unknown", False, "%s cannot be asked: its host name does not resolve here (%s)." % (
            where, detail))
    if error == facts.TLS:
        return Health("tls", False, "%s: TLS error: %s." % (where, detail))
    if error == facts.TIMEOUT:
        return Health("hung", False, "%s hangs: %s." % (where, detail))
    if error in (facts.CLOSED, facts.RESET):
        return Health("closed", False, "%s %s the connection without an answer." % (
            where, "closes" if error == facts.CLOSED else "resets"))
    if error == facts.GARBAGE:
        return Health("garbled", False, "%s answers, but not HTTP: %s." % (where, detail))
    if error == facts.HALF:
        return Health("half", False, "%s sent an incomplete answer: %s." % (where, detail))
    if error == facts.LONG:
        return Health("garbled", False, "%s sent too large an answer for an API: %s." % (where, detail))
    return Health("unknown", False, "%s cannot be asked: %s." % (where, detail))
