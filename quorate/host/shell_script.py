# SPDX-License-Identifier: Apache-2.0
"""What a POSIX shell has in its variables after it has read a settings file, as far as that can be told without a shell.

Where shell_file refuses a file that is more than assignments, here each variable has an answer of its own: its value,
or that it is set and only a shell could tell to what. What cannot change a variable (an external command, a comment)
is passed over; what could change any of them (eval, another file, a function) is refused with its line. Nothing is
executed. Source: POSIX.1-2017, Shell Command Language, 2.3, 2.6.2, 2.9 and 2.14; dash(1). The differential test asks
dash and bash.
"""

from collections import namedtuple

from quorate.host.shell_file import FIX, NAME, Reader

OPERATORS = ("<<", "&&", "||", ";;", "<&", ">&", ">>", ">|", "<>", ";", "&", "|", "<", ">", "(", ")", "\n")
REDIRECTIONS = ("<&", ">&", ">>", ">|", "<>", "<", ">")
SEPARATORS = ("&&", "||", ";", "&", "|", "\n", "")
OPENING, CLOSING = ("if", "while", "until", "for", "{"), ("fi", "done", "}")
INSIDE = ("then", "else", "elif", "do", "!")
# Commands of the shell itself that may set a variable, end the file, or change what the following lines mean.
MAY_SET = frozenset("eval . source read getopts exec exit return break continue shift command builtin local declare "
                    "typeset let mapfile readarray printf alias unalias function select case coproc esac time".split())
PLAIN_DEFAULT = NAME | frozenset("/.-@:,+%")


class Unknown(namedtuple("Unknown", "line reason")):
    """A variable that is set in this line, and only a shell could tell to what; reason: a clause."""

    __slots__ = ()


def variables(path, text, known):
    """A dict name -> text or Unknown: `known` (the shell's variables before it) and what the script makes of it. Raises
    quorate.errors.Unreadable, with the line, for a script that cannot be followed."""
    return Script(path, text, known).read()


class Script(Reader):
    """One script, from its beginning to its end."""

    def __init__(self, path, text, known):
        Reader.__init__(self, path, text, ())
        self._found = dict(known)
        self._depth = 0          # of if, while, for and { }
        self._condition = False  # the statement is executed only under a condition, or in another process
        self._words = []         # of the statement, as far as it is read

    def read(self):
        self.check_characters()
        words, before = self._words, ""
        while True:
            self._skip()
            operator = next((one for one in OPERATORS if self._text.startswith(one, self._at)), None)
            if self._at >= len(self._text):
                operator = ""
            if operator in SEPARATORS:
                self._condition = self._depth > 0 or before in ("&&", "||", "|") or operator in ("|", "&")
                self._statement(words)
                if not operator:
                    if self._depth:
                        raise self._wrong("The file ends before the end of an if, while, for or {.")
                    return self._found
                if words or operator != "\n":
                    before = operator
                words = self._words = []
                self._at, self._line = self._at + len(operator), self._line + (operator == "\n")
            elif operator in REDIRECTIONS:
                self._redirection(words, operator)
            elif operator:
                raise self._wrong("A %s is not understood here. %s" % (operator, FIX))
            else:
                words.append(self._word())

    def _skip(self):
        """Pass over blanks, continued lines and comments."""
        text = self._text
        while self._at < len(text):
            if text[self._at] in " \t":
                self._at += 1
            elif text.startswith("\\\n", self._at):
                self._at, self._line = self._at + 2, self._line + 1
            elif text[self._at] == "#":
                self._at = len(text) if "\n" not in text[self._at:] else text.index("\n", self._at)
            else:
                return

    def _redirection(self, words, operator):
        if words and words[-1].text.isdigit() and self._text[self._at - 1].isdigit():
            words.pop()  # 2> : the number of the file
        self._at += len(operator)
        self._skip()
        self._word()

    # statements

    def _statement(self, words):
        """Take what one simple command, or a part of a compound one, does to the variables."""
        while words and words[0].plain == len(words[0].text) and not words[0].quoted:
            word = words[0].text
            if word in OPENING:
                self._depth, self._condition = self._depth + 1, True
                if word == "for":
                    self._set(words[1].text if len(words) > 1 else "", words[0], "the for gives it")
                    return
            elif word in CLOSING:
                self._depth -= 1
                if self._depth < 0:
                    raise self._wrong("There is no beginning of this %s." % word, words[0].line)
                return
            elif word not in INSIDE:
                break
            words = words[1:]
        count = next((place for place, word in enumerate(words) if not self._assigned(word)), len(words))
        if count == len(words):
            for word in words:
                self._assign(word)
        else:
            self._simple(words[count:])  # assignments before a command are for that command only

    @staticmethod
    def _assigned(word):
        """The name that a word assigns to; None: it is no assignment."""
        name, separator, _ = word.text.partition("=")
        name = name[:-1] if name.endswith("+") else name
        valid = bool(name) and NAME.issuperset(name) and not name[0].isdigit()
        return name if separator and valid and word.plain > len(name) else None

    def _simple(self, words):
        word = words[0]
        if word.expands or word.splits or "=" in word.text and "[" in word.text[:word.plain]:  # NAME[0]= is bash's
            raise self._wrong("Only a shell could tell which command this is. %s" % FIX, word.line)
        if word.text in ("export", "readonly"):
            for one in words[1:]:
                if one.text.startswith("-") and one.text != "-p":
                    raise self._wrong("%s %s is not understood. %s" % (word.text, one.text, FIX), one.line)
                if self._assigned(one):
                    self._assign(one, True)
                elif one.expands or one.splits or not NAME.issuperset(one.text):
                    raise self._wrong("Only a shell could tell what this exports. %s" % FIX, one.line)
        elif word.text == "unset":
            for one in words[1:]:
                if one.expands or not NAME.issuperset(one.text):
                    raise self._wrong("Only a shell could tell what this unsets. %s" % FIX, one.line)
                if self._condition:
                    self._set(one.text, one)
                else:
                    self._found.pop(one.text, None)
        elif word.text in MAY_SET or word.text == "set" and any(not one.text.startswith(("-", "+")) or one.text == "--"
                                                                for one in words[1:]):
            raise self._wrong("Only a shell could tell what '%s' does to the settings. %s" % (word.text, FIX),
                              word.line)

    def _assign(self, word, exported=False):
        name, _, value = word.text.partition("=")
        if name.endswith("+"):
            self._set(name[:-1], word, "+= is not understood by every shell")
        elif word.expands or (exported and (word.brace or word.splits)):
            self._set(name, word, word.why or "its value needs a shell")
        elif self._condition:
            self._set(name, word)
        else:
            self._found[name] = value

    def _set(self, name, word, why="it is set under a condition"):
        self._found[name] = Unknown(word.line, why)

    # words

    def _expansion(self, word, quoted=False):
        """Put the value of $NAME, ${NAME} or ${NAME:-word} into the word, where it is known."""
        text, place = self._text, self._at
        following = text[place + 1:place + 2] if text[place] == "$" else ""
        if following and following in NAME and not following.isdigit():
            end = place + 1
            while end < len(text) and text[end] in NAME:
                end += 1
            self._at = end
            self._substitute(word, text[place + 1:end], None, quoted)
        elif following == "{" and self._braced(word, quoted):
            return
        else:
            Reader._expansion(self, word, quoted)

    def _braced(self, word, quoted):
        inside = self._text[self._at + 2:].partition("}")[0]
        name, separator, default = inside.partition(":-")
        if not name or not NAME.issuperset(name) or name[0].isdigit() or not PLAIN_DEFAULT.issuperset(default):
            return False
        self._at += len(inside) + 3
        self._substitute(word, name, default if separator else None, quoted)
        return True

    def _substitute(self, word, name, default, quoted):
        value = self._found.get(name)
        if any(self._assigned(one) == name for one in self._words):  # A=x B=$A gives x, export A=x B=$A what it was
            value = None
        word.quoted = True
        if isinstance(value, Unknown) or value is None:
            word.expands = True
            word.why = "it depends on $%s, which only a shell knows" % name
            return
        value = default if default is not None and not value else value
        word.splits = word.splits or not quoted and any(letter in " \t\n*?[" for letter in value)
        word.text += value

    def _control(self, word):
        word.expands = True  # $'...' is a text in control characters for bash only
        Reader._control(self, word)
