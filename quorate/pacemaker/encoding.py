# SPDX-License-Identifier: Apache-2.0
"""Reports as values of node attributes, and back. Pure.

One line such as 'v1,st:down,d:1,n:rabbit@n1,end' that no tool on the way has to quote. A fact that is unknown is left
out. A reader skips keys that it does not know, so that a newer node may publish more. A text with a value that it
cannot understand, or without its end mark, counts as *nothing at all*: half a report must not look like a whole one.

What is written is a table of (key in the text, field, value to text, text to value). The last raises ValueError or
KeyError for a text that it cannot understand; the one before returns None for a value that need not be written.
"""

VERSION = "v1"
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-@")


def line(parts, end=None):
    """The text of these 'key:value' parts. end: its end mark, None: it has none."""
    return ",".join([VERSION] + list(parts) + ([end] if end else []))


def values(text, end=None):
    """dict of key to text; None when the version is not ours, the end mark is missing, or a key occurs twice."""
    version, _, rest = (text or "").partition(",")
    if version != VERSION:
        return None
    if end:
        if not rest.endswith("," + end):
            return None
        rest = rest[:-len(end) - 1]
    found = {}
    for part in rest.split(","):
        key, separator, value = part.partition(":")
        if not separator or key in found:
            return None
        found[key] = value
    return found


def parts(fields, record):
    """The record's attributes as list of 'key:value'. A value that cannot be read back is left out, as unknown."""
    found = []
    for key, field, to_text, from_text in fields:
        value = getattr(record, field)
        text = None if value is None else to_text(value)
        if text is None:
            continue
        try:
            from_text(text)
        except (ValueError, KeyError):
            continue
        found.append("%s:%s" % (key, text))
    return found


def read(fields, found):
    """dict of field to value, from what values() gave. Raises ValueError or KeyError for what cannot be understood."""
    return {field: from_text(found[key]) for key, field, _, from_text in fields if key in found}


def underscored(text):
    """The text with '_' for each letter that would have to be quoted."""
    return "".join(letter if letter in PLAIN else "_" for letter in text)


def generation(text):
    """A generation as the configuration holds it: 0 when it is not set, None when it is garbage."""
    if text is None:
        return 0
    return int(text) if text.isdigit() and text.isascii() else None


# Text to value

def one_of(*allowed):
    """A function from text to value that accepts these words only."""
    def read_one(text):
        if text not in allowed:
            raise ValueError(text)
        return text
    return read_one


def word(text):
    if not text or not PLAIN.issuperset(text):
        raise ValueError(text)
    return text


def number(text):
    digits = text[1:] if text.startswith("-") else text
    if not (digits.isdigit() and digits.isascii()):
        raise ValueError(text)
    return int(text)


def flag(text):
    return {"1": True, "0": False}[text]


# Value to text

def bit(value):
    return "%d" % bool(value)


def whole(value):
    return "%d" % int(value)
