# SPDX-License-Identifier: Apache-2.0
"""What a State means, in a word and a sentence. Pure."""

from collections import namedtuple

from quorate.haproxy.facts import ABSENT, BUSY, CUT, DENIED, FOREIGN, REFUSED, SILENT
from quorate.health import Health

OPEN = ("OPEN", "FULL")  # a listener that is full serves those who are in, and the others wait
STOPPED = ("T", "t")     # by a signal, by a debugger


class Policy(namedtuple("Policy", "listeners backends socket seconds", defaults=((), (), "", 1.0))):
    """listeners: names that have to be open, () for all there are. backends: names that need a server that is up; beside
    them, one backend of all needs one. socket, seconds: where and how long we asked."""

    __slots__ = ()


def classify(state, policy):
    """The Health; words: serving, degraded (fit), stopping, missing, closed, no-server, no-servers, down, hung, unknown."""
    if state.error:
        return _silent(state, policy)
    if state.stopping:
        return Health("stopping", False, "HAProxy is stopping and takes no new connections (pid %s)." % state.pid)
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
        return Health("closed", False, "HAProxy's listener %s is not open (%s): echo 'enable frontend %s' | socat - %s" % (
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
        return Health("no-servers", False, "HAProxy has no server that is up in any backend (%s); is this node cut off?"
                      % some(dead))
    if dead:
        return Health("degraded", True, "HAProxy serves, and has no server that is up in: %s." % some(dead, limit=20))
    return Health("serving", True, "HAProxy serves: %s open, %s." % (
        _count(len(policy.listeners or state.frontends), "listener"),
        "%s with a server that is up" % _count(len(up), "backend") if up else "no backend with servers"))


def _silent(state, policy):
    running = state.processes or ()
    seen = "process %s runs" % running[0].pid if len(running) == 1 else "processes %s run" % some(
        [str(each.pid) for each in running])
    if state.error == DENIED:
        return Health("unknown", False, "HAProxy cannot be asked: no rights on its stats socket %s (%s); run the check as its "
                      "owner or in its group." % (policy.socket, state.detail))
    if state.error == FOREIGN:
        return Health("unknown", False, "%s is not HAProxy's stats socket (a worker's, not the master's): it says '%s'." % (
            policy.socket, state.detail))
    if state.error == ABSENT:
        if running:
            return Health("unknown", False, "HAProxy cannot be asked: %s and there is no stats socket %s; add 'stats socket' "
                          "to its section global, or name it with --socket." % (seen, policy.socket))
        return Health("down", False, "HAProxy does not run: there is no process and no stats socket %s (systemctl status "
                      "haproxy)." % policy.socket)
    if state.error == REFUSED:
        return Health("down", False, "HAProxy does not run: nobody listens on its stats socket %s%s (systemctl status "
                      "haproxy)." % (policy.socket, ", though " + seen if running else ""))
    stopped = [each.pid for each in running if each.state in STOPPED]
    if state.error in (SILENT, BUSY):
        if stopped:
            return Health("hung", False, "HAProxy is stopped by a signal: kill -CONT %s" % " ".join(map(str, stopped)))
        if state.clients_wait is False:
            return Health("unknown", False, "HAProxy cannot be asked: it lets no client wait, and its connections for questions "
                          "on %s are all taken (stats maxconn); end the programs that keep them." % policy.socket)
        return Health("hung", False, "HAProxy hangs: no answer on %s within %g s%s." % (
            policy.socket, policy.seconds, ", and its clients wait" if state.clients_wait else ""))
    return Health("unknown", False, "HAProxy %s %s: %s." % (
        "gave half an answer on" if state.error == CUT else "cannot be asked on", policy.socket, state.detail))


def some(names, joint="and", limit=5):
    """'a, b and c', with no more than a few named."""
    names = list(names)
    if len(names) > limit:
        names = names[:limit] + ["%d more" % (len(names) - limit)]
    return names[0] if len(names) == 1 else "%s %s %s" % (", ".join(names[:-1]), joint, names[-1]) if names else ""


def _count(number, word):
    return "1 " + word if number == 1 else "%d %ss" % (number, word)
