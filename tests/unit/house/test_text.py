# SPDX-License-Identifier: Apache-2.0
"""Text for people: columns, ages, one line, lines of a given width."""

import pytest

from quorate.text import age, columns, one_line, wrapped


def test_columns_are_as_wide_as_their_longest_cell_and_lines_end_without_blanks():
    assert columns([("node", "state"), ("n1", "down"), ("a-long-name", "")]) == [
        "node         state", "n1           down", "a-long-name"]


@pytest.mark.parametrize("since, text", [(None, "-"), (1000, "0 s"), (1001, "0 s"), (881, "119 s"), (880, "2 min"),
                                          (1000 - 7200, "2 h"), (1000 - 3 * 86400, "3 d")])
def test_age(since, text):
    assert age(since, 1000) == text


@pytest.mark.parametrize("text, line", [
    (None, None), ("", ""), (" a\n\tb ", "a b"), ("caf\u00e9\x07", "caf??"), ("x" * 700, "x" * 600)])
def test_one_line(text, line):
    assert one_line(text) == line


def test_one_line_of_all_there_is():
    assert one_line("x" * 700, None) == "x" * 700


@pytest.mark.parametrize("text, lines", [
    ("", []), ("a b", ["a b"]), ("abc de f", ["abc", "de f"]), ("well-known", ["well-known"]),
    ("a abcdef b", ["a", "abcdef", "b"])])
def test_wrapped(text, lines):
    assert wrapped(text, 4) == lines


def test_a_word_that_is_too_long_is_cut_where_that_is_wanted():
    assert wrapped("a abcdef b", 4, cut=True) == ["a", "abcd", "ef b"]
