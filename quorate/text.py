# SPDX-License-Identifier: Apache-2.0
"""Columns of text for people. Pure."""


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
