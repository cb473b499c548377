# SPDX-License-Identifier: Apache-2.0
"""A Report and an Override as values of node attributes, and back (see quorate.pacemaker.notation). Pure."""

from quorate.galera import facts
from quorate.galera.facts import Override, Report, View
from quorate.galera.read import uuid
from quorate.pacemaker import notation
from quorate.pacemaker.notation import bit, flag, number, one_of, whole

_END = "end:1"


def _uuid(text):
    found = uuid(text)
    if found is None:
        raise ValueError(text)
    return found


def _uuids(text):
    return frozenset(_uuid(part) for part in text.split(".")) if text else frozenset()


def _join(uuids):
    return ".".join(sorted(uuids)) or None


# key in the text, field of Report, to text, from text
_FIELDS = (
    ("st", "state", str, one_of(facts.DOWN, facts.UNKNOWN, *facts.ALIVE)),
    ("u", "uuid", str, _uuid),
    ("n", "seqno", str, number),
    ("src", "source", str, one_of(facts.GRASTATE, facts.RECOVERED, facts.NONE)),
    ("c", "clean", bit, flag),
    ("sf", "safe", bit, flag),
    ("d", "data", bit, flag),
    ("me", "my_uuid", str, _uuid),
    ("ar", "arbitrators", _join, _uuids),
    ("g", "generation", str, number),
    ("t", "since", whole, number),
    ("se", "settled", bit, flag),
    ("tr", "tried", bit, flag),
    ("sv", "survivor", bit, flag),
    ("rc", "recorded", bit, flag),
)


def encode_report(report):
    """The text of a Report for a node attribute; `node` is the attribute's target and not in it. `since` in whole s."""
    parts = notation.parts(_FIELDS, report)
    if report.view is not None:
        parts.append("vu:%s,vn:%d,vm:%s" % (report.view.uuid, report.view.seq, _join(report.view.members) or ""))
    return notation.line(parts, _END)


def decode_report(node, text):
    """The Report that `node` published; None when the text is not one (another version, cut off, nonsense)."""
    values = notation.values(text, _END)
    if values is None or "st" not in values:
        return None
    try:
        found = notation.read(_FIELDS, values)
        if "vu" in values or "vn" in values or "vm" in values:
            found["view"] = View(_uuid(values["vu"]), number(values["vn"]), _uuids(values["vm"]))
            if not found["view"].members:
                return None
    except (KeyError, ValueError):
        return None
    return Report(node, **found)


def encode_override(override):
    """The text of an Override for an attribute. Characters of `by` that an attribute cannot hold become '_'."""
    return notation.line(("node:" + override.node, "by:" + notation.plain(override.by or ""),
                          "at:" + whole(override.at or 0), "f:" + bit(override.forced)))


def decode_override(text):
    """The Override, None when the text is not one: an operator's word is acted upon whole or not at all."""
    values = notation.values(text)
    try:
        return Override(notation.word(values["node"]), values.get("by") or None, number(values["at"]), flag(values["f"]))
    except (KeyError, TypeError, ValueError):
        return None
