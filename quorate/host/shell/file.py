# SPDX-License-Identifier: Apache-2.0
"""Settings that are a shell script: the values that bash would give, or Unreadable with the line. Nothing is executed.

Understood: NAME=value and export NAME=value, several on a line, with all quotes, comments and continued lines. A file
that needs more than that is refused as a whole, because any other command could change a value. Source: POSIX.1-2017,
Shell Command Language, 2.2, 2.3 and 2.9.1; bash(1), QUOTING. The differential test asks bash.
"""

from quorate.errors import Unreadable

NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")
ENDS = " \t\n;&|<>()"
CONTROL = dict(zip("abeEfnrtv\\'\"?", "\a\b\x1b\x1b\f\n\r\t\v\\'\"?"))  # after a backslash in $'...'
FIX = "Keep to NAME='value'."


class Word:
    """One word. text: without its quotes; plain: how many characters at its beginning are not quoted; quoted: a quoted
    one, or an expansion, was seen; expands: it needs a shell; brace: it has an unquoted {, which export expands;
    splits: an unquoted value in it would be split (shell_script); why: it needs a shell, or None."""

    __slots__ = ("line", "text", "plain", "expands", "quoted", "brace", "splits", "why")

    def __init__(self, line):
        self.line, self.text, self.plain, self.expands, self.quoted = line, "", 0, False, False
        self.brace = self.splits = False
        self.why = None


def assignments(path, names):
    """The values of these names, as a dict of text (bytes that are no UTF-8 are surrogates). Raises Unreadable."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            text = file.read()
    except OSError as error:
        raise Unreadable("The file %s cannot be read: %s." % (path, error.strerror)) from None
    return Reader(path, text, names).read()


class Reader:
    """One file of assignments, from its beginning to its end."""

    def __init__(self, path, text, names):
        self._path, self._text, self._names, self._at, self._line = path, text, names, 0, 1
        self._found = {}

    def check_characters(self):
        """Refuse characters that no shell script has. Raises Unreadable."""
        for char, what in (("\0", "a zero byte"), ("\r", "line ends of Windows: sed -i 's/\\r$//' %s" % self._path)):
            if char in self._text:
                self._line = self._text[:self._text.index(char)].count("\n") + 1
                raise self._wrong("The file has %s" % what)

    def read(self):
        """The values of the wanted names. Raises Unreadable."""
        self.check_characters()
        words = []
        while True:
            char = self._text[self._at:self._at + 1]
            if char in (" ", "\t"):
                self._at += 1
            elif self._text.startswith("\\\n", self._at):
                self._at, self._line = self._at + 2, self._line + 1
            elif char == "#":
                self._at = len(self._text) if "\n" not in self._text[self._at:] else self._text.index("\n", self._at)
            elif char in ("\n", ";", ""):
                self._command(words, char)
                words = []
                if not char:
                    return self._found
                self._at, self._line = self._at + 1, self._line + (char == "\n")
            elif char in ENDS:
                raise self._wrong("This is more than NAME=value. %s" % FIX)
            else:
                words.append(self._word())

    def _wrong(self, text, line=None):
        return Unreadable("%s, line %d, which is not executed: %s" % (self._path, line or self._line, text))

    def _command(self, words, end):
        """Take the assignments of one command."""
        if not words and end == ";":
            raise self._wrong("There is no command before the ;.")
        exports = bool(words) and words[0].text == "export" and not words[0].quoted
        for word in words[exports:]:
            name, separator, value = word.text.partition("=")
            valid = bool(name) and NAME.issuperset(name) and not name[0].isdigit()
            if not valid or word.plain < len(name) + len(separator) or not (separator or exports):
                raise self._wrong("This is more than NAME=value. %s" % FIX, word.line)
            if not separator or name not in self._names:
                continue
            if word.expands or (exports and word.brace):
                raise self._wrong("the value of %s needs a shell. Write the value itself, in single quotes." % name,
                                  word.line)
            self._found[name] = value

    def _word(self):
        word = Word(self._line)
        text = self._text
        while self._at < len(text) and text[self._at] not in ENDS:
            char, place = text[self._at], self._at
            if char == "\\":
                self._at += 2
                if place + 1 == len(text):
                    raise self._wrong("The line ends with a backslash.")
                if text[place + 1] == "\n":
                    self._line += 1
                else:
                    self._quoted(word, text[place + 1])
            elif char == "'":
                self._quoted(word, self._until("'", place + 1))
            elif char == '"':
                self._double(word)
            elif text.startswith("$'", place):
                self._control(word)
            elif char in "$`":
                self._expansion(word)
            else:
                word.brace = word.brace or char == "{"
                word.expands = word.expands or (char == "~" and word.text[-1:] in ("=", ":"))
                word.text += char
                word.plain += not word.quoted
                self._at += 1
        return word

    def _quoted(self, word, text):
        word.text, word.quoted = word.text + text, True

    def _until(self, end, start):
        """The text up to a character, which is passed over."""
        place = self._text.find(end, start)
        if place < 0:
            raise self._wrong("A quote is not closed.")
        self._at = place + 1
        self._line += self._text.count("\n", start, place)
        return self._text[start:place]

    def _double(self, word):
        """Double quotes: a backslash escapes only what has a meaning in them."""
        text, first = self._text, self._line
        self._at += 1
        word.quoted = True
        while self._at < len(text) and text[self._at] != '"':
            char = text[self._at]
            if char == "\\" and text[self._at + 1:self._at + 2] in tuple('$`"\\\n'):
                word.text += text[self._at + 1].strip("\n")
                self._line += text[self._at + 1] == "\n"
                self._at += 2
            elif char in "$`":
                self._expansion(word, True)
            else:
                word.text += char
                self._line += char == "\n"
                self._at += 1
        if self._at >= len(text):
            self._line = first
            raise self._wrong("A quote is not closed.")
        self._at += 1

    def _expansion(self, word, quoted=False):
        """Pass over $NAME, ${NAME}, $(command) and `command`, as far as their end is plain."""
        text, place = self._text, self._at
        word.expands = word.quoted = True
        start, end = next(((start, end) for start, end in (("$(", ")"), ("${", "}"), ("`", "`"))
                           if text.startswith(start, place)), ("", ""))
        if not start:
            following = text[place + 1:place + 2]
            if following == '"' and not quoted:
                self._at += 1  # a text that is translated
            elif following and (following in NAME or following in "*@#?-$!"):
                self._at += 2
            else:  # a dollar sign that means itself
                raise self._wrong("A $ that stands for itself has to be in single quotes.")
            return
        inside = self._until(end, place + len(start))
        if set(inside) & set("'\"\\`$(){}#\n=") or (start == "${" and not NAME.issuperset(inside.partition(":-")[0])):
            raise self._wrong("This needs a shell. Write the value itself, in single quotes.")

    def _control(self, word):
        """$'...', with control characters as in C."""
        text = self._text
        self._at += 2
        word.quoted = True
        while self._at < len(text) and text[self._at] != "'":
            char, following = text[self._at], text[self._at + 1:self._at + 2]
            if char == "\\" and following in CONTROL and following:
                word.text += CONTROL[following]
                self._at += 2
            elif char == "\\":
                raise self._wrong("A \\%s in $'...' is not understood: write the character itself." % following)
            else:
                word.text += char
                self._line += char == "\n"
                self._at += 1
        if self._at >= len(text):
            raise self._wrong("A quote is not closed.")
        self._at += 1
