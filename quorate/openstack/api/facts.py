# SPDX-License-Identifier: Apache-2.0
"""What an API said, or why it said nothing. None is unknown, which is never no."""

from collections import namedtuple

# Why there is no whole answer.
REFUSED, UNREACHABLE, NAME, TLS = "refused", "unreachable", "name", "tls"
TIMEOUT, CLOSED, RESET, GARBAGE, HALF, LONG = "timeout", "closed", "reset", "garbage", "half", "long"
FAILED = "failed"
# What a body is. VERSIONS: JSON that lists versions of an API, as OpenStack's do at their root.
VERSIONS, JSON, HTML, TEXT, EMPTY = "versions", "json", "html", "text", "empty"
ANY = "any"


class Reply(namedtuple("Reply", "error detail status headers body seconds", defaults=(None,) * 3 + ({}, b"", None))):
    """As it came from the wire. error: a word above, None for a whole answer. detail: for people. headers: names in lower
    case. seconds: how long it took."""

    __slots__ = ()

    def __repr__(self):  # headers and body may hold a token
        return "Reply(error=%r, status=%r, length=%d)" % (self.error, self.status, len(self.body))


class Answer(namedtuple("Answer", "error detail status kind words location length seconds", defaults=(None,) * 8)):
    """What is told of a Reply. kind: of its body. words: how the body begins, for people. location: of a redirect."""

    __slots__ = ()


class Token(namedtuple("Token", "value project expires")):
    """From Keystone. project: id, None without one. expires: seconds since 1970. repr() does not show it."""

    __slots__ = ()

    def __repr__(self):
        return "Token(project=%r, expires=%r)" % (self.project, self.expires)


class State(namedtuple("State", "url answer wanted asked_as identity", defaults=(None, None))):
    """One look. wanted: the kind that was expected. asked_as: None (nobody), 'token' or 'credentials'. identity: why there
    was no token to ask with, else None."""

    __slots__ = ()
