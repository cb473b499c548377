# SPDX-License-Identifier: Apache-2.0
"""A Report and an Override as values of node attributes, and back (see quorate.pacemaker.notation). Pure."""

from quorate.pacemaker import notation
from quorate.pacemaker.notation import bit, flag, number, one_of, whole, word
from quorate.rabbitmq.facts import KHEPRI, MNESIA, STATES, Override, Report

_END = "end"


def _words(text):
    return frozenset(word(part) for part in text.split("|")) if text else frozenset()


def _join(words):
    return "|".join(sorted(words))


def _count(text):
    found = number(text)
    if found < 0:
        raise ValueError(text)
    return found


# key in the text, field of Report, to text, from text
_FIELDS = (
    ("st", "state", str, one_of(*STATES)),
    ("d", "data", bit, flag),
    ("n", "name", str, word),
    ("m", "members", _join, _words),
    ("r", "running", _join, _words),
    ("db", "store", str, one_of(MNESIA, KHEPRI)),
    ("v", "version", str, word),
    ("c", "cookie", str, word),
    ("g", "generation", whole, _count),
    ("t", "since", whole, _count),
    ("l", "launched", bit, flag),
    ("x", "lost", bit, flag),
)


def encode_report(report):
    """The report as text. What cannot be told in it (a name with strange letters) is left out, so it is unknown."""
    return notation.line(notation.parts(_FIELDS, report), _END)


def decode_report(node, text):
    """The Report of `node`, or None when the text is none."""
    values = notation.values(text, _END)
    if values is None or "st" not in values:
        return None
    try:
        return Report(node, **notation.read(_FIELDS, values))
    except (ValueError, KeyError):
        return None


def encode_override(override):
    """The operator's word as text."""
    return notation.line(("node:" + override.node, "by:" + (notation.plain(override.by or "") or "somebody"),
                          "at:" + whole(override.at or 0), "forced:" + bit(override.forced)), _END)


def decode_override(text):
    """The Override, or None when the text is none."""
    values = notation.values(text, _END)
    try:
        return Override(word(values["node"]), values["by"], _count(values["at"]), flag(values["forced"]))
    except (KeyError, TypeError, ValueError):
        return None
