# SPDX-License-Identifier: Apache-2.0
"""rabbitmq.conf and conf.d/*.conf, which RabbitMQ reads with cuttlefish: lines of `name = value`, and `include FILE`.

A # begins a comment wherever it stands outside of single quotes; the last line of a name counts, over all files
(cuttlefish_conf.erl and conf_parse.peg, cuttlefish 3.0.1 and 3.4; the differential test asks the former). From 3.5 on a
value between ''' and ''' may have several lines, and a file may begin with a byte order mark; before that the broker
refuses such a file.
"""

import codecs
import os
from collections import namedtuple

from quorate.errors import Unreadable

NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.\\")
DEEPEST = 20  # files that include each other
MOST = 1048576
BLOCK = "'''"
# utf-32 first: its mark begins as that of utf-16 does.
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
         (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class Setting(namedtuple("Setting", "value path line")):
    """A value as text, and where it stands."""

    __slots__ = ()

    def plain(self):
        """The value. Raises Unreadable for one that RabbitMQ fills in: $(NAME) is another setting or a variable of the
        environment, $(<FILE) the text of a file (cuttlefish_generator:value_sub/1, cuttlefish_conf:expand_values/2)."""
        if "$(" in self.value:
            raise self.wrong("RabbitMQ fills in %s: write the value itself." % self.value)
        return self.value

    def wrong(self, what):
        """Unreadable for this value."""
        return Unreadable("%s, line %d: %s" % (self.path, self.line, what))


def read(paths):
    """A dict name -> Setting of these files. Raises Unreadable, with file and line."""
    found = {}
    for path in paths:
        _add(found, path, 0)
    return found


def _add(found, path, depth):
    for name, value, line in lines(path, text_of(path)):
        if name is not None:
            found.pop(name, None)
            found[name] = Setting(value, path, line)
        elif depth >= DEEPEST:
            raise Unreadable("%s, line %d: more than %d files include each other." % (path, line, DEEPEST))
        else:
            from glob import glob
            for other in sorted(glob(os.path.join(os.path.dirname(path), value))):
                _add(found, other, depth + 1)


def text_of(path):
    """The text of a file. Raises Unreadable."""
    try:
        with open(path, "rb") as file:
            found = file.read(MOST)
    except OSError as error:
        raise Unreadable("The file %s cannot be read: %s." % (path, error.strerror)) from None
    encoding = next((encoding for mark, encoding in MARKS if found.startswith(mark)), "utf-8")
    return found.decode(encoding, "replace").replace("\r\n", "\n")


def lines(path, text):
    """A list of (name, value, number of the line); name None: value is a file to include. Raises Unreadable."""
    found, given = [], iter(enumerate(text.split("\n"), 1))
    for number, line in given:
        line = line.strip(" \t\r")
        if not line or line[0] == "#":
            continue
        name, separator, value = line.partition("=")
        name, value = name.strip(" \t"), value.strip(" \t")
        if separator and name and NAME.issuperset(name):
            of_lines = value.startswith(BLOCK) and BLOCK not in value[len(BLOCK):]
            value = _block(value, given, path, number) if of_lines else _value(value, path, number)
            found.append((name, value, number))
        elif line.split()[0] == "include":
            found.append((None, line[7:].partition("#")[0].strip(), number))
        else:
            raise Unreadable("%s, line %d: it is neither NAME = VALUE nor a comment." % (path, number))
    return found


def _block(first, given, path, number):
    """A value of several lines, whose first one has only the beginning. given: the lines behind it, with numbers."""
    found = [first]
    for _, line in given:
        value, end, after = line.partition(BLOCK)
        found.append(value)
        if end and after.strip(" \t\r")[:1] in ("", "#"):
            return "\n".join(found).strip("'\n\r")
        if end:
            break
    raise Unreadable("%s, line %d: the value of several lines does not end." % (path, number))


def _value(text, path, number):
    quoted, end, after = text[1:].partition("'") if text[:1] == "'" else ("", "", "")
    if end and (not after.strip(" \t") or after.strip(" \t")[0] == "#"):
        return quoted
    value = text.partition("#")[0].strip(" \t")
    if not value:
        raise Unreadable("%s, line %d: there is no value." % (path, number))
    return value
