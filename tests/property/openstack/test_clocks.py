# SPDX-License-Identifier: Apache-2.0
"""The clocks of the service's node and of the database may differ, and be set, by minutes either way: no monitor
answers otherwise than with clocks that agree, and a heartbeat that stops is noticed."""

import tempfile

from hypothesis import HealthCheck, given, settings, strategies as some

from quorate.host.connections import Socket
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.openstack import catalog, facts
from quorate.openstack.actions import monitor
from quorate.openstack.declaration import parameters
from quorate.openstack.facts import SERVICE_FILE, Address, Reply, Row, Rows, Settings
from tests.fakes import FakeClock, FakeCommands, FakeProcesses, context

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=15)
SERVICES = {"cinder": (catalog.CINDER_VOLUME, 10, 60), "heat": (catalog.HEAT_ENGINE, 60, 120)}
AGREED = ((0, 0, 0),)


class World:
    """One service that writes its rows by the clock of its node, and monitors of level 10 on the same node.

    stops: second at which it stops reporting, None: never; skews: ((from second, of the node, of the database), ...)
    """

    def __init__(self, kind, stops, skews, directory, ages):
        self.service, self.interval, _down = SERVICES[kind]
        self.kind, self.stops, self.skews, self.ages = kind, stops, skews, ages
        self.clock = FakeClock()
        self.processes, self.units = FakeProcesses(self.clock), None
        self.state_files = StateFiles(self.service.name, "test", directory)
        program = "python3 /usr/bin/%s" % self.service.name
        parent = self.processes.add(program)
        for _ in range(2):
            self.processes.add(program, ppid=parent.pid)
        self.state_files.write(SERVICE_FILE, {"pid": parent.pid, "start": parent.start, "workers": 2, "linked": 2})

    def monitor(self, at):
        self.clock.sleep(max(0.0, at - self.clock.elapsed))
        for one in self.processes.all():
            self.processes.ages[one.pid] = self.ages + self.clock.elapsed
        found = context("monitor", parameters(self.service), {
            "OCF_RESKEY_CRM_meta_interval": "31000", "OCF_CHECK_LEVEL": "10"}, 60.0, self.clock,
                        FakeCommands(self.clock), self.processes)
        return monitor.monitor(found, self.service, self.state_files, self).code

    def _skew(self, second, which):
        return [one for one in self.skews if one[0] <= second][-1][which]

    def _row(self, name, last, count):
        """As the database gives it: the age by its own clock."""
        now = self.clock.elapsed
        written, made = last + self._skew(max(last, 0), 1), -self.ages + self._skew(0, 1)
        database = now + self._skew(now, 2)
        return Row(name, int(database - written), int(database - made), "%d %.0f" % (count, written))

    # -- sources

    def settings(self, _service, _config, _process=None):
        return Settings(True, (Address("n1", 5672),), Address("n1", 3306), "ha", (("a", "ha"), ("b", "ha")), workers=2,
                        exchange="x", interval=float(self.interval), down=float(SERVICES[self.kind][2]))

    def connections(self):
        return self

    def of(self, _pid):
        return (Socket("established", 4000, 5672, 1),) * 3

    def broker(self, _brokers, _seconds):
        return True

    def refusal(self, _brokers, _seconds):
        return ""

    def refuses_writes(self, *_words):
        return ""

    def rows(self, *_words):
        end = self.clock.elapsed if self.stops is None else min(self.clock.elapsed, self.stops)
        count = int(end // self.interval)
        last, names = count * self.interval, ("ha@a", "ha@b") if self.kind == "cinder" else ("id1", "id2")
        # Heat has no count; and of an engine that died before there is a row that seems to be of the future.
        found = [self._row(name, last, count if self.kind == "cinder" else 0) for name in names]
        return Rows(facts.ANSWERED, tuple(found + ([Row("dead", -900, -900, "x")] if self.kind == "heat" else [])))

    def replies(self, _brokers, _exchange, targets, _seconds, _call):
        return tuple(Reply(target, facts.ANSWERED, 2) for target in targets)


SECONDS = some.integers(-300, 300)
SKEWS = some.lists(some.tuples(some.integers(0, 900), SECONDS, SECONDS), max_size=3).map(
    lambda later: tuple(sorted([(0,) + later.pop()[1:]] + later)) if later else AGREED)


def codes_of(kind, stops, skews, ages, moments):
    with tempfile.TemporaryDirectory() as directory:
        world = World(kind, stops, skews, directory, ages)
        return [world.monitor(at) for at in moments]


MOMENTS = some.lists(some.integers(0, 12), max_size=6).map(
    lambda missed: [31.0 * number for number in range(40) if number not in missed])


@CALM
@given(some.sampled_from(sorted(SERVICES)), some.one_of(some.none(), some.integers(0, 900)), SKEWS,
       some.sampled_from((0, 30, 5000)), MOMENTS)
def test_no_clock_changes_an_answer(kind, stops, skews, ages, moments):
    assert codes_of(kind, stops, AGREED, ages, moments) == codes_of(kind, stops, skews, ages, moments)


@CALM
@given(some.sampled_from(sorted(SERVICES)), SKEWS, some.sampled_from((0, 30, 5000)), MOMENTS)
def test_a_service_that_reports_is_well_whatever_the_clocks_say(kind, skews, ages, moments):
    assert {codes.SUCCESS} == set(codes_of(kind, None, skews, ages, moments))


@CALM
@given(some.sampled_from(sorted(SERVICES)), some.integers(200, 500), SKEWS)
def test_one_that_stops_reporting_is_restarted_after_its_time_whatever_the_clocks_say(kind, stops, skews):
    moments = [31.0 * number for number in range(40)]
    found = dict(zip(moments, codes_of(kind, stops, skews, 5000, moments)))
    _service, interval, down = SERVICES[kind]
    tolerance = 60

    assert {codes.SUCCESS} == {code for at, code in found.items() if at < stops}
    earliest = stops - interval + down + tolerance
    assert not [at for at, code in found.items() if code == codes.ERR_GENERIC and at < earliest]
    # Noticed at a look after its last report, timed from there; a monitor late.
    assert {codes.ERR_GENERIC} == {code for at, code in found.items() if at > stops + down + tolerance + 3 * 31}
