# SPDX-License-Identifier: Apache-2.0
"""quorate status: the screen of each captured cluster, its colours and its height."""

import os
import re

import pytest

from quorate.status import screen
from quorate.status.summary import summarise
from tests import ROOT
from tests.unit.status.clusters import CAPTURED, observation

GOLDEN = os.path.join(ROOT, "tests", "golden", "status")


@pytest.mark.parametrize("name", CAPTURED)
def test_screen_is_the_one_that_was_reviewed(name):
    """`QUORATE_GOLDEN=1 pytest` writes them anew; then read the difference."""
    one = observation(name)
    text = "\n".join(screen.lines(summarise(one), one)) + "\n"
    path = os.path.join(GOLDEN, name + ".txt")
    if os.environ.get("QUORATE_GOLDEN"):
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    with open(path, encoding="ascii") as file:
        assert file.read() == text


def test_colours_change_nothing_but_colours():
    one = observation("waiting")
    summary = summarise(one)
    bare = [re.sub("\033\\[[0-9;]*m", "", line).rstrip() for line in screen.lines(summary, one, colour=True)]
    assert bare == screen.lines(summary, one)


def test_a_low_terminal_shows_how_many_lines_are_missing():
    assert screen.fit(["a", "b", "c", "d"], 3) == ["a", "b", "(2 more lines: quorate status)"]
    assert screen.fit(["a", "b"], 3) == ["a", "b"]
