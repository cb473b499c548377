# SPDX-License-Identifier: Apache-2.0
"""The line of each key in a TOML text, for messages to the operator: tomllib does not give it. Pure.

tomllib has parsed the text before, so this follows its tokens and checks nothing.
"""

_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def lines(text):
    """dict: path of keys (tuple of text; int for an element of an array) -> line, from 1. The first mention counts."""
    scan = _Scan(text)
    scan.document()
    return scan.found


class _Scan:
    def __init__(self, text):
        self.text, self.at, self.line, self.found = text + "\n", 0, 1, {}

    def record(self, path):
        self.found.setdefault(path, self.line)

    def is_next(self, word):
        return self.text.startswith(word, self.at)

    def step(self, count=1):
        self.line += self.text.count("\n", self.at, self.at + count)
        self.at += count

    def skip_blanks(self, newlines=True):
        """Skip blanks, and with `newlines` also ends of lines and comments."""
        while self.at < len(self.text):
            if self.text[self.at] in (" \t\r\n" if newlines else " \t"):
                self.step()
            elif newlines and self.is_next("#"):
                self.step(self.text.index("\n", self.at) - self.at)
            else:
                return

    def document(self):
        table = ()
        self.skip_blanks()
        while self.at < len(self.text):
            if self.is_next("["):
                width = 2 if self.is_next("[[") else 1
                self.step(width)
                table = self.key(())
                self.step(width)
            else:
                self.pair(table)
            self.skip_blanks()

    def pair(self, table):
        path = self.key(table)
        self.skip_blanks(False)
        self.step()  # the =
        self.skip_blanks(False)
        self.value(path)

    def key(self, table):
        """Read a dotted key, and record it with every prefix of it. Its path."""
        path = table
        while True:
            self.skip_blanks(False)
            path += (self.string() if self.text[self.at] in "\"'" else self.bare(),)
            self.record(path)
            self.skip_blanks(False)
            if not self.is_next("."):
                return path
            self.step()

    def bare(self):
        begin = self.at
        while self.at < len(self.text) and self.text[self.at] in _BARE:
            self.step()
        if begin == self.at:
            self.step()  # tomllib refuses this; without it the scan would not end
        return self.text[begin:self.at]

    def value(self, path):
        if self.text[self.at] in "\"'":
            self.string()
        elif self.is_next("["):
            self.array(path)
        elif self.is_next("{"):
            self.inline(path)
        else:
            while self.at < len(self.text) and self.text[self.at] not in ",]}#\n":
                self.step()

    def string(self):
        """Skip a string of any of the four forms. Its text, as a key has it."""
        quote = self.text[self.at]
        if self.is_next(quote * 3):
            return self._until(quote, 3)
        return self._until(quote, 1)

    def _until(self, quote, width):
        self.step(width)
        begin = self.at
        while self.at < len(self.text) and not self.is_next(quote * width):
            self.step(2 if quote == '"' and self.is_next("\\") else 1)
        while width == 3 and self.text.startswith(quote, self.at + 3):
            self.step()  # a multi-line string may end with two quotes of its own
        body = self.text[begin:self.at]
        self.step(width)
        return _unescaped(body) if quote == '"' and "\\" in body else body

    def array(self, path):
        self.step()
        self.skip_blanks()
        number = 0
        while self.at < len(self.text) and not self.is_next("]"):
            self.record(path + (number,))
            self.value(path + (number,))
            self.skip_blanks()
            if self.is_next(","):
                self.step()
                self.skip_blanks()
            number += 1
        self.step()

    def inline(self, path):
        self.step()
        self.skip_blanks()
        while self.at < len(self.text) and not self.is_next("}"):
            self.pair(path)
            self.skip_blanks()
            if self.is_next(","):
                self.step()
                self.skip_blanks()
        self.step()


_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


def _unescaped(body):
    parts, at = [], 0
    while at < len(body):
        if body[at] != "\\":
            parts.append(body[at])
            at += 1
            continue
        letter = body[at + 1]
        width = {"u": 4, "U": 8}.get(letter, 0)
        parts.append(chr(int(body[at + 2:at + 2 + width], 16)) if width else _ESCAPES.get(letter, letter))
        at += 2 + width
    return "".join(parts)
