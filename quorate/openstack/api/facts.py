# SPDX-License-Identifier: Apache-2.0
"""What an API answered, or why it did not. None is unknown, which is never no."""

from collections import namedtuple

# Why there is no complete answer.
REFUSED, UNREACHABLE, NAME, TLS = "refused", "unreachable", "name", "tls"
TIMEOUT, CLOSED, RESET, GARBAGE, HALF, LONG = "timeout", "closed", "reset", "garbage", "half", "long"
FAILED = "failed"
# Kinds of a body. VERSIONS: JSON that lists versions of an API, as OpenStack's do at their root.
VERSIONS, JSON, HTML, TEXT, EMPTY = "versions", "json", "html", "text", "empty"
ANY = "any"


class Reply(namedtuple("Reply", "error detail status headers body seconds", defaults=(None,) * 3 + ({}, b"", None))):
    """As it was received. error: one of those above, None for a complete answer. detail: of the error, for an operator.
    headers: dict with names in lower case. body: bytes. seconds: how long it took."""

    __slots__ = ()

    def __repr__(self):  # headers and body may hold a token
        return "Reply(error=%r, status=%r, length=%d)" % (self.error, self.status, len(self.body))


class Answer(namedtuple("Answer", "error detail status kind words location length seconds", defaults=(None,) * 8)):
    """What is reported of a Reply. kind: of its body. words: the beginning of the body, for an operator. location: of a
    redirect. length: of the body, bytes."""

    __slots__ = ()


class Token(namedtuple("Token", "value project expires")):
    """A token from Keystone. project: id, None without one. expires: seconds since 1970. repr() does not show it."""

    __slots__ = ()

    def __repr__(self):
        return "Token(project=%r, expires=%r)" % (self.project, self.expires)


class State(namedtuple("State", "url answer wanted asked_as identity", defaults=(None, None))):
    """One observation. wanted: the kind of body that was expected. asked_as: None (without a token), 'token' or
    'credentials'. identity: why there was no token, else None."""

    __slots__ = ()
