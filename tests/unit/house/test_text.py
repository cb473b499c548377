# SPDX-License-Identifier: Apache-2.0
"""Columns of text for people."""

import pytest

from quorate.text import age, columns


def test_columns_are_as_wide_as_their_longest_cell_and_lines_end_without_blanks():
    assert columns([("node", "state"), ("n1", "down"), ("a-long-name", "")]) == [
        "node         state", "n1           down", "a-long-name"]


@pytest.mark.parametrize("since, text", [(None, "-"), (1000, "0 s"), (1001, "0 s"), (881, "119 s"), (880, "2 min"),
                                          (1000 - 7200, "2 h"), (1000 - 3 * 86400, "3 d")])
def test_age(since, text):
    assert age(since, 1000) == text
