# SPDX-License-Identifier: Apache-2.0
"""Any problem that begins and ends at any time, and monitors of any level in any order: the limit of a symptom
holds."""

import tempfile
from collections import namedtuple

from hypothesis import HealthCheck, given, settings, strategies as some

from quorate.host.connections import Socket
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.openstack import catalog, facts
from quorate.openstack.actions import monitor
from quorate.openstack.declaration import parameters
from quorate.openstack.facts import SERVICE_FILE, SYMPTOMS_FILE, Address, Reply, Row, Rows, Settings
from tests.fakes import FakeClock, FakeCommands, FakeProcesses, context

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=25)
CINDER = catalog.CINDER_VOLUME
SETTINGS = Settings(True, (Address("n1", 5672, "u", "p", "/"),), Address("n1", 3306), "ha", (("a", "ha"),),
                    exchange="openstack")
INTERVALS = {0: 10.0, 10: 31.0, 20: 61.0}
TOLERANCE = 60.0
OUTAGES = ("cut off", "taken and not served", "database")  # of broker and database
FAULTS = OUTAGES + ("silent", "stale")


class Fault(namedtuple("Fault", "kind begins ends unnoticed")):
    """From `begins` to `ends`; connections look established for `unnoticed` seconds of it."""

    __slots__ = ()


class World:
    """One service, one fault, a clock: the sources of monitor()."""

    def __init__(self, fault, outage, directory):
        self.fault, self.outage, self.clock = fault, outage, FakeClock()
        self.processes, self.state_files = FakeProcesses(self.clock), StateFiles("cinder-volume", "test", directory)
        self.units = None
        parent = self.processes.add("python3 /usr/bin/cinder-volume")
        self.processes.add("python3 /usr/bin/cinder-volume", ppid=parent.pid)
        self.state_files.write(SERVICE_FILE, {"pid": parent.pid, "start": parent.start, "workers": 1, "linked": 1})

    def monitor(self, at, level):
        """The exit code of the monitor of a level at a moment, or when the one before is done."""
        self.clock.sleep(max(0.0, at - self.clock.elapsed))
        found = context("monitor", parameters(CINDER), {
            "OCF_RESKEY_CRM_meta_interval": "%d" % (INTERVALS[level] * 1000), "OCF_CHECK_LEVEL": str(level)}, 60.0,
                        self.clock,
            FakeCommands(self.clock), self.processes, tolerance="%d" % TOLERANCE, outage_tolerance="%d" % self.outage)
        return monitor.monitor(found, CINDER, self.state_files, self).code

    def now(self, *kinds):
        return self.fault.kind in kinds and self.fault.begins <= self.clock.elapsed < self.fault.ends

    # -- sources

    def settings(self, _service, _config, _process=None):
        return SETTINGS

    def connections(self):
        return self

    def of(self, _pid):
        lost = self.now("cut off") and self.clock.elapsed > self.fault.begins + self.fault.unnoticed
        return () if lost else (Socket("established", 4000, 5672, 1),) * 3

    def broker(self, _brokers, _seconds):
        return not self.now("cut off")

    def refusal(self, _brokers, _seconds):
        return ""

    def refuses_writes(self, *_words):
        return ""

    def rows(self, *_words):
        if self.now("database"):
            return Rows(facts.UNREACHABLE, (), "n1: refused")
        reported = self.fault.begins if self.now("stale") else self.clock.elapsed
        return Rows(facts.ANSWERED, (Row("ha@a", 5, 900, "%.1f" % reported),))

    def replies(self, _brokers, _exchange, targets, _seconds, _call):
        outcome = (facts.UNREACHABLE if self.now("cut off", "taken and not served") else
                   facts.SILENT if self.now("silent") else facts.ANSWERED)
        return tuple(Reply(target, outcome, 2, "x") for target in targets)


def tenths(least, most):
    """Seconds, to the tenth: with floats half of the examples would be too large."""
    return some.integers(least * 10, most * 10).map(lambda number: number / 10)


@some.composite
def faults(draw, kinds=FAULTS):
    begins = draw(tenths(0, 200))
    return Fault(draw(some.sampled_from(kinds)), begins, begins + draw(tenths(1, 300)), draw(tenths(0, 300)))


@some.composite
def schedules(draw):
    """[(moment, level)]: every level at its interval, each begun at its own moment; some are late or missing."""
    found, late = [], draw(some.sampled_from((0.0, 2.0)))
    for level, interval in INTERVALS.items():
        at = draw(tenths(0, int(interval)))
        while at < 450:
            found.append((at, level))
            at += interval + late
    missed = draw(some.lists(some.integers(0, 70), max_size=8))
    return [one for number, one in enumerate(sorted(found)) if number not in missed]


def played(fault, outage, moments):
    """[(exit code, moment, level)]."""
    with tempfile.TemporaryDirectory() as directory:
        world = World(fault, outage, directory)
        return [(world.monitor(at, level), at, level) for at, level in moments], world.state_files.read(SYMPTOMS_FILE)


@CALM
@given(faults(), schedules(), some.integers(0, 200))
def test_it_never_fails_before_the_problem_has_lasted_as_long_as_it_may(fault, moments, outage):
    limit = outage if fault.kind in OUTAGES else TOLERANCE
    for code, at, _level in played(fault, outage, moments)[0]:
        if code == codes.ERR_GENERIC:
            assert limit > 0 and fault.begins + limit <= at < fault.ends


@CALM
@given(faults(OUTAGES), schedules())
def test_an_outage_restarts_nothing_unless_its_limit_is_set(fault, moments):
    assert codes.ERR_GENERIC not in [code for code, _at, _level in played(fault, 0, moments)[0]]


@CALM
@given(faults(), schedules(), some.integers(1, 200))
def test_shallower_monitors_end_no_timer(fault, moments, outage):
    """What fails with monitors of level 20 alone fails at the same ones with all the others between them."""
    alone = {at for code, at, _level in played(fault, outage, [one for one in moments if one[1] == 20])[0]
             if code == codes.ERR_GENERIC}
    together = {at for code, at, level in played(fault, outage, moments)[0] if code == codes.ERR_GENERIC}

    assert alone <= together


@CALM
@given(faults(OUTAGES + ("silent",)), schedules(), some.integers(1, 200))
def test_an_outage_that_lasts_fails_within_its_limit_and_two_intervals(fault, moments, outage):
    """By the second monitor of level 20 after the limit at the latest."""
    limit = outage if fault.kind in OUTAGES else TOLERANCE
    found, _lines = played(fault, outage, moments)
    deep = [(code, at) for code, at, level in found if level == 20 and fault.begins <= at < fault.ends]
    gaps = [later - earlier for (_code, earlier), (_other, later) in zip(deep, deep[1:])]
    late = [code for code, at in deep[1:] if at > deep[0][1] + limit]
    if all(gap <= 2 * INTERVALS[20] for gap in gaps):
        assert all(code == codes.ERR_GENERIC for code in late)


@CALM
@given(faults(), schedules(), some.integers(0, 200))
def test_after_it_is_over_one_deep_monitor_ends_the_timer(fault, moments, outage):
    assert {} == played(fault, outage, moments + [(600.0, 20)])[1]
