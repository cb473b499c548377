# SPDX-License-Identifier: Apache-2.0
"""Erlang terms, as in advanced.config and in the classic rabbitmq.config: text to values. Pure.

Lists are lists, tuples tuples, strings and binaries texts, atoms Atoms, maps dicts. Source: Erlang Reference Manual,
"Data Types"; erl_scan.erl. What is no constant (a fun, a reference) is refused with file and line. The differential
test asks file:consult/1.
"""

from quorate.errors import Unreadable

WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "s": " ", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b", "d": "\x7f"}
CLOSE = {"[": "]", "{": "}", "<<": ">>", "#{": "}"}
DEEPEST = 100


class Atom(str):
    """An atom; equal to a text of the same letters."""

    __slots__ = ()


def parse(path, text):
    """A list of the terms of a file, each of which ends with a full stop. Raises Unreadable."""
    reader = _Reader(path, text)
    found = []
    while reader.peek():
        found.append(reader.term(0))
        reader.expect(".")
    return found


def config(path, text):
    """{application: {key: value}} of a configuration file, which is one list of {application, [{key, value}]}. Raises
    Unreadable."""
    found = {}
    terms = parse(path, text)
    if len(terms) > 1 or terms and not isinstance(terms[0], list):
        raise Unreadable("%s: it is not one list that ends with a full stop." % path)
    for one in terms[0] if terms else ():
        if isinstance(one, tuple) and len(one) == 2 and isinstance(one[1], list):
            found.setdefault(str(one[0]), {}).update(properties(one[1]))
    return found


def properties(term):
    """A property list as a dict: {key, value} and plain atoms, which are true; the first of a key counts."""
    found = {}
    for one in term if isinstance(term, list) else ():
        if isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], str):
            found.setdefault(str(one[0]), one[1])
        elif isinstance(one, Atom):
            found.setdefault(str(one), True)
    return found


class _Reader:
    def __init__(self, path, text):
        self._path, self._text, self._at, self._line = path, text, 0, 1

    def wrong(self, what):
        return Unreadable("%s, line %d: %s" % (self._path, self._line, what))

    def peek(self):
        """The next character that is no blank and no comment; '' at the end."""
        text = self._text
        while self._at < len(text):
            char = text[self._at]
            if char == "%":
                end = text.find("\n", self._at)
                self._at = len(text) if end < 0 else end
            elif char.isspace():
                self._line += char == "\n"
                self._at += 1
            else:
                return char
        return ""

    def expect(self, word):
        self.peek()
        if not self._text.startswith(word, self._at):
            raise self.wrong("a %s is expected." % word)
        self._at += len(word)

    def term(self, depth):
        char = self.peek()
        if depth > DEEPEST:
            raise self.wrong("the term is too deep.")
        opening = next((one for one in ("<<", "#{", "[", "{") if self._text.startswith(one, self._at)), None)
        if opening:
            self._at += len(opening)
            return self._several(opening, depth)
        if char == '"':
            return self._string()
        if char == "'":
            return Atom(self._quoted("'"))
        if char == "$":
            return self._character()
        if char and (char in "+-" or char.isdigit()):
            return self._number()
        if char and "a" <= char <= "z":
            word = self._word()
            if word == "fun":
                raise self.wrong("a fun is no constant.")
            return {"true": True, "false": False}.get(word, Atom(word))
        raise self.wrong("%s is not understood." % (repr(char) if char else "the end of the file"))

    def _word(self):
        start = self._at
        while self._text[self._at:self._at + 1] in WORD and self._at < len(self._text):
            self._at += 1
        return self._text[start:self._at]

    def _several(self, opening, depth):
        closing, found = CLOSE[opening], []
        while True:
            self.peek()
            if self._text.startswith(closing, self._at) and not found:
                break
            found.append(self.term(depth + 1))
            if opening == "#{":
                self.expect("=>")
                found[-1] = (found[-1], self.term(depth + 1))
            if self.peek() == ",":
                self._at += 1
                continue
            if self.peek() == "|" and opening == "[":
                raise self.wrong("a list with | is not understood.")
            break
        self.expect(closing)
        if opening == "<<":
            if not all(isinstance(one, (str, int)) for one in found):
                raise self.wrong("this binary is not understood.")
            return "".join(chr(one) if isinstance(one, int) else one for one in found)
        if opening == "#{":
            try:
                return dict(found)
            except TypeError:
                raise self.wrong("this key of a map is not understood.") from None
        return found if opening == "[" else tuple(found)

    def _string(self):
        text = ""
        while self.peek() == '"':  # strings beside each other are one
            if self._text.startswith('"""', self._at):
                raise self.wrong("a text in three quotes is not understood.")
            text += self._quoted('"')
        return text

    def _quoted(self, mark):
        self._at += 1
        found = []
        while True:
            char = self._text[self._at:self._at + 1]
            if not char:
                raise self.wrong("a quote is not closed.")
            if char == mark:
                self._at += 1
                return "".join(found)
            found.append(self._escaped() if char == "\\" else char)
            if char != "\\":
                self._line += char == "\n"
                self._at += 1

    def _escaped(self):
        """The character of an escape sequence, which is passed over."""
        text = self._text
        char = text[self._at + 1:self._at + 2]
        if char == "x" and text[self._at + 2:self._at + 3] == "{":
            digits = text[self._at + 3:].partition("}")[0]
            self._at += 4 + len(digits)
            return self._chr(digits, 16)
        if char == "x":
            self._at += 4
            return self._chr(text[self._at - 2:self._at], 16)
        if char and char in "01234567":
            end = self._at + 2
            while end < self._at + 4 and text[end:end + 1] in tuple("01234567"):
                end += 1
            digits, self._at = text[self._at + 1:end], end
            return self._chr(digits, 8)
        if char in ("^", "", "\n"):
            raise self.wrong("this escape is not understood.")
        self._at += 2
        return ESCAPES.get(char, char)

    def _chr(self, digits, base):
        try:
            return chr(int(digits, base))
        except (ValueError, OverflowError):
            raise self.wrong("this escape is not understood.") from None

    def _character(self):
        self._at += 1
        char = self._text[self._at:self._at + 1]
        if char == "\\":
            return ord(self._escaped())
        if not char:
            raise self.wrong("the file ends after a $.")
        self._at += 1
        return ord(char)

    def _number(self):
        start = self._at
        self._at += self._text[start] in "+-"
        self.peek()
        digits = self._word()
        text, negative = self._text, self._text[start] == "-"
        try:
            if text[self._at:self._at + 1] == "#":
                self._at += 1
                value = int(self._word().replace("_", ""), int(digits))
            elif text[self._at:self._at + 1] == "." and text[self._at + 1:self._at + 2].isdigit():
                self._at += 1
                fraction = self._word()
                if fraction[-1:] in ("e", "E") and text[self._at:self._at + 1] in ("-", "+"):
                    self._at += 1
                    fraction += text[self._at - 1] + self._word()
                value = float((digits + "." + fraction).replace("_", ""))
            else:
                value = int(digits.replace("_", ""))
        except ValueError:
            raise self.wrong("this number is not understood.") from None
        return -value if negative else value
