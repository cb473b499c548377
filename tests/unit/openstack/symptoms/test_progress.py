# SPDX-License-Identifier: Apache-2.0
"""From looks at heartbeat rows to what is known of their progress."""

import random

import pytest

from quorate.openstack.facts import ANSWERED, Row, Rows
from quorate.openstack.symptoms import progress


class Looks:
    """Looks at the rows of one service, with the memory of a state file between them."""

    def __init__(self, began=1000.0):
        self.lines, self.now, self.began, self.parent = {}, began, began, "10-100"

    def look(self, seconds, age=None, **marks):
        """{name: (unchanged, changes)} after so many more seconds. age: of the process, else old."""
        self.now += seconds
        rows = Rows(ANSWERED, tuple(Row(name, 5, 900, mark) for name, mark in marks.items()))
        self.lines, found = progress.follow(self.lines, rows, self.parent, 9000.0 if age is None else age, self.now)
        # What a state file does with them.
        text = "".join("%s %s\n" % item for item in self.lines.items())
        self.lines = dict(line.partition(" ")[::2] for line in text.splitlines())
        self.watched = found.watched
        return {row.name: (row.unchanged, row.changes) for row in found.rows}


def test_the_first_look_proves_nothing():
    assert {"a": (0, 0)} == Looks().look(0, a="1")


def test_a_row_that_changes_lives_and_one_that_does_not_is_timed_from_its_first_look():
    looks = Looks()
    looks.look(0, a="1", b="7")
    assert {"a": (0, 2), "b": (31, 0)} == looks.look(31, a="2", b="7")
    assert {"a": (31, 2), "b": (62, 0)} == looks.look(31, a="2", b="7")
    assert {"a": (0, 2), "b": (0, 2)} == looks.look(5, a="1", b="8"), "also one whose clock was set back"
    assert 67 == looks.watched


def test_what_is_written_in_the_first_minute_is_no_report_of_a_driver_that_came_up():
    looks = Looks()
    looks.look(0, 10, a="1")
    assert {"a": (0, 1)} == looks.look(31, 41, a="2")
    assert {"a": (0, 1)} == looks.look(31, 72, a="3"), "the change may have been before the 60th second"
    assert {"a": (0, 2)} == looks.look(31, 103, a="4")


def test_a_row_that_appears_was_written_meanwhile():
    looks = Looks()
    looks.look(0, a="1")
    assert {"a": (10, 0), "new": (0, 1)} == looks.look(10, a="1", new="1")


def test_nothing_is_known_of_another_process():
    looks = Looks()
    looks.look(0, a="1")
    looks.look(100, a="2")
    looks.parent = "11-200"
    assert {"a": (0, 0)} == looks.look(10, a="3") and 0 == looks.watched


@pytest.mark.parametrize("name, mark", [("my backend@a", "2026-11-28 12:00:00"), ("a%20b", "x|y"), ("a", ""),
                                        ("line\nbreak", "1\n2"), ("began", "1"), ("parent", "1")])
def test_any_name_and_mark(name, mark):
    looks = Looks()
    looks.look(0, **{name: mark})
    assert {name: (40, 0)} == looks.look(40, **{name: mark})


@pytest.mark.parametrize("lines", [
    {}, {"began": "x", "looked": "1", "parent": "10-100"}, {"began": "5000", "looked": "6000", "parent": "10-100"},
    {"began": "900", "looked": "950", "parent": "10-100", "row:a": "nonsense"},
    {"began": "900", "looked": "950", "parent": "10-100", "row:a": "1.0 9 x"}])
def test_a_memory_that_is_damaged_is_none(lines):
    looks = Looks()
    looks.lines = lines
    assert looks.look(0, a="1")["a"][0] == 0


def test_rows_without_end_are_not_remembered():
    looks = Looks()
    assert {(0, 0), (None, 0)} == set(looks.look(0, **{"row%d" % number: "1" for number in range(2000)}).values())
    assert len(looks.lines) <= progress.MOST + 3


def test_a_look_right_after_another_one_forgets_nothing():
    """Two monitors at one time: what was remembered was rounded up, to a time that had not come yet."""
    looks = Looks(1000.07)
    looks.look(0, a="1")
    looks.look(100.0, a="2")
    assert {"a": (0, 2)} == {name: (round(same), changes) for name, (same, changes) in looks.look(0.01, a="2").items()}


def engines(number, report, dead=500, living=8, age=3):
    """Rows of dead engines, of which some never reported, and of living ones, in an order that is random, as the names
    are. number: seed of that order."""
    found = [Row("dead%03d" % one, None if one % 7 == 0 else 100 + one, 99999, "x") for one in range(dead)]
    found += [Row("live%d" % one, age, 500, report) for one in range(living)]
    random.Random(number).shuffle(found)
    return Rows(ANSWERED, tuple(found))


@pytest.mark.parametrize("number", range(20))
def test_the_living_are_remembered_whatever_the_order_of_the_rows(number):
    """With 300 rows of dead engines before theirs the living had not reported: restarted, and eight rows more, for ever."""
    lines = {}
    for look in range(6):
        lines, found = progress.follow(lines, engines(number, "report %d" % look), "p", 9000.0, 1000.0 + 60 * look)
    assert {2} == {row.changes for row in found.rows if row.name.startswith("live")}
    assert {0} == {row.changes for row in found.rows if row.name.startswith("dead")}, "none of them lives"


def test_an_old_row_for_which_there_is_room_now_is_not_new():
    """Heat removes rows of engines that stopped; of those that are left some were never looked at."""
    lines, _found = progress.follow({}, engines(1, "a"), "p", 9000.0, 1000.0)
    lines, found = progress.follow(lines, engines(2, "b", dead=280), "p", 9000.0, 1060.0)
    assert not [row.name for row in found.rows if row.name.startswith("dead") and row.changes]
    _lines, found = progress.follow(lines, engines(3, "c", dead=281, living=9), "p", 9000.0, 1120.0)
    assert {"dead280": 1, "live8": 1} == {row.name: row.changes for row in found.rows if row.changes == 1}


def test_what_was_seen_to_report_stays_remembered_whatever_its_clock_says():
    lines = {}
    for look in range(3):
        lines, found = progress.follow(lines, engines(4, "report %d" % look, dead=100), "p", 9000.0, 1000.0 + 60 * look)
    _lines, found = progress.follow(lines, engines(4, "more", dead=900, age=7200), "p", 9000.0, 1200.0)
    assert {2} == {row.changes for row in found.rows if row.name.startswith("live")}


def test_of_two_rows_of_one_name_either_may_change():
    """A service that was deleted and made again leaves the old row behind."""
    lines, _found = progress.follow({}, Rows(ANSWERED, (Row("a", 1, 1, "x"), Row("a", 9, 9, "y"))), "p", 999, 1.0)
    for rows in ((Row("a", 1, 1, "z"), Row("a", 9, 9, "y")), (Row("a", 9, 9, "q"), Row("a", 1, 1, "x"))):
        assert {0.0} == {row.unchanged for row in progress.follow(lines, Rows(ANSWERED, rows), "p", 999, 9.0)[1].rows}
    swapped = (Row("a", 9, 9, "y"), Row("a", 1, 1, "x"))
    assert {8.0} == {row.unchanged for row in progress.follow(lines, Rows(ANSWERED, swapped), "p", 999, 9.0)[1].rows}


def test_two_looks_at_one_moment_are_two_looks():
    looks = Looks()
    looks.look(0, a="1")
    assert {"a": (0, 2)} == looks.look(0, a="2", age=9000.0)


@pytest.mark.parametrize("age, changes", [(69.9, 1), (70.0, 2), (70.1, 2)])
def test_a_report_of_the_first_minute_may_be_the_only_one(age, changes):
    """The look before it was 10 s ago: was the process past its first minute then?"""
    looks = Looks()
    looks.look(0, a="1")
    assert {"a": (0, changes)} == looks.look(10, age=age, a="2")


@pytest.mark.parametrize("line", ["900.0 2 row:1 more", "900.0 2", "x 2 row:1", "900.0 3 row:1", "900.0  row:1", ""])
def test_a_row_of_which_nothing_sensible_was_remembered_is_new(line):
    looks = Looks()
    looks.look(0, a="1")
    looks.lines["row:a"] = line
    assert {"a": (0, 1)} == looks.look(10, a="1")
