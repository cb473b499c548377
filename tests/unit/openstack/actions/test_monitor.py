# SPDX-License-Identifier: Apache-2.0
"""monitor: symptoms timed over levels, failures that hold, the baseline of workers."""

import os

from quorate.host.connections import Socket
from quorate.ocf import codes
from quorate.openstack import facts
from quorate.openstack.actions import monitor
from quorate.openstack.facts import SERVICE_FILE, Reply
from tests.unit.openstack.fakes import CINDER, LINE, FakeSources, add_tree, world


def test_a_symptom_is_timed_from_its_first_observation_until_it_is_over(config, state_files):
    found = world("monitor", config)
    add_tree(found, config)
    sources = FakeSources(amqp=0)
    assert codes.DEGRADED == monitor.monitor(found, CINDER, state_files, sources).code
    found.clock.sleep(61)
    outcome = monitor.monitor(found, CINDER, state_files, sources)
    assert codes.ERR_GENERIC == outcome.code and "It has lasted 61 s" in outcome.reason
    assert codes.SUCCESS == monitor.monitor(found, CINDER, state_files, FakeSources()).code
    assert codes.DEGRADED == monitor.monitor(found, CINDER, state_files, sources).code


def test_a_level_that_cannot_observe_a_symptom_keeps_its_timer(config, state_files):
    """The timer of an outage that only the call finds begins with the first call; the monitors between two calls
    ask the broker themselves."""
    found, sources = world("monitor", config, outage_tolerance="60"), FakeSources(broker=True)
    add_tree(found, config)
    away = (Reply("cinder-volume.ha@a", facts.UNREACHABLE, None, "no answer"),)
    codes_of = []
    for level, replies, broker in ((20, away, True), (0, (), True), (0, (), False), (20, away, True), (0, (), True),
                                   (20, (), True)):
        found.check_level, sources._replies, sources.answers = level, replies or (Reply("q", facts.ANSWERED, 2),
                                                                                  ), broker
        codes_of.append(monitor.monitor(found, CINDER, state_files, sources).code)
        found.clock.sleep(30.5)

    assert [codes.DEGRADED, codes.SUCCESS, codes.ERR_GENERIC, codes.ERR_GENERIC, codes.SUCCESS,
            codes.SUCCESS] == codes_of
    assert {} == state_files.read("symptoms")


def test_a_failure_that_a_call_showed_holds_at_each_level_until_a_call_is_answered(config, state_files):
    """Pacemaker keeps the last result that is not ok: with a degraded one after it no failure is ever mended."""
    found, sources = world("monitor", config), FakeSources(broker=True)
    add_tree(found, config)
    silent, answered = ((Reply("cinder-volume.ha@a", one, 2),) for one in (facts.SILENT, facts.ANSWERED))
    said = []
    for level, replies, amqp in ((20, silent, 2), (20, silent, 2), (0, silent, 0), (0, silent, 2), (20, answered, 0),
                                 (0, silent, 0)):
        found.check_level, sources._replies, sources.amqp = level, replies, amqp
        said.append(monitor.monitor(found, CINDER, state_files, sources).code)
        found.clock.sleep(61 if len(said) == 1 else 1)

    assert [codes.DEGRADED, codes.ERR_GENERIC, codes.ERR_GENERIC, codes.SUCCESS, codes.DEGRADED, codes.DEGRADED] == said
    assert {} == state_files.read("failed")


def test_a_database_that_was_away_is_asked_again_by_the_next_monitor(config, state_files):
    found, sources = world("monitor", config), FakeSources(rows=facts.UNREACHABLE)
    add_tree(found, config)
    assert codes.SUCCESS == monitor.monitor(found, CINDER, state_files, sources).code
    found.check_level = 10
    assert codes.DEGRADED == monitor.monitor(found, CINDER, state_files, sources).code
    found.check_level = 0
    assert codes.DEGRADED == monitor.monitor(found, CINDER, state_files, sources).code
    sources._rows = facts.ANSWERED
    monitor.monitor(found, CINDER, state_files, sources)

    assert "database" not in state_files.read("symptoms")


def test_an_interactive_monitor_writes_no_timers(config, state_files):
    found = world("monitor", config)
    found.interactive = True
    monitor.update_timers(found, state_files, facts.Observation(facts.Tree(1)),
                          [facts.Symptom("amqp", facts.PASSING, "x")])

    assert {} == state_files.read("symptoms")


def test_without_its_workers_although_the_database_answers_it_has_failed(config, state_files):
    found = world("monitor", config)
    parent = found.processes.add(LINE.format(config=config))
    state_files.write(SERVICE_FILE, {"pid": parent.pid, "start": parent.start, "workers": 1, "linked": 0})
    monitor.monitor(found, CINDER, state_files, FakeSources())
    found.clock.sleep(9)
    assert codes.DEGRADED == monitor.monitor(found, CINDER, state_files,
                                             FakeSources()).code, "it may have waited for its database"
    state_files.write(SERVICE_FILE, {"pid": parent.pid, "start": parent.start, "workers": 1, "linked": 1})

    assert codes.ERR_GENERIC == monitor.monitor(found, CINDER, state_files, FakeSources()).code


def test_workers_that_come_later_raise_the_baseline(config, state_files):
    found = world("monitor", config)
    parent, _worker = add_tree(found, config)
    state_files.write(SERVICE_FILE, {"pid": parent.pid, "start": parent.start, "workers": 1, "linked": 0})
    monitor.monitor(found, CINDER, state_files, FakeSources())

    assert ("1", "1") == tuple(state_files.read(SERVICE_FILE)[key] for key in ("workers", "linked"))


def test_what_a_directly_started_service_prints_is_bounded(config, state_files):
    """One that logs to standard error would fill the memory."""
    found = world("monitor", config)
    add_tree(found, config)
    state_files.write("output", {"x": "y" * 2000000})
    monitor.monitor(found, CINDER, state_files, FakeSources())

    assert 0 == os.path.getsize(state_files.path("output"))


def test_a_mistake_in_the_configuration_is_no_lost_broker(config, state_files):
    """The service was started before; which ports are a broker's is not known now."""
    found, sources = world("monitor", config), FakeSources(amqp=0)
    sources.settings = lambda *_: facts.Settings(problems=("line 3 is no section",))
    add_tree(found, config)

    assert codes.SUCCESS == monitor.monitor(found, CINDER, state_files, sources).code


def test_a_broker_that_refuses_the_account_is_an_outage_at_each_level(config, state_files):
    """Level 20 said so, while level 0 took its greeting for an answer, and had the service restarted after 60 s."""
    found, sources = world("monitor", config), FakeSources(amqp=0)
    add_tree(found, config)
    sources.refused, said = "vhost '/' is down", set()
    for level in (0, 10, 20, 0, 20, 0):
        found.check_level = level
        said.add(monitor.monitor(found, CINDER, state_files, sources).code)
        found.clock.sleep(40)
    assert {codes.DEGRADED} == said and not sources.asked
    sources.refused, said = "", []
    for _again in range(3):
        said.append(monitor.monitor(found, CINDER, state_files, sources).code)
        found.clock.sleep(40)
    assert [codes.DEGRADED, codes.DEGRADED, codes.ERR_GENERIC] == said, "it is back, and the service stays without it"


def test_where_the_account_is_not_tried(config, state_files):
    """As many workers as ever are connected: what is missing is a driver, and a connection at each monitor would be in
    the broker's log for nothing."""
    found, sources, tried = world("monitor", config), FakeSources(), []
    parent, worker = add_tree(found, config)
    found.processes.add(LINE.format(config=config), ppid=parent.pid)
    sources.of = lambda pid: (Socket("established", 4000, 5672, 1),) if pid == worker.pid else ()
    sources.refusal = lambda *how: tried.append(how) or ""
    for linked, answers, times in ((1, True, 0), (2, True, 1), (2, False, 1), (2, None, 1)):
        state_files.write(SERVICE_FILE, {"pid": parent.pid, "start": parent.start, "workers": 2, "linked": linked})
        sources.answers = answers
        monitor.monitor(found, CINDER, state_files, sources)
        assert times == len(tried)


def test_the_heartbeat_is_asked_for_once_in_a_monitor(config, state_files):
    """What explains a missing connection, and what level 10 asks: with a slow database twice the time."""
    found, sources, limits = world("monitor", config), FakeSources(amqp=0), []
    add_tree(found, config)
    ask = sources.rows
    sources.rows = lambda *how: limits.append(how[-1]) or ask(*how)
    for level in (0, 10, 20):
        found.check_level = level
        monitor.monitor(found, CINDER, state_files, sources)
    assert [2.0, 5.0, 5.0] == limits
