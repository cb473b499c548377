# SPDX-License-Identifier: Apache-2.0
"""Text of a plan to a Plan, or to everything that is wrong with it.

    plan, problems = read(text)     # problems: a tuple of facts.Problem in the order of lines; plan is None if any

Two steps: the keys of quorate.plan.schema with their types (here), then what they mean together
(quorate.plan.validate). A problem that only follows from another one is left out.
"""

import difflib
import ipaddress
from math import inf

from quorate.plan import schema
from quorate.plan.facts import Problem
from quorate.plan.problems import Problems, dotted
from quorate.plan.services import BY_NAME
from quorate.plan.toml_lines import lines
from quorate.plan.validate import plan_of

try:
    import tomllib
except ImportError:  # before Python 3.11
    import tomli as tomllib

_WORD = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


class Invalid(Exception):
    """A value that its key does not take. Two sentences: what is wrong, and what to write."""


def read(text):
    """(Plan, ()) or (None, problems)."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return None, (_syntax(str(error), text),)
    problems = Problems(lines(text))
    values = {}
    meant = unknown(problems, (), document, [table.name for table in schema.TABLES], "table")
    for table in schema.TABLES:
        values[table.name] = _table(problems, table, document.get(table.name, {}))
    plan = plan_of(values, problems, meant)
    if problems.found:
        return None, tuple(sorted(problems.found, key=lambda one: (one.line or inf, one.key)))
    return plan, ()


def _syntax(message, text):
    """tomllib says `... (at line 3, column 5)` or `... (at end of document)`."""
    what, _, where = message.rpartition(" (at ")
    number = where.partition("line ")[2].partition(",")[0]
    line = int(number) if number.isdigit() else text.count("\n") + 1
    return Problem(line, "", "This is not TOML: %s." % (what or message).rstrip("."),
                   "Write texts in quotes, and each table name in brackets on a line of its own; no key may occur "
                   "twice.")


def _table(problems, table, found):
    if not isinstance(found, dict):
        problems.add((table.name,), "This has to be a table.",
                     "Write [%s%s]." % (table.name, ".NAME" if table.named else ""))
        return {}
    if not table.named:
        return _keys(problems, table, (table.name,), found)
    entries = {}
    for name, entry in found.items():
        path = (table.name, name)
        if not isinstance(entry, dict):
            near = _near(name, [key.name for key in table.keys])
            problems.add(path, "This has to be a table%s." % (
                ", and '%s' is one of its keys" % near if near == name else ""),
                         "Write [%s.%s] and the keys below it." % (table.name, "NAME" if near == name else name))
        elif table is schema.SERVICES and name not in BY_NAME:
            unknown(problems, path[:1], {name: entry}, list(BY_NAME), "service")
        elif not is_name(name):
            problems.add(path, "'%s' is not a name." % name, "Use letters, digits, '-', '_' and '.'.")
        else:
            entries[name] = _keys(problems, table, path, entry)
    return entries


def _keys(problems, table, path, found):
    """dict of the values that are right; a key that is not there has no entry."""
    meant = unknown(problems, path, found, [key.name for key in table.keys], "key")
    values = {}
    for key in table.keys:
        if key.name not in found:
            if key.required and key.name not in meant:
                problems.add(path + (key.name,), "This key is missing.",
                             "Write for example: %s = %s" % (key.name, key.example))
            continue
        try:
            values[key.name] = _READERS[key.kind](key, found[key.name], problems, path + (key.name,))
        except Invalid as error:
            problems.add(path + (key.name,), *error.args)
    return values


def unknown(problems, path, found, known, what):
    """Add a problem for each of `found` that is not `known`. Returns the set of the known ones that were meant."""
    meant = set()
    for name in found:
        if name not in known:
            near = _near(name, known)
            meant.add(near)
            problems.add(path + (name,), "There is no %s '%s'%s."
                         % (what, name, " in [%s]" % dotted(path) if path else ""),
                         "Did you mean '%s'?" % near if near else "Use one of: %s." % ", ".join(known))
    return meant


def _near(word, known):
    found = difflib.get_close_matches(word.lower().replace("-", "_"), known, 1, 0.6)
    return found[0] if found else None


def is_name(text):
    """Whether it can stand as a name in all texts that are made: an ASCII word."""
    return 0 < len(text) <= 64 and set(text) <= _WORD and text[0] not in "-._"


def _text(key, value, allowed, what):
    if not isinstance(value, str):
        raise Invalid("%s is not a text." % shown(value), "Write for example: %s = %s" % (key.name, key.example))
    plain = all(character.isprintable() and character not in " \"'\\#" for character in value)
    if not value or not plain or not allowed(value):
        raise Invalid("'%s' is not %s %s." % (value, "an" if what[0] in "aeiou" else "a", what),
                      "Write for example: %s = %s" % (key.name, key.example))
    return value


def _name(key, value, problems, path):
    return _text(key, value, is_name, "name (letters, digits, '-', '_', '.')")


def _label(key, value, problems, path):
    return _text(key, value, lambda text: len(text) <= 15 and text.isascii() and "/" not in text,
                 "name of an interface")


def _host(key, value, problems, path):
    return _text(key, value, lambda text: set(text) <= _WORD | {":"}, "name of a host")


def _path(key, value, problems, path):
    return _text(key, value, lambda text: text.startswith("/") and text.isascii(), "absolute path without blanks")


def _address(key, value, problems, path):
    if isinstance(value, str) and "/" not in value and "%" not in value:
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            pass
    raise Invalid("%s is not an address." % shown(value),
                  "Write IPv4 or IPv6 without a prefix, for example: \"192.0.2.10\"")


def _cidr(key, value, problems, path):
    if isinstance(value, str) and "/" in value and "%" not in value:
        try:
            network = ipaddress.ip_network(value, strict=False)
        except ValueError:
            network = None
        if network is not None:
            if str(network).partition("/")[0] != str(ipaddress.ip_interface(value).ip):
                raise Invalid("'%s' is an address, not a network." % value, 'Write "%s".' % network)
            return str(network)
    raise Invalid("%s is not a network." % shown(value),
                  'Write the address and the length of the prefix, for example: "192.0.2.0/24"')


def _number(highest):
    def read_number(key, value, problems, path):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= highest:
            raise Invalid("%s is not a number from 1 to %d." % (shown(value), highest), "Write for example: %s = %s" % (
                key.name, key.example))
        return value
    return read_number


def _boolean(key, value, problems, path):
    if not isinstance(value, bool):
        raise Invalid("%s is neither true nor false." % shown(value), "Write true or false, without quotes.")
    return value


def _choice(key, value, problems, path):
    if not isinstance(value, str) or value not in key.options:
        near = _near(value, key.options) if isinstance(value, str) else None
        raise Invalid("%s is not one of %s." % (shown(value), ", ".join(key.options)),
                    "Did you mean \"%s\"?" % near if near else "Write one of them, in quotes.")
    return value


def _choices(key, value, problems, path):
    found = _list(key, value)
    for index, one in enumerate(found):
        try:
            _choice(key, one, problems, path)
        except Invalid as error:
            problems.add(path + (index,), *error.args)
    return tuple(one for one in key.options if one in found)


def _places(key, value, problems, path):
    """In the operator's order. Whether each is a role or a node is checked when all nodes are known."""
    found = _list(key, value)
    for one in found:
        if not isinstance(one, str):
            raise Invalid("%s is not a text." % shown(one), "Write for example: %s = %s" % (key.name, key.example))
    return tuple(found)


def _list(key, value):
    if isinstance(value, str):
        raise Invalid("'%s' is not a list." % value, 'Write in brackets: %s = ["%s"]' % (key.name, value))
    if not isinstance(value, list) or not value:
        raise Invalid("A list with at least one entry is expected.", "Write for example: %s = %s"
                      % (key.name, key.example))
    twice = [one for index, one in enumerate(value) if one in value[:index]]
    if twice:
        raise Invalid("%s occurs twice." % shown(twice[0]), "Write it once.")
    return value


def _addresses(key, value, problems, path):
    if not isinstance(value, dict) or not value:
        raise Invalid("A table of addresses is expected, one for each network.", "Write for example: %s = %s" % (
            key.name, key.example))
    found = {}
    for name, one in value.items():
        try:
            found[name] = _address(key, one, problems, path)
        except Invalid as error:
            problems.add(path + (name,), *error.args)
    return found


def _texts(key, value, problems, path):
    if not isinstance(value, dict):
        raise Invalid("A table is expected.", "Write for example: %s = %s" % (key.name, key.example))
    found = {}
    for name, one in value.items():
        if isinstance(one, bool):
            found[name] = "true" if one else "false"
        elif isinstance(one, (int, float)):
            found[name] = str(one)
        elif isinstance(one, str) and one.isprintable():
            found[name] = one
        else:
            problems.add(path + (name,), "%s cannot be the value of a parameter." % shown(one),
                         "Write a text of one line, a number, true or false.")
        if not is_name(name):
            problems.add(path + (name,), "'%s' is not a name of a parameter." % name,
                         "Use letters, digits, '-' and '_'.")
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
