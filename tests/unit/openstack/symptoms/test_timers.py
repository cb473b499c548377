# SPDX-License-Identifier: Apache-2.0
"""How long a symptom lasts when monitors of different levels take turns."""

import pytest

from quorate.host.process import Process
from quorate.openstack import facts
from quorate.openstack.facts import Page, Reply, Rows, Observation, Sockets, Symptom, Tree
from quorate.openstack.symptoms import timers

PARENT, WORKER = Process(10, 1, 1, "S", ("x",)), Process(11, 10, 1, "S", ("x",))
SHALLOW = Observation(Tree(PARENT, (WORKER,)), {11: Sockets(3, 1, frozenset())})
DEEP = SHALLOW._replace(rows=Rows(facts.ANSWERED), replies=(Reply("q", facts.ANSWERED),))


def symptom(key, source, kind=facts.PASSING):
    return Symptom(key, kind, "x", None, source)


AWAY = symptom("broker", facts.RPC, facts.OUTAGE)


def timed(*found, at=0.0, interval=60.0):
    return timers.update({}, SHALLOW, found, at, interval)


def test_the_timer_of_what_only_a_call_showed_runs_on_without_a_call():
    """A network that cuts a broker off leaves the connections as they were for a minute or two."""
    running = timers.update(timed(AWAY), SHALLOW, (), 10.0, 10.0)

    assert 61.0 == timers.durations(timers.update(running, DEEP, (AWAY,), 61.0, 60.0), 61.0)["broker"]


def test_one_outage_has_one_beginning_whichever_source_shows_it():
    lost = symptom("broker", facts.REACHABILITY, facts.OUTAGE)
    running = timers.update(timed(AWAY), SHALLOW._replace(broker=False), (lost,), 70.0, 10.0)

    assert 70.0 == timers.durations(running, 70.0)["broker"]


@pytest.mark.parametrize("source, key, without, asked", [
    (facts.RPC, "broker", SHALLOW._replace(broker=True), DEEP),  # it takes connections, and then says nothing
    (facts.RPC, "rpc", SHALLOW, DEEP),
    (facts.RPC, "rpc", SHALLOW._replace(replies=(Reply("q", facts.UNKNOWN),)), DEEP),
    (facts.DATABASE, "database", SHALLOW, DEEP),
    (facts.DATABASE, "heartbeat", SHALLOW._replace(rows=Rows(facts.UNKNOWN)), DEEP),
    (facts.DATABASE, "heartbeat", SHALLOW,
     SHALLOW._replace(rows=Rows(facts.UNREACHABLE))),  # its own time begins after that
    (facts.HTTP, "page", SHALLOW._replace(page=Page(facts.UNKNOWN)), SHALLOW._replace(page=Page(facts.ANSWERED, 200))),
    (facts.REACHABILITY, "broker", SHALLOW, SHALLOW._replace(broker=True)),
    (facts.KERNEL, "amqp", SHALLOW._replace(sockets={}), SHALLOW),
    (facts.KERNEL, "amqp", SHALLOW._replace(sockets={11: Sockets()}), SHALLOW),
    (facts.KERNEL, "port", SHALLOW, SHALLOW._replace(port_owner="ours"))])
def test_only_the_same_source_ends_a_timer(source, key, without, asked):
    running = timed(symptom(key, source))

    assert {key} == set(timers.update(running, without, (), 10.0))
    assert {} == timers.update(running, asked, (), 10.0)


def test_a_fatal_symptom_keeps_all_other_timers():
    fatal = symptom("frozen", facts.KERNEL, facts.FATAL)

    assert {"amqp", "frozen"} == set(timers.update(timed(symptom("amqp", facts.KERNEL)), SHALLOW, (fatal,), 10.0))


def test_after_a_long_time_without_observation_it_begins_anew():
    """Monitors that an operator switched off for an hour: what was in between is unknown."""
    running = timers.update(timed(AWAY), DEEP, (AWAY,), 3600.0, 60.0)

    assert 0.0 == timers.durations(running, 3600.0)["broker"]
    assert {} == timers.update(timed(AWAY), SHALLOW, (), 3600.0)


def test_the_end_of_an_outage_is_a_beginning_for_what_waited_for_it():
    """A worker that has yet to connect again when RabbitMQ is back does not inherit the minutes before."""
    waiting = timed(symptom("rpc", facts.RPC), symptom("queue", facts.RPC), symptom("heartbeat", facts.DATABASE))

    assert {"broker", "heartbeat"} == set(timers.update(waiting, SHALLOW, (AWAY,), 10.0))
    away = symptom("database", facts.DATABASE, facts.OUTAGE)
    assert {"database"} == set(timers.update(waiting, SHALLOW, (away,), 10.0))


def test_a_service_that_is_gone_has_no_timers():
    assert {} == timers.update(timed(AWAY), Observation(Tree()), (), 1.0)


def test_timers_are_decoded_as_they_were_encoded_and_a_malformed_line_is_left_out():
    running = timed(AWAY, symptom("amqp", facts.KERNEL), at=1234.5)

    assert running == timers.decode(timers.encode(running))
    assert {} == timers.decode({"broker": "12.5", "amqp": "x y z", "rpc": ""})


@pytest.mark.parametrize("interval, until", [(0.0, 90.0), (30.0, 90.0), (31.0, 92.0), (60.0, 150.0), (600.0, 1230.0)])
def test_for_how_long_an_observation_counts(interval, until):
    """Two intervals of the monitor that made it, of a minute at least, and the time by which one may be late."""
    running = timed(AWAY, interval=interval)
    assert running == {"broker": timers.SymptomTimer(0.0, until, frozenset((facts.RPC,)))}
    assert timers.update({}, SHALLOW, (AWAY,), 5.0)["broker"].until == 95.0, "without an interval"
    assert timers.update(running, SHALLOW, (AWAY,), until, 0.0)["broker"].since == 0.0
    assert timers.update(running, SHALLOW, (AWAY,), until + 0.1, 0.0)["broker"].since == until + 0.1
    assert set(timers.update(running, SHALLOW, (), until)) == {"broker"}
    assert timers.update(running, SHALLOW, (), until + 0.1) == {}


def test_a_clock_that_ran_backwards_begins_anew():
    running = {"broker": timers.SymptomTimer(100.0, 300.0, frozenset((facts.RPC,)))}
    assert timers.update(running, SHALLOW, (AWAY,), 99.0)["broker"].since == 99.0
    assert timers.update(running, SHALLOW, (AWAY,), 100.0)["broker"].since == 100.0


def test_a_longer_monitor_s_time_is_not_cut_by_a_shorter_one_s():
    running = timers.update(timed(AWAY, interval=600.0), SHALLOW, (AWAY,), 10.0, 10.0)
    assert running["broker"].until == 1230.0


def test_one_symptom_that_two_sources_show():
    """Any of the sources that showed it last ends it, and those of before do not count."""
    knock = symptom("broker", facts.REACHABILITY, facts.OUTAGE)
    both = timed(AWAY, knock)
    assert both["broker"].sources == {facts.RPC, facts.REACHABILITY} and both["broker"].since == 0.0
    assert timers.update(both, SHALLOW, (knock,), 10.0)["broker"].sources == {facts.REACHABILITY}
    assert timers.update(both, SHALLOW._replace(broker=True), (), 10.0) == {}
    assert timers.update(both, DEEP, (), 10.0) == {}


def test_an_outage_for_which_nothing_waits():
    other = symptom("storage", facts.KERNEL, facts.OUTAGE)
    assert set(timers.update(timed(symptom("rpc", facts.RPC)), SHALLOW, (other,), 10.0)) == {"rpc", "storage"}


def test_a_malformed_line_hides_no_other():
    lines = {"a": "x", "broker": "12.5 90.0 knock,rpc"}
    assert timers.decode(lines) == {
        "broker": timers.SymptomTimer(12.5, 90.0, frozenset((facts.RPC, facts.REACHABILITY)))}
    assert timers.encode(timers.decode(lines)) == {"broker": "12.5 90.0 knock,rpc"}


def test_durations_are_never_negative():
    running = {"broker": timers.SymptomTimer(100.0, 300.0, frozenset())}
    assert timers.durations(running, 90.0) == {"broker": 0.0} and timers.durations(running, 100.5) == {"broker": 0.5}
