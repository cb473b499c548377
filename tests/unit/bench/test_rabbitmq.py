# SPDX-License-Identifier: Apache-2.0
"""What scripts/bench does for RabbitMQ when something goes wrong: it goes on, and reports what it has."""

from bench.rabbitmq import cases, report
from lab import LabError


class Lab:
    """A lab of which nothing is asked but that it is there."""

    name, node_names = "unit", ["n1", "n2", "n3"]

    def power_on(self, *_nodes):
        pass

    wait_online = power_on


class Bench(cases.Bench):
    """Cases that only record that they were run."""

    def __init__(self, broken=()):
        super().__init__(Lab(), 1)
        self.done, self.broken = [], broken

    def cold(self, side, recorded=True):
        self.done.append("cold" if recorded else "cold again")
        return True

    def settle(self):
        pass

    def __getattribute__(self, name):
        if name not in cases.CASES:
            return object.__getattribute__(self, name)

        def case(_side):
            self.done.append(name)
            if name in self.broken:
                raise LabError("it does not stop")
            return True
        return case


def test_a_case_that_fails_is_recorded_and_the_next_begins_from_a_cold_start():
    one = Bench(broken=("restart",))
    one.round(cases.OURS, ("restart", "kill_one"))
    assert one.done == ["cold", "restart", "cold again", "kill_one"]
    assert one.timings == [cases.Timing("enable, all serve", "quorate", None, None)]
    assert "it does not stop" in report.text("", "x", [], one)


def test_no_case_begins_after_the_time_that_is_given():
    one = Bench()
    one.until = "00:00"
    one.round(cases.OURS, ("restart",))
    assert one.done == []


def test_both_sides_of_a_round_get_the_same_moments():
    one, moments = Bench(), []
    for side in (cases.OURS, cases.PEER, cases.OURS):
        one.round(side, ())
        moments.append(one.random.random())
    assert moments[0] == moments[1] != moments[2]


def test_what_was_not_in_time_stands_beside_the_median():
    timings = [cases.Timing("c", "quorate", seconds, []) for seconds in (1.0, None, 3.0)]
    assert report._cells(timings) == ["2.0 s (1.0..3.0, n=2, not in time: 1)", "all"]
    assert report._cells([cases.Timing("c", "quorate", None, ["user app"])]) == [
        "not within 180 s", "1 things gone, such as user app"]
    assert report._cells([]) == ["-", ""]
