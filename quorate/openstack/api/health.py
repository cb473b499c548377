# SPDX-License-Identifier: Apache-2.0
"""What an Answer means, in a word and a sentence. Pure."""

from quorate.health import Health
from quorate.openstack.api import facts
from quorate.openstack.api.parse import shown

LISTS = (200, 300)  # a list of versions comes as either
REDIRECTS = (301, 302, 303, 307, 308)
ELSEWHERE = (404, 405)  # this path is not there; another one may be


def classify(state, title):
    """The Health. Words: serving, degraded (fit, and not asked as wished), maintenance, error, refused, missing, redirected,
    garbled, half, closed, down, hung, tls, unknown."""
    answer, where = state.answer, "%s (%s)" % (title, state.url)
    if answer.error:
        return _silent(state, title, where)
    status = answer.status
    if status == 503 and "DISABLED BY FILE" in answer.words:
        return Health("maintenance", False, "%s is disabled by a file of the operator's (oslo.middleware's disable_by_file): "
                      "remove it." % where)
    if status >= 500:
        return Health("error", False, "%s answers %d%s; see its log." % (where, status, _said(answer)))
    if status == 401:
        return Health("refused", False, "%s answers, and %s (401)." % (
            where, "refuses the %s of the check" % state.asked_as if state.asked_as else
            "wants a token: give a path without, or --credentials"))
    if status == 403 and state.asked_as:
        return Health("serving", True, "%s answers, knows the token and has its rules (403)." % where)
    if status in ELSEWHERE:
        return Health("missing", False, "%s answers %d: there is nothing at this path; is it another service's port?" % (
            where, status))
    if status in REDIRECTS:
        return Health("redirected", False, "%s sends its clients to %s; check that." % (where, shown(answer.location or "nowhere")))
    if status not in LISTS:
        return Health("error", False, "%s answers %d%s." % (where, status, _said(answer)))
    if not fits(answer.kind, state.wanted):
        return Health("garbled", False, "%s answers %d with %s, which is not %s; is it another service's port?" % (
            where, status, {facts.EMPTY: "no body", facts.HTML: "a page"}.get(answer.kind, "'%s'" % answer.words),
            NAMES[state.wanted]))
    if state.identity:
        return Health("degraded", True, "%s answers; it was not asked with a token, for %s" % (where, state.identity))
    return Health("serving", True, "%s answers%s." % (where, " with a token" if state.asked_as else ""))


NAMES = {facts.JSON: "JSON", facts.VERSIONS: "a list of versions", facts.HTML: "a page", facts.TEXT: "text"}


def fits(kind, wanted):
    """Whether a body is of the kind that was wanted."""
    return wanted in (facts.ANY, kind) or wanted == facts.JSON and kind == facts.VERSIONS


def _said(answer):
    return ": %s" % answer.words if answer.words and answer.kind != facts.HTML else ""


def _silent(state, title, where):
    error, detail = state.answer.error, state.answer.detail
    if error == facts.REFUSED:
        return Health("down", False, "%s accepts no connection: nobody listens there." % where)
    if error == facts.UNREACHABLE:
        return Health("down", False, "%s cannot be reached: %s." % (where, detail))
    if error == facts.NAME:
        return Health("unknown", False, "%s cannot be asked: its name is not known here (%s)." % (where, detail))
    if error == facts.TLS:
        return Health("tls", False, "%s has a TLS that its clients do not accept: %s." % (where, detail))
    if error == facts.TIMEOUT:
        return Health("hung", False, "%s hangs: %s." % (where, detail))
    if error in (facts.CLOSED, facts.RESET):
        return Health("closed", False, "%s %s the connection without an answer." % (
            where, "closes" if error == facts.CLOSED else "resets"))
    if error == facts.GARBAGE:
        return Health("garbled", False, "%s answers something that is not HTTP: %s." % (where, detail))
    if error == facts.HALF:
        return Health("half", False, "%s broke its answer off: %s." % (where, detail))
    if error == facts.LONG:
        return Health("garbled", False, "%s answers with more than an API would: %s." % (where, detail))
    return Health("unknown", False, "%s cannot be asked: %s." % (where, detail))
