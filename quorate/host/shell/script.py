# SPDX-License-Identifier: Apache-2.0
"""What a POSIX shell has in its variables after it has read a settings file, as far as that can be told without one.

Where shell_file refuses a file that is more than assignments, here each variable has an answer of its own: its value,
or that it is set and only a shell could tell to what. What cannot change a variable (an external command, a comment)
is passed over; another file (`. FILE`) is read by the same rules; what could change any of them (eval, a function) is
refused with its line. Nothing is executed. Source: POSIX.1-2017, Shell Command Language, 2.3, 2.6.2, 2.9 and 2.14;
dash(1). The differential test asks dash and bash.
"""

import os
from collections import namedtuple

from quorate.errors import Unreadable
from quorate.host.shell.file import FIX, NAME, Reader

OPERATORS = ("<<", "&&", "||", ";;", "<&", ">&", ">>", ">|", "<>", ";", "&", "|", "<", ">", "(", ")", "\n")
REDIRECTIONS = ("<&", ">&", ">>", ">|", "<>", "<", ">")
SEPARATORS = ("&&", "||", ";", "&", "|", "\n", "")
OPENING, CLOSING = ("if", "while", "until", "for", "{"), ("fi", "done", "}")
INSIDE = ("then", "else", "elif", "do", "!")
# Commands of the shell itself that may set a variable, end the file, or change what the following lines mean.
MAY_SET = frozenset("eval . source read getopts exec exit return break continue shift command builtin local declare "
                    "typeset let mapfile readarray printf alias unalias function select case coproc esac time".split())
SPECIAL = frozenset(
    ": . break continue eval exec exit export readonly return set shift times trap unset source".split())
PLAIN_DEFAULT = NAME | frozenset("/.-@:,+%")
TESTS = ("-f", "-r", "-e", "-s")  # of a file that is there to be read
CHAINED = ("&&", "||", "|")
DEEPEST = 10    # files that read each other
MOST = 262144   # characters of one file


class Unknown(namedtuple("Unknown", "line reason path", defaults=(None,))):
    """A variable that is set in this line of the file `path`, and only a shell could tell to what; reason: a clause."""

    __slots__ = ()


def variables(path, text, known):
    """A dict name -> text or Unknown: `known` (the shell's variables before it) and what the script makes of it. Raises
    quorate.errors.Unreadable, with the line, for a script that cannot be followed."""
    return Script(path, text, known).read()


def text_of(path):
    """The text of a script; bytes that are no UTF-8 are surrogates. Raises OSError; Unreadable: it is too long."""
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), encoding="utf-8", errors="surrogateescape",
              newline="") as file:
        text = file.read(MOST + 1)
    if len(text) > MOST:
        raise Unreadable("The file %s is longer than %d characters." % (path, MOST))
    return text


def knows_source(shell="/bin/sh"):
    """Whether the machine's sh has `source` as another name of `.`: dash has not."""
    return os.path.basename(os.path.realpath(shell)) != "dash"


class Script(Reader):
    """One script, from its beginning to its end. depth: how many files read this one."""

    def __init__(self, path, text, known, depth=0):
        Reader.__init__(self, path, text, ())
        self._found = dict(known)
        self._files = depth
        self._depth = 0          # of if, while, for and { }
        self._condition = False  # the statement is executed only under a condition, or in another process
        self._words = []         # of the statement, as far as it is read
        self._before = self._after = ""  # the operators around the statement
        self._tested = None      # the path of which the last statement tested that it is there
        self._guards = []        # of each if, while, for and {: the only thing that it depends on is whether this file
        #                          is there; None: its condition is being read; False: it depends on more

    def read(self):
        self.check_characters()
        words = self._words
        while True:
            self._skip()
            operator = next((one for one in OPERATORS if self._text.startswith(one, self._at)), None)
            if self._at >= len(self._text):
                operator = ""
            if operator in SEPARATORS:
                self._condition = self._depth > 0 or self._before in CHAINED or operator in ("|", "&")
                self._after = operator
                self._statement(words)
                if not operator:
                    if self._depth:
                        raise self._wrong("The file ends before the end of an if, while, for or {.")
                    return self._found
                if words or operator != "\n":
                    self._before = operator
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
        if not words:
            return
        tested, self._tested = self._tested, None
        first, negated = self._before not in CHAINED, False
        while words and words[0].plain == len(words[0].text) and not words[0].quoted:
            word = words[0].text
            if word in OPENING:
                self._open(word, words, first, tested)
                if word == "for":
                    return
            elif word in CLOSING:
                self._close(words[0])
                return
            elif word not in INSIDE:
                break
            elif word != "!" and self._guards:
                self._guards[-1] = tested if word == "then" and self._guards[-1] is None and tested else False
            first, tested, negated = first or word != "!", tested if word == "!" else None, word == "!"
            words = words[1:]
        count = next((place for place, word in enumerate(words) if not self._assigned(word)), len(words))
        if count == len(words):
            for word in words:
                self._assign(word)
            return
        for word in words[:count]:  # they are for this command only, except in dash before a command of its own
            if words[count].text in SPECIAL:
                self._set(self._assigned(word), word, "shells differ about an assignment before %s" % words[count].text)
        if words[count].text in (".", "source") and not count:
            self._read_file(words, first, tested)
        else:
            self._simple(words[count:])
        path = _is_there(words)
        if path and not negated and (first or self._before == "&&" and tested == path) and self._after != "&":
            self._tested = path

    def _open(self, word, words, first, tested):
        """An if, while, for or { begins."""
        guard = None if word == "if" and first else False
        if word == "{" and self._before == "&&" and tested:
            guard = tested
        self._guards.append(guard)
        self._depth, self._condition = self._depth + 1, True
        if word == "for":
            self._set(words[1].text if len(words) > 1 else "", words[0], "the for gives it")

    def _close(self, word):
        """A fi, done or } is reached."""
        self._depth -= 1
        if self._depth < 0:
            raise self._wrong("There is no beginning of this %s." % word.text, word.line)
        if self._guards.pop() and self._after in ("|", "&"):
            raise self._wrong("Only a shell could tell what another process sets. %s" % FIX, word.line)

    def _read_file(self, words, first, tested):
        """`. FILE`: what that file does to the variables. Under a test that it is there it may be missing."""
        word, path = words[0], words[1].text if len(words) == 2 else ""
        if word.text == "source" and not knows_source():
            raise self._wrong("sh is dash on this machine, which has no 'source': write '. FILE'.", word.line)
        if not path.startswith("/") or words[1].expands or words[1].splits:
            raise self._wrong("Only a shell could tell which file this reads. Write its whole path.", word.line)
        if self._files >= DEEPEST:
            raise self._wrong("More than %d files read each other." % DEEPEST, word.line)
        certain = (all(guard == path for guard in self._guards) and self._after not in ("|", "&")
                   and (first or self._before == "&&" and tested == path))
        try:
            text = text_of(path)
        except OSError as error:
            if certain and (self._guards or not first) and isinstance(error, (FileNotFoundError, NotADirectoryError)):
                return
            raise self._wrong("it reads %s, which cannot be read (%s). Write that file, or remove the line." % (
                path, error.strerror), word.line) from None
        found = Script(path, text, self._found, self._files + 1).read()
        if certain:
            self._found = found
            return
        for name in sorted(set(found) | set(self._found)):
            if found.get(name) != self._found.get(name):
                self._set(name, word)

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
        elif word.text in MAY_SET or word.text == "set" and not _are_options([one.text for one in words[1:]]):
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
        self._found[name] = Unknown(word.line, why, self._path)

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


def _is_there(words):
    """The path of which a test ([ -f PATH ]) says whether that file is there; None: it is another command."""
    said = [word.text for word in words]
    if said[:1] == ["["] and said[-1:] == ["]"]:
        said, words = said[:-1], words[:-1]
    elif said[:1] != ["test"]:
        return None
    if len(said) != 3 or said[1] not in TESTS or any(word.expands or word.splits for word in words):
        return None
    return said[2]


def _are_options(words):
    """Whether these arguments of `set` are options only, such as -a and -o allexport, and no positional parameters."""
    return all(word.startswith(("-", "+")) and word != "--" or at and words[at - 1] in ("-o", "+o")
               for at, word in enumerate(words))
