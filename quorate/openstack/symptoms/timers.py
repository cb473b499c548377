# SPDX-License-Identifier: Apache-2.0
"""How long a symptom lasts, told over looks of different depth. Pure.

A look that did not ask knows nothing: connections that still look whole say nothing of a broker that the network has cut off,
and a look at processes says nothing of a heartbeat. So what was seen is forgotten only by a look that asked in the same way
and did not see it. A sight counts for two intervals of the monitor that had it, and a while: where nobody looked for longer,
the next sight is a new beginning, since what lay between is not known.
"""

from collections import namedtuple

from quorate.openstack import facts

SLACK = 30.0     # seconds by which a monitor may come late: its timeout
INTERVAL = 60.0  # seconds for which a sight counts at least: machines are slow when they are in trouble
# What waits for an outage to end: its own time begins when the outage is over.
WAITING = {"broker": ("amqp", "rpc", "queue"), "database": ("workers", "amqp", "rpc", "queue", "heartbeat")}


class Note(namedtuple("Note", "since until senses")):
    """since: when a symptom was first seen; until: how long its last sight counts, both in seconds of the monotonic clock;
    senses: frozenset of those that saw it last (facts.KERNEL, ...)."""

    __slots__ = ()


def read(values):
    """Notes by their keys, from the lines of a file; a line that cannot be understood is none."""
    found = {}
    for key, text in values.items():
        words = text.split()
        try:
            found[key] = Note(float(words[0]), float(words[1]), frozenset(words[2].split(",")))
        except (IndexError, ValueError):
            continue
    return found


def text(notes):
    """The lines again."""
    return {key: "%.1f %.1f %s" % (note.since, note.until, ",".join(sorted(note.senses))) for key, note in notes.items()}


def after(notes, observed, found, now, interval=0.0):
    """The Notes after one more look: what it saw, and what it could not have seen. interval: of the monitor, seconds."""
    if not observed.tree.all:
        return {}  # of a service that is gone; the next one begins anew
    reach, kept = max(2 * interval, INTERVAL) + SLACK, {}
    for one in found:
        old = kept.get(one.key) or notes.get(one.key)
        if old is None or not old.since <= now <= old.until:
            old = Note(now, now, frozenset())
        senses = {one.sense} | (old.senses if one.key in kept else set())
        kept[one.key] = Note(old.since, max(old.until, now + reach), frozenset(senses))
    blind = any(one.kind == facts.FATAL for one in found)  # nothing else was looked at
    excused = {key for one in found if one.kind == facts.OUTAGE for key in WAITING.get(one.key, ())}
    for key, note in notes.items():
        if key not in kept and key not in excused and now <= note.until and (blind or not _disproved(key, note, observed)):
            kept[key] = note
    return kept


def lasted(notes, now):
    """Key to seconds since it was first seen."""
    return {key: max(0.0, now - note.since) for key, note in notes.items()}


def _disproved(key, note, observed):
    """Whether a look that did not see a symptom would have seen it: one of the senses that saw it last could tell."""
    return any(_could_tell(sense, key, observed) for sense in note.senses)


def _could_tell(sense, key, observed):
    if sense == facts.KNOCK:
        return observed.broker is True
    if sense == facts.ROWS:
        return observed.rows is not None and observed.rows.outcome != facts.UNKNOWN
    if sense == facts.RPC:
        return any(reply.outcome != facts.UNKNOWN for reply in observed.replies)
    if sense == facts.PAGE:
        return observed.page is not None and observed.page.outcome != facts.UNKNOWN
    if key in ("amqp", "linking", "broker"):
        return all(one.pid in observed.sockets and observed.sockets[one.pid].amqp is not None for one in observed.tree.workers)
    return key != "port" or observed.port_owner is not None
