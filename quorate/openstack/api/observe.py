# SPDX-License-Identifier: Apache-2.0
"""Requests to an API: path by path until one exists, following redirects to the same host and port, with a token if
there is one."""

from collections import namedtuple
from time import monotonic

from quorate.openstack.api import parse
from quorate.openstack.api.facts import ANY, State
from quorate.openstack.api.health import ABSENT, REDIRECTS
from quorate.openstack.api.presets import PROJECT

MOST_REDIRECTS = 3  # that are followed
TOKEN_SHARE = 0.5   # of the time, for getting a token


class Target(namedtuple("Target", "base paths deep headers login", defaults=(None, {}, False))):
    """What to request. base: URL without a path. paths: tuple of (path, kind), to request without a token. deep: path
    to request with a token, or None. headers: for the deep path. login: the target is the Keystone that issues the
    tokens."""

    __slots__ = ()


def observe(client, target, identity, seconds):
    """The State, within so many seconds. identity: a TokenFile or Login, or None."""
    end, reason = monotonic() + seconds, None
    if identity is not None and target.deep:
        token, reason = _token(client, target, identity, seconds * TOKEN_SHARE)
        if token is None and target.login and identity.reply is not None:
            # Keystone's own health is its answer to a login.
            return State(parse.token_url(target.base), parse.answer(identity.reply), ANY, identity.kind)
        if token is not None:
            state = _deep(client, target, identity, token, end)
            if state.answer.status == 401 and identity.forget():
                token, reason = _token(client, target, identity, end - monotonic())
                if token is not None:
                    state = _deep(client, target, identity, token, end)
            if token is not None:
                return state
    for number, (path, kind) in enumerate(target.paths):
        url, answer = _follow(client, target.base + path, {}, end)
        last = number == len(target.paths) - 1
        if last or answer.status not in ABSENT + (401,):
            break
    return State(url, answer, kind, None, reason)


def _token(client, target, identity, seconds):
    """(Token, None), or (None, reason)."""
    token, reason = identity.token(client, seconds)
    if token is not None and PROJECT in target.deep and not token.project:
        return None, "the credentials name no project (OS_PROJECT_NAME)."
    return token, reason


def _deep(client, target, identity, token, end):
    """The State of a request with the token."""
    path = target.deep.replace(PROJECT, token.project or "")
    headers = dict(target.headers, **{"X-Auth-Token": token.value})
    if path.endswith("/auth/tokens"):
        headers["X-Subject-Token"] = token.value
    url, answer = _follow(client, target.base + path, headers, end)
    return State(url, answer, ANY, identity.kind)


def _follow(client, url, headers, end):
    """(URL, Answer) after redirects. One to another host or port is not followed: the token is not for it."""
    for _ in range(MOST_REDIRECTS):
        answer = parse.answer(client.exchange("GET", url, end - monotonic(), headers))
        if answer.status not in REDIRECTS or not answer.location:
            break
        following = joined(url, answer.location)
        if parse.origin(following) != parse.origin(url):
            break
        url = following
    return url, answer


def joined(url, location):
    """The URL of a Location header, which may be relative (RFC 9110, 10.2.2)."""
    from urllib.parse import urljoin
    return urljoin(url, location)
