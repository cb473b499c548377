# SPDX-License-Identifier: Apache-2.0
"""Deadlines: every wait ends."""

import pytest

from quorate.host.clock import Deadline
from tests.fakes import FakeClock


def test_it_runs_down_and_never_below_zero():
    clock = FakeClock()
    deadline = Deadline(clock, 10)
    clock.sleep(4)
    assert deadline.left() == pytest.approx(6)
    assert deadline.limit(3) == pytest.approx(3)
    assert deadline.limit(30) == pytest.approx(6)
    assert not deadline.expired
    clock.sleep(100)
    assert deadline.left() == 0.0 and deadline.expired and deadline.limit(5) == 0.0


def test_poll_returns_the_first_true_answer():
    clock = FakeClock()
    answers = iter([None, 0, "there", "later"])
    assert Deadline(clock, 10).poll(lambda: next(answers)) == "there"
    assert clock.elapsed == pytest.approx(0.2)


def test_poll_gives_up_at_the_deadline_with_the_last_answer():
    clock = FakeClock()
    assert Deadline(clock, 5).poll(lambda: False, every=0.7) is False
    assert clock.elapsed == pytest.approx(5)


def test_poll_gives_up_earlier_with_up_to_but_never_later():
    clock = FakeClock()
    assert Deadline(clock, 5).poll(lambda: None, up_to=2) is None
    assert clock.elapsed == pytest.approx(2)
    clock = FakeClock()
    assert Deadline(clock, 5).poll(lambda: None, up_to=50) is None
    assert clock.elapsed == pytest.approx(5)


def test_poll_asks_once_more_at_the_very_end():
    clock = FakeClock()
    assert Deadline(clock, 1).poll(lambda: clock.elapsed >= 1, every=30)


def test_poll_asks_at_least_once_when_there_is_no_time():
    assert Deadline(FakeClock(), 0).poll(lambda: "now") == "now"


def test_a_part_is_never_longer_than_the_whole():
    clock = FakeClock()
    whole = Deadline(clock, 10)
    assert whole.part(3).left() == pytest.approx(3)
    assert whole.part(30).left() == pytest.approx(10)
