# SPDX-License-Identifier: Apache-2.0
"""A Verdict as lines of text. Pure."""

from quorate.status.facts import BAD, MOVES, PAST, PLANNED, WELL

COLOURS = {WELL: "32", PAST: "2", PLANNED: "33", MOVES: "36", BAD: "1;31"}  # SGR codes (ECMA-48, 8.3.117)
NARROWEST, WIDTH = 40, 80
_NAME_MOST = 22
_WORD = 11


def lines(verdict, observed, width=WIDTH, colour=False):
    """The screen, at most `width` columns wide (never less than 40). Every line is printable ASCII, but for colours."""
    width = max(NARROWEST, width)
    screen = _paragraph(verdict.title, width) + _painted(_paragraph(verdict.headline, width), verdict.level, colour)
    column = max([6] + [min(len(row.name), _NAME_MOST) for row in verdict.nodes + verdict.services + verdict.proxies])
    here = " on %s" % observed.node if observed.node else ""
    for head, rows in (("nodes", verdict.nodes), ("services", verdict.services),
                       ("HAProxy%s, with its own eyes" % here, verdict.proxies)):
        if rows:
            screen += ["", _cut(head, width)]
            for row in rows:
                screen += _row(row, column, width, colour)
    for head, wanted in (("why", (BAD, MOVES, PLANNED)), ("over, and still remembered", (PAST,))):
        found = [trouble for trouble in verdict.troubles if trouble.level in wanted]
        if found:
            screen += ["", head]
            for trouble in sorted(found, key=lambda one: wanted.index(one.level)):
                screen += _painted(_paragraph(trouble.text, width, "  ", "    "), trouble.level, colour)
                if trouble.command:
                    screen += _paragraph(trouble.command, width, "    -> ", "       ")
    return screen


def _row(row, column, width, colour):
    """Name, word, where; and below it what it says of itself."""
    head = "  %s  " % _cut(row.name, _NAME_MOST).ljust(column)
    word = _cut(row.word, _WORD).ljust(_WORD)
    indent = " " * (len(head) + _WORD + 2)
    narrow = len(indent) > width - 16
    text = wrapped(row.text, width - (6 if narrow else len(indent)))
    first = "" if narrow else (text.pop(0) if text else "")
    result = [head + (_paint(word, row.level) if colour else word) + "  " + first]
    result += [("      " if narrow else indent) + line for line in text]
    for note in row.notes:
        result += _paragraph(note, width, "      ", "        ")
    return [line.rstrip() for line in result]


def _paragraph(text, width, first="", others=None):
    others = first if others is None else others
    found = wrapped(text, width - max(len(first), len(others)))
    return [(others if number else first) + line for number, line in enumerate(found)] or [first.rstrip()]


def wrapped(text, width):
    """The text in lines of at most `width`; only a word longer than that is cut."""
    result, line = [], ""
    for word in _ascii(text).split():
        while len(word) > width:
            if line:
                result.append(line)
                line = ""
            result.append(word[:width])
            word = word[width:]
        if line and len(line) + 1 + len(word) > width:
            result.append(line)
            line = word
        elif word:
            line = line + " " + word if line else word
    return result + [line] if line else result


def _ascii(text):
    return "".join(letter if " " <= letter <= "~" else " " if letter.isspace() else "?" for letter in text)


def _cut(text, most):
    text = " ".join(_ascii(text).split())
    return text if len(text) <= most else text[:most - 1] + "~"


def _painted(found, level, colour):
    return [_paint(line, level) for line in found] if colour else found


def _paint(text, level):
    bare = text.rstrip()
    return "\033[%sm%s\033[0m%s" % (COLOURS[level], bare, text[len(bare):])


def fit(screen, height):
    """As many lines as there are on the terminal; the last one says how many are not shown."""
    if height < 2 or len(screen) <= height:
        return screen
    return screen[:height - 1] + ["(%d more lines: quorate status)" % (len(screen) - height + 1)]
