# SPDX-License-Identifier: Apache-2.0
"""A Report and an Override as values of node attributes, and back. Pure.

One line of letters, digits and _ . : , - so that no tool on the way has to quote it: 'v1,st:down,u:UUID,n:1234,...'.
A fact that is unknown is left out. A reader skips keys that it does not know, so that a newer node may say more, and
takes a value that it cannot understand, or a text without its end mark, for *no report at all*: half a report must not
look like a whole one.
"""

from quorate.galera import facts
from quorate.galera.facts import Override, Report, View
from quorate.galera.read import uuid

VERSION = "v1"
_STATES = frozenset((facts.DOWN, facts.UNKNOWN)) | facts.ALIVE
_SOURCES = frozenset((facts.GRASTATE, facts.RECOVERED, facts.NONE))
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


def _in(allowed):
    def read(text):
        if text not in allowed:
            raise ValueError(text)
        return text
    return read


def _uuid(text):
    found = uuid(text)
    if found is None:
        raise ValueError(text)
    return found


def _uuids(text):
    return frozenset(_uuid(part) for part in text.split(".")) if text else frozenset()


def _join(uuids):
    return ".".join(sorted(uuids))


def _number(text):
    digits = text[1:] if text.startswith("-") else text
    if not (digits.isdigit() and digits.isascii()):
        raise ValueError(text)
    return int(text)


def _flag(text):
    return {"1": True, "0": False}[text]


def _bit(value):
    return "%d" % bool(value)


def _seconds(value):
    return "%d" % int(value)


# key in the text, field of Report, to text, from text
_FIELDS = (
    ("st", "state", str, _in(_STATES)),
    ("u", "uuid", str, _uuid),
    ("n", "seqno", str, _number),
    ("src", "source", str, _in(_SOURCES)),
    ("c", "clean", _bit, _flag),
    ("sf", "safe", _bit, _flag),
    ("d", "data", _bit, _flag),
    ("me", "my_uuid", str, _uuid),
    ("ar", "arbitrators", _join, _uuids),
    ("g", "generation", str, _number),
    ("t", "since", _seconds, _number),
    ("se", "settled", _bit, _flag),
    ("tr", "tried", _bit, _flag),
    ("sv", "survivor", _bit, _flag),
    ("rc", "recorded", _bit, _flag),
)


def encode_report(report):
    """The text of a Report for a node attribute; `node` is the attribute's target and not in it. `since` in whole s."""
    parts = [VERSION]
    for key, field, to_text, _ in _FIELDS:
        value = getattr(report, field)
        if value is not None and value != frozenset():
            parts.append("%s:%s" % (key, to_text(value)))
    if report.view is not None:
        parts.append("vu:%s,vn:%d,vm:%s" % (report.view.uuid, report.view.seq, _join(report.view.members)))
    return ",".join(parts + ["end:1"])


def decode_report(node, text):
    """The Report that `node` published; None when the text is not one (another version, cut off, nonsense)."""
    values = _values(text)
    if values is None or "st" not in values or not text.endswith(",end:1"):
        return None
    found = {}
    try:
        for key, field, _, from_text in _FIELDS:
            if key in values:
                found[field] = from_text(values[key])
        if "vu" in values or "vn" in values or "vm" in values:
            found["view"] = View(_uuid(values["vu"]), _number(values["vn"]), _uuids(values["vm"]))
            if not found["view"].members:
                return None
    except (KeyError, ValueError):
        return None
    return Report(node, **found)


def encode_override(override):
    """The text of an Override for an attribute. Characters of `by` that an attribute cannot hold become '_'."""
    by = "".join(letter if letter in _PLAIN else "_" for letter in override.by or "")
    return "%s,node:%s,by:%s,at:%d,f:%d" % (VERSION, override.node, by, int(override.at or 0), bool(override.forced))


def decode_override(text):
    """The Override, None when the text is not one: an operator's word is acted upon whole or not at all."""
    values = _values(text)
    try:
        node, forced = values["node"], _flag(values["f"])
        if not node or not _PLAIN.issuperset(node):
            return None
        return Override(node, values.get("by") or None, _number(values["at"]), forced)
    except (KeyError, TypeError, ValueError):
        return None


def _values(text):
    """dict of key to value, None when the version is not ours or a key stands twice."""
    version, _, rest = (text or "").partition(",")
    if version != VERSION:
        return None
    values = {}
    for part in rest.split(","):
        key, separator, value = part.partition(":")
        if not separator or key in values:
            return None
        values[key] = value
    return values
