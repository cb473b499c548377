# SPDX-License-Identifier: Apache-2.0
"""What a State means: a Health. Pure."""

from collections import namedtuple

from quorate.haproxy.facts import ABSENT, BUSY, CUT, DENIED, FOREIGN, REFUSED, SILENT
from quorate.health import Health

OPEN = ("OPEN", "FULL")  # a listener that is full serves its connections, and new ones wait
STOPPED = ("T", "t")     # by a signal, by a debugger


class Policy(namedtuple("Policy", "listeners backends socket seconds", defaults=((), (), "", 1.0))):
    """listeners: names that have to be open, () for all there are. backends: names that need a server that is up; in
    any case, one backend of all needs one. socket, seconds: which stats socket was asked, and for how long."""

    __slots__ = ()


def classify(state, policy):
    """The Health. Its codes: serving, degraded (fit), stopping, missing, closed, no-server, no-servers, down, hung,
    unknown."""
    if state.error:
        return _no_answer(state, policy)
    if state.stopping:
        return Health("stopping", False, "HAProxy is stopping and accepts no new connections (pid %s)." % state.pid)
    return _listeners(state, policy) or _backends(state, policy)


def _listeners(state, policy):
    known = {each.name: each.status for each in state.frontends}
    if not known:
        return Health("missing", False, "HAProxy has no listener at all.")
    missing = [name for name in policy.listeners if name not in known]
    if missing:
        return Health("missing", False, "HAProxy has no listener called %s; it has: %s." % (
            some(missing, "or"), some(list(known))))
    closed = [(name, known[name]) for name in policy.listeners or known if known[name] not in OPEN]
    if closed:
        name, status = closed[0]
        return Health("closed", False, "HAProxy's listener %s is not open (%s): "
                      "echo 'enable frontend %s' | socat - %s" % (
                          some([name for name, _ in closed]), status, name, policy.socket))
    return None


def _backends(state, policy):
    up = [each for each in state.backends if each.status.startswith("UP")]
    dead = [each.name for each in state.backends if each not in up]
    unknown = [name for name in policy.backends if name not in [each.name for each in state.backends]]
    if unknown:
        return Health("missing", False, "HAProxy has no backend with servers called %s; it has: %s." % (
            some(unknown, "or"), some([each.name for each in state.backends]) or "none"))
    needed = [name for name in policy.backends if name in dead]
    if needed:
        return Health("no-server", False, "HAProxy has no server that is up in the backend %s." % some(needed))
    if state.backends and not up:
        return Health("no-servers", False, "HAProxy has no server that is up in any backend (%s). Is this node cut off?"
                      % some(dead))
    if dead:
        return Health("degraded", True, "HAProxy serves, but has no server that is up in: %s." % some(dead, limit=20))
    return Health("serving", True, "HAProxy serves: %s open, %s." % (
        _count(len(policy.listeners or state.frontends), "listener"),
        "%s with a server that is up" % _count(len(up), "backend") if up else "no backend with servers"))


def _no_answer(state, policy):
    """The Health without an answer."""
    running = state.processes or ()
    who = "process %s runs" % running[0].pid if len(running) == 1 else "processes %s run" % some(
        [str(each.pid) for each in running])
    if state.error == DENIED:
        return Health("unknown", False, "HAProxy cannot be asked: no permission to use its stats socket %s (%s). Run "
                      "the check as its owner or in its group." % (policy.socket, state.detail))
    if state.error == FOREIGN:
        return Health("unknown", False, "%s is not HAProxy's stats socket (a worker's, not the master's): it answers "
                      "'%s'." % (policy.socket, state.detail))
    if state.error == ABSENT:
        if running:
            return Health("unknown", False, "HAProxy cannot be asked: %s, but there is no stats socket %s. Add 'stats "
                          "socket' to its section global, or give its path with --socket." % (who, policy.socket))
        return Health("down", False, "HAProxy does not run: there is no process and no stats socket %s; see 'systemctl "
                      "status haproxy'." % policy.socket)
    if state.error == REFUSED:
        return Health("down", False, "HAProxy does not run: nothing listens on its stats socket %s%s; see 'systemctl "
                      "status haproxy'." % (policy.socket, ", although " + who if running else ""))
    stopped = [each.pid for each in running if each.state in STOPPED]
    if state.error in (SILENT, BUSY):
        if stopped:
            return Health("hung", False,
                          "HAProxy is stopped by a signal. To resume it: kill -CONT %s" % " ".join(map(str, stopped)))
        if state.clients_wait is False:
            return Health("unknown", False, "HAProxy cannot be asked: it accepts its clients, but the connections to "
                          "%s are all in use (stats maxconn). End the programs that hold them." % policy.socket)
        return Health("hung", False, "HAProxy hangs: no answer on %s within %g s%s." % (
            policy.socket, policy.seconds, ", and its clients wait" if state.clients_wait else ""))
    return Health("unknown", False, "HAProxy %s %s: %s." % (
        "gave an incomplete answer on" if state.error == CUT else "cannot be asked on", policy.socket, state.detail))


def some(names, joint="and", limit=5):
    """'a, b and c', with at most `limit` of them named."""
    names = list(names)
    if len(names) > limit:
        names = names[:limit] + ["%d more" % (len(names) - limit)]
    return names[0] if len(names) == 1 else "%s %s %s" % (", ".join(names[:-1]), joint, names[-1]) if names else ""


def _count(number, word):
    return "1 " + word if number == 1 else "%d %ss" % (number, word)
