# SPDX-License-Identifier: Apache-2.0
"""Comments for whoever reads a rendered file, wrapped to its width. Pure."""

from quorate.text import wrapped

WIDTH = 120


def comment(text):
    """The text as lines of a comment."""
    return _commented("# ", text)


def why(text):
    """A reason, as lines of a comment inside a section."""
    return _commented("    # ", text)


def _commented(prefix, text):
    return [prefix + line for line in wrapped(text, WIDTH - len(prefix))]
