# SPDX-License-Identifier: Apache-2.0
"""A Summary as lines of text. Pure."""

from quorate.status.facts import BAD, MOVES, PAST, PLANNED, WELL
from quorate.text import one_line, wrapped

COLOURS = {WELL: "32", PAST: "2", PLANNED: "33", MOVES: "36", BAD: "1;31"}  # SGR codes (ECMA-48, 8.3.117)
NARROWEST, WIDTH = 40, 80  # columns
_NAME_MOST = 22            # letters of a name that are shown
_WORD = 11                 # width of the column of words


def lines(summary, observed, width=WIDTH, colour=False):
    """The screen, at most `width` columns wide (never less than 40): printable ASCII, except for colours."""
    width = max(NARROWEST, width)
    screen = paragraph(summary.title, width) + _painted(paragraph(summary.headline, width), summary.level, colour)
    column = max([6] + [min(len(row.name), _NAME_MOST) for row in summary.nodes + summary.services + summary.proxies])
    here = " on %s" % observed.node if observed.node else ""
    for head, rows in (("nodes", summary.nodes), ("services", summary.services), ("HAProxy" + here, summary.proxies)):
        if rows:
            screen += ["", _cut(head, width)]
            for row in rows:
                screen += _row(row, column, width, colour)
    for head, wanted in (("why", (BAD, MOVES, PLANNED)), ("past failures, still recorded", (PAST,))):
        found = [problem for problem in summary.problems if problem.level in wanted]
        if found:
            screen += ["", head]
            for problem in sorted(found, key=lambda one: wanted.index(one.level)):
                screen += _painted(paragraph(problem.text, width, "  ", "    "), problem.level, colour)
                if problem.command:
                    screen += paragraph(problem.command, width, "    -> ", "       ")
    return screen


def _row(row, column, width, colour):
    """Name, word and text of a Row, and its notes below them."""
    head = "  %s  " % _cut(row.name, _NAME_MOST).ljust(column)
    word = _cut(row.word, _WORD).ljust(_WORD)
    indent = " " * (len(head) + _WORD + 2)
    narrow = len(indent) > width - 16
    text = _lines(row.text, width - (6 if narrow else len(indent)))
    first = text.pop(0) if text and not narrow else ""
    result = [head + (_paint(word, row.level) if colour else word) + "  " + first]
    result += [("      " if narrow else indent) + line for line in text]
    for note in row.notes:
        result += paragraph(note, width, "      ", "        ")
    return [line.rstrip() for line in result]


def paragraph(text, width, first="", others=None):
    """The text in lines of at most `width`, the first behind `first`, the others behind `others`; at least one."""
    others = first if others is None else others
    found = _lines(text, width - max(len(first), len(others)))
    return [(others if number else first) + line for number, line in enumerate(found)] or [first.rstrip()]


def _lines(text, width):
    return wrapped(one_line(text, None), width, cut=True)


def _cut(text, most):
    text = one_line(text, None)
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
