# SPDX-License-Identifier: Apache-2.0
"""A Report and an Override as values of node attributes, and back. Pure.

One line such as 'v1,st:down,d:1,n:rabbit@n1,m:rabbit@n1|rabbit@n2,end' that no tool on the way has to quote. A fact that
is unknown is left out. A reader skips keys that it does not know, so that a newer node may say more, and takes a value
that it cannot understand, or a text without its end mark, for *no report at all*.
"""

from quorate.rabbitmq.facts import KHEPRI, MNESIA, STATES, Override, Report

VERSION = "v1"
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-@")


def _one_of(*allowed):
    def read(text):
        if text not in allowed:
            raise ValueError(text)
        return text
    return read


def _word(text):
    if not text or not _PLAIN.issuperset(text):
        raise ValueError(text)
    return text


def _words(text):
    return frozenset(_word(part) for part in text.split("|")) if text else frozenset()


def _join(words):
    return "|".join(sorted(words))


def _number(text):
    if not (text.isdigit() and text.isascii()):
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
    ("st", "state", str, _one_of(*STATES)),
    ("d", "data", _bit, _flag),
    ("n", "name", str, _word),
    ("m", "members", _join, _words),
    ("r", "running", _join, _words),
    ("db", "store", str, _one_of(MNESIA, KHEPRI)),
    ("v", "version", str, _word),
    ("c", "cookie", str, _word),
    ("g", "generation", _seconds, _number),
    ("t", "since", _seconds, _number),
    ("l", "launched", _bit, _flag),
)
_BY_KEY = {key: (field, read) for key, field, _, read in _FIELDS}


def encode_report(report):
    """The report as text. What cannot be told in it (a name with strange letters) is left out, so it is unknown."""
    parts = [VERSION]
    for key, field, write, read in _FIELDS:
        value = getattr(report, field)
        if value is None:
            continue
        text = write(value)
        try:
            read(text)
        except (ValueError, KeyError):
            continue
        parts.append("%s:%s" % (key, text))
    return ",".join(parts + ["end"])


def decode_report(node, text):
    """The Report of `node`, or None when the text is none."""
    parts = text.split(",")
    if len(parts) < 2 or parts[0] != VERSION or parts[-1] != "end":
        return None
    values = {}
    for part in parts[1:-1]:
        key, separator, value = part.partition(":")
        if not separator:
            return None
        if key not in _BY_KEY:
            continue
        field, read = _BY_KEY[key]
        if field in values:
            return None
        try:
            values[field] = read(value)
        except (ValueError, KeyError):
            return None
    return Report(node, **values) if "state" in values else None


def encode_override(override):
    """The operator's word as text."""
    by = "".join(letter if letter in _PLAIN else "_" for letter in override.by or "") or "somebody"
    return ",".join((VERSION, "node:" + override.node, "by:" + by, "at:%d" % int(override.at or 0),
                     "forced:" + _bit(override.forced), "end"))


def decode_override(text):
    """The Override, or None when the text is none."""
    parts = text.split(",")
    if len(parts) != 6 or parts[0] != VERSION or parts[-1] != "end":
        return None
    values = dict(part.partition(":")[::2] for part in parts[1:-1])
    try:
        return Override(_word(values["node"]), values["by"], _number(values["at"]), _flag(values["forced"]))
    except (KeyError, ValueError):
        return None
