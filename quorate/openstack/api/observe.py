# SPDX-License-Identifier: Apache-2.0
"""Asking an API: path by path until one is there, redirects within the same place followed, with a token if there is one."""

from collections import namedtuple
from time import monotonic

from quorate.openstack.api import parse
from quorate.openstack.api.facts import ANY, State
from quorate.openstack.api.health import ELSEWHERE, REDIRECTS
from quorate.openstack.api.presets import PROJECT

HOPS = 3  # redirects that are followed
HALF = 0.5  # of the time that may go into getting a token


class Target(namedtuple("Target", "base paths deep headers login", defaults=(None, {}, False))):
    """What is asked. base: URL without a path. paths: (path, kind). deep: path for somebody with a token, or None. headers:
    for the deep path. login: the target is the Keystone that gives the tokens."""

    __slots__ = ()


def observe(client, target, identity, seconds):
    """The State, within so many seconds. identity: a TokenFile or Login, or None."""
    end, why = monotonic() + seconds, None
    if identity is not None and target.deep:
        token, why = _token(client, target, identity, seconds * HALF)
        if token is None and target.login and identity.reply is not None:
            # Keystone's own health is what it makes of a login.
            return State(parse.token_url(target.base), parse.answer(identity.reply), ANY, identity.kind)
        if token is not None:
            state = _deep(client, target, identity, token, end)
            if state.answer.status == 401 and identity.forget():
                token, why = _token(client, target, identity, end - monotonic())
                if token is not None:
                    state = _deep(client, target, identity, token, end)
            if token is not None:
                return state
    for number, (path, kind) in enumerate(target.paths):
        url, answer = _follow(client, target.base + path, {}, end)
        last = number == len(target.paths) - 1
        if last or answer.status not in ELSEWHERE + (401,):
            break
    return State(url, answer, kind, None, why)


def _token(client, target, identity, seconds):
    token, why = identity.token(client, seconds)
    if token is not None and PROJECT in target.deep and not token.project:
        return None, "the credentials name no project (OS_PROJECT_NAME)."
    return token, why


def _deep(client, target, identity, token, end):
    path = target.deep.replace(PROJECT, token.project or "")
    headers = dict(target.headers, **{"X-Auth-Token": token.value})
    if path.endswith("/auth/tokens"):
        headers["X-Subject-Token"] = token.value
    url, answer = _follow(client, target.base + path, headers, end)
    return State(url, answer, ANY, identity.kind)


def _follow(client, url, headers, end):
    """(URL, Answer) after redirects; none that leads to another place, which a token is not for."""
    for _ in range(HOPS):
        answer = parse.answer(client.exchange("GET", url, end - monotonic(), headers))
        if answer.status not in REDIRECTS or not answer.location:
            break
        there = parse.joined(url, answer.location)
        if parse.origin(there) != parse.origin(url):
            break
        url = there
    return url, answer
