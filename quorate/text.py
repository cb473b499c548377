# SPDX-License-Identifier: Apache-2.0
"""Text for people: one line, lines of a given width, columns, an age. Pure."""

import textwrap

MOST_TEXT = 600  # characters kept of a text that another program wrote


def one_line(text, most=MOST_TEXT):
    """One line of printable ASCII, which every terminal and table takes, of the first `most` characters (None: of all).

    None stays None.
    """
    if text is None:
        return None
    words = " ".join(text[:most].split())
    return "".join(letter if " " <= letter <= "~" else "?" for letter in words)


def wrapped(text, width, cut=False):
    """A list of lines of at most `width`, [] for an empty text. A longer word has a line of its own, or is cut."""
    words = text.split()
    if cut:
        words = [word[start:start + width] for word in words for start in range(0, len(word), width)]
    return textwrap.wrap(" ".join(words), width, break_long_words=False, break_on_hyphens=False)


def columns(rows):
    """A line for each row of texts, each column as wide as its longest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def age(since, now):
    """Seconds between the two as people say them; '-' when `since` is unknown."""
    if since is None:
        return "-"
    seconds = max(0, int(now - since))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return "%d %s" % (seconds // size, unit)
    return "%d s" % seconds
