# SPDX-License-Identifier: Apache-2.0
"""How long a symptom has lasted, over monitors of different levels. Pure.

An observation that did not ask a source knows nothing about it: connections that still look established say nothing
about a broker that the network has cut off, and the table of processes says nothing about a heartbeat. So the timer of
a symptom ends only with an observation that asked the same source and did not find the symptom. Without one it runs on
for two intervals of the monitor that found it last, plus the time by which a monitor may be late. When nothing was
observed for longer, the next observation starts a new timer, since what was in between is unknown.
"""

from collections import namedtuple

from quorate.openstack import facts

SLACK = 30.0     # seconds by which a monitor may come late: its timeout
INTERVAL = 60.0  # seconds to which a shorter interval is raised: an overloaded machine is slow
# Symptoms that wait for an outage to end: their own time begins when the outage is over.
WAITING = {"broker": ("amqp", "rpc", "queue"), "database": ("workers", "amqp", "rpc", "queue", "heartbeat")}


class SymptomTimer(namedtuple("SymptomTimer", "since until sources")):
    """since: when the symptom was first observed; until: how long its last observation counts, both in seconds of the
    monotonic clock; sources: frozenset of those in which it was observed last (facts.KERNEL, ...)."""

    __slots__ = ()


def decode(lines):
    """SymptomTimers by their keys, from the lines of SYMPTOMS_FILE (a dict); a malformed line is left out."""
    found = {}
    for key, text in lines.items():
        words = text.split()
        try:
            found[key] = SymptomTimer(float(words[0]), float(words[1]), frozenset(words[2].split(",")))
        except (IndexError, ValueError):
            continue
    return found


def encode(running):
    """The lines of SYMPTOMS_FILE, a dict, from SymptomTimers by their keys."""
    return {key: "%.1f %.1f %s" % (timer.since, timer.until, ",".join(sorted(timer.sources))) for key,
            timer in running.items()}


def update(running, observed, found, now, interval=0.0):
    """The SymptomTimers after one more observation. running: those of before; found: the Symptoms that it showed; now:
    monotonic seconds; interval: of the monitor, seconds."""
    if not observed.tree.all:
        return {}  # nothing runs: the next start begins anew
    reach, kept = max(2 * interval, INTERVAL) + SLACK, {}
    for one in found:
        old = kept.get(one.key) or running.get(one.key)
        if old is None or not old.since <= now <= old.until:
            old = SymptomTimer(now, now, frozenset())
        sources = {one.source} | (old.sources if one.key in kept else set())
        kept[one.key] = SymptomTimer(old.since, max(old.until, now + reach), frozenset(sources))
    fatal = any(one.kind == facts.FATAL for one in found)  # then no other source was asked
    waiting = {key for one in found if one.kind == facts.OUTAGE for key in WAITING.get(one.key, ())}
    for key, timer in running.items():
        if key not in kept and key not in waiting and now <= timer.until and (fatal
                                                                              or not _disproved(key, timer, observed)):
            kept[key] = timer
    return kept


def durations(running, now):
    """Key to seconds since the symptom was first observed."""
    return {key: max(0.0, now - timer.since) for key, timer in running.items()}


def _disproved(key, timer, observed):
    """Whether this observation, which did not show the symptom, asked one of the sources that showed it last."""
    return any(_was_asked(source, key, observed) for source in timer.sources)


def _was_asked(source, key, observed):
    if source == facts.REACHABILITY:
        return observed.broker is True
    if source == facts.DATABASE:
        return observed.rows is not None and observed.rows.outcome != facts.UNKNOWN
    if source == facts.RPC:
        return any(reply.outcome != facts.UNKNOWN for reply in observed.replies)
    if source == facts.HTTP:
        return observed.page is not None and observed.page.outcome != facts.UNKNOWN
    if key in ("amqp", "linking", "broker"):
        return all(one.pid in observed.sockets and observed.sockets[one.pid].amqp is not None
                   for one in observed.tree.workers)
    return key != "port" or observed.port_owner is not None
