# SPDX-License-Identifier: Apache-2.0
"""Configuration files as oslo.config reads them (9.0: iniparser.py, cfg.py). Pure.

Of the files the last one wins, and in one file the option's name wins over its deprecated names. Sections are found in
any case, but DEFAULT. A line that begins with a blank continues the value above. $name and ${group.name} stand for
other options, '$$' and '\\$' for a dollar sign, and a '$' that begins no name is itself. A variable OS_GROUP__OPTION
of the environment goes before all files.
"""

TRUE, FALSE = ("true", "1", "on", "yes"), ("false", "0", "off", "no")
SECRET = ("transport_url", "connection", "connection_parameters")  # their values hold passwords
DEPTH = 16  # of options that refer to options; oslo.config goes on until Python stops it
# What [_a-z] matches without regard to case (re, IGNORECASE): Template.idpattern in cfg.py.
_FIRST = frozenset("_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\u0130\u0131\u017f\u212a")
_FURTHER = _FIRST | frozenset(".0123456789")


class Misread(ValueError):
    """A text in which oslo.config finds a mistake, so that the service does not start with it. The message says which
    and where."""


class Options:
    """What files and environment set. files: dicts as read() gives them, the last one wins; environ: dict."""

    __slots__ = ("files", "environ")

    def __init__(self, files, environ=None):
        self.files = tuple(files)
        self.environ = environ or {}

    def get(self, key, section="DEFAULT", also=()):
        """The value of an option, None when it is not set. also: tuple of its deprecated (section, key). Raises Misread
        when it refers to what is set nowhere: to an option whose default only the service knows, or to none."""
        try:
            return self._value(key, section, also, DEPTH)
        except Misread:
            if key in SECRET:  # the name behind a '$' may be a part of a password
                raise Misread("%s refers to what is set nowhere, or to itself; a dollar sign in a password is '$$'"
                              % _shown(key, section)) from None
            raise

    def _value(self, key, section, also, depth):
        text = self._raw(key, section, also)
        if text is None or "$" not in text:
            return text
        if not depth:
            raise Misread("%s refers to itself" % _shown(key, section))
        return self._substituted(text, (section, key), also, depth - 1)

    def _raw(self, key, section, also=()):
        name = "OS_%s__%s" % (section.upper(), key.upper())
        if name in self.environ:
            return self.environ[name]
        for found in reversed(self.files):
            for place in ((section, key),) + also:
                if place in found:
                    return found[place]
        return None

    def _substituted(self, text, own, also, depth):
        out, rest = [], text.replace("\\$", "$$")
        while "$" in rest:
            before, _, rest = rest.partition("$")
            out.append(before)
            if rest.startswith("$"):
                out.append("$")
                rest = rest[1:]
                continue
            name, after = _reference(rest)
            if not name:
                out.append("$")
                continue
            rest = after
            out.append(self._referred(name, own, also, depth))
        return "".join(out) + rest

    def _referred(self, name, own, also, depth):
        """The value of a name behind a '$' in the option `own`, (section, key), whose deprecated names are `also`."""
        group, dot, option = name.partition(".")
        if dot and group == "DEFAULT":  # StrSubWrapper in cfg.py: options of DEFAULT are in no group
            raise Misread("%s refers to ${%s}, which oslo.config does not know: write $%s" % (
                _shown(own[1], own[0]), name, option))
        for place in ((group, option),) if dot else ((own[0], name), ("DEFAULT", name)):
            more = also if place == own else ()  # of other options the deprecated names are not known
            if self._raw(place[1], place[0], more) is not None:
                return self._value(place[1], place[0], more, depth)
        raise Misread("%s refers to $%s, which is set nowhere" % (_shown(own[1], own[0]), name))


def read(text):
    """{(section, key): value} of one file. Sections are in small letters, but DEFAULT. Raises Misread."""
    found, section, key, value = {}, None, None, []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip()
        if line.startswith((" ", "\t")):
            if key is None:
                raise Misread("line %d continues no value" % number)
            value.append(line.lstrip())
            continue
        if key is not None:
            found[(section, key)] = "\n".join(value)
            key = None
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            if len(line) < 3 or line[-1] != "]":
                raise Misread("line %d is no section" % number)
            section = line[1:-1] if line == "[DEFAULT]" else line[1:-1].lower()
            continue
        key, value = _assignment(line, number)
        if section is None:
            raise Misread("line %d is in no section" % number)
    if key is not None:
        found[(section, key)] = "\n".join(value)
    return found


def words(value):
    """A list that is separated by commas."""
    return tuple(word.strip() for word in (value or "").split(",") if word.strip())


def boolean(value):
    """True, False; None: it is not set, or is neither."""
    text = (value or "").lower()
    return True if text in TRUE else False if text in FALSE else None


def _assignment(line, number):
    """(key, [value]) of a line."""
    ends = [at for at in (line.find("="), line.find(":")) if at >= 0]
    if not ends:
        raise Misread("line %d has neither '=' nor ':'" % number)
    key, value = line[:min(ends)].strip(), line[min(ends) + 1:].strip()
    if not key:
        raise Misread("line %d has no name before '%s'" % (number, line[min(ends)]))
    if value and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return key, [value]


def _reference(text):
    """(name, what follows) of a reference whose '$' is before `text`; ('', text) where it is none."""
    braced = text.startswith("{")
    begin = end = 1 if braced else 0
    while end < len(text) and text[end] in (_FURTHER if end > begin else _FIRST):
        end += 1
    if end == begin or braced and text[end:end + 1] != "}":
        return "", text
    return text[begin:end], text[end + 1 if braced else end:]


def _shown(key, section):
    return key if section == "DEFAULT" else "[%s] %s" % (section, key)
