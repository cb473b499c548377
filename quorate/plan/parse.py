# SPDX-License-Identifier: Apache-2.0
"""Text of a plan to a Plan, or to everything that is wrong with it.

    plan, problems = read(text)     # problems: a tuple of facts.Problem in the order of lines; plan is None if there are any

Two steps: the keys of quorate.plan.schema with their types (here), then what they mean together (quorate.plan.validate).
An operator gets all errors at once; one that follows from another is left out.
"""

import difflib
import ipaddress
from math import inf

from quorate.plan import schema
from quorate.plan.facts import Problem
from quorate.plan.services import BY_NAME
from quorate.plan.toml_lines import lines
from quorate.plan.validate import plan_of

try:
    import tomllib
except ImportError:  # before Python 3.11
    import tomli as tomllib

_WORD = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


class Wrong(Exception):
    """A value that its key does not take. Two sentences: what is wrong, and what to write."""


class Notes:
    """The problems so far, and where each key stands."""

    def __init__(self, where):
        self.where, self.problems = where, []

    def add(self, path, text, remedy):
        """A problem at the key `path`, or at the nearest table above it that is in the file."""
        known = next((path[:end] for end in range(len(path), 0, -1) if path[:end] in self.where), None)
        self.problems.append(Problem(self.where.get(known), dotted(path), text, remedy))

    def under(self, *path):
        """Whether there is a problem at or below the key `path`."""
        name = dotted(path)
        return any(one.key == name or one.key.startswith((name + ".", name + "[")) for one in self.problems)


def read(text):
    """(Plan, ()) or (None, problems)."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return None, (_syntax(str(error), text),)
    notes = Notes(lines(text))
    values = {}
    meant = unknown(notes, (), document, [table.name for table in schema.TABLES], "table")
    for table in schema.TABLES:
        values[table.name] = _table(notes, table, document.get(table.name, {}))
    plan = plan_of(values, notes, meant)
    if notes.problems:
        return None, tuple(sorted(notes.problems, key=lambda one: (one.line or inf, one.key)))
    return plan, ()


def _syntax(message, text):
    """tomllib says `... (at line 3, column 5)` or `... (at end of document)`."""
    what, _, where = message.rpartition(" (at ")
    number = where.partition("line ")[2].partition(",")[0]
    line = int(number) if number.isdigit() else text.count("\n") + 1
    return Problem(line, "", "This is no TOML: %s." % (what or message).rstrip("."),
                   "Texts stand in quotes, each table name in brackets on a line of its own, and no key stands twice.")


def _table(notes, table, found):
    if not isinstance(found, dict):
        notes.add((table.name,), "This is a table.", "Write [%s%s]." % (table.name, ".NAME" if table.named else ""))
        return {}
    if not table.named:
        return _keys(notes, table, (table.name,), found)
    entries = {}
    for name, entry in found.items():
        path = (table.name, name)
        if not isinstance(entry, dict):
            near = _near(name, [key.name for key in table.keys])
            notes.add(path, "This is a table%s." % (", and '%s' one of its keys" % near if near == name else ""),
                      "Write [%s.%s] and the keys below it." % (table.name, "NAME" if near == name else name))
        elif table is schema.SERVICES and name not in BY_NAME:
            unknown(notes, path[:1], {name: entry}, list(BY_NAME), "service")
        elif not is_name(name):
            notes.add(path, "'%s' is no name." % name, "Use letters, digits, '-', '_' and '.'.")
        else:
            entries[name] = _keys(notes, table, path, entry)
    return entries


def _keys(notes, table, path, found):
    """dict of the values that are right; a key that is not there has no entry."""
    meant = unknown(notes, path, found, [key.name for key in table.keys], "key")
    values = {}
    for key in table.keys:
        if key.name not in found:
            if key.required and key.name not in meant:
                notes.add(path + (key.name,), "This key is missing.", "Write for example: %s = %s" % (key.name, key.example))
            continue
        try:
            values[key.name] = _READERS[key.kind](key, found[key.name], notes, path + (key.name,))
        except Wrong as wrong:
            notes.add(path + (key.name,), *wrong.args)
    return values


def unknown(notes, path, found, known, what):
    """Note everything in `found` that is not one of `known`, with the nearest one that is. Returns those nearest ones."""
    meant = set()
    for name in found:
        if name not in known:
            near = _near(name, known)
            meant.add(near)
            notes.add(path + (name,), "There is no %s '%s'%s." % (what, name, " in [%s]" % dotted(path) if path else ""),
                      "Did you mean '%s'?" % near if near else "There is: %s." % ", ".join(known))
    return meant


def _near(word, known):
    found = difflib.get_close_matches(word.lower().replace("-", "_"), known, 1, 0.6)
    return found[0] if found else None


def is_name(text):
    """Whether it can stand as a name in all texts that are made: of an ASCII word."""
    return 0 < len(text) <= 64 and set(text) <= _WORD and text[0] not in "-._"


def dotted(path):
    """A path of keys as people write it: nodes.n1.roles[0]."""
    text = ""
    for part in path:
        text += "[%d]" % part if isinstance(part, int) else ("." if text else "") + part
    return text


def _text(key, value, allowed, what):
    if not isinstance(value, str):
        raise Wrong("%s is no text." % shown(value), "Write for example: %s = %s" % (key.name, key.example))
    plain = all(character.isprintable() and character not in " \"'\\#" for character in value)
    if not value or not plain or not allowed(value):
        raise Wrong("'%s' is no %s." % (value, what), "Write for example: %s = %s" % (key.name, key.example))
    return value


def _name(key, value, notes, path):
    return _text(key, value, is_name, "name (letters, digits, '-', '_', '.')")


def _label(key, value, notes, path):
    return _text(key, value, lambda text: len(text) <= 15 and text.isascii() and "/" not in text, "name of an interface")


def _host(key, value, notes, path):
    return _text(key, value, lambda text: set(text) <= _WORD | {":"}, "name of a host")


def _path(key, value, notes, path):
    return _text(key, value, lambda text: text.startswith("/") and text.isascii(), "absolute path without blanks")


def _address(key, value, notes, path):
    if isinstance(value, str) and "/" not in value and "%" not in value:
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            pass
    raise Wrong("%s is no address." % shown(value), "Write IPv4 or IPv6 without a prefix, for example: \"192.0.2.10\"")


def _cidr(key, value, notes, path):
    if isinstance(value, str) and "/" in value and "%" not in value:
        try:
            network = ipaddress.ip_network(value, strict=False)
        except ValueError:
            network = None
        if network is not None:
            if str(network).partition("/")[0] != str(ipaddress.ip_interface(value).ip):
                raise Wrong("'%s' is an address, not a network." % value, 'Write "%s".' % network)
            return str(network)
    raise Wrong("%s is no network." % shown(value), 'Write address and length of the prefix, for example: "192.0.2.0/24"')


def _number(highest):
    def read_number(key, value, notes, path):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= highest:
            raise Wrong("%s is no number from 1 to %d." % (shown(value), highest), "Write for example: %s = %s" % (
                key.name, key.example))
        return value
    return read_number


def _boolean(key, value, notes, path):
    if not isinstance(value, bool):
        raise Wrong("%s is neither true nor false." % shown(value), "Write true or false, without quotes.")
    return value


def _choice(key, value, notes, path):
    if not isinstance(value, str) or value not in key.options:
        near = _near(value, key.options) if isinstance(value, str) else None
        raise Wrong("%s is not one of %s." % (shown(value), ", ".join(key.options)),
                    "Did you mean \"%s\"?" % near if near else "Write one of them, in quotes.")
    return value


def _choices(key, value, notes, path):
    found = _list(key, value)
    for index, one in enumerate(found):
        try:
            _choice(key, one, notes, path)
        except Wrong as wrong:
            notes.add(path + (index,), *wrong.args)
    return tuple(one for one in key.options if one in found)


def _places(key, value, notes, path):
    """In the operator's order. Whether each is a role or a node is seen when all nodes are known."""
    found = _list(key, value)
    for one in found:
        if not isinstance(one, str):
            raise Wrong("%s is no text." % shown(one), "Write for example: %s = %s" % (key.name, key.example))
    return tuple(found)


def _list(key, value):
    if isinstance(value, str):
        raise Wrong("'%s' is no list." % value, 'Write in brackets: %s = ["%s"]' % (key.name, value))
    if not isinstance(value, list) or not value:
        raise Wrong("A list with something in it is wanted.", "Write for example: %s = %s" % (key.name, key.example))
    twice = [one for index, one in enumerate(value) if one in value[:index]]
    if twice:
        raise Wrong("%s stands twice in it." % shown(twice[0]), "Write it once.")
    return value


def _addresses(key, value, notes, path):
    if not isinstance(value, dict) or not value:
        raise Wrong("A table of addresses is wanted, one for each network.", "Write for example: %s = %s" % (
            key.name, key.example))
    found = {}
    for name, one in value.items():
        try:
            found[name] = _address(key, one, notes, path)
        except Wrong as wrong:
            notes.add(path + (name,), *wrong.args)
    return found


def _texts(key, value, notes, path):
    if not isinstance(value, dict):
        raise Wrong("A table is wanted.", "Write for example: %s = %s" % (key.name, key.example))
    found = {}
    for name, one in value.items():
        if isinstance(one, bool):
            found[name] = "true" if one else "false"
        elif isinstance(one, (int, float)):
            found[name] = str(one)
        elif isinstance(one, str) and one.isprintable():
            found[name] = one
        else:
            notes.add(path + (name,), "%s cannot be the value of a parameter." % shown(one),
                      "Write a text of one line, a number, true or false.")
        if not is_name(name):
            notes.add(path + (name,), "'%s' is no name of a parameter." % name, "Use letters, digits, '-' and '_'.")
    return found


def shown(value):
    """A value for a message."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = "'%s'" % value if isinstance(value, str) else "a table" if isinstance(value, dict) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


_READERS = {
    schema.NAME: _name, schema.LABEL: _label, schema.HOST: _host, schema.ADDRESS: _address, schema.CIDR: _cidr,
    schema.PATH: _path, schema.URI: _path, schema.PORT: _number(65535), schema.NUMBER: _number(255),
    schema.BOOLEAN: _boolean, schema.CHOICE: _choice, schema.CHOICES: _choices, schema.PLACES: _places,
    schema.ADDRESSES: _addresses, schema.TEXTS: _texts,
}
